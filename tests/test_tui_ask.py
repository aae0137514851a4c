"""Where the keys go on the first screen: the line, the answers, and what they cite."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.geometry import Offset
from textual.keys import _character_to_key
from textual.selection import Selection

from notesqa.config import Settings
from notesqa.errors import CatalogError
from notesqa.records import Answer, Document, Source
from notesqa.tui.answers import Exchange, exchange_lines
from notesqa.tui.app import NotesApp
from notesqa.tui.flow import Piece, wrap
from notesqa.tui.settings_screen import SettingsScreen
from notesqa.tui.wording import Wording
from tests.quoting import quoting
from tests.test_tui_app import QUESTION, Session, messages_stay, session

__all__ = ["messages_stay"]
NEXT = ["KL 散度", "adam", "\\alpha 是什么", "$\\frac{a}{b}$ 是", "[MASK] 是", "/b", "(a+b)", "1x1"]
TEN = "第一行\r\n  第二行\r\r第三行"


# -- the line ------------------------------------------------------------------------------


async def test_questions_follow_one_another_without_another_key(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        for number, question in enumerate((QUESTION, "DDIM 采样", "怎么缓解过拟合"), 1):
            await s.keys(question)
            await s.press("enter")
            await s.until(lambda n=number: len(s.app.exchanges) == n and not s.app.answering)  # type: ignore[misc]
            assert s.app.ask_screen.question.has_focus
            assert s.app.ask_screen.question.value == ""
        assert [e.question for e in s.app.exchanges] == [QUESTION, "DDIM 采样", "怎么缓解过拟合"]


async def test_the_empty_line_says_what_can_be_asked_here(tmp_path: Path) -> None:
    """An example of other people's notes would be refused."""
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.suggestions)
        await s.says(f"问你的笔记，例如：{s.app.suggestions[0]}")
        await s.ask()
        await s.says("接着问；^n 开始新对话")
        await s.press("ctrl+n")
        await s.says("问你的笔记，例如：")
    async with session(tmp_path / "other", keys={"new_conversation": "f9"}) as s:
        await s.ask()
        await s.says("接着问；F9 开始新对话")


@pytest.mark.parametrize("question", NEXT)
async def test_after_an_answer_every_key_is_the_next_question(
    tmp_path: Path, question: str
) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.keys(question)
        assert s.app.ask_screen.question.value == question
        assert len(s.app.exchanges) == 1 and s.app.screen is s.app.ask_screen


@pytest.mark.parametrize("place", ["line", "answers", "passage"])
async def test_a_paste_of_several_lines_becomes_one_question(tmp_path: Path, place: str) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.until(lambda: s.app.ask_screen.source.note)
        if place == "answers":
            await s.look()
        elif place == "passage":
            s.app.ask_screen.source.surface.focus()
            await s.until(lambda: s.app.ask_screen.source.surface.has_focus)
        s.app.post_message(events.Paste(TEN))
        await s.until(lambda: s.app.ask_screen.question.value)
        assert s.app.ask_screen.question.value == "第一行 第二行 第三行"
        assert s.app.ask_screen.question.has_focus
        s.app.post_message(events.Paste("\n，呢"))
        await s.until(lambda: s.app.ask_screen.question.value == "第一行 第二行 第三行，呢")


async def test_a_paste_takes_the_place_of_what_is_selected(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.type("旧的问题")
        s.app.ask_screen.question.select_all()
        s.app.post_message(events.Paste("新的\n问题"))
        await s.until(lambda: s.app.ask_screen.question.value == "新的 问题")


# -- the answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["森林和 GBDT n1 的区别", "\\beta", "$n$", "[MASK]", "/b", "(a+b)"]
)
async def test_what_is_no_command_begins_the_next_question(tmp_path: Path, typed: str) -> None:
    """An input method hands over several characters at once, with Latin letters among them."""
    async with session(tmp_path) as s:
        await s.ask()
        await s.look()
        for character in typed:
            key = "space" if character == " " else _character_to_key(character)
            s.app.post_message(events.Key(key, character))
        await s.until(lambda: s.app.ask_screen.question.value == typed)
        assert s.app.ask_screen.question.has_focus and len(s.app.exchanges) == 1


