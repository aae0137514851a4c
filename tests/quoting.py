"""Answers that quote a note, as the extractive ones do."""

from __future__ import annotations

from notesqa.answering.quoting import set_out, shown
from notesqa.records import Answer, Citation, Document, Sentence, Source


def note(text: str, name: str = "a") -> Document:
    """A note that begins on the first line of its file."""
    return Document(name, f"题{name}", text, "article", (Source(f"corpus/{name}.md"),))


def quoting(*quotes: tuple[Document, str], question: str = "问") -> Answer:
    """An answer of one sentence for each quote, which is found in its note."""
    citations = []
    for n, (document, quote) in enumerate(quotes, 1):
        start = document.text.index(quote)
        source = str(document.source_at(start))
        end = start + len(quote)
        citations.append(
            Citation(n, f"{document.id}-0", document.id, document.title, source, quote, start, end)
        )
    sentences = [Sentence(shown(c.quote), (c.n,)) for c in citations]
    return Answer(question, set_out(sentences, citations), tuple(citations), False, "extractive")
