"""Whether the notes answer a question at all.

A logistic model over a few signals of the best passages and of the best sentence;
its weights come from answerable and unanswerable questions of the tuning sets
(`python -m training.refusal`). It separates questions of another field well and
near misses of the same field only in part, so between refusal and certainty there
is a third outcome: to quote what is nearest and to say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from notesqa.retrieval import Hit
from notesqa.retrieval.query import Query
from notesqa.retrieval.ranking import Weights, logistic
from notesqa.text.script import mostly_english

Outcome = Literal["answer", "nearest", "refuse"]

REFUSAL_ZH = "笔记里没有说到这个问题。"
REFUSAL_EN = "The notes do not say."


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


def refusal_text(question: str) -> str:
    """The fixed refusal in the language of the question."""
    return REFUSAL_EN if mostly_english(question) else REFUSAL_ZH


def signals(hits: Sequence[Hit], best_sentence: float) -> dict[str, float]:
    """What the judgement rests on; all zero when nothing was found.

    Args:
        hits: ranked, best first.
        best_sentence: share of the question that the best sentence covers.
    """
    top = hits[:3]
    if not top:
        return dict.fromkeys(SIGNALS, 0.0)

    def most(name: str) -> float:
        return max(hit.value(name) for hit in top)

    return {
        "coverage": most("coverage"),
        "head_coverage": most("head_coverage"),
        "title_coverage": most("title_coverage"),
        "bm25_words": min(most("bm25_words"), 3.0),
        "bm25_grams": min(most("bm25_grams"), 3.0),
        "gram_coverage": most("gram_coverage"),
        "cosine": most("cosine"),
        "longest_common": most("longest_common"),
        "sentence": best_sentence,
    }


SIGNALS = (
    "coverage",
    "head_coverage",
    "title_coverage",
    "bm25_words",
    "bm25_grams",
    "gram_coverage",
    "cosine",
    "longest_common",
    "sentence",
)


def judge(query: Query, hits: Sequence[Hit], best_sentence: float, weights: Weights) -> Judgement:
    """Whether to answer, to quote what is nearest, or to refuse."""
    found = signals(hits, best_sentence)
    if not hits or not query.content.strip():
        return Judgement("refuse", 0.0, found)
    total = weights.answerable_bias + sum(
        weights.answerable.get(name, 0.0) * value for name, value in found.items()
    )
    probability = logistic(total)
    if probability < weights.threshold:
        return Judgement("refuse", probability, found)
    if probability < weights.nearest:
        return Judgement("nearest", probability, found)
    return Judgement("answer", probability, found)
