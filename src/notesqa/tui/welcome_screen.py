"""The first run: an empty home, explained in three lines, and a way to fill it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from notesqa.errors import NotesqaError
from notesqa.text.terminal import safe
from notesqa.tui.bars import KeyBar, ProgressBar, StatusBar
from notesqa.tui.desk import path_given
from notesqa.tui.field import Field
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp


class WelcomeScreen(Screen[None]):
    """Shown in place of the first screen while there is nothing to ask."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "do_ask", id="welcome_leave"),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)

    def compose(self) -> ComposeResult:
        """Three lines, and a path to fill in."""
        words = self.words
        app = cast("NotesApp", self.app)
        yield StatusBar("ask", words)
        yield ProgressBar(words)
        with Vertical(id="welcome"):
            yield Static(Text(words("welcome")), id="welcome-title", markup=False)
            yield Static(Text(words("welcome_1", corpus=app.corpus_shown)), markup=False)
            yield Static(Text(words("welcome_2")), markup=False)
            yield Static(Text(words("welcome_3")), markup=False)
            yield Field(id="folder", placeholder=words("folder_hint"))
            yield Static("", id="welcome-said", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#folder").focus()

    def say(self, text: str) -> None:
        """Tell what went wrong."""
        self.query_one("#welcome-said", Static).update(Text(safe(text)))

    @on(Input.Submitted, "#folder")
    def _on_submitted(self, message: Input.Submitted) -> None:
        if not message.value.strip():
            return
        try:
            path = path_given(message.value)
        except NotesqaError:
            self.say(self.words("no_such_path", path=message.value.strip()))
            return
        self.say("")
        cast("NotesApp", self.app).rebuild([path])

    def action_leave(self) -> None:
        """Ask all the same."""
        cast("NotesApp", self.app).action_go("ask")
