"""Sentences of Chinese, English and mixed text, with exact offsets.

Formulas, code, decimals, abbreviations (`et al.`, `Fig. 3`), list numbers and addresses
are never cut. Headings, list items, table rows and code fences are sentences of their own.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from notesqa.text.blocks import Block, blocks
from notesqa.text.latex import protected_spans

# A candidate for the end of a sentence, with the quotes and brackets that close after it.
_STOP = re.compile(
    r"(?:[。！？!?]+|…+|\.{2,}|\.|[;；:：](?=\s*(?:\d{1,2}[.、)](?!\d)|[（(]\d{1,2}[)）]|[①-⑳]))|\n)"
    r"[”’」』】》）)\]\"'*_]*"
)
_ADDRESS = re.compile(r"(?:https?://|www\.|arxiv\.org/)[^\s\u3000-\u303f\u3400-\u9fff，。；）]+")
_ABBREVIATIONS = frozenset(
    "al e.g i.e eg ie fig figs eq eqs eqn sec ch no nos vol pp p cf vs etc resp approx dr mr mrs "
    "ms prof st ref refs def thm prop cor lem ed eds w.r.t a.k.a i.i.d iid wrt jan feb mar apr "
    "jun jul aug sep sept oct nov dec inc ltd co".split()
)
_WORD_BEFORE = re.compile(r"[A-Za-z.]+$")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LIST_NUMBER = re.compile(r"(?:^|[\s。！？!?;；:：])\d{1,3}$")
_WIDE_LINE = 50
_LINE_START = re.compile(r"\s*(?:[-*+•·●▪◦]\s|\d{1,3}[.、)）](?!\d)|[（(]\d|[①-⑳]|[#>|])")


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences; together they cover every character that is no space."""
    spans: list[tuple[int, int]] = []
    for block in blocks(text):
        spans.extend(block_sentences(text, block))
    return spans


def line_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """As `sentences`, of text without Markdown's structure, such as an excerpt's line."""
    end = len(text) if end is None else end
    return _running(text, start, end)


def block_sentences(text: str, block: Block) -> list[tuple[int, int]]:
    """Sentences of one block of `text`."""
    if block.kind in ("paragraph", "item", "quote"):
        return _running(text, block.start, block.end)
    if block.kind == "table":
        return _rows(text, block)
    return [trimmed(text, block.start, block.end)]


def _rows(text: str, block: Block) -> list[tuple[int, int]]:
    spans = []
    start = block.start
    while start < block.end:
        end = text.find("\n", start, block.end)
        end = block.end if end < 0 else end
        span = trimmed(text, start, end)
        if span[0] < span[1]:
            spans.append(span)
        start = end + 1
    return spans


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The same span of a text without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _running(text: str, start: int, end: int) -> list[tuple[int, int]]:
    body = text[start:end]
    kept = protected_spans(body)
    kept.extend(match.span() for match in _ADDRESS.finditer(body))
    kept.sort()
    starts = [a for a, _ in kept]
    reach: list[int] = []
    for _, stop in kept:
        reach.append(max(stop, reach[-1]) if reach else stop)
    spans: list[tuple[int, int]] = []
    begin = 0
    for match in _STOP.finditer(body):
        position = match.start()
        i = bisect_right(starts, position) - 1
        if i >= 0 and position < reach[i]:
            continue
        if position >= begin and _ends(body, match):
            span = trimmed(body, begin, match.end())
            if span[0] < span[1]:
                spans.append(span)
            begin = match.end()
    span = trimmed(body, begin, len(body))
    if span[0] < span[1]:
        spans.append(span)
    return [(start + a, start + b) for a, b in spans]


def _ends(body: str, match: re.Match[str]) -> bool:
    """Whether a stop ends a sentence, by what stands around it."""
    stop = match[0][0]
    before = body[match.start() - 1] if match.start() else " "
    after = body[match.end() : match.end() + 1]
    if stop == "\n":
        return _line_ends(body, match.start())
    if stop in "。！？":
        return not after or after not in "，,、；;"
    if stop in "!?":
        return not after or after.isspace() or bool(_HAN.match(after)) or after in "“「【《(（"
    if stop in "…" or match[0].startswith(".."):
        return not after or (after.isspace() and _starts_sentence(body, match.end()))
    if stop != ".":
        return True  # `;` or `:` before a numbered item
    if _HAN.match(before):
        return not after or after.isspace() or bool(_HAN.match(after))
    if after and not after.isspace():
        return len(match[0]) > 1 and bool(_HAN.match(after))
    head = body[max(0, match.start() - 12) : match.start()]
    if _LIST_NUMBER.search(head) or (match.start() < 4 and head.strip().isdigit()):
        return not after
    word = _WORD_BEFORE.search(head)
    if after and word and len(match[0]) == 1:
        name = word[0].lower().strip(".")
        if name in _ABBREVIATIONS or (len(word[0]) == 1 and word[0].isupper()):
            return False
    return not after or _starts_sentence(body, match.end())


def _starts_sentence(body: str, position: int) -> bool:
    rest = body[position : position + 40].lstrip()
    return not rest or not ("a" <= rest[0] <= "z" or rest[0] in ",;:，；：、")


def _line_ends(body: str, position: int) -> bool:
    """Whether a line break ends a sentence, or only wraps it at the edge of a page."""
    line = body.rfind("\n", 0, position) + 1
    if position - line < _WIDE_LINE // 2 or position - line > 400:
        return True
    if _LINE_START.match(body, position + 1):
        return True
    columns = sum(2 if c > "\u2e80" else 1 for c in body[line:position])
    after = body[position + 1 : position + 2]
    goes_on = ("a" <= after <= "z") or bool(_HAN.match(after)) or after == "$"
    return columns < _WIDE_LINE or not goes_on
