"""Text that knows where it came from, and how it breaks into lines.

A `Piece` is a stretch of shown text with its style and its place in the source;
`wrap` sets pieces into lines of a given width. Chinese may break between any two
characters, except that no line begins with a closing mark or ends with an
opening one; a formula never breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from notesqa.tui.gallery import Picture

NO_PLACE = -1
# A line does not begin with one of the first, nor end with one of the second.
_NOT_FIRST = frozenset("，。、；：？！）》〉」』】〕〗〙〛｝］＞»›”’…‥—·ー々〜～％‰°℃′″¢,.!?;:)]}%")
_NOT_LAST = frozenset("（《〈「『【〔〖〘〚｛［＜«‹“‘([{￥¥＄＃＠$#@")
# What is said of the words before it stays with them.
_CLINGING = ("chip", "warning")
_WIDE = r"\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0001faff\U00020000-\U0003fffd"
_MAX_UNIT = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text to show, on one line.

    Attributes:
        text: safe for the terminal, without newlines.
        style: names of styles, separated by spaces.
        start, end: the characters of the source that it shows; `NO_PLACE` for none.
        solid: must not be broken.
        link: what a click or Enter on it opens (`cite:3`, `note:…`, `url:…`).
    """

    text: str
    style: str = ""
    start: int = NO_PLACE
    end: int = NO_PLACE
    solid: bool = False
    link: str = ""

    @property
    def exact(self) -> bool:
        """Whether every character shown is one character of the source."""
        return self.start != NO_PLACE and self.end - self.start == len(self.text)

    def part(self, start: int, end: int) -> Piece:
        """The characters `start` to `end` of its text."""
        if start == 0 and end == len(self.text):
            return self
        if self.exact:
            return replace(
                self, text=self.text[start:end], start=self.start + start, end=self.start + end
            )
        return replace(self, text=self.text[start:end])


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a display formula stands, for which a picture may be put.

    Attributes:
        latex: without its delimiters.
        start, end: the characters of the source that it is.
        head: what stands before it on its further lines.
        room: cells that it may take.
    """

    latex: str
    start: int
    end: int
    head: tuple[Piece, ...]
    room: int

    @property
    def lead(self) -> int:
        """Cells before it."""
        return sum(cell_len(piece.text) for piece in self.head)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is drawn.

    Attributes:
        pieces: from left to right.
        fill: style of the cells to the right of the last piece.
        anchor: name of a place to scroll to, on the first line of what it names.
        spot: the formula that it is a part of; equal for all of its lines.
        picture, row: what covers its text from the end of the spot's head, and which
            row of it.
        joint: what stood between it and the line above, where that is gone on with; else None.
        head: how many characters stand before what goes on.
    """

    pieces: tuple[Piece, ...] = ()
    fill: str = ""
    anchor: str = ""
    spot: Spot | None = None
    picture: Picture | None = None
    row: int = 0
    joint: str | None = None
    head: int = 0

    @property
    def text(self) -> str:
        """What the line says."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def width(self) -> int:
        """In cells."""
        return sum(cell_len(piece.text) for piece in self.pieces)


BLANK = Line()
LayOut = Callable[[int], list[Line]]


@dataclass(eq=False, slots=True)
class Section:
    """Lines that are laid out together.

    Attributes:
        name: found again by it.
        lay_out: width to lines; called again when the width changes.
        marks: start, end and style of spans of the source text to mark.
    """

    name: str
    lay_out: LayOut
    marks: Sequence[tuple[int, int, str]] = ()
    lines: list[Line] = field(default_factory=list)
    width: int = -1

    def fit(self, width: int) -> None:
        """Lay it out for `width`, unless it is already."""
        if self.width != width:
            self.lines = self.lay_out(width)
            self.width = width


def styled(piece: Piece, style: str) -> Piece:
    """`piece` with one more style."""
    return replace(piece, style=f"{piece.style} {style}".strip())


def wrap(
    pieces: Iterable[Piece],
    width: int,
    *,
    first: Sequence[Piece] = (),
    rest: Sequence[Piece] = (),
    fill: str = "",
) -> list[Line]:
    """Set `pieces` into lines of at most `width` cells.

    `first` and `rest` stand at the head of the first line and of the others: a
    list's marker, a quotation's bar. A piece whose text is a newline ends a line.
    """
    pieces = list(pieces)
    if (line := _on_one_line(first, pieces, width)) is not None:
        return [Line(tuple(_merged(line)), fill)]
    heads = (list(first), list(rest))
    room = [max(4, width - sum(cell_len(p.text) for p in head)) for head in heads]
    lines: list[list[Piece]] = []
    joints: list[str | None] = [None]
    current: list[Piece] = []
    used = 0
    gap = ""

    def end_line(*, goes_on: bool = True) -> None:
        nonlocal current, used, gap
        while current and not current[-1].text.strip(" ") and not current[-1].solid:
            current.pop()
            gap = " "
        lines.append(current)
        joints.append(gap if goes_on else None)
        current, used, gap = [], 0, ""

    for word in _words(pieces):
        if word[0].text == "\n":
            end_line(goes_on=False)
            continue
        size = sum(cell_len(p.text) for p in word)
        limit = room[0] if not lines else room[1]
        if used + size > limit:
            if word[0].text.startswith(" ") and len(word) == 1:
                gap = " "
                continue
            if current:
                end_line()
                limit = room[1]
            for part in _split(word, limit):
                taken = sum(cell_len(p.text) for p in part)
                if current and used + taken > limit:
                    end_line()
                current.extend(part)
                used += taken
            continue
        if not current and lines and word[0].text.isspace():
            if joints[-1] is not None:
                joints[-1] = " "
            continue
        current.extend(word)
        used += size
    if current or not lines:
        end_line()
    lead = sum(len(piece.text) for piece in heads[1])
    return [
        Line(
            tuple(_merged([*(heads[1] if index else heads[0]), *line])),
            fill,
            joint=joint,
            head=lead if joint is not None else 0,
        )
        for index, (line, joint) in enumerate(zip(lines, joints, strict=False))
    ]


def _on_one_line(
    first: Sequence[Piece], pieces: Sequence[Piece], width: int
) -> Sequence[Piece] | None:
    """All of it, when there is nothing to be broken or left out."""
    if not pieces or pieces[-1].text.endswith(" "):
        return None
    line = [*first, *pieces]
    if any(not piece.text or piece.text == "\n" for piece in pieces):
        return None
    return line if sum(cell_len(piece.text) for piece in line) <= width else None


@cache
def _unit() -> re.Pattern[str]:
    # Compiled when it is first needed: it takes longer than to draw the first screen's text.
    return re.compile(rf" +|[{_WIDE}][\ufe0e\ufe0f\u200d\u0300-\u036f]*|[^ {_WIDE}]+")


def _units(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.solid or piece.text == "\n":
            yield piece
            continue
        for match in _unit().finditer(piece.text):
            at, end = match.span()
            # A word without end is cut, lest joining it take the square of its length.
            for cut in range(at, end, _MAX_UNIT):
                yield piece.part(cut, min(cut + _MAX_UNIT, end))


def _words(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Units joined where no line may break between them."""
    word: list[Piece] = []
    for unit in _units(pieces):
        if word and not _may_break(word[-1], unit) and len(word) < 64:
            word.append(unit)
            continue
        if word:
            yield word
        word = [unit]
    if word:
        yield word


