"""What every part of the retriever is worth: the same questions with one part less."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from benchmarks.figures import rank_of
from notesqa.retrieval import query as query_module
from notesqa.retrieval.features import FEATURES
from notesqa.retrieval.ranking import load_weights
from notesqa.retrieval.terms import TermTable

if TYPE_CHECKING:
    from benchmarks.figures import Ranks
    from notesqa.retrieval import Hit, Retriever
    from notesqa.retrieval.query import Query

Rank = Callable[[str], Iterable[str]]
"""From a question to document ids, best first, repetitions allowed."""

CANDIDATES = 24
LEXICAL = 60
DENSE = 30
L2 = 1e-3
FOLDS = 5
GROUPS: Mapping[str, Sequence[str]] = {
    "BM25": ("bm25",),
    "cosine": ("cosine",),
    "coverage of the text": ("coverage", "gram_coverage", "latin_coverage"),
    "coverage of the beginning": ("opening", "lead", "early"),
    "beginnings of clauses": ("topic",),
    "nearest others": ("apart", "beside"),
    "longest common run": ("longest_common",),
    "kind of question": ("cue",),
    "symbols": ("symbols",),
}
"""Features by the beginnings of their names."""


class NoVectors:
    """Stands where the vector engine stood, at the same commit, and finds nothing."""

    def __init__(self, commit: int) -> None:
        self.commit = commit

    def is_current(self, _log: object) -> bool:
        """There is nothing to follow."""
        return True

    def search(self, _query: object, _limit: int, _allowed: object = None) -> list[Any]:
        """No neighbours."""
        return []

    def scores(self, _query: object, _keys: Sequence[int]) -> dict[int, float]:
        """No cosines."""
        return {}

    def nearest_among(
        self, _keys: Sequence[int], _among: Sequence[int], _count: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Nothing stands near anything."""
        return {}


@contextmanager
def without_vectors(retriever: Retriever) -> Iterator[None]:
    """Search by words and grams alone, the ranker's cosine 0."""
    retriever.refresh()
    nothing = NoVectors(retriever.followers[1].commit)
    with mock.patch.object(retriever, "_vectors", nothing):
        yield


@contextmanager
def without_terms(retriever: Retriever) -> Iterator[None]:
    """Search for what the question says, under no other name."""
    retriever.refresh()
    with mock.patch.object(retriever, "_terms", TermTable(())):
        yield


@contextmanager
def without_question_words() -> Iterator[None]:
    """Let the words that only ask count as those that are asked about."""
    with (
        mock.patch.object(query_module, "_FUNCTION_WORDS", frozenset[str]()),
        mock.patch.object(query_module, "content_of", _whole),
    ):
        yield


def _whole(normalized: str) -> str:
    return " ".join(query_module._PUNCTUATION.sub(" ", normalized).split())


# -- the stages, from words alone to the ranker ------------------------------------------


def _documents(retriever: Retriever, keys: Iterable[int]) -> list[str]:
    wanted = list(keys)
    rows = retriever._catalog.chunk_rows(wanted)
    return [rows[key].document_id for key in wanted if key in rows]


def stages(retriever: Retriever) -> dict[str, Rank]:
    """Rankings from BM25 over the whole question to all candidates ranked."""

    def plain(question: str) -> list[str]:
        words = dict.fromkeys(retriever.segmenter.words(question), 1.0)
        lexical, _ = retriever.followers
        return _documents(retriever, (key for key, _ in lexical.search(words, {}, LEXICAL)))

    def lexical(query: Query, grams: Mapping[str, float]) -> list[tuple[int, float]]:
        return retriever.followers[0].search(query.words, grams, LEXICAL)

    def words(question: str) -> list[str]:
        return _documents(retriever, (k for k, _ in lexical(retriever.analyse(question), {})))

    def words_and_grams(question: str) -> list[str]:
        query = retriever.analyse(question)
        return _documents(retriever, (key for key, _ in lexical(query, query.grams)))

    def dense(question: str) -> list[str]:
        query = retriever.analyse(question)
        vector = retriever.embedder.embed_queries([query.embedded])[0]
        found = retriever.followers[1].search(vector, LEXICAL)
        return _documents(retriever, (key for key, _ in found))

    def fused(question: str) -> list[str]:
        query = retriever.analyse(question)
        vector = retriever.embedder.embed_queries([query.embedded])[0]
        vectors = retriever.followers[1]
        found = dict(lexical(query, query.grams))
        near = dict(vectors.search(vector, DENSE))
        near.update(vectors.scores(vector, [key for key in found if key not in near]))
        weight = load_weights().dense
        total = {k: found.get(k, 0.0) + weight * near.get(k, 0.0) for k in {*found, *near}}
        return _documents(retriever, sorted(total, key=lambda key: (-total[key], key)))

    return {
        "words, question whole (BM25)": plain,
        "words, question words and terms seen to": words,
        "… and bigrams": words_and_grams,
        "vectors alone": dense,
        "words, bigrams and vectors fused, no ranker": fused,
        "all candidates ranked": ranked(retriever),
    }


