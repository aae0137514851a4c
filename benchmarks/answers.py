"""Answer quality with a chat model, the extractive composer in the same table.

    python -m benchmarks.answers --model FILE.gguf
    python -m benchmarks.answers --url http://localhost:8080/v1 --server-model NAME
    python -m benchmarks.answers --random 200

Asks the questions of `benchmarks/questions/` (or the files that are named) over a home,
without the model and with it: required words, citations, support, refusals, speed.
`--random N` needs no model: a random one writes N answers, and every one must be
well-formed and its nonsense marked; the exit code says whether they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notesqa.answering import Delta, Finished, Found
from notesqa.answering.refusal import REFUSAL_EN, REFUSAL_ZH
from notesqa.api import Notes
from notesqa.config import Home, LlmSettings, Settings
from notesqa.evaluation import Question, holds_words, load_questions, meets
from notesqa.llm import ChatModel, Message
from notesqa.records import Answer, Passage, Turn

ROOT = Path(__file__).resolve().parents[1]


class Timed:
    """A chat model that remembers how long its replies took."""

    def __init__(self, model: ChatModel) -> None:
        """Wrap a model."""
        self._model = model
        self.first: list[float] = []
        self.rates: list[float] = []

    @property
    def name(self) -> str:
        """As the model's."""
        return self._model.name

    @property
    def context_tokens(self) -> int:
        """As the model's."""
        return self._model.context_tokens

    @property
    def supports_grammar(self) -> bool:
        """As the model's."""
        return self._model.supports_grammar

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """As the model's."""
        return self._model.count_tokens(messages)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        grammar: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Iterator[str]:
        """The model's reply, timed."""
        started = time.perf_counter()
        first = 0.0
        pieces: list[str] = []
        for piece in self._model.stream(
            messages,
            grammar=grammar,
            max_tokens=max_tokens,
            temperature=temperature,
            cancel=cancel,
        ):
            first = first or time.perf_counter() - started
            pieces.append(piece)
            yield piece
        writing = time.perf_counter() - started - first
        if pieces and grammar is not None:
            said = [Message("assistant", "".join(pieces))]
            empty = [Message("assistant", "")]
            count = self.count_tokens(said) - self.count_tokens(empty)
            self.first.append(first)
            if writing > 0 and count > 1:
                self.rates.append((count - 1) / writing)

    def close(self) -> None:
        """Close the model."""
        self._model.close()


