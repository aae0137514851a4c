"""Reading the training data, and what is left out or weighed down."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Section:
    """A section of training text; `title` and `heading` as its source has them."""

    origin: str
    title: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A heading and the section below it; `context` is the parent's title."""

    origin: str
    query: str
    context: str
    text: str


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a `.jsonl` or `.jsonl.gz` file."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    else:
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def read_sections(data: Path, leave_out: Sequence[str] = ()) -> list[Section]:
    """All sections of `data/train/text.jsonl.gz` but those of the sets in `leave_out`."""
    return [
        Section(row["set"], row["title"], row["heading"], row["text"])
        for row in rows(data / "train" / "text.jsonl.gz")
        if row["set"] not in leave_out
    ]


def read_pairs(data: Path, leave_out: Sequence[str] = ()) -> list[Pair]:
    """All pairs of `data/train/pairs.jsonl.gz` but those of the sets in `leave_out`."""
    return [
        Pair(row["set"], row["query"], row["context"], row["text"])
        for row in rows(data / "train" / "pairs.jsonl.gz")
        if row["set"] not in leave_out
    ]


def generic_headings(pairs: Sequence[Pair], *, at_least: int = 4) -> frozenset[str]:
    """Headings that stand over many sections (`备注`, `性能影响`): they name none."""
    counts = Counter(pair.query.strip().lower() for pair in pairs)
    return frozenset(heading for heading, count in counts.items() if count >= at_least)
