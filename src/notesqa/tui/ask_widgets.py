"""What is on the first screen: the line to type in, and the answers with what they cite."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from notesqa.tui.field import Field
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording, speak


class QuestionInput(Field):
    """The line to type in; up and down bring back what was asked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "do_ask", id="submit"),
        Binding("escape", "screen.look", "do_look", id="look"),
        Binding("up", "recall(-1)", "do_recall", id="recall"),
        Binding("down", "recall(1)", show=False),
        Binding("pageup", "screen.page(-1)", "do_scroll", key_display="PgUp/PgDn", show=False),
        Binding("pagedown", "screen.page(1)", show=False),
        Binding("ctrl+up", "screen.lines(-1)", "do_scroll", key_display="ctrl+↑/↓", show=False),
        Binding("ctrl+down", "screen.lines(1)", show=False),
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
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is brought back where nothing was asked."""
        if action == "recall":
            return bool(self._past)
        return super().check_action(action, parameters)

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
    """The answers, or what they cite; the keys work on both alike."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "screen.step(1)", "do_next", id="next_citation"),
        Binding("right", "screen.step(1)", show=False),
        Binding("left", "screen.step(-1)", show=False),
        Binding("p", "screen.step(-1)", "do_previous", id="previous_citation", show=False),
        Binding("1", "screen.cite(1)", "do_cite", key_display="1–9"),
        *(Binding(str(n), f"screen.cite({n})", show=False) for n in range(2, 10)),
        Binding("enter", "screen.open_current", "do_open", id="open_citation", show=False),
        Binding("v", "screen.whole_note", "do_note", id="whole_note"),
        Binding("r", "screen.retry", "do_quoting", id="retry"),
        Binding("w", "screen.literal", "do_literal", id="ask_literally"),
        Binding("a", "screen.again", "do_again", id="ask_again", show=False),
        Binding("y", "screen.copy_answer", "do_copy", id="copy_answer", show=False),
        Binding("Y", "screen.copy_quote", "do_copy_quote", id="copy_quote", show=False),
        Binding("L", "screen.copy_latex", "do_copy_latex", id="copy_latex", show=False),
        Binding("e", "screen.edit_source", "do_editor", id="edit_source", show=False),
        Binding("m", "screen.toggle_source", "do_source", id="toggle_source", show=False),
        Binding("J", "screen.turn(1)", "do_next_turn", id="next_turn", show=False),
        Binding("K", "screen.turn(-1)", "do_previous_turn", id="previous_turn", show=False),
        Binding("escape", "screen.leave_answers", "do_ask"),
        Binding("i", "screen.type", "do_type", id="type", show=False),
    ]

    def __init__(self, words: Wording, *, id: str, max_width: int) -> None:  # noqa: A002
        super().__init__(id=id, max_width=max_width)
        speak(self, words)

    def focus_on_click(self) -> bool:
        """Not with the button's going down: a citation may be opened while a question is typed."""
        return False

    def on_click(self, event: events.Click) -> None:
        """A click beside the links takes the keys here; one that ends a selection does not."""
        if "link_to" not in event.style.meta and self.text_selection is None:
            self.focus()
