"""The README's pictures: the real terminal UI over this repository's notes.

    python -m benchmarks.pictures

Writes `benchmarks/pictures/*.png`; needs Chromium (Debian: `apt-get install chromium
fonts-noto-cjk`) to turn the screen into a picture.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from benchmarks.screens import svg
from notesqa.api import Notes
from notesqa.config import Home, Settings, TuiSettings
from notesqa.tui.app import NotesApp

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "pictures"
SIZE = (126, 36)


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 30) -> None:
    """Let the app work until `condition` holds, and settle."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the screen did not come")
        await pilot.pause(0.05)
    for _ in range(6):
        await asyncio.sleep(0.1)
        await pilot.pause()


async def ask(pilot: Pilot[Any], app: NotesApp) -> None:
    """An answer, its first citation shown beside it."""
    await until(pilot, lambda: app.documents)
    app.ask_screen.question.value = "DDIM 为什么比 DDPM 快？"
    await pilot.press("enter")
    await until(pilot, lambda: app.latest and app.latest.answer)
    await until(pilot, lambda: app.ask_screen.source.note)


async def search(pilot: Pilot[Any], app: NotesApp) -> None:
    """Passages as the question is typed."""
    await until(pilot, lambda: app.documents and app._warm)
    await pilot.press("f3")
    app.screen.query_one("#query", Input).value = "anchor free 怎么预测框"
    await until(pilot, lambda: app.screen.query_one("#source").note)  # type: ignore[attr-defined]


async def shoot(name: str, story: Callable[[Pilot[Any], NotesApp], Awaitable[None]]) -> None:
    """Play a story and keep the last screen."""
    home = Home(ROOT)
    settings = Settings(tui=TuiSettings(language="zh"))
    app = NotesApp(lambda: Notes.open(home, settings=settings), settings, corpus=home.corpus)
    async with app.run_test(size=SIZE) as pilot:
        await story(pilot, app)
        picture = svg(app)
    _render(picture, FOLDER / f"{name}.png")


def _render(picture: str, target: Path) -> None:
    size = re.search(r'width="(\d+)" height="(\d+)"', picture)
    if size is None:
        raise ValueError("the picture has no size")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<body style='margin:0'>{picture}", encoding="utf-8")
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--window-size={size[1]},{size[2]}", f"--screenshot={target}", page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )  # fmt: skip


def main() -> int:
    """Make every picture."""
    FOLDER.mkdir(exist_ok=True)
    with Notes.open(ROOT) as notes:
        notes.index()
    for name, story in (("ask", ask), ("search", search)):
        asyncio.run(shoot(name, story))
        print(FOLDER / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
