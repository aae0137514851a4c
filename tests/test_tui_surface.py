"""The quick way of drawing lines draws what Textual's own way draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.geometry import Offset, Region
from textual.selection import Selection
from textual.strip import Strip

from notesqa.config import Settings, TuiSettings
from notesqa.tui.app import NotesApp
from notesqa.tui.picture_view import PictureView
from notesqa.tui.surface import Surface
from tests.test_tui_stories import SIZES, Story, answer, help_page, note, passage, search, until
from tests.tui_fake import FakeNotes


def cells(strips: list[Strip]) -> Iterator[list[tuple[str, object]]]:
    for strip in strips:
        # What a click opens must be the same; where a character is in the text is asked apart.
        found: list[tuple[str, object]] = []
        for text, style, _ in strip:
            assert style is not None
            looks = (style.color, style.bgcolor, str(style), style.meta.get("link_to"))
            found += [(char, looks) for char in text]
        yield found


def compare(surface: Surface, crop: Region) -> None:
    quick = surface.render_lines(crop)
    surface._styles_cache.clear()
    slow = PictureView._frame(surface, crop)
    assert [strip.cell_length for strip in quick] == [crop.width] * crop.height
    assert list(cells(quick)) == list(cells(slow))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "story", [answer, passage, search, note, help_page], ids=lambda story: story.__name__
)
async def test_drawn_as_textual_draws(tmp_path: Path, story: Story, size: tuple[int, int]) -> None:
    notes = FakeNotes(tmp_path)
    settings = Settings(tui=TuiSettings(language="zh"))
    app = NotesApp(lambda: notes, settings, corpus=tmp_path / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test(size=size) as pilot:
        await story(pilot, app, notes)
        for _ in range(2):
            surfaces = [s for s in app.screen.query(Surface) if s.region]
            assert surfaces
            for surface in surfaces:
                whole = surface.region.size.region
                compare(surface, whole)
                surface.scroll_to(y=3, animate=False, immediate=True)
                compare(surface, whole)
                compare(surface, Region(2, 1, whole.width - 5, max(1, whole.height - 2)))
                app.screen.selections = {surface: Selection(Offset(2, 1), Offset(9, 4))}
                compare(surface, whole)
                app.screen.selections = {}
                compare(surface, whole)
            app.action_theme()
            await pilot.pause()


async def test_a_character_knows_where_it_is(tmp_path: Path) -> None:
    notes = FakeNotes(tmp_path)
    app = NotesApp(lambda: notes, Settings(), corpus=tmp_path / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test(size=(120, 40)) as pilot:
        await answer(pilot, app, notes)
        talk = app.ask_screen.talk
        row = next(y for y, (_, line) in enumerate(talk._lines) if "L1" in line.text)
        text = talk._lines[row][1].text
        x, y = talk.content_region.offset
        widget, offset = app.screen.get_widget_and_offset_at(x + cell_len(text[:6]), y + row)
        assert (widget, offset) == (talk, Offset(6, row))


async def test_a_marked_formula_of_several_rows_has_no_lines_but_its_own(tmp_path: Path) -> None:
    """Under each of its rows they would be taken for the bars of fractions."""
    notes = FakeNotes(tmp_path)
    app = NotesApp(lambda: notes, Settings(), corpus=tmp_path / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test(size=(120, 60)) as pilot:
        await until(pilot, lambda: app.documents)
        app.read("regularization", (0, 400))
        await until(pilot, lambda: app.screen.has_class("-reading"))
        surface = app.screen.query_one("#source").surface  # type: ignore[attr-defined]
        strips = surface.render_lines(surface.size.region)
        marked = {segment.text: segment.style for strip in strips for segment in strip}
        (row,) = [style for text, style in marked.items() if "arg max" in text]
        (text,) = [style for text, style in marked.items() if text.startswith("L1 正则化在")]
        assert text.underline and not row.underline and row.bgcolor == text.bgcolor
