"""From a question to a checked answer: search, judge, compose, verify."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING

from notesqa.answering.conversation import standalone
from notesqa.answering.ellipsis import (
    MOST_BELOW,
    Reading,
    asked_again,
    besides,
    goes_on,
    may_lean,
    more_of,
    wordings,
)
from notesqa.answering.events import AnswerEvent, Delta, Finished, Found
from notesqa.answering.extract import Extraction, extract
from notesqa.answering.parts import joined, of_each, parts_of, together
from notesqa.answering.quoting import set_out
from notesqa.answering.refusal import Judgement, Outcome, judge, refusal_text
from notesqa.embedding.builtin import BuiltinEmbedder
from notesqa.embedding.likeness import is_builtin
from notesqa.errors import NotesqaError
from notesqa.records import Answer, Citation, Passage, Sentence, Turn
from notesqa.retrieval.ranking import load_weights

if TYPE_CHECKING:
    from notesqa.answering.compose import Composed
    from notesqa.answering.prompting import Prompts
    from notesqa.config import LlmSettings
    from notesqa.embedding import Embedder
    from notesqa.llm import ChatModel
    from notesqa.retrieval import Hit, Retriever
    from notesqa.retrieval.query import Query

EXTRACTIVE = "extractive"
_MOST_UNSUPPORTED = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """One of several questions in one, and what was found for it."""

    query: Query
    hits: Sequence[Hit]
    passages: Sequence[Passage]


class Answerer:
    """Answers questions over one retriever."""

    def __init__(
        self,
        retriever: Retriever,
        settings: LlmSettings,
        chat_model: Callable[[], ChatModel | None],
        prompts: Callable[[], Prompts],
    ) -> None:
        """Model and prompts are asked for when an answer needs them, not before."""
        self._retriever = retriever
        self._settings = settings
        self._chat_model = chat_model
        self._prompts = prompts
        self._embedder: Embedder | None = None

    @property
    def _sentence_embedder(self) -> Embedder:
        """The built-in one, whichever finds the passages.

        Sentence weights are fitted to its cosines, and a transformer would take seconds over
        the hundred sentences of an answer.
        """
        if self._embedder is None:
            own = self._retriever.embedder
            self._embedder = own if is_builtin(own) else BuiltinEmbedder()
        return self._embedder

    def ask(
        self, question: str, *, k: int = 8, llm: bool = True, history: Sequence[Turn] = ()
    ) -> Answer:
        """The answer, when it is whole. See `stream`."""
        for event in self.stream(question, k=k, llm=llm, history=history):
            if isinstance(event, Finished):
                return event.answer
        raise NotesqaError("the answer did not come to its end", "ask again")

    def stream(
        self,
        question: str,
        *,
        k: int = 8,
        llm: bool = True,
        history: Sequence[Turn] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[AnswerEvent]:
        """The answer in the making: `Found`, then `Delta`s, then `Finished`.

        Args:
            k: how many passages the answer may rest on.
            llm: False composes without the chat model, also where there is one.
            history: the turns before, for questions that need them.
            cancel: when set, the answer ends soon and is marked as stopped.

        Raises:
            NotesqaError: the question is empty; the index, the model or a prompt fails.
        """
        if not question.strip():
            raise NotesqaError("the question is empty", 'ask something: notesqa ask "…"')
        started = time.perf_counter()
        model = self._chat_model() if llm else None
        loaded = time.perf_counter()
        prompts = self._prompts() if model else None
        said, before, told = asked_again(question, history)
        asked = standalone(said, before, model, prompts, cancel=cancel) if before else said
        reading = self._read(asked, k, told)
        if before and asked == said and may_lean(reading):
            reading = self._beside(reading, before, k, told)
        asked, query, passages = reading.asked, reading.query, reading.passages
        extraction, judgement = reading.extraction, reading.judgement
        searched = loaded + reading.searching
        yield Found(asked, tuple(passages))
        seconds = {"load": loaded - started, "search": searched - loaded}

        def finished(answer: Answer) -> Finished:
            now = time.perf_counter()
            times = {**seconds, "answer": now - searched, "total": now - started}
            return Finished(
                dataclasses.replace(
                    answer,
                    seconds={name: round(value, 4) for name, value in times.items()},
                    confidence=round(judgement.probability, 4),
                    passages=tuple(passages),
                )
            )

        texts = [passage.text for passage in passages]
        refusal = refusal_text(question, texts, told=bool(told))
        if told:
            extraction = more_of(extraction, {document for document, _ in told})
        if judgement.outcome == "refuse":
            yield finished(self._refusal(question, refusal, EXTRACTIVE))
            return
        extractive = self._extractive(question, refusal, extraction, judgement)
        if model is None or prompts is None:
            yield Delta(extractive.text)
            yield finished(extractive)
            return
        composed: Composed | None = None
        from notesqa.answering.compose import compose

        for event in compose(
            besides(asked) if told else asked,
            passages,
            model,
            prompts,
            history=history,
            cancel=cancel,
            settings=self._settings,
            segmenter=self._retriever.segmenter,
            embedder=self._sentence_embedder,
        ):
            if isinstance(event, Delta):
                yield event
            else:
                composed = event
        if composed is None or not (composed.sentences or composed.refused or composed.stopped):
            raise NotesqaError("the model wrote nothing", "ask again, or without it: --no-llm")
        if composed.refused:
            refused = self._refusal(question, refusal, model.name)
            yield finished(dataclasses.replace(refused, stopped=composed.stopped))
            return
        yield finished(self._checked(question, query, passages, composed, extractive, model.name))

    def _read(self, asked: str, k: int, told: Container[tuple[str, int]]) -> Reading:
        """Search for a question, choose what would answer it, and judge whether it does.

        Args:
            told: by document and offset, sentences that are not to be quoted again.
        """
        started = time.perf_counter()
        query = self._retriever.analyse(asked)
        hits = self._retriever.hits(query)
        passages = self._retriever.passages(hits, k)
        parts = self._searched(parts_of(asked, self._retriever.analyse), k)
        if parts:
            passages = together(passages, [part.passages for part in parts], k)
        idf = self._retriever.idf(query)
        searching = time.perf_counter() - started
        extraction = extract(query, passages, idf, self._sentence_embedder, told)
        judgement = judge(query, hits, extraction, load_weights())
        answered = [self._part(part, told) for part in parts]
        if judgement.outcome == "nearest" and not parts:
            parts = self._searched(of_each(asked, self._retriever.analyse), k)
            answered = [self._part(part, told) for part in parts]
            firsts = {(c.document_id, c.start) for _, one in answered for c in one.citations[:1]}
            if parts and len(firsts) == len(parts):
                passages = together(passages, [part.passages for part in parts], k)
            else:
                answered = []  # what would answer both was found already, and is doubtful
        if answered and judgement.outcome != "refuse":
            doubtful = any(outcome != "answer" for outcome, _ in answered)
            judgement = dataclasses.replace(judgement, outcome="nearest" if doubtful else "answer")
            quoted = joined([one for _, one in answered], extraction)
            extraction = quoted if quoted.sentences else extraction
        if judgement.outcome == "answer" and extraction.below > MOST_BELOW:
            judgement = dataclasses.replace(judgement, outcome="nearest")
        return Reading(asked, query, hits, passages, extraction, judgement, searching)

    def _beside(
        self,
        alone: Reading,
        history: Sequence[Turn],
        k: int,
        told: Container[tuple[str, int]],
    ) -> Reading:
        """A question beside the matter of the talk, where it is about that; else as it is."""
        for wording in wordings(alone.asked, history):
            beside = self._read(wording, k, told)
            if goes_on(alone, beside, history):
                return beside
        return alone

    def _searched(self, parts: Sequence[Query], k: int) -> list[_Part]:
        found = [(part, self._retriever.hits(part)) for part in parts]
        return [_Part(part, hits, self._retriever.passages(hits, k)) for part, hits in found]

    def _part(self, part: _Part, told: Container[tuple[str, int]]) -> tuple[Outcome, Extraction]:
        """Whether one of several questions is answered, and what answers it."""
        idf = self._retriever.idf(part.query)
        quoted = extract(part.query, part.passages, idf, self._sentence_embedder, told)
        outcome = judge(part.query, part.hits, quoted, load_weights()).outcome
        if outcome == "refuse":
            return outcome, dataclasses.replace(quoted, sentences=(), citations=())
        return outcome, quoted

    def _refusal(self, question: str, refusal: str, engine: str) -> Answer:
        return Answer(question, (Sentence(refusal, ()),), (), True, engine)

    def _extractive(
        self, question: str, refusal: str, extraction: Extraction, judgement: Judgement
    ) -> Answer:
        if not extraction.sentences:
            return self._refusal(question, refusal, EXTRACTIVE)
        return Answer(
            question,
            set_out(extraction.sentences, extraction.citations),
            extraction.citations,
            False,
            EXTRACTIVE,
            nearest=judgement.outcome == "nearest",
        )

    def _checked(
        self,
        question: str,
        query: Query,
        passages: Sequence[Passage],
        composed: Composed,
        extractive: Answer,
        engine: str,
    ) -> Answer:
        """Verify each sentence and number the quotes that support it."""
        from notesqa.answering.verify import verify

        citations: list[Citation] = []
        sentences: list[Sentence] = []
        for said in composed.sentences:
            cited = [passages[n - 1] for n in said.citations if 1 <= n <= len(passages)]
            verdict = verify(
                said.text,
                cited,
                question=query.text,
                segmenter=self._retriever.segmenter,
                embedder=self._sentence_embedder,
            )
            marks = []
            for index, passage in enumerate(cited):
                start, end = 0, len(passage.text)
                if verdict.quote and verdict.quote[0] == index:
                    start, end = verdict.quote[1], verdict.quote[2]
                elif verdict.quote:
                    # Another of the cited passages supports it; this one is kept whole.
                    pass
                marks.append(_cite(citations, passage, start, end))
            sentences.append(
                dataclasses.replace(
                    said,
                    citations=tuple(dict.fromkeys(marks)),
                    supported=verdict.supported,
                    reason=verdict.reason,
                )
            )
        answer = Answer(
            question,
            tuple(sentences),
            tuple(citations),
            False,
            engine,
            nearest=extractive.nearest,
            stopped=composed.stopped,
        )
        doubtful = answer.unsupported > _MOST_UNSUPPORTED * max(1, len(sentences))
        if (doubtful or not sentences) and not extractive.refused:
            return dataclasses.replace(answer, alternative=extractive)
        return answer


def _cite(citations: list[Citation], passage: Passage, start: int, end: int) -> int:
    """The number of the citation of this span, which is added where it is new."""
    for known in citations:
        if (known.chunk_id, known.start, known.end) == (
            passage.chunk_id,
            passage.start + start,
            passage.start + end,
        ):
            return known.n
    citations.append(
        Citation(
            n=len(citations) + 1,
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            title=passage.title,
            source=passage.source_at(start),
            quote=passage.text[start:end],
            start=passage.start + start,
            end=passage.start + end,
        )
    )
    return len(citations)
