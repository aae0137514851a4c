"""Markdown with YAML front matter, and plain text files, as one document each."""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml

from notesqa.notes.titles import article_title, is_generic
from notesqa.records import Document, DocumentKind, Source

_OPENING = re.compile(r"\s*---[ \t]*\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
_MAX_FRONT_MATTER = 1 << 16
_MAX_TITLE = 300
_LISTS = (("[", "]"), ("{", "}"))
_KEY_LINE = re.compile(r"^[\w\u3400-\u9fff][\w\u3400-\u9fff .-]*:", re.MULTILINE)
_DATE = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})|\A(\d{4})(\d\d)(\d\d)\Z")
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What the head of a Markdown file says.

    Attributes:
        length: characters that it takes, up to where the body begins; 0 without one.
        remarks: what is wrong with it, for whoever wrote it.
    """

    title: str = ""
    date: str | None = None
    tags: tuple[str, ...] = ()
    length: int = 0
    remarks: tuple[str, ...] = ()


def read_article(
    text: str, path: str, kind: DocumentKind
) -> tuple[Document | None, tuple[str, ...]]:
    """The document of one Markdown or text file, and the remarks on its front matter.

    Args:
        text: with `\\n` line ends.
        path: relative to the home.

    Returns:
        None for the document when the file holds nothing.
    """
    front = front_matter(text) if kind == "article" else FrontMatter()
    body = text[front.length :]
    skipped = len(body) - len(body.lstrip("\n"))
    body = body[skipped:].rstrip()
    if not body.strip():
        return None, front.remarks
    line = 1 + text.count("\n", 0, front.length + skipped)
    stem = PurePosixPath(path).stem
    # The writer's own title stays whole: it is searched, too.
    title = front.title[:_MAX_TITLE]
    if is_generic(title):
        title = article_title(body, kind) or title or stem
    document = Document(
        id=file_id(path),
        title=title,
        text=body,
        kind=kind,
        sources=(Source(path, line),),
        date=front.date,
        tags=front.tags,
    )
    return document, front.remarks


def file_id(path: str) -> str:
    """The name of a document that is a whole file: a digest of its path."""
    return hashlib.blake2b(
        f"file:{path}".encode("utf-8", "surrogatepass"), digest_size=8
    ).hexdigest()


def front_matter(text: str) -> FrontMatter:
    """The front matter of a Markdown text.

    Broken YAML between `---` lines counts as front matter when it has keys, and is read line
    by line; without keys it is no front matter but a body between two rules.
    """
    opening = _OPENING.match(text)
    if not opening:
        return FrontMatter()
    closing = _CLOSING.search(text, opening.end(), opening.end() + _MAX_FRONT_MATTER)
    if not closing:
        return FrontMatter()
    head = text[opening.end() : closing.start()]
    if head.strip() and not _KEY_LINE.search(head):
        return FrontMatter()
    remarks = []
    try:
        values = yaml.safe_load(head)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = text.count("\n", 0, opening.end()) + 1 + (mark.line if mark else 0)
        remarks.append(f"its front matter is no YAML (line {line}): read as far as it is plain")
        values = _by_lines(head)
    except (ValueError, OverflowError, RecursionError):
        # ValueError: a date such as 2024-13-45 that looks like one and is none.
        values = _by_lines(head)
    if not isinstance(values, dict):
        values = {}
    values = {key.lower() if isinstance(key, str) else key: v for key, v in values.items()}
    date = _date(values.get("date"))
    if date is None and (said := _text(values.get("date"))):
        remarks.append(f"its date “{said[:_LONGEST_SHOWN]}” is none: write YYYY-MM-DD")
    return FrontMatter(
        title=_text(values.get("title")),
        date=date,
        tags=_tags(values.get("tags", values.get("tag"))),
        length=closing.end(),
        remarks=tuple(remarks),
    )


def _by_lines(head: str) -> dict[str, str]:
    """Keys and values of broken YAML, one a line, as far as they are plain."""
    values = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() in ("title", "date", "tags", "tag"):
            values[key.strip().lower()] = value.strip().strip("\"'")
    # A list that is not closed names nothing; as tags it can still be read.
    title = values.get("title", "")
    if any(title.startswith(opening) and closing not in title for opening, closing in _LISTS):
        del values["title"]
    return values


def _text(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        # YAML escapes can write half a character, which no file or table can hold.
        text = str(value).encode("utf-8", "replace").decode("utf-8")
        return " ".join(text.split())
    return ""


def _date(value: object) -> str | None:
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str | int) and (match := _DATE.search(str(value).strip())):
        try:
            return datetime.date(*(int(part) for part in match.groups() if part)).isoformat()
        except ValueError:
            return None
    return None


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        parts: list[object] = list(re.split(r"[,，、;；]", value.strip().strip("[]")))
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    else:
        parts = [value]
    texts = (_text(part).strip().lstrip("#").strip() for part in parts)
    return tuple(dict.fromkeys(text for text in texts if text))
