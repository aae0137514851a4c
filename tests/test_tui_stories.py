"""What a person sees, at three sizes: pictures that change only on purpose.

After a change that is meant: `pytest tests/test_tui_stories.py --snapshot-update`,
and look at the pictures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from notesqa.config import Settings, TuiSettings
from notesqa.tui.app import NotesApp
from notesqa.tui.desk import Desk
from tests.patience import PATIENCE
from tests.quoting import note as written
from tests.quoting import quoting
from tests.tui_fake import DOCUMENTS, FakeNotes

QUESTION = "L1 正则化等价于什么先验"
LIMITS = written(
    "训练误差远低于测试误差，就是过拟合。\n"
    "- 更多数据与数据增强：最根本的办法。\n"
    "- 早停：验证误差连续若干轮不降就停，并取回最好那一轮的权重，以免后来的更新把它带偏。\n"
    "- 权重衰减：在 SGD 里等价于加 $\\frac{\\lambda}{2}\\|w\\|_2^2$。"
)
HOME = Path("/notes")  # shown, never read or written
SIZES = [(80, 24), (120, 40), (200, 60)]
Compare = Callable[..., bool]
Story = Callable[[Pilot[Any], NotesApp, FakeNotes], Awaitable[None]]


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait for `condition`, and for all that follows from it."""
    await _until(pilot, condition)
    for _ in range(3):
        await _until(pilot, lambda: _at_rest(pilot.app.desk))  # type: ignore[attr-defined]
        await pilot.wait_for_animation()
        await asyncio.sleep(0.03)
        await pilot.pause()


async def _until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await pilot.pause(0.01)


def _at_rest(desk: Desk) -> bool:
    """Whether no thread fetches anything; a rebuild may go on."""
    return all(
        lane._thread is None or (not lane._jobs and lane._condition._waiters)  # type: ignore[attr-defined]
        for name, lane in desk._lanes.items()
        if name not in ("index", "watch")
    )


async def ask(pilot: Pilot[Any], app: NotesApp) -> None:
    question = app.ask_screen.question
    question.value = QUESTION
    await pilot.press("enter")
    await until(pilot, lambda: app.latest and app.latest.answer)


async def greeting(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: app.documents)


async def answer(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    notes.reply = "**L1** 等价于拉普拉斯先验[1]。"
    await ask(pilot, app)


async def passage(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await ask(pilot, app)
    await pilot.press("escape", "1")
    await until(pilot, lambda: app.ask_screen.source.note)


async def listed(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    answer = quoting(*((LIMITS, item) for item in LIMITS.text.split("\n")), question=QUESTION)
    notes.store[LIMITS.id] = LIMITS
    notes._answer = lambda *_: answer  # type: ignore[method-assign]
    await ask(pilot, app)
    await pilot.press("escape", "n")
    await until(pilot, lambda: True)


async def refusal(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    app.ask_screen.question.value = "红烧肉怎么做，出锅前要不要先验一验咸淡"
    await pilot.press("enter")
    await until(pilot, lambda: app.latest and app.latest.answer)
    assert app.latest and app.latest.answer and app.latest.answer.refused and app.latest.nearby


async def search(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: app.documents and app._warm)
    await pilot.press("f3")
    app.screen.query_one("#query", Input).value = "正则化先验"
    await until(pilot, lambda: app.screen.query_one("#source").note)  # type: ignore[attr-defined]
    await pilot.press("ctrl+e")
    # The time that a search took is the one thing here that differs from run to run.
    app.screen._count("5 条")  # type: ignore[attr-defined]
    await until(pilot, lambda: True)


async def note(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: app.documents)
    app.read("regularization")
    await until(pilot, lambda: app.screen.has_class("-reading"))


async def rebuilding(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    notes.gate.clear()
    await pilot.press("ctrl+r")
    await until(pilot, lambda: app.progress and app.progress.total == 120)


async def digest(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: app.documents)
    notes.store.pop("ddim")
    notes.arriving = [DOCUMENTS[2]]
    await pilot.press("ctrl+r")
    await until(pilot, lambda: len(app.screen_stack) > 1)


async def history(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await ask(pilot, app)
    await until(pilot, lambda: notes.kept)
    await pilot.press("f6")
    await until(pilot, lambda: app.screen.query_one("#preview").sections)  # type: ignore[attr-defined]


async def settings(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await pilot.press("f7")
    await until(pilot, lambda: True)


async def help_page(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await ask(pilot, app)
    await pilot.press("f1")
    await until(pilot, lambda: True)


async def first_run(pilot: Pilot[Any], app: NotesApp, notes: FakeNotes) -> None:
    await until(pilot, lambda: len(app.screen_stack) > 1)


EVERYWHERE: list[Story] = [greeting, answer, passage, search, note, history]
ONCE: list[Story] = [listed, refusal, rebuilding, digest, settings, help_page, first_run]


def compare(
    snap_compare: Compare, home: Path, story: Story, size: tuple[int, int], **tui: Any
) -> bool:
    notes = FakeNotes(HOME, documents=() if story is first_run else DOCUMENTS)
    app = NotesApp(
        lambda: notes,  # type: ignore[arg-type,return-value]
        Settings(tui=TuiSettings(**{"language": "zh", **tui})),
        corpus=HOME / "corpus",
    )

    async def run_before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.status is not None)
        await story(pilot, app, notes)
        app.clear_notifications()
        await pilot.pause()

    return snap_compare(app, terminal_size=size, run_before=run_before)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Without models, and in the time of Greenwich."""
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("story", EVERYWHERE, ids=lambda story: story.__name__)
def test_at_three_sizes(
    snap_compare: Compare, tmp_path: Path, story: Story, size: tuple[int, int]
) -> None:
    assert compare(snap_compare, tmp_path, story, size)


@pytest.mark.parametrize("story", ONCE, ids=lambda story: story.__name__)
def test_once(snap_compare: Compare, tmp_path: Path, story: Story) -> None:
    assert compare(snap_compare, tmp_path, story, (100, 30))


def test_by_day_and_in_english(snap_compare: Compare, tmp_path: Path) -> None:
    assert compare(
        snap_compare, tmp_path, passage, (120, 40), theme="transmission-light", language="en"
    )
