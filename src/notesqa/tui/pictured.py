"""Lines in which pictures stand for formulas, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from notesqa.text.terminal import clip, safe
from notesqa.tui import mathematics, pictures
from notesqa.tui.flow import Line, Piece, Spot
from notesqa.tui.gallery import Picture

Find = Callable[[Spot, tuple[int, int]], Picture | None]


def with_pictures(lines: Sequence[Line], find: Find) -> Iterator[tuple[int, Line]]:
    """`lines` with the pictures that `find` has, each with the index of the line it was.

    `find` takes a formula and the columns and rows of its text.
    """
    index = 0
    while index < len(lines):
        spot = lines[index].spot
        if spot is None:
            yield index, lines[index]
            index += 1
            continue
        end = index
        while end < len(lines) and lines[end].spot == spot:
            end += 1
        run = lines[index:end]
        size = max(line.width for line in run) - spot.lead, len(run)
        picture = find(spot, size)
        if picture is None:
            yield from enumerate(run, index)
        else:
            yield from ((index, line) for line in _framed(run, spot, picture))
        index = end


def _framed(run: Sequence[Line], spot: Spot, picture: Picture) -> Iterator[Line]:
    """The lines of a picture, with the formula as text behind it."""
    if len(run) > picture.rows:
        run = [_single(run[0], spot, picture)]
    above = (picture.rows - len(run)) // 2
    for row in range(picture.rows):
        inside = above <= row < above + len(run)
        line = run[row - above] if inside else Line(spot.head, anchor="", spot=spot)
        if row == 0 and run[0].anchor:
            line = replace(line, anchor=run[0].anchor)
        spare = spot.lead + picture.columns - line.width
        pad = Piece(" " * max(0, spare), "formula", spot.start, spot.end, True)
        yield replace(line, pieces=(*line.pieces, pad), picture=picture, row=row)


def _on_one_line(spot: Spot) -> str:
    try:
        text = mathematics.inline(spot.latex)
    except mathematics.UnrenderableError:
        text = spot.latex
    return safe(text, newlines=False)


def len_single(spot: Spot) -> int:
    """Cells that a formula takes as text on one line."""
    return cell_len(_on_one_line(spot))


def _single(line: Line, spot: Spot, picture: Picture) -> Line:
    """The formula on one line, where a picture is lower than its text."""
    text = clip(_on_one_line(spot), max(1, picture.columns))
    piece = Piece(text, "formula", spot.start, spot.end, True)
    return replace(line, pieces=(*spot.head, piece))


def overlaid(strip: Strip, line: Line) -> Strip:
    """The drawn line with the placeholders of its picture over its text."""
    picture, spot = line.picture, line.spot
    if picture is None or spot is None or not picture.number:
        return strip
    left = spot.lead
    covered = strip.crop(left, left + picture.columns)
    background = next((s.style.bgcolor for s in covered if s.style and s.style.bgcolor), None)
    style = Style(color=Color.from_rgb(*picture.name), bgcolor=background)
    # A segment for each: one may be cut between any two cells.
    cells = [
        Segment(pictures.kitty_cell(line.row, column, picture.family), style)
        for column in range(picture.columns)
    ]
    # Text that is wider than the picture ends with it.
    return Strip.join([strip.crop(0, left), Strip(cells, picture.columns)])
