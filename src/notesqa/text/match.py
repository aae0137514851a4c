"""Where a text matches a question, for highlighting."""

from __future__ import annotations

import re
from collections.abc import Iterable

from notesqa.text.normalize import fold
from notesqa.text.segment import Segmenter, latin_tokens

# Words that a question is made of; they stand everywhere and mark nothing.
_EMPTY = frozenset(
    "什么 怎么 如何 为什么 为何 怎样 多少 哪些 哪个 是否 可以 一个 一种 这个 那个 我们 它们 因为 所以 以及 或者 还是 "
    "有什么 是什么 请问 介绍 解释 说明 请 吗 呢 the a an of in on to for and or is are was were what why how "
    "which when who does do did can could it its this that be by with from as at".split()
)
_FUNCTION = frozenset(
    "的是了在和与或及有吗呢吧么什怎哪为之其而对把被从到就都也不很会能可以要个种些这那"
)
_HAN = re.compile(r"[\u3400-\u9fff]")


def highlights(text: str, query: str, segmenter: Segmenter) -> list[tuple[int, int]]:
    """Spans of the original text that match words of the query: merged and sorted.

    Matching is as in search: case, width, traditional characters, hyphens, spaces in
    names (`anchor free` marks `Anchorfree`) and English plurals do not matter. Words that
    only ask mark nothing, unless there are no others.
    """
    words = set(segmenter.words(query))
    wanted = {word for word in words if word not in _EMPTY} or words
    grams = set(segmenter.grams(query))
    joined = {gram for gram in grams if not _HAN.search(gram)} - _EMPTY
    folded, at = fold(text)
    spans = [
        span
        for word in wanted
        if _HAN.search(word) and (len(word) > 1 or wanted <= {word})
        for span in _occurrences(folded, word)
    ]
    spans.extend(_edges(folded, spans, grams))
    spans.extend(_latin_spans(folded, wanted, joined))
    return _merged(_original(start, end, at) for start, end in spans)


def _occurrences(text: str, word: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(word), text)]


def _edges(folded: str, spans: list[tuple[int, int]], grams: set[str]) -> list[tuple[int, int]]:
    """Pairs of characters that lie over the edge of a word: `则化` beside `正则`."""
    covered = {i for start, end in spans for i in range(start, end)}
    return [
        (start, end)
        for gram in grams
        if len(gram) == 2 and _HAN.match(gram) and not _FUNCTION.intersection(gram)
        for start, end in _occurrences(folded, gram)
        if start in covered or end - 1 in covered
    ]


def _latin_spans(folded: str, wanted: set[str], joined: set[str]) -> list[tuple[int, int]]:
    """Tokens that stand for a wanted word, alone or joined with the one before."""
    spans: list[tuple[int, int]] = []
    previous: tuple[int, int, str] | None = None
    for start, end, words, plain in latin_tokens(folded):
        if wanted.intersection(words) or plain in joined:
            spans.append((start, end))
        if previous and folded[previous[1] : start] in ("", " ", "-", "_"):
            both = previous[2] + plain
            if both in joined or both in wanted:
                spans.append((previous[0], end))
        previous = (start, end, plain)
    return spans


def _original(start: int, end: int, at: list[int]) -> tuple[int, int]:
    """A span of the folded text in the original, whole characters of it."""
    last = end
    while at[last] == at[end - 1]:
        last += 1
    return at[start], at[last]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
