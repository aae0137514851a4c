"""A note beside the answer: its title, its text, the cited words marked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from notesqa.records import Document
from notesqa.text.terminal import safe
from notesqa.tui.flow import Line, Piece, wrap
from notesqa.tui.layout import lay_out
from notesqa.tui.markdown import Block, Heading, blocks_of, outline
from notesqa.tui.surface import Section, Surface
from notesqa.tui.wording import Wording

Mark = tuple[int, int, str]


class NoteText:
    """A document ready to be laid out at any width, with or without drawn formulas."""

    def __init__(self, document: Document, words: Wording) -> None:
        self.document = document
        self.words = words
        self.show_source = False
        self.blocks: list[Block] = self._parse()
        self.section = Section(f"note:{document.id}", self.lay_out)

    def _parse(self) -> list[Block]:
        document = self.document
        markdown = document.kind == "article"
        return blocks_of(document.text, markdown=markdown, show_source=self.show_source)

    def toggle_source(self) -> None:
        """Draw the formulas, or show their LaTeX."""
        self.show_source = not self.show_source
        self.blocks = self._parse()

    @property
    def outline(self) -> list[Heading]:
        """Its headings."""
        return outline(self.blocks)

    def lay_out(self, width: int) -> list[Line]:
        """Its lines."""
        lines = lay_out(self.blocks, width, show_source=self.show_source)
        if self.document.truncated:
            lines += wrap([Piece(f"┄ {self.words('cut_short')}", "dim")], width)
        if len(self.document.sources) > 1:
            others = ", ".join(str(source) for source in self.document.sources[1:])
            told = self.words("also_in", n=len(self.document.sources) - 1)
            lines += wrap([Piece(f"┄ {told}: {safe(others, newlines=False)}", "dim")], width)
        return lines


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
        self._marks: Sequence[Mark] = ()

    def compose(self) -> ComposeResult:
        """A title over the text."""
        yield self.title_line
        yield self.surface

    def show(
        self, document: Document, *, marks: Sequence[Mark] = (), span: tuple[int, int] | None = None
    ) -> None:
        """Show `document` with `marks`, at `span`."""
        if self.note is None or self.note.document != document:
            self.note = NoteText(document, self.words)
        self._marks = marks
        self.span = span
        self.note.section.marks = marks
        place = span[0] if span else 0
        title = Text(no_wrap=True, overflow="ellipsis")
        title.append(safe(document.title, newlines=False), "bold")
        title.append(f"  {safe(str(document.source_at(place)), newlines=False)}", "dim")
        self.title_line.update(title)
        self.surface.show([self.note.section])
        if span:
            # The size may be known only after the pane has become visible.
            self.call_after_refresh(self.surface.scroll_to_place, self.note.section, *span)

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
