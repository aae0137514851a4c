"""The line of keys at the bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from notesqa.config import Settings, TuiSettings
from notesqa.tui.app import NotesApp
from notesqa.tui.bars import KeyBar, Signal, StatusBar
from notesqa.tui.wording import Wording
from tests.test_tui_stories import ask, until
from tests.tui_fake import FakeNotes


def app(home: Path) -> NotesApp:
    notes = FakeNotes(home)
    settings = Settings(tui=TuiSettings(language="zh"))
    return NotesApp(lambda: notes, settings, corpus=home / "corpus")  # type: ignore[arg-type,return-value]


def line(of: NotesApp) -> str:
    return of.screen.query_one(KeyBar).render_line(0).text


def background(of: NotesApp, x: int) -> object:
    return of.screen.query_one(KeyBar).render_line(0).crop(x, x + 1)._segments[0].style.bgcolor  # type: ignore[union-attr]


async def test_it_says_what_keys_do_where_the_focus_is(tmp_path: Path) -> None:
    shown = app(tmp_path)
    async with shown.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "⏎ 提问" in line(shown))
        assert "上次所问" not in line(shown)
        assert "下一引用" not in line(shown)
        await ask(pilot, shown)
        assert "下一引用" not in line(shown) and "↑ 上次所问" in line(shown)
        await pilot.press("escape")
        await until(pilot, lambda: "下一引用" in line(shown))
        assert "上次所问" not in line(shown)


async def test_a_click_on_a_key_presses_it(tmp_path: Path) -> None:
    shown = app(tmp_path)
    async with shown.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "帮助" in line(shown))
        bar = shown.screen.query_one(KeyBar)
        before = line(shown)
        column = next(x for x in range(120) if bar.get_style_at(x, 0).meta.get("press") == "f1")
        plain = background(shown, column)
        await pilot.hover(KeyBar, offset=(column, 0))
        await until(pilot, lambda: background(shown, column) != plain)
        await pilot.hover(KeyBar, offset=(119, 0))
        await until(pilot, lambda: background(shown, column) == plain)
        assert line(shown) == before
        await pilot.mouse_down(KeyBar, offset=(column, 0))
        await until(pilot, lambda: shown.screen.query(".dialog-title"))
        assert "帮助" in str(shown.screen.query(".dialog-title").first().render())


def told(bar: StatusBar, cells: int, **more: Any) -> str:
    bar.set_reactive(StatusBar.signal, Signal(opening=False, documents=49, commit=3, **more))
    return " · ".join(text for text, _ in bar._state(cells))


def test_the_model_is_told_where_there_is_room_for_little() -> None:
    bar = StatusBar("ask", Wording("zh"))
    named = "qwen3-4b-q4_k_m.gguf"
    assert told(bar, 60, model=named) == f"49 篇 · 提交 3 · {named}"
    assert told(bar, 36, model=named) == f"49 篇 · {named}"
    assert told(bar, 19, model=named) == "49 篇 · qwen3-4…"
    assert told(bar, 13, model=named) == "49 篇"
    assert told(bar, 3, model=named) == ""
    # Without one, that answers quote is what can be left out.
    assert told(bar, 19) == "49 篇 · 提交 3"
    assert told(bar, 40, model=named, waiting=2) == "2 个文件待收录 · 49 篇 · qwen3-4b-q4…"


async def test_no_key_is_shown_in_part_and_help_tells_of_the_others(tmp_path: Path) -> None:
    shown = app(tmp_path)
    async with shown.run_test(size=(60, 24)) as pilot:
        await ask(pilot, shown)
        await pilot.press("escape")
        await until(pilot, lambda: "下一引用" in line(shown))
        assert "F1 帮助" in line(shown) and not line(shown).strip().endswith("^")
        bar = shown.screen.query_one(KeyBar)
        whole = {f"{name} {does}" for _, name, does, _ in bar._shown()}
        assert all(told in whole for told in re.split(r"(?<=[^\x00-\x7f]) ", line(shown).strip()))
        assert "退出" not in line(shown)
        await pilot.resize_terminal(120, 24)
        await until(pilot, lambda: "退出" in line(shown))
