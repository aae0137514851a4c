"""A note ready to be shown: parsed once, laid out for any width.

It knows no widget and may be made in any thread, which is where the work is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from notesqa.records import Document
from notesqa.text.terminal import safe
from notesqa.tui.flow import BLANK, Line, Piece, Section, wrap
from notesqa.tui.layout import lay_out
from notesqa.tui.markdown import Block, Heading, blocks_of, outline
from notesqa.tui.wording import Wording


def filed_under(date: str | None, tags: Sequence[str]) -> str:
    """Date and tags of a note on one line; empty when it has none."""
    return safe(" · ".join(filter(None, (date, " ".join(f"#{t}" for t in tags)))), newlines=False)


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

    @property
    def has_links(self) -> bool:
        """Whether anything in it can be followed."""
        cells = (cell for block in self.blocks for row in block.rows for cell in row)
        texts = (*(block.pieces for block in self.blocks), *cells)
        return any(piece.link for pieces in texts for piece in pieces)

    def lay_out(self, width: int) -> list[Line]:
        """Its lines."""
        lines: list[Line] = []
        if filed := filed_under(self.document.date, self.document.tags):
            lines += [*wrap([Piece(filed, "dim")], width), BLANK]
        lines += lay_out(self.blocks, width, show_source=self.show_source)
        if self.document.truncated:
            lines += wrap([Piece(f"┄ {self.words('cut_short')}", "dim")], width)
        if len(self.document.sources) > 1:
            others = ", ".join(str(source) for source in self.document.sources[1:])
            told = self.words("also_in", n=len(self.document.sources) - 1)
            said = f"┄ {told}{self.words('colon')}{safe(others, newlines=False)}"
            lines += wrap([Piece(said, "dim")], width)
        return lines
