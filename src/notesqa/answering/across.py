"""A sentence in one language held against notes in another.

Words cannot be compared then. What can: numbers and names (which `verify` asks for in
any case), the field's terms through the table of their Chinese and English names, and
the likeness of the vectors, which the embedder gives across the two languages. That
tells another subject from the same one; a false statement about the same subject with
the right numbers and names passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from notesqa.records import Passage
from notesqa.retrieval.terms import Concept, TermTable, builtin_terms
from notesqa.text.normalize import normalize
from notesqa.text.script import mostly_english
from notesqa.text.sentences import sentences

if TYPE_CHECKING:
    from notesqa.embedding import Embedder

THRESHOLD = 0.45
"""Below it a sentence is not supported: true ones of the development set began at 0.6,
sentences about something else ended at 0.25."""

_FULL_LIKENESS = 0.5


@dataclass(frozen=True, slots=True)
class Likeness:
    """The place that comes nearest: passage, offsets into its text, and 0 to 1 how near."""

    passage: int
    start: int
    end: int
    score: float


def apart(sentence: str, passages: Sequence[Passage]) -> bool:
    """Whether a sentence and its passages are in different languages."""
    return all(mostly_english(p.text) != mostly_english(sentence) for p in passages)


def nearest(sentence: str, passages: Sequence[Passage], embedder: Embedder | None) -> Likeness:
    """The sentence of the passages that says most likely the same."""
    concepts = _concepts(sentence)
    places = [
        (i, start, end)
        for i, passage in enumerate(passages)
        for start, end in sentences(passage.text)
        if not passage.text.startswith("#", start)
    ]
    if not places:
        return Likeness(0, 0, len(passages[0].text), 0.0)
    texts = [passages[i].text[start:end] for i, start, end in places]
    cosines = [0.0] * len(texts)
    if embedder is not None:
        vectors = embedder.embed_passages([sentence, *texts])
        cosines = (vectors[1:] @ vectors[0]).tolist()
    best = Likeness(*places[0], -1.0)
    for (i, start, end), text, cosine in zip(places, texts, cosines, strict=True):
        head = f"{passages[i].title} {passages[i].heading}"
        terms = covered(concepts, f"{head} {text}")
        likeness = min(1.0, max(0.0, cosine) / _FULL_LIKENESS)
        if embedder is None:
            score = terms
        elif not concepts:
            score = likeness
        else:
            score = 0.5 * terms + 0.5 * likeness
        if score > best.score:
            best = Likeness(i, start, end, score)
    return best


def named(key: str, sentence: str, text: str) -> bool:
    """Whether `text` has a name of the sentence under another of its names."""
    squeezed = _squeezed(text)
    return any(
        key in _squeezed(concept.surface)
        and any(_squeezed(form) in squeezed for form in concept.all_forms)
        for concept in _concepts(sentence)
    )


def covered(concepts: Sequence[Concept], text: str) -> float:
    """Share of the concepts that a text names, under any of their names."""
    if not concepts:
        return 0.0
    squeezed = _squeezed(text)
    hits = sum(any(_squeezed(f) in squeezed for f in c.all_forms) for c in concepts)
    return hits / len(concepts)


@lru_cache(maxsize=256)
def _concepts(sentence: str) -> tuple[Concept, ...]:
    return tuple(_table().in_text(normalize(sentence)))


@cache
def _table() -> TermTable:
    return TermTable(builtin_terms())


@lru_cache(maxsize=4096)
def _squeezed(text: str) -> str:
    return "".join(c for c in normalize(text) if c.isalnum())
