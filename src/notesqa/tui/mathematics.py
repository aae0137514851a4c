"""LaTeX mathematics in the cells of a terminal.

`inline` gives one line of Unicode, `display` a block of lines with stacked
fractions, limits, roots and matrices. Both raise `UnrenderableError` for what
they cannot draw, and the caller shows the source instead.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rich.cells import cell_len

from notesqa.tui import boxes
from notesqa.tui import latex_symbols as symbols
from notesqa.tui.boxes import Box
from notesqa.tui.latex_parser import (
    Accent,
    Atom,
    Boxed,
    Brace,
    Fenced,
    Fraction,
    Node,
    Root,
    Row,
    Scripts,
    Space,
    Table,
    UnrenderableError,
    parse,
)

__all__ = ["UnrenderableError", "classes", "display", "fitted", "inline", "kind_of", "parses"]


def parses(latex: str) -> bool:
    """Whether `latex` can be drawn, in a line and as a block."""
    try:
        inline(latex)
        display(latex)
    except UnrenderableError:
        return False
    return True


@lru_cache(maxsize=2048)
def inline(latex: str) -> str:
    """`latex` on one line: `\\frac{a}{b+c}` as `a/(b + c)`.

    Raises:
        UnrenderableError: something in it cannot be drawn.
    """
    return _tidy(_flat(parse(latex)))


@lru_cache(maxsize=512)
def display(latex: str) -> tuple[str, ...]:
    """`latex` as lines of equal width in cells.

    Raises:
        UnrenderableError: something in it cannot be drawn.
    """
    return _trimmed(_box(parse(latex)))


@lru_cache(maxsize=512)
def fitted(latex: str, width: int) -> tuple[str, ...]:
    """`latex` as lines of at most `width` cells, broken before its relations if need be.

    Empty when it does not fit even so.

    Raises:
        UnrenderableError: something in it cannot be drawn.
    """
    whole = display(latex)
    if cell_len(whole[0]) <= width:
        return whole
    tree = parse(latex)
    rows: list[tuple[str, ...]] = []
    for row in tree.rows if isinstance(tree, Table) else ((tree,),):
        rows.extend(_broken(_opened(row), width, first=True))
    if not rows or any(cell_len(line) > width for row in rows for line in row):
        return ()
    tall = any(len(row) > 1 for row in rows)
    lines = [line for i, row in enumerate(rows) for line in (*([""] if i and tall else []), *row)]
    return tuple(line + " " * (max(map(cell_len, lines)) - cell_len(line)) for line in lines)


def _opened(cells: tuple[Node, ...]) -> tuple[Node, ...]:
    """The items of a row of cells, without the groups around them."""
    items: list[Node] = []
    for cell in cells:
        items.extend(cell.items if isinstance(cell, Row) else (cell,))
    if len(items) == 1 and isinstance(items[0], Table):
        return tuple(item for row in items[0].rows for item in _opened(row))
    return tuple(items)


def _broken(items: tuple[Node, ...], width: int, *, first: bool) -> list[tuple[str, ...]]:
    """`items` in lines: as many as fit, broken at wide spaces and before operators."""
    indent = "" if first else "    "
    whole = _trimmed(_box_row(items))
    if cell_len(whole[0]) + len(indent) <= width or len(items) < 2:
        return [tuple(indent + line for line in whole)]
    kinds = classes(items)
    fits = between = 0
    for index in range(1, len(items)):
        item = items[index]
        wide = isinstance(item, Space) and item.cells >= 2
        if not (wide or kinds[index] in ("relation", "binary")):
            continue
        if cell_len(_trimmed(_box_row(items[:index]))[0]) + len(indent) > width:
            break
        fits = index
        between = index if wide else between
    # Two formulas side by side part where the wide space is.
    fits = between or fits
    if not fits:
        return [tuple(indent + line for line in whole)]
    head = tuple(indent + line for line in _trimmed(_box_row(items[:fits])))
    rest = items[fits:]
    fresh = isinstance(rest[0], Space)
    return [head, *_broken(rest[1:] if fresh else rest, width, first=fresh)]


def _trimmed(box: Box) -> tuple[str, ...]:
    """The lines of a box without empty margins."""
    rows = box.lines or ("",)
    indent = min((len(row) - len(row.lstrip(" ")) for row in rows if row.strip()), default=0)
    kept = [row[indent:].rstrip(" ") for row in rows]
    while len(kept) > 1 and not kept[-1]:
        kept.pop()
    while len(kept) > 1 and not kept[0]:
        kept.pop(0)
    width = max(cell_len(row) for row in kept)
    return tuple(row + " " * (width - cell_len(row)) for row in kept)


def _tidy(text: str) -> str:
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip()


# -- spacing ----------------------------------------------------------------------


def kind_of(node: Node) -> str:
    """The class of a node as a mathematical atom."""
    if isinstance(node, Atom):
        return node.kind
    if isinstance(node, Scripts):
        return kind_of(node.base)
    if isinstance(node, Space):
        return "space"
    if isinstance(node, Row) and len(node.items) == 1:
        return kind_of(node.items[0])
    return "ord"


def _gap(before: str, after: str) -> int:
    """Cells between two neighbours of these classes, in the manner of TeX's table.

    A binary operator with nothing to its left is a sign, and stands close.
    """
    if before in ("", "space") or after == "space":
        return 0
    if "relation" in (before, after):
        return int(before != after)
    if "binary" in (before, after):
        return 1
    if before == "punct":
        return 1
    if after == "function":
        return int(before in ("ord", "close", "function", "big"))
    if before == "function":
        return int(after in ("ord", "big"))
    if before == "big":
        return int(after in ("ord", "big", "open"))
    if after == "big":
        return int(before in ("ord", "close"))
    return 0


def classes(items: tuple[Node, ...]) -> list[str]:
    """The class of each item, with signs told from binary operators."""
    kinds: list[str] = []
    for index, item in enumerate(items):
        kind = kind_of(item)
        if kind == "binary":
            before = next((k for k in reversed(kinds) if k != "space"), "")
            last = all(kind_of(later) == "space" for later in items[index + 1 :])
            if before in ("", "binary", "relation", "open", "punct", "function", "big") or last:
                kind = "sign"
        kinds.append(kind)
    return kinds


# -- one line ---------------------------------------------------------------------


def _flat(node: Node) -> str:
    match node:
        case Atom(text=text):
            return text
        case Space(cells=cells):
            return " " * cells
        case Row(items=items):
            return _flat_row(items)
        case Fraction(above=above, below=below, bar=bar):
            if not bar:
                return f"{_flat(above)}, {_flat(below)}"
            return f"{_grouped(above, factor=True)}/{_grouped(below)}"
        case Root(body=body, index=index):
            sign = {"3": "∛", "4": "∜"}.get(_flat(index), "") if index else "√"
            if not sign and index:
                degree = _flat(index)
                sign = (symbols.superscript(degree) or f"({degree})") + "√"
            return sign + _grouped(body)
        case Scripts(base=base, below=below, above=above, limits=limits):
            return _flat_scripts(base, below, above, limits)
        case Accent(mark=mark, body=body):
            return _accented(_flat(body), mark)
        case Brace(body=body):
            return _flat(body)
        case Boxed(body=body):
            return f"[{_flat(body)}]"
        case Fenced(left=left, body=body, right=right):
            return left + _tidy(_flat(body)) + right
        case Table(rows=rows, aligned=aligned):
            between = " " if aligned else ", "
            lines = [between.join(filter(None, map(_flat, row))) for row in rows]
            return "; ".join(_tidy(line) for line in lines)


def _flat_row(items: tuple[Node, ...]) -> str:
    parts: list[str] = []
    before = ""
    for item, kind in zip(items, classes(items), strict=True):
        text = _flat(item)
        if isinstance(item, Fraction) and before == "function":
            text = f"({text})"
        gap = _gap(before, kind)
        if parts and not gap and isinstance(item, Fraction) and before == "ord":
            gap = 1
        parts.append(" " * gap + text)
        if text or kind == "space":
            before = "ord" if kind == "sign" else kind
            # A sign stands close to what it signs; a fraction apart from what follows.
            before = "open" if kind == "sign" else before
            if isinstance(item, Fraction):
                before = "function"  # a cell of air before a letter that follows
    return "".join(parts)


def _flat_scripts(base: Node, below: Node | None, above: Node | None, limits: bool) -> str:
    text = _flat(base) if isinstance(base, (Atom, Accent, Fenced)) else _grouped(base)
    if isinstance(base, Row) and not base.items:
        text = ""
    if isinstance(base, Atom) and base.kind == "relation" and limits and above is not None:
        # An arrow or an equals sign with words over it.
        return f"{text}({_flat(above)})"
    if isinstance(base, Brace):
        notes = [_flat(part) for part in (below, above) if part is not None]
        return f"{text} ({', '.join(notes)})"
    low = "" if below is None else _script(below, "_")
    high = "" if above is None else _script(above, "^")
    return text + low + high


def _script(node: Node, mark: str) -> str:
    text = _compact(node)
    shifted = symbols.subscript(text) if mark == "_" else symbols.superscript(text)
    if shifted is not None:
        return shifted
    return f"{mark}{text}" if _is_single(text) else f"{mark}({text})"


_AIR = re.compile(r" *([^\w\s]) *")


def _compact(node: Node) -> str:
    """A script's text: tight, as TeX sets it."""
    text = _tidy(_flat(node))
    return _AIR.sub(lambda match: match[1], text)


