"""The places beside asking: the first run, searching, reading, the past, settings, help."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from notesqa.errors import CatalogError
from notesqa.reports import ConversationInfo, Pending
from notesqa.tui.dialogs import Page
from notesqa.tui.welcome_screen import WelcomeScreen
from tests.test_tui_app import messages_stay, session  # noqa: F401 - a fixture

# -- the first run -----------------------------------------------------------------------


async def test_without_notes_every_way_to_asking_leads_to_the_welcome(tmp_path: Path) -> None:
    async with session(tmp_path, documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        for keys in (["escape"], ["f2"], ["f3", "f2"], ["ctrl+n"], ["f6", "escape"]):
            await s.press(*keys)
            await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
            await s.until(lambda: isinstance(s.app.focused, Input) and s.app.focused.id == "folder")


async def test_an_index_of_nothing_is_welcomed_and_a_rebuild_says_where_to_put_notes(
    tmp_path: Path,
) -> None:
    async with session(tmp_path, documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        assert (tmp_path / "corpus").is_dir()  # it says to put notes there
        s.notes.commit = 1
        s.app.desk.status()
        await s.says("提交 1")
        await s.press("ctrl+r")
        await s.says("没有找到笔记")
        assert isinstance(s.app.screen, WelcomeScreen)


async def test_notes_that_wait_in_an_empty_home_are_told_there(tmp_path: Path) -> None:
    async with session(tmp_path, documents=()) as s:
        s.notes.pending = Pending(added=("corpus/a.md",))
        s.app.desk.status()
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        await s.says("1 个文件")
        await s.says("Ctrl+R 收录")


async def test_the_other_places_say_that_there_is_nothing_yet(tmp_path: Path) -> None:
    async with session(tmp_path, documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        def none(query: str = "") -> list[ConversationInfo]:
            raise CatalogError("there is no index yet", "build it: notesqa index")

        s.notes.conversations = none  # type: ignore[method-assign]
        await s.press("f4")
        await s.says("还没有笔记")
        await s.press("f6")
        await s.says("还没有对话")
        assert "引用的原文" not in s.text and "出错了" not in s.text


async def test_a_path_is_completed_and_a_wrong_one_forgotten(tmp_path: Path) -> None:
    for folder in ("notes/deep", "nothing", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "notes" / "a.md").write_text("# 甲", encoding="utf-8")
    (tmp_path / "notes" / "b.png").write_bytes(b"")
    async with session(tmp_path / "home", documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        folder = s.app.screen.query_one("#folder", Input)
        await s.type(f"{tmp_path}/noth")
        await s.until(lambda: folder._suggestion == f"{tmp_path}/nothing/")
        await s.press("backspace")
        await s.until(lambda: folder._suggestion == f"{tmp_path}/notes/")
        await s.press("tab")
        assert folder.value == f"{tmp_path}/notes/" and folder.has_focus
        await s.until(lambda: folder._suggestion == f"{tmp_path}/notes/a.md")
        await s.type("zzz")
        await s.press("enter")
        await s.says("没有这个路径")
        await s.press("backspace")
        await s.until(lambda: "没有这个路径" not in s.text)
