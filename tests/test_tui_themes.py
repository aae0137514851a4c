"""A theme that was switched to looks as one begun in, everywhere; and everything can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich._palettes import STANDARD_PALETTE
from rich.cells import cell_len
from rich.color import Color, ColorSystem
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection
from textual.widgets import Input

from notesqa.config import Settings, TuiSettings
from notesqa.tui.app import NotesApp
from notesqa.tui.terminal import Terminal
from notesqa.tui.theme import DARK, LIGHT
from tests.test_tui_stories import (
    EVERYWHERE,
    ONCE,
    Story,
    digest,
    first_run,
    history,
    note,
    passage,
    search,
    until,
)
from tests.tui_fake import DOCUMENTS, FakeNotes

SIZE = (120, 40)
Cell = tuple[str, Any, Any, bool]


async def outline(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await note(pilot, app, notes)
    await pilot.press("o")
    await until(pilot, lambda: app.screen.has_class("-outline"))


async def no_history(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await pilot.press("f6")
    await until(pilot, lambda: app.screen.query_one("#conversations").option_count)  # type: ignore[attr-defined]


async def palette(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: app.documents)
    await pilot.press("ctrl+p")
    await until(pilot, lambda: len(app.screen_stack) > 1)


async def selected(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await passage(pilot, app, notes)
    panes = (app.ask_screen.talk, app.ask_screen.source.surface)
    app.screen.selections = {pane: Selection(Offset(3, 0), Offset(9, 12)) for pane in panes}
    await until(pilot, lambda: True)


ALL: list[Story] = [*EVERYWHERE, *ONCE, outline, no_history, palette, selected]
LOOKED_AT: list[Story] = [passage, search, note, history]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path))


def cells(app: NotesApp) -> list[list[Cell]]:
    """Each character in sight with its colours, row by row."""
    return [
        [
            (char, style and style.color, style and style.bgcolor, bool(style and style.reverse))
            for text, style, _ in strip
            for char in text
        ]
        for strip in app.screen._compositor.render_strips()
    ]


def difference(seen: list[list[Cell]], wanted: list[list[Cell]]) -> str:
    """Where the first row differs, and how; empty when none does."""
    for y, (row, other) in enumerate(zip(seen, wanted, strict=True)):
        for x, (cell, told) in enumerate(zip(row, other, strict=False)):
            if cell != told:
                return f"line {y}: {''.join(c[0] for c in row[x:])}\n{cell}\ninstead of\n{told}"
    return ""


async def looks(story: Story, home: Path, begin: str, end: str, elsewhere: str) -> list[Any]:
    """The story's last screen in theme `end`; the app began in `begin`.

    The theme is switched in the place of the key `elsewhere`, or right there.
    """
    notes = FakeNotes(home, documents=() if story is first_run else DOCUMENTS)
    settings = Settings(tui=TuiSettings(language="zh", theme=begin))
    app = NotesApp(lambda: notes, settings)  # type: ignore[arg-type,return-value]
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.status is not None)
        await story(pilot, app, notes)
        places = ("search", "read", "history", "settings", "welcome")
        installed = {app.get_screen(place): place for place in places}
        back = installed.get(app.screen, "ask")
        if elsewhere:
            await pilot.press(elsewhere)
            await until(pilot, lambda: True)
        if begin != end:
            await pilot.press("f10")
        assert app.theme == end
        if elsewhere:
            app.action_go(back)
        await until(pilot, lambda: True)
        app.clear_notifications()
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await until(pilot, lambda: True)
        shown = cells(app)
        notes.gate.set()
        return shown


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.__name__)
async def test_switched_to_it_looks_as_begun_in_it(story: Story, tmp_path: Path) -> None:
    wanted = await looks(story, tmp_path, LIGHT.name, LIGHT.name, "")
    seen = await looks(story, tmp_path, DARK.name, LIGHT.name, "")
    assert difference(seen, wanted) == ""


@pytest.mark.parametrize("story", LOOKED_AT, ids=lambda story: story.__name__)
async def test_switched_to_it_in_another_place(story: Story, tmp_path: Path) -> None:
    wanted = await looks(story, tmp_path, DARK.name, DARK.name, "f7")
    seen = await looks(story, tmp_path, LIGHT.name, DARK.name, "f7")
    assert difference(seen, wanted) == ""


# -- reading ------------------------------------------------------------------------


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance as WCAG 2 has it."""
    parts = [c / 255 for c in colour]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shown_as(colour: Color, system: ColorSystem) -> tuple[int, ...]:
    """What a terminal with that many colours makes of it."""
    lowered = colour.downgrade(system)
    if lowered.number is None:
        return tuple(lowered.get_truecolor())
    return tuple(STANDARD_PALETTE[lowered.number])


async def faint(story: Story, home: Path, theme: str, system: ColorSystem) -> set[str]:
    """Letters that have too little contrast, with their colours; of a dialog only its own."""
    notes = FakeNotes(home, documents=() if story is first_run else DOCUMENTS)
    settings = Settings(tui=TuiSettings(language="zh", theme=theme))
    app = NotesApp(lambda: notes, settings, terminal=Terminal())  # type: ignore[arg-type,return-value]
    found: set[str] = set()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.status is not None)
        await story(pilot, app, notes)
        await until(pilot, lambda: True)
        quiet = Color.parse(app.current_theme.variables["quiet"])
        area = app.screen.children[0].region if app.screen.is_modal else app.screen.region
        for y, row in enumerate(cells(app)):
            x = 0
            for char, fore, back, _ in row:
                here, x = x, x + cell_len(char)
                if not char.isalnum() or not area.contains(here, y) or not fore or not back:
                    continue
                text, paper = (shown_as(c, system) for c in (fore, back))
                least = 3.0 if quiet.triplet in (fore.triplet, back.triplet) else 4.5
                if contrast(text, paper) < least:
                    found.add(f"{char} {fore.name} on {back.name}")
        notes.gate.set()
    return found


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
@pytest.mark.parametrize("system", [ColorSystem.TRUECOLOR, ColorSystem.STANDARD])
async def test_everything_can_be_read(
    system: ColorSystem, theme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", system.name.lower())
    stories = ALL if system is ColorSystem.TRUECOLOR else [*LOOKED_AT, digest, selected]
    assert {s.__name__: f for s in stories if (f := await faint(s, tmp_path, theme, system))} == {}
