"""What the terminal can show, asked before the app begins.

The answers come while the app is being imported, so that hardly any time is lost.
Nobody is asked who is known not to answer; what was typed meanwhile is kept.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

from notesqa.tui.pictures import Cell, Protocol

if TYPE_CHECKING:
    from textual.message import Message

# Name and version; a cell's size in pixels; the text area's; what it is. Every terminal
# answers the last one, which so ends the wait.
QUESTION = "\x1b[>q\x1b[16t\x1b[14t\x1b[c"
_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_AREA = re.compile(rb"\x1b\[4;(\d+);(\d+)t")
_KIND = re.compile(rb"\x1b\[\?([\d;]*)c")
_ANSWERS = (_NAME, _CELL, _AREA, _KIND)
_VERSION = re.compile(r"(\d+)\.(\d+)")
_MOST_BYTES = 4096
# After the import of the app; a remote terminal's answer travels.
_PATIENCE = 0.08
_REMOTE_PATIENCE = 0.4
_MOST_CELL = 200


@dataclass(frozen=True, slots=True)
class Terminal:
    """What was found out.

    Attributes:
        protocol: how it takes pictures; None when it takes none.
        cell: the size of a cell in pixels; None when it is not known.
        typed: what came in besides the answers.
    """

    protocol: Protocol | None = None
    cell: Cell | None = None
    typed: str = ""


def worth_asking(environ: Mapping[str, str]) -> bool:
    """Whether there is a terminal that answers, with nothing between it and us."""
    if not (
        sys.__stdin__ and sys.__stdin__.isatty() and sys.__stdout__ and sys.__stdout__.isatty()
    ):
        return False
    if sys.platform == "win32":  # another way to make a terminal quiet
        return False
    term = environ.get("TERM", "")
    between = any(name in environ for name in ("TMUX", "STY", "ZELLIJ", "TEXTUAL_DRIVER"))
    silent = not term or term.startswith(("dumb", "linux", "screen", "tmux", "vt", "ansi", "cons"))
    return not (between or silent or environ.get("TERM_PROGRAM") == "Apple_Terminal")


def ask(wish: str = "auto") -> Asking:
    """Begin to ask; `wish` is `[tui] formulas`."""
    return Asking(wish, os.environ)


class Asking:
    """The question, and the wait for its answers.

    As a context it sees to it that the terminal is as it was in the end.
    """

    def __init__(self, wish: str, environ: Mapping[str, str]) -> None:
        """Ask, if there is a use and somebody who answers."""
        self._wish = wish
        self._environ = environ
        self._heard = b""
        self._before: list[Any] | None = None
        if wish == "unicode" or not worth_asking(environ):
            return
        import termios

        self._in, self._out = sys.__stdin__.fileno(), sys.__stdout__.fileno()  # type: ignore[union-attr]
        try:
            before = termios.tcgetattr(self._in)
            quiet = termios.tcgetattr(self._in)
            quiet[0] &= ~(termios.ICRNL | termios.IXON)
            quiet[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(self._in, termios.TCSANOW, quiet)
        except termios.error:
            return
        self._before = before
        os.write(self._out, QUESTION.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import termios

            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._in, termios.TCSANOW, self._before)
            self._before = None

    def answer(self) -> Terminal:
        """What it said, after a moment at most."""
        if self._wish == "unicode":
            return Terminal()
        fd = self._out if self._before is not None else 1
        if self._before is not None:
            self._listen()
        found = understood(self._heard, cell_of(fd), self._environ)
        if self._wish == "auto":
            return found
        return replace(found, protocol=cast("Protocol", self._wish))

    def _listen(self) -> None:
        remote = "SSH_CONNECTION" in self._environ or "SSH_TTY" in self._environ
        until = time.monotonic() + (_REMOTE_PATIENCE if remote else _PATIENCE)
        while not _KIND.search(self._heard) and len(self._heard) < _MOST_BYTES:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._in], [], [], left)[0]:
                break
            try:
                data = os.read(self._in, 1024)
            except OSError:  # it was closed
                break
            if not data:
                break
            self._heard += data
        self._heard += self._rest_of_character()

    def _rest_of_character(self) -> bytes:
        """What follows where a character was read by half."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(self._heard)
        rest = b""
        while decoder.getstate()[0] and select.select([self._in], [], [], 0.01)[0]:
            byte = os.read(self._in, 1)
            if not byte:
                break
            decoder.decode(byte)
            rest += byte
        return rest


def understood(heard: bytes, cell: Cell | None, environ: Mapping[str, str]) -> Terminal:
    """What the answers say; `cell` is what the system knows of its size."""
    name = match[1].decode("utf-8", "replace") if (match := _NAME.search(heard)) else ""
    kind = match[1].split(b";") if (match := _KIND.search(heard)) else []
    if match := _CELL.search(heard):
        # The terminal knows better than the system, which may not have been told.
        cell = _cell(int(match[2]), int(match[1])) or cell
    elif cell is None and (match := _AREA.search(heard)):
        import shutil

        columns, rows = shutil.get_terminal_size((0, 0))
        cell = _cell(int(match[2]) / columns, int(match[1]) / rows) if columns and rows else None
    protocol = _protocol(name, environ) or ("sixel" if b"4" in kind[1:] else None)
    rest = heard
    for pattern in _ANSWERS:
        rest = pattern.sub(b"", rest)
    return Terminal(protocol, cell, rest.decode("utf-8", "ignore"))


def _protocol(name: str, environ: Mapping[str, str]) -> Protocol | None:
    """By name: that a terminal knows Kitty's placeholders cannot be asked."""
    lower = name.lower()
    version = _VERSION.search(name)
    if lower.startswith("kitty"):
        return "kitty" if version and (int(version[1]), int(version[2])) >= (0, 28) else None
    if lower.startswith("ghostty"):
        return "kitty"
    if lower.startswith(("iterm2", "wezterm")):
        return "iterm"
    if not name and "iTerm" in (environ.get("TERM_PROGRAM", "") + environ.get("LC_TERMINAL", "")):
        return "iterm"
    return None


def keys_of(typed: str) -> Iterator[Message]:
    """What was typed before there was an app, as it would have heard it."""
    if typed:
        from textual._xterm_parser import XTermParser

        yield from XTermParser().feed(typed)


def keep_alt_digits() -> None:
    """Have Alt+1 to Alt+9 told as such.

    Textual reads them as what Option types on a Mac (Alt+2 as a trademark sign), for the sake
    of one terminal that does not send that itself.
    """
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

    known = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    for digit in "123456789":
        known.pop(f"\x1b{digit}", None)


def cell_of(fd: int) -> Cell | None:
    """The size of a cell as the system knows it; None when it does not."""
    try:
        import fcntl
        import struct
        import termios

        raw = fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8)
        rows, columns, width, height = struct.unpack("HHHH", raw)
    except (ImportError, OSError):
        return None
    return _cell(width / columns, height / rows) if rows and columns else None


def _cell(width: float, height: float) -> Cell | None:
    sound = 2 <= width <= _MOST_CELL and 4 <= height <= _MOST_CELL
    return Cell(width, height) if sound else None
