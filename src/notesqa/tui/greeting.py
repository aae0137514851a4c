"""What the first screen says before anything was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notesqa.text.terminal import clip, safe
from notesqa.tui.flow import BLANK, Line, Piece, wrap

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp


def greeting_lines(app: NotesApp, width: int) -> list[Line]:
    """What is there, what can be done with it, and a few questions to begin with."""
    words, signal = app.words, app.signal
    lines = [BLANK, Line((Piece("▌ INCOMING TRANSMISSION", "brand"),)), BLANK]
    if signal.failed and app.not_opened is not None:
        from notesqa.tui.answers import error_lines

        told = error_lines(app.not_opened, max(8, width - 2), words)
        return [*lines, *(Line((Piece("  "), *line.pieces)) for line in told)]
    if signal.opening:
        return [*lines, *wrap([Piece(words("opening"), "dim")], width, first=[Piece("  ")])]
    indent = [Piece("  ")]
    if not signal.documents:
        for key in ("welcome_1", "welcome_3"):
            text = words(key, corpus=app.corpus_shown) if key == "welcome_1" else words(key)
            lines += wrap([Piece(text)], width, first=indent, rest=indent)
        return lines
    lines += wrap([Piece(words("empty_ask", n=signal.documents))], width, first=indent)
    lines += wrap([Piece(words("empty_ask_keys"), "dim")], width, first=indent, rest=indent)
    if app.suggestions:
        lines += [BLANK, Line((Piece("  "), Piece(words("more_questions"), "dim")))]
        for text in app.suggestions:
            shown = clip(safe(text, newlines=False), max(8, width - 4))
            lines.append(Line((Piece("  "), Piece(f"› {shown}", "link", link=f"ask:{text}"))))
    return lines
