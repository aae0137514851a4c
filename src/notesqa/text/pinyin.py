"""Characters that sound the same: what a pinyin keyboard puts in each other's place."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _readings() -> dict[str, list[str]]:
    """By character, the rows of characters that are read as it is."""
    table = files("notesqa.text").joinpath("pinyin.tsv").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        if not line.startswith("#"):
            _, alike = line.split("\t")
            for character in alike:
                found.setdefault(character, []).append(alike)
    return found


def homophones(character: str) -> str:
    """Other characters with a reading of this one, tones aside; none where it is not known."""
    alike = dict.fromkeys("".join(_readings().get(character, ())))
    return "".join(other for other in alike if other != character)
