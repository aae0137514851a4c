"""The terminal UI, in a terminal or in a browser. Textual is imported when it runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notesqa.config import Home, Settings
    from notesqa.tui.remote import RemoteNotes

__all__ = ["run", "serve"]


def run(home: Home, settings: Settings, *, question: str = "") -> int:
    """Show the terminal UI until the user leaves it; returns the exit code.

    Raises:
        ConfigError: `[tui]` names an action or a theme that does not exist.
    """
    from notesqa.tui.rubbish import Rubbish
    from notesqa.tui.terminal import ask

    rubbish = Rubbish()

    def factory() -> RemoteNotes:
        from notesqa.tui.remote import RemoteNotes

        return RemoteNotes(home, settings)

    # The threads of the app that read what comes from there give way sooner than else.
    sys.setswitchinterval(0.001)
    with ask(settings.tui.formulas) as asked:  # the terminal answers while the app is imported
        _without_ssl()
        from notesqa.tui.app import NotesApp

        app = NotesApp(
            factory,
            settings,
            corpus=home.corpus,
            question=question,
            rubbish=rubbish,
            terminal=asked.answer(),
        )
    app.run()
    return app.return_code or 0


def _without_ssl() -> None:
    """Import asyncio without the largest of its parts, which nothing in this process uses."""
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]
        import asyncio  # noqa: F401

        del sys.modules["ssl"]


def serve(home: Home, settings: Settings, port: int = 8765) -> int:
    """Show the same app in a browser on this machine, until interrupted.

    Raises:
        ConfigError: textual-serve is not installed, or the port is taken.
    """
    try:
        from notesqa.tui.serving import serve as serve_app
    except ModuleNotFoundError as error:
        from notesqa.errors import ConfigError

        raise ConfigError(
            f"{error.name} is not installed", 'install it: pip install "notesqa[serve]"'
        ) from error
    return serve_app(home, settings, port)
