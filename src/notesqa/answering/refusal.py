"""Whether the notes answer a question at all.

A logistic model over a few signals of the best passages and of the best sentence;
its weights come from answerable and unanswerable questions of the tuning sets
(`python -m training.answerer`). It separates questions of another field well and
near misses of the same field only in part, so between refusal and certainty there
is a third outcome: to quote what is nearest and to say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from notesqa.answering.extract import SENTENCE_FEATURES, Extraction
from notesqa.answering.naming import names_of, stands_in
from notesqa.answering.numbers import asks_number, meets_number
from notesqa.catalog import ChunkRow
from notesqa.records import Citation
from notesqa.retrieval import Hit
from notesqa.retrieval.features import met, squeeze
from notesqa.retrieval.query import Query
from notesqa.retrieval.ranking import Weights, logistic
from notesqa.retrieval.terms import Concept, is_field_term
from notesqa.text.normalize import normalize
from notesqa.text.script import asks_in_english, mostly_english

Outcome = Literal["answer", "nearest", "refuse"]

REFUSAL_ZH = "笔记里没有说到这个问题。"
REFUSAL_EN = "The notes do not say."
NO_MORE_ZH = "笔记里说到的就是这些了。"
NO_MORE_EN = "That is all that the notes say of it."


@dataclass(frozen=True, slots=True)
class Judgement:
    """How sure it is that the notes answer.

    Attributes:
        probability: calibrated on the tuning sets; 0 to 1.
        signals: what it rests on.
    """

    outcome: Outcome
    probability: float
    signals: Mapping[str, float]


def refusal_text(question: str, notes: Iterable[str] = (), *, told: bool = False) -> str:
    """The fixed refusal in the language of the question.

    Args:
        notes: what was found; of a question that is a mere name it decides the language.
        told: something was said before, and more is asked for.
    """
    if told:
        return NO_MORE_EN if mostly_english(question) else NO_MORE_ZH
    return REFUSAL_EN if asks_in_english(question, notes) else REFUSAL_ZH


_LOOKED_AT = 8
SIGNALS = (
    "coverage",
    "opening_coverage",
    "gram_coverage",
    "cosine",
    "gap",
    "latin_coverage",
    "sentence_coverage",
    "sentence_cosine",
    "sentence_number",
)


def signals(query: Query, hits: Sequence[Hit], extraction: Extraction) -> dict[str, float]:
    """What the judgement rests on; all zero when nothing was found.

    Args:
        hits: ranked, best first.
        extraction: the sentences that would answer; the best one's features count.
    """
    if not hits or not extraction.best:
        return dict.fromkeys(SIGNALS, 0.0)
    top = hits[:3]

    def most(name: str) -> float:
        return max(hit.value(name) for hit in top)

    sentence = dict(zip(SENTENCE_FEATURES, extraction.best, strict=True))
    fifth = hits[min(4, len(hits) - 1)].score
    # A question without Chinese meets Chinese notes through other names, which grams do not
    # count for it.
    floor = 0.0 if query.chinese else most("coverage")
    return {
        "coverage": most("coverage"),
        "opening_coverage": most("opening_coverage"),
        "gram_coverage": max(floor, most("gram_coverage")),
        "cosine": most("cosine"),
        "gap": hits[0].score - fifth,
        "latin_coverage": most("latin_coverage") if query.latin else 1.0,
        "sentence_coverage": sentence["coverage"],
        "sentence_cosine": sentence["cosine"],
        "sentence_number": sentence["number"] if asks_number(query) else 1.0,
    }


def judge(
    query: Query,
    hits: Sequence[Hit],
    extraction: Extraction,
    weights: Weights,
) -> Judgement:
    """Whether to answer, to quote what is nearest, or to refuse; see `signals`."""
    found = signals(query, hits, extraction)
    if not hits or not query.content.strip():
        return Judgement("refuse", 0.0, found)
    total = weights.answerable_bias + sum(
        weights.answerable.get(name, 0.0) * value for name, value in found.items()
    )
    probability = logistic(total)
    if probability < weights.threshold:
        return Judgement("refuse", probability, found)
    unmet = (
        names_nobody_has(query, hits)
        or names_not_quoted(query, hits, extraction)
        or kinds_not_quoted(query, hits, extraction)
    )
    lacking = _lacks_number(query, hits, extraction) or _lacks_drawback(query, hits, extraction)
    if probability < weights.nearest or unmet or lacking:
        return Judgement("nearest", probability, found)
    return Judgement("answer", probability, found)


def names_nobody_has(query: Query, hits: Sequence[Hit]) -> list[str]:
    """Names in the question that no passage found for it has, by this name or another.

    Whoever asks about MagFace where the notes know ArcFace only is not told of ArcFace
    as if that were the answer. Everyday English words are no names.
    """
    return _missing(names_of(query), hits[:_LOOKED_AT])


def names_not_quoted(query: Query, hits: Sequence[Hit], extraction: Extraction) -> list[str]:
    """Names in the question that no passage has from which something is quoted.

    The v3 of another model's name does not make an answer about YOLO one about YOLO v3. Of
    two that are compared the notes may know one only.
    """
    if query.kind == "compare" or not extraction.citations:
        return []
    quoted = [hit for hit in hits if any(_holds(hit.row, c) for c in extraction.citations)]
    return _missing(names_of(query), quoted) if quoted else []


def kinds_not_quoted(query: Query, hits: Sequence[Hit], extraction: Extraction) -> list[str]:
    """Of what kind the answer must be, where no passage speaks of that from which is quoted.

    Which optimizer trained a network is not said where optimizers do not come up.
    """
    wanted = [
        concept
        for concept in query.concepts
        if len(concept.surface) > 1
        and is_field_term(concept.surface)
        and re.search(
            rf"(?:什么|啥|哪[种个款]|多少[千万亿]?个?){re.escape(concept.surface)}",
            query.normalized,
        )
    ]
    quoted = [hit for hit in hits if any(_holds(hit.row, c) for c in extraction.citations)]
    return _missing(wanted, quoted) if quoted else []


def _holds(row: ChunkRow, citation: Citation) -> bool:
    """Whether a quotation is from a chunk, or from a passage that begins with it."""
    overlaps = row.start < citation.end and citation.start < row.end
    return row.id == citation.chunk_id or (row.document_id == citation.document_id and overlaps)


def _missing(names: Sequence[Concept], hits: Sequence[Hit]) -> list[str]:
    if not names:
        return []
    texts = [normalize(" ".join((hit.row.title, *hit.row.heading, hit.row.text))) for hit in hits]
    squeezed = [squeeze(text) for text in texts]
    return [
        concept.surface
        for concept in names
        if not any(
            stands_in(concept, text, packed) for text, packed in zip(texts, squeezed, strict=True)
        )
    ]


def _lacks_number(query: Query, hits: Sequence[Hit], extraction: Extraction) -> bool:
    """Whether a number or a date is asked for, and nothing that is quoted can be it.

    What stands in a passage without the names in the question is the number of something else,
    and so is what stands in a sentence without anything that its headings leave open of it.
    """
    if not asks_number(query):
        return False
    names = names_of(query)
    for citation in extraction.citations:
        if meets_number(query, normalize(citation.quote)) >= 0.5:
            around = [hit for hit in hits if _holds(hit.row, citation)]
            if not around:
                return False
            if not _missing(names, around) and _is_of_it(query, citation, around):
                return False
    return True


def _is_of_it(query: Query, citation: Citation, around: Sequence[Hit]) -> bool:
    """Whether a quotation has any of what the headings above it leave open of a question."""
    above = normalize(" ".join(" ".join((hit.row.title, *hit.row.heading)) for hit in around))
    packed = squeeze(above)
    left = [
        concept
        for concept in query.concepts
        if met(above, packed, concept)[1] == 0.0
        and not _HOW_MUCH.search(concept.surface)
        # A single character stands in many other words.
        and (len(concept.surface) > 1 or concept.surface.isascii())
    ]
    said = normalize(citation.quote)
    packed = squeeze(said)
    return not left or any(met(said, packed, concept)[1] > 0.0 for concept in left)


# Drawbacks alone: what is good of a thing is said in any words.
_ASKS_DRAWBACKS = re.compile(
    r"(?<!优)缺点|不足(?=$|[?。 ]|之处|是|有|在)|局限|劣势|坏处|(?<!利)弊|\b(?:drawback|disadvantage|limitation)s?\b"
)
_DRAWBACK = re.compile(
    r"缺点|不足|局限|劣势|坏处|弊|短板|缺陷|瓶颈|代价|毛病|麻烦|限制|不便|不适合|不如|不好|不稳|不收敛|敏感|"
    r"失效|吃亏|偏[高低大弱差]|[更较太变]弱|[更变较]差|漏检|难|[更太变较会]慢|耗|占[内显]?存|开销|只能|无法|做不到|退化|坍塌|爆炸|"
    r"drawback|disadvantage|limit|cost|slow|fail|cannot|expensive"
)


def _lacks_drawback(query: Query, hits: Sequence[Hit], extraction: Extraction) -> bool:
    """Whether drawbacks are asked for and nothing that is quoted, nor its headings, tells any."""
    asked = query.kind == "pros" and _ASKS_DRAWBACKS.search(query.normalized)
    if not asked or not extraction.citations:
        return False
    quoted = [hit.row for hit in hits if any(_holds(hit.row, c) for c in extraction.citations)]
    headings = (heading for row in quoted for heading in row.heading)
    said = normalize(" ".join((*(c.quote for c in extraction.citations), *headings)))
    return not _DRAWBACK.search(said)


_HOW_MUCH = re.compile(r"一般|通常|大概|大约|几|多")
