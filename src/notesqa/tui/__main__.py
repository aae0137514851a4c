"""`python -m notesqa.tui HOME`: the app for a browser, as `notesqa serve` starts it."""

from __future__ import annotations

import sys

from notesqa.config import Home, Settings
from notesqa.errors import NotesqaError
from notesqa.tui import run


def main(arguments: list[str]) -> int:
    """Show the home named in `arguments`."""
    try:
        home = Home.find(arguments[0] if arguments else None)
        return run(home, Settings.load(home))
    except NotesqaError as error:
        print(f"notesqa: {error}", file=sys.stderr)  # noqa: T201
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
