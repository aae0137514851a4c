"""Quotes as the sentences of an answer: what is shown of them, and how they are set out.

What stands as a list in the notes is a list in the answer, and what runs on there runs on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from notesqa.answering.spans import Span
from notesqa.records import Citation, Passage, Sentence
from notesqa.text.blocks import item_marker

_QUOTED_LINE = re.compile(r"\s*(?:>\s*)*(?:#{1,6}\s+)?")
# Formulas and code, in which stars and brackets are themselves, come first.
_VERBATIM = r"(?P<verbatim>`+[^`]*`+|\$\$[^$]*\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\])|"
_EMPHASIS = re.compile(_VERBATIM + r"(?<![\\*])\*\*(?=\S)(?P<said>.+?)(?<=\S)\*\*", re.DOTALL)
_LINK = re.compile(_VERBATIM + r"(?<!!)\[(?P<said>[^\]\n]+)\]\([^)\n]+\)", re.DOTALL)
_BULLET = "- "


def without_marker(quote: str) -> str:
    """A quote without the marks of quotations, headings and lists that it begins with."""
    text = _QUOTED_LINE.sub("", quote, count=1)
    return text[item_marker(text)[1] :]


def shown(quote: str) -> str:
    """A quote as a sentence of an answer: without list marks, emphasis and link targets."""
    text = without_marker(quote)
    for pattern in (_EMPHASIS, _LINK):
        text = pattern.sub(lambda match: match["verbatim"] or match["said"], text)
    return text.strip()


def quoted(
    spans: Sequence[Span], passages: Sequence[Passage]
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """The sentences of an answer that quotes these spans, in their order, and their citations."""
    sentences: list[Sentence] = []
    citations: list[Citation] = []
    for number, span in enumerate(spans, 1):
        passage = passages[span.passage]
        quote = passage.text[span.start : span.end]
        citations.append(
            Citation(
                n=number,
                chunk_id=passage.chunk_id,
                document_id=passage.document_id,
                title=passage.title,
                source=passage.source_at(span.start),
                quote=quote,
                start=passage.start + span.start,
                end=passage.start + span.end,
            )
        )
        sentences.append(Sentence(shown(quote), (number,)))
    return tuple(sentences), tuple(citations)


def set_out(sentences: Sequence[Sentence], citations: Sequence[Citation]) -> tuple[Sentence, ...]:
    """The sentences, each with what sets it apart from the one before.

    An item is known by what its quote begins with.

    Args:
        citations: of each sentence the one that it quotes.
    """
    markers = [item_marker(citation.quote)[0] for citation in citations]
    leads: list[str] = []
    in_item = False
    for n, marker in enumerate(markers):
        before, quote = citations[n - 1] if n else None, citations[n]
        beside = before if before and before.document_id == quote.document_id else None
        if marker:
            joins = bool(beside and (in_item or _leads_to(beside, quote)))
            leads.append(("\n" if joins else "\n\n") + marker)
            in_item = True
        elif not in_item or (beside and _goes_on(beside, quote)):
            leads.append("")
        else:
            leads.append("\n\n")
            in_item = False
    following = "\n\n"
    for n in reversed(range(len(leads))):
        if markers[n] and leads[n].startswith("\n\n") and following.startswith("\n\n"):
            # A number says something beside its neighbours only.
            leads[n] = "\n\n" + _BULLET
        following = leads[n] or following
    return tuple(
        replace(sentence, lead=lead if n else lead.lstrip("\n"))
        for n, (sentence, lead) in enumerate(zip(sentences, leads, strict=True))
    )


def _leads_to(before: Citation, item: Citation) -> bool:
    """Whether what stands before an item in its note is of its list, or right above it."""
    last_line = before.quote.rpartition("\n")[2]
    return bool(item_marker(last_line)[0]) or _adjoin(before, item)


def _goes_on(before: Citation, quote: Citation) -> bool:
    """Whether a quote is a further sentence of the item before it in its note."""
    return before.source == quote.source or _adjoin(before, quote)


def _adjoin(before: Citation, quote: Citation) -> bool:
    return quote.start - before.end in (0, 1)
