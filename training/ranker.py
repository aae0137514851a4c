"""Fit the ranker's weights on the tuning sets, with cross-validation over questions.

    python -m training.ranker collect --data ../shared/data/tuning --work training/work
    python -m training.ranker fit --work training/work [--write]

`collect` indexes every set as a home would be (real chunker, catalog, engines and
embedder), searches every question and keeps the features of its candidates. `fit`
learns one linear weight a feature by listwise softmax (Cao et al. 2007, "Learning to
Rank: From Pairwise Approach to Listwise Approach") and prints MRR@10 of the stages.
Only the text of a section is indexed, neither its title nor its context; in the sets
whose name ends in `+n`, the sections of one title make one note, as people have them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from notesqa.catalog import Catalog, ChunkRow, NewChunk, NewDocument, text_key
from notesqa.chunking import chunk
from notesqa.config import EmbeddingSettings, Home, Settings
from notesqa.cutting import embedded_text
from notesqa.embedding import open_embedder
from notesqa.indexing import keep_likeness
from notesqa.records import Document, Source
from notesqa.retrieval import Retriever
from notesqa.retrieval.features import FEATURES

# A set's name with `+n` is the same set as notes: the sections of one title stand under one
# another in one document, below their headings but for the one that is asked. Only so can be
# learned which passage of a note answers, and what its title tells. What is reported as a
# set's figure is always a section a document, text only.
SETS = (
    "dl500", "reflection", "javaguide", "tidb_docs", "cmrc2018", "drcd_dev", "csl", "xquad_zh",
    "dl500+n", "reflection+n", "javaguide+n", "tidb_docs+n",
)  # fmt: skip
# Every set counts the same however many questions it has; encyclopedic ones less: people
# ask their notes as in the first four.
SET_WEIGHTS = {
    "cmrc2018": 0.5, "drcd_dev": 0.5, "csl": 0.5, "xquad_zh": 0.5,
    "dl500+n": 0.3, "reflection+n": 0.3, "javaguide+n": 0.3, "tidb_docs+n": 0.3,
}  # fmt: skip
CANDIDATES = 40
MOST_QUESTIONS = 300
# What was chosen by hand before anything was learned; learning is drawn towards it, since
# the tuning sets' questions are headings, and people ask otherwise.
PRIOR = {
    "bm25": 1.0, "cosine": 0.6, "opening_coverage": 0.4,
    "longest_common": 0.6, "latin_coverage": 0.3, "cue": 0.05, "symbols": 0.2,
}  # fmt: skip
# The sets have no section under the heading that is asked for; chosen on our own questions.
FIXED = {"headed": 5.0}
WEIGHTS = Path(__file__).parent.parent / "src/notesqa/retrieval/weights.json"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def build(
    data: Path,
    name: str,
    work: Path,
    *,
    reuse: bool = False,
    only: frozenset[str] = frozenset(),
    model: str = "builtin",
) -> Retriever:
    """Index one set, or `only` some of its sections, as a home, by the embedder `model`."""
    home = Home(work / "homes" / (f"{name}-{len(only)}" if only else name))
    settings = Settings(embedding=EmbeddingSettings(model=model))
    embedder = open_embedder(settings.embedding)
    if reuse and home.index.exists():
        catalog = Catalog(home.index)
        commit = catalog.commit()
        if commit is not None and commit.embedder == embedder.name:
            retriever = Retriever(home, settings, catalog, embedder=embedder)
            retriever.refresh()
            return retriever
        catalog.close()
    shutil.rmtree(home.path, ignore_errors=True)
    home.corpus.mkdir(parents=True)
    catalog = Catalog(home.index, write=True)
    new, texts = [], {}
    for document in notes(data, name) if name.endswith("+n") else sections(data, name, only):
        chunks = []
        for c in chunk(document, embedder.count_tokens):
            text = embedded_text(document.title, c.heading, c.text)
            texts[text_key(text)] = text
            chunks.append(NewChunk(c, 0, text_key(text)))
        new.append(NewDocument(document, document.id, tuple(chunks)))
    keys = list(texts)
    for first in range(0, len(keys), 1024):
        part = keys[first : first + 1024]
        vectors = embedder.embed_passages([texts[k] for k in part]).astype(np.float16)
        catalog.add_vectors(
            embedder.name, ((k, v.tobytes()) for k, v in zip(part, vectors, strict=True))
        )
    catalog.add_commit(
        recipe="training",
        embedder=embedder.name,
        files=[],
        gone_files=[],
        added=new,
        removed=[],
        moved={},
        duplicates=0,
        seconds=0.0,
    )
    keep_likeness(catalog, embedder)
    retriever = Retriever(home, settings, catalog, embedder=embedder)
    retriever.refresh()
    return retriever


def sections(data: Path, name: str, only: frozenset[str]) -> Iterator[Document]:
    """Each section, or each of `only`, as a document; with its title where the set is named `+t`."""
    for row in rows(data / name.removesuffix("+t") / "corpus.jsonl.gz"):
        if not only or row["id"] in only:
            source = Source(f"corpus/{row['id']}.txt")
            title = row["title"] if name.endswith("+t") else ""
            yield Document(row["id"], title, row["text"], "text", (source,))


def notes(data: Path, name: str) -> Iterator[Document]:
    """The sections of each title as one note, below their headings."""
    for number, (title, members) in enumerate(_titles(data, name).items()):
        text = "".join(part for _, *parts in _under(members) for part in parts)
        source = Source(f"corpus/{number}.md")
        yield Document(str(number), title, text, "markdown", (source,))


def places(data: Path, name: str) -> dict[str, list[tuple[int, int, str]]]:
    """Where sections stand in the notes: start, end and id of each, by the note's id."""
    found = {}
    for number, members in enumerate(_titles(data, name).values()):
        at, spans = 0, []
        for key, heading, text in _under(members):
            at += len(heading)
            spans.append((at, at + len(text), key))
            at += len(text)
        found[str(number)] = spans
    return found


