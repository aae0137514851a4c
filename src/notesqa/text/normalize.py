"""One spelling for what is written in many: used for index and query alike.

Compatibility forms (full-width letters, mathematical alphanumerics, ligatures) become
plain ones (Unicode NFKC), accents and case fall away, traditional characters become
simplified, every dash one hyphen. What is shown to the user is always the original.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = "1"

_ACCENTS = re.compile("[\u0300-\u036f]")
_ALIKE = {
    **dict.fromkeys("‐‑‒–—―−⁃﹘﹣－", "-"),
    **dict.fromkeys("‘’‚‛′＇`´", "'"),
    **dict.fromkeys("“”„‟〝〞″＂「」『』", '"'),
    "〜": "~",
    "∼": "~",
    "⁄": "/",
    "∕": "/",
    "∗": "*",
    "⋅": "·",
    "∙": "·",
    "・": "·",
    "‖": "|",
    "∥": "|",
    "〔": "[",
    "【": "[",
    "〕": "]",
    "】": "]",
}
_KEPT_CONTROLS = "\t\n\r"

# Characters that join the one before them under NFC though they are no combining marks:
# vowels and finals of Hangul, and vowel signs of Indic scripts.
_JOINING = re.compile(
    "[\u1161-\u1175\u11a8-\u11c2\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6"
    "\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1b35\U00011127\U0001133e\U00011357\U000113b8\U000113bb"
    "\U000113c2\U000113c5\U000113c7-\U000113c9\U000114b0\U000114ba\U000114bd\U000115af"
    "\U00011930\U0001611e\U0001611f\U00016120\U00016d67]"
)


class _Table(dict[int, str]):
    """Translation of single characters, worked out when first met."""

    def __missing__(self, code: int) -> str:
        value = self[code] = _plain(chr(code))
        return value


_table = _Table()


def normalize(text: str) -> str:
    """The common spelling of `text`: `ＧＰＴ－４` and `gpt-4` alike, `學習` as `学习`.

    Whitespace is kept (exotic spaces become plain ones); control and format characters
    (zero-width, bidi) are dropped. Normalising twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text.lower().replace("`", "'")
    while True:
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        result = text.translate(_table)
        if result == text or unicodedata.is_normalized("NFC", result):
            # What one character becomes may only combine with its neighbours (half-width
            # kana with their marks); only then is a second pass needed.
            return _phrases(result)
        text = result


def simplified(text: str) -> str:
    """`text` in simplified characters, all else as it was."""
    table = _simplified()
    return _phrases("".join(table.get(char, char) for char in text))


def normalize_all(texts: Sequence[str]) -> list[str]:
    """`normalize` of each text, for many short ones in a tenth of the time. Imports numpy."""
    import numpy as np

    table = _single_codes()
    joined = "".join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    plain = table.take(codes)
    others: set[int] = set()
    ends = list(accumulate(map(len, texts)))
    if not plain.all():
        for code in set(codes[plain == 0].tolist()):
            table[code] = _single(code)
        plain = table.take(codes)
        others.update(bisect_right(ends, at) for at in np.flatnonzero(plain == 0).tolist())
    result = plain.tobytes().decode("utf-32-le", "surrogatepass")
    return [
        normalize(text) if i in others else result[end - len(text) : end]
        for i, (text, end) in enumerate(zip(texts, ends, strict=True))
    ]


@cache
def _single_codes() -> NDArray[np.uint32]:
    """By its code what a character becomes, as far as it was met; else 0."""
    import numpy as np

    return np.zeros(0x110000, dtype=np.uint32)


@cache
def _single(code: int) -> int:
    """What a character becomes in any company; 0 where that is not one character always."""
    char, plain = chr(code), _table[code]
    settled = (unicodedata.is_normalized("NFC", c) and not _joins(c) for c in (char, plain))
    if len(plain) != 1 or _AMBIGUOUS.match(plain) or not all(settled):
        return 0
    return ord(plain)


def fold(text: str) -> tuple[str, list[int]]:
    """`normalize(text)`, and for each of its characters the offset it comes from.

    Returns:
        The normalised text, and offsets into `text`, one more than characters: the last
        is `len(text)`. The original of `normalized[i:j]` is `text[at[i]:at[j]]`.
    """
    pieces: list[str] = []
    at: list[int] = []
    position = 0
    while position < len(text):
        end = position + 1
        while end < len(text) and _joins(text[end]):
            end += 1
        piece = _unit(text[position:end])
        pieces.append(piece)
        at.extend([position] * len(piece))
        position = end
    at.append(len(text))
    return _phrases("".join(pieces)), at


@cache
def _joins(char: str) -> bool:
    """Whether `char` may become one character with what stands before it."""
    if char < "\u0300":
        return False
    first = unicodedata.normalize("NFKD", char)[0]
    return unicodedata.combining(first) != 0 or bool(_JOINING.match(first))


@cache
def _unit(piece: str) -> str:
    while True:
        text = unicodedata.normalize("NFC", piece)
        result = text.translate(_table)
        if result == text or unicodedata.is_normalized("NFC", result):
            return result
        piece = result


def _plain(char: str) -> str:
    """What a single character becomes."""
    previous = ""
    current = char
    simplified = _simplified()
    while current != previous:
        previous = current
        # Before NFKD, which would make an accent of ´ and take ″ apart.
        current = "".join(_ALIKE.get(c, c) for c in current)
        current = _ACCENTS.sub("", unicodedata.normalize("NFKD", current))
        current = unicodedata.normalize("NFC", current).casefold()
        current = "".join(_one(c, simplified) for c in current)
    return current


def _one(char: str, simplified: dict[str, str]) -> str:
    if char in _ALIKE:
        return _ALIKE[char]
    if char in simplified:
        return simplified[char]
    category = unicodedata.category(char)
    if category == "Cc":
        return char if char in _KEPT_CONTROLS else ""
    if category in ("Zs", "Zl", "Zp"):
        return "\n" if category != "Zs" else " "
    if category == "Cf" or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return ""
    return char


# -- traditional to simplified ---------------------------------------------------------


@cache
def _simplified() -> dict[str, str]:
    """Traditional characters and their simplified forms: OpenCC's table, first choices.

    OpenCC itself is not imported, since its start takes longer than a whole search.
    Forms beyond the basic plane are left out: no dictionary of words knows them.
    """
    spec = importlib.util.find_spec("opencc")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).parent / "dictionary" / "TSCharacters.txt"
    table = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        source, _, targets = line.partition("\t")
        target = targets.split(" ", 1)[0]
        if source != target and target <= "\uffff":
            table[source] = target
    return table


# Characters that simplified text has too, and that become another one only in company.
_AMBIGUOUS = re.compile("[瞭藉覆沈衹牴]")


def _phrases(text: str) -> str:
    """Convert what `_plain` could not, since it sees one character at a time."""
    return _AMBIGUOUS.sub(_in_company, text)


def _in_company(match: re.Match[str]) -> str:
    char, text = match[0], match.string
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    if char == "瞭":
        return char if after == "望" else "了"
    if char == "藉":
        return char if before and before in "狼慰蕴枕" else "借"
    if char == "覆":
        return "复" if before and before in "回答反申函批" else char
    if char == "沈":
        return "沉" if after and after in "默没船重淀浸思迷降积" else char
    if char == "衹":
        return "只"
    return "抵" if after == "触" else char
