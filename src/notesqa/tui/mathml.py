"""The tree of a formula as MathML, with TeX's spaces written out.

What the tree has lost (a struck-out letter, the rules of an array) and what would
take too long to set raises `UnrenderableError`: a picture is right or there is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from xml.etree.ElementTree import Element

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
from notesqa.tui.mathematics import classes

# The tree has these only as what stands inside them, which says something else.
_LOSSY = re.compile(
    r"\\(?:b?cancel|[hvc]*line|(?:over|under)bracket|[hv]?phantom)(?![a-zA-Z])"
    r"|\\begin\{array\}\s*(?:\[\w*\]\s*)?\{(?![\s lcr]*\})"
)
# ziamath sets the children of a row twice, and so 2^n times those that are n deep.
MAX_COST = 4000
_ACCENTS = {
    "\u0302": "ˆ",
    "\u0303": "~",
    "\u0304": "¯",
    "\u0305": "―",
    "\u0307": "˙",
    "\u0308": "¨",
    "\u20d7": "→",
    "\u030c": "ˇ",
    "\u0306": "˘",
    "\u0301": "´",
    "\u0300": "`",
    "\u030a": "˚",
}
# Greek variants and signs that TeX slants.
_SLANTED = dict(zip("∂ϵϑϰϕϱϖ", "𝜕𝜖𝜗𝜘𝜙𝜚𝜛", strict=True))
_THIN, _MEDIUM, _THICK = 3 / 18, 4 / 18, 5 / 18
_OPERATORS = ("function", "big")


def mathml(latex: str) -> Element:
    """`latex`, which comes without its `$`, as a `math` element.

    Raises:
        UnrenderableError: something in it cannot be set faithfully, or soon enough.
    """
    if found := _LOSSY.search(latex):
        raise UnrenderableError(f"{found[0]} has no picture")
    tree = parse(latex)
    if isinstance(tree, Table):
        root = _element("math", _table(tree))
    else:
        root = _element("math", *_row(_items(tree), script=False))
    if cost(root) > MAX_COST:
        raise UnrenderableError("too intricate for a picture")
    return root


def cost(element: Element) -> int:
    """How many elements ziamath sets for this one."""
    inner = sum(cost(child) for child in element)
    return 1 + (2 * inner if element.tag in ("math", "mrow", "mtd") else inner)


def _element(tag: str, *children: Element, text: str = "", **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text = text or None
    element.extend(children)
    return element


def _space(ems: float) -> Element:
    # ziamath's em is 1.333 of the font's size.
    return _element("mspace", width=f"{ems / 1.333:.4f}em")


def _items(node: Node) -> tuple[Node, ...]:
    """What stands in a row, groups opened."""
    if not isinstance(node, Row):
        return (node,)
    items: list[Node] = []
    for item in node.items:
        alone = isinstance(item, Row) and len(item.items) == 1
        items.extend(_items(item) if alone else (item,))
    return tuple(items)


def _group(node: Node, *, script: bool) -> Element:
    """A node as one element."""
    row = _row(_items(node), script=script)
    return row[0] if len(row) == 1 else _element("mrow", *row)


def _row(items: Sequence[Node], *, script: bool) -> list[Element]:
    row: list[Element] = []
    before = ""
    digits = False
    for item, plain_kind in zip(items, classes(tuple(items)), strict=True):
        kind = _inner(item, plain_kind)
        if gap := _gap(before, kind, script=script):
            row.append(_space(gap))
        digit = isinstance(item, Atom) and item.text.isascii() and item.text.isdigit()
        point = isinstance(item, Atom) and item.text == "." and digits
        if digits and (digit or point) and isinstance(item, Atom):
            row[-1].text = f"{row[-1].text or ''}{item.text}"
        else:
            row.append(_one(item, script=script))
        digits = digit or point
        before = "open" if kind == "sign" else kind
    return row


def _inner(item: Node, kind: str) -> str:
    """The class of an item; fractions and growing brackets are a class of their own."""
    base = item.base if isinstance(item, Scripts) else item
    return "inner" if isinstance(base, (Fraction, Fenced)) else kind


def _gap(before: str, after: str, *, script: bool) -> float:
    """The space between two neighbours, in ems (TeXbook, chapter 18)."""
    if before in ("", "space") or after == "space":
        return 0
    after = "ord" if after == "sign" else after
    operators = before in _OPERATORS, after in _OPERATORS
    if any(operators) and "open" not in (before, after):
        if all(operators) or (operators[0] and after == "ord"):
            return _THIN
        if operators[1] and before in ("ord", "close"):
            return _THIN
    if script:
        return 0
    if "relation" in (before, after):
        quiet = before in ("relation", "open") and after in ("relation", "close", "punct")
        return 0 if quiet or before == "open" or after in ("close", "punct") else _THICK
    if "binary" in (before, after):
        return _MEDIUM
    if before == "punct":
        return _THIN
    if "inner" in (before, after):
        return 0 if before == "open" or after in ("close", "punct") else _THIN
    return 0


def _one(node: Node, *, script: bool) -> Element:
    match node:
        case Atom():
            return _atom(node)
        case Space(ems=ems):
            return _space(ems)
        case Row(items=items):
            return _element("mrow", *_row(items, script=script)) if items else _space(0)
        case Fraction(above=above, below=below, bar=bar):
            parts = _group(above, script=script), _group(below, script=script)
            return _element("mfrac", *parts) if bar else _stack(*parts)
        case Root(body=body, index=index):
            inside = _group(body, script=script)
            if index is None:
                return _element("msqrt", inside)
            return _element("mroot", inside, _group(index, script=True))
        case Scripts():
            return _scripts(node, script=script)
        case Accent(mark=mark, body=body):
            return _accent(mark, _group(body, script=script))
        case Brace(body=body, over=over):
            brace = _element("mo", text="⏞" if over else "⏟", stretchy="true")
            tag = "mover" if over else "munder"
            # The brace is not a script: it keeps its size.
            keep = {"accent": "true"} if over else {"accentunder": "true"}
            return _element(tag, _group(body, script=script), brace, **keep)
        case Boxed(body=body):
            return _element("menclose", _group(body, script=script), notation="box")
        case Fenced(left=left, body=body, right=right):
            row = _row(_items(body), script=script)
            return _element("mrow", *_fence(left), *row, *_fence(right))
        case Table():
            return _table(node)


def _fence(mark: str) -> list[Element]:
    if not mark:
        return []
    return [_element("mo", text=mark, stretchy="true", lspace="0", rspace="0")]


def _stack(above: Element, below: Element) -> Element:
    """One over the other without a rule: a binomial's inside."""
    rows = [_element("mtr", _element("mtd", part)) for part in (above, below)]
    return _element("mtable", *rows, columnalign="center", rowspacing="0.1em")


