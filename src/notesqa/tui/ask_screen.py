"""Asking: the conversation, what it cites beside it, and the line to type in."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input

from notesqa.text.terminal import clip, safe
from notesqa.tui.bars import KeyBar, ProgressBar, StatusBar
from notesqa.tui.field import Field
from notesqa.tui.flow import BLANK, Line, Piece, wrap
from notesqa.tui.source_pane import SourcePane
from notesqa.tui.surface import Section, Surface
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notesqa.records import Citation, Passage
    from notesqa.tui.answers import Exchange
    from notesqa.tui.app import NotesApp
    from notesqa.tui.note_text import NoteText

_NARROW = 100
_ONE_WORD = 0.3
"""Seconds within which one letter follows another in a word."""
# Commands that leave the answer wait until it is clear that no word begins; the others can be
# taken back.
_WAITING = (
    "screen.whole_note", "screen.edit_source", "screen.again", "screen.retry", "screen.type",
)  # fmt: skip


class QuestionInput(Field):
    """The line to type in; up and down bring back what was asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "do_ask", id="submit"),
        Binding("up", "recall(-1)", "do_recall", id="recall"),
        Binding("down", "recall(1)", show=False),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__(id="question", placeholder=words("question_hint"))
        speak(self, words)
        self._past: list[str] = []
        self._at = 0
        self._draft = ""

    def remember(self, question: str) -> None:
        """Keep `question` to be recalled."""
        if question and question not in self._past[-1:]:
            self._past.append(question)
        self._at = len(self._past)

    def action_recall(self, step: int) -> None:
        """The question before or after the one shown."""
        at = self._at + step
        if not 0 <= at <= len(self._past):
            return
        if self._at == len(self._past):
            self._draft = self.value
        self._at = at
        self.value = self._past[at] if at < len(self._past) else self._draft
        self.cursor_position = len(self.value)


