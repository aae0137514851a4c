"""The app by its keys: asking, citing, searching, reading, rebuilding, remembering."""

from __future__ import annotations

import threading
import time
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from notesqa.config import Home, Settings, TuiSettings
from notesqa.errors import ConfigError, ModelError
from notesqa.notes.watching import signature
from notesqa.records import Answer, Document, Source
from notesqa.reports import Pending
from notesqa.tui.app import NotesApp, action_names
from notesqa.tui.bars import StatusBar
from notesqa.tui.dialogs import Confirm, Page, Prompt
from notesqa.tui.errands import at_line
from notesqa.tui.history_screen import HistoryScreen
from notesqa.tui.read_screen import ReadScreen
from notesqa.tui.search_screen import SearchScreen
from notesqa.tui.settings_screen import SettingsScreen
from notesqa.tui.surface import Surface
from notesqa.tui.told import ModelState
from notesqa.tui.welcome_screen import WelcomeScreen
from tests.patience import PATIENCE
from tests.quoting import quoting
from tests.tui_fake import HOSTILE, FakeNotes

Pilots = Pilot[int | None]
QUESTION = "L1 正则化等价于什么先验"


class Session:
    """An app under a pilot, with the fake home behind it."""

    def __init__(self, app: NotesApp, pilot: Any, notes: FakeNotes) -> None:
        self.app, self.pilot, self.notes = app, pilot, notes

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain; the screen says:\n{self.text}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    @property
    def text(self) -> str:
        """The whole screen."""
        rows = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in rows)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Text into the line that has the focus, at once."""
        await self.until(lambda: isinstance(self.app.focused, Input))
        focused = self.app.focused
        assert isinstance(focused, Input)
        focused.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def keys(self, text: str) -> None:
        """As from an input method: each character as a key of its own."""
        await self.pilot.press(*(char if char != " " else "space" for char in text))
        await self.pilot.pause()

    async def ask(self, question: str = QUESTION) -> None:
        self.app.ask_screen.question.focus()
        await self.type(question)
        await self.press("enter")
        await self.until(lambda: self.app.latest and self.app.latest.state in ("done", "failed"))

    async def look(self) -> None:
        """The keys to the answers."""
        await self.press("escape")
        await self.until(lambda: self.app.ask_screen.talk.has_focus)

    async def says(self, text: str) -> None:
        await self.until(lambda: text in self.text)


@asynccontextmanager
async def session(
    home: Path, *, size: tuple[int, int] = (120, 40), documents: Any = None, **tui: Any
) -> AsyncIterator[Session]:
    notes = FakeNotes(home) if documents is None else FakeNotes(home, documents=documents)
    settings = Settings(tui=TuiSettings(**{"language": "zh", **tui}))
    app = NotesApp(lambda: notes, settings, corpus=home / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test(size=size, notifications=True) as pilot:
        made = Session(app, pilot, notes)
        await made.until(lambda: app.status is not None)
        yield made


@pytest.fixture(autouse=True)
def messages_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine they would go before they are seen."""
    notify = App.notify

    def longer(self: App[Any], message: str, **more: Any) -> None:
        notify(self, message, **{**more, "timeout": 2 * PATIENCE})

    monkeypatch.setattr(App, "notify", longer)


# -- asking ----------------------------------------------------------------------------


