"""Formulas in a text, and what they say as tokens.

Both ways of writing are known: `$…$` and `$$…$$`, `\\(…\\)` and `\\[…\\]`, and bare
`\\begin{…}` environments. Code is never searched for formulas.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula and its place.

    Attributes:
        start, end: offsets of the whole, delimiters included.
        body: what stands between the delimiters.
        display: set on a line of its own.
    """

    start: int
    end: int
    body: str
    display: bool


# How far a closing delimiter may be: an opening one that was never meant as such must
# not swallow the rest of a text.
_INLINE_REACH = 2_000
_DISPLAY_REACH = 20_000

_MATH_ENVIRONMENT = "align|aligned|equation|gather|multline|eqnarray|cases|array|[bpvB]?matrix"
_OPENER = re.compile(
    r"(?P<escape>\\[\\$`])"
    r"|(?P<fence>^[ ]{0,3}(?:`{3,}|~{3,}))"
    r"|(?P<code>`+)"
    r"|(?P<dollars>\$\$)"
    r"|(?P<dollar>\$)"
    r"|(?P<paren>\\\()"
    r"|(?P<bracket>\\\[)"
    rf"|(?P<begin>\\begin\{{(?P<name>(?:{_MATH_ENVIRONMENT})\*?)\}})",
    re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_MATHEMATICAL = re.compile(r"[\\^_={}<>+]|^[ ]?[A-Za-z0-9α-ωΑ-Ω][ ]?$")
_HAN = re.compile(r"[\u3400-\u9fff]")


def formulas(text: str) -> list[Formula]:
    """All formulas outside code, in order; they never overlap."""
    return [span for kind, span in _scan(text) if kind == "formula"]


def protected_spans(text: str) -> list[tuple[int, int]]:
    """Formulas and code, fenced and inline: what must not be cut, in order."""
    return [(span.start, span.end) for _, span in _scan(text)]


def _scan(text: str) -> Iterator[tuple[str, Formula]]:
    """Formulas, and code as if it were one, from left to right in linear time."""
    position = 0
    # Up to where each closing delimiter was looked for in vain: looked through but once.
    clear: dict[str, int] = {}
    while match := _OPENER.search(text, position):
        kind = match.lastgroup
        if kind == "name":
            kind = "begin"
        start = match.start()
        position = match.end()
        if kind == "fence":
            end = _fence_end(text, match)
            yield "code", Formula(start, end, "", True)
            position = end
        elif kind == "code":
            closing = _code_end(text, match, clear)
            if closing is not None:
                yield "code", Formula(start, closing, "", False)
                position = closing
        elif kind != "escape":
            formula = _formula(text, match, str(kind), clear)
            if formula is not None:
                yield "formula", formula
                position = formula.end


def _fence_end(text: str, match: re.Match[str]) -> int:
    """The end of the line that closes a fence, or of the text."""
    mark = match[0].strip()
    pattern = re.compile(rf"^[ ]{{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$", re.MULTILINE)
    line_end = text.find("\n", match.end())
    if line_end < 0:
        return len(text)
    closing = pattern.search(text, line_end + 1)
    return closing.end() if closing else len(text)


def _code_end(text: str, match: re.Match[str], clear: dict[str, int]) -> int | None:
    mark = match[0]
    reach = min(len(text), match.end() + _INLINE_REACH)
    position = max(match.end(), clear.get(mark, 0))
    while True:
        found = text.find(mark, position, reach)
        if found < 0:
            clear[mark] = max(clear.get(mark, 0), reach - len(mark) + 1)
            return None
        run_end = found + len(mark)
        if text[run_end : run_end + 1] != "`" and text[found - 1] != "`":
            blank = _BLANK_LINE.search(text, match.end(), found)
            return None if blank else run_end
        while run_end < len(text) and text[run_end] == "`":
            run_end += 1
        position = run_end


def _formula(text: str, match: re.Match[str], kind: str, clear: dict[str, int]) -> Formula | None:
    if kind == "dollar":
        return _dollar(text, match.start())
    closers = {"dollars": "$$", "paren": r"\)", "bracket": r"\]"}
    closer = closers.get(kind) or rf"\end{{{match['name']}}}"
    display = kind != "paren"
    reach = min(len(text), match.end() + (_DISPLAY_REACH if display else _INLINE_REACH))
    found = text.find(closer, max(match.end(), clear.get(closer, 0)), reach)
    # `\\]` in a formula is a line break and a bracket.
    while found > 0 and closer[0] == "\\" and _escaped(text, found):
        found = text.find(closer, found + 1, reach)
    if found < 0:
        clear[closer] = max(clear.get(closer, 0), reach - len(closer) + 1)
        return None
    body = text[match.end() : found]
    if not body.strip() or _BLANK_LINE.search(body):
        return None
    if kind == "begin":
        body = text[match.start() : found + len(closer)]
    return Formula(match.start(), found + len(closer), body, display)


def _escaped(text: str, position: int) -> bool:
    count = 0
    while position - count - 1 >= 0 and text[position - count - 1] == "\\":
        count += 1
    return count % 2 == 1


_DOLLAR = re.compile(r"(?<!\\)\$")


def _dollar(text: str, start: int) -> Formula | None:
    """A formula between single dollars, told from amounts of money.

    The rule of pandoc: no space inside the delimiters and no digit after the closing
    one. Spaces inside are allowed where the body is plainly mathematical.
    """
    found = _DOLLAR.search(text, start + 1, min(len(text), start + 1 + _INLINE_REACH))
    if found is None:
        return None
    body = text[start + 1 : found.start()]
    if not body.strip() or body.count("\n") > 2 or _BLANK_LINE.search(body):
        return None
    after = text[found.end() : found.end() + 1]
    tight = not body[0].isspace() and not body[-1].isspace() and not ("0" <= after <= "9")
    if tight and (body[0].isdigit() and _HAN.search(body)):
        return None
    if not tight and (not _MATHEMATICAL.search(body) or _HAN.search(body)):
        return None
    return Formula(start, found.end(), body, False)


# -- tokens of a formula -----------------------------------------------------------------

GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρςστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi "
        "rho sigma sigma tau upsilon phi chi psi omega".split(),
        strict=True,
    )
)
"""Small Greek letters and the names that LaTeX has for them."""

