"""A line for the path of notes, completed with Tab."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.suggester import Suggester

from notesqa.errors import ConfigError
from notesqa.text.terminal import safe
from notesqa.tui.field import Field

_NOTES = (".md", ".txt")


class PathSuggester(Suggester):
    """Completes the path of a folder or note; folders end in a slash, to be gone on with."""

    def __init__(self) -> None:
        # What lies in a folder changes.
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first path that goes on like `value`, or None."""
        head, slash, last = value.rpartition("/")
        if not slash:
            return None
        folder = Path(head + slash).expanduser()
        try:
            found = sorted(
                entry.name + "/" * entry.is_dir()
                for entry in folder.iterdir()
                if entry.name.startswith(last)
                and entry.name.startswith(".") <= last.startswith(".")
                and (entry.is_dir() or entry.suffix.lower() in _NOTES)
            )
        except (OSError, RuntimeError, ValueError):
            return None
        # Paths that are no text cannot be shown, nor typed.
        return next((head + slash + name for name in found if safe(name) == name), None)


class PathField(Field):
    """The line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", show=False)]

    def __init__(self, **more: Any) -> None:
        super().__init__(suggester=PathSuggester(), **more)

    async def action_complete(self) -> None:
        """Go on with the path that there is, also before the line has shown it."""
        if self.suggester is not None:
            self.value = await self.suggester.get_suggestion(self.value) or self.value
        self.action_end()


def path_given(text: str) -> Path:
    """The path that was typed, or dropped on the terminal, which quotes it as for a shell.

    Raises:
        ConfigError: there is nothing there.
    """
    typed = text.strip()
    path = Path(typed.strip("\"'")).expanduser()
    if not path.exists():
        try:
            words = shlex.split(typed)
        except ValueError:
            words = []
        if len(words) == 1 and Path(words[0]).expanduser().exists():
            return Path(words[0]).expanduser()
        raise ConfigError(f"no such path: {path}", "check its spelling")
    return path
