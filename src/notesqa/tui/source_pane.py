"""A note beside the answer: its title, its text, the cited words marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from notesqa.text.terminal import safe
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.note_text import NoteText

Mark = tuple[int, int, str]


class SourcePane(Vertical):
    """Shows a note at a place."""

    def __init__(
        self,
        words: Wording,
        *,
        id: str,  # noqa: A002 - Textual's name for it
        surface: Surface | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title_line = Static(Text(words("source_empty")), classes="pane-title", markup=False)
        self.surface = surface or Surface(max_width=110)
        self.surface.add_class("pane-text")
        self.words = words
        self.note: NoteText | None = None
        self.span: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        """A title over the text."""
        yield self.title_line
        yield self.surface

    def show(
        self, note: NoteText, *, marks: Sequence[Mark] = (), span: tuple[int, int] | None = None
    ) -> None:
        """Show `note` with `marks`, at `span`."""
        document = note.document
        self.note = note
        self.span = span
        note.section.marks = marks
        place = span[0] if span else 0
        # Colours by name: they are another theme's tomorrow.
        title = Content.assemble(
            (safe(document.title, newlines=False), "bold"),
            (f"  {safe(str(document.source_at(place)), newlines=False)}", "$quiet"),
        )
        self.title_line.update(title, layout=False)
        self.surface.show([note.section])
        if span:
            # The size may be known only after the pane has become visible.
            self.call_after_refresh(self.surface.scroll_to_place, note.section, *span)

    def clear(self) -> None:
        """Show nothing any more."""
        self.note, self.span = None, None
        self.title_line.update(Text(self.words("source_empty")), layout=False)
        self.surface.show([])

    def toggle_source(self) -> None:
        """LaTeX or drawn formulas."""
        if self.note is not None:
            self.note.toggle_source()
            self.surface.changed(self.note.section)

    @property
    def quote(self) -> str:
        """The marked text, as it stands in the note."""
        if self.note is None or self.span is None:
            return ""
        return self.note.document.text[self.span[0] : self.span[1]]
