"""The places beside asking: the first run, searching, reading, the past, settings, help."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from notesqa.config import Settings, TuiSettings
from notesqa.errors import CatalogError, ConfigError, ModelError
from notesqa.records import Document, Passage, Source
from notesqa.reports import ConversationInfo, Pending
from notesqa.retrieval.features import FEATURES
from notesqa.tui.app import NotesApp
from notesqa.tui.dialogs import Page
from notesqa.tui.history_screen import HistoryScreen
from notesqa.tui.path_field import path_given
from notesqa.tui.read_screen import ReadScreen
from notesqa.tui.results import Result, result_lines
from notesqa.tui.search_screen import SearchScreen
from notesqa.tui.told import Noticed
from notesqa.tui.welcome_screen import WelcomeScreen
from notesqa.tui.wording import Wording
from tests.patience import PATIENCE
from tests.test_tui_app import Session, messages_stay, session  # noqa: F401 - a fixture
from tests.tui_fake import DOCUMENTS, FakeNotes

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
        await s.says("1 个文件还没有收录")
        assert "这里还没有笔记" not in s.text and "收 到 新 传 输" in s.text
        s.notes.arriving = [DOCUMENTS[0]]
        await s.press("enter")
        await s.says("本次收录")


async def test_a_home_that_cannot_be_opened_says_so_until_it_can(tmp_path: Path) -> None:
    """As after an update of the program, which an older index waits for."""
    notes = FakeNotes(tmp_path)
    opened = notes.status

    def older(*args: Any, **more: Any) -> Any:
        raise CatalogError(
            "the index was made by an older notesqa", "bring it up to date: notesqa index"
        )

    notes.status = older  # type: ignore[method-assign]
    settings = Settings(tui=TuiSettings(language="zh"))
    app = NotesApp(lambda: notes, settings, corpus=tmp_path / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test(size=(126, 30), notifications=True) as pilot:
        s = Session(app, pilot, notes)
        await s.says("⚠ 出错了：索引由旧版本的 notesqa 建立")
        await s.says("按 Ctrl+R 更新")
        await s.says("打不开")
        assert "正在打开" not in s.text and not app._notifications
        notes.search = older  # type: ignore[method-assign]
        await s.press("f3")
        await s.type("先验")
        await s.says("索引由旧版本的 notesqa 建立 · 按 Ctrl+R 更新")
        await s.press("f2")
        notes.status = opened  # type: ignore[method-assign]
        await s.press("ctrl+r")
        await s.says("4 篇 · 提交 3")
        await s.says("可以这样问")
        assert "出错了" not in s.text


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
    for name in ("notes/deep", "nothing", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
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
        folder.value = f"{tmp_path}/note"  # and typed faster than it is told
        folder.action_end()
        await s.press("s", "tab")
        assert folder.value == f"{tmp_path}/notes/"
        await s.type("zzz")
        await s.press("enter")
        await s.says("没有这个路径")
        await s.press("backspace")
        await s.until(lambda: "没有这个路径" not in s.text)


# -- reading ---------------------------------------------------------------------------------


async def test_a_note_that_is_left_leads_back_to_where_it_was_opened(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note is not None)
        await s.look()
        await s.press("v")
        await s.until(lambda: s.app.screen.has_class("-reading"))
        await s.press("escape")
        await s.until(lambda: s.app.place == "ask")
        assert s.app.ask_screen.talk.has_focus  # where the next citation is one key away

        await s.press("f3")
        await s.type("过拟合")
        search = s.app.screen
        assert isinstance(search, SearchScreen)
        await s.until(lambda: search.results.chosen is not None)
        await s.press("down")
        chosen = search.results.at
        await s.press("enter")
        await s.until(lambda: s.app.screen.has_class("-reading"))
        await s.press("o", "escape")  # the outline is left first
        assert s.app.place == "read"
        await s.press("escape")
        await s.until(lambda: s.app.screen is search)
        assert search.results.at == chosen and search.line.value == "过拟合"


async def test_a_note_of_the_list_is_left_for_the_list(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f3")
        await s.type("过拟合")
        search = s.app.screen
        assert isinstance(search, SearchScreen)
        await s.until(lambda: search.results.chosen is not None)
        await s.press("enter")
        await s.until(lambda: s.app.screen.has_class("-reading"))
        await s.press("f2", "f4")  # gone there by its key, it is not of the search any more
        reader = s.app.screen
        assert isinstance(reader, ReadScreen)
        reader.source.surface.focus()
        await s.press("escape")
        await s.until(lambda: reader.notes.has_focus)
        await s.press("enter")
        await s.until(lambda: reader.source.surface.has_focus)
        await s.press("escape")
        await s.until(lambda: reader.notes.has_focus)
        await s.press("escape")
        await s.until(lambda: s.app.place == "ask")


# -- the past, and what has changed since ------------------------------------------------------


async def test_a_search_of_the_past_shows_the_turn_that_it_found(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 20)) as s:
        for question in ("过拟合怎么办", "L1 的先验", "DDIM 采样", "DeepFace 的准确率"):
            await s.ask(question)
        await s.until(lambda: s.notes.kept and len(s.notes.kept[1][1]) == 4)
        s.notes.kept[1] = ("DeepFace", s.notes.kept[1][1])
        await s.press("f6")
        screen = s.app.screen
        assert isinstance(screen, HistoryScreen)
        await s.says("▌ 过拟合怎么办")
        await s.type("deepface")
        await s.says("没有找到")
        screen.line.value = "DeepFace"
        await s.says("▌ DeepFace 的准确率")
        marked = [
            piece.text
            for _, line in screen.preview._lines
            for piece in line.pieces
            if "mark-word" in piece.style
        ]
        assert marked and set(marked) == {"DeepFace"}
        assert "过拟合怎么办" not in s.text


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("shanghai")
async def test_the_past_is_told_in_the_time_of_here(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.notes.kept)
        await s.press("f6")
        await s.says("2026-11-20 17:01 · 1 问")  # kept as 09:01 of Greenwich


async def test_a_rebuild_marks_what_changed_in_the_open_conversation(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.conversation_id)
        assert "笔记已改动" not in s.text
        await s.until(lambda: s.app.ask_screen.source.note)
        s.notes.changing = (1,)
        other = replace(DOCUMENTS[0], text=DOCUMENTS[0].text.replace("拉普拉斯", "别的"))
        s.notes.arriving = [*DOCUMENTS, other]
        del s.notes.store["ddim"]
        await s.press("ctrl+r")
        await s.until(lambda: isinstance(s.app.screen, Page))
        await s.press("escape")
        await s.says("[1] L1 与 L2 正则化  ⚠ 笔记已改动")
        s.app.ask_screen.open("cite:1:1")
        await s.says("⚠ 笔记已改动  L1 与 L2 正则化")
        s.app.ask_screen.open("cite:1:2")
        await s.until(lambda: s.text.count("笔记已改动") == 1)


async def test_the_new_notes_of_a_digest_are_read_from_it(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        del s.notes.store["ddim"], s.notes.store["overfitting"]
        s.notes.arriving = [DOCUMENTS[1], DOCUMENTS[2]]
        await s.press("ctrl+r")
        await s.says("Tab 选择 · 回车打开 · Esc 关闭")
        await s.press("tab", "tab", "enter")
        reader = s.app.get_screen("read")
        assert isinstance(reader, ReadScreen)
        await s.until(lambda: reader.source.note and reader.source.note.document.id == "ddim")
        await s.press("escape")
        await s.until(lambda: s.app.place == "ask")
        await s.press("f1")
        await s.says("Esc 关闭")
        assert "回车打开" not in s.text
        await s.press("enter")
        await s.until(lambda: not isinstance(s.app.screen, Page))


@pytest.mark.parametrize("page", ["f1", "ctrl+l"])
async def test_text_that_is_typed_over_a_page_is_for_what_lies_below(
    tmp_path: Path, page: str
) -> None:
    """The digest comes by itself: whoever begins a question then must not lose its letters."""
    async with session(tmp_path) as s:
        new = Document("new", "新来的", "新来的一段。", "excerpt", (Source("corpus/n.txt", 4),))
        s.notes.arriving = [new]
        await s.press("ctrl+r")
        await s.until(lambda: isinstance(s.app.screen, Page))
        await s.press("escape", page)
        await s.until(lambda: isinstance(s.app.screen, Page))
        for character in "间隔 m":
            key = "space" if character == " " else _character_to_key(character)
            s.app.post_message(events.Key(key, character))
        await s.until(lambda: s.app.ask_screen.question.value == "间隔 m")
        assert not isinstance(s.app.screen, Page) and s.app.ask_screen.question.has_focus
        await s.press(page)
        await s.until(lambda: isinstance(s.app.screen, Page))
        s.app.post_message(events.Paste("取多少"))
        await s.until(lambda: s.app.ask_screen.question.value == "间隔 m取多少")
        await s.press(page)
        await s.until(lambda: isinstance(s.app.screen, Page))
        await s.press("space")
        assert isinstance(s.app.screen, Page)
        await s.press("q")
        await s.until(lambda: not isinstance(s.app.screen, Page))
        assert s.app.ask_screen.question.value == "间隔 m取多少"


async def test_what_waited_is_not_told_any_more_once_it_is_taken_in(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.notes.pending = Pending(added=("corpus/a.txt",))
        s.app.post_message(Noticed(s.notes.status()))
        await s.says("收到新传输：1 个文件。^r 收录")
        s.notes.gate.clear()
        await s.press("ctrl+r")
        await s.until(lambda: s.app.desk.indexing)
        s.app.post_message(Noticed(s.notes.status()))
        await s.says("30/120")
        assert "收到新传输" not in s.text
        s.notes.gate.set()
        await s.until(lambda: not s.app.signal.waiting)
        s.notes.pending = Pending(removed=("corpus/a.txt",))
        s.app.post_message(Noticed(s.notes.status()))
        await s.says("1 个文件有变动")
        assert "收到新传输" not in s.text


# -- reading ---------------------------------------------------------------------------------


async def test_notes_are_in_the_order_of_the_alphabet_and_excerpts_say_so(tmp_path: Path) -> None:
    names = ("mAP", "YOLO", "image pyramid")
    notes = [Document(n, n, "文", "article", (Source(f"{n}.md", 1),)) for n in names]
    cut = Document("c", "Cut", "文...", "excerpt", (Source("c.txt", 1),), truncated=True)
    async with session(tmp_path, documents=[*notes, cut]) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f4")
        assert isinstance(s.app.screen, ReadScreen)
        shown = [str(option.prompt) for option in s.app.screen.notes.options]
        assert shown == ["Cut ┄节选", "image pyramid", "mAP", "YOLO"]


async def test_the_filter_and_the_links_of_a_note_are_named(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f4")
        screen = s.app.screen
        assert isinstance(screen, ReadScreen)
        await s.until(lambda: "/ 筛选" in s.text.splitlines()[-1])
        assert "下一链接" not in s.text
        await s.keys("拟合")
        await s.until(lambda: screen.filter.value == "拟合" and len(screen._listed) == 1)
        assert "/ 筛选" not in s.text.splitlines()[-1]
        await s.press("enter")
        await s.until(lambda: "tab 下一链接" in s.text.splitlines()[-1])
        await s.says("2024-02-11")
        await s.press("tab", "enter")
        await s.says("▌ 稀疏性")
        await s.says("2024-03-02 · #正则化 #先验")


async def test_on_few_columns_the_outline_takes_the_place_of_the_note(tmp_path: Path) -> None:
    async with session(tmp_path, size=(40, 20)) as s:
        await s.until(lambda: s.app.documents)
        s.app.read("regularization")
        await s.until(lambda: s.app.screen.has_class("-reading"))
        await s.says("叫 Lasso")
        await s.press("o")
        await s.says("稀疏性")
        assert "Lasso" not in s.text
        await s.press("down", "enter")
        await s.says("▌ 稀疏性")
        screen = s.app.screen
        assert isinstance(screen, ReadScreen) and screen.source.surface.has_focus


# -- settings and help -----------------------------------------------------------------------


async def test_on_few_columns_help_and_settings_can_be_read(tmp_path: Path) -> None:
    async with session(tmp_path, size=(40, 40)) as s:
        await s.press("f7")
        await s.says("builtin-1")
        rows = s.text.splitlines()
        assert not any("transmission-dark" in row and "builtin-1" in row for row in rows)
        await s.press("f1")
        await s.until(lambda: isinstance(s.app.screen, Page))
        row = next(i for i, row in enumerate(s.text.splitlines()) if "换栏" in row)
        assert "settings_pane" in s.text.splitlines()[row + 1]
        assert "settings_pane" not in s.text.splitlines()[row]


async def test_the_palette_finds_commands_by_the_names_that_help_shows(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.press("ctrl+p")
        await s.type("quit")
        await s.until(lambda: "退出" in s.text.splitlines()[5])


async def test_a_server_is_called_by_its_name_and_its_failure_leaves_the_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(tmp_path) as s:
        stream = s.notes.stream

        def down(*args: Any, llm: bool = True, **more: Any) -> Any:
            if llm:
                raise ModelError("cannot reach the model server at http://x/", "is it running?")
            return stream(*args, llm=llm, **more)

        monkeypatch.setattr(s.notes, "stream", down)
        loaded = threading.Event()
        monkeypatch.setattr(s.notes, "chat_model", lambda: loaded.wait(PATIENCE) and None)
        s.app.choose_model("", "http://127.0.0.1:18923/v1")
        await s.says("127.0.0.1:18923")
        assert "v1" not in s.text
        s.app.choose_model("qwen3-4b", "http://127.0.0.1:18923/v1")
        await s.press("f7")
        await s.says("● qwen3-4b · 127.0.0.1:18923")
        await s.press("f2")
        loaded.set()
        await s.ask()
        await s.says("出错了：连不上模型服务器 http://x/")
        await s.says("以下直接摘录笔记")
        await s.says("[1] L1 与 L2 正则化")
        assert s.app.latest and s.app.latest.answer


async def test_a_refusal_says_it_once(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask("红烧肉怎么做")
        await s.says("∅ 笔记里没有说。")
        assert s.text.count("笔记里没有说") == 1


# -- searching -----------------------------------------------------------------------------


async def test_filters_alone_list_the_newest_notes(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f3")
        screen = s.app.screen
        assert isinstance(screen, SearchScreen)
        await s.type("after:2024")
        await s.says("3 篇，新的在前")
        titles = [result.passage.title for result in screen.results.results]
        assert titles == ["L1 与 L2 正则化", "过拟合", "DDIM"]
        await s.says("2024-03-02 · #正则化 #先验")
        await s.until(lambda: screen.source.note and screen.source.note.document.title == titles[0])
        for line, title in (("tag:扩散模型", "DDIM"), ("source:overfitting.md", "过拟合")):
            screen.line.value = line
            await s.says("1 篇")
            await s.until(
                lambda title=title: (
                    screen.source.note  # type: ignore[misc]
                    and screen.source.note.document.title == title
                )
            )


async def test_the_passage_of_another_search_does_not_stay(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f3")
        screen = s.app.screen
        assert isinstance(screen, SearchScreen)
        for line, said in (
            ("采样 tag:不存在", "没有标签：不存在"),
            ("采样 source:nowhere.md", "没有这样的文件：nowhere.md"),
            ("红烧肉", "没有找到"),
            ("采样 after:2024-13", "日期应写作"),
            ("采样 before:2024-02-30", "日期应写作"),
            ("", ""),
        ):
            screen.line.value = "采样"
            await s.until(lambda: screen.source.note is not None)
            screen.line.value = line
            await s.says(said)
            await s.until(lambda: screen.source.note is None)
            assert "搜到的原文在此显示" in s.text and "非马尔可夫" not in s.text


def test_results_stand_apart_and_tell_where_they_are_filed() -> None:
    passage = Passage(
        1, 0.5, "c", "d", "标题", "a.md:1", "", "正文", 0, 2, date="2024-01-02", tags=("甲", "乙")
    )
    lines = result_lines(
        Result(passage, "正文"), ["正文"], 40, link="", explain=Wording("zh"), chosen=False
    )
    texts = [line.text.strip() for line in lines]
    assert texts == ["标题", "正文", "2024-01-02 · #甲 #乙", "0.50：", "a.md:1", ""]


def test_a_heading_is_not_said_again_below_itself() -> None:
    passage = Passage(1, 0.5, "c", "d", "检测器", "a.md:1", "何时用 anchor", "", 0, 2)
    text = "何时用 anchor  形状固定时，用 anchor 更稳。"
    lines = result_lines(Result(passage, text), ["anchor"], 40, link="", explain=None, chosen=True)
    assert [line.text for line in lines[:2]] == [
        "▌检测器 › 何时用 anchor",
        "▌形状固定时，用 anchor 更稳。",
    ]
    marks = [p.text for line in lines for p in line.pieces if "mark-word" in p.style]
    assert marks == ["anchor", "anchor"]
    narrow = result_lines(Result(passage, text), [], 16, link="", explain=None, chosen=False)
    assert "何时用" in narrow[1].text  # of which the first line shows a part


def test_every_part_of_a_score_has_a_name() -> None:
    words = Wording("zh")
    assert [name for name in FEATURES if words.named("score", name) == name] == []


# -- the notes change while they are looked at ----------------------------------------------


def _elsewhere(s: Session, *documents: Document, without: str = "") -> None:
    """Another process brings the index up to other notes."""
    s.notes.store |= {d.id: d for d in documents}
    s.notes.store.pop(without, None)
    s.notes.commit += 1


_FASTER = replace(DOCUMENTS[2], text=DOCUMENTS[2].text.replace("10 到 50 倍", "20 到 70 倍"))


@pytest.mark.parametrize("place", ["f3", "f6"])
async def test_results_follow_the_index_and_the_choice_stays(tmp_path: Path, place: str) -> None:
    """Whether they are in sight when it changes or come back into sight after."""
    async with session(tmp_path) as s:
        await s.press("f3")
        screen = s.app.screen
        assert isinstance(screen, SearchScreen)
        await s.type("过拟合 采样 正则化")
        await s.until(lambda: len(screen.results.results) > 2)
        gone = screen.results.results[0].passage
        screen.results.choose(2)
        kept = screen.results.results[2].passage
        await s.until(
            lambda: screen.source.note and screen.source.note.document.id in kept.chunk_id
        )
        await s.press(place)
        _elsewhere(s, without=gone.document_id)
        s.app.desk.status()
        await s.until(lambda: s.app.signal.commit == s.notes.commit)
        await s.press("f3")
        await s.until(
            lambda: gone.document_id not in [r.passage.document_id for r in screen.results.results]
        )
        await s.until(lambda: screen.results.results)
        chosen = screen.results.chosen
        assert chosen is not None
        if kept.document_id != gone.document_id:
            assert chosen.chunk_id == kept.chunk_id


async def test_the_note_that_is_read_follows_the_index(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 14)) as s:
        await s.until(lambda: s.app.documents)
        s.app.read("ddim")
        await s.says("10 到 50 倍")
        screen = s.app.screen
        assert isinstance(screen, ReadScreen)
        await s.press("down")
        before = screen.source.surface.scroll_y
        await s.press("slash")
        _elsewhere(s, _FASTER)
        s.app.desk.status()
        await s.says("20 到 70 倍")
        # Nothing but the text is another.
        assert screen.source.surface.scroll_y == before
        assert screen.filter.has_focus
        assert screen.notes.highlighted == [d.id for d in screen._listed].index("ddim")
        _elsewhere(s, without="ddim")
        s.app.desk.status()
        await s.says("⚠ 笔记已移除  DDIM")
        assert "20 到 70 倍" in s.text


async def test_the_passage_beside_an_answer_follows_the_index(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask("DDIM 采样可以跳步")
        await s.says("corpus/ddim.md")
        await s.until(lambda: s.app.conversation_id)
        s.notes.changed = (1,)
        _elsewhere(s, _FASTER)
        s.app.desk.status()
        await s.says("⚠ 笔记已改动  DDIM")
        assert "20 到 70 倍" in s.text
        _elsewhere(s, without="ddim")
        s.app.desk.status()
        await s.says("⚠ 笔记已移除  DDIM")


async def test_an_index_that_another_process_brought_up_to_date_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notesqa.tui.desk._WATCH_SECONDS", 0.05)
    async with session(tmp_path) as s:
        s.notes.pending = Pending(added=("corpus/new.md",))
        s.app.desk.status()
        await s.says("1 个文件待收录")
        s.notes.pending = Pending()
        _elsewhere(s)
        await s.says(f"提交 {s.notes.commit}")
        await s.until(lambda: "待收录" not in s.text.splitlines()[0])


async def test_what_is_wrong_with_the_index_is_told_in_the_settings(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.notes.remarks = (("corpus/bad.md", "its date “2024-02-30” is none: write YYYY-MM-DD"),)
        s.notes.pending = Pending(left_out=((".pdf", 3),))
        s.notes.outdated = True
        await s.press("f7")
        await s.says("索引要更新 · ")
        await s.says("⚠ 索引是用别的设置或旧版本做的。^r 更新")
        await s.says("⚠ corpus/bad.md：日期“2024-02-30”不对")
        await s.says("另有 3 个其他格式的文件没有收录（.pdf）")


# -- adding notes, beginning anew ------------------------------------------------------------


async def test_notes_from_elsewhere_are_added_from_any_place(tmp_path: Path) -> None:
    inbox = tmp_path / "in box"
    inbox.mkdir()
    (inbox / "new.md").write_text("# 新", encoding="utf-8")
    given: list[Path] = []
    async with session(tmp_path / "home") as s:
        index = s.notes.index

        def hear(paths: Any = (), **more: Any) -> Any:
            given.extend(paths)
            return index(paths, **more)

        s.notes.index = hear  # type: ignore[method-assign]
        await s.press("f3", "ctrl+s")
        await s.says("Tab 补全 · 回车收进来")
        await s.type(f"{tmp_path}/in")
        await s.press("tab", "tab")
        line = s.app.focused
        assert isinstance(line, Input)
        assert line.value == f"{inbox}/new.md"
        await s.press("enter")
        await s.until(lambda: given == [inbox / "new.md"])
        await s.until(lambda: not s.app.desk.indexing)
        await s.press("ctrl+s")
        await s.type("/nowhere/at all")
        await s.press("enter")
        await s.says("没有这个路径：/nowhere/at all")
        assert len(given) == 1


@pytest.mark.parametrize("typed", ["{}/in box/a.md", "'{}/in box/a.md'", r"{}/in\ box/a.md "])
def test_a_path_may_be_written_as_a_terminal_drops_it(tmp_path: Path, typed: str) -> None:
    (tmp_path / "in box").mkdir()
    (tmp_path / "in box" / "a.md").write_text("# 甲", encoding="utf-8")
    assert path_given(typed.format(tmp_path)) == tmp_path / "in box" / "a.md"
    with pytest.raises(ConfigError, match="no such path"):
        path_given("in box/'none")


async def test_a_new_conversation_begins_from_any_place(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        for place in ("f3", "f4", "f6", "f7"):
            await s.press(place, "ctrl+n")
            await s.until(lambda: s.app.screen is s.app.ask_screen and not s.app.exchanges)
            assert s.app.focused is s.app.ask_screen.question


def test_one_is_no_plural() -> None:
    english = Wording("en")
    assert english("turns", n=1) == "1 question"
    assert english("results", n=1, ms=4) == "1 result · 4 ms"
    assert english("pending", n=2) == "2 files waiting"


async def test_notes_that_are_gone_over_are_shown_and_not_gone_back_to(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f4")
        screen = s.app.screen
        assert isinstance(screen, ReadScreen)
        await s.until(lambda: screen.source.note and screen.source.note.document.id == "ddim")
        await s.press("down", "down")
        await s.says("▌ 稀疏性")
        assert screen.notes.has_focus
        await s.press("enter")
        await s.until(lambda: screen.source.surface.has_focus)
        await s.press("left_square_bracket")
        await s.says("没有更早的了")
        # What is read stays when its list is made anew.
        _elsewhere(s, without="ddim")
        s.app.desk.status()
        await s.until(lambda: len(screen._listed) == 3)
        assert "▌ 稀疏性" in s.text


async def test_on_few_columns_no_note_is_fetched_before_it_is_chosen(tmp_path: Path) -> None:
    fetched: list[str] = []
    async with session(tmp_path, size=(70, 20)) as s:
        document = s.notes.document

        def hear(document_id: str) -> Document:
            fetched.append(document_id)
            return document(document_id)

        s.notes.document = hear  # type: ignore[method-assign]
        await s.until(lambda: s.app.documents)
        await s.press("f4", "down", "down")
        await s.pilot.pause(0.4)
        await s.press("enter")
        await s.says("▌ 贝叶斯角度")
        assert fetched == ["regularization"]


async def test_a_digest_names_the_conversations_that_this_rebuild_has_changed(
    tmp_path: Path,
) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.notes.kept)
        for changing, told in (((1,), True), ((), False), ((1, 2), True)):
            s.notes.changing = changing
            s.notes.arriving = [replace(DOCUMENTS[2], id=f"new-{changing}", title="新来的")]
            await s.press("ctrl+r")
            await s.until(lambda: isinstance(s.app.screen, Page))
            await s.says("新来的")
            assert ("引用的笔记已改动的对话" in s.text) == told
            assert ("2026-11-20" in s.text) == told
            await s.press("escape")


async def test_on_few_columns_no_place_is_lost(tmp_path: Path) -> None:
    async with session(tmp_path, size=(40, 12)) as s:
        await s.press("f4")
        await s.until(lambda: isinstance(s.app.screen, ReadScreen))
        assert s.text.splitlines()[0].split()[:7] == ["▌", "F2", "F3", "F4", "笔记", "F6", "F7"]
