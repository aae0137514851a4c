"""The first run: an empty home, explained in three lines, and a way to fill it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from notesqa.errors import NotesqaError
from notesqa.text.terminal import safe
from notesqa.tui.bars import KeyBar, ProgressBar, Signal, StatusBar
from notesqa.tui.desk import path_given
from notesqa.tui.field import Field
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

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


class WelcomeScreen(Screen[None]):
    """Shown in place of the first screen while there is nothing to ask."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", show=False, priority=True),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    def compose(self) -> ComposeResult:
        """Three lines, and a path to fill in."""
        words = self.words
        yield StatusBar("ask", words)
        yield ProgressBar(words)
        with Vertical(id="welcome"):
            yield Static(id="welcome-title", markup=False)
            yield Static(id="welcome-1", markup=False)
            yield Static(id="welcome-2", markup=False)
            yield Static(Text(words("welcome_3")), markup=False)
            hint = words("folder_hint")
            yield Field(id="folder", placeholder=hint, suggester=PathSuggester())
            yield Static("", id="welcome-said", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Type at once; the folder that is told of is there."""
        if self.notes_app.corpus is not None:
            with contextlib.suppress(OSError):
                self.notes_app.corpus.mkdir(exist_ok=True)
        self.query_one("#folder").focus()
        self.watch(self.notes_app, "signal", self._follow)

    def on_screen_resume(self) -> None:
        """Type at once, again."""
        self.query_one("#folder").focus()

    def _follow(self, signal: Signal) -> None:
        corpus, n = self.notes_app.corpus_shown, signal.waiting
        key = "welcome_waiting" if n else "welcome"
        told = self.words(key), self.words(f"{key}_1", corpus=corpus, n=n), self.words(f"{key}_2")
        for name, line in zip(("title", "1", "2"), told, strict=True):
            self.query_one(f"#welcome-{name}", Static).update(Text(line))

    def say(self, text: str) -> None:
        """Tell what went wrong."""
        self.query_one("#welcome-said", Static).update(Text(safe(text)))

    @on(Input.Changed, "#folder")
    def _on_changed(self) -> None:
        self.say("")

    @on(Input.Submitted, "#folder")
    def _on_submitted(self, message: Input.Submitted) -> None:
        if not message.value.strip():
            self.notes_app.rebuild()
            return
        try:
            path = path_given(message.value)
        except NotesqaError:
            self.say(self.words("no_such_path", path=message.value.strip()))
            return
        self.notes_app.rebuild([path])

    async def action_complete(self) -> None:
        """Go on with the path that there is, also before the line has shown it."""
        line = self.query_one("#folder", Input)
        if line.suggester is not None:
            line.value = await line.suggester.get_suggestion(line.value) or line.value
        line.action_end()
