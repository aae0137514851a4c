"""What single LaTeX commands look like, and how they behave beside their neighbours.

The glyphs come from unicodeit's table; what is here is what that table leaves
out, where another glyph is right in a terminal, and the class of a symbol
(TeXbook, chapter 17), which decides the space around it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Kind = Literal["ord", "binary", "relation", "open", "close", "punct", "function", "big", "space"]

# Names set in upright letters. Those in LIMITS carry their subscript below in a display.
FUNCTIONS = frozenset(
    "arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim "
    "liminf limsup ln log max min Pr sec sin sinh sup tan tanh argmax argmin softmax KL".split()
)
LIMITS = frozenset("lim liminf limsup max min sup inf det gcd Pr argmax argmin".split())
_SPACED_NAMES = {
    "liminf": "lim inf",
    "limsup": "lim sup",
    "argmax": "arg max",
    "argmin": "arg min",
}

# Operators that take limits above and below in a display.
BIG = frozenset("∑∏∐⋃⋂⨁⨂⨀⋁⋀∫∬∭∮⨆⨄")

_OVERRIDES: dict[str, str] = {
    # unicodeit maps these to glyphs two cells wide, or to none.
    "langle": "⟨",
    "rangle": "⟩",
    "lVert": "‖",
    "rVert": "‖",
    "Vert": "‖",
    "|": "‖",
    "lvert": "|",
    "rvert": "|",
    "vert": "|",
    "mid": "|",
    "nmid": "∤",
    "parallel": "∥",
    "epsilon": "ϵ",
    "phi": "ϕ",
    "varphi": "φ",
    "star": "⋆",
    "ast": "∗",
    "bullet": "•",
    "cdot": "·",
    "dots": "…",
    "ldots": "…",
    "dotsc": "…",
    "dotsb": "⋯",
    "dotsm": "⋯",
    "iff": "⟺",
    "impliedby": "⟸",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "gets": "←",
    "land": "∧",
    "lor": "∨",
    "lnot": "¬",
    "setminus": "∖",
    "smallsetminus": "∖",
    "lbrace": "{",
    "rbrace": "}",
    "lbrack": "[",
    "rbrack": "]",
    "{": "{",
    "}": "}",
    "%": "%",
    "$": "$",
    "#": "#",
    "&": "&",
    "_": "_",
    "colon": ":",
    "coloneqq": "≔",
    "backslash": "\\",
    "checkmark": "✓",
    "blacksquare": "■",
    "qed": "∎",
    "degree": "°",
    "intercal": "⊺",
    "bigcup": "⋃",
    "bigcap": "⋂",
    "bigoplus": "⨁",
    "bigotimes": "⨂",
    "bigodot": "⨀",
    "bigvee": "⋁",
    "bigwedge": "⋀",
    "coprod": "∐",
    "oint": "∮",
    "iint": "∬",
    "iiint": "∭",
    "mathellipsis": "…",
    "ni": "∋",
    "triangle": "△",
    "square": "□",
    "Box": "□",
    "diamond": "⋄",
    "lt": "<",
    "gt": ">",
    "imath": "ı",
    "jmath": "ȷ",
    "surd": "√",
}

SPACES: dict[str, int] = {
    ",": 0,
    ":": 1,
    ">": 1,
    ";": 1,
    "!": 0,
    " ": 1,
    "thinspace": 0,
    "enspace": 1,
    "quad": 2,
    "qquad": 4,
    "hfill": 4,
}

# How wide TeX makes them, in ems, where it is not about a letter's space.
EMS: dict[str, float] = {
    ",": 3 / 18,
    "thinspace": 3 / 18,
    ":": 4 / 18,
    ">": 4 / 18,
    ";": 5 / 18,
    "!": -3 / 18,
    "enspace": 0.5,
    "quad": 1,
    "qquad": 2,
    "hfill": 2,
}

_BINARY = frozenset("+−-±∓×÷·∗⋆∘•⊕⊗⊙⊖⊘∪∩∧∨∖⊎⊓⊔⊺⋄△▽")
_RELATION = frozenset("=<>≤≥≠≈∼≃≅≡∝∈∉∋⊂⊃⊆⊇⊄⊈→←↔⇒⇐⇔⟹⟸⟺⟶⟵↦≪≫≺≻⪯⪰∣∥⊥≜≔:⊢⊨≐⇌↑↓⇑⇓≲≳⩽⩾≍∤⟼↪↩⊑⊒")
_OPEN = frozenset("([{⟨⌈⌊")
_CLOSE = frozenset(")]}⟩⌉⌋!")
_PUNCT = frozenset(",;，；、。")
_SUPERSCRIPTS = {
    "V": "ⱽ",
    "′": "′",
    "⊤": "ᵀ",
    "*": "*",
    "∗": "*",
    "⋆": "⋆",
    "†": "†",
    "‡": "‡",
    "°": "°",
    "∘": "°",
    "θ": "ᶿ",
    "⊥": "ᗮ",
    " ": "",
}
_DROPPED = {"ᐧ", "ᶴ", "ᄑ", "˂", "˃", "˲", "˱"}  # unicodeit's look-alikes that mislead
_ACCENTS = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0305",
    "underline": "\u0332",
    "dot": "\u0307",
    "ddot": "\u0308",
    "vec": "\u20d7",
    "overrightarrow": "\u20d7",
    "check": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
    "mathring": "\u030a",
}

# Font commands, with the name that unicodeit's table has for them.
FONTS = {
    "mathbb": "mathbb",
    "mathbbm": "mathbb",
    "Bbb": "mathbb",
    "mathcal": "mathcal",
    "mathscr": "mathcal",
    "mathfrak": "mathfrak",
    "mathbf": "mathbf",
    "boldsymbol": "mathbf",
    "bm": "mathbf",
    "pmb": "mathbf",
    "mathsf": "mathsf",
    "mathtt": "mathtt",
    "mathit": "",
    "mathnormal": "",
    "mathrm": "",
    "rm": "",
}


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    from unicodeit.data import REPLACEMENTS

    return {command[1:].removesuffix("{}"): glyph for command, glyph in REPLACEMENTS}


@lru_cache(maxsize=1)
def _scripts() -> tuple[dict[str, str], dict[str, str]]:
    from unicodeit.data import SUBSUPERSCRIPTS

    below: dict[str, str] = {" ": ""}
    above: dict[str, str] = {}
    for source, glyph in SUBSUPERSCRIPTS:
        if glyph not in _DROPPED:
            (below if source[0] == "_" else above)[source[1]] = glyph
    above.update(_SUPERSCRIPTS)
    return below, above


def glyph(command: str) -> str | None:
    """The character of a command, named without its backslash; None when unknown."""
    if command in _OVERRIDES:
        return _OVERRIDES[command]
    found = _table().get(command)
    return found if found and len(found) <= 2 else None


def accent(command: str) -> str | None:
    """The combining character of `\\hat`, `\\bar`, …; None when it is no accent."""
    return _ACCENTS.get(command)


def styled(font: str, char: str) -> str:
    """`char` in one of the `FONTS`, or itself where Unicode has no such letter."""
    name = FONTS[font]
    if not name:
        return char
    return _table().get(f"{name}{{{char}}}") or _greek(name, char) or char


@lru_cache(maxsize=256)
def _greek(name: str, char: str) -> str | None:
    for command, plain in _table().items():
        if plain == char and "{" not in command:
            bold = _table().get(f"{name}{{\\{command}}}")
            if bold:
                return bold
    return None


def subscript(text: str) -> str | None:
    """`text` in Unicode subscripts, or None when a character has none."""
    return _shifted(text, _scripts()[0])


def superscript(text: str) -> str | None:
    """`text` in Unicode superscripts, or None when a character has none."""
    return _shifted(text, _scripts()[1])


def _shifted(text: str, table: dict[str, str]) -> str | None:
    if not all(char in table for char in text):
        return None
    return "".join(table[char] for char in text)


def function_name(name: str) -> str:
    """How a named function is written: `argmax` as two words."""
    return _SPACED_NAMES.get(name, name)


def kind_of(char: str) -> Kind:
    """The class of a character as a mathematical atom."""
    for members, kind in _CLASSES:
        if char in members:
            return kind
    return "ord"


_CLASSES: tuple[tuple[frozenset[str], Kind], ...] = (
    (_BINARY, "binary"),
    (_RELATION, "relation"),
    (_OPEN, "open"),
    (_CLOSE, "close"),
    (_PUNCT, "punct"),
    (BIG, "big"),
)