class Answered(Surface):
    """An answer, or what it cites; the keys work on both alike."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "screen.step(1)", "do_next", id="next_citation"),
        Binding("right", "screen.step(1)", show=False),
        Binding("left", "screen.step(-1)", show=False),
        Binding("p", "screen.step(-1)", "do_previous", id="previous_citation", show=False),
        Binding("enter", "screen.open_current", "do_open", id="open_citation"),
        Binding("v", "screen.whole_note", "do_note", id="whole_note"),
        Binding("y", "screen.copy_answer", "do_copy", id="copy_answer", show=False),
        Binding("Y", "screen.copy_quote", "do_copy_quote", id="copy_quote", show=False),
        Binding("L", "screen.copy_latex", "do_copy_latex", id="copy_latex", show=False),
        Binding("e", "screen.edit_source", "do_editor", id="edit_source", show=False),
        Binding("a", "screen.again", "do_again", id="ask_again", show=False),
        Binding("r", "screen.retry", "do_retry", id="retry"),
        Binding("m", "screen.toggle_source", "do_source", id="toggle_source", show=False),
        Binding("J", "screen.turn(1)", "do_next_turn", id="next_turn", show=False),
        Binding("K", "screen.turn(-1)", "do_previous_turn", id="previous_turn", show=False),
        Binding("slash", "screen.type", show=False),
        Binding("i", "screen.type", "do_type", id="type", show=False),
        *(Binding(str(n), f"screen.cite({n})", show=False) for n in range(1, 10)),
    ]

    def __init__(self, words: Wording, *, id: str, max_width: int) -> None:  # noqa: A002
        super().__init__(id=id, max_width=max_width)
        speak(self, words)
        self._pressed: _Pressed | None = None

    async def on_key(self, event: events.Key) -> None:
        """What is typed here begins the next question, unless it is a command.

        Letters that follow one another fast are a word, also where the first alone is a
        command: "KL" asks about KL. An input method hands over several characters at once:
        those that are on their way to this place when the line takes over belong to the
        question, too.
        """
        before, self._pressed = self._pressed, None
        character = event.character if event.is_printable else None
        if before and (
            character in (None, before.character) or time.monotonic() - before.at > _ONE_WORD
        ):
            await before.settle()
            before = None
        if not character:
            return
        command = self.screen.active_bindings.get(event.key)
        taken_over = self.screen.focused is not self
        begins = character.isalnum() and (before is not None or command is None)
        if taken_over or begins or not character.isascii():
            event.stop()
            if before:
                before.forget()
            written = before.character if before else ""
            cast("AskScreen", self.screen).type_on(written + character)
        elif command is not None and character.isalnum():
            self._pressed = _Pressed(character, time.monotonic())
            action = command.binding.action
            if action.startswith(_WAITING):
                event.stop()

                async def run() -> None:
                    await self.app.run_action(action, command.node)

                self._pressed.wait(self, run)


class _Pressed:
    """A letter that was pressed and is a command, unless it begins a word.

    Attributes:
        at: when, on the clock of `time.monotonic`.
    """

    def __init__(self, character: str, at: float) -> None:
        self.character = character
        self.at = at
        self._run: Callable[[], Awaitable[None]] | None = None

    def wait(self, place: Answered, run: Callable[[], Awaitable[None]]) -> None:
        """Run the command when no other letter has come for a while."""
        self._run = run
        place.run_worker(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_ONE_WORD)
        await self.settle()

    async def settle(self) -> None:
        """It is a command: run it now, if it waits."""
        run, self._run = self._run, None
        if run:
            await run()

    def forget(self) -> None:
        """It begins a word: never run it."""
        self._run = None


class AskScreen(Screen[None]):
    """The first screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "do_stop", id="stop"),
        Binding("ctrl+n", "app.new_conversation", "do_new", id="new_conversation", show=False),
        Binding("ctrl+o", "pane", "do_pane", id="other_pane", show=False),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)
        self.talk = Answered(words, id="talk", max_width=100)
        cited = Answered(words, id="cited", max_width=110)
        self.source = SourcePane(words, id="source", surface=cited)
        self.question = QuestionInput(words)
        self._sections: dict[int, Section] = {}
        self._shown: tuple[int, str] | None = None

    def compose(self) -> ComposeResult:
        """Conversation to the left, source to the right, the line below."""
        yield StatusBar("ask", self.words)
        yield ProgressBar(self.words)
        with Horizontal(id="body"):
            yield self.talk
            yield self.source
        yield self.question
        yield KeyBar()

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    def on_mount(self) -> None:
        """Begin to type at once."""
        self.question.focus()
        self.show_conversation()

    # -- what is shown ------------------------------------------------------------

    def show_conversation(self) -> None:
        """Draw the whole conversation, or the greeting when there is none."""
        exchanges = self.notes_app.exchanges
        self.set_class(bool(exchanges), "-talk")
        self._sections = {e.number: self._section(e) for e in exchanges}
        if exchanges:
            self.talk.show(list(self._sections.values()))
            self.call_after_refresh(self._to_turn, exchanges[-1].number)
        else:
            self.talk.point_at("")
            self.talk.show([Section("greeting", self._greeting)])

    def greet(self) -> None:
        """Draw the greeting anew, when it is what is shown."""
        if not self.notes_app.exchanges:
            self.talk.show([Section("greeting", self._greeting)])

    def _greeting(self, width: int) -> list[Line]:
        app, words = self.notes_app, self.words
        signal = app.signal
        lines = [BLANK, Line((Piece("▌ INCOMING TRANSMISSION", "brand"),)), BLANK]
        if signal.opening:
            return [*lines, *wrap([Piece(words("opening"), "dim")], width, first=[Piece("  ")])]
        indent = [Piece("  ")]
        if not signal.documents:
            for key in ("welcome_1", "welcome_3"):
                text = words(key, corpus=app.corpus_shown) if key == "welcome_1" else words(key)
                lines += wrap([Piece(text)], width, first=indent, rest=indent)
            return lines
        lines += wrap([Piece(words("empty_ask", n=signal.documents))], width, first=indent)
        lines += wrap([Piece(words("empty_ask_keys"), "dim")], width, first=indent, rest=indent)
        if app.suggestions:
            lines += [BLANK, Line((Piece("  "), Piece(words("more_questions"), "dim")))]
            for text in app.suggestions:
                shown = clip(safe(text, newlines=False), max(8, width - 4))
                lines.append(Line((Piece("  "), Piece(f"› {shown}", "link", link=f"ask:{text}"))))
        return lines

    def _section(self, exchange: Exchange) -> Section:
        from notesqa.tui.answers import exchange_lines

        return Section(
            f"turn:{exchange.number}", lambda width: exchange_lines(exchange, width, self.words)
        )

    def added(self, exchange: Exchange) -> None:
        """A question was asked."""
        self.add_class("-talk")
        section = self._section(exchange)
        first = not self._sections
        self._sections[exchange.number] = section
        if first:
            self.talk.show([section])
        else:
            self.talk.sections.append(section)
            self.talk.changed(section)
        self.call_after_refresh(self._to_turn, exchange.number)
        self.talk.focus()

    def changed(self, exchange: Exchange) -> None:
        """The answer has grown, or is there."""
        section = self._sections.get(exchange.number)
        if section is None:
            return
        follow = self.talk.is_vertical_scroll_end
        self.talk.changed(section)
        if exchange.state == "done":
            self.call_after_refresh(self._finished, exchange)
        elif follow:
            self.talk.scroll_end(animate=False, immediate=True)

    def redraw(self, exchange: Exchange) -> None:
        """Something else is told of the answer; it stays where it is."""
        if (section := self._sections.get(exchange.number)) is not None:
            self.talk.changed(section)

    def _finished(self, exchange: Exchange) -> None:
        self._to_turn(exchange.number)
        links = exchange.links
        if links and exchange is self.notes_app.latest:
            self.talk.point_at(links[0], scroll=False)
            if self.wide:
                self.open(links[0])

    def _to_turn(self, number: int) -> None:
        self.talk.scroll_to_anchor(f"turn:{number}")

    @property
    def wide(self) -> bool:
        """Whether the source has a place beside the conversation."""
        return self.size.width >= _NARROW

    # -- citations ----------------------------------------------------------------

    def _links(self) -> list[str]:
        return [link for e in self.notes_app.exchanges for link in e.links]

    def action_step(self, step: int) -> None:
        """The next or previous citation."""
        links = self._links()
        if not links:
            return
        current = self.talk.current
        if current in links:
            at = (links.index(current) + step) % len(links)
        else:
            at = 0 if step > 0 else len(links) - 1
        self.talk.point_at(links[at])
        if self.wide or self.has_class("-source"):
            self.open(links[at])

    def action_cite(self, n: int) -> None:
        """Open citation `n` of the answer that is in view."""
        exchange = self._exchange_in_view()
        links = exchange.links if exchange else []
        link = next((x for x in links if x.rpartition(":")[2] == str(n)), None)
        if link is None:
            self.notify(self.words("no_citation"), timeout=2)
            return
        self.talk.point_at(link)
        self.open(link)

    def _exchange_in_view(self) -> Exchange | None:
        """The exchange of the current citation, or else the latest."""
        app = self.notes_app
        parts = self.talk.current.split(":")
        if len(parts) == 3 and (found := app.exchange(int(parts[1]))) is not None:
            return found
        return app.latest

    def action_open_current(self) -> None:
        """Show the passage of the current citation."""
        if self.talk.current:
            self.open(self.talk.current)

    @on(Surface.Opened)
    def _on_opened(self, message: Surface.Opened) -> None:
        if message.surface is self.talk and message.link.startswith(("cite:", "alt:", "passage:")):
            self.talk.point_at(message.link, scroll=False)
        self.open(message.link)

    def open(self, link: str) -> None:
        """Show what `link` names."""
        kind, _, rest = link.partition(":")
        if kind == "ask":
            self.notes_app.ask(rest)
            return
        if kind == "why":
            return
        if kind not in ("cite", "alt", "passage"):
            self.notes_app.follow(link, self.source.note)
            return
        number, _, n = rest.partition(":")
        exchange = self.notes_app.exchange(int(number))
        if exchange is None:
            return
        place: Citation | Passage | None
        if kind in ("cite", "alt"):
            place = exchange.citation(int(n), alternative=kind == "alt")
        else:
            place = next((p for p in exchange.nearby if p.rank == int(n)), None)
        if place is None:
            return
        self._shown = (int(number), link)
        self.notes_app.desk.document(
            place.document_id, f"cite:{place.start}:{place.end}", self.source.surface.text_width
        )

    def show_document(self, note: NoteText, start: int, end: int) -> None:
        """The document of a citation has come."""
        self.add_class("-source")
        if not self.wide and self.talk.has_focus:
            self.source.surface.focus()
        self.source.show(note, marks=[(start, end, "mark-quote")], span=(start, end))

    def action_whole_note(self) -> None:
        """Read the note that is shown."""
        note = self.source.note
        if note is None:
            self.action_open_current()
        else:
            self.notes_app.read(note.document.id, self.source.span)

    def action_pane(self) -> None:
        """The focus to the other pane."""
        if self.source.surface.has_focus:
            self.talk.focus()
        elif self.has_class("-source"):
            self.source.surface.focus()

    # -- keys -----------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the answer; or close the source; or go to and fro with the line."""
        app = self.notes_app
        if app.answering:
            app.stop_answer()
        elif self.has_class("-source") and not self.wide:
            self.remove_class("-source")
            self.talk.focus()
        elif self.question.has_focus:
            self.talk.focus()
        else:
            self.question.focus()

    def action_type(self) -> None:
        """To the line."""
        self.question.focus()

    def type_on(self, text: str) -> None:
        """Go on typing in the line."""
        self.set_focus(self.question)
        self.question.insert_text_at_cursor(text)

    def action_again(self) -> None:
        """Bring the question back to be edited."""
        if (exchange := self._exchange_in_view()) is not None:
            self.question.value = exchange.question
            self.question.cursor_position = len(exchange.question)
            self.question.focus()

    def action_retry(self) -> None:
        """Ask the same with the model, or without, whichever it was not."""
        if (exchange := self._exchange_in_view()) is None:
            return
        app = self.notes_app
        if not app.signal.model and not exchange.llm:
            self.notify(self.words("no_model"))
        app.ask(exchange.question, llm=not exchange.llm)

    def action_copy_answer(self) -> None:
        """The answer to the clipboard."""
        exchange = self._exchange_in_view()
        text = exchange.answer.text if exchange and exchange.answer else ""
        self.notes_app.copy(text, "the_answer")

    def action_copy_quote(self) -> None:
        """The quotation to the clipboard."""
        self.notes_app.copy(self.source.quote, "the_quote")

    def action_copy_latex(self) -> None:
        """The formulas of the quotation to the clipboard."""
        self.notes_app.copy_latex(self.source.quote)

    def action_edit_source(self) -> None:
        """Open the note in the editor."""
        if self.source.note is not None:
            start = self.source.span[0] if self.source.span else 0
            self.notes_app.edit(self.source.note.document, start)

    def action_toggle_source(self) -> None:
        """LaTeX or drawn formulas."""
        self.source.toggle_source()

    def action_turn(self, step: int) -> None:
        """To the next or previous question."""
        numbers = list(self._sections)
        if not numbers:
            return
        shown = self.talk.place_at(round(self.talk.scroll_y))
        names = [f"turn:{n}" for n in numbers]
        at = names.index(shown[0].name) if shown and shown[0].name in names else 0
        self.talk.scroll_to_anchor(names[max(0, min(len(names) - 1, at + step))])

    @on(Input.Submitted, "#question")
    def _on_submitted(self, message: Input.Submitted) -> None:
        text = message.value.strip()
        if not text:
            return
        if self.notes_app.submit(text):
            self.question.remember(text)
            self.question.value = ""

    @on(Input.Changed, "#question")
    def _on_changed(self, message: Input.Changed) -> None:
        self.notes_app.keep_draft(message.value)
