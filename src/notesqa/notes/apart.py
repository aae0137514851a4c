"""Telling documents of the same title apart by what only one of them says."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from notesqa.notes.telling import telling_words
from notesqa.notes.titles import clean_title, is_generic, later_headings
from notesqa.records import Document
from notesqa.text.blocks import blocks
from notesqa.text.normalize import normalize

_HEAD = 1_500
_JOINT = " · "
_LONGEST = 24


def with_unique_titles(documents: Sequence[Document]) -> list[Document]:
    """The documents in their order, every title but once.

    Of several with one title each gets a heading or a phrase that no other of them has
    behind it, else its date or its file's name, and a number as the last resort.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for i, document in enumerate(documents):
        groups[_key(document.title)].append(i)
    result = list(documents)
    taken = {key for key, members in groups.items() if len(members) == 1}
    for members in groups.values():
        if len(members) > 1:
            for i, title in zip(members, _told_apart([documents[i] for i in members]), strict=True):
                unique = _numbered(title, taken)
                taken.add(_key(unique))
                result[i] = dataclasses.replace(documents[i], title=unique)
    return result


def _key(title: str) -> str:
    """Titles that a reader cannot tell apart have the same key."""
    return re.sub(r"\s+", "", normalize(title))


def _told_apart(group: list[Document]) -> list[str]:
    offers = [list(_differences(document)) for document in group]
    spread = Counter(key for offer in offers for key in {_key(o) for o in offer})
    heads = [_key(document.text[: _HEAD * 4]) for document in group]
    titles = []
    for i, (document, offer) in enumerate(zip(group, offers, strict=True)):
        difference = ""
        for candidate in offer:
            key = _key(candidate)
            if spread[key] > 1 or key in _key(document.title) or _key(document.title) in key:
                continue
            if not any(key in head for j, head in enumerate(heads) if j != i):
                difference = candidate
                break
        titles.append(f"{document.title}{_JOINT}{difference}" if difference else document.title)
    return titles


def _differences(document: Document) -> Iterator[str]:
    """What may tell a document from another of its title, the best first."""
    head = document.text[:_HEAD]
    if document.kind == "excerpt":
        yield from _short(later_headings(head))
    else:
        headings = [b.title for b in blocks(document.text[:20_000]) if b.kind == "heading"]
        yield from _short(headings[:12])
    yield from _short(telling_words(head, 8))
    if document.kind != "excerpt":
        yield PurePosixPath(document.sources[0].path).stem
        if len(PurePosixPath(document.sources[0].path).parts) > 2:
            yield PurePosixPath(document.sources[0].path).parent.name
    if document.date:
        yield document.date
    clauses = re.split(r"[,，。;；:：!！?？\n]", head)
    yield from _short([clause for clause in clauses[1:] if len(clause.strip()) >= 4])


def _short(phrases: Sequence[str]) -> Iterator[str]:
    for phrase in phrases:
        title = clean_title(phrase)
        if title and len(title) <= _LONGEST and not is_generic(title):
            yield title


def _numbered(title: str, taken: set[str]) -> str:
    number = 2
    unique = title
    while _key(unique) in taken:
        unique = f"{title} ({number})"
        number += 1
    return unique
