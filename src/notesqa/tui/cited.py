"""The list below an answer: what it cites, or the nearest passages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notesqa.records import Citation, Passage
from notesqa.text.terminal import clip, safe, width
from notesqa.tui.flow import Line, Piece
from notesqa.tui.wording import Wording

# Cells that a place is given before a title is shortened, and a section before the place is;
# of a section less than the last tells nothing.
_PLACE = 12
_SECTION = 15
_LEAST = 6


@dataclass(frozen=True, slots=True)
class Cited:
    """What an answer cites.

    Attributes:
        prefix: of the links, before the number (`cite:3`).
        headings: above the passages, by chunk.
        changed: numbers of citations whose note has changed since.
    """

    citations: Sequence[Citation]
    prefix: str
    headings: Mapping[str, str]
    changed: Collection[int] = ()

    def heading(self, citation: Citation) -> str:
        """The section that it is from; none where it may not stand any more."""
        return "" if citation.n in self.changed else self.headings.get(citation.chunk_id, "")

    def rows(self) -> Iterator[list[Citation]]:
        """The citations; those that follow one another from the same place together."""
        row: list[Citation] = []
        for citation in self.citations:
            if row and self._place(citation) != self._place(row[0]):
                yield row
                row = []
            row.append(citation)
        if row:
            yield row

    def _place(self, citation: Citation) -> tuple[str, str, str, bool]:
        changed = citation.n in self.changed
        return citation.document_id, self.heading(citation), citation.source, changed


def citation_lines(cited: Cited, cells: int, words: Wording) -> list[Line]:
    """A row for each place that is cited: its numbers, its note, its section, its line.

    A section of the note of the row above stands for itself.
    """
    lines = [Line((Piece(words("citations"), "dim"),))]
    above = ""
    for row in cited.rows():
        first = row[0]
        title = safe(first.title, newlines=False)
        if first.n in cited.changed:
            title += f"  ⚠ {words('changed_note')}"
        heading = safe(cited.heading(first), newlines=False)
        if heading and first.document_id == above:
            title = ""
        above = first.document_id
        numbers = [(f"[{c.n}]", f"{cited.prefix}:{c.n}") for c in row]
        place = safe(first.source, newlines=False)
        lines.append(_entry(numbers, title, heading, place, cells, words))
    return lines


def nearby_lines(
    passages: Sequence[Passage], number: int, cells: int, words: Wording
) -> list[Line]:
    """The passages that come nearest to what the notes do not say."""
    lines = [Line((Piece(words("nearby"), "dim"),))]
    for passage in passages:
        numbers = [(f"{passage.rank}", f"passage:{number}:{passage.rank}")]
        title, heading = (safe(t, newlines=False) for t in (passage.title, passage.heading))
        place = safe(passage.source, newlines=False)
        lines.append(_entry(numbers, title, heading, place, cells, words))
    return lines


def _entry(
    numbers: Sequence[tuple[str, str]],
    title: str,
    heading: str,
    place: str,
    cells: int,
    words: Wording,
) -> Line:
    """Numbers, title and section to the left, a place to the right; all shortened to fit.

    Each number is a link; what stands behind them is that of the first.
    """
    link = numbers[0][1]
    head = [Piece(text, "entry", link=target) for text, target in numbers]
    used = sum(width(piece.text) for piece in head) + 1
    section = f" › {heading}" if title and heading else heading and f"› {heading}"
    room = cells - used - 2
    name = place.rpartition("/")[2]
    if heading and width(title) + min(width(section), _SECTION) + width(name) > room:
        # A note and its section tell more than a part of a path.
        place = words("at_line", n=name.rpartition(":")[2])
    title = clip(title, max(8, room - min(width(place), _PLACE)))
    section = clip(section, room - width(title) - min(width(place), width(name)))
    if width(section) < _LEAST:
        section = ""
    used += width(title) + width(section)
    place = _tail(place, max(0, cells - used - 2))
    gap = " " * max(1, cells - used - width(place))
    return Line(
        tuple(
            piece
            for piece in (
                *head,
                Piece(f" {title}", "entry", link=link),
                Piece(section, "entry dim", link=link),
                Piece(gap, link=link),
                Piece(place, "dim", link=link),
            )
            if piece.text
        )
    )


def _tail(place: str, cells: int) -> str:
    """The end of a path: of one that is too long the file and line are what matters."""
    if width(place) <= cells:
        return place
    name = place.rpartition("/")[2]
    if width(name) <= cells:
        return name
    while name and width(name) > max(0, cells - 1):
        name = name[1:]
    return f"…{name}" if cells > 1 else ""
