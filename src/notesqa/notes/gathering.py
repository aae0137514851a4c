"""From the documents of single files to those of the corpus.

The same excerpt in several files is one document; an article that begins like an excerpt
takes its place; titles are made unique. Nothing here depends on the order of the files.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from notesqa.notes.transmission import excerpt_key
from notesqa.records import Document, Source


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What one file holds.

    Attributes:
        path: relative to the home.
        documents: in the order of the file; titles not yet unique.
    """

    path: str
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The documents of a corpus.

    Attributes:
        documents: ordered by their first source.
        duplicates: how many copies of excerpts and files were found beyond the first.
        replaced: `(excerpt id, article id)` of excerpts that a whole article replaced.
    """

    documents: tuple[Document, ...]
    duplicates: int
    replaced: tuple[tuple[str, str], ...]


def gather(files: Iterable[ReadFile]) -> Gathered:
    """Put the files of a corpus together; the same for every order of `files`."""
    articles: list[Document] = []
    excerpts: list[Document] = []
    for file in sorted(files, key=lambda f: f.path):
        for document in file.documents:
            (excerpts if document.kind == "excerpt" else articles).append(document)
    merged, copies = _merged_excerpts(excerpts)
    documents = sorted([*articles, *merged], key=_place)
    return Gathered(tuple(documents), copies, ())


def _place(document: Document) -> tuple[str, int, str]:
    first = document.sources[0]
    return first.path, first.line, document.id


def _sources(documents: Iterable[Document]) -> tuple[Source, ...]:
    found = {(s.path, s.line): s for d in documents for s in d.sources}
    return tuple(found[key] for key in sorted(found))


def _merged_excerpts(excerpts: list[Document]) -> tuple[list[Document], int]:
    """One document for all copies and cuts of an excerpt, with the longest text."""
    by_key: dict[str, list[Document]] = defaultdict(list)
    for document in excerpts:
        by_key[excerpt_key(document.text)].append(document)
    groups: list[tuple[str, list[Document]]] = []
    # Sorted backwards, a shorter cut comes right after what it is the beginning of.
    for key in sorted(by_key, reverse=True):
        cut = all(d.truncated for d in by_key[key])
        if groups and cut and groups[-1][0].startswith(key):
            groups[-1][1].extend(by_key[key])
        else:
            groups.append((key, list(by_key[key])))
    merged = []
    for key, members in groups:
        longest = [d for d in members if excerpt_key(d.text) == key]
        best = min(longest, key=lambda d: (d.truncated, _place(d)))
        merged.append(dataclasses.replace(best, sources=_sources(members)))
    return merged, len(excerpts) - len(merged)
