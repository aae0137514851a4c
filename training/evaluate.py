"""What the embedder adds to BM25 on the tuning sets.

    python -m training.evaluate --data DIR [--model DIR …] [--sets …] [--json]

BM25 here is words (jieba, for search) plus half-weight Han bigrams with question words
dropped, over the text alone; the fusion adds the cosine times a weight, the same for all
sets, as the retriever does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rjieba
import scipy.sparse as sp
from numpy.typing import NDArray

from notesqa.embedding.builtin import BuiltinEmbedder
from notesqa.text.normalize import normalize
from training.reading import rows

SETS = "dl500 reflection javaguide tidb_docs cmrc2018 drcd_dev xquad_zh csl".split()
WEIGHTS = (0.0, 4.0, 8.0, 12.0, 16.0, 24.0)
_K1, _B = 1.2, 0.75
_TOKEN = re.compile(r"[\u3400-\u9fff]+|[a-z]+|[0-9]+")
_ASKING = re.compile(
    r"请?(?:简单|简要)?(?:介绍|说明|阐述|描述|解释|谈谈|说说|讲讲|聊聊)(?:一下|下)?|为什么|为何|是什么|什么是|"
    r"什么|如何|怎么样|怎么|怎样|有哪些|哪些|哪个|哪种|是否|能否|可以|请问|多少|几种|吗|呢|你|我们?"
)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A tuning set; `gold` is the row of the right section for each question."""

    name: str
    texts: tuple[str, ...]
    questions: tuple[str, ...]
    gold: NDArray[np.int64]


def read_set(data: Path, name: str) -> QuestionSet:
    """One of the tuning sets."""
    folder = data / "tuning" / name
    corpus = list(rows(folder / "corpus.jsonl.gz"))
    place = {row["id"]: i for i, row in enumerate(corpus)}
    asked = list(rows(folder / "qa.jsonl.gz"))
    return QuestionSet(
        name,
        tuple(row["text"] for row in corpus),
        tuple(row["question"] for row in asked),
        np.array([place[row["doc_id"]] for row in asked]),
    )


def _words(text: str) -> list[str]:
    return [w for run in _TOKEN.findall(normalize(text)) for w in rjieba.cut_for_search(run, True)]


def _grams(text: str) -> list[str]:
    found = []
    for run in _TOKEN.findall(normalize(text)):
        if run[0] >= "\u3400":
            found += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
    return found


class Bm25:
    """BM25 over two fields of one corpus, as a sparse matrix."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._fields = [_Field(texts, _words, 1.0), _Field(texts, _grams, 0.5)]

    def scores(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """Shape `(len(questions), len(texts))`."""
        asked = [_ASKING.sub(" ", normalize(q)) or q for q in questions]
        parts = [field.scores(asked) for field in self._fields]
        return np.asarray(parts[0] + parts[1], dtype=np.float32)


class _Field:
    def __init__(
        self, texts: Sequence[str], cut: Callable[[str], list[str]], weight: float
    ) -> None:
        self._cut = cut
        self._weight = weight
        self._ids: dict[str, int] = {}
        indptr, indices, data = [0], [], []
        lengths = []
        for text in texts:
            counts: Counter[str] = Counter(cut(text))
            lengths.append(sum(counts.values()))
            for word, count in counts.items():
                indices.append(self._ids.setdefault(word, len(self._ids)))
                data.append(count)
            indptr.append(len(indices))
        tf = sp.csr_matrix(
            (np.array(data, dtype=np.float32), indices, indptr),
            shape=(len(texts), len(self._ids)),
        )
        length = np.array(lengths, dtype=np.float32)
        norm = _K1 * (1 - _B + _B * length / max(1e-9, length.mean()))
        df = np.bincount(tf.indices, minlength=len(self._ids))
        idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        coo = tf.tocoo()
        value = idf[coo.col] * coo.data * (_K1 + 1) / (coo.data + norm[coo.row])
        self._matrix = sp.csc_matrix((value, (coo.row, coo.col)), shape=tf.shape).T.tocsr()

    def scores(self, questions: Sequence[str]) -> NDArray[np.float32]:
        indptr, indices = [0], []
        for question in questions:
            indices += [self._ids[w] for w in dict.fromkeys(self._cut(question)) if w in self._ids]
            indptr.append(len(indices))
        q = sp.csr_matrix(
            (np.full(len(indices), self._weight, dtype=np.float32), indices, indptr),
            shape=(len(questions), len(self._ids)),
        )
        return np.asarray((q @ self._matrix).toarray(), dtype=np.float32)


def ranks(scores: NDArray[np.float32], gold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rank of the gold row in each line of `scores`; ties count half."""
    right = scores[np.arange(len(gold)), gold][:, None]
    found: NDArray[np.float64] = (
        1 + (scores > right).sum(axis=1) + ((scores == right).sum(axis=1) - 1) / 2
    )
    return found


def mrr(found: NDArray[np.float64], depth: int = 10) -> float:
    """Mean reciprocal rank, zero beyond `depth`."""
    return float(np.where(found <= depth, 1 / found, 0).mean())


def lexical_scores(asked: QuestionSet, cache: Path) -> NDArray[np.float32]:
    """BM25 of every question over every text, kept in `cache`."""
    path = cache / f"bm25-{asked.name}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    scores = Bm25(asked.texts).scores(asked.questions)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, scores.astype(np.float16))
    return scores


def evaluate(
    embedder: BuiltinEmbedder, asked: QuestionSet, lexical: NDArray[np.float32]
) -> dict[str, float]:
    """MRR@10 of BM25, of the cosine and of their sums, and recall@10."""
    passages = embedder.embed_passages(asked.texts)
    cosine = embedder.embed_queries(asked.questions) @ passages.T
    result: dict[str, float] = {"dense": mrr(ranks(cosine, asked.gold))}
    result["dense R@10"] = float((ranks(cosine, asked.gold) <= 10).mean())
    for weight in WEIGHTS:
        found = ranks(lexical.astype(np.float32) + weight * cosine, asked.gold)
        result[f"+{weight:g}"] = mrr(found)
    result["R@10 bm25"] = float((ranks(lexical.astype(np.float32), asked.gold) <= 10).mean())
    result["R@10 +8"] = float(
        (ranks(lexical.astype(np.float32) + 8 * cosine, asked.gold) <= 10).mean()
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, nargs="+")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--cache", type=Path, default=Path("training/work/cache"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    for folder in options.model or [None]:
        embedder = BuiltinEmbedder(folder)
        table = {}
        for name in options.sets:
            asked = read_set(options.data, name)
            table[name] = evaluate(embedder, asked, lexical_scores(asked, options.cache))
        if options.json:
            json.dump(table, sys.stdout)
            continue
        print(f"\n{folder or 'shipped'}")
        columns = list(next(iter(table.values())))
        print(f"{'':12}" + "".join(f"{c:>11}" for c in columns))
        for name, row in table.items():
            print(f"{name:12}" + "".join(f"{row[c]:11.3f}" for c in columns))
        means = [np.mean([row[c] for row in table.values()]) for c in columns]
        print(f"{'mean':12}" + "".join(f"{m:11.3f}" for m in means))
    return 0


if __name__ == "__main__":
    sys.exit(main())
