"""Where the command begins: until its modules are there, Ctrl-C ends it without a word."""

from __future__ import annotations

import signal


def main() -> int:
    """Run the command line; returns the exit code."""
    # An import that is interrupted prints a traceback of the importer; there is nothing to
    # clean up yet, so the signal may end the process by itself. Who started us with Ctrl-C
    # ignored (nohup, a script's background) wants it ignored.
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from notesqa.cli import main as run

    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, heard)
    return run()
