"""The hard facts of a sentence: numbers with units, names, formulas, negations.

A text becomes a row of tokens with offsets, one token a number, name, formula or Han
character, so that two wordings of one statement can be laid side by side and a changed
number, a swapped name or a lost negation shows where they part.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from notesqa.text.latex import formula_tokens, formulas, protected_spans
from notesqa.text.normalize import fold
from notesqa.text.segment import latin_words

TokenKind = Literal["number", "name", "word", "formula", "negation", "han"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a text.

    Attributes:
        key: what makes two tokens the same: a number's value, a name without case and
            hyphens, a character.
        unit: of a number, canonical, or empty.
        start, end: offsets into the text.
    """

    kind: TokenKind
    key: str
    start: int
    end: int
    unit: str = ""
    symbols: tuple[str, ...] = ()


_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_SCALES = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8}
_CHINESE = "〇零一二三四五六七八九十百千万亿两"

# Units that change what a number says; of measure words (个, 张, 种) only these count.
_UNITS = {
    "%": "%", "percent": "%", "百分点": "pp", "个百分点": "pp", "倍": "x", "x": "x", "times": "x",
    "年": "y", "ms": "ms", "毫秒": "ms", "s": "s", "秒": "s", "seconds": "s", "分钟": "min",
    "小时": "h", "hours": "h", "天": "d", "days": "d", "fps": "fps", "帧": "fps", "kb": "kb",
    "mb": "mb", "gb": "gb", "tb": "tb", "gb/s": "gb/s", "tb/s": "tb/s", "kib": "kb", "mib": "mb",
    "gib": "gb", "hz": "hz", "khz": "khz", "mhz": "mhz", "ghz": "ghz", "度": "deg", "℃": "deg",
    "°": "deg", "层": "layer", "layers": "layer", "维": "dim", "位": "bit", "bit": "bit",
    "bits": "bit", "flops": "flops", "tflops": "tflops", "gflops": "gflops",
}  # fmt: skip
_UNIT = re.compile(
    r"\s?(" + "|".join(sorted((re.escape(u) for u in _UNITS if not u.isascii() or not u.isalpha()),
                              key=len, reverse=True))
    + r")|\s?([a-z]+(?:/s)?)(?![a-z0-9])"
)  # fmt: skip

