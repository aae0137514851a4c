"""From the documents of single files to those of the corpus.

The same excerpt in several files is one document; an article that begins like an excerpt
takes its place; titles are made unique. Nothing here depends on the order of the files.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from notesqa.notes.apart import with_unique_titles
from notesqa.notes.replacing import replaced_excerpts
from notesqa.notes.transmission import excerpt_key
from notesqa.records import Document, Source


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What one file holds.

    Attributes:
        path: relative to the home.
        documents: in the order of the file; titles not yet unique.
        remarks: what is wrong in a file that was read all the same.
    """

    path: str
    documents: tuple[Document, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """The documents of a corpus.

    Attributes:
        documents: ordered by their first source.
        duplicates: how many copies of excerpts and of whole files stand beside the first.
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
    excerpts, copies = _merged_excerpts(excerpts)
    articles, same = _merged_articles(articles)
    replaced = replaced_excerpts(excerpts, articles)
    taken: dict[str, list[Document]] = defaultdict(list)
    for excerpt in excerpts:
        if excerpt.id in replaced:
            taken[replaced[excerpt.id]].append(excerpt)
    whole = [
        dataclasses.replace(a, sources=(*a.sources, *_sources(taken[a.id]))) if a.id in taken else a
        for a in articles
    ]
    left = [excerpt for excerpt in excerpts if excerpt.id not in replaced]
    documents = with_unique_titles(sorted([*whole, *left], key=_place))
    return Gathered(tuple(documents), copies + same, tuple(replaced.items()))


# A shorter beginning may be that of several articles; one that does not say that it is
# cut must be longer still to be taken for one.
_SHORTEST_CUT = 30
_SHORTEST_UNMARKED = 100


def _place(document: Document) -> tuple[str, int, str]:
    first = document.sources[0]
    return first.path, first.line, document.id


def _sources(documents: Iterable[Document]) -> tuple[Source, ...]:
    found = {(s.path, s.line): s for d in documents for s in d.sources}
    return tuple(found[key] for key in sorted(found))


def _merged_excerpts(excerpts: list[Document]) -> tuple[list[Document], int]:
    """One document for all copies and cuts of an excerpt, with the longest text."""
    # An id is a digest of the key, so that equal texts are found without normalising them.
    by_id: dict[str, list[Document]] = defaultdict(list)
    for document in excerpts:
        by_id[document.id].append(document)
    by_head: dict[str, list[list[Document]]] = defaultdict(list)
    for same in by_id.values():
        by_head[excerpt_key(same[0].text[: 3 * _SHORTEST_CUT])[:_SHORTEST_CUT]].append(same)
    merged: list[Document] = []
    for alike in by_head.values():
        merged.extend(_one(members) for members in _by_beginning(alike))
    return merged, len(excerpts) - len(merged)


def _by_beginning(alike: list[list[Document]]) -> list[list[Document]]:
    """Put cuts of one excerpt together, the longest text first."""
    if len(alike) == 1:
        return alike
    by_key = {excerpt_key(same[0].text): same for same in alike}
    groups: list[tuple[str, list[Document]]] = []
    # Sorted backwards, a shorter cut comes right after what it is the beginning of.
    for key in sorted(by_key, reverse=True):
        cut = len(key) >= (_SHORTEST_CUT if by_key[key][0].truncated else _SHORTEST_UNMARKED)
        if groups and cut and groups[-1][0].startswith(key):
            groups[-1][1].extend(by_key[key])
        else:
            groups.append((key, list(by_key[key])))
    return [members for _, members in groups]


def _one(members: list[Document]) -> Document:
    """The document of a group whose first member has the longest text."""
    longest = [d for d in members if d.id == members[0].id]
    best = min(longest, key=lambda d: (d.truncated, _place(d)))
    return dataclasses.replace(best, sources=_sources(members))


def _merged_articles(articles: list[Document]) -> tuple[list[Document], int]:
    """One document for files of the same text, named after the first path."""
    by_text: dict[str, list[Document]] = defaultdict(list)
    for document in articles:
        by_text[document.text.strip()].append(document)
    merged = []
    for members in by_text.values():
        members.sort(key=_place)
        first, sources = members[0], _sources(members)
        merged.append(
            dataclasses.replace(
                first,
                sources=sources,
                date=next((d.date for d in members if d.date), None),
                tags=tuple(dict.fromkeys(tag for d in members for tag in d.tags)),
            )
        )
    return merged, len(articles) - len(merged)
