"""The terminal UI.

The app holds what is known; `Desk` does what takes time and tells it in messages;
the screens draw. It paints before anything of the home is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import difflib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input

from notesqa.config import Settings
from notesqa.errors import Cancelled, ConfigError
from notesqa.records import Turn
from notesqa.text.terminal import clip, pad, safe
from notesqa.tui import told
from notesqa.tui.answers import Exchange
from notesqa.tui.ask_screen import AskScreen
from notesqa.tui.bars import Progress, Signal
from notesqa.tui.commands import Commands
from notesqa.tui.desk import Desk, Request
from notesqa.tui.dialogs import Page, digest
from notesqa.tui.drafts import Draft
from notesqa.tui.errands import Errands
from notesqa.tui.flow import BLANK, Line, Piece
from notesqa.tui.gallery import gallery_for
from notesqa.tui.terminal import Terminal, keys_of
from notesqa.tui.theme import DARK, LIGHT, THEMES
from notesqa.tui.wording import Wording, choose, speak

if TYPE_CHECKING:
    from notesqa.api import Status
    from notesqa.reports import DocumentInfo
    from notesqa.tui.history_screen import HistoryScreen
    from notesqa.tui.note_text import NoteText
    from notesqa.tui.read_screen import ReadScreen
    from notesqa.tui.remote import Behind
    from notesqa.tui.rubbish import Rubbish
    from notesqa.tui.search_screen import SearchScreen
    from notesqa.tui.settings_screen import SettingsScreen

_SUGGESTED = 4
_QUIT_SECONDS = 2.0
_TYPING_SECONDS = 1.5
_SWEEP_SECONDS = 3.0
_TOLD_CELLS = 22


class NotesApp(Errands):
    """Ask, search and read a home's notes."""

    TITLE = "notesqa"
    CSS_PATH = Path(__file__).with_name("styles.tcss")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS = {Commands}  # noqa: RUF012 - as Textual declares it
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-wide"),
        (160, "-vast"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", "do_help", id="help", priority=True),
        Binding("f2", "go('ask')", "do_ask", id="ask", priority=True, show=False),
        Binding("f3", "go('search')", "do_search", id="search", priority=True, show=False),
        Binding("f4", "go('read')", "do_read", id="read", priority=True, show=False),
        Binding("f6", "go('history')", "do_history", id="history", priority=True, show=False),
        Binding("f7", "go('settings')", "do_settings", id="settings", priority=True, show=False),
        Binding("ctrl+r,f5", "rebuild", "do_rebuild", id="rebuild", priority=True),
        Binding("ctrl+x", "cancel_rebuild", "do_cancel", id="cancel", show=False, priority=True),
        Binding("ctrl+l", "digest", "do_digest", id="digest", show=False, priority=True),
        Binding("f10", "theme", "do_theme", id="theme", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "do_interrupt", id="interrupt", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "do_palette", id="palette", priority=True),
        Binding("ctrl+q", "quit", "do_quit", id="quit", priority=True),
    ]

    signal: reactive[Signal] = reactive(Signal)
    progress: reactive[Progress | None] = reactive[Progress | None](None)

    def __init__(
        self,
        notes_factory: Callable[[], Behind],
        settings: Settings,
        *,
        corpus: Path | None = None,
        question: str = "",
        rubbish: Rubbish | None = None,
        terminal: Terminal | None = None,
    ) -> None:
        """`corpus` is where the home's notes are, for the greeting and for drafts.

        `terminal` is what it was found to be, before it was the app's.
        `rubbish` is settled when everything is there, and swept while nobody types.

        Raises:
            ConfigError: `[tui]` names a key for an action that does not exist.
        """
        super().__init__()
        self.settings = settings
        self.words = choose(settings.tui.language)
        speak(self, self.words)
        self.corpus = corpus
        self.desk = Desk(notes_factory, self.post_message, self.words)
        self.exchanges: list[Exchange] = []
        self.documents: list[DocumentInfo] = []
        self.tags: Sequence[str] = ()
        self.sources: Sequence[str] = ()
        self.status: Status | None = None
        self.conversation_id: int | None = None
        self.context_tokens = 0
        self.last_speed = 0.0
        self._number = 0
        self._first_question = question
        self._interrupted = 0.0
        self._began = 0.0
        self._draft = Draft(corpus.parent / "index" / "draft.txt" if corpus else None)
        self._suggestions: list[str] = []
        self._warm = False
        self._typed = 0.0
        self._rubbish = rubbish
        self._digest: told.IndexDone | None = None
        self._hearers: dict[type[told.Told], Callable[[Any], None]] = {
            told.Opened: self._hear_opened,
            told.Warmed: self._hear_warmed,
            told.ModelState: self._hear_model_state,
            told.Listed: self._hear_listed,
            told.Results: self._hear_results,
            told.AnswerFound: self._hear_answer_found,
            told.AnswerText: self._hear_answer_text,
            told.AnswerDone: self._hear_answer_done,
            told.AnswerSaved: self._hear_answer_saved,
            told.Failed: self._hear_failed,
            told.DocumentReady: self._hear_document,
            told.Conversations: self._hear_conversations,
            told.ConversationReady: self._hear_conversation,
            told.IndexProgress: self._hear_index_progress,
            told.IndexCancelled: self._hear_index_cancelled,
            told.IndexDone: self._hear_index_done,
            told.Noticed: self._hear_noticed,
        }
        self._check_keys()
        self._typed_before = terminal.typed if terminal else ""
        self.gallery = gallery_for(terminal, self.console.color_system) if terminal else None

    # -- life ---------------------------------------------------------------------

    def _check_keys(self) -> None:
        keys = self.settings.tui.keys
        known = sorted(action_names()) if keys else []
        for name in keys:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                raise ConfigError(f"[tui.keys] has no action {name}", hint)
        themes = [theme.name for theme in THEMES]
        if self.settings.tui.theme not in {*themes, *self.available_themes}:
            raise ConfigError(
                f"[tui] has no theme {self.settings.tui.theme}", f"known: {', '.join(themes)}"
            )
        self.set_keymap(dict(keys))
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self.settings.tui.theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for themes that are not ours."""
        return (DARK if self.current_theme.dark else LIGHT).variables

    def get_default_screen(self) -> Screen[Any]:
        """Asking."""
        return AskScreen(self.words)

    def on_mount(self) -> None:
        """Paint, and only then open the home."""
        if not self.is_headless:
            self._leave_in_order()
        self.call_after_refresh(self._open)
        if self._rubbish is not None:
            self.set_interval(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        if self._rubbish is not None and time.monotonic() - self._typed > _SWEEP_SECONDS:
            self._rubbish.sweep()

    def _settle(self) -> None:
        if self._rubbish is not None:
            self._rubbish.settle()

    def _install_others(self) -> None:
        """The other screens, whose modules the first paint does not wait for."""
        if not self.is_screen_installed("search"):
            for name, screen in _other_screens().items():
                self.install_screen(screen(self.words), name)

    def _leave_in_order(self) -> None:
        """A lost terminal and a polite kill end the app as leaving does, the draft kept."""
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError, RuntimeError):
                    loop.add_signal_handler(number, self._leave, 128 + number)

    def _open(self) -> None:
        self.desk.open()
        self._install_others()
        self._settle()
        draft = self._first_question or self._draft.load()
        if draft:
            self.ask_screen.question.value = draft
            self.ask_screen.question.cursor_position = len(draft)
        for event in keys_of(self._typed_before):
            self.post_message(event)

    def _leave(self, code: int) -> None:
        self.exit(code, return_code=code)

    def on_unmount(self) -> None:
        """Leave nothing running."""
        self._draft.flush()
        self.desk.close()

    def exit(self, *args: Any, **kwargs: Any) -> None:
        """End, with no pictures left in the terminal, which is ours only until then."""
        if self.gallery is not None and self._driver is not None:
            self._driver.write(self.gallery.close())
        super().exit(*args, **kwargs)

    async def action_quit(self) -> None:
        """Leave."""
        self.exit(0)

    def action_command_palette(self) -> None:
        """Everything that can be done here, to be chosen by name."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder=self.words("palette")))

    def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected; stop the answer; or leave, the second time."""
        focused = self.focused
        selected = focused.selected_text if isinstance(focused, Input) else ""
        selected = selected or self.screen.get_selected_text() or ""
        if selected:
            self.copy_to_clipboard(selected)
            return
        if self.answering:
            self.stop_answer()
            return
        now = time.monotonic()
        if now - self._interrupted < _QUIT_SECONDS:
            self.exit(0)
            return
        self._interrupted = now
        self.notify(self.words("quit_again"), timeout=_QUIT_SECONDS)

    # -- places ---------------------------------------------------------------------

    @property
    def ask_screen(self) -> AskScreen:
        """The screen at the bottom."""
        return cast("AskScreen", self.screen_stack[0])

    def action_go(self, place: str) -> None:
        """To a place; the places lie beside one another on the first screen."""
        self._install_others()
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if place != "ask":
            self.push_screen(place)

    def key_of(self, action: str) -> str:
        """The key of an action as it is shown, also when it was remapped."""
        key = self.settings.tui.keys.get(action)
        for binding in self.BINDINGS:
            if isinstance(binding, Binding) and binding.id == action:
                shown = dataclasses.replace(binding, key=(key or binding.key).partition(",")[0])
                return self.get_key_display(shown)
        return ""

    def _shown(self, name: str) -> Any:
        """The screen of this name, if it is in sight or below, and has its widgets."""
        screen = self.get_screen(name) if self.is_screen_installed(name) else None
        return screen if screen in self.screen_stack and screen.is_mounted else None

    def _searching(self) -> SearchScreen | None:
        return cast("SearchScreen | None", self._shown("search"))

    def _reading(self) -> ReadScreen | None:
        return cast("ReadScreen | None", self._shown("read"))

    def _looking_back(self) -> HistoryScreen | None:
        return cast("HistoryScreen | None", self._shown("history"))

    @property
    def suggestions(self) -> list[str]:
        """Questions to begin with."""
        return self._suggestions

    # -- asking -----------------------------------------------------------------------

    @property
    def latest(self) -> Exchange | None:
        """The last question of the conversation."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def answering(self) -> bool:
        """Whether an answer is in the making."""
        return self.latest is not None and self.latest.state in ("searching", "writing")

    def exchange(self, number: int) -> Exchange | None:
        """The exchange with this number."""
        return next((e for e in self.exchanges if e.number == number), None)

    def submit(self, question: str) -> bool:
        """Ask what was typed; False when an answer is still in the making."""
        if self.answering:
            self.notify(self.words("busy"), timeout=2)
            return False
        self.ask(question)
        return True

    def ask(self, question: str, *, llm: bool = True) -> None:
        """Ask a question in this conversation."""
        if self.answering:
            self.notify(self.words("busy"), timeout=2)
            return
        self._number += 1
        exchange = Exchange(self._number, question, llm)
        if not self._warm:
            exchange.waiting_for = self.words("first_wait")
        history = tuple(
            Turn(e.question, e.answer) for e in self.exchanges if e.answer and not e.answer.stopped
        )
        self.exchanges.append(exchange)
        self._draft.keep(question)
        self._began = time.monotonic()
        self.ask_screen.added(exchange)
        request = Request(exchange.number, question, llm, history, self.conversation_id)
        self.desk.ask(request, self.settings.retrieval.k)

    def stop_answer(self) -> None:
        """Stop the answer in the making."""
        if self.latest is not None:
            self.latest.stopping = True
        self.desk.stop_answer()

    def action_new_conversation(self) -> None:
        """Begin afresh; what was is in the history."""
        if self.answering:
            self.stop_answer()
        self.exchanges = []
        self.conversation_id = None
        self.action_go("ask")
        self.ask_screen.remove_class("-source")
        self.ask_screen.show_conversation()
        self.ask_screen.question.focus()

    def open_conversation(self, conversation_id: int) -> None:
        """Go on with a kept conversation."""
        self.desk.conversation(conversation_id, "open")

    def forget_conversation(self, conversation_id: int) -> None:
        """It was deleted: what is asked next begins another."""
        if self.conversation_id == conversation_id:
            self.conversation_id = None

    def keep_draft(self, text: str) -> None:
        """Keep what is being typed, against the loss of the terminal."""
        if text or not self.answering:
            self._draft.keep(text)

    @on(told.Told)
    def _hear(self, message: told.Told) -> None:
        # What comes while the app is being left finds no widgets any more.
        if self.is_running:
            self._hearers[type(message)](message)

    # -- what the desk tells -----------------------------------------------------------

    def _hear_opened(self, message: told.Opened) -> None:
        status = message.status
        first = self.status is None
        self.status = status
        waiting = _waiting(status)
        self.signal = dataclasses.replace(
            self.signal,
            opening=False,
            documents=status.documents,
            commit=status.commit,
            waiting=waiting,
        )
        self.desk.documents() if status.commit else None
        if first:
            if not status.commit and not waiting:
                self.push_screen("welcome")
            elif waiting:
                self.notify(self.words("arrived", n=waiting), timeout=6)
        self._refresh_settings()
        self.ask_screen.greet()
        if first and self._first_question and status.commit:
            self.ask_screen.question.value = ""
            self.ask(self._first_question)

    def _hear_warmed(self, message: told.Warmed) -> None:
        del message
        self._warm = True
        self._settle()

    def _hear_model_state(self, message: told.ModelState) -> None:
        name = Path(message.name).name if message.name else ""
        self.signal = dataclasses.replace(self.signal, model=name, loading=message.loading)
        self.context_tokens = message.context_tokens
        self._refresh_settings()
        if not message.has_template:
            said = self.words("no_template", name=safe(name, newlines=False))
            self.notify(said, severity="warning", timeout=12, markup=False)

    def _hear_listed(self, message: told.Listed) -> None:
        self.documents = message.documents
        self.tags, self.sources = message.tags, message.sources
        self._settle()
        if not self._suggestions:
            self._suggestions = self._suggested()
            self.ask_screen.greet()
        if (screen := self._reading()) is not None:
            screen.show_list(message.documents)

    def _suggested(self) -> list[str]:
        """A question about a few of the notes, the newest first."""
        dated = sorted(self.documents, key=lambda info: info.date or "", reverse=True)
        ask = "{} 是什么？" if self.words.language == "zh" else "What is {}?"
        titles = [info.title for info in dated if len(info.title) <= 40]
        return [ask.format(title) for title in titles[:_SUGGESTED]]

    def _hear_results(self, message: told.Results) -> None:
        self._warm = True
        if (screen := self._searching()) is not None:
            screen.show_results(message)

    def _hear_answer_found(self, message: told.AnswerFound) -> None:
        if (exchange := self.exchange(message.number)) is not None:
            exchange.state = "writing"
            exchange.waiting_for = ""
            exchange.wording = message.question
            exchange.passages = message.passages
            self.ask_screen.changed(exchange)

    def _hear_answer_text(self, message: told.AnswerText) -> None:
        if (exchange := self.exchange(message.number)) is not None:
            exchange.text = message.text
            self.ask_screen.changed(exchange)

    def _hear_answer_done(self, message: told.AnswerDone) -> None:
        self._draft.keep(self.ask_screen.question.value)
        if (exchange := self.exchange(message.number)) is None:
            return
        exchange.state = "done"
        exchange.answer = message.answer
        seconds = message.answer.seconds.get("answer", 0.0)
        if exchange.text and seconds and message.answer.engine != "extractive":
            self.last_speed = len(exchange.text) / seconds
        self.ask_screen.changed(exchange)

    def _hear_answer_saved(self, message: told.AnswerSaved) -> None:
        if self.exchange(message.number) is not None:
            self.conversation_id = message.conversation_id

    def _hear_failed(self, message: told.Failed) -> None:
        error = message.error
        exchange = self.exchange(message.number) if message.where == "ask" else None
        if exchange is not None and exchange.answer is None:
            if isinstance(error, Cancelled):
                error = Cancelled(self.words("stopped"))
            exchange.state, exchange.error = "failed", error
            self.ask_screen.changed(exchange)
            return
        if message.where == "search" and (screen := self._searching()) is not None:
            screen.show_error(safe(str(error), newlines=False))
            return
        if message.where == "index":
            self.progress = None
        self.tell(error)

    def _hear_document(self, message: told.DocumentReady) -> None:
        purpose, *span = message.purpose.split(":")
        if purpose == "cite":
            self.ask_screen.show_document(message.note, int(span[0]), int(span[1]))
        elif purpose == "search":
            if (screen := self._searching()) is not None:
                screen.show_document(message.note, int(span[0]), int(span[1]))
        elif (reader := self._reading()) is not None:
            reader.show_document(message.note, message.number)

    def _hear_conversations(self, message: told.Conversations) -> None:
        if (screen := self._looking_back()) is not None:
            screen.show_list(message.query, message.found)

    def _hear_conversation(self, message: told.ConversationReady) -> None:
        if message.purpose == "preview":
            if (screen := self._looking_back()) is not None:
                screen.show_preview(message)
            return
        if message.purpose.startswith("export:"):
            self.exported(message.purpose.partition(":")[2], message)
            return
        self.exchanges = []
        for turn in message.turns:
            self._number += 1
            exchange = Exchange(self._number, turn.answer.question, state="done")
            exchange.answer, exchange.changed = turn.answer, turn.changed
            exchange.asked_at = turn.asked_at
            self.exchanges.append(exchange)
        self.conversation_id = message.conversation_id
        self.action_go("ask")
        self.ask_screen.show_conversation()
        self.ask_screen.talk.focus()

    # -- rebuilding --------------------------------------------------------------------

    def action_rebuild(self) -> None:
        """Take in what has changed in the corpus."""
        self.rebuild()

    def rebuild(self, paths: Sequence[Path] = ()) -> None:
        """Bring the index up to the corpus, with the notes below `paths` added."""
        if self.desk.indexing:
            self.notify(self.words("rebuild_running"), timeout=2)
            return
        self.progress = Progress("scan", 0, 0, None)
        self.desk.index(paths)

    def action_cancel_rebuild(self) -> None:
        """Cancel it; what was done is kept."""
        if self.desk.indexing:
            self.desk.cancel_index()

    def _hear_index_progress(self, message: told.IndexProgress) -> None:
        event = message.event
        self.progress = Progress(event.stage, event.done, event.total, message.left, event.detail)

    def _hear_index_cancelled(self, message: told.IndexCancelled) -> None:
        del message
        self.progress = None
        self.notify(self.words("rebuild_cancelled"), timeout=4)
        self.desk.status()

    def _hear_index_done(self, message: told.IndexDone) -> None:
        self.progress = None
        self._suggestions = []
        welcome = self._shown("welcome")
        if welcome is not None and message.report.documents:
            self.action_go("ask")
        self._hear_opened(told.Opened(message.status))
        if not (message.report.changed or message.report.failed):
            self.notify(self.words("nothing_new", n=message.report.commit), timeout=3)
            return
        self._digest = message
        line = self.focused
        recent = time.monotonic() - self._typed < _TYPING_SECONDS
        if isinstance(line, Input) and line.value and recent:
            # Somebody is typing: a page now would swallow the keys.
            key = self.key_of("digest")
            self.notify(self.words("digest_ready", n=message.report.added, key=key), timeout=8)
        else:
            self.action_digest()

    async def on_event(self, event: events.Event) -> None:
        """Know when a key was last pressed."""
        if isinstance(event, events.Key) and event.is_printable:
            self._typed = time.monotonic()
        await super().on_event(event)

    def action_digest(self) -> None:
        """What the last rebuild brought."""
        if isinstance(self.screen, Page):
            return
        if self._digest is None:
            self.notify(self.words("no_digest"), timeout=3)
            return
        lines = digest(self._digest, self.words)
        self.push_screen(Page(self.words("digest"), lines), self._follow_digest)

    def _follow_digest(self, link: str | None) -> None:
        if link and link.startswith("conversation:"):
            self.open_conversation(int(link.partition(":")[2]))

    def _hear_noticed(self, message: told.Noticed) -> None:
        waiting = _waiting(message.status)
        self.signal = dataclasses.replace(self.signal, waiting=waiting)
        if waiting:
            self.notify(self.words("arrived", n=waiting), timeout=6)

    # -- notes and links ----------------------------------------------------------------

    def read(self, document_id: str, span: tuple[int, int] | None = None) -> None:
        """Read a note, at a place."""
        self.action_go("read")
        screen = cast("ReadScreen", self.get_screen("read"))
        screen.call_after_refresh(screen.open, document_id, span)

    def follow(self, link: str, note: NoteText | None) -> None:
        """Open what a link in a note names: a note, or an address to copy."""
        del note
        kind, _, target = link.partition(":")
        if kind == "url":
            self.copy_to_clipboard(target)
            shown = clip(safe(target, newlines=False), 60)
            self.notify(self.words("opened_link", link=shown), timeout=3, markup=False)
            return
        self._install_others()
        reader = cast("ReadScreen", self.get_screen("read"))
        found = reader.resolve(target, self.documents)
        if found is None:
            name = clip(safe(target, newlines=False), 60)
            self.notify(self.words("no_note", name=name), timeout=3, markup=False)
        else:
            self.read(found)

    # -- settings and help ------------------------------------------------------------------

    def choose_model(self, model: str, base_url: str = "") -> None:
        """Answer with this model from now on, also after the app was left."""
        llm = dataclasses.replace(self.settings.llm, model=model, base_url=base_url)
        self.settings = dataclasses.replace(self.settings, llm=llm)
        self.desk.use(self.settings)
        self._keep("llm", {"base_url": base_url, "model": model})

    def choose_theme(self, name: str) -> None:
        """Look like this from now on, also after the app was left."""
        self.theme = name
        self._keep("tui", {"theme": name})
        self._refresh_settings()

    def _keep(self, table: str, values: Mapping[str, str]) -> None:
        if self.corpus is not None:
            self.desk.keep(self.settings_file, table, values)

    def _refresh_settings(self) -> None:
        screen = cast("SettingsScreen | None", self._shown("settings"))
        if screen is not None:
            screen.refresh_state()

    def action_theme(self) -> None:
        """Dark or light."""
        self.choose_theme(LIGHT.name if self.theme == DARK.name else DARK.name)

    def action_help(self) -> None:
        """Every key that works here."""
        if isinstance(self.screen, Page):
            self.screen.dismiss("")
            return
        lines: list[Line | tuple[Piece, ...]] = []
        seen: set[tuple[str, str]] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            key = self.get_key_display(binding)
            if (
                not self.words.is_ours(binding.description)
                or (binding.description, binding.action) in seen
            ):
                continue
            seen.add((binding.description, binding.action))
            does = Piece(pad(binding.description, _TOLD_CELLS))
            lines.append((Piece(f"{key:>9}  ", "accent"), does, Piece(binding.id or "", "dim")))
        lines += [BLANK, (Piece(self.words("search_hint"), "dim"),)]
        lines.append((Piece(self.words("keys_hint"), "dim"),))
        self.push_screen(Page(self.words("help"), lines))


def _waiting(status: Status) -> int:
    pending = status.pending
    return len(pending.added) + len(pending.changed) + len(pending.removed)


def _other_screens() -> dict[str, Callable[[Wording], Screen[Any]]]:
    """The screens that are not painted first, by name."""
    from notesqa.tui.history_screen import HistoryScreen
    from notesqa.tui.read_screen import ReadScreen
    from notesqa.tui.search_screen import SearchScreen
    from notesqa.tui.settings_screen import SettingsScreen
    from notesqa.tui.welcome_screen import WelcomeScreen

    return {
        "search": SearchScreen,
        "read": ReadScreen,
        "history": HistoryScreen,
        "settings": SettingsScreen,
        "welcome": WelcomeScreen,
    }


def action_names() -> set[str]:
    """Every action whose key can be set in `[tui.keys]`."""
    from notesqa.tui.ask_screen import Answered, QuestionInput

    owners: tuple[Any, ...] = (
        NotesApp,
        AskScreen,
        Answered,
        QuestionInput,
        *_other_screens().values(),
    )
    return {
        binding.id
        for owner in owners
        for binding in owner.BINDINGS
        if isinstance(binding, Binding) and binding.id
    }