class TimedNotes(Notes):
    """A home whose chat model is timed."""

    timed: Timed | None = None

    def chat_model(self) -> ChatModel | None:
        """The model in its wrapper."""
        if self.timed is None and (model := super().chat_model()) is not None:
            self.timed = Timed(model)
        return self.timed


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one question.

    Attributes:
        right: citations that stand in a gold passage, of `cited` in all.
        found: one of the passages that the search gave is gold.
    """

    question: Question
    answer: Answer
    holds: bool
    right: int
    cited: int
    found: bool
    seconds: float


def ask(notes: Notes, question: Question, *, llm: bool, places: Mapping[str, Sequence[str]]) -> Row:
    """Ask one question and compare with its golds."""
    history: list[Turn] = []
    for before in question.history:
        history.append(Turn(before, notes.ask(before, llm=False, history=tuple(history))))
    passages: tuple[Passage, ...] = ()
    answer: Answer | None = None
    started = time.perf_counter()
    for event in notes.stream(question.question, llm=llm, history=history):
        if isinstance(event, Found):
            passages = event.passages
        elif isinstance(event, Finished):
            answer = event.answer
        else:
            assert isinstance(event, Delta)
    seconds = time.perf_counter() - started
    assert answer is not None
    golden = [p for p in passages if any(meets(p, g, places) for g in question.gold)]
    right = sum(
        any(c.document_id == p.document_id and c.start < p.end and p.start < c.end for p in golden)
        for c in answer.citations
    )
    holds = not answer.refused and holds_words(answer, question.answers)
    return Row(question, answer, holds, right, len(answer.citations), bool(golden), seconds)


def figures(rows: Sequence[Row], timed: Timed | None) -> dict[str, str]:
    """The line of the table that `rows` make."""
    answerable = [r for r in rows if not r.question.unanswerable]
    others = [r for r in rows if r.question.unanswerable]
    given = [r for r in answerable if not r.answer.refused]
    sentences = sum(len(r.answer.sentences) for r in given)

    def share(part: float, whole: float) -> str:
        return f"{part / whole:.3f}" if whole else "–"

    return {
        "questions": str(len(rows)),
        "words": share(sum(r.holds for r in answerable), len(answerable)),
        "words and source": share(
            sum(r.holds and r.right > 0 for r in answerable), len(answerable)
        ),
        "citation precision": share(sum(r.right for r in given), sum(r.cited for r in given)),
        "citation recall": share(sum(r.right > 0 for r in answerable), len(answerable)),
        "of found": share(
            sum(r.right > 0 for r in answerable if r.found), sum(r.found for r in answerable)
        ),
        "supported": share(sentences - sum(r.answer.unsupported for r in given), sentences),
        "refused wrongly": share(sum(r.answer.refused for r in answerable), len(answerable)),
        "refused rightly": share(sum(r.answer.refused for r in others), len(others)),
        "seconds": f"{_median([r.seconds for r in rows]):.2f}",
        "first token s": f"{_median(timed.first):.2f}" if timed and timed.first else "–",
        "tokens/s": f"{_median(timed.rates):.1f}" if timed and timed.rates else "–",
    }


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def table(lines: Mapping[str, Mapping[str, str]]) -> str:
    """Figures as a Markdown table, one composer a column."""
    names = list(next(iter(lines.values())))
    head = "| | " + " | ".join(lines) + " |\n|---|" + "---:|" * len(lines)
    rows = [
        "| " + name + " | " + " | ".join(v[name] for v in lines.values()) + " |" for name in names
    ]
    return "\n".join([head, *rows])


def well_formed(answer: Answer) -> str:
    """What is wrong with the form of an answer, or nothing."""
    numbers = [c.n for c in answer.citations]
    chunks = {p.chunk_id: p for p in answer.passages}
    if numbers != list(range(1, len(numbers) + 1)):
        return "citations are not numbered from 1"
    for citation in answer.citations:
        passage = chunks.get(citation.chunk_id)
        if passage is None:
            return "a citation of a passage that was not given"
        quote = passage.text[citation.start - passage.start : citation.end - passage.start]
        if quote != citation.quote or not quote:
            return "a quote that is not in its passage"
    for sentence in answer.sentences:
        if not sentence.text.strip() or not set(sentence.citations) <= set(numbers):
            return "an empty sentence, or one with a citation that is not there"
    if answer.refused and [s.text for s in answer.sentences] not in ([REFUSAL_ZH], [REFUSAL_EN]):
        return "a refusal that says something else"
    return ""


def random_answers(count: int, home: Home, questions: Sequence[Question]) -> int:
    """Let a random model answer; returns the exit code."""
    from tests.tiny_gguf import write_model

    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "random.gguf")
        # Half of them with the likeliest token, half at random.
        settings = [
            LlmSettings(model=str(path), temperature=t, max_answer_tokens=160, threads=1)
            for t in (0.0, 1.0)
        ]
        opened = [
            Notes.open(home, settings=replace(Settings.load(home), llm=llm)) for llm in settings
        ]
        composed = sentences = 0
        believed: list[str] = []
        wrong: list[str] = []
        started = time.perf_counter()
        for number in range(count):
            question = questions[number % len(questions)].question
            answer = opened[number % 2].ask(question)
            if reason := well_formed(answer):
                wrong.append(f"{question}: {reason}")
            if answer.engine == "random" and not answer.refused:
                composed += 1
                sentences += len(answer.sentences)
                believed.extend(s.text for s in answer.sentences if s.supported)
        for notes in opened:
            notes.close()
    seconds = time.perf_counter() - started
    print(f"{count} questions, {count - len(wrong)} well-formed answers in {seconds:.0f} s")
    print(f"{composed} by the model, {sentences} sentences, {len(believed)} taken for supported")
    for line in (*wrong, *map(repr, believed)):
        print(line)
    return 1 if wrong or believed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers", description="Answer quality with a chat model."
    )
    parser.add_argument("files", nargs="*", type=Path, help="question files (benchmarks/questions)")
    parser.add_argument("--model", default="", help="a GGUF file")
    parser.add_argument("--url", default="", help="a server's address instead")
    parser.add_argument("--server-model", default="", help="the model's name there")
    parser.add_argument("--home", type=Path, default=ROOT, help="the notes (this repository)")
    parser.add_argument("--most", type=int, default=0, metavar="N", help="only N questions")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="N answers at random")
    args = parser.parse_args(arguments)
    files = args.files or sorted((ROOT / "benchmarks" / "questions").glob("*.jsonl"))
    questions = load_questions(files)
    if args.most:
        step = max(1, len(questions) // args.most)
        questions = questions[::step][: args.most]
    home = Home.find(args.home)
    with Notes.open(home) as plain:
        plain.index()
    if args.random:
        return random_answers(args.random, home, questions)
    llm = LlmSettings(model=args.server_model if args.url else args.model, base_url=args.url)
    lines: dict[str, dict[str, str]] = {}
    with TimedNotes.open(home, settings=replace(Settings.load(home), llm=llm)) as notes:
        places = {d.id: d.sources for d in notes.documents()}
        composers = [False, True] if llm.model or llm.base_url else [False]
        for uses_model in composers:
            rows = []
            for number, question in enumerate(questions, 1):
                rows.append(ask(notes, question, llm=uses_model, places=places))
                if sys.stderr.isatty():
                    print(f"\r{number} of {len(questions)}", end="", file=sys.stderr, flush=True)
            timed = notes.timed if uses_model and isinstance(notes, TimedNotes) else None
            lines[timed.name if timed else "extractive"] = figures(rows, timed)
    print(table(lines))
    if len(composers) == 1:
        print("\n(no model: name one with --model FILE.gguf or --url ADDRESS)", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
