"""A terminal that is closed, or reads no more: all processes end, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notesqa.api import Notes
from notesqa.config import Home, Settings
from tests.fakes import write_notes
from tests.patience import PATIENCE, until
from tests.test_tui_backstage import gone
from tests.test_tui_terminal import ENTER, F3, F4, F6, NOTES, Terminal
from tests.tiny_gguf import write_model

QUESTION = "随机失活等价于什么"
CTRL_R, CTRL_Z = "\x12", "\x1a"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_notes(tmp_path, NOTES)
    with Notes.open(Home(tmp_path), settings=Settings()) as notes:
        notes.index()
    return tmp_path


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Terminal]:
    made = Terminal(home)
    try:
        yield made
    finally:
        kill(processes(made.child.pid))
        made.close()


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    with opened(home) as made:
        yield made


def kill(family: list[int]) -> None:
    for process in family:
        if not gone(process):
            os.kill(process, signal.SIGKILL)


def processes(first: int) -> list[int]:
    """A process and all that it has started."""
    found = [first]
    for process in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


def close_window(terminal: Terminal) -> None:
    """The kernel sends SIGHUP then; what is read is at its end, and what is written fails."""
    terminal.child.ptyproc.fileobj.close()
    terminal.child.ptyproc.closed = terminal.child.closed = True
    terminal.child.ptyproc.fd = terminal.child.child_fd = -1


def all_end(terminal: Terminal, end: Callable[[], object]) -> None:
    """Call `end`; the app and what is behind it end in a while."""
    family = processes(terminal.child.pid)
    assert len(family) > 1, "nothing is behind the app"
    end()
    try:
        until(lambda: all(gone(process) for process in family))
    finally:
        kill(family)


def catalog_is_sound(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "index" / "catalog.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def starts_again(home: Path, story: Callable[[Terminal], None]) -> None:
    with opened(home) as again:
        story(again)
        again.send("\x11")  # Ctrl+Q
        assert again.wait() == 0
    catalog_is_sound(home)


def test_a_closed_window_ends_everything_and_loses_nothing(terminal: Terminal, home: Path) -> None:
    terminal.says("提交 1")
    terminal.send(QUESTION + ENTER)
    terminal.says("[1] 随机失活")
    terminal.send("写到一半的追问")
    terminal.says("写到一半的追问")
    all_end(terminal, lambda: close_window(terminal))

    def story(again: Terminal) -> None:
        again.says("写到一半的追问")
        again.send(F6)
        again.says(QUESTION, "1 问")

    starts_again(home, story)


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_in_the_middle_of_an_answer(home: Path, end: str) -> None:
    pytest.importorskip("llama_cpp")
    model = write_model(home / "random.gguf", width=64, layers=2)
    (home / "notesqa.toml").write_text(
        f'[llm]\nmodel = "{model}"\nthreads = 1\nmax_answer_tokens = 4000\n'
    )
    with opened(home) as terminal:
        terminal.says("提交 1", "random")
        terminal.send(QUESTION + ENTER)
        terminal.says("正在回答")
        all_end(terminal, lambda: ending(terminal, end))
    (home / "notesqa.toml").unlink()

    def story(again: Terminal) -> None:
        again.says(QUESTION)  # to be asked again
        again.send(ENTER)
        again.says("[1] 随机失活")

    starts_again(home, story)


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_in_the_middle_of_a_rebuild(terminal: Terminal, home: Path, end: str) -> None:
    terminal.says("提交 1")
    many = {f"{n}.md": f"# 第 {n} 篇\n\n" + f"第 {n} 篇讲动量。" * 300 for n in range(400)}
    write_notes(home, many)
    terminal.send(CTRL_R)
    terminal.says("取消")
    all_end(terminal, lambda: ending(terminal, end))
    with Notes.open(Home(home), settings=Settings()) as notes:
        assert notes.status().commit == 1, "it was over too soon"
    catalog_is_sound(home)

    def story(again: Terminal) -> None:
        again.says("400 个文件待收录")
        again.send(CTRL_R)
        again.until(lambda: "403 篇" in again.text, 2 * PATIENCE)
        again.send(F3 + "重置门")
        again.says("门控循环单元")

    starts_again(home, story)


def ending(terminal: Terminal, end: str) -> None:
    if end == "closed":
        close_window(terminal)
    else:
        terminal.child.kill(signal.SIGKILL)


def test_closed_while_it_is_suspended(terminal: Terminal, home: Path) -> None:
    terminal.says("提交 1")
    terminal.send("写到一半")
    terminal.says("写到一半")
    terminal.send(CTRL_Z)
    terminal.until(lambda: b"\x1b[?1049l" in terminal.raw)
    terminal.suspended()
    all_end(terminal, lambda: close_window(terminal))
    starts_again(home, lambda again: again.says("写到一半"))


def test_told_to_end_while_the_terminal_reads_nothing(terminal: Terminal, home: Path) -> None:
    terminal.says("提交 1")
    terminal.send("写到一半")
    terminal.says("写到一半")
    for _ in range(40):  # more than the terminal and the app's queue hold
        terminal.send(F3 + F4)
        time.sleep(0.05)
    all_end(terminal, lambda: terminal.child.kill(signal.SIGTERM))
    starts_again(home, lambda again: again.says("写到一半"))


def test_a_terminal_that_is_not_its_own_is_missed_as_well(home: Path) -> None:
    """No signal tells of the loss of such a terminal."""
    master, slave = os.openpty()
    app = subprocess.Popen(
        [sys.executable, "-m", "notesqa.tui", str(home)],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "NOTESQA_DATA": str(home / "data")},
    )  # fmt: skip
    os.close(slave)
    try:
        heard = b""
        while "提交 1".encode() not in heard and b"commit 1" not in heard:
            assert select.select([master], [], [], PATIENCE)[0], heard[-2000:]
            heard += os.read(master, 65536)
        family = processes(app.pid)
        os.close(master)
        assert app.wait(PATIENCE) == 128 + signal.SIGHUP
        until(lambda: all(gone(process) for process in family))
    finally:
        app.kill()
        app.wait()
