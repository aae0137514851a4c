"""The real program in a real pseudo-terminal, with a real home behind it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pexpect
import pyte
import pytest

from notesqa.api import Notes
from notesqa.config import Home, Settings
from tests.patience import PATIENCE, until

NOTES = {
    "dropout.md": (
        "---\ntitle: 随机失活\ndate: 2024-05-01\n---\n\n"
        "训练时以概率 $p$ 把神经元置零，叫随机失活（Dropout），它等价于集成许多子网络。\n\n"
        "## 推断\n\n推断时不再置零，而把权重乘以 $1-p$，使期望一致。\n\n"
        "另见 [批归一化](batchnorm.md)。\n"
    ),
    "batchnorm.md": (
        "---\ntitle: 批归一化\n---\n\n批归一化（Batch Normalization）在每个小批上把激活值减去均值、"
        "除以标准差，再乘以可学习的尺度、加上偏移，使训练更稳。\n"
    ),
    "gru.md": (
        "---\ntitle: 门控循环单元\n---\n\n门控循环单元（GRU）有更新门和重置门两个门，"
        "比长短期记忆少一个门，参数更少。\n"
    ),
}


class Terminal:
    """A pseudo-terminal with the app in it, read through a terminal emulator."""

    program: Sequence[str] = ("-m", "notesqa.tui")

    def __init__(self, home: Path, rows: int = 30, columns: int = 110) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "LANG": "zh_CN.UTF-8",
            "PYTHONUTF8": "1",
            "NOTESQA_DATA": str(home / "data"),
        }
        environment.pop("NO_COLOR", None)
        self.child = pexpect.spawn(
            sys.executable,
            [*self.program, str(home)],
            dimensions=(rows, columns),
            env=environment,
        )
        self.raw = b""

    def read(self) -> None:
        try:
            data = self.child.read_nonblocking(65536, timeout=0.1)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.raw += data
        self.stream.feed(data)

    @property
    def text(self) -> str:
        # Not pyte's own: that fails on a wide character of which half was written over.
        rows, columns = range(self.screen.lines), range(self.screen.columns)
        cells = self.screen.buffer
        return "\n".join("".join(cells[y][x].data for x in columns).rstrip() for y in rows)

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain; the screen says:\n{self.text}"
            assert self.child.isalive() or not condition(), self.text
            self.read()

    def says(self, *parts: str) -> None:
        self.until(lambda: all(part in self.text for part in parts))

    def send(self, keys: str) -> None:
        self.child.send(keys.encode())

    def wait(self) -> int:
        end = time.monotonic() + PATIENCE
        while self.child.isalive():
            assert time.monotonic() < end, "it does not end"
            self.read()
        self.read()
        self.child.close()
        status = self.child.exitstatus
        return status if status is not None else -int(self.child.signalstatus or 0)

    def suspended(self) -> None:
        """Wait until it has stopped itself."""
        self.until(lambda: os.waitpid(self.child.pid, os.WNOHANG | os.WUNTRACED) != (0, 0))

    def close(self) -> None:
        """Let nothing be left of it."""
        self.child.kill(signal.SIGKILL)
        until(lambda: not self.child.isalive())
        self.child.close(force=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    for name, text in NOTES.items():
        (tmp_path / "corpus" / name).write_text(text, encoding="utf-8")
    with Notes.open(Home(tmp_path), settings=Settings()) as notes:
        notes.index()
    return tmp_path


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    made = Terminal(home)
    yield made
    made.close()


F3, F4, F6, ENTER, ESCAPE = "\x1bOR", "\x1bOS", "\x1b[17~", "\r", "\x1b"


def test_ask_cite_read_search_rebuild_history_quit(terminal: Terminal, home: Path) -> None:
    terminal.says("3 篇", "提交 1")
    terminal.send("随机失活等价于什么" + ENTER)
    terminal.says("集成许多子网络", "[1] 随机失活", "corpus/dropout.md:")
    terminal.send(ESCAPE)
    terminal.says("下一引用")
    terminal.send("v")  # the whole note
    terminal.says("▌ 推断", "1 − p", "前进")
    terminal.send("\t" + ENTER)  # the link in it
    terminal.says("批归一化（Batch")
    terminal.send("[")
    terminal.says("▌ 推断")
    terminal.send(F3 + "重置门")
    terminal.says("门控循环单元")
    (home / "corpus" / "attention.md").write_text(
        "---\ntitle: 自注意力\n---\n\n自注意力用查询、键和值三个矩阵，按相似度加权求和。\n",
        encoding="utf-8",
    )
    terminal.says("1 个文件待收录")
    terminal.send("\x12")  # Ctrl+R
    terminal.says("4 篇", "提交 2")
    terminal.send("\x0c")  # Ctrl+L, in case the typing kept the digest from coming by itself
    terminal.says("新增 1", "+ 自注意力")
    terminal.send(ESCAPE)
    terminal.until(lambda: "+ 自注意力" not in terminal.text)
    terminal.send(F6)
    terminal.says("随机失活等价于什么", "1 问")
    terminal.send("\x11")  # Ctrl+Q
    assert terminal.wait() == 0
    # The alternate screen is left, the cursor shown, the mouse let go.
    for sequence in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"):
        assert terminal.raw.rindex(sequence) > terminal.raw.rindex(b"\x1b[?1049h")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_killed_terminal_loses_nothing(terminal: Terminal, home: Path, number: int) -> None:
    terminal.says("提交 1")
    terminal.send("随机失活等价于什么" + ENTER)
    terminal.says("[1] 随机失活")
    terminal.send("写到一半的追问")
    terminal.says("写到一半的追问")
    terminal.child.kill(number)
    assert terminal.wait() == 128 + number
    again = Terminal(home)
    try:
        again.says("写到一半的追问")
        again.send(F6)
        again.says("随机失活等价于什么")
        again.send("\x11")
        assert again.wait() == 0
    finally:
        again.close()


def test_suspended_and_resumed_it_goes_on(terminal: Terminal) -> None:
    terminal.says("提交 1")
    terminal.send("门控循环")
    terminal.says("门控循环")
    terminal.send("\x1a")  # Ctrl+Z
    terminal.until(lambda: b"\x1b[?1049l" in terminal.raw)
    terminal.suspended()
    terminal.screen.reset()  # the shell's screen, and then an empty one
    terminal.child.kill(signal.SIGCONT)
    terminal.until(lambda: terminal.raw.count(b"\x1b[?1049h") > 1)
    terminal.says("F2 提问", "3 篇", "INCOMING", "门控循环", "F1 帮助")
    terminal.send("单元有几个门" + ENTER)
    terminal.says("门控循环单元有几个门", "更新门和重置门")
    terminal.send("\x11")
    assert terminal.wait() == 0


def test_in_a_small_window_and_sixteen_colours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "")
    monkeypatch.setenv("TEXTUAL_COLOR_SYSTEM", "standard")
    small = Terminal(home, rows=24, columns=80)
    try:
        small.says("提交 1")
        small.send("随机失活等价于什么" + ENTER)
        small.says("[1] 随机失活")
        small.send(ESCAPE + "1")  # Alt+1
        small.says("训练时以概率 p 把神经元置零")
        assert b"\x1b[38;2;" not in small.raw and b";48;2;" not in small.raw
        # The quotation is underlined, so that it can be told without colour.
        cells = [(y, x) for y in range(3, 24) for x in range(80)]
        buffer = small.screen.buffer
        small.until(
            lambda: any(buffer[y][x].underscore and buffer[y][x].data == "训" for y, x in cells)
        )
        small.send(ESCAPE)
        small.says("[1] 随机失活")
        small.send("\x11")
        assert small.wait() == 0
    finally:
        small.close()


def cell_after(terminal: Terminal, text: str) -> tuple[int, int]:
    """Row, and column behind the last place where `text` stands; None in a row is a cell."""
    rows = terminal.screen.lines
    for y in reversed(range(rows)):
        cells = [terminal.screen.buffer[y][x].data for x in range(terminal.screen.columns)]
        places = [x for x in range(len(cells)) if "".join(cells[x:]).startswith(text)]
        if places:
            return y, places[-1] + sum(2 if ord(char) > 0x2E80 else 1 for char in text)
    return -1, -1


def cursor(terminal: Terminal) -> tuple[int, int]:
    return terminal.screen.cursor.y, terminal.screen.cursor.x


def test_the_cursor_of_the_terminal_is_where_is_typed(terminal: Terminal) -> None:
    """An input method opens its candidates there."""
    terminal.says("提交 1")
    row, column = cell_after(terminal, "问你的笔记")
    terminal.until(lambda: cursor(terminal) == (row, column - 10))
    terminal.send("为什么 dropout")
    terminal.says("为什么 dropout")
    terminal.until(lambda: cursor(terminal) == cell_after(terminal, "为什么 dropout"))
    terminal.send("\x1b[D" * 3)
    row, column = cell_after(terminal, "为什么 dropout")
    terminal.until(lambda: cursor(terminal) == (row, column - 3))
    # A line that is longer than the window scrolls.
    terminal.send("\x1b[F")
    terminal.until(lambda: cursor(terminal) == (row, column))
    terminal.send("很长的问题" * 12 + "吗")
    terminal.until(lambda: cursor(terminal) == cell_after(terminal, "题吗"))
    # What is typed over an answer begins the next question.
    terminal.send(ENTER)
    terminal.says("题吗", "接着问")
    row, column = cell_after(terminal, "接着问")
    terminal.until(lambda: cursor(terminal) == (row, column - 6))
    terminal.send(F3)
    terminal.says("边打边搜")
    row, column = cell_after(terminal, "边打边搜")
    terminal.until(lambda: cursor(terminal) == (row, column - 8))
    terminal.send("琵琶行")
    terminal.until(lambda: cursor(terminal) == cell_after(terminal, "琵琶行"))
    terminal.send("\x10")  # Ctrl+P
    terminal.says("所有命令")
    row, column = cell_after(terminal, "所有命令")
    terminal.until(lambda: cursor(terminal) == (row, column - 8))
    terminal.send(ESCAPE)
    terminal.until(lambda: "所有命令" not in terminal.text)
    terminal.until(lambda: cursor(terminal) == cell_after(terminal, "琵琶行"))
