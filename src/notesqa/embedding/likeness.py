"""Cosines of any embedder on the scale of the built-in one.

The weights of the ranker and of the refusal were fitted to the built-in embedder, whose
cosines of unrelated texts lie about 0.1, give or take 0.1. Those of a transformer lie
anywhere: contextual vectors crowd into a cone (Ethayarajh, 2019, "How contextual are
contextualized word representations?"), and with multilingual-e5 hardly two texts lie
below 0.75. Taken as they are, such cosines would tell the ranker next to nothing and the
refusal that every question is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from notesqa.embedding import Likeness
from notesqa.embedding.builtin import BuiltinEmbedder
from notesqa.text.script import mostly_english

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from notesqa.embedding import Embedder

_ENOUGH_QUESTIONS = 16
_LEAST_SPREAD = 0.05
_NONE = 1e-6
_ELSEWHERE = (
    *("今天天气怎么样", "红烧肉怎么做才好吃", "护照丢了怎么补办", "猫为什么喜欢晒太阳"),
    *("房租一个月多少钱", "孩子发烧怎么办", "怎样给自行车换胎", "春节放几天假"),
)
_ELSEWHERE_ENGLISH = (
    *("how is the weather today", "how do I braise pork", "what to do about a lost passport"),
    *("why do cats like the sun", "how much is the rent", "what helps a child with fever"),
    *("how to change a bicycle tyre", "when are the spring holidays"),
)


def is_builtin(embedder: Embedder) -> bool:
    """Whether its cosines need no map."""
    return isinstance(embedder, BuiltinEmbedder)


def measure(
    embedder: Embedder,
    questions: Sequence[tuple[int, str]],
    passages: Sequence[tuple[int, str]],
    vectors: NDArray[np.float32],
) -> Likeness:
    """The map that gives cosines of unrelated texts the mean and spread of the built-in ones.

    Questions are held against the passages of other documents. Where the notes have few,
    questions from quite other fields stand in for them; such questions in both languages
    also tell how much farther one of them lies.

    Args:
        questions: what notes are about, such as headings, with their documents.
        passages: at least one, with their documents.
        vectors: of the passages, by `embedder`; shape `(len(passages), dimension)`.

    Raises:
        EmbeddingError: the embedder fails.
    """
    elsewhere = [(-1, text) for text in (*_ELSEWHERE, *_ELSEWHERE_ENGLISH)]
    told = [(of, text) for of, text in questions if any(of != other for other, _ in passages)]
    few = len(told) < _ENOUGH_QUESTIONS
    asked = [*elsewhere, *told]
    yardstick = BuiltinEmbedder()
    texts = [text for _, text in asked]
    apart = np.array([[of != other for other, _ in passages] for of, _ in asked])
    theirs = np.ma.masked_array(embedder.embed_queries(texts) @ vectors.T, ~apart)
    known = yardstick.embed_passages([text for _, text in passages])
    ours = np.ma.masked_array(yardstick.embed_queries(texts) @ known.T, ~apart)
    here = slice(0 if few else len(elsewhere), None)
    spread = _spread(theirs[here])
    # Where the built-in one knows no word of the notes, all of its cosines are the same.
    factor = max(_spread(ours[here]), _LEAST_SPREAD) / spread if spread > _NONE else 0.0
    away = ours - factor * theirs
    english = float(away[len(_ELSEWHERE) : len(elsewhere)].mean() - away[: len(_ELSEWHERE)].mean())
    share = np.mean([mostly_english(text) for text in texts[here]])
    return Likeness(factor, float(away[here].mean()) - float(share) * english, english)


def _spread(cosines: np.ma.MaskedArray) -> float:
    """Standard deviation around each question's mean, which is what a ranking goes by.

    Where all passages are the same, that between the questions.
    """
    around = float((cosines - cosines.mean(axis=1, keepdims=True)).std())
    return around if around > _NONE else float(cosines.std())
