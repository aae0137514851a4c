"""`notesqa eval`: retrieval, answers and refusals measured on questions with known golds.

A question file has one JSON object a line:
`{"question", "gold": [...], "answers": [...], "unanswerable": false, "kind", "history"}`.
A gold is a document id, a source path, `path:line`, `path :: fragment` (the passage of
that file which holds the fragment), or a text prefix of the passage.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notesqa.answering import Finished, Found
from notesqa.errors import NotesqaError
from notesqa.records import Answer, Passage, Turn
from notesqa.text.normalize import normalize

if TYPE_CHECKING:
    from notesqa.api import Notes

DEPTH = 10
_FRAGMENT = " :: "
_ALTERNATIVES = re.compile(r"(?<!\\)\|")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Question:
    """One question with what a right answer needs."""

    question: str
    gold: tuple[str, ...]
    answers: tuple[str, ...]
    unanswerable: bool
    kind: str
    history: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question.

    Attributes:
        ranks: for each gold the rank (from 1) of the first passage that meets it, or 0.
        holds: the answer holds every required word.
        cited: and one of its citations stands in a gold passage.
        doubtful: it is not refused, but said to quote only what is nearest.
    """

    question: Question
    ranks: tuple[int, ...]
    refused: bool
    confidence: float
    holds: bool
    cited: bool
    doubtful: bool
    unsupported: int
    sentences: int
    seconds: float
    answer: str


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes, and the figures over them."""

    outcomes: tuple[Outcome, ...]

    def record(self) -> dict[str, Any]:
        """Figures by kind, overall, and for refusals, as JSON takes them."""
        return {
            "kinds": {kind: figures(rows) for kind, rows in self.by_kind().items()},
            "all": figures([o for o in self.outcomes if not o.question.unanswerable]),
            "refusals": refusals(self.outcomes),
        }

    def by_kind(self) -> dict[str, list[Outcome]]:
        """Outcomes of answerable questions by kind, in order of kind."""
        groups: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            if not outcome.question.unanswerable:
                groups[outcome.question.kind].append(outcome)
        return dict(sorted(groups.items()))


def load_questions(paths: Iterable[str | Path]) -> list[Question]:
    """Read question files.

    Raises:
        NotesqaError: a file cannot be read or a line is malformed; says which.
    """
    questions = []
    for named in paths:
        path = Path(named)
        try:
            # Not splitlines: a JSON string may hold U+2028 and its like.
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except OSError as error:
            raise NotesqaError(
                f"cannot read {path}: {error.strerror}", "name a file of questions (JSON lines)"
            ) from error
        except UnicodeDecodeError as error:
            raise NotesqaError(f"{path} is not UTF-8", "save it as UTF-8") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                questions.append(_question(line, f"{path}:{number}"))
    if not questions:
        raise NotesqaError("there are no questions in these files", "one JSON object a line")
    return questions


def _question(line: str, place: str) -> Question:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", str(error))
        raise NotesqaError(f"{place}: no JSON: {reason}", "one JSON object a line") from error
    asked = raw.get("question") if isinstance(raw, dict) else None
    if not isinstance(asked, str) or not asked.strip():
        raise NotesqaError(f"{place}: there is no question", 'write {"question": "…", …}')
    for name in ("gold", "answers", "history"):
        value = raw.get(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise NotesqaError(f"{place}: {name} must be a list of strings", "see the README")
    unanswerable = bool(raw.get("unanswerable", False))
    if not unanswerable and not raw.get("gold"):
        raise NotesqaError(
            f"{place}: neither a gold nor unanswerable", "name the passage, or mark the question"
        )
    return Question(
        raw["question"],
        tuple(raw.get("gold", ())),
        tuple(raw.get("answers", ())),
        unanswerable,
        str(raw.get("kind", "unanswerable" if unanswerable else "all")),
        tuple(raw.get("history", ())),
    )


def evaluate(
    notes: Notes,
    questions: Sequence[Question],
    *,
    llm: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask every question and compare with its golds."""
    sources = {d.id: d.sources for d in notes.documents()}
    outcomes = []
    for done, question in enumerate(questions, 1):
        outcomes.append(_outcome(notes, question, sources, llm))
        if progress:
            progress(done, len(questions))
    return Report(tuple(outcomes))


def _outcome(
    notes: Notes, question: Question, sources: Mapping[str, Sequence[str]], llm: bool
) -> Outcome:
    history: list[Turn] = []
    for before in question.history:
        history.append(Turn(before, notes.ask(before, llm=False, history=tuple(history))))
    passages: tuple[Passage, ...] = ()
    answer: Answer | None = None
    for event in notes.stream(question.question, k=DEPTH, llm=llm, history=history):
        if isinstance(event, Found):
            passages = event.passages
        elif isinstance(event, Finished):
            answer = event.answer
    if answer is None:
        raise NotesqaError("the answer did not come to its end", "ask again")
    ranks = tuple(
        next((p.rank for p in passages if meets(p, gold, sources)), 0) for gold in question.gold
    )
    golden = [p for p in passages if any(meets(p, g, sources) for g in question.gold)]
    cited = any(
        c.document_id == p.document_id and c.start < p.end and p.start < c.end
        for c in answer.citations
        for p in golden
    )
    holds = not answer.refused and holds_words(answer, question.answers)
    return Outcome(
        question,
        ranks,
        answer.refused,
        answer.confidence or 0.0,
        holds,
        holds and cited,
        answer.nearest and not answer.refused,
        answer.unsupported,
        len(answer.sentences),
        answer.seconds.get("total", 0.0),
        answer.text,
    )


