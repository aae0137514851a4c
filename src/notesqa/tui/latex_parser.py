"""LaTeX mathematics to a tree.

It reads what notes hold: the commands of amsmath that say something about the
shape of a formula. What it does not know raises `UnrenderableError`, and the
caller shows the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from notesqa.tui import latex_symbols as symbols
from notesqa.tui.latex_symbols import Kind

_MAX_LENGTH = 8000
_MAX_DEPTH = 40


class UnrenderableError(ValueError):
    """The formula uses something that cannot be drawn in a terminal."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A glyph or a name, with its class; `upright` where TeX would not slant it."""

    text: str
    kind: Kind = "ord"
    limits: bool = False
    upright: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """Empty cells; `ems` is how wide TeX makes it."""

    cells: int
    ems: float = 0.333


@dataclass(frozen=True, slots=True)
class Row:
    """Nodes side by side."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """One above another; `bar` tells a fraction from a binomial or a stack."""

    above: Node
    below: Node
    bar: bool = True


@dataclass(frozen=True, slots=True)
class Root:
    """A root, with its index where it has one."""

    body: Node
    index: Node | None


@dataclass(frozen=True, slots=True)
class Scripts:
    """A base with what stands below and above it."""

    base: Node
    below: Node | None
    above: Node | None
    limits: bool = False


@dataclass(frozen=True, slots=True)
class Accent:
    """A combining mark over the body."""

    mark: str
    body: Node


@dataclass(frozen=True, slots=True)
class Brace:
    """A horizontal brace; its label comes as a script."""

    body: Node
    over: bool


@dataclass(frozen=True, slots=True)
class Fenced:
    """A body between delimiters that grow with it; `""` for none."""

    left: str
    body: Node
    right: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; `aligned` sets columns right and left in turn, as amsmath does."""

    rows: tuple[tuple[Node, ...], ...]
    aligned: bool
    left_columns: bool = False
    gap: int = 2


@dataclass(frozen=True, slots=True)
class Boxed:
    """A frame around the body."""

    body: Node


Node = Atom | Space | Row | Fraction | Root | Scripts | Accent | Brace | Fenced | Table | Boxed

_PIECE = re.compile(r"\\[a-zA-Z]+\*?|\\.|\s+|.", re.DOTALL)
_FENCES = {"matrix": ("", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "Bmatrix": ("{", "}")}
_FENCES |= {"vmatrix": ("|", "|"), "Vmatrix": ("‖", "‖"), "smallmatrix": ("", "")}
_ALIGNED = {"aligned", "align", "split", "alignat", "alignedat", "eqnarray", "flalign"}
_STACKED = {"gathered", "gather", "multline", "equation"}
_SIZES = {
    f"{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")
}
_IGNORED = {"displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits"}
_IGNORED |= {"nonumber", "notag", "left.", "strut", "hline", "mathstrut", "allowbreak", "noindent"}
_UNWRAPPED = {"mathop", "mathbin", "mathrel", "mathord", "mathopen", "mathclose", "mathinner"}
_UNWRAPPED |= {"smash", "cancel", "bcancel", "ensuremath", "overbracket", "underbracket"}
_TEXT = {"text", "textrm", "textbf", "textit", "textsf", "texttt", "mbox", "hbox", "textnormal"}
_TEXT |= {"mathrm", "rm", "operatorname", "operatorname*"}


def parse(latex: str) -> Node:
    """The tree of `latex`, which comes without its `$`.

    Raises:
        UnrenderableError: an unknown command, an unmatched brace, or too long.
    """
    if len(latex) > _MAX_LENGTH:
        raise UnrenderableError(f"longer than {_MAX_LENGTH} characters")
    return _Parser(latex).whole()


