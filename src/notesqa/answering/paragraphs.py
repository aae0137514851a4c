"""What an answer is set in, wherever it is shown: running text, and the items of lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from notesqa.records import Answer, Citation, Sentence, running_text

_MARKER = re.compile(
    r"(?:(?P<bullet>[-*+•·●▪◦])|\d{1,3}[.)])[ \t]+"
    r"|(?:\d{1,3}[、．](?!\d)|[（(]\d{1,3}[)）]|[①-⑳])[ \t]*"
)
_BULLET = "- "
_FURTHER_LINE = re.compile(r"\n(?=[^\n])")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences of an answer that run on: an item of a list, or the text beside lists.

    Attributes:
        sentences: those of an item without its marker.
        marker: of an item, with the space after it, if any: `- `, `2. `, `（2）`; else empty.
        joins: the item stands in one list with what is above it.
    """

    sentences: tuple[Sentence, ...]
    marker: str = ""
    joins: bool = False


def paragraphs(answer: Answer) -> tuple[Paragraph, ...]:
    """The sentences of an answer in order, each quoted item of a list by itself.

    An item is known by what its quote begins with; a lone sentence or item is running text.
    """
    # The quote that supports a chat model's sentence says nothing of how that was written.
    quotes = {c.n: c for c in answer.citations} if answer.engine == "extractive" else {}
    found: list[Paragraph] = []
    before: Citation | None = None
    for sentence in answer.sentences:
        quote = next((quotes[n] for n in sentence.citations if n in quotes), None)
        last = found[-1] if found else None
        of_one_note = before and quote and before.document_id == quote.document_id
        beside = before if of_one_note else None
        if quote and (marker := _MARKER.match(quote.quote)):
            joins = bool(last and beside and (last.marker or _leads_to(beside, quote)))
            found.append(Paragraph((_unmarked(sentence),), _plain(marker), joins))
        elif last and (not last.marker or (beside and quote and _goes_on(beside, quote))):
            found[-1] = replace(last, sentences=(*last.sentences, sentence))
        else:
            found.append(Paragraph((sentence,)))
        before = quote
    if len(found) == 1:
        return (replace(found[0], marker=""),)
    following = [*(paragraph.joins for paragraph in found[1:]), False]
    return tuple(
        # A number says something beside its neighbours only.
        replace(paragraph, marker=_BULLET)
        if paragraph.marker and not paragraph.joins and not joined
        else paragraph
        for paragraph, joined in zip(found, following, strict=True)
    )


def cited(sentence: Sentence) -> str:
    """The marks of a sentence: `[1][2]`."""
    return "".join(f"[{n}]" for n in sentence.citations)


def as_markdown(answer: Answer, marks: Callable[[Sentence], str] = cited) -> str:
    """An answer as Markdown, with what `marks` gives after each sentence."""
    whole = ""
    for paragraph in paragraphs(answer):
        text = running_text((s.text, marks(s)) for s in paragraph.sentences)
        if paragraph.marker:
            indented = "\n" + " " * len(paragraph.marker)
            text = paragraph.marker + _FURTHER_LINE.sub(indented, text)
        whole += ("\n" if paragraph.joins else "\n\n") * bool(whole) + text
    return whole


def _plain(marker: re.Match[str]) -> str:
    if marker["bullet"]:
        return _BULLET
    return marker[0].rstrip() + " " * marker[0][-1].isspace()


def _unmarked(sentence: Sentence) -> Sentence:
    marker = _MARKER.match(sentence.text)
    return replace(sentence, text=sentence.text[marker.end() :]) if marker else sentence


def _leads_to(before: Citation, item: Citation) -> bool:
    """Whether what stands before an item in its note is of its list, or right above it."""
    last_line = before.quote.rpartition("\n")[2].lstrip()
    return bool(_MARKER.match(last_line)) or _adjoin(before, item)


def _goes_on(before: Citation, quote: Citation) -> bool:
    """Whether a quote is a further sentence of the item before it in its note."""
    return before.source == quote.source or _adjoin(before, quote)


def _adjoin(before: Citation, quote: Citation) -> bool:
    return quote.start - before.end in (0, 1)