async def test_an_answer_comes_with_its_passage_beside_it(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.says("[1] L1 与 L2 正则化")
        source = s.app.ask_screen.source
        await s.until(lambda: source.note is not None)
        assert source.quote == s.app.latest.citation(1).quote  # type: ignore[union-attr]
        assert s.app.ask_screen.talk.current == "cite:1:1"
        marked = source.note.section.marks  # type: ignore[union-attr]
        assert [(a, b) for a, b, _ in marked] == [source.span]


async def test_citations_are_walked_with_keys(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        source = s.app.ask_screen.source
        await s.until(lambda: source.note and source.note.document.id == "regularization")
        await s.look()
        await s.press("n")
        await s.until(lambda: source.note and source.note.document.id == "overfitting")
        await s.press("p")
        await s.until(lambda: source.note and source.note.document.id == "regularization")
        await s.press("2")
        await s.until(lambda: source.note and source.note.document.id == "overfitting")
        await s.press("9")
        await s.says("没有这条引用")


async def test_a_click_on_a_chip_opens_its_passage(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        talk = s.app.ask_screen.talk
        await s.says("[2]")
        rows = s.text.split("\n")
        y = next(i for i, row in enumerate(rows) if "[2]" in row)
        x = rows[y].index("[2]")
        cells = x + sum(ord(c) > 0x2E80 for c in rows[y][:x])
        await s.pilot.click(offset=(cells + 1, y))
        source = s.app.ask_screen.source
        await s.until(lambda: source.note and source.note.document.id == "overfitting")
        assert talk.current == "cite:1:2"


async def test_narrow_the_passage_takes_the_place_of_the_answer(tmp_path: Path) -> None:
    async with session(tmp_path, size=(80, 24)) as s:
        await s.ask()
        screen = s.app.ask_screen
        assert not screen.source.display
        await s.look()
        await s.press("enter")
        await s.until(lambda: screen.source.display and screen.source.note)
        assert not screen.talk.display
        await s.press("n")
        await s.until(lambda: screen.source.note.document.id == "overfitting")  # type: ignore[union-attr]
        await s.press("escape")
        assert screen.talk.display and screen.talk.has_focus


async def test_narrow_every_passage_opened_from_the_answer_is_the_one_that_is_shown(
    tmp_path: Path,
) -> None:
    cited = {
        "regularization": "近端梯度：先走梯度",
        "overfitting": "更多的数据",
        "ddim": "采样是确定的",
    }
    async with session(tmp_path, size=(50, 20)) as s:
        answer = quoting(*((s.notes.store[name], quote) for name, quote in cited.items()))
        s.notes._answer = lambda *_: answer  # type: ignore[method-assign]
        await s.ask()
        await s.look()
        for number, quote in enumerate(cited.values(), 1):
            await s.press(str(number))
            await s.until(lambda: s.app.ask_screen.source.display)
            await s.says(quote)
            await s.press("escape")
            await s.until(lambda: s.app.ask_screen.talk.display)


async def test_narrow_an_answer_that_ends_behind_a_passage_is_there_afterwards(
    tmp_path: Path,
) -> None:
    async with session(tmp_path, size=(80, 24)) as s:
        await s.ask()
        s.notes.reply = "正在写的回答" * 20
        s.notes.held.clear()
        s.app.ask_screen.question.focus()
        await s.type("那 L2 呢")
        await s.press("enter")
        await s.says("正在写的回答")
        screen = s.app.ask_screen
        screen.open("cite:1:1")
        await s.until(lambda: screen.source.display and not screen.talk.size.width)
        s.notes.held.set()
        await s.until(lambda: s.app.latest and s.app.latest.state == "done")
        await s.press("escape")
        await s.until(lambda: screen.talk.display)
        await s.says("42% 不在引文里")


async def test_narrow_the_state_of_the_home_can_be_read(tmp_path: Path) -> None:
    async with session(tmp_path, size=(50, 20)) as s:
        await s.press("f7")
        await s.says("builtin-1")
        assert s.text.count("提交 3") == 2


async def test_an_unsupported_sentence_is_marked_with_its_reason(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.notes.reply = "**L1** 等价于拉普拉斯先验[1]。"
        await s.ask()
        await s.says("42% 不在引文里")
        assert "⚠" in s.text and "tiny.gguf" in s.text
        await s.look()
        await s.press("r")  # again, without the model
        await s.until(lambda: len(s.app.exchanges) == 2 and s.app.latest.state == "done")  # type: ignore[union-attr]
        assert s.app.latest.answer.engine == "extractive"  # type: ignore[union-attr]


async def test_escape_stops_an_answer_in_the_making(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.notes.reply = "正在写的回答" * 20
        s.notes.held.clear()
        await s.type(QUESTION)
        await s.press("enter")
        await s.until(lambda: s.app.latest and s.app.latest.text)
        await s.says("正在写的回答")
        assert s.app.answering
        s.app.ask_screen.question.focus()
        await s.type("下一问")  # typing goes on meanwhile
        assert s.app.ask_screen.question.value == "下一问"
        await s.press("escape")
        await s.until(lambda: not s.app.answering)
        await s.says("已停止")
        assert s.app.ask_screen.question.value == "下一问"


async def test_an_empty_home_is_found_before_the_other_screens_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotesApp, "_loaded", lambda self: None)
    async with session(tmp_path, documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))


async def test_history_offers_only_what_there_is_a_conversation_for(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.press("f6")
        await s.says("还没有对话")
        foot = s.text.splitlines()[-1]
        assert "帮助" in foot and not any(w in foot for w in ("删除", "改名", "导出", "撤销"))
        await s.press("f2")
        await s.ask()
        await s.until(lambda: s.notes.kept)
        await s.press("f6")
        await s.says("1 问")
        offered = ("删除", "改名", "导出")
        await s.until(lambda: all(w in s.text.splitlines()[-1] for w in offered))
        assert "撤销" not in s.text.splitlines()[-1]
        await s.press("delete", "y")
        await s.until(lambda: "撤销" in s.text.splitlines()[-1])


async def test_what_might_be_asked_reads_as_a_question(tmp_path: Path) -> None:
    titles = ("Adam 与 AdamW：解耦权重衰减", "整流流（Rectified Flow）", "小目标检测", "DDIM")
    documents = [
        Document(str(n), title, "正文。", "article", (Source(f"corpus/{n}.md", 1),))
        for n, title in enumerate(titles)
    ]
    async with session(tmp_path, documents=documents) as s:
        await s.until(lambda: s.app.suggestions)
        asked = set(s.app.suggestions[:3])
        assert asked == {"整流流是什么？", "小目标检测是什么？", "DDIM 是什么？"}
        assert s.app.suggestions[3].startswith("Adam 与 AdamW：")


async def test_what_the_notes_do_not_say(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask("红烧肉怎么做")
        await s.says("笔记里没有说")
        assert not s.app.latest.answer.citations  # type: ignore[union-attr]


async def test_a_model_without_a_template_is_told(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.app.post_message(ModelState("/models/plain.gguf", has_template=False))
        await s.says("plain.gguf 没有对话模板")


async def test_a_failing_model_is_told_and_nothing_else_breaks(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        stream = s.notes.stream

        def broken(*args: Any, **more: Any) -> Any:
            raise ModelError("the server [red]hung up\x1b[0m", "start it again")

        s.notes.stream = broken  # type: ignore[method-assign]
        await s.ask()
        await s.says("the server [red]hung up")
        assert "start it again" in s.text
        s.notes.stream = stream  # type: ignore[method-assign]
        await s.ask()
        assert s.app.latest.answer is not None  # type: ignore[union-attr]


async def test_a_fault_of_ours_is_told_and_the_lane_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    async with session(tmp_path) as s:
        stream = s.notes.stream
        s.notes.stream = None  # type: ignore[method-assign,assignment]
        await s.ask()
        await s.says("TypeError")
        s.notes.stream = stream  # type: ignore[method-assign]
        await s.ask()
        assert s.app.latest.answer is not None  # type: ignore[union-attr]


async def test_up_recalls_and_a_asks_again_edited(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask("L1 先验")
        await s.ask("DDIM 采样")
        question = s.app.ask_screen.question
        question.focus()
        await s.type("草稿")
        await s.press("up")
        assert question.value == "DDIM 采样"
        await s.press("up")
        assert question.value == "L1 先验"
        await s.press("down", "down")
        assert question.value == "草稿"
        s.app.ask_screen.talk.focus()
        await s.press("a")
        await s.until(lambda: question.value == "DDIM 采样" and question.has_focus)


async def test_follow_ups_see_the_turns_before(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        seen: list[int] = []
        stream = s.notes.stream

        def watched(question: str, **more: Any) -> Any:
            seen.append(len(more["history"]))
            return stream(question, **more)

        s.notes.stream = watched  # type: ignore[method-assign]
        await s.ask()
        await s.ask("那 L2 呢")
        await s.press("ctrl+n")
        await s.ask("DDIM")
        assert seen == [0, 1, 0]
        await s.until(lambda: len(s.notes.kept) == 2)
        assert [len(answers) for _, answers in s.notes.kept.values()] == [2, 1]


async def test_items_are_stepped_through_and_copied_as_a_list(tmp_path: Path) -> None:
    items = ("1. 更多的数据。", "2. 正则化：见 [L1 与 L2 正则化](regularization.md)。")
    async with session(tmp_path) as s:
        answer = quoting(*((s.notes.store["overfitting"], item) for item in items))
        s.notes._answer = lambda *_: answer  # type: ignore[method-assign]
        await s.ask("怎么缓解过拟合")
        await s.says("  2. 正则化")
        await s.look()
        await s.press("n")
        assert s.app.ask_screen.talk.current == "cite:1:2"
        await s.until(lambda: s.app.ask_screen.source.quote == items[1])
        await s.press("y")
        assert s.app.clipboard == "1. 更多的数据。[1]\n2. 正则化：见 L1 与 L2 正则化。[2]"


async def test_copying(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note)
        await s.look()
        await s.press("y")
        assert s.app.clipboard == s.app.latest.answer.text  # type: ignore[union-attr]
        await s.press("Y")
        assert s.app.clipboard == s.app.ask_screen.source.quote
        start = s.app.ask_screen.source.note.document.text.index("设先验为")  # type: ignore[union-attr]
        s.app.ask_screen.source.span = (start, start + 60)
        await s.press("L")
        assert "\\frac{1}{2b}" in s.app.clipboard


async def test_the_editor_opens_at_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setenv("EDITOR", "my-editor --wait")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(
        "notesqa.tui.errands.subprocess.run",
        lambda arguments, check: _Ended(calls, arguments),
    )
    monkeypatch.setattr(NotesApp, "suspend", lambda self: _nothing())
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note)
        await s.look()
        await s.press("e")
        await s.until(lambda: calls)
        assert calls == [["my-editor", "--wait", "+10", str(tmp_path / "corpus/regularization.md")]]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("vim", ["vim", "+12", "/n/a.md"]),
        ("/usr/bin/nano -w", ["/usr/bin/nano", "-w", "+12", "/n/a.md"]),
        ("code -w", ["code", "-w", "--goto", "/n/a.md:12"]),
        ("/opt/helix/hx", ["/opt/helix/hx", "/n/a.md:12"]),
    ],
)
def test_each_editor_is_told_the_line_in_its_way(command: str, arguments: list[str]) -> None:
    assert at_line(command, Path("/n/a.md"), 12) == arguments


async def test_an_editor_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", 'code "-w')
    monkeypatch.delenv("VISUAL", raising=False)
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note)
        await s.look()
        await s.press("e")
        await s.says("No closing quotation")


class _Ended:
    returncode = 0

    def __init__(self, calls: list[list[str]], arguments: list[str]) -> None:
        calls.append(arguments)


class _nothing:  # noqa: N801 - stands for a context
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


# -- searching ---------------------------------------------------------------------------


async def test_search_as_you_type(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.press("f3")
        screen = s.app.screen
        assert isinstance(screen, SearchScreen)
        await s.keys("采样")
        await s.says("DDIM › 采样")
        await s.until(lambda: screen.source.note and screen.source.note.document.id == "ddim")
        assert any(style == "mark-word" for *_, style in screen.source.note.section.marks)  # type: ignore[union-attr]
        await s.press("ctrl+e")
        await s.says("词语")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, ReadScreen))
        await s.until(lambda: s.app.screen.query_one("#source").note is not None)  # type: ignore[attr-defined]


async def test_only_the_newest_search_is_shown(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        gate = threading.Event()
        search = s.notes.search

        def slow(query: str, *args: Any, **more: Any) -> Any:
            found = search(query, *args, **more)
            if query == "正":
                gate.wait(PATIENCE)
            return found

        s.notes.search = slow  # type: ignore[method-assign]
        await s.press("f3")
        await s.type("正")
        await s.until(lambda: "正" in s.notes.searches)
        await s.type("则化先验")
        before = list(s.notes.searches)
        gate.set()
        await s.until(lambda: "正则化先验" in s.notes.searches)
        # What lay between was dropped, not worked off.
        assert s.notes.searches[len(before) :] == ["正则化先验"]


async def test_filters_narrow_and_bad_dates_are_told(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f3")
        line = s.app.screen.query_one("#query", Input)
        await s.type("先验 tag:先")
        await s.until(lambda: line._suggestion == "先验 tag:先验")
        await s.press("right")
        assert line.value == "先验 tag:先验"
        await s.says("L1 与 L2 正则化")
        line.value = "先验 after:昨天"
        await s.says("昨天")


# -- reading --------------------------------------------------------------------------------


async def test_reading_following_a_link_and_going_back(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("f4")
        screen = s.app.screen
        assert isinstance(screen, ReadScreen)
        await s.press("slash")
        await s.type("L1")
        await s.press("enter")
        await s.says("▌ 稀疏性")
        await s.press("tab", "enter")  # the link in the text
        await s.says("过拟合不是模型太大")
        await s.press("left_square_bracket")
        await s.says("▌ 稀疏性")
        await s.press("right_square_bracket")
        await s.says("过拟合不是模型太大")
        await s.press("right_square_bracket")
        await s.says("没有更晚的了")


async def test_the_outline_follows_the_reader(tmp_path: Path) -> None:
    async with session(tmp_path, size=(170, 18)) as s:
        await s.until(lambda: s.app.documents)
        s.app.read("regularization")
        await s.says("arg max")
        outline = s.app.screen.query_one("#outline", OptionList)
        await s.until(lambda: outline.highlighted == 0)
        surface = s.app.screen.query_one(Surface)
        await s.press("end")
        await s.until(lambda: surface.is_vertical_scroll_end and outline.highlighted == 1)
        await s.press("home")
        await s.until(lambda: surface.scroll_y == 0 and outline.highlighted == 0)
        # Opened at a place, it is that place which is read, also below another heading.
        place = s.notes.store["regularization"].text.index("坐标轴上")
        s.app.read("regularization", (place, place + 4))
        await s.until(lambda: surface.scroll_y > 0 and outline.highlighted == 1)


async def test_the_palette_says_in_chinese_that_nothing_matches(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)
        await s.press("ctrl+p")
        await s.type("此处无此命令")
        await s.says("没有找到")
        assert "No matches" not in s.text
        await s.press("enter")
        await s.until(lambda: s.app.screen is s.app.ask_screen)


async def test_the_palette_shows_long_titles_whole(tmp_path: Path) -> None:
    titles = [f"分布式训练里的张量并行与流水线并行之{part}" for part in ("通信", "显存")]
    documents = [
        Document(str(n), title, "正文。", "article", (Source(f"corpus/{n}.md", 1),))
        for n, title in enumerate(titles)
    ]
    async with session(tmp_path, documents=documents) as s:
        await s.until(lambda: s.app.documents)
        await s.press("ctrl+p")
        await s.type("张量")
        for title in titles:
            await s.says(title)


async def test_the_palette_begins_with_what_people_want(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.documents)

        async def names() -> list[str]:
            await s.press("ctrl+p")
            await s.until(lambda: s.app.screen.query("CommandList"))
            shown = s.app.screen.query_one("CommandList", OptionList)
            await s.until(lambda: shown.option_count > 5)
            await s.press("escape")
            return [str(option.prompt).split()[0] for option in shown.options]

        empty = await names()
        assert empty[:4] == ["新对话", "检索", "笔记", "历史"]
        assert "取消收录" not in empty and "复制回答" not in empty
        assert empty[-1] == "退出"
        await s.ask()
        answered = await names()
        assert answered[:3] == ["新对话", "复制回答", "整篇笔记"]
        s.notes.gate.clear()
        await s.press("ctrl+r")
        await s.until(lambda: s.app.desk.indexing)
        assert "取消收录" in await names()
        s.notes.gate.set()


async def test_outline_and_formula_source(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 24)) as s:
        await s.until(lambda: s.app.documents)
        s.app.read("regularization")
        await s.says("arg max")
        await s.press("m")
        await s.says("\\sum_{i=1}^{n}")
        await s.press("m", "o")
        outline = s.app.screen.query_one("#outline", OptionList)
        await s.until(lambda: outline.has_focus and outline.option_count == 2)
        await s.press("down", "enter")
        surface = s.app.screen.query_one(Surface)
        await s.until(lambda: surface.scroll_y > 0)
        await s.says("▌ 稀疏性")


async def test_hostile_note_and_reply_change_nothing_but_their_text(tmp_path: Path) -> None:
    evil = Document(
        "evil", "[red]题\x1b]0;x\x07[/nope]", HOSTILE, "text", (Source("corpus/[b]x.md", 1),),
        tags=("[/x]",),
    )  # fmt: skip
    async with session(tmp_path, documents=(evil,)) as s:
        s.notes.reply = HOSTILE[:200] + "[1]"
        await s.until(lambda: s.app.documents)
        await s.ask("标题 标记 反向")
        await s.says("[bold red]标记[/]")
        for keys in (("f3",), ("f4",), ("f6",), ("f7",)):
            await s.press(*keys)
            if keys == ("f3",):
                await s.type("标记")
                await s.says("[red]题")
            if keys == ("f4",):
                await s.press("enter")
                await s.says("反向字序")
            assert "\x1b" not in s.text and "\u202e" not in s.text
        await s.press("ctrl+p")
        await s.type("题")
        await s.says("[red]题")
        await s.press("escape")
        assert s.app.title == "notesqa"


# -- rebuilding --------------------------------------------------------------------------------


async def test_rebuild_shows_progress_and_then_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notesqa.tui.hearing._TYPING_SECONDS", PATIENCE)
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.notes.kept)
        s.notes.gate.clear()
        s.notes.arriving = [
            Document("new", "新来的", "新来的一段。", "excerpt", (Source("corpus/n.txt", 4),))
        ]
        s.notes.changing = (1,)
        await s.press("ctrl+r")
        await s.says("30/120")
        await s.says("计算向量")
        await s.says("Ctrl+X 取消")
        await s.ask("DDIM 采样")  # while it runs
        s.app.ask_screen.question.focus()
        await s.type("正在打字")
        await s.press("x")
        s.notes.gate.set()
        await s.says("已收录：新增 1 · 更新 0")  # and no page over the line
        assert s.app.ask_screen.question.value == "正在打字x"
        await s.press("ctrl+l")
        await s.until(lambda: isinstance(s.app.screen, Page))
        for part in ("新增 1", "+ 新来的", "超多分类的Softmax →", QUESTION, "corpus/bad.txt"):
            await s.says(part)
        await s.press("escape")
        assert s.app.signal.commit == 4 and s.app.signal.documents == 5


async def test_a_rebuild_is_cancelled(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.notes.gate.clear()
        await s.press("ctrl+r")
        await s.says("30/120")
        await s.press("ctrl+r")
        await s.says("正在收录")
        await s.press("ctrl+x")
        await s.says("已取消")
        assert s.app.progress is None and s.app.signal.commit == 3


async def test_new_files_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notesqa.tui.desk._WATCH_SECONDS", 0.05)
    (tmp_path / "corpus").mkdir()
    looks: list[int] = []

    def look(notes: FakeNotes) -> int:
        looks.append(signature(notes.home.corpus))
        return looks[-1]

    monkeypatch.setattr(FakeNotes, "signature", look)
    async with session(tmp_path) as s:
        # As it was at first is known by the second look.
        await s.until(lambda: len(looks) > 1)
        s.notes.pending = Pending(added=("corpus/a.txt", "corpus/b.txt"))
        (tmp_path / "corpus" / "a.txt").write_text("x", encoding="utf-8")
        await s.says("2 个文件待收录")


async def test_first_run_takes_a_folder_and_gets_to_an_answer(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with session(tmp_path, documents=()) as s:
        await s.until(lambda: isinstance(s.app.screen, WelcomeScreen))
        await s.says("收 到 空 信 号")
        await s.type("/no/such/place")
        await s.press("enter")
        await s.says("没有这个路径")
        s.app.screen.query_one("#folder", Input).value = str(folder)
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, Page))
        await s.press("escape")
        await s.ask()
        await s.says("[1] L1 与 L2 正则化")


# -- history ------------------------------------------------------------------------------------


async def test_history_is_searched_renamed_deleted_brought_back_and_exported(
    tmp_path: Path,
) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.press("ctrl+n")
        await s.ask("DDIM 采样")
        await s.until(lambda: len(s.notes.kept) == 2)
        await s.press("f6")
        screen = s.app.screen
        assert isinstance(screen, HistoryScreen)
        await s.says("DDIM 采样")
        await s.type("L1")
        await s.until(lambda: [i.title for i in screen._found] == [QUESTION])
        await s.until(lambda: "等价于拉普拉斯先验" in s.text)  # the preview
        await s.press("ctrl+t")
        await s.until(lambda: isinstance(s.app.screen, Prompt))
        s.app.screen.query_one(Input).value = "L1 的先验"
        await s.press("enter")
        await s.until(lambda: s.notes.kept[1][0] == "L1 的先验")
        await s.press("ctrl+d")
        await s.until(lambda: isinstance(s.app.screen, Confirm))
        await s.press("n")
        assert not s.notes.deleted
        await s.press("ctrl+d")
        await s.until(lambda: isinstance(s.app.screen, Confirm))
        await s.press("y")
        await s.until(lambda: s.notes.deleted == {1})
        await s.press("f9")
        await s.until(lambda: not s.notes.deleted)
        await s.until(lambda: screen._current is not None)
        await s.press("ctrl+e")
        await s.until(lambda: list((tmp_path / "exports").glob("*.md")))
        text = next((tmp_path / "exports").glob("*.md")).read_text(encoding="utf-8")
        assert "[^1]: L1 与 L2 正则化" in text


async def test_a_kept_conversation_goes_on_and_tells_what_changed(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.notes.kept)
        await s.press("ctrl+n", "f6")
        s.notes.changed = (1,)
        await s.says("1 问")
        await s.press("enter")
        await s.says("笔记已改动")
        await s.ask("DDIM 采样")
        await s.until(lambda: len(s.notes.kept[1][1]) == 2)


# -- keys, settings, leaving ------------------------------------------------------------------------


async def test_keys_are_remapped_and_everything_says_so(tmp_path: Path) -> None:
    async with session(tmp_path, keys={"search": "f12", "next_citation": "x"}) as s:
        await s.press("f3")
        assert not isinstance(s.app.screen, SearchScreen)
        await s.says("F12 检索")
        assert "F3" not in s.app.screen.query_one(StatusBar).render_line(0).text
        await s.press("f12")
        assert isinstance(s.app.screen, SearchScreen)
        await s.press("f2")
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note)
        await s.look()
        await s.press("x")
        await s.until(lambda: s.app.ask_screen.talk.current == "cite:1:2")
        await s.press("f1", "end")
        await s.says("f12")
        await s.says("next_citation")


def test_an_unknown_action_or_theme_is_refused_at_the_start() -> None:
    def app(**tui: Any) -> NotesApp:
        return NotesApp(lambda: None, Settings(tui=TuiSettings(**tui)))  # type: ignore[arg-type,return-value]

    with pytest.raises(ConfigError, match="did you mean search"):
        app(keys={"serch": "f9"})
    with pytest.raises(ConfigError, match="transmission-light"):
        app(theme="pink")
    assert {"search", "ask", "rebuild", "next_citation", "delete"} <= action_names()


async def test_help_and_footer_name_only_what_works(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        for place in ("ask", "search", "read", "history", "settings"):
            s.app.action_go(place)
            await s.pilot.pause()
            for active in s.app.screen.active_bindings.values():
                action = active.binding.action
                name = action.partition("(")[0].rpartition(".")[2]
                assert any(
                    hasattr(owner, f"action_{name}")
                    for owner in (active.node, s.app.screen, s.app, s.app.focused)
                ), action


@pytest.fixture
def tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file that the settings can choose; not one that can be loaded."""
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path / "data"))
    models = tmp_path / "data" / "models"
    models.mkdir(parents=True)
    (models / "tiny.gguf").write_bytes(b"GGUF")
    return models / "tiny.gguf"


async def test_settings_choose_model_and_theme(tmp_path: Path, tiny_model: Path) -> None:
    file = tmp_path / "notesqa.toml"
    async with session(tmp_path) as s:
        await s.press("f7")
        assert isinstance(s.app.screen, SettingsScreen)
        await s.says("tiny.gguf")
        await s.says("builtin-1")
        assert not file.exists()
        await s.press("down", "enter")
        await s.until(lambda: s.notes.settings.llm.model.endswith("tiny.gguf"))
        await s.press("f10")
        assert s.app.theme == "transmission-light"
        await s.until(lambda: file.exists() and "transmission-light" in file.read_text("utf-8"))
    assert tomllib.loads(file.read_text("utf-8")) == {
        "llm": {"model": str(tiny_model)},
        "tui": {"theme": "transmission-light"},
    }
    app = NotesApp(
        lambda: FakeNotes(tmp_path),  # type: ignore[arg-type,return-value]
        Settings.load(Home(tmp_path)),
        corpus=tmp_path / "corpus",
    )
    async with app.run_test(size=(120, 40)) as pilot:
        again = Session(app, pilot, FakeNotes(tmp_path))
        assert app.theme == "transmission-light"
        await again.press("f7")
        await again.says("● tiny.gguf")


async def test_a_choice_changes_its_own_line_of_the_settings(
    tmp_path: Path, tiny_model: Path
) -> None:
    file = tmp_path / "notesqa.toml"
    before = (
        "# mine\n[llm]\nmodel = 'qwen'  # at home\nbase_url = 'http://127.0.0.1:9/v1'\n"
        "threads = 3\n\n[tui.keys]\nsearch = 'f12'\n"
    )
    file.write_text(before, "utf-8")
    app = NotesApp(
        lambda: FakeNotes(tmp_path),  # type: ignore[arg-type,return-value]
        Settings.load(Home(tmp_path)),
        corpus=tmp_path / "corpus",
    )
    async with app.run_test(size=(120, 40)) as pilot:
        s = Session(app, pilot, FakeNotes(tmp_path))
        await s.press("f7")
        await s.says("● qwen · 127.0.0.1:9")
        await s.press("down", "enter")
        await s.until(lambda: str(tiny_model) in file.read_text("utf-8"))
        assert file.read_text("utf-8") == before.replace("'qwen'", f'"{tiny_model}"').replace(
            "base_url = 'http://127.0.0.1:9/v1'\n", ""
        )
        await s.press("down", "enter")  # back to the server, which is still offered
        await s.until(lambda: "qwen" in file.read_text("utf-8"))
    kept = Settings.load(Home(tmp_path))
    assert (kept.llm.model, kept.llm.base_url) == ("qwen", "http://127.0.0.1:9/v1")
    assert kept.llm.threads == 3 and kept.tui.keys == {"search": "f12"}


async def test_a_choice_that_cannot_be_kept_lasts_for_the_session(
    tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "notesqa.toml").mkdir()
    async with session(tmp_path) as s:
        await s.press("f10")
        await s.says("只在退出前有效")
        await s.says("notesqa.toml")
        assert s.app.theme == "transmission-light"


async def test_settings_choose_the_language_of_the_next_start(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.press("f7")
        await s.says("● 中文")
        s.app.screen.query_one("#languages", OptionList).focus()
        await s.press("down", "enter")
        await s.says("English from the next start on")
        await s.says("● English")
        await s.until(lambda: (tmp_path / "notesqa.toml").exists())
        assert '[tui]\nlanguage = "en"' in (tmp_path / "notesqa.toml").read_text("utf-8")
        assert "F2 提问" in s.text


async def test_english(tmp_path: Path) -> None:
    async with session(tmp_path, language="en") as s:
        await s.says("F2 Ask")
        await s.says("4 notes")
        await s.ask()
        await s.says("Citations")


async def test_control_c_stops_then_asks_then_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notesqa.tui.app._QUIT_SECONDS", PATIENCE)
    async with session(tmp_path) as s:
        s.notes.reply = "慢慢写" * 50
        s.notes.held.clear()
        await s.type(QUESTION)
        await s.press("enter")
        await s.until(lambda: s.app.latest and s.app.latest.text)
        await s.press("ctrl+c")
        await s.until(lambda: not s.app.answering)
        await s.press("ctrl+c")
        await s.says("再按一次")
        await s.press("ctrl+c")
        await s.until(lambda: s.app.return_code == 0)


async def test_what_is_asked_is_kept_before_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may be killed at any moment, and a draft that is typed is written later."""
    kept = []
    (tmp_path / "index").mkdir()
    async with session(tmp_path) as s:
        draft = tmp_path / "index" / "draft.txt"
        ask = s.app.desk.ask

        def asked(*args: Any) -> None:
            kept.append(draft.read_text(encoding="utf-8") if draft.exists() else "")
            ask(*args)

        monkeypatch.setattr(s.app.desk, "ask", asked)
        s.app.ask_screen.question.value = QUESTION
        await s.press("enter")
        await s.until(lambda: kept)
    assert kept == [QUESTION]


async def test_a_draft_outlives_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    async with session(tmp_path) as s:
        await s.type("没写完的问题")
        draft = tmp_path / "index" / "draft.txt"
        await s.until(draft.exists)
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.ask_screen.question.value == "没写完的问题")
        await s.press("enter")
        await s.until(lambda: s.app.conversation_id)  # the answer is kept
    assert not draft.exists()


async def test_a_question_is_kept_until_its_answer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index").mkdir()
    draft = tmp_path / "index" / "draft.txt"
    async with session(tmp_path) as s:
        save, may_save = s.notes.save_turn, threading.Event()

        def slowly(conversation: int | None, answer: Answer) -> int:
            may_save.wait(PATIENCE)
            return save(conversation, answer)

        monkeypatch.setattr(s.notes, "save_turn", slowly)
        await s.ask()
        await s.until(lambda: draft.exists() and draft.read_text(encoding="utf-8") == QUESTION)
        may_save.set()
        await s.until(lambda: not draft.exists())


async def test_wild_resizing_keeps_the_place(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        s.app.read("regularization")
        await s.says("稀疏性")
        surface = s.app.screen.query_one(Surface)
        for size in ((200, 60), (40, 10), (80, 24), (20, 5), (120, 12), (7, 3), (100, 30)):
            await s.pilot.resize_terminal(*size)
            await s.pilot.pause()
        surface.scroll_to(y=8, animate=False, immediate=True)
        await s.pilot.pause()
        place = surface.place_at(round(surface.scroll_y))
        await s.pilot.resize_terminal(100, 14)
        await s.pilot.resize_terminal(160, 14)
        await s.pilot.pause()
        after = surface.place_at(round(surface.scroll_y))
        assert place and after and abs(place[1] - after[1]) < 120
        s.app.action_go("ask")
        await s.says(QUESTION)
