"""The blocks of a Markdown text: headings, lists, tables, formulas, code, paragraphs.

Not a renderer: only what must stay together, with exact offsets. Every line that is not
blank belongs to exactly one block. Linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from notesqa.text.latex import formulas

_Test = Callable[[int, int], bool]
BlockKind = Literal["heading", "paragraph", "item", "table", "fence", "formula", "quote", "rule"]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines that belong together.

    Attributes:
        start, end: offsets, without the newline at the end.
        level: of a heading, 1 to 6; of a list item, its indentation in columns; else 0.
        title: of a heading, its text without marks; else empty.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    title: str = ""


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# `## 标题`, and `##标题` without the space, as many write it; but `#标签` is a tag.
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t\u3000]+|(?<=##)(?=[^#\s]))(\S.*)")
_CLOSING_MARKS = re.compile(r"[ \t]+#+[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_ITEM = re.compile(
    r"([ \t]*)(?:(?P<bullet>[-*+•·●▪◦])[ \t]+|\d{1,3}[.)][ \t]+"
    r"|(?:\d{1,3}[、．](?!\d)|[（(]\d{1,3}[)）]|[①-⑳])[ \t]*)(?=\S)"
)
_QUOTE = re.compile(r" {0,3}>")
_TABLE_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_INLINE_MARKS = re.compile(r"(\*\*|__|`|~~)")
_LINK = re.compile(r"!?\[([^\]\[]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*\)")


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        if end < 0:
            end = len(text)
        yield start, end
        start = end + 1


def item_marker(text: str) -> tuple[str, int]:
    """The marker of the item of a list that a text begins with, and where the item itself begins.

    Bullets are spelt `- `, numbers as they stand, with a space after them where there is any:
    `2. `, `（2）`. Empty and 0 where no item begins.
    """
    found = _ITEM.match(text)
    if not found:
        return "", 0
    if found["bullet"]:
        return "- ", found.end()
    marker = found[0].strip()
    return marker + " " * found[0][-1].isspace(), found.end()


def is_numbered(text: str, item: Block) -> bool:
    """Whether an item of a list has a number and no bullet."""
    marker = _ITEM.match(text, item.start, item.end)
    return marker is not None and not marker["bullet"]


def blocks(text: str) -> list[Block]:
    """The blocks of `text` in order."""
    return list(_Scanner(text).run())


def plain_heading(raw: str) -> str:
    """A heading's text without closing `#`, emphasis, code and link marks."""
    title = _CLOSING_MARKS.sub("", raw.strip())
    return _INLINE_MARKS.sub("", _LINK.sub(r"\1", title)).strip()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = list(_lines(text))
        self._displays = {
            f.start: f.end for f in formulas(text) if f.display and self._alone(f.start, f.end)
        }

    def _alone(self, start: int, end: int) -> bool:
        """Whether a formula has its lines to itself (a full stop after it may stand)."""
        line = self._text.rfind("\n", 0, start) + 1
        stop = self._text.find("\n", end)
        rest = self._text[end : len(self._text) if stop < 0 else min(stop, end + 8)]
        return start - line < 80 and not self._text[line:start].strip() and len(rest.strip()) <= 1

    def run(self) -> Iterator[Block]:
        """Blocks, in order."""
        text, lines = self._text, self._lines
        i = 0
        while i < len(lines):
            start, end = lines[i]
            if not text[start:end].strip():
                i += 1
                continue
            block, i = self._block(i)
            yield block

    def _block(self, i: int) -> tuple[Block, int]:
        text, lines = self._text, self._lines
        start, end = lines[i]
        if _FENCE.match(text, start, end):
            return self._fence(i)
        if formula := self._formula(i):
            return formula
        if heading := _HEADING.fullmatch(text, start, end):
            title = plain_heading(heading[2])
            return Block("heading", start, end, len(heading[1]), title), i + 1
        if _RULE.match(text, start, end):
            return Block("rule", start, end), i + 1
        if self._table_at(i):
            return self._while("table", i, lambda a, b: "|" in text[a:b])
        if _QUOTE.match(text, start, end):
            return self._while("quote", i, lambda a, b: bool(text[a:b].strip()))
        if item := _ITEM.match(text, start, end):
            indent = len(item[1].expandtabs(4))
            block, after = self._while("item", i, self._continues)
            # What is indented below an item belongs to it, also after a blank line.
            while (
                after + 1 < len(lines)
                and self._indented(after + 1, indent)
                and not (text[slice(*lines[after])].strip())
            ):
                more, after = self._while("item", after + 1, self._continues)
                block = Block("item", block.start, more.end)
            return Block("item", start, block.end, indent), after
        return self._paragraph(i)

    def _indented(self, i: int, indent: int) -> bool:
        start, end = self._lines[i]
        line = self._text[start : min(end, start + indent + 8)].expandtabs(4)
        stripped = line.lstrip(" ")
        return (
            bool(stripped)
            and len(line) - len(stripped) >= indent + 2
            and not (_ITEM.match(self._text, start, end) or self._starts_own(start, end))
        )

    def _while(self, kind: BlockKind, i: int, goes_on: _Test) -> tuple[Block, int]:
        start, end = self._lines[i]
        i += 1
        while i < len(self._lines) and goes_on(*self._lines[i]):
            end = self._lines[i][1]
            i += 1
        return Block(kind, start, end), i

    def _continues(self, start: int, end: int) -> bool:
        """Whether a line goes on with the paragraph or item above it."""
        return bool(self._text[start:end].strip()) and not (
            self._starts_own(start, end) or _ITEM.match(self._text, start, end)
        )

    def _starts_own(self, start: int, end: int) -> bool:
        text = self._text
        first = start + len(text[start : start + 80]) - len(text[start : start + 80].lstrip())
        return bool(
            _FENCE.match(text, start, end)
            or _HEADING.fullmatch(text, start, end)
            or _QUOTE.match(text, start, end)
            or _RULE.match(text, start, end)
            or first in self._displays
        )

    def _fence(self, i: int) -> tuple[Block, int]:
        text, lines = self._text, self._lines
        start, end = lines[i]
        opening = _FENCE.match(text, start, end)
        mark = opening[1] if opening else "```"
        closing = re.compile(rf" {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*")
        i += 1
        while i < len(lines):
            end = lines[i][1]
            i += 1
            if closing.fullmatch(text, lines[i - 1][0], end):
                break
        return Block("fence", start, end), i

    def _formula(self, i: int) -> tuple[Block, int] | None:
        start, end = self._lines[i]
        head = self._text[start : start + 80]
        stop = self._displays.get(start + len(head) - len(head.lstrip()))
        if stop is None:
            return None
        while self._lines[i][1] < stop:
            i += 1
        end = self._lines[i][1]
        return Block("formula", start, end), i + 1

    def _table_at(self, i: int) -> bool:
        text, lines = self._text, self._lines
        start, end = lines[i]
        if "|" not in text[start:end] or i + 1 >= len(lines):
            return False
        below = text[slice(*lines[i + 1])]
        return "|" in below and bool(_TABLE_RULE.match(below))

    def _paragraph(self, i: int) -> tuple[Block, int]:
        text, lines = self._text, self._lines
        start, end = lines[i]
        if (
            i + 1 < len(lines)
            and (underline := _UNDERLINE.match(text, *lines[i + 1]))
            and end - start < 200
        ):
            level = 1 if underline[1][0] == "=" else 2
            title = plain_heading(text[start:end])
            return Block("heading", start, lines[i + 1][1], level, title), i + 2
        i += 1
        while i < len(lines) and self._continues(*lines[i]) and not self._table_at(i):
            end = lines[i][1]
            i += 1
        return Block("paragraph", start, end), i
