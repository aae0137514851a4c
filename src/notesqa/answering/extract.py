"""Answers without a language model: the sentences of the notes that answer.

Every sentence of the best passages is scored against the question with a linear
model over a few plain features (weights in `weights.json`, fitted on reading
comprehension questions whose answer spans are known); the best are quoted, in the
order in which the notes have them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

from notesqa.answering.context import both_sides, completed, forward, ordered
from notesqa.answering.followups import subjects
from notesqa.answering.naming import has_one, names_of, passages_with, written_as_name
from notesqa.answering.numbers import meets_number
from notesqa.answering.quoting import quoted, without_marker
from notesqa.answering.spans import LIST_ITEM, MOST_CHARACTERS, Span, spans_of
from notesqa.answering.standing import (
    asks,
    breaks_off,
    introduces,
    points_elsewhere,
)
from notesqa.records import Citation, Passage, Sentence
from notesqa.retrieval.features import CUES, best_idf, longest_common, met, squeeze
from notesqa.retrieval.query import Query
from notesqa.retrieval.terms import Concept
from notesqa.text.normalize import normalize

if TYPE_CHECKING:
    from notesqa.embedding import Embedder

SENTENCE_FEATURES = (
    "coverage",
    "context_coverage",
    "title_coverage",
    "gram_coverage",
    "open_coverage",
    "longest_common",
    "cosine",
    "passage",
    "rank",
    "cue",
    "number",
    "opening",
    "short",
    "question",
)

_COVERAGE_FEATURE = SENTENCE_FEATURES.index("coverage")
_NUMBER_FEATURE = SENTENCE_FEATURES.index("number")
_NEARLY_ALL = 0.75
_MOST_PASSAGES = 5
_EARLY = 3
_HEADING_LINE = re.compile(r"^(?P<level>#{1,6})[ \t]+(?P<name>.+?)[ \t#]*$", re.MULTILINE)
_ASKS_CODE = re.compile(
    r"代码|实现|怎么写|怎么用|用法|\b(?:code|implement\w*|snippet|python|pytorch|numpy)\b"
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """The sentences chosen and their citations.

    Attributes:
        best: the features of the sentence with the best score, in the order of
            `SENTENCE_FEATURES`; empty where there is none.
        ranked: every sentence that could have been chosen, best first.
        below: how far the best of them is, in score, below one that was told before.
    """

    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    best: tuple[float, ...]
    ranked: tuple[Span, ...] = ()
    below: float = 0.0


@cache
def sentence_weights() -> Mapping[str, float]:
    """The weights of `SENTENCE_FEATURES` that ship with the package."""
    raw = json.loads(files("notesqa.answering").joinpath("weights.json").read_text("utf-8"))
    weights: Mapping[str, float] = raw["sentence"]
    return weights


def score_sentences(
    query: Query,
    passages: Sequence[Passage],
    idf: Mapping[str, float],
    embedder: Embedder | None,
    weights: Mapping[str, float],
) -> list[Span]:
    """Every sentence of the first passages with features and score, best first."""
    places: list[tuple[int, int, int]] = []
    for number, passage in enumerate(passages[:_MOST_PASSAGES]):
        places.extend((number, s, e) for s, e in spans_of(passage.text, passage.title))
    if not places:
        return []
    texts = [passages[n].text[s:e] for n, s, e in places]
    cosines = [0.0] * len(texts)
    if embedder is not None:
        vector = embedder.embed_queries([query.embedded])[0]
        cosines = (embedder.embed_passages(texts) @ vector).tolist()
    best = max((p.score for p in passages), default=1.0) or 1.0
    low = min((p.score for p in passages), default=0.0)
    spread = (best - low) or 1.0
    found = [
        _values(query, text, passages[number], idf)
        for (number, _, _), text in zip(places, texts, strict=True)
    ]
    if not query.chinese or query.kind in _TOLD_AFTERWARDS:
        _carry_names([number for number, _, _ in places], texts, found)
    names = names_of(query)
    named = passages_with(names, passages[:_MOST_PASSAGES])
    # Beside one name there may be a Chinese one that the first is compared with.
    several = query.kind != "compare" or len(names) > 1
    decides = several and _about(query, names, named, passages)
    forms = _asked_after(query)
    asking = [_asking_sections(query, passage) for passage in passages[:_MOST_PASSAGES]]
    headed = [
        any(first <= start < last for first, last in asking[number]) and not text.startswith("```")
        for (number, start, _), text in zip(places, texts, strict=True)
    ]
    pointed = [
        under and _points_at(query, passages[number].title, text)
        for (number, _, _), text, under in zip(places, texts, headed, strict=True)
    ]
    headed = pointed if any(pointed) else headed
    told_there = any(headed)
    wants_code = _ASKS_CODE.search(query.normalized) is not None
    sides = subjects(query.text) if query.kind == "compare" else ()
    subject = [
        _sides_named(query, sides, passage.title) if len(sides) == _SIDES else 0
        for passage in passages[:_MOST_PASSAGES]
    ]
    reached = [_first_of(names, passage) for passage in passages[:_MOST_PASSAGES]]
    says_what = query.defines or query.bare
    spans = []
    for (number, start, end), text, values, cosine, under in zip(
        places, texts, found, cosines, headed, strict=True
    ):
        passage = passages[number]
        values["cosine"] = cosine
        values["passage"] = (passage.score - low) / spread
        values["rank"] = 1.0 / (1 + number)
        values["opening"] = 1.0 if start < 40 else 0.0
        total = sum(weights.get(name, 0.0) * value for name, value in values.items())
        row = tuple(values.get(name, 0.0) for name in SENTENCE_FEATURES)
        worth = total + _alone(text)
        if decides and number not in named:
            worth = -math.inf  # it speaks of another thing
        if says_what and introduces(text, forms):
            worth += _INTRODUCES_IT
        elif says_what and _opens_section(passage, start, forms):
            worth += _OPENS
        if text.startswith("```") and not wants_code:
            worth -= _CODE
        if told_there and not under and values["coverage"] < 1.0:
            worth = -math.inf  # it stands under another heading, and says less than is asked
        worth -= _IN_PASSING * (max(subject) - subject[number])
        if start < reached[number]:
            worth -= _BEFORE_NAME
        spans.append(Span(number, start, end, row, total, worth, under))
    if told_there:
        most = max(span.worth for span in spans if span.headed)
        spans = [replace(span, worth=min(span.worth, most)) for span in spans]
    spans.sort(key=lambda span: (-span.worth, not span.headed, span.passage, span.start))
    return spans


def _about(
    query: Query, names: Sequence[Concept], named: Container[int], passages: Sequence[Passage]
) -> bool:
    """Whether what has none of the names in a question is about another thing.

    Of a word in small letters that a later passage only mentions, that is not said.
    """
    early = range(min(_EARLY, len(passages)))
    proper = [name for name in names if written_as_name(name.surface, query)]
    return 0 in named or any(
        n in named and (proper or has_one(names, f"{passages[n].title} {passages[n].heading}"))
        for n in early
    )


# In the unit of the score, in which the best sentence of a passage leads the next by about 1.
_SAYS_NOTHING = 12.0
_INTRODUCES_IT = 3.0
_OPENS = 2.0
# What the note on a third thing says of two that are compared, for each that another note is on.
_IN_PASSING = 3.0
_SIDES = 2
# What a passage says before the paragraph that first names what is asked about, of something else.
_BEFORE_NAME = 2.0
# Code shares many words with a question and says little to who does not ask for it.
_CODE = 4.0


def _first_of(names: Sequence[Concept], passage: Passage) -> int:
    """Where in a passage the paragraph begins that first has a name; 0 where its headings do."""
    if not names or has_one(names, f"{passage.title} {passage.heading}"):
        return 0
    start = 0
    for part in passage.text.split("\n\n"):
        if has_one(names, part):
            return start
        start += len(part) + 2
    return 0


def _asking_sections(query: Query, passage: Passage) -> list[tuple[int, int]]:
    """Where in a passage headings ask for all that its title leaves open of a question."""
    asked = len(query.concepts)
    # A single character stands in many other words.
    if any(len(c.surface) == 1 and not c.surface.isascii() for c in query.concepts):
        return []
    if not 0 < _named(query, passage.title) < asked:
        return []
    sections = [(0, passage.heading)]
    above: list[tuple[int, str]] = []
    for line in _HEADING_LINE.finditer(passage.text):
        level = len(line["level"])
        above = [*(one for one in above if one[0] < level), (level, line["name"])]
        sections.append((line.start(), " ".join(name for _, name in above)))
    ends = [start for start, _ in sections[1:]] + [len(passage.text)]
    return [
        (start, end)
        for (start, heading), end in zip(sections, ends, strict=True)
        if _named(query, f"{passage.title} {heading}") == asked
    ]


def _opens_section(passage: Passage, start: int, forms: Sequence[str]) -> bool:
    """Whether a sentence is the first under a heading that names one of the things, and names it.

    What a thing is need not be told by "is": X 要求……, X 把……当作…….
    """
    above = passage.text[:start].rstrip()
    line = _HEADING_LINE.fullmatch(above, above.rfind("\n") + 1)
    heading = line["name"] if line else "" if above else passage.heading
    name = normalize(heading)
    said = normalize(without_marker(passage.text[start : start + 80]))
    return any(len(form) > 1 and name.startswith(form) and said.startswith(form) for form in forms)


def _points_at(query: Query, title: str, text: str) -> bool:
    """Whether a sentence begins with what the title leaves open of a question: "缺点：…"."""
    above = normalize(title)
    packed = squeeze(above)
    head = normalize(without_marker(text)).replace("*", "")
    return any(
        head.startswith(form)
        for concept in query.concepts
        if met(above, packed, concept)[1] == 0.0
        for form in concept.all_forms
        if len(form) > 1
    )


def _named(query: Query, name: str) -> int:
    """How many of the things asked about a title or a heading names."""
    plain = normalize(name)
    packed = squeeze(plain)
    return sum(met(plain, packed, concept)[1] > 0.0 for concept in query.concepts)


def _sides_named(query: Query, sides: Sequence[str], title: str) -> int:
    """How many of the two things that are compared a title names."""
    plain = normalize(title)
    packed = squeeze(plain)
    names = [normalize(side) for side in sides]
    return sum(
        any(met(plain, packed, c)[1] > 0.0 for c in query.concepts if c.surface in name)
        for name in names
    )


def _asked_after(query: Query) -> list[str]:
    """All names of what a question wants to have defined: its Latin names, else its terms."""
    surfaces = [concept.surface for concept in query.concepts]
    whole = [
        concept
        for concept in query.concepts
        if not any(
            surface != concept.surface and concept.surface in surface for surface in surfaces
        )
    ]
    forms = [form for concept in names_of(query) or whole for form in concept.all_forms]
    return [query.content, *forms]


def _alone(text: str) -> float:
    return -_SAYS_NOTHING if points_elsewhere(text) or asks(text) or breaks_off(text) else 0.0


_HELPS = re.compile(r"办法|对策|做法|改用|改成|补救|避免|防止|消除")
_SET_APART = 4.0
_DISPLAYED = re.compile(r"\$\$|\\\[|\\begin")
# What causes a thing, helps against it, or how much it is, is told in the sentence after the one
# that names it.
_TOLD_AFTERWARDS = frozenset(("how", "why", "pros", "formula", "example", "number"))
# What the sentence before names counts a little less than a name of its own.
_CARRIED = 0.9


def _carry_names(
    numbers: Sequence[int], texts: Sequence[str], found: Sequence[dict[str, float]]
) -> None:
    """Let a sentence speak of what the one before it in its passage names.

    What is said of a thing in the sentence after the one that names it would never be
    chosen otherwise: of a question without Chinese, names are all that Chinese sentences
    can share. A row or an item has a topic of its own.
    """
    for name in ("gram_coverage", "open_coverage"):
        own = [values[name] for values in found]
        for i in range(1, len(found)):
            apart = LIST_ITEM.match(texts[i]) or texts[i].startswith("|")
            if numbers[i] == numbers[i - 1] and not apart:
                found[i][name] = max(own[i], _CARRIED * own[i - 1])


def _values(
    query: Query, text: str, passage: Passage, idf: Mapping[str, float]
) -> dict[str, float]:
    own = normalize(text)
    own_squeezed = squeeze(own)
    around = normalize(f"{passage.title} {passage.heading}")
    around_squeezed = squeeze(around)
    total = inside = above = either = left = met_of_left = 0.0
    latin: list[bool] = []
    renamed: dict[str, float] = {}
    for concept in query.concepts:
        weight = best_idf(concept.all_forms, idf)
        _, here = met(own, own_squeezed, concept)
        if 0.0 < here < 1.0:  # by another name
            for gram in map("".join, pairwise(concept.surface)):
                renamed[gram] = max(renamed.get(gram, 0.0), here)
        _, there = met(around, around_squeezed, concept)
        total += weight
        inside += weight * here
        above += weight * there
        either += weight * max(here, there)
        if there == 0.0:
            left += weight
            met_of_left += weight * here
            if concept.surface.isascii():
                latin.append(here > 0.0)
    total = total or 1.0
    if query.chinese:
        grams = query.own_grams
        # What the title names need not be named again.
        left_grams = [gram for gram in grams if gram not in around_squeezed] or grams
        gram_coverage = _share(grams, own_squeezed, renamed)
        # A Latin word is one gram at most, and letters of formulas and short words are none: NaN
        # says as much as several grams.
        count = len(left_grams)
        named = _share(left_grams, own_squeezed, renamed) * count + sum(latin)
        open_coverage = named / (count + len(latin) or 1)
    else:
        gram_coverage = inside / total
        open_coverage = met_of_left / left if left else gram_coverage
    content = squeeze(query.content)
    return {
        "coverage": inside / total,
        "context_coverage": either / total,
        "title_coverage": above / total,
        "gram_coverage": gram_coverage,
        "open_coverage": open_coverage,
        "longest_common": longest_common(content, own_squeezed) / (len(content) or 1),
        "cue": _cue(query, own),
        "number": meets_number(query, own),
        "short": 1.0 if len(own_squeezed) < 10 else 0.0,
        "question": 1.0 if own.rstrip().endswith("?") else 0.0,
    }


def _share(grams: Sequence[str], squeezed: str, renamed: Mapping[str, float]) -> float:
    """How many of some grams a sentence has, as a share.

    Args:
        renamed: of grams of words that it has by another name, how far that meets them.
    """
    met_by = (1.0 if gram in squeezed else renamed.get(gram, 0.0) for gram in grams)
    return sum(met_by) / (len(grams) or 1)


def _cue(query: Query, text: str) -> float:
    """Whether a sentence speaks as the answers to such questions do.

    Who asks for a formula wants one that is set apart more than one in the line; who asks for an
    example wants nothing else.
    """
    cue = CUES.get(query.kind)
    if query.kind == "how":
        if text.startswith("|"):
            return 0.0  # "Method" heads a column.
        if _HELPS.search(text):
            return 1.0
    if not cue or not cue.search(text):
        return 0.0
    apart = query.kind == "example" or (query.kind == "formula" and _DISPLAYED.search(text))
    return _SET_APART if apart else 1.0


# How many sentences at most, and how far below the best one in score. A fact is one
# sentence; reasons, steps and comparisons seldom fit into one.
_NARROW = (2, 1.0)
_BREADTH = {
    "list": (4, 2.5),
    "why": (3, 2.5),
    "how": (4, 2.5),
    "compare": (4, 2.5),
    "pros": (4, 2.5),
    "what": (3, 2.0),
    "formula": (3, 2.0),
    "other": (3, 2.0),
}


def extract(
    query: Query,
    passages: Sequence[Passage],
    idf: Mapping[str, float],
    embedder: Embedder | None,
    told: Container[tuple[str, int]] = (),
) -> Extraction:
    """Choose the sentences that answer, each with its citation.

    Args:
        told: by document and offset, sentences that are not to be quoted again. Nothing is
            quoted beside them that would be about another thing.
    """
    weights = sentence_weights()
    scored = score_sentences(query, passages, idf, embedder, weights)
    spans = [span for span in scored if _place(span, passages) not in told] if told else scored
    if not spans or (told and spans[0].worth == -math.inf):
        return Extraction((), (), ())
    most, margin = _BREADTH.get(query.kind, _NARROW)
    # What a definition is worth more leaves nothing out that would go with it otherwise.
    margin += max(0.0, spans[0].worth - spans[0].score)
    chosen = _choose(spans, passages, most, margin)
    chosen = both_sides(query, chosen, spans, passages)
    best = max(chosen, key=lambda span: span.worth)
    answered = best.values[_NUMBER_FEATURE] > 0.0
    says_it = best.values[_COVERAGE_FEATURE] >= _NEARLY_ALL
    whole = completed(query, chosen, spans, passages, answered=answered, told=says_it)
    found = _quoted(forward(query, whole, passages), passages, spans)
    # Nothing else is a definition; that says nothing of what is left.
    return replace(found, below=min(scored[0].worth, scored[0].score) - spans[0].worth)


def _place(span: Span, passages: Sequence[Passage]) -> tuple[str, int]:
    passage = passages[span.passage]
    return passage.document_id, passage.start + span.start


def _quoted(
    chosen: Sequence[Span], passages: Sequence[Passage], ranked: Sequence[Span]
) -> Extraction:
    sentences, citations = quoted(chosen, passages)
    best = max(ranked, key=lambda span: span.score)
    return Extraction(sentences, citations, best.values, tuple(ranked))


def _choose(
    spans: Sequence[Span], passages: Sequence[Passage], most: int, margin: float
) -> list[Span]:
    best = spans[0]
    chosen = [best]
    length = best.end - best.start
    said = [_grams(passages[best.passage].text[best.start : best.end])]
    for span in spans[1:]:
        if len(chosen) == most:
            break
        text = passages[span.passage].text[span.start : span.end]
        if span.worth < best.worth - margin and not _says_all(text, span, best, margin):
            continue
        size = span.end - span.start
        if length + size > MOST_CHARACTERS:
            continue
        grams = _grams(text)
        if any(len(grams & other) > 0.6 * min(len(grams), len(other)) for other in said):
            continue
        chosen.append(span)
        said.append(grams)
        length += size
    return ordered(chosen, passages)


def _says_all(text: str, span: Span, best: Span, margin: float) -> bool:
    """Whether a sentence far below the best one still has all that is asked, in its passage."""
    whole = span.values[_COVERAGE_FEATURE] == 1.0 and not text.startswith("```")
    return whole and span.passage == best.passage and span.worth >= best.worth - 2 * margin - 1


def _grams(text: str) -> set[str]:
    packed = squeeze(normalize(text))
    return {packed[i : i + 3] for i in range(max(1, len(packed) - 2))}
