"""What is printed for eyes: lines that end where Chinese may, and a reply in the making.

The lines of a terminal are those of the terminal UI, `notesqa.tui.flow`, which needs no
Textual; anything else gets whole lines.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from types import TracebackType
from typing import TYPE_CHECKING

from notesqa.text.terminal import safe, width

if TYPE_CHECKING:
    from notesqa.tui.flow import Line, Piece

_PAUSE = 0.05


def print_wrapped(text: str, head: str = "") -> None:
    """Print text safely behind `head`, below which its further lines begin."""
    indent = " " * width(head)
    rows = safe(text).split("\n")
    if not sys.stdout.isatty():
        print(f"{head}{rows[0]}", *(f"{indent}{row}" if row else "" for row in rows[1:]), sep="\n")
        return
    from notesqa.tui.flow import Piece

    for row in rows:
        for line in _lines([Piece(row)], head, indent):
            print(line.text.rstrip())
        head = indent


def print_marked(text: str, spans: Sequence[tuple[int, int]], head: str = "") -> None:
    """The same on a terminal, of text that is safe already, with `spans` of it marked."""
    from rich.console import Console
    from rich.text import Text

    from notesqa.tui.flow import Piece

    console = Console(highlight=False)
    indent = " " * width(head)
    start = 0
    for row in text.split("\n"):
        end = start + len(row)
        edges = sorted({start, end, *(e for span in spans for e in span if start < e < end)})
        pieces = [
            Piece(
                text[low:high],
                "mark" if any(a <= low < b for a, b in spans) else "",
                low,
                high,
            )
            for low, high in pairwise(edges)
        ]
        for line in _lines(pieces, head, indent):
            shown = Text(no_wrap=True, overflow="ignore")
            for piece in line.pieces:
                shown.append(piece.text, style="bold yellow" if piece.style else "")
            shown.rstrip()
            console.print(shown, soft_wrap=True)
        start, head = end + 1, indent


def _lines(pieces: Sequence[Piece], head: str, indent: str) -> list[Line]:
    from notesqa.tui.flow import Piece, wrap

    columns = shutil.get_terminal_size().columns
    return wrap(pieces, columns, first=[Piece(head)], rest=[Piece(indent)])


class Draft:
    """A reply as a model writes it, which is gone when it is written.

    Its numbers are those of passages, and nothing in it is checked: what stays is the
    answer that is made of it. Of a long one the end is shown, for what has left the
    window could not be taken back.
    """

    def __init__(self, *, seen: bool) -> None:
        """Nothing is shown unless it is `seen`; nor where lines cannot be taken back."""
        self._seen = seen and os.environ.get("TERM") != "dumb"
        self._text = ""
        self._rows = 0
        self._drawn = 0.0

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rows:
            print(self._back(), end="", flush=True)
            self._rows = 0

    def wait(self, text: str) -> None:
        """Say what is waited for, until something is written."""
        if self._seen:
            self._draw(text)

    def add(self, text: str) -> None:
        """Go on."""
        self._text += text
        now = time.monotonic()
        if self._seen and now - self._drawn >= _PAUSE and self._text.strip():
            self._drawn = now
            self._draw(self._text)

    def _draw(self, text: str) -> None:
        from notesqa.tui.flow import Piece

        rows = [
            line.text.rstrip()
            for row in safe(text).split("\n")
            for line in _lines([Piece(row)], "", "")
        ]
        rows = rows[-max(1, shutil.get_terminal_size().lines - 1) :]
        print(self._back() + "\n".join(rows), end="", flush=True)
        self._rows = len(rows)

    def _back(self) -> str:
        """Back to where it began, with nothing below."""
        if not self._rows:
            return ""
        return "\r" + (f"\x1b[{self._rows - 1}A" if self._rows > 1 else "") + "\x1b[J"
