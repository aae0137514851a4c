"""Errors in the reader's language.

They are written in English where they arise, for the command line and for programs; the
table beside this module has their Chinese, `{}` for what differs from case to case.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from notesqa.errors import NotesqaError
from notesqa.tui.wording import Wording

TABLE = Path(__file__).with_name("faults.tsv")
_HOLE = "{}"


@lru_cache(maxsize=1)
def _rules() -> list[tuple[re.Pattern[str], str]]:
    """What an English sentence looks like, with its Chinese; the most telling first."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: -len(row[0].replace(_HOLE, "")))
    return [
        (re.compile("(.*?)".join(map(re.escape, english.split(_HOLE))), re.DOTALL | re.I), chinese)
        for english, chinese in rows
    ]


def told(text: str, words: Wording) -> str:
    """A message, hint or reason in the language of `words`; as it is where that is not known."""
    if words.language != "zh" or not text:
        return text
    for pattern, chinese in _rules():
        if match := pattern.fullmatch(text):
            # What differs may be a sentence too: the reason that the system gives.
            parts = [part if part == text else told(part, words) for part in match.groups()]
            return chinese.format(*parts)
    return text


def error_told(error: NotesqaError, words: Wording) -> NotesqaError:
    """`error` with message and hint in the language of `words`."""
    return NotesqaError(told(error.message, words), told(error.hint, words))
