"""Model, theme and the state of the home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from notesqa.text.terminal import pad, safe
from notesqa.tui.bars import SMALL, KeyBar, ProgressBar, StatusBar
from notesqa.tui.dialogs import complaints, left_out
from notesqa.tui.flow import BLANK, Line, Piece, wrap
from notesqa.tui.surface import Section, Surface
from notesqa.tui.theme import THEMES
from notesqa.tui.wording import LANGUAGES, Wording, speak

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp


class SettingsScreen(Screen[None]):
    """The fifth screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "do_stop", id="settings_leave", show=False),
        Binding("tab", "app.focus_next", "do_pane", id="settings_pane"),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)
        # A model and the server that has it; no server: a file here; neither: no model.
        self._models: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        """Choices to the left, the state to the right."""
        yield StatusBar("settings", self.words)
        yield ProgressBar(self.words)
        with Horizontal(id="body"):
            with Vertical(id="choices"):
                yield Static(Text(self.words("models_found"), "bold"), markup=False)
                yield OptionList(id="models", markup=False, compact=True)
                yield Static(Text(self.words("theme"), "bold"), markup=False)
                yield OptionList(id="themes", markup=False, compact=True)
                yield Static(Text(self.words("language"), "bold"), markup=False)
                yield OptionList(id="languages", markup=False, compact=True)
            yield Surface(id="state", max_width=90)
        yield KeyBar()

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """On few columns the state stands below the choices."""
        self.set_class(event.size.width < SMALL, "-small")

    def on_screen_resume(self) -> None:
        """What is there now."""
        self.notes_app.desk.status()
        self.refresh_state()
        self.query_one("#models").focus()

    def refresh_state(self) -> None:
        """Draw everything anew."""
        app, words = self.notes_app, self.words
        llm = app.settings.llm
        in_use = (llm.model, llm.base_url)
        found = [("", ""), *((str(path), "") for path in app.models_found())]
        # What was chosen before can be chosen again, wherever it came from.
        found += [
            choice for choice in dict.fromkeys((*self._models, in_use)) if choice not in found
        ]
        self._models = found
        models = self.query_one("#models", OptionList)
        kept = models.highlighted or 0
        models.clear_options()
        for model, server in found:
            # The name of the model first: the line may be too short for the server's.
            host = urlsplit(server).netloc or server
            shown = " · ".join(filter(None, (model, host))) if server else Path(model).name
            mark = "● " if (model, server) == in_use else "○ "
            named = safe(shown, newlines=False) or words("no_chat_model")
            models.add_option(Option(Text(mark + named, no_wrap=True)))
        models.highlighted = min(kept, len(found) - 1)
        themes = self.query_one("#themes", OptionList)
        themes.clear_options()
        for theme in THEMES:
            themes.add_option(
                Option(Text(("● " if theme.name == app.theme else "○ ") + theme.name))
            )
        languages = self.query_one("#languages", OptionList)
        languages.clear_options()
        chosen = app.settings.tui.language or words.language
        for code, name in LANGUAGES.items():
            languages.add_option(Option(Text(("● " if code == chosen else "○ ") + name)))
        # From what is chosen a key leads to what is not.
        names = [theme.name for theme in THEMES]
        themes.highlighted = names.index(app.theme) if app.theme in names else 0
        languages.highlighted = list(LANGUAGES).index(chosen) if chosen in LANGUAGES else 0
        self.query_one("#state", Surface).show([Section("state", self._state)], keep_scroll=True)

    def _state(self, width: int) -> list[Line]:
        app, words = self.notes_app, self.words
        status = app.status
        rows: list[tuple[str, str]] = []
        if status is not None:
            rows += [(words("home"), status.home), (words("embedder"), status.embedder)]
            rows += [(words(name), self._engine(f)) for name, f in status.followers.items()]
        model = app.signal.model or words("no_chat_model")
        if app.signal.loading:
            model += f" · {words('loading_model')}"
        rows.append((words("model"), model))
        if app.context_tokens:
            rows.append((words("context"), words("tokens", n=app.context_tokens)))
        if app.last_speed:
            rows.append((words("speed"), words("per_second", n=round(app.last_speed))))
        column = max(cell_len(label) for label, _ in rows) + 2
        lines: list[Line] = [BLANK]
        for label, value in rows:
            head = Piece(pad(safe(label, newlines=False), column), "dim")
            rest = [Piece(" " * column)]
            lines += wrap([Piece(safe(value, newlines=False))], width, first=[head], rest=rest)
        if len(self._models) <= 1:
            lines += [BLANK, *wrap([Piece(words("no_models"), "dim")], width)]
        file = safe(str(app.settings_file), newlines=False)
        lines += [BLANK, *wrap([Piece(words("kept_in", file=file), "dim")], width)]
        if status is None:
            return lines
        if status.outdated:
            said = words("outdated_why", key=app.key_of("rebuild"))
            lines += [BLANK, *wrap([Piece(f"⚠ {said}", "warning")], width, rest=[Piece("  ")])]
        for key, files, mark, style in (
            ("unread", status.unread, "✗", "error"),
            ("remarks", status.remarks, "⚠", "warning"),
        ):
            if files:
                lines += [BLANK, Line((Piece(words(key), "heading-3"),))]
            for told in complaints(files, words, mark, style):
                lines += wrap(told, width, rest=[Piece("  ")])
        if others := status.pending.left_out:
            lines += [BLANK, *wrap([Piece(left_out(others, words), "dim")], width)]
        return lines

    def _engine(self, follower: Mapping[str, Any]) -> str:
        """How far an engine has come, and where it computes."""
        words = self.words
        known = [words(key, n=follower[key]) for key in ("commit", "device") if key in follower]
        return " · ".join(known)

    @on(OptionList.OptionSelected, "#models")
    def _on_model(self, message: OptionList.OptionSelected) -> None:
        self.notes_app.choose_model(*self._models[message.option_index])
        self.refresh_state()

    @on(OptionList.OptionSelected, "#themes")
    def _on_theme(self, message: OptionList.OptionSelected) -> None:
        self.notes_app.choose_theme(THEMES[message.option_index].name)

    @on(OptionList.OptionSelected, "#languages")
    def _on_language(self, message: OptionList.OptionSelected) -> None:
        self.notes_app.choose_language(list(LANGUAGES)[message.option_index])

    def action_leave(self) -> None:
        """Back to asking."""
        self.notes_app.action_go("ask")
