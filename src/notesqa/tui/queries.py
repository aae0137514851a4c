"""A line of search: words, and filters such as `tag:注意力 after:2024`."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

FILTERS = ("tag:", "source:", "after:", "before:")
_PART = re.compile(r'(?P<name>tag|source|after|before):(?P<value>"[^"]*"|\S*)|(?P<word>\S+)')
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?\Z")


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for, and where.

    Attributes:
        text: the words alone.
        sources: patterns of paths.
        after, before: ISO dates, or empty.
        bad_date: a date that is none, as it was typed; it filters nothing.
    """

    text: str
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    after: str = ""
    before: str = ""
    bad_date: str = ""

    @property
    def filters(self) -> bool:
        """Whether it says what the notes must meet."""
        return bool(self.tags or self.sources or self.after or self.before)


def parse(line: str) -> Query:
    """Read a line as it is typed: a filter without a value yet filters nothing."""
    words: list[str] = []
    tags: list[str] = []
    sources: list[str] = []
    dates = {"after": "", "before": ""}
    bad = ""
    for match in _PART.finditer(line):
        if match["word"]:
            words.append(match["word"])
            continue
        value = match["value"].strip('"')
        if not value:
            continue
        if match["name"] == "tag":
            tags.append(value)
        elif match["name"] == "source":
            sources.append(value if set("*?[") & set(value) else f"*{value}*")
        elif found := _whole(value, last=match["name"] == "before"):
            dates[match["name"]] = found
        else:
            bad = value
    return Query(" ".join(words), tuple(tags), tuple(sources), dates["after"], dates["before"], bad)


def _whole(value: str, *, last: bool) -> str:
    """A date; of a year or month that on which it begins, or ends. Empty when it is none."""
    if not _DATE.match(value):
        return ""
    year, *rest = map(int, value.split("-"))
    month = rest[0] if rest else (12 if last else 1)
    try:
        day = rest[1] if len(rest) > 1 else (monthrange(year, month)[1] if last else 1)
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def complete(line: str, tags: Sequence[str], sources: Sequence[str]) -> str | None:
    """The line with its last word completed, or None; the first that fits of what is known."""
    head, _, last = line.rpartition(" ")
    head = head + " " if head else ""
    if not last:
        return None
    name, colon, value = last.partition(":")
    if not colon:
        found = next((f for f in FILTERS if f.startswith(last) and len(last) > 1), None)
        return head + found if found else None
    known = {"tag": tags, "source": sources}.get(name, ())
    match = next((k for k in known if k.lower().startswith(value.lower()) and k != value), None)
    if match is None or not value:
        return None
    return f'{head}{name}:"{match}"' if " " in match else f"{head}{name}:{match}"


def matches(text: str, words: Iterable[str]) -> list[tuple[int, int]]:
    """Where `words` occur in `text`, without regard to case; spans in order, apart."""
    wanted = sorted({w.lower() for w in words if w.strip()}, key=len, reverse=True)
    if not wanted:
        return []
    folded = text.lower()
    if len(folded) != len(text):
        folded = text
    pattern = re.compile("|".join(re.escape(word) for word in wanted))
    return [match.span() for match in pattern.finditer(folded)]