def meets(passage: Passage, gold: str, sources: Mapping[str, Sequence[str]]) -> bool:
    """Whether a passage is what a gold names."""
    places = sources.get(passage.document_id, ())
    if gold == passage.document_id or gold in places:
        return True
    paths = {place.rpartition(":")[0] for place in places}
    if _FRAGMENT in gold:
        path, _, fragment = gold.partition(_FRAGMENT)
        return path.strip() in paths and fragment.strip() in passage.text
    return gold in paths or passage.text.startswith(gold)


def holds_words(answer: Answer, required: Sequence[str]) -> bool:
    """Whether the sentences or quotes of an answer hold every required word.

    Alternatives are separated by `|`, which itself is written `\\|`, as LaTeX's norm is; case,
    width, spaces and hyphens do not matter.
    """
    said = _packed(
        "\n".join([*(s.text for s in answer.sentences), *(c.quote for c in answer.citations)])
    )
    return all(
        any(
            _packed(form) in said
            for option in _ALTERNATIVES.split(words)
            for form in (option, option.replace(r"\|", "|"))
        )
        for words in required
    )


def _packed(text: str) -> str:
    return _SPACE.sub("", normalize(text)).replace("-", "")


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Recall@1/5/10, MRR@10, nDCG@10 (binary gains), and the answers' shares."""
    if not outcomes:
        return {"questions": 0}
    rows = [o.ranks for o in outcomes]

    def mean(values: Iterable[float]) -> float:
        found = list(values)
        return round(sum(found) / len(found), 4)

    def recall(k: int) -> float:
        return mean(sum(0 < r <= k for r in ranks) / len(ranks) for ranks in rows)

    return {
        "questions": len(outcomes),
        "recall@1": recall(1),
        "recall@5": recall(5),
        "recall@10": recall(10),
        "mrr@10": mean(
            max((1 / r for r in ranks if 0 < r <= DEPTH), default=0.0) for ranks in rows
        ),
        "ndcg@10": mean(_ndcg(ranks) for ranks in rows),
        "answers_hold": mean(o.holds for o in outcomes),
        "answers_cited": mean(o.cited for o in outcomes),
        "doubtful": mean(o.doubtful for o in outcomes),
        "refused": mean(o.refused for o in outcomes),
    }


def _ndcg(ranks: Sequence[int]) -> float:
    # Two golds in one passage count once: a passage is shown once.
    gains = sum(1 / math.log2(1 + r) for r in set(ranks) if 0 < r <= DEPTH)
    ideal = sum(1 / math.log2(2 + i) for i in range(len(set(ranks) - {0}) or 1))
    missing = sum(r == 0 for r in ranks)
    ideal += sum(1 / math.log2(2 + len(set(ranks) - {0}) + i) for i in range(missing))
    if not any(ranks):
        return 0.0
    return min(1.0, gains / ideal)


def refusals(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Precision and recall of refusing, and AUROC of the confidence, by kind of question."""
    answerable = [o for o in outcomes if not o.question.unanswerable]
    not_answerable = [o for o in outcomes if o.question.unanswerable]
    refused = [o for o in outcomes if o.refused]
    right = [o for o in refused if o.question.unanswerable]
    found: dict[str, float] = {
        "unanswerable": len(not_answerable),
        "precision": round(len(right) / len(refused), 4) if refused else 0.0,
        "recall": round(len(right) / len(not_answerable), 4) if not_answerable else 0.0,
        "answerable_refused": round(sum(o.refused for o in answerable) / len(answerable), 4)
        if answerable
        else 0.0,
    }
    for kind in sorted({o.question.kind for o in not_answerable}):
        rows = [o for o in not_answerable if o.question.kind == kind]
        found[f"auroc {kind}"] = round(
            auroc([o.confidence for o in answerable], [o.confidence for o in rows]), 4
        )
        found[f"refused {kind}"] = round(sum(o.refused for o in rows) / len(rows), 4)
        found[f"doubtful {kind}"] = round(sum(o.doubtful for o in rows) / len(rows), 4)
    return found


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Area under the ROC curve: how often a positive scores above a negative."""
    if not positive or not negative:
        return 0.5
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def table(report: Report) -> str:
    """The report as a Markdown table."""
    names = [
        *("recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10"),
        *("answers_cited", "doubtful", "refused"),
    ]
    lines = [
        "| kind | questions | " + " | ".join(names) + " |",
        "|---|" + "---:|" * (len(names) + 1),
    ]
    groups: list[tuple[str, list[Outcome]]] = list(report.by_kind().items())
    groups.append(("all", [o for o in report.outcomes if not o.question.unanswerable]))
    for kind, rows in groups:
        values = figures(rows)
        cells = " | ".join(f"{values.get(name, 0.0):.3f}" for name in names)
        lines.append(f"| {kind} | {len(rows)} | {cells} |")
    lines.append("")
    lines.append("| refusals | |\n|---|---:|")
    lines.extend(f"| {name} | {value:g} |" for name, value in refusals(report.outcomes).items())
    return "\n".join(lines)
