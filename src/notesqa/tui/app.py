"""The terminal UI.

The app holds what is known; `Desk` does what takes time and tells it in messages
(`notesqa.tui.hearing`); the screens draw. It paints before anything of the home is opened.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, Provider
from textual.geometry import Offset
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.theme import Theme
from textual.widgets import Input

from notesqa.config import Settings
from notesqa.errors import ConfigError, NotesqaError
from notesqa.text.terminal import clip, safe
from notesqa.tui.ask_screen import AskScreen
from notesqa.tui.bars import Progress
from notesqa.tui.field import cursor_cell
from notesqa.tui.flow import BLANK, Piece
from notesqa.tui.hearing import Hearing
from notesqa.tui.lifeline import Lifeline
from notesqa.tui.terminal import Terminal, keep_alt_digits, keys_of
from notesqa.tui.theme import DARK, LIGHT, THEMES, themes_for
from notesqa.tui.wording import Wording, choose, speak

if TYPE_CHECKING:
    from notesqa.tui.desk import Desk
    from notesqa.tui.gallery import Gallery
    from notesqa.tui.note_text import NoteText
    from notesqa.tui.read_screen import ReadScreen
    from notesqa.tui.remote import Behind
    from notesqa.tui.rubbish import Rubbish

_PLACES = Path(__file__).with_name("places.tcss")
_QUIT_SECONDS = 2.0
_SWEEP_SECONDS = 3.0


def _commands() -> type[Provider]:
    from notesqa.tui.commands import Commands

    return Commands


class NotesApp(Hearing):
    """Ask, search and read a home's notes."""

    TITLE = "notesqa"
    CSS_PATH = Path(__file__).with_name("styles.tcss")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS = {_commands}  # noqa: RUF012 - as Textual declares it
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
        Binding("ctrl+n", "new_conversation", "do_new", id="new_conversation", show=False),
        Binding("ctrl+s", "add_notes", "do_add", id="add", show=False, priority=True),
        Binding("ctrl+x", "cancel_rebuild", "do_cancel", id="cancel", show=False, priority=True),
        Binding("ctrl+l", "digest", "do_digest", id="digest", show=False, priority=True),
        Binding("f10", "theme", "do_theme", id="theme", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "do_interrupt", id="interrupt", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "do_palette", id="palette", priority=True),
        Binding("ctrl+q", "quit", "do_quit", id="quit", priority=True),
    ]

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
        words = choose(settings.tui.language)
        super().__init__(words, corpus, question=question, rubbish=rubbish)
        self.settings = settings
        self._notes_factory = notes_factory
        speak(self, words)
        keep_alt_digits()
        self._interrupted = 0.0
        self._began = 0.0
        self._lifeline = Lifeline(self._draft.flush)
        self.driver_class = self._lifeline.driver(self.driver_class)
        self._check_keys(themes_for(self.console.color_system) if terminal else THEMES)
        # Until there is a line to type in; None once there is.
        self._early: list[Message] | None = list(keys_of(terminal.typed)) if terminal else []
        self.gallery = self._gallery(terminal)

    # -- life ---------------------------------------------------------------------

    @cached_property
    def desk(self) -> Desk:  # type: ignore[override]
        """What takes time, in threads of its own."""
        from notesqa.tui.desk import Desk

        return Desk(self._notes_factory, self.post_message, self.words)

    def _gallery(self, terminal: Terminal | None) -> Gallery | None:
        if terminal is None or terminal.protocol is None:
            return None
        from notesqa.tui.gallery import gallery_for

        return gallery_for(terminal, self.console.color_system)

    def _check_keys(self, looks: Sequence[Theme]) -> None:
        keys = self.settings.tui.keys
        known = sorted(action_names()) if keys else []
        for name in keys:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                raise ConfigError(f"[tui.keys] has no action {name}", hint)
        themes = [theme.name for theme in THEMES]
        if self.settings.tui.theme not in {*themes, *self.available_themes}:
            raise ConfigError(
                f"[tui] has no theme {self.settings.tui.theme}", f"known: {', '.join(themes)}"
            )
        self.set_keymap(dict(keys))
        for theme in looks:
            self.register_theme(theme)
        self.theme = self.settings.tui.theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for themes that are not ours."""
        return (DARK if self.current_theme.dark else LIGHT).variables

    def refresh_css(self, animate: bool = True) -> None:
        """Draw in the theme of now; also the command palette, which Textual leaves out."""
        if not self.screen_stack:
            # Nothing is parsed yet, nor is there anything to be styled.
            self.stylesheet.set_variables(self.get_css_variables())
            return
        super().refresh_css(animate)
        for screen in self.screen_stack[-1:]:
            if isinstance(screen, CommandPalette):
                self.stylesheet.update(screen, animate=animate)

    @property
    def cursor_position(self) -> Offset:
        """Where the terminal's own cursor is put: an input method shows its candidates there.

        What is typed over an answer goes into the line below it.
        """
        focused, screen = self.focused, self.screen
        if isinstance(screen, AskScreen) and not isinstance(focused, Input):
            focused = screen.question
        if (at := cursor_cell(focused)) is not None:
            self._cursor_at = at
        return self._cursor_at

    @cursor_position.setter
    def cursor_position(self, at: Offset) -> None:
        self._cursor_at = at

    def get_default_screen(self) -> Screen[Any]:
        """Asking."""
        return AskScreen(self.words)

    def on_mount(self) -> None:
        """Paint, and only then open the home."""
        if not self.is_headless:
            # A lost terminal and a polite kill end the app as leaving does, the draft kept.
            loop = asyncio.get_running_loop()
            self._lifeline.watch(lambda code: loop.call_soon_threadsafe(self._leave, code))
        # What the shell left is not ours: nothing of it may be taken for painted.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.call_after_refresh(self._begin)
        if self._rubbish is not None:
            self.set_interval(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        if self._rubbish is not None and time.monotonic() - self._typed > _SWEEP_SECONDS:
            self._rubbish.sweep()

    def _install_others(self) -> None:
        """The other screens, whose modules the first paint does not wait for."""
        if not self.is_screen_installed("search"):
            for name, screen in _other_screens().items():
                self.install_screen(screen(self.words), name)
            self.stylesheet.read(_PLACES)
            self.stylesheet.parse()

    def _begin(self) -> None:
        """It is painted: show what was typed before, and load the rest beside the typing."""
        if draft := self._first_question or self._draft.load():
            self.ask_screen.question.value = draft
            self.ask_screen.question.cursor_position = len(draft)
        self.call_later(self._type_early)
        threading.Thread(target=self._load, name="notesqa-load", daemon=True).start()

    async def _type_early(self) -> None:
        # In the app's own queue, so that nothing that is typed now comes between.
        early, self._early = self._early or [], None
        for message in early:
            if isinstance(message, events.Event):
                await self.on_event(message)

    def _load(self) -> None:
        from notesqa.tui import desk, remote  # noqa: F401 - loaded here, not in the app's thread

        self.call_later(self._open)
        from notesqa.tui import answers, commands, dialogs  # noqa: F401

        _other_screens()
        self.call_later(self._loaded)

    def _open(self) -> None:
        self.desk.open()

    def _loaded(self) -> None:
        self._install_others()
        self._settle()

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
            self.copy(selected, "the_selection")
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

    def action_go(self, place: str) -> None:
        """To a place; the places lie beside one another on the first screen."""
        self._install_others()
        if place == "ask" and self.is_empty:
            place = "welcome"
        elif place == "ask" and self.screen is self.ask_screen:
            self.ask_screen.question.focus()
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if place == "read":
            cast("ReadScreen", self.get_screen("read")).opened_from = ""
        if place != "ask":
            self.push_screen(place)

    @property
    def place(self) -> str:
        """Where one is, whatever small screen lies over it."""
        places = _other_screens() if len(self.screen_stack) > 1 else {}
        return next((n for n in places if self.get_screen(n) in self.screen_stack), "ask")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask, nor anything that was asked."""
        return self.status is not None and not (self.status.documents or self.exchanges)

    def get_key_display(self, binding: Binding) -> str:
        """How a key is called: F1, not f1, as on the key itself."""
        shown = super().get_key_display(binding)
        return shown.upper() if binding.key[:1] == "f" and binding.key[1:].isdigit() else shown

    def key_of(self, action: str) -> str:
        """The key of an action as it is shown, also when it was remapped."""
        key = self.settings.tui.keys.get(action)
        for binding in (*self.BINDINGS, *AskScreen.BINDINGS):
            if isinstance(binding, Binding) and binding.id == action:
                shown = dataclasses.replace(binding, key=(key or binding.key).partition(",")[0])
                return self.get_key_display(shown)
        return ""

    # -- asking -----------------------------------------------------------------------

    def submit(self, question: str) -> bool:
        """Ask what was typed; False when an answer is still in the making."""
        if self.answering:
            self.notify(self.words("busy"), timeout=2)
            return False
        self.ask(question)
        return True

    def ask(self, question: str, *, llm: bool = True, literal: bool = False) -> None:
        """Ask a question in this conversation; as if it were the first, if `literal`."""
        if self.answering:
            self.notify(self.words("busy"), timeout=2)
            return
        from notesqa.records import Turn
        from notesqa.tui.answers import Exchange
        from notesqa.tui.desk import Request

        self._number += 1
        exchange = Exchange(self._number, question, llm, literal=literal)
        if not self._warm:
            exchange.waiting_for = self.words("first_wait")
        history = tuple(
            Turn(e.question, e.answer)
            for e in self.exchanges
            if e.answer and not e.answer.stopped and not literal
        )
        self.exchanges.append(exchange)
        # At once: what was asked is not lost, however soon this process is killed.
        self._draft.keep(question)
        self._draft.flush()
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

    # -- rebuilding --------------------------------------------------------------------

    def action_rebuild(self) -> None:
        """Take in what has changed in the corpus."""
        self.rebuild()

    def action_add_notes(self) -> None:
        """Have a file or folder named, and take in its notes."""
        from notesqa.tui.dialogs import Prompt
        from notesqa.tui.path_field import path_given

        if isinstance(self.screen, ModalScreen):
            return
        if self.is_empty:
            self.action_go("ask")  # where the line for it is
            return

        def named(text: str | None) -> None:
            if not text:
                return
            try:
                path = path_given(text)
            except NotesqaError:
                self.notify(self.words("no_such_path", path=safe(text)), timeout=5, markup=False)
                return
            self.rebuild([path])

        self.push_screen(Prompt(self.words("add_notes"), "", self.words, path=True), named)

    def rebuild(self, paths: Sequence[Path] = ()) -> None:
        """Bring the index up to the corpus, with the notes below `paths` added."""
        if self.desk.indexing:
            self.notify(self.words("rebuild_running"), timeout=2)
            return
        # What was told of waiting files is past.
        self.clear_notifications()
        self.progress = Progress("scan", 0, 0, None)
        self.desk.index(paths)

    def action_cancel_rebuild(self) -> None:
        """Cancel it; what was done is kept."""
        if self.desk.indexing:
            self.desk.cancel_index()

    async def on_event(self, event: events.Event) -> None:
        """Keep keys until there is a line to type in; know when one was last pressed."""
        if self._early is not None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
            return
        if isinstance(event, events.Key) and event.is_printable:
            self._typed = time.monotonic()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if isinstance(self.screen, ModalScreen):
                from notesqa.tui.dialogs import Page

                if isinstance(self.screen, Page) and self.screen.makes_way(event):
                    self.screen.dismiss("")
            screen = self.screen
            if isinstance(screen, AskScreen):
                screen.make_way(event)
        await super().on_event(event)

    def action_digest(self) -> None:
        """What the last rebuild brought."""
        from notesqa.tui.dialogs import Page, digest

        if isinstance(self.screen, Page):
            return
        if self._digest is None:
            self.notify(self.words("no_digest"), timeout=3)
            return
        lines = digest(self._digest, self.words)
        self.push_screen(Page(self.words("digest"), lines, self.words), self._follow_digest)

    def _follow_digest(self, link: str | None) -> None:
        kind, _, target = (link or "").partition(":")
        if kind == "conversation":
            self.open_conversation(int(target))
        elif found := [info.id for info in self.documents if info.title == target]:
            self.read(found[0])

    # -- notes and links ----------------------------------------------------------------

    def read(self, document_id: str, span: tuple[int, int] | None = None) -> None:
        """Read a note, at a place; leaving it leads back to where it was opened."""
        self._install_others()
        screen = cast("ReadScreen", self.get_screen("read"))
        place = self.place
        opened_from = screen.opened_from if place == "read" else place
        self.action_go("read")
        screen.opened_from = opened_from
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

    def choose_language(self, language: str) -> None:
        """Speak this from the next start on: what is on the screen was said already."""
        tui = dataclasses.replace(self.settings.tui, language=language)
        self.settings = dataclasses.replace(self.settings, tui=tui)
        self._keep("tui", {"language": language})
        self._refresh_settings()
        if language != self.words.language:
            self.notify(Wording(language)("next_start"), timeout=4)

    def _keep(self, table: str, values: Mapping[str, str]) -> None:
        if self.corpus is not None:
            self.desk.keep(self.settings_file, table, values)

    def action_theme(self) -> None:
        """Dark or light."""
        self.choose_theme(LIGHT.name if self.theme == DARK.name else DARK.name)

    def action_help(self) -> None:
        """Every key that works here."""
        from notesqa.tui.dialogs import Entry, Page, key_lines

        if isinstance(self.screen, Page):
            self.screen.dismiss("")
            return
        parts: dict[str, list[Entry]] = {"here": [], "answers": [], "anywhere": []}
        seen: set[tuple[str, str]] = set()

        def tell(binding: Binding, part: str) -> None:
            told = binding.description, binding.action
            if self.words.is_ours(binding.description) and told not in seen:
                seen.add(told)
                key = self.get_key_display(binding)
                parts[part].append(key_lines(key, binding.description, binding.id or ""))

        for active in self.screen.active_bindings.values():
            tell(active.binding, "anywhere" if active.node is self else "here")
        if isinstance(self.screen, AskScreen) and isinstance(self.focused, Input):
            for binding in self.screen.answers_keys():
                tell(binding, "answers")
        lines: list[Entry] = []
        for part, rows in parts.items():
            if rows:
                lines += [(Piece(self.words(f"keys_{part}"), "heading-3"),), *rows, BLANK]
        lines.append((Piece(self.words("search_hint"), "dim"),))
        lines.append((Piece(self.words("keys_hint"), "dim"),))
        self.push_screen(Page(self.words("help"), lines, self.words))


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
    from notesqa.tui.ask_widgets import Answered, QuestionInput

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
