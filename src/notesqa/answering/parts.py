"""Questions in one: "A 取多少？B 又是多少" asks two things, which stand in two places."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from notesqa.answering.extract import Extraction
from notesqa.records import Citation, Passage, Sentence
from notesqa.retrieval.query import Query

_BETWEEN = re.compile(r"[?？;；]+|[,，](?=[^,，]{0,24}(?:又|另一个|那边))")
_MOST_PARTS = 3
_FEWEST_WORDS = 2
_PASSAGES_OF_PART = 2
_SENTENCES_OF_PART = 3


def parts_of(question: str, analyse: Callable[[str], Query]) -> list[Query]:
    """The questions that one line asks, in order; none where it asks only one.

    What names too little to be looked for ("怎么理解？") belongs to the part before it.
    """
    found: list[str] = []
    for piece in _BETWEEN.split(question):
        text = piece.strip()
        if not text:
            continue
        if found and len(analyse(text).own_words) < _FEWEST_WORDS:
            found[-1] = f"{found[-1]}，{text}"
        else:
            found.append(text)
    return [analyse(part) for part in found] if 1 < len(found) <= _MOST_PARTS else []


def together(
    whole: Sequence[Passage], of_parts: Sequence[Sequence[Passage]], k: int
) -> list[Passage]:
    """The `k` passages to answer from: the best, the first of every part, the others."""
    firsts = itertools.chain.from_iterable(
        itertools.zip_longest(*(passages[:_PASSAGES_OF_PART] for passages in of_parts))
    )
    chosen: dict[str, Passage] = {}
    for passage in itertools.chain(whole[:1], firsts, whole):
        if passage is not None:
            chosen.setdefault(passage.chunk_id, passage)
    return [replace(passage, rank=n) for n, passage in enumerate(list(chosen.values())[:k], 1)]


def joined(extractions: Sequence[Extraction], whole: Extraction) -> Extraction:
    """What answers each part, one after the other, nothing quoted twice."""
    sentences: list[Sentence] = []
    citations: list[Citation] = []
    places: set[tuple[str, int]] = set()
    for extraction in extractions:
        quoted = zip(extraction.sentences, extraction.citations, strict=True)
        for sentence, citation in itertools.islice(quoted, _SENTENCES_OF_PART):
            if (citation.document_id, citation.start) in places:
                continue
            places.add((citation.document_id, citation.start))
            citations.append(replace(citation, n=len(citations) + 1))
            sentences.append(replace(sentence, citations=(len(citations),)))
    return replace(whole, sentences=tuple(sentences), citations=tuple(citations))
