"""A line of search: words, and filters such as `tag:注意力 after:2024`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
        elif _DATE.match(value):
            dates[match["name"]] = _whole(value, last=match["name"] == "before")
        else:
            bad = value
    return Query(" ".join(words), tuple(tags), tuple(sources), dates["after"], dates["before"], bad)


def _whole(value: str, *, last: bool) -> str:
    """A year or month as the date on which it begins, or ends."""
    parts = value.split("-")
    if len(parts) == 1:
        parts.append("12" if last else "01")
    if len(parts) == 2:
        month = int(parts[1])
        leap = int(parts[0]) % 4 == 0 and (int(parts[0]) % 100 != 0 or int(parts[0]) % 400 == 0)
        days = {2: 29 if leap else 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31)
        parts.append(str(days) if last else "01")
    return "-".join(parts)


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
