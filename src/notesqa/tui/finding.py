"""A search as the screen shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from notesqa.records import Passage, below_headings
from notesqa.tui.queries import Query

if TYPE_CHECKING:
    from notesqa.api import Notes


class Filters(TypedDict):
    """What the notes must meet; see `Notes.search`."""

    sources: tuple[str, ...]
    tags: tuple[str, ...]
    after: str | None
    before: str | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search found.

    Attributes:
        shown: each passage as it is read on one line.
        words: of the query, to be looked for in them.
    """

    passages: tuple[Passage, ...]
    shown: tuple[str, ...]
    words: tuple[str, ...]


def find(notes: Notes, query: Query, k: int) -> Findings:
    """Search `notes` for a line as it was typed; filters alone list how the newest begin.

    Raises:
        NotesqaError: there is no index, or it cannot be read.
    """
    from notesqa.tui.markdown import plain_text

    filters: Filters = {
        "sources": query.sources,
        "tags": query.tags,
        "after": query.after or None,
        "before": query.before or None,
    }
    if query.text:
        passages = notes.search(query.text, k=k, **filters)
    else:
        passages = notes.newest(k, **filters)
    words = dict.fromkeys([*query.text.split(), *notes.words(query.text)])
    return Findings(
        tuple(passages),
        tuple(plain_text(below_headings(p.text, {p.title})) for p in passages),
        tuple(word for word in words if len(word) > 1 or not word.isascii()),
    )