_NEGATION = (
    r"不需要|不再需要|无需|无须|不必|不用|不再|不能够?|不可以?|不会|不是|并不是|并非|并不|并没有|并未|没有|没|无法|未能|未曾|"
    r"尚未|从不|决不|绝不|毫不|毫无|不|未|无(?!监督|穷|限|偏|论|序|向|关|损|约束|数)|非(?!常|线性|极大|凸|负|参数|马尔|零|洲|监督)"
)
# Words in which 不, 无, 非 deny nothing about the statement.
_LEXICAL = (
    r"不是一回事|不仅仅?|不但|不断|不过|不妨|不论|不管|不如|不动点|不变性?|不确定性?|不等式|不均衡|不平衡|不相关|不可微|不可分|不可约|"
    r"无论|差不多|对不起|不外乎|不禁|要不|不得不|非此即彼|除非|无非|是否|能否|与否|否则"
)
_STOP = frozenset(
    "的了着过地得也就都而则并且即为是在上中里于会将可能要使被把对从到与和及或以其这那它们个种些该此时后前间来去所之等吗呢吧啊哦呀么"
)
_TOKEN = re.compile(
    r"(?P<size>\d+(?:\s?[×x]\s?\d+)+(?![a-z0-9]))"
    r"|(?P<fraction>[" + _CHINESE + r"\d]+分之\s?[" + _CHINESE + r"\d.]+)"
    r"|(?P<latin>\\?[a-z]\w*(?:[-_.'][a-z0-9]\w*)*(?:\+\+|\#)?)"
    r"|(?P<mixed>\d+(?:[a-z]+\d*)(?:-[a-z0-9]+)*)"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
    r"|(?P<lexical>" + _LEXICAL + r")"
    r"|(?P<chinese>第?[" + _CHINESE + r"]+(?=[倍种个层次步类年维张位项阶级轮条章度天月版代行列路]|部分|小时|分钟|百分点))"
    r"|(?P<negation>" + _NEGATION + r")"
    r"|(?P<han>[\u3400-\u9fff])"
    r"|(?P<greek>[\u0370-\u03ff])",
    re.ASCII,
)  # fmt: skip
_ARTICLE = re.compile(r"一(?=[种个类次些项条位]|部分)")
_ENGLISH_NEGATION = frozenset(
    "not no never cannot without neither nor none isn't aren't doesn't don't didn't won't can't "
    "wasn't weren't couldn't shouldn't".split()
)
_ENGLISH_STOP = frozenset(
    "the a an of in on to for and or is are was were be been being it its this that these those "
    "by with from as at into about than then which who whose what when where how why also so such "
    "there their they them we our you your i he she has have had do does did can could may might "
    "will would shall should must more most very only just both each any all some one".split()
)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a text in order; characters that say little by themselves are left out."""
    return tuple(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    for formula in formulas(text):
        yield from _plain(text, position, formula.start)
        symbols = tuple(t for t in formula_tokens(formula.body) if t not in ",.;")
        if _NUMERIC.fullmatch("".join(symbols)):
            yield Token("number", _signed("".join(symbols)), formula.start, formula.end)
        elif symbols:
            yield Token("formula", " ".join(symbols), formula.start, formula.end, "", symbols)
        position = formula.end
    yield from _plain(text, position, len(text))


_NUMERIC = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


def _signed(value: str) -> str:
    sign = "-" if value[0] == "-" else ""
    return sign + _canonical(value.removeprefix("-"))


def _plain(text: str, begin: int, end: int) -> Iterator[Token]:
    normal, at = fold(text[begin:end])
    english = sum(c.isascii() and c.isalpha() for c in normal) > 6 * sum(
        "\u3400" <= c <= "\u9fff" for c in normal
    )
    position = 0
    while match := _TOKEN.search(normal, position):
        position = match.end()
        kind, value = match.lastgroup, match[0]
        unit = ""
        made: tuple[TokenKind, str] | None = None
        if kind == "latin":
            made = _latin(
                value,
                text[begin + at[match.start()] : begin + at[match.end()]],
                english,
                match.start(),
            )
        elif kind == "mixed":
            made, unit = _mixed(value)
        elif kind == "number":
            number, position = _scaled(value, normal, position)
            unit, position = _unit(normal, position)
            made = ("number", number)
        elif kind == "size":
            made = ("number", re.sub(r"\s", "", value).replace("×", "x"))
        elif kind == "fraction":
            made, unit = _fraction(value)
        elif kind == "chinese":
            if not _ARTICLE.match(normal, match.start()):
                number = _chinese(value.removeprefix("第"))
                unit, position = ("th", position) if value[0] == "第" else _unit(normal, position)
                made = ("number", number)
        elif kind == "negation":
            made = ("negation", "不")
        elif kind == "greek":
            made = ("word", value)
        elif kind == "lexical" or value not in _STOP:
            made = ("han", value)
        if made is not None:
            yield Token(made[0], made[1], begin + at[match.start()], begin + at[position], unit)


def _latin(value: str, original: str, english: bool, position: int) -> tuple[TokenKind, str] | None:
    forms = latin_words(value)
    if not forms:
        return None
    key = forms[0]
    if value in _ENGLISH_NEGATION:
        return "negation", "不"
    if len(key) == 1 and value[0] != "\\":
        return "word", key
    if not english:
        return "name", key
    if value in _ENGLISH_STOP:
        return None
    capitals = sum(c.isupper() for c in original)
    named = any(c.isdigit() for c in value) or capitals > 1 or (capitals == 1 and position > 0)
    return ("name", key) if named else ("word", _stem(key))


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


def _mixed(value: str) -> tuple[tuple[TokenKind, str] | None, str]:
    """`45fps` is a number with its unit, `10k` ten thousand, `3d` a name."""
    match = re.fullmatch(r"(\d+)([a-z]+)", value)
    if match and match[2] in _UNITS:
        return ("number", _canonical(match[1])), _UNITS[match[2]]
    if match and match[2] == "k":
        return ("number", str(int(match[1]) * 1000)), ""
    return ("name", value.replace("-", "")), ""


def _scaled(value: str, text: str, position: int) -> tuple[str, int]:
    number = _canonical(value)
    match = re.compile(r"\s?([万亿])").match(text, position)
    if match:
        return _canonical(_times(number, _MYRIADS[match[1]])), match.end()
    return number, position


def _times(number: str, scale: int) -> str:
    whole, _, part = number.partition(".")
    digits = len(str(scale)) - 1
    part = part.ljust(digits, "0")
    return f"{whole}{part[:digits]}.{part[digits:]}"


def _canonical(value: str) -> str:
    value = value.replace(",", "")
    if "." in value:
        value = value.rstrip("0").rstrip(".")
    whole, point, part = value.partition(".")
    return (whole.lstrip("0") or "0") + point + part


def _unit(text: str, position: int) -> tuple[str, int]:
    match = _UNIT.match(text, position)
    if match is None:
        return "", position
    name = match[1] or match[2]
    return (_UNITS[name], match.end()) if name in _UNITS else ("", position)


def _fraction(value: str) -> tuple[tuple[TokenKind, str] | None, str]:
    below, _, above = value.partition("分之")
    numerator = (
        _chinese(above.strip()) if above.strip()[0] in _CHINESE else _canonical(above.strip())
    )
    if below == "百":
        return ("number", numerator), "%"
    denominator = _chinese(below) if below[0] in _CHINESE else _canonical(below)
    return ("number", f"{numerator}/{denominator}"), ""


def _chinese(value: str) -> str:
    """A Chinese numeral in digits: `一千零五十` → `1050`, `二〇一五` → `2015`."""
    if len(value) > 1 and all(char in _DIGITS for char in value):
        return str(int("".join(str(_DIGITS[char]) for char in value)))
    total = section = digit = 0
    for char in value:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif char in _SCALES:
            section += (digit or 1) * _SCALES[char]
            digit = 0
        else:
            total = (total + section + digit) * _MYRIADS[char]
            section = digit = 0
    return str(total + section + digit)


_HARD = frozenset(
    ("%", "pp", "x", "fps", "ms", "s", "min", "h", "d", "kb", "mb", "gb", "tb", "gb/s", "tb/s")
)


def same_number(claimed: Token, noted: Token) -> bool:
    """Whether two numbers say the same: equal values, and no two units that differ."""
    if claimed.key != noted.key:
        return False
    if not claimed.unit or not noted.unit or claimed.unit == noted.unit:
        return True
    return not (claimed.unit in _HARD or noted.unit in _HARD)


def contains(symbols: tuple[str, ...], within: tuple[str, ...]) -> bool:
    """Whether `symbols` stand in `within` one after another."""
    size = len(symbols)
    first = symbols[0]
    return any(
        within[i] == first and within[i : i + size] == symbols
        for i in range(len(within) - size + 1)
    )


def shown_number(token: Token) -> str:
    """A number as people read it, with its unit."""
    units = {"x": " 倍", "y": " 年", "pp": " 个百分点", "layer": " 层", "dim": " 维", "th": ""}
    plain = {"%": "%", "deg": "°", "": ""}
    return token.key + (units.get(token.unit) or plain.get(token.unit, f" {token.unit}"))


@lru_cache(maxsize=2048)
def numbers_of(text: str) -> tuple[Token, ...]:
    """Numbers of a text, those in its formulas included."""
    found = [t for t in tokens(text) if t.kind == "number"]
    for token in tokens(text):
        if token.kind == "formula":
            for before, symbol in zip(("", *token.symbols), token.symbols, strict=False):
                if symbol[0].isdigit():
                    found.append(Token("number", _canonical(symbol), token.start, token.end))
                    if before == "-":
                        found.append(
                            Token("number", f"-{_canonical(symbol)}", token.start, token.end)
                        )
    return tuple(found)


def pairs(row: Sequence[Token]) -> list[str]:
    """Neighbouring Han characters, as one key a pair."""
    return [
        a.key + b.key
        for a, b in itertools.pairwise(row)
        if a.kind == b.kind == "han" and b.start - a.end <= 1
    ]


def clauses(text: str, *, fine: bool = False) -> list[tuple[int, int]]:
    """Clauses of a text, split after commas and semicolons outside formulas and code.

    Args:
        fine: split at 、 and brackets as well.
    """
    kept = protected_spans(text)
    stops = "，；。！？;\n" + ("、（）()：" if fine else "")
    spans: list[tuple[int, int]] = []
    begin = 0
    for i, char in enumerate(text):
        if char not in stops and not (char in ",:." and text[i + 1 : i + 2] == " "):
            continue
        if any(start <= i < end for start, end in kept):
            continue
        if text[begin:i].strip():
            spans.append(_stripped(text, begin, i + 1))
        begin = i + 1
    if text[begin:].strip():
        spans.append(_stripped(text, begin, len(text)))
    return [(start, end) for start, end in spans if start < end]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in "，,；;、"):
        end -= 1
    return start, end
