"""Questions in one: "A 取多少？B 又是多少" asks two things, which stand in two places."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from notesqa.answering.extract import Extraction
from notesqa.answering.followups import by_rules, leans, subjects
from notesqa.answering.naming import names_of
from notesqa.records import Citation, Passage, Sentence
from notesqa.retrieval.query import Query, content_of
from notesqa.text.normalize import normalize, simplified

_BETWEEN = re.compile(r"[?？;；]+|[,，](?=[^,，]{0,24}(?:又|另一个|那边))")
_COMMA = re.compile(r"[,，]")
_ASKS = re.compile(
    r"什么|为啥|为何|怎|如何|多少|几|谁|哪|吗$|咋|\b(?:what|why|how|which|who|when|where)\b",
    re.IGNORECASE,
)
# A part that has one of these names a matter of its own: 温度又取多少, 微调的学习率小多少.
_ANOTHER = re.compile(r"又|另|[\u3400-\u9fff]{2}的(?!是|呢|吗)")
# Of each of two things the same is asked: ArcFace 和 CosFace 的间隔各取多少.
_OF_EACH = re.compile(
    r"(?P<one>[^,，。?？;；的]{2,24}?)\s*(?:和|与|跟|及|以及|、)\s*(?P<other>[^,，。?？;；的]{2,24}?)"
    r"\s*(?P<of>的[^,，。?？;；]{1,16}?)?\s*(?:分别|各自?)(?P<asks>[^,，?？;；]+)[?？]?"
)
_MOST_LONGER = 2
_SHORTEST_MATTER = 2
_MOST_PARTS = 3
_FEWEST_WORDS = 2
_PASSAGES_OF_PART = 2
_SENTENCES_OF_PART = 3


def parts_of(question: str, analyse: Callable[[str], Query]) -> list[Query]:
    """The questions that one line asks, in order; none where it asks only one.

    What names too little to be looked for ("怎么理解？") belongs to the part before it, and what
    names nothing that could be a matter of its own ("峰值在哪里？") asks about the matter of
    the first.
    """
    found: list[str] = []
    for piece in itertools.chain.from_iterable(map(_asking, _BETWEEN.split(question))):
        text = piece.strip()
        if not text:
            continue
        if found and len(analyse(text).own_words) < _FEWEST_WORDS:
            found[-1] = f"{found[-1]}，{text}"
        else:
            found.append(text)
    if not 1 < len(found) <= _MOST_PARTS:
        return []
    first, *others = found
    return [analyse(first), *(_of(first, part, analyse) for part in others)]


def of_each(question: str, analyse: Callable[[str], Query]) -> list[Query]:
    """The two questions in one that asks the same of each of two things; else none.

    One sentence may answer both at once, so these are for when none does.
    """
    each = _OF_EACH.fullmatch(simplified(question).strip())
    # What stands before a longer first one may be said of both: 论文推荐切片大小和重叠各….
    if not each or len(each["one"]) > _MOST_LONGER * len(each["other"]):
        return []
    of = each["of"] or ""
    return [analyse(f"{each[side]}{of}{each['asks']}") for side in ("one", "other")]


def _asking(text: str) -> list[str]:
    """A piece of a question, cut at the comma between two that ask about different things."""
    for comma in _COMMA.finditer(text):
        left, right = text[: comma.start()], text[comma.end() :]
        if _ASKS.search(left) and _ASKS.search(right) and not _share(left, right):
            return [left, right]
    return [text]


def _share(left: str, right: str) -> bool:
    """Whether two pieces of a question have two neighbouring characters of content in common."""
    one, other = content_of(normalize(left)), content_of(normalize(right))
    return any(other[at : at + 2] in one for at in range(len(other) - 1))


def _of(first: str, part: str, analyse: Callable[[str], Query]) -> Query:
    """A later part of a question, with the first one's matter if it names none itself."""
    query, matter = analyse(part), subjects(first)
    named = names_of(query) or any(concept.forms for concept in query.concepts)
    if len(matter) != 1 or len(matter[0]) < _SHORTEST_MATTER or matter[0] in part:
        return query
    if _ANOTHER.search(part):
        return query
    if leans(part):
        return analyse(by_rules(part, matter))
    return query if named else analyse(f"{matter[0]} {part}")


def together(
    whole: Sequence[Passage], of_parts: Sequence[Sequence[Passage]], k: int
) -> list[Passage]:
    """The `k` passages to answer from: the best, the first of every part, the others."""
    firsts = itertools.chain.from_iterable(
        itertools.zip_longest(*(passages[:_PASSAGES_OF_PART] for passages in of_parts))
    )
    chosen: dict[str, Passage] = {}
    for passage in itertools.chain(whole[:1], firsts, whole):
        if passage is not None:
            chosen.setdefault(passage.chunk_id, passage)
    return [replace(passage, rank=n) for n, passage in enumerate(list(chosen.values())[:k], 1)]


def joined(extractions: Sequence[Extraction], whole: Extraction) -> Extraction:
    """What answers each part, one after the other, nothing quoted twice."""
    sentences: list[Sentence] = []
    citations: list[Citation] = []
    places: set[tuple[str, int]] = set()
    for extraction in extractions:
        quoted = zip(extraction.sentences, extraction.citations, strict=True)
        for sentence, citation in itertools.islice(quoted, _SENTENCES_OF_PART):
            if (citation.document_id, citation.start) in places:
                continue
            places.add((citation.document_id, citation.start))
            citations.append(replace(citation, n=len(citations) + 1))
            sentences.append(replace(sentence, citations=(len(citations),)))
    return replace(whole, sentences=tuple(sentences), citations=tuple(citations))
