"""The first run: an empty home, explained in three lines, and a way to fill it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from notesqa.errors import NotesqaError
from notesqa.text.terminal import safe
from notesqa.tui.bars import KeyBar, ProgressBar, Signal, StatusBar
from notesqa.tui.path_field import PathField, path_given
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp


class WelcomeScreen(Screen[None]):
    """Shown in place of the first screen while there is nothing to ask."""

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
            yield PathField(id="folder", placeholder=hint)
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
