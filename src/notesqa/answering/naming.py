"""The names in a question: what an answer must be about, by one name or another."""

from __future__ import annotations

import re
from collections.abc import Sequence

from notesqa.records import Passage
from notesqa.retrieval.features import met, squeeze
from notesqa.retrieval.query import Query
from notesqa.retrieval.terms import Concept, known_word
from notesqa.text.normalize import normalize

# Three letters or more, or letters with a digit; without Chinese.
_NAME = re.compile(r"(?=.*[a-z])(?:[a-z]{3,}[a-z0-9.+-]*|[a-z]+[0-9][a-z0-9.]*)")
# L2 and S4 are no versions.
_VERSION = re.compile(r"(?<=[a-z]{3})[0-9]+$")
_INITIALS = re.compile(r"[A-Z]{2}")


def names_of(query: Query) -> list[Concept]:
    """The Latin names in a question; everyday English words are none.

    Of a joined name ("yolov3") that was asked for by its parts, the parts are asked for.
    """
    surfaces = [concept.surface for concept in query.concepts]
    return [
        concept
        for concept in query.concepts
        if _is_name(concept.surface, query)
        and not any(
            one + other == concept.surface and _is_name(one, query) and _is_name(other, query)
            for one in surfaces
            for other in surfaces
        )
    ]


def passages_with(names: Sequence[Concept], passages: Sequence[Passage]) -> set[int]:
    """Which of the passages have one of the names, by this or another word, head included."""
    texts = (" ".join((p.title, p.heading, p.text)) for p in passages)
    return {number for number, text in enumerate(texts) if has_one(names, text)}


def has_one(names: Sequence[Concept], text: str) -> bool:
    """Whether a text has one of the names, by this or another word."""
    own = normalize(text)
    packed = squeeze(own)
    return any(stands_in(name, own, packed) for name in names)


def stands_in(name: Concept, text: str, squeezed: str) -> bool:
    """Whether a normalised text, given squeezed too, has a name, by this or another word.

    What another version of a thing is called does not stand for this one.
    """
    if version := _VERSION.search(name.surface):
        same = tuple(form for form in name.forms if form.endswith(version[0]))
        name = Concept(name.surface, same)
    return squeeze(name.surface) in squeezed or met(text, squeezed, name)[0] >= 0


def written_as_name(word: str, query: Query) -> bool:
    """Whether a question has a word with a capital."""
    written = _written(word, query)
    return bool(written) and not written.islower()


def _written(word: str, query: Query) -> str:
    at = query.text.lower().find(word)
    return query.text[at : at + len(word)] if at >= 0 else ""


def _is_name(word: str, query: Query) -> bool:
    if not _NAME.fullmatch(word) and not _INITIALS.fullmatch(_written(word, query)):
        return False
    capital = written_as_name(word, query)
    if query.chinese:
        # Performer is no performer.
        return capital or not known_word(word)
    # Among English words, names are those that are written as such.
    return query.text.lower().find(word) > 0 and capital and not known_word(word)
