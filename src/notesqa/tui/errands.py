"""What the app does outside of itself: clipboard, editor, files."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, SuspendNotSupported
from textual.notifications import SeverityLevel

from notesqa.config import SETTINGS_FILE
from notesqa.errors import NotesqaError
from notesqa.text.terminal import safe
from notesqa.tui.flow import fold
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.records import Document
    from notesqa.reports import ConversationInfo
    from notesqa.tui import told
    from notesqa.tui.desk import Desk

# The width of what is told in passing, as in the style sheet, and what of it is no text.
_TOLD_CELLS = 60
_TOLD_MARGIN = 4


# Editors that are not told a line as vi is, `+12 FILE`.
_GO_TO = frozenset({"code", "code-insiders", "codium", "cursor", "windsurf"})
_BEHIND = frozenset({"hx", "helix", "subl", "zed", "zeditor"})


def at_line(command: str, path: Path, line: int) -> list[str]:
    """The arguments that open a file at a line in an editor.

    Raises:
        ValueError: a quotation mark of the command is not closed.
    """
    words = shlex.split(command)
    name = Path(words[0]).stem if words else ""
    if name in _GO_TO:
        return [*words, "--goto", f"{path}:{line}"]
    if name in _BEHIND:
        return [*words, f"{path}:{line}"]
    return [*words, f"+{line}", str(path)]


class Errands(App[int]):
    """The part of the app that reaches out of it.

    Attributes:
        corpus: where the home's notes are; None when that is not known.
    """

    words: Wording
    corpus: Path | None
    desk: Desk

    @property
    def root(self) -> Path:
        """The home's folder."""
        return self.corpus.parent if self.corpus else Path()

    @property
    def corpus_shown(self) -> str:
        """The folder of the notes, as short as it can be said."""
        if self.corpus is None:
            return "corpus/"
        path = str(self.corpus)
        home = str(Path.home())
        return "~" + path[len(home) :] if path.startswith(home + os.sep) else path

    @property
    def settings_file(self) -> Path:
        """Where settings are kept."""
        return self.root / SETTINGS_FILE

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Tell something in passing, in lines that end where Chinese may."""
        room = max(8, min(_TOLD_CELLS, self.size.width * 2 // 5) - _TOLD_MARGIN)
        rows: list[str] = []
        for line in message.split("\n"):
            rest = line
            while rest:
                row, rest = fold(rest, room)
                rows.append(row)
        super().notify(
            "\n".join(rows), title=title, severity=severity, timeout=timeout, markup=markup
        )

    def models_found(self) -> list[Path]:
        """GGUF files that were pulled, or lie in the home."""
        from notesqa.config import data_folder

        folders = [data_folder() / "models"]
        if self.corpus is not None:
            folders.append(self.corpus.parent / "models")
        return sorted(
            path for folder in folders if folder.is_dir() for path in folder.glob("*.gguf")
        )

    def edit(self, document: Document, offset: int) -> None:
        """Open the note's file in `$EDITOR`, at the line of `offset`."""
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not command:
            self.notify(self.words("editor_missing"), timeout=3)
            return
        place = document.source_at(offset)
        try:
            arguments = at_line(command, self.root / place.path, place.line)
            with self.suspend():
                code = subprocess.run(arguments, check=False).returncode
        except SuspendNotSupported:
            self.notify(self.words("no_terminal"), timeout=3)
            return
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.notify(safe(f"{command}: {why}"), severity="error", markup=False)
            return
        if code:
            self.notify(self.words("editor_failed", code=code), timeout=3)

    def copy(self, text: str, what: str) -> None:
        """Text to the clipboard of the terminal (OSC 52)."""
        if not text:
            self.notify(self.words("nothing_to_copy"), timeout=2)
            return
        self.copy_to_clipboard(text)
        self.notify(self.words("copied", what=self.words(what)), timeout=2)

    def copy_latex(self, text: str) -> None:
        """The formulas of `text` to the clipboard, one a line."""
        from notesqa.text.latex import formulas

        self.copy("\n".join(f.body.strip() for f in formulas(text)), "the_latex")

    def export(self, info: ConversationInfo) -> None:
        """Write a conversation to a Markdown file in the home's `exports/`."""
        self.desk.conversation(info.id, f"export:{info.title}")

    def exported(self, title: str, message: told.ConversationReady) -> None:
        from notesqa.tui.export import export

        folder = self.root / "exports"
        try:
            path = export(folder, title, [turn.answer for turn in message.turns])
        except OSError as error:
            self.tell(NotesqaError(f"cannot write to {folder}: {error.strerror}"))
            return
        self.notify(self.words("exported", path=safe(str(path))), timeout=4, markup=False)

    def tell(self, error: NotesqaError) -> None:
        """An error, for a few seconds."""
        text = "\n".join(part for part in (error.message, error.hint) if part)
        self.notify(
            safe(text), title=self.words("error"), severity="error", timeout=8, markup=False
        )
