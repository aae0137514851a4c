"""Transmissions: files saved from a feed page, one article excerpt a line.

    INCOMING TRANSMISSION

    LATEST UPDATES
    first excerpt …
    second excerpt …
    1 2 3 ... 5

They are recognised by what they hold, not by their names.
"""

from __future__ import annotations

import hashlib
import re

from notesqa.notes.titles import excerpt_title
from notesqa.records import Document, Source
from notesqa.text.normalize import normalize

_BANNER = re.compile(r"\s*INCOMING\s+TRANSMISSION\s*")
_HEADLINE = re.compile(r"\s*LATEST\s+UPDATES\s*")
_PAGER = re.compile(
    r"\s*(?:[«‹<]|prev(?:ious)?|上一页)?\s*\d{1,4}(?:\s+(?:\d{1,4}|\.{2,}|…))*\s*"
    r"(?:[»›>]|next|下一页)?\s*",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(r"(?:\.{3,}|…+)\s*$")
_SPACES = re.compile(r"\s+")


def is_transmission(text: str) -> bool:
    """Whether a text is a transmission: its banner comes first, then its headline."""
    lines = [line for line in text[:400].split("\n") if line.strip()][:2]
    return (
        len(lines) >= 2
        and bool(_BANNER.fullmatch(lines[0]))
        and bool(_HEADLINE.fullmatch(lines[1]))
    ) or (len(lines) == 1 and bool(_BANNER.fullmatch(lines[0])))


def read_transmission(text: str, path: str) -> tuple[Document, ...]:
    """The excerpts of a transmission, in order, repeated ones included.

    Args:
        text: with `\\n` line ends.
        path: relative to the home.
    """
    documents: list[Document] = []
    lines = text.split("\n")
    last = max((i for i, line in enumerate(lines) if line.strip()), default=-1)
    for number, raw in enumerate(lines):
        line = raw.strip()
        if not line or _is_frame(line, documents) or (number == last and _PAGER.fullmatch(line)):
            continue
        documents.append(
            Document(
                id=excerpt_id(line),
                title=excerpt_title(line),
                text=line,
                kind="excerpt",
                sources=(Source(path, number + 1),),
                truncated=bool(_ELLIPSIS.search(line)),
            )
        )
    return tuple(documents)


def _is_frame(line: str, documents: list[Document]) -> bool:
    """The banner and the headline, which may stand again where files were joined."""
    return bool(_BANNER.fullmatch(line) or _HEADLINE.fullmatch(line))


def excerpt_key(text: str) -> str:
    """What two copies of one excerpt share: normalised, without spaces and the ellipsis."""
    return _SPACES.sub("", normalize(_ELLIPSIS.sub("", text)))


def excerpt_id(text: str) -> str:
    """The name of an excerpt: a digest of its key."""
    key = f"excerpt:{excerpt_key(text)}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=8).hexdigest()
