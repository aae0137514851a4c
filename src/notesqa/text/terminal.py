"""Text that is safe to print on a terminal, and its width there.

Everything from a note or a model is untrusted: an escape sequence in it could move the
cursor, change the title or the clipboard; a bidirectional override could show another
text than is there (Boucher & Anderson 2021, "Trojan Source").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CONTROL_PICTURES = 0x2400
_MARKS = re.compile("([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f])"
                    "{4,}")  # fmt: skip
_PLAIN = re.compile(r"[\x20-\x7e]*\Z")
ELLIPSIS = "…"


def safe(text: str, *, newlines: bool = True) -> str:
    """`text` without anything that acts on a terminal.

    Control characters become visible (`␛`), bidirectional and invisible ones vanish,
    tabs become four spaces, piles of combining marks are cut down. A joiner between
    parts of an emoji stays.

    Args:
        newlines: keep line breaks; otherwise each becomes one space.
    """
    if _PLAIN.match(text):
        return text
    text = text.replace("\r\n", "\n")
    text = _UNSAFE.sub(lambda match: _shown(match, newlines), text)
    return _MARKS.sub(lambda match: match[0][:3], text)


def _shown(match: re.Match[str], newlines: bool) -> str:
    char = match[0]
    code = ord(char)
    if char == "\n" or char in "\u2028\u2029":
        return "\n" if newlines else " "
    if char == "\t":
        return "    " if newlines else " "
    if char == "\r":
        return "\n" if newlines else " "
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == 0x7F:
        return "␡"
    if code < 0xA0 or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if char == "\u200d":
        return char if _joins_emoji(match) else ""
    return ""


def _joins_emoji(match: re.Match[str]) -> bool:
    text = match.string
    before = text[: match.start()].rstrip(
        "\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
    )[-1:]
    after = text[match.end() : match.end() + 1]
    return _pictorial(before) and _pictorial(after)


def _pictorial(char: str) -> bool:
    return bool(char) and (char >= "\U0001f000" or unicodedata.category(char) == "So")


@lru_cache(maxsize=4096)
def width(text: str) -> int:
    """Columns that `text` takes on one line of a terminal; never negative.

    Han characters take two. Give it what `safe` returned.
    """
    if _PLAIN.match(text):
        return len(text)
    import wcwidth  # the first paint of the terminal UI does not wait for its tables

    columns = wcwidth.wcswidth(text)
    if columns >= 0:
        return columns
    return sum(max(0, wcwidth.wcwidth(char)) for char in text)


def clip(text: str, cells: int) -> str:
    """`text` cut to at most `cells` columns, with `…` where something was cut off."""
    if cells <= 0:
        return ""
    if width(text) <= cells:
        return text
    kept: list[str] = []
    columns = 0
    for cluster in _clusters(text):
        columns += width(cluster)
        if columns > cells - 1:
            break
        kept.append(cluster)
    # Signs that join what stands before them may take more room than they do alone.
    while kept and width("".join(kept) + ELLIPSIS) > cells:
        kept.pop()
    return "".join(kept) + ELLIPSIS


def pad(text: str, cells: int) -> str:
    """`text` in exactly `cells` columns: clipped, or filled with spaces."""
    text = clip(text, cells)
    return text + " " * (cells - width(text))


def _clusters(text: str) -> Iterator[str]:
    """Graphemes, roughly: a character with the marks and joiners that go with it."""
    cluster = ""
    joined = False
    for char in text:
        attaches = cluster and (
            joined
            or char in "\u200d\ufe0f"
            or unicodedata.combining(char)
            or "\U0001f3fb" <= char <= "\U0001f3ff"
        )
        if attaches:
            cluster += char
        else:
            if cluster:
                yield cluster
            cluster = char
        joined = char == "\u200d"
    if cluster:
        yield cluster