def ranked(retriever: Retriever) -> Rank:
    """All candidates in the ranker's order, nothing collapsed or joined."""

    def rank(question: str) -> list[str]:
        hits = retriever.hits(retriever.analyse(question), limit=CANDIDATES)
        return [hit.row.document_id for hit in hits]

    return rank


# -- the ranker's features -----------------------------------------------------------------


def feature_groups() -> dict[str, tuple[str, ...]]:
    """Every feature in the first group that names it; one that none names stands alone."""
    groups: dict[str, list[str]] = {}
    for feature in FEATURES:
        name = next((n for n, starts in GROUPS.items() if feature.startswith(tuple(starts))), "")
        groups.setdefault(name or feature, []).append(feature)
    return {name: tuple(members) for name, members in groups.items()}


def keep_features(
    path: Path, hits: Sequence[Sequence[Hit]], golds: Sequence[str], texts: Sequence[str]
) -> None:
    """Write one set's candidates in the form that `training.ranker` learns from."""
    rows = [(n, hit) for n, found in enumerate(hits) for hit in found]
    np.savez_compressed(
        path,
        features=np.array([hit.values for _, hit in rows], dtype=np.float32),
        labels=np.array([hit.row.document_id == golds[n] for n, hit in rows]),
        groups=np.array([n for n, _ in rows]),
        documents=np.array([hit.row.document_id for _, hit in rows]),
        plain=np.zeros(len(hits)),
        names=np.array(FEATURES),
        questions=len(hits),
        texts=np.array(texts),
    )


def reweighted(
    hits: Sequence[Sequence[Hit]], golds: Sequence[str], left_out: Sequence[str]
) -> Ranks:
    """Ranks when some features weigh nothing and the others what they weigh now."""
    shipped = load_weights()
    left = {f: w for f, w in shipped.rank.items() if f not in left_out}
    weights = dataclasses.replace(shipped, rank=left)
    ranks = []
    for found, gold in zip(hits, golds, strict=True):
        order = sorted(found, key=lambda hit: (-weights.score(hit.values), hit.row.pk))
        ranks.append(rank_of(gold, (hit.row.document_id for hit in order)))
    return np.array(ranks)


def learned_anew(work: Path, names: Sequence[str], left_out: Sequence[str]) -> dict[str, Ranks]:
    """Ranks by set under weights that other questions taught, without some features.

    Five folds over the questions of all sets together: no question is ranked by
    weights that have seen it.
    """
    from training.ranker import Set, learn

    sets = [Set(work, name) for name in names]
    columns = [i for i, f in enumerate(FEATURES) if f not in left_out]
    folds = {s.name: np.arange(s.n) % FOLDS for s in sets}
    ranks = {s.name: np.zeros(s.n, dtype=np.int64) for s in sets}
    for fold in range(FOLDS):
        theta = learn(sets, {s.name: folds[s.name] != fold for s in sets}, columns, L2)
        for s in sets:
            values = s.x[:, columns] @ theta
            bounds = np.searchsorted(s.g, np.arange(s.n + 1))
            for q in np.flatnonzero(folds[s.name] == fold):
                a, b = bounds[q], bounds[q + 1]
                order = a + np.argsort(-values[a:b], kind="stable")
                golds = s.d[a:b][s.y[a:b]]
                if len(golds):
                    ranks[s.name][q] = rank_of(golds[0], s.d[order])
    return ranks
