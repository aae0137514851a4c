"""Where a text matches a question, for highlighting."""

from __future__ import annotations

from notesqa.text.normalize import fold
from notesqa.text.segment import Segmenter


def highlights(text: str, query: str, segmenter: Segmenter) -> list[tuple[int, int]]:
    """Spans of the original text that match words of the query, merged and sorted."""
    folded, at = fold(text)
    spans = []
    for word in set(segmenter.words(query)):
        if len(word) == 1 and not word.isdigit():
            continue
        position = folded.find(word)
        while position >= 0:
            spans.append((at[position], at[position + len(word)]))
            position = folded.find(word, position + len(word))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
