"""Blocks to lines of a given width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from rich.cells import cell_len

from notesqa.text.terminal import safe
from notesqa.tui import mathematics
from notesqa.tui.flow import BLANK, NO_PLACE, Line, Piece, Spot, may_break, styled, wrap
from notesqa.tui.markdown import Block

_MIN_COLUMN = 6
# Words up to so many cells are not broken for a column to be narrower.
_WORD = 12
_WORDS = re.compile(r"[!-~]+")
_PLAIN_CODE = 20_000
# Code may be cut behind these, and not before them.
_CODE_ENDS = frozenset(",;:)]}([{=+-*/|&<>。，；：）")


def lay_out(blocks: Sequence[Block], width: int, *, show_source: bool = False) -> list[Line]:
    """The lines of `blocks`, none wider than `width` cells.

    A display formula that is wider is shown as its source, as is every formula
    with `show_source`.
    """
    lines: list[Line] = []
    for block in blocks:
        if lines and not block.tight and lines[-1] != BLANK:
            lines.append(BLANK)
        lines.extend(_lines(block, width, show_source))
    return lines


def _lines(block: Block, width: int, show_source: bool) -> Sequence[Line]:
    if block.kind == "heading":
        return _heading(block, width)
    if block.kind == "code":
        return _code(block, width)
    if block.kind == "mathematics":
        return _mathematics(block, width, show_source)
    if block.kind == "table":
        return _table(block, width)
    if block.kind == "rule":
        room = width - sum(cell_len(p.text) for p in block.first)
        return [Line((*block.first, Piece("─" * max(0, room), "rule")))]
    return wrap(block.pieces, width, first=block.first, rest=block.rest)


def _heading(block: Block, width: int) -> list[Line]:
    style = f"heading-{min(block.level, 4)}"
    mark = Piece("▌" if block.level <= 2 else "▏", style)
    first = (*block.first, mark, Piece(" "))
    rest = (*block.rest, mark, Piece(" "))
    lines = wrap(block.pieces, width, first=first, rest=rest)
    return [Line(line.pieces, anchor=f"heading:{block.start}") for line in lines[:1]] + lines[1:]


# -- mathematics ------------------------------------------------------------------


def _mathematics(block: Block, width: int, show_source: bool) -> list[Line]:
    formula = block.formula
    if formula is None:
        return []
    head = sum(cell_len(p.text) for p in block.rest)
    drawn: tuple[str, ...] = ()
    if not show_source:
        try:
            drawn = mathematics.fitted(formula.body, width - head - 2)
        except mathematics.UnrenderableError:
            drawn = ()
    indent = Piece("  ")
    spot = Spot(
        formula.body, formula.start, formula.end, (*block.rest, indent), max(0, width - head - 2)
    )
    if drawn:
        style = "formula" if len(drawn) == 1 else "formula-rows"
        return [
            Line(
                (
                    *(block.first if index == 0 else block.rest),
                    indent,
                    Piece(safe(row, newlines=False), style, formula.start, formula.end, True),
                ),
                spot=spot,
            )
            for index, row in enumerate(drawn)
        ]
    source = [Piece("$$ ", "dim"), *_source(formula.body, formula.start, formula.end)]
    lines = wrap(source, width, first=(*block.first, indent), rest=(*block.rest, indent))
    # The source was asked for, or there is nothing better: only the latter may be a picture.
    return lines if show_source else [replace(line, spot=spot) for line in lines]


def _source(body: str, start: int, end: int) -> Iterator[Piece]:
    for index, row in enumerate(body.strip().split("\n")):
        if index:
            yield Piece("\n")
        yield Piece(safe(row, newlines=False), "formula-source", start, end)


# -- code -------------------------------------------------------------------------


def _code(block: Block, width: int) -> list[Line]:
    head = sum(cell_len(p.text) for p in block.rest)
    rows: list[list[Piece]] = [[]]
    for piece in block.pieces:
        if piece.text == "\n":
            rows.append([])
        else:
            rows[-1].append(piece)
    text = "\n".join("".join(p.text for p in row) for row in rows)
    colours = _colours(text, block.language)
    lines: list[Line] = []
    at = 0
    for number, row in enumerate(rows):
        cut = list(_coloured(row, at, colours))
        at += sum(len(p.text) for p in row) + 1
        heads = (
            (*(block.rest if number else block.first), Piece(" ", "code-block")),
            (*block.rest, Piece("↪", "code-block dim")),
        )
        for line in _cut(cut, width - head - 2):
            lead = heads[0] if not lines or line[0] else heads[1]
            used = sum(cell_len(p.text) for p in (*lead, *line[1]))
            pad = Piece(" " * max(0, width - used), "code-block")
            lines.append(Line((*lead, *line[1], pad), fill="code-block"))
    return lines


def _cut(row: list[Piece], width: int) -> Iterator[tuple[bool, list[Piece]]]:
    """A row of code in parts that fit, with whether each is the first.

    It is cut after a space or a sign where there is one in the second half of the line,
    and goes on below its own indentation.
    """
    width = max(8, width)
    text = "".join(piece.text for piece in row)
    if cell_len(text) <= width:
        yield True, row
        return
    indent = min(len(text) - len(text.lstrip(" ")) + 2, width // 3)
    start, room = 0, width
    while start < len(text):
        end, used = start, 0
        while end < len(text) and (used := used + cell_len(text[end])) <= room:
            end += 1
        end = max(end, start + 1)
        if end < len(text):
            end = _code_break(text, start, end)
        part = list(_between(row, start, end))
        yield not start, [Piece(" " * indent, "code-block"), *part] if start else part
        start, room = end, width - indent


def _code_break(text: str, start: int, end: int) -> int:
    """The last place up to `end` where code may be cut, unless that leaves half a line."""
    for at in range(end, (start + end) // 2, -1):
        last, first = text[at - 1], text[at]
        if first == " " or first in _CODE_ENDS:
            continue
        if last == " " or last in _CODE_ENDS or may_break(last, first):
            return at
    return end


def _between(row: list[Piece], start: int, end: int) -> Iterator[Piece]:
    """The characters `start` to `end` of a row."""
    at = 0
    for piece in row:
        low, high = max(start - at, 0), min(end - at, len(piece.text))
        if low < high:
            yield piece.part(low, high)
        at += len(piece.text)


def _coloured(row: list[Piece], at: int, colours: list[tuple[int, int, str]]) -> Iterator[Piece]:
    for piece in row:
        cursor = 0
        for start, end, style in colours:
            begin, stop = max(start - at, cursor), min(end - at, len(piece.text))
            if begin >= stop:
                continue
            if begin > cursor:
                yield piece.part(cursor, begin)
            yield styled(piece.part(begin, stop), style)
            cursor = stop
        if cursor < len(piece.text):
            yield piece.part(cursor, len(piece.text))
        at += len(piece.text)


@lru_cache(maxsize=64)
def _colours(code: str, language: str) -> list[tuple[int, int, str]]:
    """Spans of `code` with their style; none where the language is unknown."""
    if not language or len(code) > _PLAIN_CODE:
        return []
    from pygments.lexers import get_lexer_by_name
    from pygments.token import Comment, Keyword, Name, Number, Operator, String
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return []
    names = (
        (Comment, "code-comment"),
        (Keyword, "code-keyword"),
        (Operator.Word, "code-keyword"),
        (String, "code-string"),
        (Number, "code-number"),
        (Name.Function, "code-name"),
        (Name.Class, "code-name"),
        (Name.Decorator, "code-name"),
        (Name.Builtin, "code-builtin"),
    )
    spans: list[tuple[int, int, str]] = []
    at = 0
    for kind, value in lexer.get_tokens(code):
        style = next((style for parent, style in names if kind in parent), "")
        if style and value.strip():
            spans.append((at, at + len(value), style))
        at += len(value)
    return spans


# -- tables -----------------------------------------------------------------------


def _table(block: Block, width: int) -> list[Line]:
    """A table; one that does not fit row by row, for what is cut off can be read nowhere."""
    if not block.rows:
        return []
    columns = max(len(row) for row in block.rows)
    head = sum(cell_len(p.text) for p in block.rest)
    sizes = _columns(block, columns, width - head - 3 * (columns - 1) - 2)
    if sizes is None:
        return _records(block, width)
    lines: list[Line] = []
    for number, row in enumerate(block.rows):
        cells = [wrap(row[c] if c < len(row) else (), max(sizes[c], 4)) for c in range(columns)]
        for y in range(max(len(cell) for cell in cells)):
            pieces: list[Piece] = [*(block.rest if lines else block.first), Piece(" ")]
            for c, cell in enumerate(cells):
                if c:
                    pieces.append(Piece(" │ ", "rule"))
                line = cell[y] if y < len(cell) else BLANK
                spare = max(0, sizes[c] - line.width)
                align = block.aligns[c] if c < len(block.aligns) else "left"
                left = spare if align == "right" else spare // 2 if align == "center" else 0
                pieces += [Piece(" " * left), *line.pieces, Piece(" " * (spare - left))]
            lines.append(Line(tuple(p for p in pieces if p.text)))
        if number == 0 and len(block.rows) > 1:
            rule = "─┼─".join("─" * size for size in sizes)
            lines.append(Line((*block.rest, Piece(f"─{rule}─", "rule"))))
    return lines


def _records(block: Block, width: int) -> list[Line]:
    """Each row on lines of its own, every cell beside the name of its column."""
    names, *rows = block.rows
    if not rows:
        each = (wrap(name, width, first=block.rest, rest=block.rest) for name in names)
        return [line for lines in each for line in lines]
    told = max((sum(cell_len(p.text) for p in name) for name in names[1:]), default=0)
    head = sum(cell_len(p.text) for p in block.rest)
    column = min(told, max(_MIN_COLUMN, (width - head) // 2 - 4))
    lines: list[Line] = []
    for number, row in enumerate(rows):
        if number:
            lines.append(Line(block.rest))
        strong = [styled(piece, "strong") for piece in row[0]] if row else []
        lines += wrap(strong, width, first=block.rest if lines else block.first, rest=block.rest)
        for name, cell in zip(names[1:], row[1:], strict=False):
            if not cell:
                continue
            # A column's name stands in the note once: what quotes it is marked once.
            label = [_dim(piece, placed=not number) for piece in name]
            for y, part in enumerate(wrap(label, column)):
                spare = Piece(" " * (column - part.width + 2))
                lead = (*block.rest, Piece("  "), *part.pieces, spare)
                if y == 0:
                    rest = (*block.rest, Piece(" " * (column + 4)))
                    lines += wrap(cell, width, first=lead, rest=rest)
                else:
                    lines.append(Line(lead))
    return lines


def _dim(piece: Piece, *, placed: bool) -> Piece:
    quiet = replace(piece, style="dim")
    return quiet if placed else replace(quiet, start=NO_PLACE, end=NO_PLACE)


def _columns(block: Block, columns: int, room: int) -> list[int] | None:
    """Widths of the columns: as wide as their cells, the widest cut down to fit.

    None where they do not fit without breaking words.
    """
    natural, least = [1] * columns, [1] * columns
    for row in block.rows:
        for c, cell in enumerate(row):
            natural[c] = max(natural[c], sum(cell_len(p.text) for p in cell))
            least[c] = max(least[c], min(_WORD, max(map(_longest_word, cell), default=1)))
    least = [min(size, max(_MIN_COLUMN, word)) for size, word in zip(natural, least, strict=True)]
    if sum(least) > room:
        return None
    sizes = natural
    while (over := sum(sizes) - room) > 0:
        widest = max((c for c in range(columns) if sizes[c] > least[c]), key=sizes.__getitem__)
        second = max((s for c, s in enumerate(sizes) if c != widest), default=0)
        target = max(least[widest], min(second, sizes[widest] - 1))
        sizes[widest] = max(target, sizes[widest] - over)
    return sizes


def _longest_word(piece: Piece) -> int:
    if piece.solid:
        return cell_len(piece.text)
    return max(map(len, _WORDS.findall(piece.text)), default=1)
