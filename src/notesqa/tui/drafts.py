"""What is being typed, kept in a file so that a lost terminal loses nothing."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

_SECONDS = 0.5


class Draft:
    """A line of text that survives the process."""

    def __init__(self, path: Path | None) -> None:
        """Without a path nothing is kept."""
        self._path = path
        self._text = ""
        self._written: str | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def load(self) -> str:
        """What was being typed when the app ended without an answer to it."""
        if self._path is None:
            return ""
        try:
            text = self._path.read_text(encoding="utf-8")[:10_000]
        except (OSError, UnicodeDecodeError):
            return ""
        self._text = self._written = " ".join(text.split())
        return self._text

    def keep(self, text: str) -> None:
        """Write `text` soon."""
        if self._path is None or text == self._text:
            return
        with self._lock:
            self._text = text
            if self._timer is None:
                self._timer = threading.Timer(_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write it now. A folder that cannot be written is no reason to stop."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._path is None or self._text == self._written:
                return
            with contextlib.suppress(OSError):
                if not self._text:
                    self._path.unlink(missing_ok=True)
                elif self._path.parent.is_dir():
                    part = self._path.with_suffix(".part")
                    part.write_text(self._text, encoding="utf-8")
                    part.replace(self._path)
                self._written = self._text