_NAMES = {
    **GREEK,
    **dict(
        zip("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
            strict=True)
    ),
    "∑": "sum", "∏": "prod", "∫": "int", "√": "sqrt", "∂": "partial", "∇": "nabla", "∞": "infty",
    "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "∼": "sim", "~": "sim", "≡": "equiv",
    "∝": "propto", "→": "to", "←": "gets", "⇒": "implies", "↦": "mapsto", "×": "times",
    "⋅": "cdot", "·": "cdot", "∗": "*", "±": "pm", "∓": "mp", "∈": "in", "∉": "notin",
    "∪": "cup", "∩": "cap", "⊂": "subset", "⊆": "subseteq", "∀": "forall", "∃": "exists",
    "∅": "emptyset", "⊗": "otimes", "⊕": "oplus", "⊙": "odot", "‖": "norm", "∥": "norm",
    "|": "|", "′": "prime", "'": "prime", "−": "-", "–": "-", "⊤": "top", "⟨": "<", "⟩": ">",
    "…": "dots", "∘": "circ",
}  # fmt: skip
_SAME = {
    "le": "leq", "ge": "geq", "ne": "neq", "rightarrow": "to", "longrightarrow": "to",
    "leftarrow": "gets", "Rightarrow": "implies", "varepsilon": "epsilon",
    "vartheta": "theta", "varphi": "phi", "varrho": "rho", "varsigma": "sigma", "varpi": "pi",
    "lVert": "norm", "rVert": "norm", "Vert": "norm", "lvert": "|", "rvert": "|", "vert": "|",
    "mid": "|", "langle": "<", "rangle": ">", "lt": "<", "gt": ">", "ast": "*", "thicksim": "sim",
    "ldots": "dots", "cdots": "dots", "dotsc": "dots", "dotsb": "dots", "vdots": "dots",
    "ddots": "dots", "lbrace": "", "rbrace": "", "intercal": "top", "varnothing": "emptyset",
    "bigcup": "cup", "bigcap": "cap", "iint": "int", "oint": "int", "tfrac": "frac",
    "dfrac": "frac", "cfrac": "frac",
}  # fmt: skip
_SILENT = frozenset(
    "left right middle big bigl bigr bigm Big Bigl Bigr bigg biggl biggr Bigg Biggl Biggr mathbf "
    "mathbb mathcal mathrm mathit mathsf mathtt mathfrak mathscr boldsymbol bm pmb bf rm it cal "
    "quad qquad displaystyle textstyle scriptstyle limits nolimits nonumber notag hline "
    "underbrace overbrace underset overset stackrel boxed phantom".split()
)
_WORDS = frozenset("text textbf textit textrm textsf texttt operatorname mbox mathop".split())
_DROPPED_WITH_ARGUMENT = frozenset("tag label ref eqref color hspace vspace begin end".split())
_PIECE = re.compile(
    r"\\(?P<command>[A-Za-z]+)\*?|\\(?P<mark>.)|(?P<number>\d+(?:\.\d+)?)|(?P<char>\S)", re.DOTALL
)
_FRACTION = "frac"
_BARE_FRACTION = re.compile(r" ?([0-9A-Za-z])")  # `\\frac12`
_UPRIGHT = frozenset(("mathrm", "mathsf", "mathit", "mathtt", "mathbf"))
_NAME = re.compile(r" ?\{[A-Za-z]{2,}")  # `\\mathrm{softmax}`: a name, not a product


