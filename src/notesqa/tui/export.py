"""A conversation as Markdown, its citations as footnotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from notesqa.records import Answer, Citation, Sentence, as_markdown
from notesqa.text.terminal import safe


def to_markdown(title: str, answers: Iterable[Answer]) -> str:
    """Questions as headings, answers with footnotes, the quotations below."""
    parts = [f"# {_line(title)}"]
    notes: list[str] = []
    for answer in answers:
        parts.append(f"## {_line(answer.question)}")
        numbers: dict[int, int] = {}
        for citation in answer.citations:
            numbers[citation.n] = len(notes) + 1
            notes.append(_footnote(len(notes) + 1, citation))

        def marks(sentence: Sentence, numbers: Mapping[int, int] = numbers) -> str:
            cited = "".join(f"[^{numbers[n]}]" for n in sentence.citations if n in numbers)
            return cited if sentence.supported else f"{cited} ⚠"

        parts.append(safe(as_markdown(answer, marks)))
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def _footnote(number: int, citation: Citation) -> str:
    quote = _line(citation.quote)
    return f"[^{number}]: {_line(citation.title)}, `{_line(citation.source)}`: “{quote}”"


def _line(text: str) -> str:
    return safe(" ".join(text.split()), newlines=False)


def export(folder: Path, title: str, answers: Iterable[Answer]) -> Path:
    """Write it to a new file in `folder`, named after the title.

    Raises:
        OSError: the file cannot be written.
    """
    stem = re.sub(r"[^\w\- ]+", "", safe(title, newlines=False)).strip()[:60] or "conversation"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 10_000):
        path = folder / (f"{stem}.md" if number == 1 else f"{stem} {number}.md")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(to_markdown(title, answers))
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{stem}.md has too many namesakes in {folder}")
