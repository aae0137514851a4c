"""Fit the sentence chooser and the refusal model on the tuning sets.

    python -m training.answerer collect --data ../shared/data/tuning --work training/work
    python -m training.answerer fit --work training/work [--write]

Sentences: reading comprehension questions with known answer spans (cmrc2018, drcd_dev,
xquad_zh); a sentence of the retrieved passages is right when it holds an answer and
stands in the gold passage. Refusal: a question asked of its own set is answerable; with
its gold section taken out it is a near miss; asked of another set it is off topic.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from notesqa.answering.extract import SENTENCE_FEATURES, extract, score_sentences, sentence_weights
from notesqa.answering.refusal import SIGNALS, signals
from notesqa.evaluation import auroc
from notesqa.retrieval import Retriever
from training.ranker import build, rows

# With `+t` the titles stand above the texts, as in notes: what they name a sentence need not.
SPAN_SETS = ("cmrc2018", "drcd_dev", "xquad_zh", "cmrc2018+t", "drcd_dev+t")
REFUSAL_SETS = ("dl500", "reflection", "javaguide", "tidb_docs", "cmrc2018", "csl")
QUESTIONS = 240
FEW = 60
ROOT = Path(__file__).parent.parent / "src/notesqa"
SENTENCE_WEIGHTS = ROOT / "answering/weights.json"
RETRIEVAL_WEIGHTS = ROOT / "retrieval/weights.json"


def sample(data: Path, name: str, count: int = QUESTIONS) -> list[dict[str, Any]]:
    """The same random questions of a set every time."""
    questions = list(rows(data / name.removesuffix("+t") / "qa.jsonl.gz"))
    order = np.random.default_rng(11).permutation(len(questions))[:count]
    return [questions[i] for i in sorted(order)]


def collect(data: Path, work: Path) -> None:
    """Keep sentence features and refusal signals of every question."""
    asked = {name: sample(data, name) for name in {*SPAN_SETS, *REFUSAL_SETS}}
    sentence_rows: list[dict[str, Any]] = []
    refusal_rows: list[dict[str, Any]] = []
    for name in sorted(asked):
        retriever = build(data, name, work, reuse=True)
        if name in SPAN_SETS:
            sentence_rows.extend(_sentences(retriever, name, q) for q in asked[name])
        if name in REFUSAL_SETS:
            refusal_rows.extend(_refusals(retriever, name, asked[name], asked))
        retriever.close()
        print(name, flush=True)
    # People begin with few notes: the model must hold for them as well.
    for name in REFUSAL_SETS:
        few = asked[name][:FEW]
        only = frozenset(q["doc_id"] for q in few)
        retriever = build(data, name, work, only=only)
        refusal_rows.extend(_refusals(retriever, name, few, asked, mark="-few"))
        retriever.close()
        print(f"{name}, {len(only)} sections", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    (work / "sentences.json").write_text(json.dumps(sentence_rows, ensure_ascii=False))
    (work / "refusal.json").write_text(json.dumps(refusal_rows, ensure_ascii=False))


def _refusals(
    retriever: Retriever,
    name: str,
    questions: list[dict[str, Any]],
    asked: dict[str, list[dict[str, Any]]],
    mark: str = "",
) -> list[dict[str, Any]]:
    found = []
    for question in questions:
        text = question["question"]
        for kind, without in (("answerable", ""), ("nearmiss", question["doc_id"])):
            row = _signals(retriever, text, without)
            found.append({"set": name + mark, "kind": kind, **row})
    others = [o for o in REFUSAL_SETS if _field(o) != _field(name)]
    for other in others:
        for question in asked[other][-(len(questions) // len(others)) :]:
            row = _signals(retriever, question["question"], "")
            found.append({"set": name + mark, "kind": "offtopic", **row})
    return found


def _field(name: str) -> str:
    return {"dl500": "ml", "reflection": "ml", "csl": "papers"}.get(name, name)


def _sentences(retriever: Retriever, name: str, question: dict[str, Any]) -> dict[str, Any]:
    query = retriever.analyse(question["question"])
    passages = retriever.passages(retriever.hits(query), 8)
    idf = retriever.idf(query)
    spans = score_sentences(query, passages, idf, retriever.embedder, sentence_weights())
    extraction = extract(query, passages, idf, retriever.embedder)
    labels = []
    for span in spans:
        passage = passages[span.passage]
        text = passage.text[span.start : span.end]
        labels.append(
            passage.document_id == question["doc_id"]
            and any(a in text for a in question["answers"])
        )
    said = "".join(c.quote for c in extraction.citations)
    return {
        "set": name,
        "x": [span.values for span in spans],
        "y": labels,
        "length": [span.end - span.start for span in spans],
        "held": any(a in said for a in question["answers"]),
        "said": len(said),
    }


def _signals(retriever: Retriever, question: str, without: str) -> dict[str, Any]:
    query = retriever.analyse(question)
    hits = [h for h in retriever.hits(query) if h.row.document_id != without]
    passages = retriever.passages(hits, 8)
    extraction = extract(query, passages, retriever.idf(query), retriever.embedder)
    return {
        "question": question,
        "signals": signals(query, hits, extraction),
    }


def fit_sentences(work: Path, *, write: bool) -> None:
    """Listwise softmax over the sentences of each question."""
    data = json.loads((work / "sentences.json").read_text())
    usable = [r for r in data if any(r["y"]) and not all(r["y"])]
    print(
        f"questions {len(data)}, with the answer among the sentences {len(usable)};"
        f" answers held now {np.mean([r['held'] for r in data]):.3f},"
        f" {np.mean([r['said'] for r in data]):.0f} characters"
    )
    fold = np.arange(len(usable)) % 5
    hits = np.zeros(len(usable))
    for f in range(5):
        theta = _softmax([r for r, g in zip(usable, fold, strict=True) if g != f])
        for i in np.flatnonzero(fold == f):
            scores = np.array(usable[i]["x"]) @ theta
            hits[i] = usable[i]["y"][int(np.argmax(scores))]
    now = np.array([sentence_weights().get(n, 0.0) for n in SENTENCE_FEATURES])
    first = [r["y"][int(np.argmax(np.array(r["x"]) @ now))] for r in usable]
    print(f"best sentence right: now {np.mean(first):.3f}, learned (5-fold) {hits.mean():.3f}")
    theta = _softmax(usable)
    weights = {n: round(float(t), 4) for n, t in zip(SENTENCE_FEATURES, theta, strict=True)}
    print(json.dumps(weights, indent=1))
    print("margin below the best, at most 3 sentences: share that holds the answer, sentences")
    for margin in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        held, count = [], []
        for r in usable:
            scores = np.array(r["x"]) @ theta
            order = [i for i in np.argsort(-scores)[:3] if scores[i] >= scores.max() - margin]
            held.append(any(r["y"][i] for i in order))
            count.append(len(order))
        print(f"  {margin:4.2f}  {np.mean(held):.3f}  {np.mean(count):.2f}")
    if write:
        raw = json.loads(SENTENCE_WEIGHTS.read_text())
        raw["sentence"] = weights
        SENTENCE_WEIGHTS.write_text(json.dumps(raw, indent=2) + "\n")


def _softmax(data: list[dict[str, Any]], l2: float = 1e-3) -> np.ndarray:
    x = np.concatenate([np.array(r["x"]) for r in data])
    scale = x.std(axis=0) + 1e-9
    x = x / scale
    y = np.concatenate([np.array(r["y"]) for r in data])
    starts = np.cumsum([0] + [len(r["y"]) for r in data])[:-1]
    group = np.repeat(np.arange(len(data)), [len(r["y"]) for r in data])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ theta
        z = z - np.maximum.reduceat(z, starts)[group]
        e = np.exp(z)
        total = np.add.reduceat(e, starts)
        gold = np.where(y, e, 0.0)
        right = np.add.reduceat(gold, starts)
        value = -np.log(right / total).mean() + l2 * (theta @ theta)
        gradient = x.T @ ((e / total[group] - gold / right[group]) / len(data)) + 2 * l2 * theta
        return float(value), gradient

    # Evidence counts for a sentence; only what mars one may count against it.
    free = {"short", "question"}
    bounds = [(None, 0.0) if n in free else (0.0, None) for n in SENTENCE_FEATURES]
    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x / scale


def fit_refusal(work: Path, *, write: bool) -> None:
    """Logistic regression; near misses count half as much as off-topic questions."""
    data = json.loads((work / "refusal.json").read_text())
    names = list(SIGNALS)
    x = np.array([[r["signals"][n] for n in names] for r in data])
    kind = np.array([r["kind"] for r in data])
    group = np.array([r["set"] for r in data])
    y = kind == "answerable"
    # Every set counts the same, answerable and not answerable alike.
    weight = np.zeros(len(data))
    for s in set(group):
        for k, share in (("answerable", 1.0), ("offtopic", 0.6), ("nearmiss", 0.4)):
            mask = (group == s) & (kind == k)
            weight[mask] = share / mask.sum()
    probability = np.zeros(len(data))
    for s in sorted(set(group)):
        field = np.char.partition(group, "-")[:, 0]
        inside = field != s.removesuffix("-few")
        theta, bias = _logistic(x[inside], y[inside], weight[inside])
        mine = group == s
        probability[mine] = 1 / (1 + np.exp(-(x[mine] @ theta + bias)))
    theta, bias = _logistic(x, y, weight)
    final = 1 / (1 + np.exp(-(x @ theta + bias)))
    print(f"{'set':<16}{'off-topic':>10}{'near miss':>10}   (AUROC, the set left out)")
    for s in [*sorted(set(group)), "all"]:
        mask = (group == s) | (s == "all")
        p = probability[mask]
        k = kind[mask]
        print(
            f"{s:<16}{auroc(list(p[k == 'answerable']), list(p[k == 'offtopic'])):10.3f}"
            f"{auroc(list(p[k == 'answerable']), list(p[k == 'nearmiss'])):10.3f}"
        )
    for name in names:
        values = x[:, names.index(name)]
        print(
            f"  {name:<22}{auroc(list(values[y]), list(values[kind == 'offtopic'])):8.3f}"
            f"{auroc(list(values[y]), list(values[kind == 'nearmiss'])):8.3f}"
            f"   weight {theta[names.index(name)]:8.3f}"
        )
    threshold = float(np.quantile(final[y], 0.007))
    nearest = float(np.quantile(final[y], 0.06))
    for label, cut in (("threshold", threshold), ("nearest", nearest)):
        shares = ", ".join(f"{k} {np.mean(final[kind == k] < cut):.3f}" for k in sorted(set(kind)))
        print(f"{label} {cut:.4f}: below it {shares}")
    if write:
        raw = json.loads(RETRIEVAL_WEIGHTS.read_text())
        raw["answerable"] = {
            "weights": {n: round(float(t), 4) for n, t in zip(names, theta, strict=True)},
            "bias": round(float(bias), 4),
            "threshold": round(threshold, 4),
            "nearest": round(nearest, 4),
        }
        RETRIEVAL_WEIGHTS.write_text(json.dumps(raw, indent=2) + "\n")


def _logistic(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, l2: float = 1e-3
) -> tuple[np.ndarray, float]:
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - mean) / scale
    w = weight / weight.sum()
    sign = np.where(y, 1.0, -1.0)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (z @ theta[:-1] + theta[-1])
        value = (w * np.logaddexp(0, -margin)).sum() + l2 * (theta[:-1] @ theta[:-1])
        slope = -w * sign / (1 + np.exp(margin))
        gradient = np.append(z.T @ slope + 2 * l2 * theta[:-1], slope.sum())
        return float(value), gradient

    # Each signal is evidence that the notes answer; none may speak against it.
    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    start = np.zeros(x.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    theta = found[:-1] / scale
    return theta, float(found[-1] - theta @ mean)


def main() -> int:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("step", choices=["collect", "fit"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tuning"))
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--parts", nargs="*", default=["sentences", "refusal"])
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.step == "collect":
        collect(args.data, args.work)
    else:
        if "sentences" in args.parts:
            fit_sentences(args.work, write=args.write)
        if "refusal" in args.parts:
            fit_refusal(args.work, write=args.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
