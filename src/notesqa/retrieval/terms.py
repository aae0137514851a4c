"""The term layer: 中文 ↔ English ↔ abbreviation, used on the question's side.

The built-in table ships with the package; pairs that the user's own notes define
("批归一化（Batch Normalization，BN）") are added to it from the catalog.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from notesqa.text.normalize import normalize

_LATIN_RUN = re.compile(r"[a-z0-9][a-z0-9+#./'\- ]*")
_HYPHENS = re.compile(r"[-\s]+")
_MAX_FORMS = 6


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing asked about: the word in the question, and other names for it.

    Attributes:
        surface: as in the normalised question.
        forms: other normalised surface forms that mean the same.
    """

    surface: str
    forms: tuple[str, ...] = ()

    @property
    def all_forms(self) -> tuple[str, ...]:
        """The surface and its alternatives."""
        return (self.surface, *self.forms)


def builtin_terms() -> list[tuple[str, str, str]]:
    """The rows of the table that ships: Chinese names, English names, abbreviations.

    Several names in one column are separated by `|`.
    """
    table = files("notesqa.text").joinpath("terms.tsv").read_text(encoding="utf-8")
    rows = []
    for line in table.splitlines():
        if line and not line.startswith("#"):
            zh, en, abbr = line.split("\t")
            rows.append((zh, en, abbr))
    return rows


@cache
def _field_terms() -> frozenset[str]:
    return frozenset(normalize(name) for zh, _, _ in builtin_terms() for name in zh.split("|"))


def is_field_term(word: str) -> bool:
    """Whether the field has a Chinese name of this wording, by the table that ships."""
    return word in _field_terms()


@cache
def _builtin_words() -> dict[str, tuple[str, ...]]:
    table = files("notesqa.text").joinpath("words.tsv").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return {word: tuple(others.split("|")) for word, others in lines}


def other_words(word: str) -> tuple[str, ...]:
    """What else a word of a question may be called in Chinese notes.

    For words that are no terms of the field: everyday English ones, inflected or not,
    and those of Taiwan.
    """
    table = _builtin_words()
    return next((table[base] for base in _bases(word) if base in table), ())


def known_word(word: str) -> bool:
    """Whether a Latin word is an everyday English one, and so hardly a slip."""
    return bool(other_words(word))


def _bases(word: str) -> Iterator[str]:
    """An English word, and what it may be an inflection of."""
    yield word
    if not word.isascii():
        return
    for ending, bases in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            for base in bases:
                yield stem + base
            if len(stem) > 3 and stem[-1] == stem[-2]:
                yield stem[:-1]


_ENDINGS = (
    ("ies", ("y",)),
    ("ied", ("y",)),
    ("es", ("", "e")),
    ("s", ("",)),
    ("ing", ("", "e")),
    ("ed", ("", "e")),
    ("ly", ("", "le")),
    ("er", ("", "e")),
    ("est", ("", "e")),
)


class TermTable:
    """Finds known terms in a normalised text and tells their other names."""

    def __init__(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Build the table; rows that share a name do not flow into one another."""
        self._forms: dict[str, list[list[str]]] = defaultdict(list)
        self._starts: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            names = [normalize(name.strip()) for column in row for name in column.split("|")]
            names = list(dict.fromkeys(name for name in names if name))
            for name in names:
                for key in {name, _folded(name)}:
                    self._forms[key].append([n for n in names if n != name])
        for key in self._forms:
            self._starts[key[:2]].append(key)
        for keys in self._starts.values():
            keys.sort(key=len, reverse=True)

    def __contains__(self, name: str) -> bool:
        """Whether a normalised name is one of a term."""
        return name in self._forms

    def in_text(self, normalized: str) -> list[Concept]:
        """Known terms in a normalised text, longest first at each place, not overlapping.

        Latin terms match whole words only, whatever their hyphens.
        """
        found: list[Concept] = []
        taken: set[str] = set()
        position = 0
        while position < len(normalized):
            key, length = self._at(normalized, position)
            if key:
                surface = normalized[position : position + length]
                if surface not in taken:
                    taken.add(surface)
                    found.append(Concept(surface, self._others(key, surface)))
                position += length
            elif run := _LATIN_WORD.match(normalized, position):
                position = run.end()
            else:
                position += 1
        return found

    def _others(self, key: str, surface: str) -> tuple[str, ...]:
        """Other names; where the term has several meanings, of each in turn."""
        meanings = self._forms[key]
        longest = max(len(names) for names in meanings)
        turns = [names[i] for i in range(longest) for names in meanings if i < len(names)]
        return tuple(dict.fromkeys(n for n in turns if n != surface))[:_MAX_FORMS]

    def _at(self, text: str, position: int) -> tuple[str, int]:
        candidates = self._starts.get(text[position : position + 2], ())
        for key in candidates:
            if text.startswith(key, position) and _bounded(text, position, len(key)):
                return key, len(key)
        # "anchor free" and "anchor-free" are kept folded: "anchorfree".
        if run := _LATIN_RUN.match(text, position):
            words = list(_LATIN_WORD.finditer(text, position, run.end()))
            for last in range(len(words), 1, -1):
                end = words[last - 1].end()
                key = _folded(text[position:end])
                if key in self._forms:
                    return key, end - position
        return "", 0


_LATIN_WORD = re.compile(r"[a-z0-9+#.']+")


def _folded(name: str) -> str:
    return _HYPHENS.sub("", name) if name.isascii() else name


def _bounded(text: str, position: int, length: int) -> bool:
    """Whether a match does not begin or end inside a Latin word."""
    end = position + length
    before = text[position - 1] if position else " "
    after = text[end] if end < len(text) else " "
    first, last = text[position], text[end - 1]
    return not ((_alnum(first) and _alnum(before)) or (_alnum(last) and _alnum(after)))


def _alnum(char: str) -> bool:
    return char.isascii() and char.isalnum()
