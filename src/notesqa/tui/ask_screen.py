"""Asking: the conversation, what it cites beside it, and the line to type in.

The caret is in the line, before and after every answer: whatever is typed or pasted is the
next question. Escape takes the keys to the answers, where single letters are commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from notesqa.text.terminal import safe
from notesqa.tui.answer_commands import AnswerCommands
from notesqa.tui.bars import KeyBar, ProgressBar, StatusBar
from notesqa.tui.greeting import greeting_lines
from notesqa.tui.surface import Section, Surface
from notesqa.tui.wording import Wording, describe, speak

if TYPE_CHECKING:
    from collections.abc import Collection

    from notesqa.records import Citation, Passage
    from notesqa.tui.answers import Exchange
    from notesqa.tui.note_text import NoteText

_NARROW = 100
# Lines that Ctrl with an arrow key scrolls by.
_STEP = 3
# What can be done only where there is an answer to do it to.
_WITH_ANSWERS = {
    *("step", "cite", "open_current", "whole_note", "retry", "again", "turn", "toggle_source"),
    *("copy_answer", "copy_quote", "copy_latex", "edit_source"),
}


class AskScreen(AnswerCommands):
    """The first screen.

    One turn is the current one: what is marked in the conversation, and what its commands
    are about. It is the newest until another is gone to, a citation of another is opened,
    or it is scrolled out of sight.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "do_stop", id="stop"),
        Binding("ctrl+o", "pane", "do_pane", id="other_pane", show=False),
        # Before the line takes them for digits.
        Binding(
            "alt+1", "cite_at_once(1)", "do_cite", key_display="alt+1–9", show=False, priority=True
        ),
        *(
            Binding(f"alt+{n}", f"cite_at_once({n})", show=False, priority=True)
            for n in range(2, 10)
        ),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__(words)
        speak(self, words)
        # Whether the passage that is fetched is to be in front when it comes.
        self._wanted = False
        # The commit that what is cited was fetched at.
        self._commit = 0

    def compose(self) -> ComposeResult:
        """Conversation to the left, source to the right, the line below."""
        yield StatusBar("ask", self.words)
        yield ProgressBar(self.words)
        with Horizontal(id="body"):
            yield self.talk
            yield self.source
        yield self.question
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to type at once."""
        self.question.focus()
        self.watch(self.talk, "scroll_y", self._scrolled, init=False)
        self.show_conversation()

    # -- what is shown ------------------------------------------------------------

    def show_conversation(self) -> None:
        """Draw the whole conversation, or the greeting when there is none."""
        exchanges = self.notes_app.exchanges
        self.remove_class("-source")
        self.set_class(bool(exchanges), "-talk")
        self._sections = {e.number: self._section(e) for e in exchanges}
        self._wanted = False
        self.source.clear()
        self.talk.point_at("")
        for exchange in exchanges:
            self.question.remember(exchange.question)
        if exchanges:
            self._turn = exchanges[-1].number
            self._hint()
            self.talk.show(list(self._sections.values()))
            self.call_after_refresh(self._go, exchanges[-1].number)
        else:
            self._turn = 0
            self.greet()
        self._label()

    def greet(self) -> None:
        """Draw the greeting anew, when it is what is shown."""
        app = self.notes_app
        self._hint()
        if not app.exchanges:
            self.talk.show([Section("greeting", lambda width: greeting_lines(app, width))])

    def _hint(self) -> None:
        """Say in the empty line what can be asked: of these notes, or after what was asked."""
        app, words = self.notes_app, self.words
        hint = words("question_hint")
        if app.exchanges:
            hint = words("question_next", key=app.key_of("new_conversation"))
        elif app.suggestions:
            hint = words("question_example", example=app.suggestions[0])
        self.question.placeholder = safe(hint, newlines=False)

    def catch_up(self, known: Collection[str]) -> None:
        """The index has changed, `known` are its notes: show what is cited as it is now."""
        note, commit = self.source.note, self.notes_app.signal.commit
        if note is None or self._commit == commit:
            return
        self._commit = commit
        if note.document.id not in known:
            self.source.mark("gone_note")
        elif self.source.span is not None:
            self._fetch_span(note.document.id, *self.source.span)

    def _section(self, exchange: Exchange) -> Section:
        from notesqa.tui.answers import exchange_lines

        return Section(
            f"turn:{exchange.number}",
            lambda width: exchange_lines(
                exchange,
                width,
                self.words,
                current=exchange.number == self._turn,
                latex=self._latex,
            ),
        )

    def added(self, exchange: Exchange) -> None:
        """A question was asked: it is what is seen, whatever was looked at before."""
        self.add_class("-talk")
        self.remove_class("-source")
        self._wanted = False
        self.question.remember(exchange.question)
        section = self._section(exchange)
        first = not self._sections
        self._sections[exchange.number] = section
        self._hint()
        if first:
            self.talk.show([section])
        else:
            self.talk.sections.append(section)
            self.talk.changed(section)
        self.call_after_refresh(self._to_turn, exchange.number)
        self._be_at(exchange.number)
        self.question.focus()

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
        if exchange.state in ("done", "failed"):
            self._label()

    def redraw(self, exchange: Exchange) -> None:
        """Something else is told of the answer; it stays where it is."""
        if (section := self._sections.get(exchange.number)) is not None:
            self.talk.changed(section)

    def _finished(self, exchange: Exchange) -> None:
        # Somebody who has gone to another turn meanwhile stays there.
        if exchange.number == self._turn:
            self._go(exchange.number)

    @property
    def wide(self) -> bool:
        """Whether the source has a place beside the conversation."""
        return self.size.width >= _NARROW

    @property
    def covered(self) -> bool:
        """Whether the source has taken the place of the conversation."""
        return not self.wide and self.has_class("-source")

    def on_descendant_focus(self) -> None:
        """What has the keys stays in sight when there is room for one of the two only."""
        if self.wide:
            self.set_class(self.source.surface.has_focus, "-source")

    def _label(self) -> None:
        """Say what Escape and Retry would do now."""
        app = self.notes_app
        describe(self, "stop", self.words("do_halt" if app.answering else "do_stop"))
        quoting = self.by_model() or not app.exchanges
        for answered in (self.talk, self.source.surface):
            describe(answered, "retry", self.words("do_quoting" if quoting else "do_composing"))
        self.refresh_bindings()

    # -- the current turn -----------------------------------------------------------

    def _be_at(self, number: int) -> None:
        """Make a turn the current one, where it is."""
        if number == self._turn:
            return
        before, self._turn = self._turn, number
        marked = [self._sections[n] for n in (before, number) if n in self._sections]
        self.talk.changed(*marked)
        self._label()

    def _to_turn(self, number: int) -> None:
        self._be_at(number)
        self.talk.scroll_to_anchor(f"turn:{number}")

    def _go(self, number: int) -> None:
        """To a turn; what it cites first is beside it."""
        self._to_turn(number)
        exchange = self.notes_app.exchange(number)
        if exchange is not None and exchange.links:
            self.talk.point_at(exchange.links[0], scroll=False)
            if not self.covered:
                self.open(exchange.links[0], front=False)

    def _scrolled(self) -> None:
        """A turn that is out of sight is no more the current one."""
        lines = self.talk.in_sight()
        if not (self._sections and lines):
            return
        here, cited = f"turn:{self._turn}", self.talk.current
        begun = [line.anchor for _, line in lines if line.anchor.startswith("turn:")]
        owners = [section.name for section, _ in lines]
        if here in begun or 2 * owners.count(here) >= len(owners):
            return
        if _turn_of(cited) == self._turn and any(
            piece.link == cited for _, line in lines for piece in line.pieces
        ):
            return
        name = begun[0] if begun else owners[len(owners) // 2]
        self._be_at(int(name.partition(":")[2]))

    def action_turn(self, step: int) -> None:
        """To the next or previous question."""
        numbers = list(self._sections)
        if self._turn not in numbers:
            return
        at = max(0, min(len(numbers) - 1, numbers.index(self._turn) + step))
        self._to_the_answers()
        self.call_after_refresh(self._go, numbers[at])

    # -- citations ----------------------------------------------------------------

    def action_step(self, step: int) -> None:
        """The next or previous citation, also of the next or previous turn."""
        links = [link for e in self.notes_app.exchanges for link in e.links]
        if not links:
            return
        end = 0 if step > 0 else -1
        own = [link for link in links if _turn_of(link) == self._turn]
        if self.talk.current in own:
            link = links[(links.index(self.talk.current) + step) % len(links)]
        elif own:
            link = own[end]
        else:
            beyond = [link for link in links if (_turn_of(link) - self._turn) * step > 0]
            link = (beyond or links)[end]
        self._point_at(link)
        self.open(link, front=self.covered)

    def action_cite(self, n: int) -> None:
        """Open citation `n` of the current turn."""
        links = self.exchange.links if self.exchange else []
        link = next((x for x in links if x.rpartition(":")[2] == str(n)), None)
        if link is None:
            self.notify(self.words("no_citation"), timeout=2)
            return
        self._point_at(link)
        self.open(link)

    action_cite_at_once = action_cite

    def _point_at(self, link: str, *, scroll: bool = True) -> None:
        self._be_at(_turn_of(link))
        self.talk.point_at(link, scroll=scroll)

    def action_open_current(self) -> None:
        """Show the passage of the current citation."""
        if self.talk.current:
            self.open(self.talk.current)

    @on(Surface.Opened)
    def _on_opened(self, message: Surface.Opened) -> None:
        if message.surface is self.talk and message.link.startswith(("cite:", "alt:", "passage:")):
            self._point_at(message.link, scroll=False)
        self.open(message.link)

    def open(self, link: str, *, front: bool = True) -> None:
        """Show what `link` names; a passage in front, where there is room for one only."""
        app = self.notes_app
        kind, _, rest = link.partition(":")
        if kind == "ask":
            app.ask(rest)
        elif kind == "literal":
            self.ask_literally(app.exchange(int(rest)))
        elif kind == "whole" and (exchange := app.exchange(int(rest))) is not None:
            exchange.unfolded = not exchange.unfolded
            self.talk.changed(self._sections[exchange.number])
        elif kind in ("cite", "alt", "passage"):
            self._fetch(link, front=front)
        elif kind not in ("why", "whole"):
            app.follow(link, self.source.note)

    def _fetch(self, link: str, *, front: bool) -> None:
        kind, number, n = link.split(":")
        exchange = self.notes_app.exchange(int(number))
        if exchange is None:
            return
        place: Citation | Passage | None
        if kind == "passage":
            place = next((p for p in exchange.nearby if p.rank == int(n)), None)
        else:
            place = exchange.citation(int(n), alternative=kind == "alt")
        if place is None:
            return
        self._wanted = self._wanted or front
        self._fetch_span(place.document_id, place.start, place.end)

    def _fetch_span(self, document_id: str, start: int, end: int) -> None:
        # Where it is not shown, as wide as it would be.
        shown = self.source.surface
        width = shown.text_width if shown.size.width else self.size.width - 4
        self._commit = self.notes_app.signal.commit
        self.notes_app.desk.document(document_id, f"cite:{start}:{end}", width)

    def show_document(self, note: NoteText, start: int, end: int) -> None:
        """The document of a citation has come."""
        if self._wanted and not self.wide:
            self.add_class("-source")
            if self.talk.has_focus:
                self.source.surface.focus()
            self.refresh_bindings()
        self._wanted = False
        if note.show_source != self._latex:
            note.toggle_source()
            note.section.width = -1
        self.source.show(note, marks=[(start, end, "mark-quote")], span=(start, end))

    def action_whole_note(self) -> None:
        """Read the note that is shown."""
        note = self.source.note
        if note is None:
            self.action_open_current()
        else:
            self.notes_app.read(note.document.id, self.source.span)

    # -- where the keys go ------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether there is anything to do it to; a letter without is part of a question."""
        del parameters
        app = self.notes_app
        if action in _WITH_ANSWERS:
            return bool(app.exchanges)
        if action == "literal":
            return bool(self.exchange and self.exchange.reworded)
        if action == "stop":
            return app.answering or self.covered
        if action == "look":
            return bool(app.exchanges) and not (app.answering or self.covered)
        if action == "leave_answers":
            return not (app.answering or self.covered)
        return True

    def answers_keys(self) -> list[Binding]:
        """What can be done once the keys go to the answers, for the help."""
        return [
            binding
            for _, binding in self.talk._bindings
            if self.check_action(binding.action.removeprefix("screen.").partition("(")[0], ())
        ]

    def make_way(self, event: events.Key | events.Paste) -> None:
        """Have the caret in the line before `event` comes, if it is text and no command.

        An input method hands over several characters at once: it is decided before the
        first of them is on its way to a widget.
        """
        if isinstance(self.focused, Input):
            return
        if isinstance(event, events.Key):
            typed = event.is_printable and not event.key.startswith(("alt+", "ctrl+"))
            if not typed or event.key in self.active_bindings:
                return
        self.set_focus(self.question)

    def action_look(self) -> None:
        """From the line to the answers."""
        self.talk.focus()

    def action_type(self) -> None:
        """To the line."""
        self.question.focus()

    action_leave_answers = action_type

    def action_stop(self) -> None:
        """Stop the answer in the making; or go back from the source to the answers."""
        if self.notes_app.answering:
            self.notes_app.stop_answer()
        else:
            self._to_the_answers()

    def _to_the_answers(self) -> None:
        if self.covered:
            self.remove_class("-source")
            if not self.question.has_focus:
                self.talk.focus()
            self.refresh_bindings()

    def action_pane(self) -> None:
        """The focus to the other pane."""
        if self.source.surface.has_focus:
            self.remove_class("-source")
            self.talk.focus()
        elif self.source.note is not None:
            self.add_class("-source")
            self.source.surface.focus()

    def action_page(self, step: int) -> None:
        """Scroll what is read by nearly its height, whatever has the keys."""
        self._scroll(step * max(1, self._read.size.height - 2))

    def action_lines(self, step: int) -> None:
        """Scroll what is read by some lines, whatever has the keys."""
        self._scroll(step * _STEP)

    @property
    def _read(self) -> Surface:
        beside = self.covered or self.source.surface.has_focus
        return self.source.surface if beside else self.talk

    def _scroll(self, lines: int) -> None:
        self._read.scroll_relative(y=lines, animate=False, immediate=True)

    # -- the line ---------------------------------------------------------------------

    @on(Input.Submitted, "#question")
    def _on_submitted(self, message: Input.Submitted) -> None:
        text = message.value.strip()
        if not text:
            return
        if self.notes_app.submit(text):
            self.question.value = ""

    @on(Input.Changed, "#question")
    def _on_changed(self, message: Input.Changed) -> None:
        self.notes_app.keep_draft(message.value)


def _turn_of(link: str) -> int:
    """The number of the turn that `cite:3:1` and its like belong to."""
    parts = link.split(":")
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0
