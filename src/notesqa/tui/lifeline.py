"""Sees the app out when its terminal is gone, or when it is told to end.

A signal tells of a closed window, though not always, and the app may be unable to hear
it: its loop waits for a terminal that takes no more. So a thread of its own watches the
terminal and the signals, asks the app to leave, and ends the process when it does not.
What is written to a terminal that is gone goes nowhere. POSIX only; elsewhere nothing
is watched.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from textual.driver import Driver

_PATIENCE_SECONDS = 4.0
_HANGUP = 128 + 1
"""The exit code of a program that SIGHUP has ended."""


class Lifeline:
    """The watch over the terminal and the signals, for the life of the process."""

    def __init__(self, save: Callable[[], None]) -> None:
        """Nothing is watched yet.

        `save` writes what is not written yet; it is called, in a thread, when the app
        has not left in time.
        """
        self._save = save
        self._lock = threading.Lock()
        self._lost = False
        self._terminals = [fd for fd in (0, 1, 2) if _is_terminal(fd)]
        self._read, self._write = -1, -1

    def watch(self, leave: Callable[[int], object]) -> None:
        """Begin; in the main thread.

        `leave` has the app leave with an exit code; it is called in a thread, once.
        """
        if not hasattr(select, "poll"):
            return
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hear)
        if self._lost:
            self._hear(_HANGUP - 128)
        threading.Thread(
            target=self._wait, args=(leave,), name="notesqa-lifeline", daemon=True
        ).start()

    def driver(self, kind: type[Driver]) -> type[Driver]:
        """Textual's driver for terminals in one that survives its terminal; others as is."""
        return _lasting(self) if kind.__name__ == "LinuxDriver" else kind

    def lost(self) -> None:
        """The terminal is gone: leave, and write nowhere from now on. From any thread."""
        with self._lock:
            if self._lost:
                return
            self._lost = True
            nowhere = os.open(os.devnull, os.O_RDWR)
            for fd in self._terminals:
                os.dup2(nowhere, fd)
            os.close(nowhere)
        self._hear(_HANGUP - 128)

    def _hear(self, number: int, frame: object = None) -> None:
        """A signal; it is told to the thread, since the app's loop may never hear of it."""
        del frame
        # Nobody reads before `watch`, and a full pipe says enough.
        with contextlib.suppress(OSError):
            os.write(self._write, bytes([number]))

    def _wait(self, leave: Callable[[int], object]) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        for fd in self._terminals[:1]:
            poll.register(fd, 0)  # what is told of it then is its end
        code = 0
        while not code:
            for fd, event in poll.poll():
                if fd == self._read:
                    code = 128 + os.read(self._read, 1)[0]
                elif event & (select.POLLHUP | select.POLLERR):
                    poll.unregister(fd)
                    self.lost()
                else:
                    poll.unregister(fd)  # a system that cannot tell of terminals
        with contextlib.suppress(RuntimeError):  # its loop has ended already
            leave(code)
        threading.Event().wait(_PATIENCE_SECONDS)
        saving = threading.Thread(target=self._save, daemon=True)
        saving.start()
        saving.join(_PATIENCE_SECONDS)
        os._exit(code)


def _lasting(lifeline: Lifeline) -> type[Driver]:
    # Importable on POSIX only; the app has it already.
    from textual.drivers.linux_driver import LinuxDriver

    class LastingDriver(LinuxDriver):
        """Tells the lifeline of what fails."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._file = cast("Any", _Lasting(cast("IO[str]", self._file), lifeline))

        def write(self, data: str) -> None:
            """Write, if there is anybody to write it: one who waits for nobody waits forever."""
            if self._writer_thread is not None and self._writer_thread.is_alive():
                super().write(data)

        def run_input_thread(self) -> None:
            """Hear the terminal until it is left or gone."""
            try:
                super().run_input_thread()
            except OSError:
                lifeline.lost()

    return LastingDriver


class _Lasting:
    """A terminal's file whose failures are told to the lifeline, not to who writes."""

    def __init__(self, file: IO[str], lifeline: Lifeline) -> None:
        self._of = file
        self._lifeline = lifeline

    def write(self, text: str) -> None:
        try:
            self._of.write(text)
        except OSError:
            self._lifeline.lost()

    def flush(self) -> None:
        try:
            self._of.flush()
        except OSError:
            self._lifeline.lost()

    def fileno(self) -> int:
        return self._of.fileno()


def _is_terminal(fd: int) -> bool:
    return sys.platform != "win32" and os.isatty(fd)
