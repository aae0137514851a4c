"""What the parts tell about the home and their work; all frozen.

Apart from those parts, so that a program that only shows it imports neither SQLite nor numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Stage = Literal["scan", "read", "embed", "commit", "follow", "tidy"]


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document without its text."""

    id: str
    title: str
    kind: str
    date: str | None
    tags: tuple[str, ...]
    sources: tuple[str, ...]
    truncated: bool
    characters: int


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """A kept conversation."""

    id: int
    title: str
    created: str
    updated: str
    turns: int


@dataclass(frozen=True, slots=True)
class IndexEvent:
    """Progress of a rebuild: `done` of `total` in a stage; `detail` names the item."""

    stage: Stage
    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a rebuild did.

    Attributes:
        changed: whether a commit was added; False when nothing had changed.
        added, removed, updated: documents; one that takes the place of another, as a longer
            excerpt of an article or a file of another name does, is an updated one.
        replaced: titles of excerpts that a whole article replaced, with the article's.
        new_titles, updated_titles, removed_titles: of the added, updated and removed documents.
        copied: files that were added to the corpus, relative to the home.
        unread: source and reason of every file that could not be read.
        failed: path and reason of what was named and could not be added to the corpus.
        embedded: how many vectors were computed.
        left_out: suffix and number of files of other formats that were passed over.
        dictionary: the words of `userdict.txt` were others than before.
        remarks: source of every file in which something is wrong that was read all the same,
            and what.
        displaced: files that took the place of others of their name, and where those are kept.
    """

    commit: int
    changed: bool
    files: int
    documents: int
    chunks: int
    duplicates: int
    added: int
    removed: int
    updated: int
    replaced: tuple[tuple[str, str], ...]
    new_titles: tuple[str, ...]
    copied: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    embedded: int
    seconds: float
    left_out: tuple[tuple[str, int], ...] = ()
    dictionary: bool = False
    remarks: tuple[tuple[str, str], ...] = ()
    displaced: tuple[tuple[str, str], ...] = ()
    updated_titles: tuple[str, ...] = ()
    removed_titles: tuple[str, ...] = ()

    def brief(self, most: int = 200) -> IndexReport:
        """The report for a person to read: of every list the first `most`, and how many more.

        The first index of a great corpus would name every note in it.
        """

        def pairs(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
            left = len(rows) - most
            return (*rows[:most], ("…", f"{left:,} more")) if left > 0 else rows

        def names(rows: tuple[str, ...]) -> tuple[str, ...]:
            left = len(rows) - most
            return (*rows[:most], f"… {left:,} more") if left > 0 else rows

        return replace(
            self,
            replaced=pairs(self.replaced),
            new_titles=names(self.new_titles),
            updated_titles=names(self.updated_titles),
            removed_titles=names(self.removed_titles),
            copied=names(self.copied),
            unread=pairs(self.unread),
            failed=pairs(self.failed),
            remarks=pairs(self.remarks),
            displaced=pairs(self.displaced),
        )


@dataclass(frozen=True, slots=True)
class Pending:
    """Paths, relative to the home, that the index does not know yet in their present form.

    Attributes:
        left_out: suffix and number of files of other formats, which a rebuild passes over.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The chat model that is there: its name, and its room in tokens.

    Attributes:
        has_template: it brings a chat template; without one it may answer badly.
    """

    name: str
    context_tokens: int
    has_template: bool = True
