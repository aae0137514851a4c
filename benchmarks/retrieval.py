"""Does the right section come first? notesqa, its parts and its peers on the same questions.

    python -m benchmarks.retrieval [--data DIR] [--sets NAME…] [--ablation]
                                   [--embedder MODEL] [--peers-python PYTHON]

Every set is indexed as a home is (chunker, catalog, engines, embedder), from the text
of its sections alone: no titles, no context. A rank is that of the gold section among
sections, whatever passage of it was found. Peers (see `peers.py`) index whole sections
in a Python of their own: `pip install -r benchmarks/peers.txt` says which versions.
Sets with more questions than `--most` are sampled, always the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from training.ranker import build, rows

from benchmarks import ablation, machine
from benchmarks.figures import rank_of, recall, reciprocal, table, with_interval

if TYPE_CHECKING:
    from benchmarks.figures import Ranks
    from notesqa.retrieval import Hit, Retriever

DATA = Path("../shared/data/tuning")
SETS = ("dl500", "reflection", "javaguide", "tidb_docs", "cmrc2018", "drcd_dev", "csl", "xquad_zh")
MOST_QUESTIONS = 500
OURS = "notesqa"
_SAMPLE_SEED = 7


@dataclass
class Measured:
    """One set's questions and what every system made of them.

    Attributes:
        ranks: by system, the rank of each question's gold (0: not found).
        ablated: the same with one part less, or up to one stage.
        index_seconds, query_ms: by system.
    """

    name: str
    questions: list[str]
    golds: list[str]
    sections: int
    megabytes: float
    ranks: dict[str, Ranks] = field(default_factory=dict)
    ablated: dict[str, Ranks] = field(default_factory=dict)
    index_seconds: dict[str, float] = field(default_factory=dict)
    query_ms: dict[str, float] = field(default_factory=dict)
    hits: list[list[Hit]] = field(default_factory=list)

    def best_peer(self) -> str | None:
        """The peer with the highest MRR@10."""
        peers = [name for name in self.ranks if name.split(",")[0] != OURS]
        return max(peers, key=lambda n: float(reciprocal(self.ranks[n]).mean()), default=None)


def _read(data: Path, name: str, most: int) -> tuple[Measured, list[dict[str, Any]]]:
    corpus = list(rows(data / name / "corpus.jsonl.gz"))
    questions = list(rows(data / name / "qa.jsonl.gz"))
    if len(questions) > most:
        picks = np.random.default_rng(_SAMPLE_SEED).permutation(len(questions))[:most]
        questions = [questions[i] for i in sorted(picks)]
    size = sum(len(row["text"].encode()) for row in corpus) / 1e6
    measured = Measured(
        name, [q["question"] for q in questions], [q["doc_id"] for q in questions],
        len(corpus), size,
    )  # fmt: skip
    return measured, corpus


def _ranks(measured: Measured, rank: ablation.Rank) -> Ranks:
    pairs = zip(measured.questions, measured.golds, strict=True)
    return np.array([rank_of(gold, rank(question)) for question, gold in pairs])


def measure_ours(measured: Measured, data: Path, work: Path, model: str = "builtin") -> Retriever:
    """Index the set and search every question as a user would."""
    name = OURS if model == "builtin" else f"{OURS}, {Path(model).name}"
    started = time.perf_counter()
    retriever = build(data, measured.name, work, model=model)
    measured.index_seconds[name] = time.perf_counter() - started
    retriever.search(measured.questions[0], 10)
    times: list[float] = []

    def search(question: str) -> list[str]:
        begun = time.perf_counter()
        found = retriever.search(question, 10)
        times.append(time.perf_counter() - begun)
        return [passage.document_id for passage in found]

    measured.ranks[name] = _ranks(measured, search)
    measured.query_ms[name] = 1000 * float(np.median(times))
    return retriever


def measure_parts(measured: Measured, retriever: Retriever, work: Path) -> None:
    """Stages up to the ranker, and the whole with one part less."""
    for name, rank in ablation.stages(retriever).items():
        measured.ablated[name] = _ranks(measured, rank)
    rank = ablation.ranked(retriever)
    with ablation.without_question_words():
        measured.ablated["− question words taken out"] = _ranks(measured, rank)
    with ablation.without_terms(retriever):
        measured.ablated["− terms"] = _ranks(measured, rank)
    with ablation.without_vectors(retriever):
        measured.ablated["− vectors"] = _ranks(measured, rank)
    measured.hits = [
        retriever.hits(retriever.analyse(q), limit=ablation.CANDIDATES) for q in measured.questions
    ]
    for name, members in ablation.feature_groups().items():
        measured.ablated[f"− {name}, weights as they are"] = ablation.reweighted(
            measured.hits, measured.golds, members
        )
    ablation.keep_features(
        work / f"features-{measured.name}.npz", measured.hits, measured.golds, measured.questions
    )


def measure_learned(sets: Sequence[Measured], work: Path) -> None:
    """The ranker learned anew by cross-validation, whole and without each group."""
    groups = {"ranker learned anew, cross-validated": (), **{
        f"− {name}, learned anew": members for name, members in ablation.feature_groups().items()
    }}  # fmt: skip
    for label, members in groups.items():
        ranks = ablation.learned_anew(work, [s.name for s in sets], members)
        for s in sets:
            s.ablated[label] = ranks[s.name]


def measure_peers(
    measured: Measured, corpus: Sequence[dict[str, Any]], python: Path, work: Path
) -> None:
    """Run all peers over the set in their own Python."""
    sections, questions, out = (work / f"{n}.jsonl" for n in ("sections", "questions", "ranks"))
    sections.write_text("".join(json.dumps(r["text"]) + "\n" for r in corpus), "utf-8")
    questions.write_text("".join(json.dumps(q) + "\n" for q in measured.questions), "utf-8")
    subprocess.run(
        [python, "-m", "benchmarks.peers", sections, questions, out], check=True, cwd=machine.ROOT
    )
    ids = [row["id"] for row in corpus]
    for line in out.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        name = result["peer"]
        if "missing" in result:
            print(f"{name} is left out: {result['missing']}", file=sys.stderr)
            continue
        pairs = zip(measured.golds, result["ranks"], strict=True)
        measured.ranks[name] = np.array([rank_of(g, (ids[i] for i in r)) for g, r in pairs])
        measured.index_seconds[name] = result["index_seconds"]
        measured.query_ms[name] = result["query_ms"]


# -- the report ----------------------------------------------------------------------------


def _by_system(
    sets: Sequence[Measured], which: Callable[[Measured], dict[str, Ranks]],
    cell: Callable[[Measured, Ranks], str],
) -> list[list[str]]:  # fmt: skip
    systems = dict.fromkeys(name for s in sets for name in which(s))
    return [
        [system, *(cell(s, which(s)[system]) if system in which(s) else "" for s in sets)]
        for system in systems
    ]


def report(sets: Sequence[Measured]) -> str:
    """Everything measured, as Markdown."""
    head = ["", *(s.name for s in sets)]
    parts = [machine.describe(), "MRR@10 with 95 % intervals:"]
    rows_ = [["sections / questions", *(f"{s.sections} / {len(s.questions)}" for s in sets)]]
    rows_ += _by_system(sets, lambda s: s.ranks, lambda _, r: with_interval(reciprocal(r)))
    compared = [s for s in sets if s.best_peer()]
    if compared:
        row = ["**notesqa − best peer**"]
        for s in sets:
            peer = s.best_peer()
            values = reciprocal(s.ranks[OURS]) - reciprocal(s.ranks[peer]) if peer else None
            row.append("" if values is None else with_interval(values, sign=True))
        rows_.append(row)
    parts.append(table(head, rows_))
    parts.append("Recall@1 / 5 / 10:")

    def recalls(_: Measured, ranks: Ranks) -> str:
        return " / ".join(f"{recall(ranks, k):.3f}" for k in (1, 5, 10))

    parts.append(table(head, _by_system(sets, lambda s: s.ranks, recalls)))
    parts.append("Index time in s / median time of a search in ms (warm, one thread asking):")
    systems = dict.fromkeys(name for s in sets for name in s.query_ms)
    times = [
        [n, *(f"{s.index_seconds[n]:.1f} / {s.query_ms[n]:.2f}" if n in s.query_ms else ""
              for s in sets)]
        for n in systems
    ]  # fmt: skip
    sizes = ["text in MB", *(f"{s.megabytes:.1f}" for s in sets)]
    parts.append(table(head, [sizes, *times]))
    if any(s.ablated for s in sets):
        parts.append(
            "Parts (MRR@10; “−” is all candidates ranked, with one part less; “learned anew”:"
            " five folds over the questions of all these sets):"
        )
        own = _by_system(sets, lambda s: s.ablated, lambda _, r: f"{reciprocal(r).mean():.3f}")
        averages = [
            f"{np.mean([reciprocal(s.ablated[row[0]]).mean() for s in sets]):.3f}" for row in own
        ]
        parts.append(table([*head, "mean"], [[*r, a] for r, a in zip(own, averages, strict=True)]))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the arguments name and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval",
        description="Does the right section come first? notesqa, its parts and its peers.",
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of question sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), help="which of them")
    parser.add_argument("--most", type=int, default=MOST_QUESTIONS, help="questions a set")
    parser.add_argument(
        "--embedder", action="append", default=[], metavar="MODEL",
        help="measure it too: a sentence-transformers model, by name or folder",
    )  # fmt: skip
    parser.add_argument("--ablation", action="store_true", help="measure every part too")
    parser.add_argument(
        "--peers-python", type=Path, help="Python of an environment with benchmarks/peers.txt"
    )
    parser.add_argument("--json", type=Path, help="write all ranks here")
    args = parser.parse_args(arguments)
    missing = [n for n in args.sets if not (args.data / n / "qa.jsonl.gz").is_file()]
    if missing:
        parser.error(f"no such set in {args.data}: {', '.join(missing)}")
    sets = []
    with tempfile.TemporaryDirectory(prefix="notesqa-retrieval-") as folder:
        work = Path(folder)
        for name in args.sets:
            print(name, file=sys.stderr, flush=True)
            measured, corpus = _read(args.data, name, args.most)
            retriever = measure_ours(measured, args.data, work)
            if args.ablation:
                measure_parts(measured, retriever, work)
            retriever.close()
            for model in args.embedder:
                measure_ours(measured, args.data, work, model).close()
            if args.peers_python:
                measure_peers(measured, corpus, args.peers_python, work)
            sets.append(measured)
        if args.ablation:
            measure_learned(sets, work)
    print(report(sets))
    if args.json:
        raw = [
            {"set": s.name, "questions": s.questions, "golds": s.golds,
             "ranks": {n: r.tolist() for n, r in {**s.ranks, **s.ablated}.items()}}
            for s in sets
        ]  # fmt: skip
        args.json.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
