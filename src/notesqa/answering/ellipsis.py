"""Follow-ups that say less than they ask: 要做几次 after a question about Reflow, and 还有呢.

No word of the first kind tells that it leans on what came before, so the notes decide: a short
question without a name is about the matter of the talk if, asked together with that, it is
answered from a note that the talk has been in, and no worse than alone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from notesqa.answering.extract import Extraction
from notesqa.answering.followups import ENDS, TURNS, subjects_of
from notesqa.answering.naming import names_of
from notesqa.answering.numbers import asks_number
from notesqa.answering.refusal import Judgement
from notesqa.records import Passage, Turn
from notesqa.retrieval import Hit
from notesqa.retrieval.features import met, squeeze
from notesqa.retrieval.query import Query
from notesqa.text.normalize import normalize, simplified
from notesqa.text.script import mostly_english

MOST_BELOW = 2.5
"""What is left to say is hardly an answer when its best sentence is so far, in score, below what
was told."""
# So far below, it is about something else.
_MOST_BELOW_TOLD = 5.0
# Characters; whoever writes more names what he asks about.
_LONGEST = 16
# Of a term that says the matter of a question by itself: 空洞卷积, not 步长.
_COMPOUND = 4
_HOW_MUCH = re.compile(r"一般|通常|大概|大约|[几多]")
_MORE = re.compile(
    r"(?:那么?|嗯|好的)?[，,\s]*还有(?:没有)?(?:什么|哪些|啥)?(?:别的|其他|其它|更多)?的?"
    r"(?P<matter>[\u4e00-\u9fff]{2,4}?)?(?:呢|吗|么|没有?)?"
    r"|(?:anything|what) else|(?:any )?(?:others?|more)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A question in one wording, and what the notes hold for it.

    Attributes:
        asked: the wording; it stands alone.
        passages: that the answer may rest on.
        searching: seconds that the search took.
    """

    asked: str
    query: Query
    hits: Sequence[Hit]
    passages: Sequence[Passage]
    extraction: Extraction
    judgement: Judgement
    searching: float


# -- what only wants more --------------------------------------------------------------------


def asks_for_more(question: str, before: str) -> bool:
    """Whether a question only wants more of what the one before it asked for: 还有呢.

    Args:
        before: the earlier question; 还有什么缺点 asks for more where that asked for 缺点.
    """
    found = _MORE.fullmatch(simplified(question).strip().strip(ENDS))
    return found is not None and (found["matter"] or "") in simplified(before)


def asked_again(
    question: str, history: Sequence[Turn]
) -> tuple[str, Sequence[Turn], set[tuple[str, int]]]:
    """The question that one for more asks again, or the question itself.

    Returns:
        the question, the turns before it, and by document and offset the sentences that
        answered it so far.
    """
    told: set[tuple[str, int]] = set()
    turns = list(history)
    while turns and asks_for_more(question, turns[-1].question):
        last = turns.pop()
        told.update((c.document_id, c.start) for c in last.answer.citations)
        if not (turns and asks_for_more(last.question, turns[-1].question)):
            return last.question, turns, told
    return question, history, set()


def more_of(extraction: Extraction, notes: Container[str]) -> Extraction:
    """What is left to say of a matter: nothing that is hardly about it.

    Of what comes far behind what was told, only the notes that the talk is about have more.

    Args:
        notes: by document, where what was told stands.
    """
    if extraction.below <= MOST_BELOW:
        return extraction
    near = extraction.below <= _MOST_BELOW_TOLD
    kept = [
        (sentence, citation)
        for sentence, citation in zip(extraction.sentences, extraction.citations, strict=True)
        if near and citation.document_id in notes
    ]
    numbered = [(replace(s, citations=(n,)), replace(c, n=n)) for n, (s, c) in enumerate(kept, 1)]
    return replace(
        extraction,
        sentences=tuple(sentence for sentence, _ in numbered),
        citations=tuple(citation for _, citation in numbered),
    )


def besides(asked: str) -> str:
    """A question that is asked again, worded for who knows what was said."""
    told = " (besides what was said)" if mostly_english(asked) else "（除了前面说过的）"
    return asked + told


# -- what leaves its matter out ----------------------------------------------------------------


def wordings(question: str, history: Sequence[Turn]) -> Iterator[str]:
    """A question beside what the latest turns were about, the latest first."""
    turns = [replace(turn, question=simplified(turn.question)) for turn in history]
    seen: set[str] = set()
    for last in range(len(turns), max(0, len(turns) - TURNS), -1):
        matter = "和".join(subjects_of(turns[:last]))
        if matter and matter not in seen and matter not in simplified(question):
            seen.add(matter)
            yield f"{matter}：{question.strip()}"


def may_lean(alone: Reading) -> bool:
    """Whether a question may be about the matter of the talk without saying so."""
    query = alone.query
    if not query.chinese or query.defines or names_of(query):
        return False
    if len(squeeze(query.normalized)) > _LONGEST:
        return False
    says_its_matter = any(c.forms and len(c.surface) >= _COMPOUND for c in query.concepts)
    return not (says_its_matter and alone.judgement.outcome == "answer")


def goes_on(alone: Reading, beside: Reading, history: Sequence[Turn]) -> bool:
    """Whether a question is answered beside the matter of the talk, and no worse than alone.

    Args:
        beside: the question with that matter.
    """
    before, now = alone.judgement, beside.judgement
    if now.outcome == "refuse" or not _in_talk(beside, history):
        return False
    said = _met(alone.query, beside)
    if before.outcome == "answer" and (now.outcome != "answer" or said < _met(alone.query, alone)):
        return False
    if now.outcome == "nearest" and now.probability < before.probability:
        return False
    # A number that is none of the matter's has made it doubtful by now.
    counts = asks_number(alone.query) and now.outcome == "answer"
    return said > 0 or counts or not _own(alone.query)


def _in_talk(reading: Reading, history: Sequence[Turn]) -> bool:
    """Whether what is quoted first is of a note that the latest turns quoted."""
    known = {c.document_id for turn in history[-TURNS:] for c in turn.answer.citations}
    citations = reading.extraction.citations
    return bool(citations) and citations[0].document_id in known


def _met(query: Query, reading: Reading) -> int:
    """How many of a question's own words the quotes have, by this or another name."""
    plain = normalize(" ".join(citation.quote for citation in reading.extraction.citations))
    packed = squeeze(plain)
    own = _own(query)
    return sum(met(plain, packed, c)[1] > 0.0 for c in query.concepts if c.surface in own)


def _own(query: Query) -> list[str]:
    """What a question asks about in its own words; a single character stands in many others."""
    surfaces = [concept.surface for concept in query.concepts]
    return [one for one in surfaces if len(one) > 1 and not _HOW_MUCH.match(one)]
