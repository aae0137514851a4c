"""What can be done with the answer that is the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from notesqa.tui.ask_widgets import Answered, QuestionInput
from notesqa.tui.flow import Section
from notesqa.tui.source_pane import SourcePane
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.answers import Exchange
    from notesqa.tui.app import NotesApp


class AnswerCommands(Screen[None]):
    """The part of the first screen that does something with an answer, wherever it stands."""

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        self.talk = Answered(words, id="talk", max_width=100)
        cited = Answered(words, id="cited", max_width=110)
        self.source = SourcePane(words, id="source", surface=cited)
        self.question = QuestionInput(words)
        self._sections: dict[int, Section] = {}
        self._turn = 0
        self._latex = False

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    @property
    def exchange(self) -> Exchange | None:
        """The current turn."""
        app = self.notes_app
        return app.exchange(self._turn) or app.latest

    def action_again(self) -> None:
        """Bring the question back to be edited."""
        if (exchange := self.exchange) is not None:
            self.question.value = exchange.question
            self.question.cursor_position = len(exchange.question)
            self.question.focus()

    def by_model(self) -> bool:
        """Whether a model has answered, or would have, had it not failed."""
        exchange = self.exchange
        if exchange is None or exchange.answer is None:
            return bool(exchange and exchange.llm and self.notes_app.signal.model)
        return exchange.answer.engine != "extractive"

    def action_retry(self) -> None:
        """Ask the same with the model, or by quoting, whichever it was not."""
        app = self.notes_app
        if (exchange := self.exchange) is None:
            return
        to_model = not self.by_model()
        if app.signal.model or not to_model:
            app.ask(exchange.question, llm=to_model, literal=exchange.literal)
        else:
            self.notify(self.words("no_model"))

    def action_literal(self) -> None:
        """Ask the same to the letter, as if nothing had been asked before."""
        self.ask_literally(self.exchange)

    def ask_literally(self, exchange: Exchange | None) -> None:
        """Ask the question of a turn to the letter."""
        if exchange is not None:
            self.notes_app.ask(exchange.question, llm=exchange.llm, literal=True)

    def action_copy_answer(self) -> None:
        """The answer to the clipboard."""
        exchange = self.exchange
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
        """LaTeX or drawn formulas, in the answers and in the note."""
        self._latex = not self._latex
        self.talk.changed(*self._sections.values())
        if self.source.note is not None and self.source.note.show_source != self._latex:
            self.source.toggle_source()