class _Parser:
    def __init__(self, latex: str, depth: int = 0) -> None:
        latex = re.sub(r"(?<!\\)%[^\n]*", "", latex)
        self.pieces = _PIECE.findall(latex)
        self.at = 0
        self.depth = depth

    # -- pieces ------------------------------------------------------------------

    def peek(self) -> str:
        return self.pieces[self.at] if self.at < len(self.pieces) else ""

    def take(self) -> str:
        piece = self.peek()
        self.at += 1
        return piece

    def skip_spaces(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def expect(self, piece: str) -> None:
        self.skip_spaces()
        if (found := self.take()) != piece:
            raise UnrenderableError(f"expected {piece}, found {found or 'the end'}")

    def raw_group(self) -> str:
        """What stands between braces, unparsed."""
        self.expect("{")
        depth = 1
        parts: list[str] = []
        while True:
            piece = self.take()
            if not piece:
                raise UnrenderableError("a brace is not closed")
            depth += (piece == "{") - (piece == "}")
            if not depth:
                return "".join(parts)
            parts.append(piece)

    def optional(self) -> str | None:
        """What stands between brackets, if they come next."""
        self.skip_spaces()
        if self.peek() != "[":
            return None
        self.take()
        parts, depth = [], 0
        while (piece := self.take()) != "]" or depth:
            if not piece:
                raise UnrenderableError("a bracket is not closed")
            depth += (piece == "{") - (piece == "}")
            parts.append(piece)
        return "".join(parts)

    def inner(self, latex: str) -> Node:
        """The tree of a part that was taken out unparsed."""
        return _Parser(latex, self.depth).whole()

    # -- structure ---------------------------------------------------------------

    def whole(self) -> Node:
        rows = self.rows(lambda: not self.peek())
        if len(rows) == 1 and len(rows[0]) == 1:
            return rows[0][0]
        return Table(rows, aligned=any(len(row) > 1 for row in rows), gap=0)

    def rows(self, ends: Callable[[], bool]) -> tuple[tuple[Node, ...], ...]:
        """Cells between `&`, rows between `\\\\`, until `ends`."""
        rows: list[list[Node]] = [[]]
        while True:
            rows[-1].append(self.sequence(lambda: ends() or self.peek() in ("&", r"\\", r"\cr")))
            if ends():
                break
            if self.take() != "&":
                self.optional()
                rows.append([])
        if len(rows) > 1 and rows[-1] == [Row(())]:
            rows.pop()
        return tuple(tuple(row) for row in rows)

    def sequence(self, ends: Callable[[], bool]) -> Node:
        items: list[Node] = []
        while True:
            self.skip_spaces()
            if ends():
                break
            if not self.peek():
                raise UnrenderableError("ends too early")
            node = self.scripted(self.atom())
            if node is not None:
                items.append(node)
        return items[0] if len(items) == 1 else Row(tuple(items))

    def scripted(self, base: Node | None) -> Node | None:
        below: Node | None = None
        above: Node | None = None
        limits = (isinstance(base, Atom) and base.limits) or isinstance(base, Brace)
        while True:
            self.skip_spaces()
            piece = self.peek()
            if piece in (r"\limits", r"\nolimits"):
                self.take()
                limits = piece == r"\limits"
            elif piece == "_" and below is None:
                self.take()
                below = self.argument()
            elif piece == "^" and above is None:
                self.take()
                above = self.argument()
            elif piece == "'":
                primes = 0
                while self.peek() == "'":
                    self.take()
                    primes += 1
                prime = Atom("′" * primes)
                above = prime if above is None else Row((prime, above))
                if self.peek() == "^":
                    self.take()
                    above = Row((prime, self.argument()))
            elif piece in ("_", "^"):
                raise UnrenderableError("a double script")
            else:
                break
        if below is None and above is None:
            return base
        return Scripts(base if base is not None else Row(()), below, above, limits)

    def argument(self) -> Node:
        """A group in braces, or the next atom."""
        self.skip_spaces()
        if not self.peek():
            raise UnrenderableError("ends where an argument is due")
        node = self.atom()
        return Row(()) if node is None else node

    def atom(self) -> Node | None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise UnrenderableError("nested too deeply")
        node = self.one()
        self.depth -= 1
        return node

    def one(self) -> Node | None:
        piece = self.take()
        if piece == "{":
            body = self.sequence(lambda: self.peek() == "}")
            self.take()
            return body if isinstance(body, Row) else Row((body,))
        if piece == "}":
            raise UnrenderableError("a brace is not opened")
        if piece in ("_", "^", "'"):
            self.at -= 1
            return None
        if piece == "&":
            raise UnrenderableError("& outside a table")
        if piece == "~":
            return Space(1)
        if len(piece) > 1 and piece[0] == "\\":
            return self.command(piece[1:])
        if piece == "\\":
            raise UnrenderableError("a command without a name")
        if piece == "-":
            piece = "−"
        elif piece == "*":
            piece = "∗"
        return Atom(piece, symbols.kind_of(piece), piece in symbols.BIG)

    # -- commands ----------------------------------------------------------------

    def command(self, name: str) -> Node | None:
        if name.endswith("*") and name not in ("operatorname*", "hspace*", "tag*"):
            self.pieces[self.at : self.at] = ["*"]
            name = name[:-1]
        if name in symbols.SPACES:
            return Space(symbols.SPACES[name], symbols.EMS.get(name, 0.333))
        if name in _IGNORED:
            return None
        if name in _SIZES:
            piece = self.delimiter()
            return Atom(piece, symbols.kind_of(piece)) if piece else None
        if name in symbols.FUNCTIONS:
            return Atom(symbols.function_name(name), "function", name in symbols.LIMITS)
        if name in _TEXT:
            return self.text(name)
        if name in symbols.FONTS:
            return _restyled(self.argument(), name)
        if mark := symbols.accent(name):
            return Accent(mark, self.argument())
        if name in _UNWRAPPED:
            return self.argument()
        if handler := getattr(self, f"on_{name}", None):
            node: Node | None = handler()
            return node
        if name == "mid":
            # The same stroke as of an absolute value, but a relation.
            return Atom("|", "relation")
        glyph = symbols.glyph(name)
        if glyph is None:
            raise UnrenderableError(f"unknown command \\{name}")
        return Atom(glyph, symbols.kind_of(glyph), glyph in symbols.BIG and glyph not in "∫∬∭∮")

    def text(self, name: str) -> Node:
        self.skip_spaces()
        raw = self.raw_group() if self.peek() == "{" else self.take()
        if name.startswith("operatorname"):
            raw = re.sub(r"\\[,;:! ]|~", " ", raw)
        # A formula inside text keeps its commands; everything else is what it says.
        raw = raw.replace("$", "").replace(r"\ ", " ").replace("~", " ")
        if "\\" in raw or (name in ("mathrm", "rm") and re.search(r"[_^{]", raw)):
            node = self.inner(raw)
        else:
            node = Atom(raw, upright=True)
        if name.startswith("operatorname"):
            return Atom(node.text if isinstance(node, Atom) else raw, "function", "*" in name)
        return node

    def delimiter(self) -> str:
        self.skip_spaces()
        piece = self.take()
        if piece == ".":
            return ""
        if len(piece) > 1 and piece[0] == "\\":
            glyph = symbols.glyph(piece[1:])
            if glyph is None:
                raise UnrenderableError(f"unknown delimiter {piece}")
            return glyph
        if not piece:
            raise UnrenderableError("ends where a delimiter is due")
        return piece

    def on_left(self) -> Node:
        left = self.delimiter()
        body = self.sequence(lambda: self.peek() == r"\right")
        self.take()
        return Fenced(left, body, self.delimiter())

    def on_middle(self) -> Node:
        return Atom(self.delimiter(), "relation")

    def on_frac(self) -> Node:
        return Fraction(self.argument(), self.argument())

    on_dfrac = on_tfrac = on_cfrac = on_nicefrac = on_frac

    def on_binom(self) -> Node:
        return Fenced("(", Fraction(self.argument(), self.argument(), bar=False), ")")

    on_dbinom = on_tbinom = on_binom

    def on_substack(self) -> Node:
        self.expect("{")
        rows = self.rows(lambda: self.peek() == "}")
        self.take()
        return Table(rows, aligned=False, gap=0)

    def on_sqrt(self) -> Node:
        index = self.optional()
        return Root(self.argument(), self.inner(index) if index else None)

    def on_overset(self) -> Node:
        above = self.argument()
        return Scripts(self.argument(), None, above, limits=True)

    on_stackrel = on_overset

    def on_underset(self) -> Node:
        below = self.argument()
        return Scripts(self.argument(), below, None, limits=True)

    def on_xrightarrow(self) -> Node:
        below = self.optional()
        above = self.argument()
        base = Atom("⟶", "relation")
        return Scripts(base, self.inner(below) if below else None, above, limits=True)

    def on_xleftarrow(self) -> Node:
        return Scripts(Atom("⟵", "relation"), None, self.argument(), limits=True)

    def on_underbrace(self) -> Node:
        return Brace(self.argument(), over=False)

    def on_overbrace(self) -> Node:
        return Brace(self.argument(), over=True)

    def on_boxed(self) -> Node:
        return Boxed(self.argument())

    on_fbox = on_boxed

    def on_not(self) -> Node:
        node = self.argument()
        if not isinstance(node, Atom):
            raise UnrenderableError(r"\not before more than a symbol")
        return Atom(node.text + "\u0338", node.kind)

    def on_tag(self) -> Node:
        return Row((Space(3), Atom(f"({self.raw_group()})")))

    def on_label(self) -> None:
        self.raw_group()

    def on_color(self) -> None:
        self.raw_group()

    def on_textcolor(self) -> Node:
        self.raw_group()
        return self.argument()

    def on_hspace(self) -> Node:
        self.raw_group()
        return Space(1)

    on_vspace = on_mspace = on_hspace

    def on_phantom(self) -> Node:
        self.argument()
        return Space(1)

    on_hphantom = on_vphantom = on_phantom

    def on_bmod(self) -> Node:
        return Atom("mod", "binary")

    def on_mod(self) -> Node:
        return Row((Space(1), Atom("mod", "function"), Space(1)))

    def on_pmod(self) -> Node:
        return Row((Space(1), Atom("(mod "), self.argument(), Atom(")", "close")))

    def on_begin(self) -> Node:
        name = self.raw_group().rstrip("*")
        if name in ("array", "alignedat", "alignat"):
            self.optional()
            self.raw_group()
        rows = self.rows(lambda: self.peek() == r"\end")
        self.take()
        if (closing := self.raw_group().rstrip("*")) != name:
            raise UnrenderableError(f"{name} is closed by {closing}")
        if name in _FENCES:
            left, right = _FENCES[name]
            return Fenced(left, Table(rows, aligned=False), right)
        if name in ("cases", "dcases", "rcases"):
            table = Table(rows, aligned=False, left_columns=True)
            return Fenced("", table, "}") if name == "rcases" else Fenced("{", table, "")
        if name in _ALIGNED:
            return Table(rows, aligned=True, gap=0)
        if name in _STACKED or name == "array":
            return Table(rows, aligned=False)
        raise UnrenderableError(f"unknown environment {name}")


def _restyled(node: Node, font: str) -> Node:
    """`node` with its letters in another alphabet; shapes inside keep their form."""
    if isinstance(node, Atom):
        text = "".join(symbols.styled(font, c) for c in node.text)
        return Atom(text, node.kind, node.limits, node.upright)
    if isinstance(node, Row):
        return Row(tuple(_restyled(item, font) for item in node.items))
    if isinstance(node, Scripts):
        return Scripts(_restyled(node.base, font), node.below, node.above, node.limits)
    if isinstance(node, Accent):
        return Accent(node.mark, _restyled(node.body, font))
    return node