def formula_tokens(body: str) -> list[str]:
    """What a formula says, whichever way it is written.

    `\\lambda \\|w\\|_2^2` → `lambda norm w norm _ 2 ^ 2`. Spacing, size of brackets, fonts
    and braces are dropped; Greek letters and operators go by their LaTeX names, whether
    written as commands, letters or mathematical alphanumerics; `\\frac{a}{b}` is `a / b`.
    Letters stand alone and keep their case, words in `\\text{…}` stay whole.
    """
    plain = "".join(unicodedata.normalize("NFKC", c) if c not in _NAMES else c for c in body)
    tokens: list[str] = []
    position = 0
    pending_slash: list[int] = []  # depths of braces at which a fraction's numerator began
    depth = 0
    while match := _PIECE.search(plain, position):
        position = match.end()
        if command := match["command"]:
            command = _SAME.get(command, command)
            if command in _WORDS or (command in _UPRIGHT and _NAME.match(plain, position)):
                word, position = _argument(plain, position)
                tokens.extend(re.findall(r"[^\W_]+", word))
            elif command in _DROPPED_WITH_ARGUMENT:
                _, position = _argument(plain, position)
                if command == "begin" and plain.startswith("{", position):
                    _, position = _argument(plain, position)
            elif command == _FRACTION:
                digits = _BARE_FRACTION.match(plain, position)
                if digits:
                    tokens.extend((digits[1], "/"))
                    position = digits.end()
                elif plain.startswith("{", position):
                    pending_slash.append(depth)
            elif command not in _SILENT and command:
                tokens.append(command)
        elif mark := match["mark"]:
            if mark == "|":
                tokens.append("norm")
        elif number := match["number"]:
            tokens.append(number)
        else:
            char = match["char"]
            if char == "{":
                depth += 1
            elif char == "}":
                depth = max(0, depth - 1)
                if pending_slash and pending_slash[-1] == depth:
                    pending_slash.pop()
                    tokens.append("/")
            elif char not in "&$\u200b":
                tokens.append(_NAMES.get(char, char))
    return _joined_norms(tokens)


def _argument(text: str, position: int) -> tuple[str, int]:
    """The braced argument at `position` (spaces skipped) and where it ends."""
    start = position
    while start < len(text) and text[start] == " ":
        start += 1
    if not text.startswith("{", start):
        return "", position
    depth = 0
    for i in range(start, len(text)):
        if text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : i], i + 1
    return text[start + 1 :], len(text)


def _joined_norms(tokens: list[str]) -> list[str]:
    """`||w||` as `\\|w\\|`."""
    result: list[str] = []
    for symbol in tokens:
        if symbol == "|" and result and result[-1] == "|":
            result[-1] = "norm"
        else:
            result.append(symbol)
    return result