async def test_escape_goes_to_and_fro_and_keeps_what_was_typed(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.press("escape")  # nothing to look at yet
        assert s.app.ask_screen.question.has_focus
        await s.ask()
        await s.until(lambda: "看引用" in s.text.splitlines()[-1])
        await s.type("草稿")
        await s.look()
        assert "1–9 打开引用" in s.text.splitlines()[-1]
        await s.press("escape")
        await s.until(lambda: s.app.ask_screen.question.has_focus)
        assert s.app.ask_screen.question.value == "草稿"
        await s.look()
        await s.press("f2")
        await s.until(lambda: s.app.ask_screen.question.has_focus)


async def test_a_letter_in_the_answers_is_a_command(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.look()
        await s.press("v")
        await s.until(lambda: s.app.screen is not s.app.ask_screen)
        await s.press("f2", "y")
        assert s.app.clipboard == s.app.latest.answer.text  # type: ignore[union-attr]
        assert s.app.ask_screen.question.value == ""


async def test_over_the_greeting_every_letter_is_a_question(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        s.app.ask_screen.talk.focus()
        await s.keys("nay")
        assert s.app.ask_screen.question.value == "nay"


def test_a_terminal_tells_alt_with_a_digit_as_such() -> None:
    """Textual's own table makes "™" of it."""
    NotesApp(lambda: None, Settings())  # type: ignore[arg-type,return-value]
    parser = XTermParser()
    heard = [*parser.feed("\x1b2"), *parser.feed("")]
    assert [key.key for key in heard if isinstance(key, events.Key)] == ["alt+2"]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["wide", "narrow"])
async def test_citations_open_while_the_caret_is_in_the_line(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with session(tmp_path, size=size) as s:
        await s.ask()
        screen = s.app.ask_screen
        await s.type("草稿")
        # As terminals send it: with the digit as its character.
        s.app.post_message(events.Key("alt+2", "2"))
        await s.until(
            lambda: screen.source.note and screen.source.note.document.id == "overfitting"
        )
        await s.until(lambda: screen.source.display)
        assert screen.talk.current == "cite:1:2"
        assert screen.question.has_focus and screen.question.value == "草稿"
        await s.press("escape")
        await s.until(lambda: screen.talk.display)
        assert screen.question.has_focus is (size[0] < 100)


async def test_a_click_on_a_citation_leaves_the_caret_where_it_is(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.says("[2]")
        rows = s.text.split("\n")
        y = next(i for i, row in enumerate(rows) if "[2]" in row)
        before = rows[y][: rows[y].index("[2]")]
        x = len(before) + sum(ord(c) > 0x2E80 for c in before)
        await s.pilot.click(offset=(x + 1, y))
        await s.until(lambda: s.app.ask_screen.talk.current == "cite:1:2")
        assert s.app.ask_screen.question.has_focus
        await s.pilot.click("#talk", offset=(4, 20))
        await s.until(lambda: s.app.ask_screen.talk.has_focus)


async def test_the_answer_is_scrolled_while_the_caret_is_in_the_line(tmp_path: Path) -> None:
    async with session(tmp_path, size=(80, 12)) as s:
        await s.ask()
        talk = s.app.ask_screen.talk
        await s.until(lambda: talk.max_scroll_y > 3)
        at = talk.scroll_y
        await s.press("ctrl+down")
        assert talk.scroll_y == at + 3
        await s.press("pageup", "pageup")
        assert talk.scroll_y == 0
        await s.press("pagedown")
        assert talk.scroll_y > 3 and s.app.ask_screen.question.has_focus


# -- one turn is the current one ----------------------------------------------------------------


async def asked(s: Session, count: int = 6) -> None:
    """Questions whose answers cite different notes."""
    names = ("regularization", "overfitting", "ddim")
    quotes = ("近端梯度：先走梯度", "更多的数据", "采样是确定的")
    for number in range(count):
        which = number % 3
        answer = quoting((s.notes.store[names[which]], quotes[which]), question=f"第 {number} 问")
        s.notes._answer = lambda *_, told=answer: told  # type: ignore[method-assign]
        await s.ask(f"第 {number} 问")
    await s.until(lambda: s.app.ask_screen.talk.current == f"cite:{count}:1")


def marked(s: Session) -> int:
    """The number of the turn that is marked as the current one."""
    found = {
        int(section.name.partition(":")[2])
        for section, line in s.app.ask_screen.talk._lines
        if line.anchor and line.pieces[0].style == "brand"
    }
    assert len(found) == 1
    return found.pop()


async def test_turns_view_and_commands_agree(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 20)) as s:
        await asked(s)
        screen = s.app.ask_screen
        await s.look()
        assert marked(s) == 6
        await s.press("n")  # past the last
        assert marked(s) == 1 and screen.talk.current == "cite:1:1"
        for turn in range(2, 7):
            await s.press("J")
            await s.until(lambda n=turn: marked(s) == n)  # type: ignore[misc]
            note = s.app.exchanges[turn - 1].citation(1).document_id  # type: ignore[union-attr]
            await s.until(lambda name=note: screen.source.note.document.id == name)  # type: ignore[misc,union-attr]
            assert f"第 {turn - 1} 问" in s.text
        await s.press("y")
        assert s.app.clipboard == s.app.exchanges[5].answer.text  # type: ignore[union-attr]
        await s.press("K", "K", "a")
        assert screen.question.value == "第 3 问"


async def test_a_turn_that_is_scrolled_out_of_sight_is_not_acted_on(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 20)) as s:
        await asked(s)
        screen = s.app.ask_screen
        await s.press("pageup", "pageup", "pageup", "pageup")
        assert screen.talk.scroll_y == 0 and "第 0 问" in s.text
        await s.until(lambda: marked(s) < 3)
        here = marked(s)
        s.app.post_message(events.Key("alt+1", "1"))
        await s.until(lambda: screen.talk.current == f"cite:{here}:1")
        await s.press("pagedown", "pagedown", "pagedown", "pagedown")
        await s.until(lambda: marked(s) > 3)
        assert f"第 {marked(s) - 1} 问" in s.text


# -- narrow terminals, and other sizes ------------------------------------------------------------


async def test_narrow_a_new_question_is_seen_whatever_was_open(tmp_path: Path) -> None:
    async with session(tmp_path, size=(80, 24)) as s:
        await s.ask()
        screen = s.app.ask_screen
        await s.look()
        await s.press("1")
        await s.until(lambda: screen.source.display)
        await s.keys("采样")
        await s.press("enter")
        await s.until(lambda: len(s.app.exchanges) == 2 and not s.app.answering)
        assert screen.talk.display and not screen.source.display
        await s.says("▌ 采样")
        await s.until(lambda: screen.source.note and screen.source.note.document.id == "ddim")
        assert screen.question.has_focus
        await s.pilot.resize_terminal(120, 24)
        await s.until(lambda: screen.source.display)
        assert screen.talk.current == "cite:2:1"
        assert screen.source.note.document.id == "ddim"  # type: ignore[union-attr]


async def test_a_passage_that_comes_late_does_not_hide_a_new_question(tmp_path: Path) -> None:
    async with session(tmp_path, size=(80, 24)) as s:
        await s.ask()
        screen = s.app.ask_screen
        screen.open("cite:1:1")
        s.app.ask("采样")
        await s.until(lambda: len(s.app.exchanges) == 2 and not s.app.answering)
        await s.until(lambda: screen.source.note and screen.source.note.document.id == "ddim")
        assert screen.talk.display and not screen.source.display


@pytest.mark.parametrize("place", ["line", "answers", "passage"])
async def test_what_has_the_keys_stays_in_sight_at_any_size(tmp_path: Path, place: str) -> None:
    async with session(tmp_path, size=(120, 36)) as s:
        answer = quoting((s.notes.store["regularization"], "坐标下降：一次只动一个权重。"))
        s.notes._answer = lambda *_: answer  # type: ignore[method-assign]
        await s.ask()
        screen = s.app.ask_screen
        await s.until(lambda: screen.source.note)
        widget = {
            "line": screen.question, "answers": screen.talk, "passage": screen.source.surface
        }[place]  # fmt: skip
        widget.focus()
        await s.until(lambda: widget.has_focus)
        for size in ((80, 24), (40, 20), (120, 12), (80, 24), (200, 50), (60, 14), (120, 36)):
            await s.pilot.resize_terminal(*size)
            await s.pilot.pause()
            await s.until(lambda w=size[0]: screen.wide is (w >= 100))  # type: ignore[misc]
            assert widget.has_focus and widget.display, size
            if screen.wide or place == "passage":
                await s.until(lambda: "坐标下降：一次只动" in "".join(_lines(s)))
            if screen.wide or place != "passage":
                assert screen.talk.display
                await s.says(QUESTION[:8])


def _lines(s: Session) -> list[str]:
    return [line.text for _, line in s.app.ask_screen.source.surface.in_sight()]


async def test_what_was_scrolled_to_does_not_creep_with_every_resize(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 16)) as s:
        await s.ask()
        screen = s.app.ask_screen
        await s.until(lambda: screen.source.note)
        cited = screen.source.surface
        # An empty line is no place that could be kept.
        for y in range(9, 14):
            cited.scroll_to(y=y, animate=False, immediate=True)
            await s.pilot.pause()
            if (top := _lines(s)[0]).strip():
                break
        for _ in range(4):
            for width in (140, 104, 120):
                await s.pilot.resize_terminal(width, 16)
                await s.pilot.pause()
        assert _lines(s)[0] == top


# -- again, otherwise ---------------------------------------------------------------------------


async def test_retry_says_what_it_changes_to(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        await s.ask()
        await s.look()
        await s.until(lambda: "r 改用模型" in s.text.splitlines()[-1])
        await s.press("r")  # there is none
        await s.says("没有设置模型")
        assert len(s.app.exchanges) == 1
        s.notes.reply = "**L1** 等价于拉普拉斯先验[1]。"
        await s.press("escape")
        await s.ask()
        await s.look()
        await s.until(lambda: "r 改用摘录" in s.text.splitlines()[-1])
        await s.press("r")
        await s.until(lambda: len(s.app.exchanges) == 3 and not s.app.answering)
        assert s.app.latest.answer.engine == "extractive"  # type: ignore[union-attr]


async def test_what_was_searched_is_told_and_can_be_searched_as_typed(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        stream = s.notes.stream

        def leaning(question: str, **more: object) -> object:
            history = more["history"]
            return stream(f"正则化的{question}" if history else question, **more)  # type: ignore[arg-type]

        s.notes.stream = leaning  # type: ignore[method-assign,assignment]
        await s.ask()
        await s.ask("先验呢")
        await s.says("按此检索：正则化的先验呢")
        await s.look()
        assert "w 按原话检索" in s.text.splitlines()[-1]
        await s.press("w")
        await s.until(lambda: len(s.app.exchanges) == 3 and not s.app.answering)
        assert s.app.latest.wording == s.app.latest.question == "先验呢"  # type: ignore[union-attr]
        assert s.app.ask_screen.question.has_focus


async def test_a_long_question_leaves_room_for_its_answer(tmp_path: Path) -> None:
    async with session(tmp_path, size=(80, 24)) as s:
        await s.ask("为什么" * 300 + "L1 正则化等价于什么先验")
        await s.says("…共 913 字")
        await s.says("拉普拉斯先验")
        screen = s.app.ask_screen
        screen.open("whole:1")
        await s.until(lambda: sum("为什么" in line.text for _, line in screen.talk._lines) > 10)


async def test_formulas_are_shown_as_latex_in_the_answer_and_its_passage(tmp_path: Path) -> None:
    note = Document(
        "f", "损失", "损失是 $\\frac{a}{b}$ 的和。", "article", (Source("corpus/f.md", 1),)
    )
    async with session(tmp_path, documents=(note,)) as s:
        await s.ask("损失是什么的和")
        await s.until(lambda: s.app.ask_screen.source.note)
        assert "\\frac" not in s.text
        await s.look()
        await s.press("m")
        await s.until(lambda: s.text.count("\\frac{a}{b}") == 2)
        await s.press("m")
        await s.until(lambda: "\\frac" not in s.text)


async def test_help_tells_what_can_be_done_with_the_answers(tmp_path: Path) -> None:
    async with session(tmp_path, size=(120, 60)) as s:
        await s.ask()
        await s.press("f1")
        await s.says("在回答和原文里（Esc 进入）")
        for told in ("1–9", "alt+1–9", "PgUp/PgDn", "打开引用", "下一引用"):
            assert told in s.text
        await s.press("escape", "f7")
        await s.until(lambda: isinstance(s.app.screen, SettingsScreen))
        await s.press("f1")
        await s.says("在任何地方")
        assert "在回答和原文里" not in s.text


async def test_what_is_selected_is_copied_as_it_was_written(tmp_path: Path) -> None:
    """Not as the window broke it; and that it was copied is said."""
    async with session(tmp_path, size=(60, 40)) as s:
        await s.ask("DDIM 采样可以跳步")
        talk = s.app.ask_screen.talk
        begin = next(y for y, (_, line) in enumerate(talk._lines) if "DDIM 用" in line.text)
        end = next(y for y, (_, line) in enumerate(talk._lines) if "引用" in line.text)
        assert end - begin > 2, "it takes several lines"
        whole = talk._lines[begin][1].text
        start = whole.index("用非")
        s.app.screen.selections = {
            talk: Selection(Offset(start, begin), Offset(len("  引用"), end))
        }
        await s.press("ctrl+c")
        assert s.app.clipboard == (
            "用非马尔可夫的推断过程，采样可以跳步，所以比 DDPM 快 10 到 50 倍。[1]\n\n引用"
        )
        await s.says("已复制所选文字")


def test_lines_that_go_on_say_what_stood_between_them() -> None:
    text = "混合 of words and 中文的句子 and more\n新的一行"
    pieces = [piece for row in text.split("\n") for piece in (Piece(row), Piece("\n"))][:-1]
    for width in range(6, 50):
        lines = wrap(pieces, width, first=[Piece("• ")], rest=[Piece("  ")])
        joined = lines[0].text[2:]
        for line in lines[1:]:
            joint = "\n" if line.joint is None else line.joint
            joined += joint + line.text[line.head if line.joint is not None else 2 :]
        assert joined == text


async def test_whatever_was_asked_here_is_recalled(tmp_path: Path) -> None:
    """Also what was clicked, and what was asked in a conversation that is gone on with."""
    async with session(tmp_path) as s:
        await s.until(lambda: s.app.suggestions)
        assert "上次所问" not in s.text
        clicked = s.app.suggestions[0]
        s.app.ask_screen.open(f"ask:{clicked}")
        await s.until(lambda: s.app.latest and s.app.latest.state == "done")
        await s.says("↑ 上次所问")
        question = s.app.ask_screen.question
        await s.press("up")
        assert question.value == clicked
        question.value = ""
        document = next(iter(s.notes.store.values()))
        answer = quoting((document, document.text[:9]), question="从前所问")
        s.notes.kept[7] = ("从前所问", [answer])
        s.app.open_conversation(7)
        await s.until(lambda: s.app.latest and s.app.latest.question == "从前所问")
        await s.press("up")
        assert question.value == "从前所问"


def test_nothing_said_is_not_called_doubtful() -> None:
    quoted = quoting((Document("d", "标题", "正文。", "article", (Source("a.md", 1),)), "正文。"))
    answer = Answer(
        "问", (), (), False, "writer", stopped=True, alternative=quoted, seconds={"total": 1.0}
    )
    exchange = Exchange(1, "问", state="done", answer=answer)
    lines = [line.text.strip() for line in exchange_lines(exchange, 60, Wording("zh"))]
    assert lines[:5] == ["▌ 问", "", "≈ 没有写成就停了，直接摘录笔记如下", "", "正文。[1]"]


async def test_that_answers_cannot_be_kept_is_told_once(tmp_path: Path) -> None:
    async with session(tmp_path) as s:
        tried: list[str] = []

        def full(conversation_id: int | None, answer: Answer) -> int:
            tried.append(answer.question)
            raise CatalogError(
                f"cannot write to {tmp_path}: attempt to write a readonly database",
                "check the rights of the index folder",
            )

        s.notes.save_turn = full  # type: ignore[method-assign]
        await s.ask("DDIM 采样")
        await s.says("对话没有保存")
        await s.says("只能读，不能写")
        s.app.clear_notifications()
        await s.until(lambda: "对话没有保存" not in s.text)
        await s.ask("L1 先验")
        await s.until(lambda: tried == ["DDIM 采样", "L1 先验"])
        await s.pilot.pause(0.3)
        assert "没有保存" not in s.text and "拉普拉斯先验" in s.text