def _may_break(before: Piece, after: Piece) -> bool:
    last, first = before.text[-1:], after.text[:1]
    if after.solid and after.link and after.style in _CLINGING:
        return last in "\n "
    return may_break(last, first) or (before.solid and after.solid and first not in _NOT_FIRST)


def may_break(last: str, first: str) -> bool:
    """Whether a line may end with the character `last` and the next begin with `first`."""
    if last in "\n " or first in "\n ":
        return True
    if first in _NOT_FIRST or last in _NOT_LAST or not (size := cell_len(first)):
        return False
    return size > 1 or cell_len(last) > 1


def fold(text: str, width: int) -> tuple[str, str]:
    """The beginning of `text` that fits on a line of `width` cells, and what is left.

    As `wrap`, of plain text on one line: quick enough to be done at every key.
    """
    used = end = 0
    for char in text:
        used += cell_len(char)
        if used > width:
            break
        end += 1
    if end == len(text):
        return text, ""
    for best in range(end, end // 4, -1):
        # A space that is broken at is left out: what stands around it ends and begins the lines.
        if " " in text[best - 1 : best + 1]:
            last, first = text[:best].rstrip(" ")[-1:], text[best:].lstrip(" ")[:1]
            if last in _NOT_LAST or first in _NOT_FIRST:
                continue
        if may_break(text[best - 1], text[best]):
            end = best
            break
    # What joins with its neighbours may be wider than its parts.
    while end > 1 and cell_len(text[:end].rstrip(" ")) > width:
        end -= 1
    return text[:end].rstrip(" "), text[end:].lstrip(" ")


def _split(word: Sequence[Piece], limit: int) -> Iterator[list[Piece]]:
    """A word in parts of at most `limit` cells; whole when it fits."""
    if sum(cell_len(p.text) for p in word) <= limit:
        yield list(word)
        return
    for piece in word:
        if cell_len(piece.text) <= limit:
            yield [piece]
            continue
        start = used = 0
        for index, char in enumerate(piece.text):
            size = cell_len(char)
            if used + size > limit:
                yield [piece.part(start, index)]
                start, used = index, 0
            used += size
        yield [piece.part(start, len(piece.text))]


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours of one style that follow each other in the source, as one."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if (
            last is not None
            and not piece.solid
            and not last.solid
            and (last.style, last.link) == (piece.style, piece.link)
            and ((last.exact and piece.exact and last.end == piece.start) or _unplaced(last, piece))
        ):
            merged[-1] = replace(last, text=last.text + piece.text, end=piece.end)
        else:
            merged.append(piece)
    return merged


def _unplaced(one: Piece, other: Piece) -> bool:
    return one.start == other.start == NO_PLACE
