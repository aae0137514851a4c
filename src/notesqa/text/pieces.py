"""Cutting a block that is too long into pieces that are not, at the best places there are.

Sentences first, then clauses, then spaces, then anywhere but within a formula or a
grapheme; code at line ends, tables between rows.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from notesqa.text.blocks import Block
from notesqa.text.latex import protected_spans
from notesqa.text.sentences import block_sentences, trimmed

CountTokens = Callable[[str], int]

_CLAUSE = re.compile(r"[，,；;：:、]\s*|\s[-–—]{1,2}\s|——")
# No tokenizer packs this many characters into one token: longer texts need no count.
_CHARS_PER_TOKEN = 24
# Pieces for a hard cut: short enough to count quickly.
_STRIDE = 2_000
_LOOK_BACK = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of a text with its length in tokens."""

    start: int
    end: int
    tokens: int


def cut_block(text: str, block: Block, count: CountTokens, limit: int) -> list[Piece]:
    """Pieces of a block in order, none longer than `limit` tokens.

    Nothing that is no space is left out. A paragraph is cut at every sentence.
    """
    spans: Iterable[tuple[int, int]]
    if block.kind in ("fence", "formula"):
        spans = _line_spans(text, block.start, block.end)
    else:
        spans = block_sentences(text, block)
    return list(cut_spans(text, spans, count, limit))


def cut_spans(
    text: str, spans: Iterable[tuple[int, int]], count: CountTokens, limit: int
) -> Iterator[Piece]:
    """Pieces of spans; those longer than `limit` tokens are cut further."""
    for start, end in spans:
        if end - start <= limit * _CHARS_PER_TOKEN:
            tokens = count(text[start:end])
            if tokens <= limit:
                yield Piece(start, end, tokens)
                continue
        yield from _cut_long(text, start, end, count, limit)


def _line_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        span = trimmed(text, start, stop)
        if span[0] < span[1]:
            yield span
        start = stop + 1


def _cut_long(text: str, start: int, end: int, count: CountTokens, limit: int) -> Iterator[Piece]:
    """Cut one sentence or line that is too long, packing what fits."""
    kept = _Kept.within(text, start, end, 2 * limit)
    pending: Piece | None = None
    for a, b in _fragments(text, start, end, kept):
        for piece in _fitting(text, a, b, count, limit, kept):
            if pending is None:
                pending = piece
            elif pending.tokens + piece.tokens <= limit:
                pending = Piece(pending.start, piece.end, pending.tokens + piece.tokens)
            else:
                yield pending
                pending = piece
    if pending:
        yield pending


@dataclass(frozen=True, slots=True)
class _Kept:
    """Formulas and code that fit into a piece, and so must not be cut; in order."""

    starts: list[int]
    ends: list[int]

    @classmethod
    def within(cls, text: str, start: int, end: int, longest: int) -> _Kept:
        spans = [
            (start + a, start + b) for a, b in protected_spans(text[start:end]) if b - a <= longest
        ]
        return cls([a for a, _ in spans], [b for _, b in spans])

    def around(self, position: int) -> int | None:
        """Where the span begins that a cut before `position` would part, if any."""
        i = bisect_left(self.starts, position) - 1
        return self.starts[i] if i >= 0 and position < self.ends[i] else None


def _fragments(text: str, start: int, end: int, kept: _Kept) -> Iterator[tuple[int, int]]:
    """Clauses between their marks; marks within a formula do not count."""
    begin = start
    for match in _CLAUSE.finditer(text, start, end):
        if kept.around(match.end()) is None and text[begin : match.end()].strip():
            yield begin, match.end()
            begin = match.end()
    if text[begin:end].strip():
        yield begin, end


def _fitting(
    text: str, start: int, end: int, count: CountTokens, limit: int, kept: _Kept
) -> Iterator[Piece]:
    """Pieces of a clause: itself when it fits, else cut at spaces or anywhere."""
    start, end = trimmed(text, start, end)
    if start == end:
        return
    if end - start <= limit * _CHARS_PER_TOKEN:
        tokens = count(text[start:end])
        if tokens <= limit:
            yield Piece(start, end, tokens)
            return
    stride = _STRIDE
    while start < end:
        stop = min(end, start + stride)
        tokens = count(text[start:stop])
        while tokens > limit:
            # In proportion, a little less so that the second try fits.
            stop = start + max(1, int((stop - start) * limit / tokens * 0.9))
            tokens = count(text[start:stop])
            if stop == start + 1:
                break
        if stop < end:
            # The next piece will be about as dense as this one.
            stride = max(_LOOK_BACK, (stop - start) * 11 // 10)
            place = _good_place(text, start, stop, kept)
            if place < stop:
                stop = place
                tokens = count(text[start:stop])
        a, b = trimmed(text, start, stop)
        if a < b:
            yield Piece(a, b, min(tokens, limit))
        start = stop


def _good_place(text: str, start: int, stop: int, kept: _Kept) -> int:
    """The last place at or before `stop` where a cut does least harm."""
    least = max(start + 1, stop - max(_LOOK_BACK, (stop - start) // 2))
    for mark in ("\\\\", "\n", " "):
        found = text.rfind(mark, least, stop)
        while found >= 0:
            place = found + len(mark)
            within = kept.around(place)
            if within is None:
                return place
            found = text.rfind(mark, least, within)
    within = kept.around(stop)
    if within is not None and within > start:
        return within
    for place in range(stop, max(start, stop - _LOOK_BACK), -1):
        if not _inside_grapheme(text, place):
            return place
    return stop


def _inside_grapheme(text: str, position: int) -> bool:
    """Whether a cut before `position` would part a character from its marks, an emoji,
    or a Latin word or number."""
    char, before = text[position], text[position - 1]
    if unicodedata.combining(char) or "\u200d" in (char, before):
        return True
    if "\ufe00" <= char <= "\ufe0f" or "\U0001f3fb" <= char <= "\U0001f3ff" or before == "\\":
        return True
    return char.isascii() and char.isalnum() and before.isascii() and before.isalnum()
