"""An answer from a chat model: what fits its context, streamed, with its citations.

The best passages go in first and whole; only when not even the best one fits is it cut,
and then between sentences. With a backend that obeys grammars every sentence ends in
citations by construction; otherwise the reply is parsed tolerantly, and a sentence
without a citation gets that of the passage that says it, if any does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notesqa.answering.events import Delta
from notesqa.answering.grammar import answer_grammar
from notesqa.answering.parsing import ReplyStream, parse
from notesqa.answering.prompting import REFUSALS, Language, Prompts
from notesqa.errors import ModelError
from notesqa.llm import Message
from notesqa.records import Passage, Sentence, Turn
from notesqa.text.script import asks_in_english
from notesqa.text.sentences import sentences

if TYPE_CHECKING:
    import threading

    from notesqa.config import LlmSettings
    from notesqa.embedding import Embedder
    from notesqa.llm import ChatModel
    from notesqa.text.segment import Segmenter

_LEAST_REPLY = 64
_TURNS = 2


@dataclass(frozen=True, slots=True)
class Composed:
    """What the model made of the passages; always the last that `compose` yields.

    Attributes:
        sentences: as written, citing passages by their numbers, from 1; nothing is verified yet.
        refused: the model says that the notes do not say.
        stopped: the user stopped it; `sentences` hold what was written.
        dropped: citations of passages that were not given.
        attributed: sentences whose citation was found by similarity.
        given: how many passages the model saw.
        raw: what it wrote, to the letter.
    """

    sentences: tuple[Sentence, ...]
    refused: bool
    stopped: bool
    dropped: int
    attributed: int
    given: int
    raw: str


def compose(
    question: str,
    passages: Sequence[Passage],
    model: ChatModel,
    prompts: Prompts,
    *,
    history: Sequence[Turn] = (),
    language: Language | None = None,
    cancel: threading.Event | None = None,
    settings: LlmSettings,
    segmenter: Segmenter,
    embedder: Embedder | None = None,
) -> Iterator[Delta | Composed]:
    """The answer in the making: `Delta`s that are safe to show, then one `Composed`.

    Args:
        passages: best first.
        language: of the answer; None follows the question.
        cancel: when set, the model stops within a token and what it wrote is kept.

    Raises:
        ModelError: the model fails, or its context is too small for any passage.
        PromptError: a template fails.
    """
    english = asks_in_english(question, (passage.text for passage in passages))
    language = language or ("en" if english else "zh")
    reply_tokens = min(settings.max_answer_tokens, model.context_tokens // 2)
    messages, given = fitting(question, passages, model, prompts, language, history, reply_tokens)
    grammar = None
    if model.supports_grammar:
        grammar = answer_grammar(given, REFUSALS[language], language=language)
    stream = ReplyStream(given)
    pieces = model.stream(
        messages,
        grammar=grammar,
        max_tokens=reply_tokens,
        temperature=settings.temperature,
        cancel=cancel,
    )
    for piece in pieces:
        if shown := stream.feed(piece):
            yield Delta(shown)
    # Set after the last piece, it stopped nothing; but then the reply is a whole one.
    stopped = cancel is not None and cancel.is_set()
    if shown := stream.close():
        yield Delta(shown)
    reply = parse(stream.raw, given)
    rows = list(reply.sentences)
    if not reply.complete and not stopped and len(rows) > 1 and not rows[-1].citations:
        rows.pop()  # cut off by the limit of tokens: half a sentence says nothing
    attributed = 0
    for index, row in enumerate(rows):
        if not row.citations:
            numbers = attribute(row.text, passages[:given], segmenter, embedder)
            attributed += bool(numbers)
            rows[index] = dataclasses.replace(row, citations=numbers)
    yield Composed(
        sentences=tuple(rows),
        refused=reply.refused,
        stopped=stopped,
        dropped=reply.dropped,
        attributed=attributed,
        given=given,
        raw=stream.raw,
    )


def attribute(
    sentence: str,
    passages: Sequence[Passage],
    segmenter: Segmenter,
    embedder: Embedder | None,
) -> tuple[int, ...]:
    """The number of the one passage that supports an uncited sentence, or nothing."""
    from notesqa.answering.verify import verify

    best, number = 0.0, 0
    for n, passage in enumerate(passages, 1):
        verdict = verify(sentence, [passage], segmenter=segmenter, embedder=embedder)
        if verdict.supported and verdict.score > best:
            best, number = verdict.score, n
    return (number,) if number else ()


def fitting(
    question: str,
    passages: Sequence[Passage],
    model: ChatModel,
    prompts: Prompts,
    language: Language,
    history: Sequence[Turn],
    reply_tokens: int,
) -> tuple[list[Message], int]:
    """The chat with as many of the best passages as leave room for the reply.

    Returns:
        The messages, and how many passages they hold.

    Raises:
        ModelError: not even a sentence of the best passage fits.
    """
    room = model.context_tokens - reply_tokens
    turns = tuple(history)[-_TURNS:]

    def tried(count: int, before: Sequence[Turn]) -> list[Message] | None:
        messages = prompts.answer(question, passages[:count], language, before)
        return messages if model.count_tokens(messages) <= room else None

    if messages := tried(len(passages), turns):
        return messages, len(passages)
    # The turns before are the first to go: passages answer, they only give the tone.
    if turns and (messages := tried(len(passages), ())):
        return messages, len(passages)
    low, high = 0, len(passages) - 1
    best: list[Message] | None = None
    while low < high:
        middle = (low + high + 1) // 2
        if messages := tried(middle, ()):
            low, best = middle, messages
        else:
            high = middle - 1
    if best is not None:
        return best, low
    return _one_shortened(question, passages[0], model, prompts, language, room), 1


def _one_shortened(
    question: str,
    passage: Passage,
    model: ChatModel,
    prompts: Prompts,
    language: Language,
    room: int,
) -> list[Message]:
    """The chat with the beginning of one passage, cut between sentences."""
    ends = [end for _, end in sentences(passage.text)]
    low, high = 0, len(ends)
    best: list[Message] | None = None
    while low < high:
        middle = (low + high + 1) // 2
        shorter = dataclasses.replace(
            passage, text=passage.text[: ends[middle - 1]], end=passage.start + ends[middle - 1]
        )
        messages = prompts.answer(question, [shorter], language)
        if model.count_tokens(messages) <= room:
            low, best = middle, messages
        else:
            high = middle - 1
    if best is None:
        raise ModelError(
            f"the model's context of {model.context_tokens} tokens is too small for an answer",
            "raise context_tokens in [llm], or lower max_answer_tokens",
        )
    return best