def _atom(node: Atom) -> Element:
    text = unicodedata.normalize("NFC", node.text)
    if node.kind == "big":
        return _element("mo", text=text, largeop="true", stretchy="false", lspace="0", rspace="0")
    if len(text) > 1 and (node.upright or node.kind == "function"):
        # What is no letter is set as it is, blanks included.
        return _element("mtext", text=text.replace(" ", "\u00a0"), mathvariant="normal")
    if len(text) > 1:
        if any(unicodedata.combining(char) for char in text):
            raise UnrenderableError(f"{text} has no picture")
        return _element("mtext", text=text, mathvariant="normal")
    if text.isascii() and text.isdigit():
        return _element("mn", text=text, mathvariant="normal")
    if node.kind == "ord" and (text.isalnum() or text in _SLANTED):
        upright = {"mathvariant": "normal"} if node.upright else {}
        return _element("mi", text=text if node.upright else _SLANTED.get(text, text), **upright)
    return _element("mo", text=text, stretchy="false", lspace="0", rspace="0")


def _scripts(node: Scripts, *, script: bool) -> Element:
    base = node.base
    inside = _group(base, script=script)
    below, above = (
        None if part is None else _group(part, script=True) for part in (node.below, node.above)
    )
    limits = node.limits
    if isinstance(base, Atom) and base.kind in ("function", "big", "relation"):
        # Beside it in a script, above and below it in a display.
        limits = limits and not (script and base.kind != "relation")
    if isinstance(base, Atom) and base.text in "⟶⟵" and limits:
        inside = _element("mo", text=base.text, stretchy="true", lspace="0", rspace="0")
        inside.set("minsize", f"{_breadth(above, below):.2f}em")
    if below is not None and above is not None:
        return _element("munderover" if limits else "msubsup", inside, below, above)
    if above is not None:
        return _element("mover" if limits else "msup", inside, above)
    if below is not None:
        return _element("munder" if limits else "msub", inside, below)
    return inside


def _breadth(*parts: Element | None) -> float:
    """About how wide the words over an arrow are, in ems."""
    longest = max(sum(len(e.text or "") for e in p.iter()) for p in parts if p is not None)
    return max(1.5, 0.45 * longest + 0.5)


def _accent(mark: str, body: Element) -> Element:
    if mark == "\u0332":
        return _element("munder", body, _element("mo", text="―"), accentunder="true")
    if mark not in _ACCENTS:
        raise UnrenderableError("an accent without a picture")
    over = _element("mo", text=_ACCENTS[mark], lspace="0", rspace="0", stretchy="false")
    if mark in "\u0302\u0303\u20d7":
        over.set("stretchy", "true")
    return _element("mover", body, over, accent="true")


def _table(node: Table) -> Element:
    columns = max(len(row) for row in node.rows)
    if node.aligned:
        aligns, between = ("right left " * columns).split()[:columns], "0em"
    else:
        aligns, between = ["left" if node.left_columns else "center"] * columns, "0.7em"
    gaps = " ".join(
        "1.2em" if node.aligned and column % 2 else between for column in range(columns)
    )
    rows = []
    for row in node.rows:
        cells = [_cell(cell, aligned=node.aligned and bool(i)) for i, cell in enumerate(row)]
        cells += [_element("mtd", _space(0)) for _ in range(columns - len(row))]
        rows.append(_element("mtr", *cells))
    tight = node.gap == 0 and not node.aligned and columns == 1
    return _element(
        "mtable",
        *rows,
        columnalign=" ".join(aligns),
        columnspacing=gaps,
        rowspacing="0.1em" if tight else "0.35em",
    )


def _cell(cell: Node, *, aligned: bool) -> Element:
    items = _items(cell)
    row = _row(items, script=False)
    kinds = classes(items)
    if aligned and kinds and kinds[0] in ("relation", "binary", "sign"):
        # amsmath puts an empty atom before it.
        relation = kinds[0] == "relation"
        row.insert(0, _space(_THICK if relation else _MEDIUM))
        if not relation and len(row) > 2:
            row.insert(2, _space(_MEDIUM))
    return _element("mtd", *(row or [_space(0)]))