def _titles(data: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    members = defaultdict(list)
    for row in rows(data / name.removesuffix("+n") / "corpus.jsonl.gz"):
        members[row["title"].split(" > ")[0]].append(row)
    return members


def _under(members: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Id, headings that are new since the section before, and text."""
    last: list[str] = []
    for row in members:
        path = row["title"].split(" > ")[1:]
        same = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(path, last)))  # noqa: B905
        heading = "".join(f"{'#' * (n + 2)} {path[n]}\n\n" for n in range(same, len(path)))
        yield row["id"], heading, row["text"] + "\n\n"
        last = path


def collect(data: Path, work: Path, names: list[str], *, reuse: bool) -> None:
    """Search every question and keep the features of its candidates."""
    for name in names:
        started = time.perf_counter()
        retriever = build(data, name, work, reuse=reuse)
        built = time.perf_counter()
        questions = list(rows(data / name.removesuffix("+n") / "qa.jsonl.gz"))
        stands = places(data, name) if name.endswith("+n") else None
        if len(questions) > MOST_QUESTIONS:
            order = np.random.default_rng(7).permutation(len(questions))[:MOST_QUESTIONS]
            questions = [questions[i] for i in sorted(order)]
        features, labels, groups, texts, documents, plain = [], [], [], [], [], []
        latencies = []
        lexical, _ = retriever.followers
        for number, question in enumerate(questions):
            begun = time.perf_counter()
            query = retriever.analyse(question["question"])
            hits = retriever.hits(query, limit=CANDIDATES)
            latencies.append(time.perf_counter() - begun)
            for hit in hits:
                features.append(hit.values)
                labels.append(_answers(hit.row, question["doc_id"], stands))
                groups.append(number)
                # Of a note each passage counts for itself.
                documents.append(str(hit.row.pk) if stands else hit.row.document_id)
            plain.append(_bm25(retriever, lexical, question, stands))
            texts.append(question["question"])
        work.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            work / f"features-{name}.npz",
            features=np.array(features, dtype=np.float32),
            labels=np.array(labels),
            groups=np.array(groups),
            documents=np.array(documents),
            plain=np.array(plain),
            names=np.array(FEATURES),
            questions=len(questions),
            texts=np.array(texts),
        )
        retriever.close()
        print(
            f"{name}: {len(questions)} questions, built in {built - started:.1f} s,"
            f" p50 {1000 * float(np.median(latencies)):.1f} ms",
            flush=True,
        )


def _answers(
    row: ChunkRow, gold: str, stands: dict[str, list[tuple[int, int, str]]] | None
) -> bool:
    """Whether a chunk is of the gold section; in a note, whether half of either is the other."""
    if stands is None:
        return row.document_id == gold
    end = row.start + len(row.text)
    for start, stop, key in stands[row.document_id]:
        if key == gold:
            shared = min(end, stop) - max(row.start, start)
            return 2 * shared >= min(stop - start, end - row.start)
    return False


def _bm25(
    retriever: Retriever,
    lexical: Any,
    question: dict[str, Any],
    stands: dict[str, list[tuple[int, int, str]]] | None,
) -> int:
    """Rank of the gold under BM25 over jieba words alone, as the baseline has it."""
    words = dict.fromkeys(retriever.segmenter.words(question["question"]), 1.0)
    hits = lexical.search(words, {}, 30)
    found = retriever._catalog.chunk_rows([key for key, _ in hits])
    seen: list[str] = []
    for key, _ in hits:
        unit = str(key) if stands else found[key].document_id
        if unit not in seen:
            seen.append(unit)
            if _answers(found[key], question["doc_id"], stands):
                return len(seen)
    return 0


class Set:
    """The collected features of one set."""

    def __init__(self, work: Path, name: str) -> None:
        raw = np.load(work / f"features-{name}.npz")
        self.name = name
        self.x = raw["features"].astype(np.float64)
        self.y = raw["labels"]
        self.g = raw["groups"]
        self.d = raw["documents"]
        self.plain = raw["plain"]
        self.n = int(raw["questions"])
        self.names = [str(n) for n in raw["names"]]

    def mrr(self, scores: np.ndarray, only: np.ndarray | None = None) -> float:
        """MRR@10 by document of candidates ordered by `scores`."""
        total, count = 0.0, 0
        bounds = np.searchsorted(self.g, np.arange(self.n + 1))
        for q in range(self.n):
            if only is not None and not only[q]:
                continue
            count += 1
            a, b = bounds[q], bounds[q + 1]
            if a == b or not self.y[a:b].any():
                continue
            order = np.argsort(-scores[a:b], kind="stable")
            seen: list[str] = []
            for i in order:
                if self.d[a + i] not in seen:
                    seen.append(self.d[a + i])
                    if self.y[a + i]:
                        if len(seen) <= 10:
                            total += 1 / len(seen)
                        break
        return total / max(1, count)

    def plain_mrr(self) -> float:
        """MRR@10 of BM25 over words alone."""
        return float(np.mean([1 / r if 0 < r <= 10 else 0.0 for r in self.plain]))


def learn(
    sets: list[Set], masks: dict[str, np.ndarray], columns: list[int], l2: float
) -> np.ndarray:
    """Weights of `columns` by listwise softmax over questions whose mask is set."""
    blocks = []
    for s in sets:
        bounds = np.searchsorted(s.g, np.arange(s.n + 1))
        weight = SET_WEIGHTS.get(s.name, 1.0) / s.n
        for q in range(s.n):
            a, b = bounds[q], bounds[q + 1]
            if masks[s.name][q] and b > a and s.y[a:b].any() and not s.y[a:b].all():
                blocks.append((s.x[a:b][:, columns], s.y[a:b], weight))
    x = np.concatenate([b[0] for b in blocks])
    scale = x.std(axis=0) + 1e-9
    starts = np.cumsum([0] + [len(b[0]) for b in blocks])[:-1]
    x = x / scale
    y = np.concatenate([b[1] for b in blocks])
    w = np.array([b[2] for b in blocks])
    w = w / w.sum()
    group = np.repeat(np.arange(len(blocks)), [len(b[0]) for b in blocks])

    prior = np.array([PRIOR.get(FEATURES[c], 0.0) for c in columns]) * scale

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        theta, size = parameters[:-1], parameters[-1]
        z = x @ theta
        z = z - np.maximum.reduceat(z, starts)[group]
        e = np.exp(z)
        total = np.add.reduceat(e, starts)
        gold = np.where(y, e, 0.0)
        right = np.add.reduceat(gold, starts)
        away = theta - size * prior
        value = -(w * np.log(right / total)).sum() + l2 * (away @ away)
        gradient = x.T @ (w[group] * (e / total[group] - gold / right[group])) + 2 * l2 * away
        return float(value), np.append(gradient, -2 * l2 * (away @ prior))

    # Every feature but length is evidence for a passage; a weight below zero would only fit
    # noise, and could not be explained to a person.
    bounds = [(None, None) if FEATURES[c] == "length" else (0.0, None) for c in columns]
    start = np.append(3 * prior, 3.0)
    result = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (0.0, None)])
    return result.x[:-1] / scale


def fit(work: Path, *, write: bool, drop: list[str], l2: float) -> None:
    """Cross-validate, print the table, and with `write` keep the weights of all data."""
    sets = [Set(work, n) for n in SETS if (work / f"features-{n}.npz").exists()]
    columns = [i for i, n in enumerate(FEATURES) if n not in drop and n not in FIXED]
    print(f"{'set':<12}{'BM25':>8}{'prior':>8}{'learned':>9}{'left out':>9}   (MRR@10)")
    folds = {s.name: np.arange(s.n) % 5 for s in sets}
    crossed = {s.name: np.zeros(len(s.x)) for s in sets}
    for fold in range(5):
        theta = learn(sets, {s.name: folds[s.name] != fold for s in sets}, columns, l2)
        for s in sets:
            held = folds[s.name][s.g] == fold
            crossed[s.name][held] = s.x[held][:, columns] @ theta
    now = np.array([PRIOR.get(n, 0.0) for n in FEATURES])
    for s in sets:
        others = [o for o in sets if o.name.removesuffix("+n") != s.name.removesuffix("+n")]
        theta = learn(others, {o.name: np.ones(o.n, bool) for o in others}, columns, l2)
        print(
            f"{s.name:<12}{s.plain_mrr():8.3f}{s.mrr(s.x @ now):8.3f}"
            f"{s.mrr(crossed[s.name]):9.3f}{s.mrr(s.x[:, columns] @ theta):9.3f}"
            f"   candidates {np.mean([s.y[s.g == q].any() for q in range(s.n)]):.3f}"
        )
    theta = learn(sets, {s.name: np.ones(s.n, bool) for s in sets}, columns, l2)
    learned = {FEATURES[i]: round(float(t), 4) for i, t in zip(columns, theta, strict=True)}
    weights = {name: (learned | FIXED)[name] for name in FEATURES if name in learned | FIXED}
    print(json.dumps(weights, indent=1))
    if write:
        raw = json.loads(WEIGHTS.read_text())
        raw["rank"] = weights
        WEIGHTS.write_text(json.dumps(raw, indent=2) + "\n")


def main() -> int:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("step", choices=["collect", "fit"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tuning"))
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--reuse", action="store_true", help="take homes that are built already")
    parser.add_argument("--drop", nargs="*", default=[])
    parser.add_argument("--l2", type=float, default=3e-2)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.step == "collect":
        collect(args.data, args.work, args.sets, reuse=args.reuse)
    else:
        fit(args.work, write=args.write, drop=args.drop, l2=args.l2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