def _is_single(text: str) -> bool:
    return cell_len(text) == 1 or (text.isalpha() and text.isascii()) or text.isdigit()


def _grouped(node: Node, *, factor: bool = False) -> str:
    """`node` in brackets, unless it holds together by itself."""
    while isinstance(node, Row) and len(node.items) == 1:
        node = node.items[0]
    text = _tidy(_flat(node))
    if isinstance(node, (Atom, Accent, Fenced)):
        return text
    if isinstance(node, Scripts) and not isinstance(node.base, Fraction):
        return text
    if isinstance(node, Root):
        return text
    if isinstance(node, Row):
        kinds = classes(node.items)
        digits = all(isinstance(item, Atom) for item in node.items) and (
            text.replace(".", "").isdigit() or len(text) == 1
        )
        if digits or (factor and not {"binary", "relation", "sign", "big", "punct"} & set(kinds)):
            return text
        if kinds and kinds[0] == "open" and kinds[-1] == "close" and kinds.count("open") == 1:
            return text
    return f"({text})"


def _accented(text: str, mark: str) -> str:
    """`text` with the combining `mark`: on the one letter, or along all of them."""
    letters = [i for i, c in enumerate(text) if cell_len(c) == 1 and c != " "]
    if not letters:
        return text
    if mark in "\u0305\u0332" or len(letters) == 1:
        along = set(letters)
    elif len(letters) <= 3 and text[:1].isalpha() and cell_len(text[1:2]) == 1:
        # A letter with scripts: `\hat{x_t}`; a mark in the middle would sit on the script.
        along = {letters[0]} if not text.isalpha() else {letters[len(letters) // 2]}
    else:
        along = {letters[len(letters) // 2]}
    marked = "".join(c + mark if i in along else c for i, c in enumerate(text))
    # One character where Unicode has it: fonts draw it better than the pair.
    return unicodedata.normalize("NFC", marked)


# -- a block ----------------------------------------------------------------------


def _box(node: Node) -> Box:
    match node:
        case Row(items=items):
            return _box_row(items)
        case Fraction(above=above, below=below, bar=bar):
            return _fraction(_box(above), _box(below), bar)
        case Root(body=body, index=index):
            return _root(_box(body), _flat(index) if index else "")
        case Scripts(base=base, below=below, above=above, limits=limits):
            return _box_scripts(base, below, above, limits)
        case Accent(mark=mark, body=body):
            return _box_accent(_box(body), mark)
        case Brace(body=body, over=over):
            return _brace(_box(body), over)
        case Boxed(body=body):
            return _framed(_box(body))
        case Fenced(left=left, body=body, right=right):
            inner = _box(body)
            if inner.height == 1:
                return boxes.line(left + inner.lines[0].strip() + right)
            fences = [boxes.delimiter(mark, inner.height, inner.base) for mark in (left, right)]
            pad = boxes.blank(1)
            parts = [fences[0], pad if left else boxes.blank(0), inner]
            return boxes.beside([*parts, pad if right else boxes.blank(0), fences[1]])
        case Table(rows=rows, aligned=aligned, left_columns=left_columns, gap=gap):
            aligns = ("right", "left") if aligned else ("left",) if left_columns else ("center",)
            return boxes.grid([[_cell(c, aligned) for c in row] for row in rows], aligns, gap)
        case Atom() | Space():
            return boxes.line(_flat(node))


def _cell(node: Node, aligned: bool) -> Box:
    """A cell; one of `aligned` that begins with a relation keeps its space before it."""
    box = _box(node)
    items = node.items if isinstance(node, Row) else (node,)
    if aligned and items and kind_of(items[0]) in ("relation", "binary"):
        return boxes.beside([boxes.blank(1), box])
    return box


def _box_row(items: tuple[Node, ...]) -> Box:
    parts: list[Box] = []
    before = ""
    for item, kind in zip(items, classes(items), strict=True):
        box = _box(item)
        gap = _gap(before, kind)
        if not gap and parts and box.height > 1 and before in ("ord", "close", "open"):
            gap = int(isinstance(item, (Fraction, Root)) and before != "open")
        if gap:
            parts.append(boxes.blank(gap))
        parts.append(box)
        if box.width or kind == "space":
            before = "open" if kind == "sign" else kind
            if isinstance(item, Fraction):
                before = "function"  # a cell of air before a letter that follows
    return boxes.beside(parts)


def _fraction(above: Box, below: Box, bar: bool) -> Box:
    width = max(above.width, below.width) + (2 if bar else 0)
    middle = [boxes.line("─" * width)] if bar else []
    if not bar and above.height == below.height == 1:
        middle = [boxes.blank(width)]
    return boxes.stacked(
        [boxes.widened(above, width), *middle, boxes.widened(below, width)], above.height
    )


def _root(body: Box, index: str) -> Box:
    degree = symbols.superscript(index) or index
    if body.height == 1:
        sign = boxes.Box((" " * cell_len(degree) + " ", degree + "√"), 1, cell_len(degree) + 1)
        return boxes.beside([sign, boxes.stacked([boxes.line("_" * body.width), body], 1)])
    roof = boxes.line("┌" + "─" * (body.width + 1))
    rows = ["│ " + row for row in body.lines]
    whole = boxes.Box((roof.lines[0], *rows), body.base + 1, body.width + 2)
    pad = " " * cell_len(degree)
    side = [pad + " "] * body.height + [degree + "√"]
    return boxes.beside([boxes.Box(tuple(side), body.base + 1, len(pad) + 1), whole])


def _box_scripts(base: Node, below: Node | None, above: Node | None, limits: bool) -> Box:
    body = _box(base)
    low = None if below is None else _small(below)
    high = None if above is None else _small(above)
    if limits:
        parts = [part for part in (high, body, low) if part is not None]
        return boxes.stacked(parts, body.base + (high.height if high else 0))
    shifted = _as_characters(below, above, body)
    if shifted is not None:
        return shifted
    # Above the top line and below the bottom line of the base, in one column.
    rows: list[Box] = []
    top = body.base
    if high is not None:
        rows.append(high)
        top += high.height
    rows.append(boxes.Box((" ",) * body.height, 0, 1) if not rows else _gapped(body.height))
    if low is not None:
        rows.append(low)
    column = boxes.stacked(rows, top, "left")
    return boxes.beside([body, column])


def _small(node: Node) -> Box:
    """A script: on one tight line unless its shape needs more."""
    box = _box(node)
    if box.height > 1 and not _has_shape(node):
        return boxes.line(_compact(node))
    return box if box.height > 1 else boxes.line(_compact(node))


def _has_shape(node: Node) -> bool:
    """Whether something in it stands on several lines by nature, not for its scripts."""
    match node:
        case Fraction() | Table() | Root() | Brace():
            return True
        case Row(items=items):
            return any(map(_has_shape, items))
        case Scripts(base=base):
            return _has_shape(base)
        case Fenced(body=body) | Accent(body=body) | Boxed(body=body):
            return _has_shape(body)
    return False


def _gapped(height: int) -> Box:
    return Box(("",) * height, 0, 0)


def _as_characters(below: Node | None, above: Node | None, body: Box) -> Box | None:
    """The base with Unicode scripts in its own line, where every one of them exists."""
    if body.height > 1:
        return None
    low = "" if below is None else symbols.subscript(_compact(below))
    high = "" if above is None else symbols.superscript(_compact(above))
    if low is None or high is None:
        return None
    return boxes.line(body.lines[0] + low + high)


def _box_accent(body: Box, mark: str) -> Box:
    if body.height == 1:
        return boxes.line(_accented(body.lines[0], mark))
    lid = {"\u0305": "_", "\u0302": "^", "\u0303": "~", "\u20d7": "→"}.get(mark, "¯")
    text = lid * body.width if lid == "_" else lid
    return boxes.stacked([boxes.line(text), body], body.base + 1)


def _brace(body: Box, over: bool) -> Box:
    width = max(3, body.width)
    half = (width - 3) // 2
    middle, ends = ("┴", "╭╮") if over else ("┬", "╰╯")
    text = ends[0] + "─" * half + middle + "─" * (width - 3 - half) + ends[1]
    parts = [boxes.line(text), body] if over else [body, boxes.line(text)]
    return boxes.stacked(parts, body.base + int(over))


def _framed(body: Box) -> Box:
    rule = "─" * (body.width + 2)
    rows = (f"┌{rule}┐", *(f"│ {row} │" for row in body.lines), f"└{rule}┘")
    return Box(rows, body.base + 1, body.width + 4)
