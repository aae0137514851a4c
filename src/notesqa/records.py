"""The records that flow through notesqa; all frozen.

Offsets are counted in characters (Python code points) of `Document.text`, so
`document.text[r.start:r.end]` is the text of any record `r` that has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

DocumentKind = Literal["excerpt", "article", "text"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document stands: a file of the corpus and the line it begins on.

    Attributes:
        path: relative to the home, with forward slashes (`corpus/a.md`).
        line: 1-based line in the file.
    """

    path: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Document:
    """One article, note or excerpt, as the reader hands it on.

    Attributes:
        id: stable name: of the content for an excerpt, of the path for a file.
        title: what a person would look for; unique within the catalog.
        text: the whole text as shown; what every offset refers to.
        kind: `excerpt` (a line of a transmission), `article` (Markdown), `text`.
        sources: every place it came from, first one first; never empty.
        date: ISO `YYYY-MM-DD` from the front matter, or None.
        tags: from the front matter.
        truncated: the text was cut short by the feed (ends in an ellipsis).
    """

    id: str
    title: str
    text: str
    kind: DocumentKind
    sources: tuple[Source, ...]
    date: str | None = None
    tags: tuple[str, ...] = ()
    truncated: bool = False

    def source_at(self, offset: int) -> Source:
        """The first source, with the line that the character at `offset` stands on."""
        first = self.sources[0]
        return Source(first.path, first.line + self.text.count("\n", 0, offset))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: what is embedded, indexed and returned.

    Attributes:
        ordinal: 0-based position among the document's chunks.
        start, end: offsets into the document's text.
        heading: headings above it, outermost first, without the title.
        text: `document.text[start:end]`.
        tokens: length in tokens of the embedder that it was cut for.
    """

    id: str
    document_id: str
    ordinal: int
    start: int
    end: int
    heading: tuple[str, ...]
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk as a search engine takes it in."""

    key: int
    title: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A search result: a chunk with its place, its score and why.

    Attributes:
        rank: 1 for the best.
        score: what the results are sorted by; comparable within one search.
        source: `path:line` of the passage's first line.
        heading: headings above the passage, joined by ` › `.
        scores: the parts that make up the score, by name.
        date, tags: of the note.
    """

    rank: int
    score: float
    chunk_id: str
    document_id: str
    title: str
    source: str
    heading: str
    text: str
    start: int
    end: int
    scores: Mapping[str, float] = field(default_factory=dict)
    date: str | None = None
    tags: tuple[str, ...] = ()

    def source_at(self, offset: int) -> str:
        """`path:line` of the line that the character at `offset` of the text stands on."""
        path, _, line = self.source.rpartition(":")
        further = self.text.count("\n", 0, offset)
        return f"{path}:{int(line) + further}" if path and line.isdecimal() else self.source


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered reference from a sentence of an answer to the notes.

    Attributes:
        n: the number shown, from 1.
        source: `path:line` of the quote's first line.
        quote: the words that support the sentence; `document.text[start:end]`.
    """

    n: int
    chunk_id: str
    document_id: str
    title: str
    source: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer.

    Attributes:
        text: without citation marks.
        citations: numbers of the citations that it rests on.
        supported: whether the cited passages were found to say it.
        reason: why not, when it is not supported; else empty.
        lead: what stands between the sentence before and this one, as Markdown: nothing where
            it runs on, an empty line where it begins a paragraph, a line break and a marker
            where it begins an item of a list (`\\n- `, `\\n2. `, and `\\n\\n- ` for a new list).
    """

    text: str
    citations: tuple[int, ...]
    supported: bool = True
    reason: str = ""
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or an honest refusal.

    Attributes:
        refused: the notes do not say; `sentences` then holds the one that says so.
        engine: `extractive`, or the chat model's name.
        nearest: the answer quotes what is nearest, since it is uncertain that
            the notes answer at all.
        confidence: calibrated probability that the notes answer, or None.
        stopped: the user stopped it before its end.
        seconds: wall time by part (`search`, `answer`, …).
    """

    question: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    refused: bool
    engine: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    nearest: bool = False
    confidence: float | None = None
    stopped: bool = False
    passages: tuple[Passage, ...] = ()
    alternative: Answer | None = None

    @property
    def text(self) -> str:
        """The sentences with their marks, `第一句。[1] 第二句。[1][2]`; items of lists on lines."""
        return as_markdown(self)

    @property
    def unsupported(self) -> int:
        """How many sentences are not supported by what they cite."""
        return sum(not sentence.supported for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, as the next turn sees it."""

    question: str
    answer: Answer


# Display formulas, code and rows of tables, after which nothing may stand on the line.
_BLOCKS = ("$$", "\\[", "\\]", "```", "~~~", "|")


def with_marks(text: str, marks: str) -> str:
    """A sentence and the marks after it, on a line of their own below a block."""
    below = marks and "\n" in text and text.endswith(_BLOCKS)
    if not below:
        return text + marks
    # Right below a table its line would be one more row of it.
    return f"{text}\n\n{marks}" if text.endswith("|") else f"{text}\n{marks}"


def running_text(sentences: Iterable[tuple[str, str]]) -> str:
    """Sentences and the marks after each as one text; one that takes several lines is set apart.

    Args:
        sentences: text, and marks such as `[1][2]`.
    """
    rows = list(sentences)
    parts = [with_marks(text, marks) for text, marks in rows]
    space = " " if _mostly_latin(parts) else ""
    whole = ""
    before = False
    for (text, _), part in zip(rows, parts, strict=True):
        apart = "\n" in text or text.startswith(_BLOCKS)
        if whole:
            whole += "\n\n" if apart or before else space
        whole += part
        before = apart
    return whole


def _mostly_latin(parts: list[str]) -> bool:
    text = "".join(parts)
    return sum(char.isascii() for char in text) * 2 > len(text)


_FURTHER_LINE = re.compile(r"\n(?=[^\n])")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences of an answer that run on: an item of a list, or the text beside lists.

    Attributes:
        marker: of an item, with the space after it, if any: `- `, `2. `, `（2）`; else empty.
        joins: it stands right below what is above it, as an item does in its list.
    """

    sentences: tuple[Sentence, ...]
    marker: str = ""
    joins: bool = False


def paragraphs(answer: Answer) -> tuple[Paragraph, ...]:
    """The sentences of an answer in order, each item of a list by itself; one alone is no list."""
    found: list[Paragraph] = []
    for sentence in answer.sentences:
        if found and not sentence.lead:
            found[-1] = replace(found[-1], sentences=(*found[-1].sentences, sentence))
            continue
        marker = sentence.lead.lstrip("\n")
        joins = bool(found) and not sentence.lead.startswith("\n\n")
        found.append(Paragraph((sentence,), marker, joins))
    return tuple(found) if len(found) > 1 else tuple(replace(one, marker="") for one in found)


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


def below_headings(text: str, said: Collection[str]) -> str:
    """A passage without the headings that it begins with and that are `said` above it already."""
    rest = text
    while rest.startswith("#"):
        first, _, rest = rest.partition("\n")
        rest = rest.lstrip("\n")
        if first.lstrip("#").strip() not in said or not rest:
            break
        text = rest
    return text
