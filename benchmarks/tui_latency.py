"""The terminal UI: time to the first paint, and from a key to the frame that shows it.

    python -m benchmarks.tui_latency [--home HOME] [--keys 200] [--starts 5] [--one-process]

Keys are due every 60 ms whatever the app is doing, and their wait counts from when they
were due: a stall is charged to every key that falls into it. A frame is when the app
hands a drawn screen to the terminal. Each state is measured on both lines to type in:
the question, and the search, whose every key also asks for new results.

The states: while the home is opened and its engines load; idle; while a model writes (a
small GGUF with random weights in llama.cpp, if it is installed); while a rebuild reads
every file anew, again and again. Without `--home` it is the corpus of the repository in a home of its own.
A home that is named is copied first. `--one-process` leaves the home in the app's process,
for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events

from benchmarks import machine
from benchmarks.figures import table
from notesqa.api import Notes
from notesqa.config import Home, LlmSettings, Settings, TuiSettings
from notesqa.tui import told
from notesqa.tui.app import NotesApp
from notesqa.tui.field import Field
from notesqa.tui.queries import Query
from notesqa.tui.remote import RemoteNotes
from notesqa.tui.rubbish import Rubbish

if TYPE_CHECKING:
    from notesqa.tui.finding import Findings
    from notesqa.tui.flow import Section
    from notesqa.tui.remote import Behind

    LayOut = Callable[[Findings], list[Section]]

EVERY = 0.06
TYPED = "正则化的贝叶斯先验是什么以及 diffusion model 采样为什么慢 "
SIZE = (120, 40)


class Measured(NotesApp):
    """The app, telling when each frame is drawn and what the focused line then says.

    Attributes:
        frames: when each was drawn, and the focused line in it.
        asked: when each search was asked for, by its number.
        found: seconds from there to its results, of those that came.
    """

    frames: list[tuple[float, str]]
    asked: dict[int, float]
    found: list[float]

    def begin(self) -> None:
        """Forget what was measured."""
        self.frames, self.asked, self.found = [], {}, []

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        focused = self.focused
        value = focused.value if isinstance(focused, Field) else ""
        self.frames.append((time.perf_counter(), value))

    def _hear_results(self, message: told.Results) -> None:
        super()._hear_results(message)
        if message.number in self.asked:
            self.found.append(time.perf_counter() - self.asked[message.number])

    def note_searches(self) -> None:
        """Know from now on when each search was asked for."""
        search = self.desk.search

        def noted(number: int, query: Query, k: int, lay_out: LayOut) -> None:
            self.asked[number] = time.perf_counter()
            search(number, query, k, lay_out)

        self.desk.search = noted  # type: ignore[method-assign]


async def typed(app: Measured, keys: int) -> list[float]:
    """Type `keys` characters into the focused line; the latency of each in seconds."""
    field = app.focused
    assert isinstance(field, Field)
    field.value = ""
    await asyncio.sleep(0.3)
    app.begin()
    start = time.perf_counter() + 0.05
    due = [start + EVERY * i for i in range(keys)]
    text = ""
    wanted: list[str] = []
    for i, moment in enumerate(due):
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        char = TYPED[i % len(TYPED)]
        text += char
        wanted.append(text)
        key = "space" if char == " " else char
        app.post_message(events.Key(key, char))
    end = time.perf_counter() + 10
    while not (app.frames and app.frames[-1][1] == text) and time.perf_counter() < end:
        await asyncio.sleep(0.02)
    latencies = []
    at = 0
    for moment, value in zip(due, wanted, strict=True):
        while at < len(app.frames) and len(app.frames[at][1]) < len(value):
            at += 1
        latencies.append(app.frames[at][0] - moment if at < len(app.frames) else 10.0)
    return latencies


async def stalls(until: asyncio.Event) -> list[float]:
    """How late the event loop was for a wish every 5 ms."""
    late: list[float] = []
    while not until.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - began - 0.005)
    return late


async def measure(
    home: Home, settings: Settings, state: str, place: str, keys: int, apart: bool
) -> tuple[list[float], list[float], list[float]]:
    """Latencies of the keys, lateness of the loop and waits for results in one state."""
    notes: Behind = RemoteNotes(home, settings) if apart else Notes.open(home, settings=settings)
    rubbish = Rubbish()
    app = Measured(lambda: notes, settings, corpus=home.corpus, rubbish=rubbish)
    app.begin()
    app.note_searches()
    async with app.run_test(size=SIZE) as pilot:
        if state != "opening":
            await wait(lambda: app.status is not None and app._warm)
            await asyncio.sleep(1.0)
        app.action_go(place)
        await pilot.pause()
        if state == "a rebuild runs":
            app.desk.notes.index = _again_and_again(app.desk.notes.index)  # type: ignore[method-assign]
            app.rebuild()
            await wait(lambda: app.progress is not None and app.progress.stage != "scan")
        elif state == "a model writes":
            app.ask("用自己的话解释正则化", llm=True)
            await wait(lambda: app.latest is not None and app.latest.state == "writing")
        field = app.ask_screen.question if place == "ask" else app.screen.query_one(Field)
        field.focus()
        await pilot.pause()
        done = asyncio.Event()
        lateness = asyncio.create_task(stalls(done))
        latencies = await typed(app, keys)
        busy = app.progress is not None or app.answering
        done.set()
        late = await lateness
        if state.startswith("a ") and not busy:
            print(f"  ({state} ended before the last key)", file=sys.stderr)
        app.stop_answer()
        app.desk.cancel_index()
        await wait(lambda: not app.desk.indexing)
    notes.close()
    rubbish.end()
    return latencies, late, app.found


def _again_and_again(index: Callable[..., Any]) -> Callable[..., Any]:
    """A rebuild that reads everything anew until it is cancelled, however small the home."""

    def rebuild(paths: object = (), **more: Any) -> Any:
        while True:
            index(paths, full=True, **more)

    return rebuild


async def wait(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until `condition` holds."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("waited in vain")
        await asyncio.sleep(0.01)


def first_paints(home: Home, runs: int) -> list[float]:
    """Seconds from starting the program in a terminal to its first drawn line."""
    import pexpect

    seconds = []
    for _ in range(runs + 1):
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "zh_CN.UTF-8"}
        began = time.perf_counter()
        child = pexpect.spawn(
            sys.executable,
            ["-m", "notesqa.tui", str(home.path)],
            dimensions=(40, 120),
            env=environment,
        )
        # It asks what kind of terminal this is, and waits a little for one that is mute.
        child.expect_exact(b"\x1b[c", timeout=30)
        child.send(b"\x1b[?62;22c")
        child.expect_exact(b"TRANSMISSION", timeout=30)
        seconds.append(time.perf_counter() - began)
        time.sleep(1.0)
        child.sendcontrol("q")
        child.expect(pexpect.EOF, timeout=30)
        child.close(force=True)
    return seconds[1:]  # the first one reads the files from the disk


def row(name: str, seconds: Sequence[float]) -> list[str]:
    """Median, 95th and 99th percentile and greatest, in milliseconds."""
    ordered = sorted(s * 1000 for s in seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return [name, *(f"{n:.0f}" for n in (statistics.median(ordered), p95, p99, ordered[-1]))]


async def all_states(home: Home, settings: Settings, keys: int, apart: bool) -> list[list[str]]:
    """A row a state and place."""
    states = ["opening", "idle", "a rebuild runs"]
    if settings.llm.model:
        states.append("a model writes")
    rows = []
    for state in states:
        for place in ("ask", "search"):
            latencies, late, found = await measure(home, settings, state, place, keys, apart)
            waits = row("", found)[1:3] if found else ["", ""]
            stall = f"{max(late) * 1000:.0f}"
            rows.append([*row(f"{state}: {place}", latencies), stall, " / ".join(waits)])
            print("  ".join(rows[-1]), file=sys.stderr)
    return rows


def prepared(named: Path | None, folder: Path) -> tuple[Home, int]:
    """A home to measure on, with an index, and its number of chunks."""
    if named is not None:
        shutil.copytree(named, folder / "home", dirs_exist_ok=True)
    else:
        shutil.copytree(machine.ROOT / "corpus", folder / "home" / "corpus")
    home = Home(folder / "home")
    with Notes.open(home) as notes:
        notes.index()
        return home, notes.status().chunks


def with_model(settings: Settings, folder: Path) -> Settings:
    """The settings with a small random model, where llama.cpp is installed."""
    if find_spec("llama_cpp") is None or find_spec("gguf") is None:
        return settings
    sys.path.insert(0, str(machine.ROOT))
    from tests.tiny_gguf import write_model

    path = write_model(folder / "random.gguf", width=256, layers=8)
    llm: LlmSettings = dataclasses.replace(settings.llm, model=str(path), max_answer_tokens=4000)
    return dataclasses.replace(settings, llm=llm)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--one-process", action="store_true")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.setswitchinterval(0.001)  # as `notesqa.tui.run` does
    with tempfile.TemporaryDirectory(prefix="notesqa-tui-") as name:
        folder = Path(name)
        home, chunks = prepared(options.home, folder)
        settings = Settings(tui=TuiSettings(language="zh"))
        paints = first_paints(home, options.starts)
        settings = with_model(settings, folder)
        rows = asyncio.run(all_states(home, settings, options.keys, not options.one_process))
    print(machine.describe())
    print(f"\n{chunks} passages, {SIZE[0]}×{SIZE[1]} cells, {options.keys} keys a row\n")
    print(table(["first paint", "median ms", "p95", "p99", "max"], [row("cold process", paints)]))
    print()
    heads = ["key to frame", "median ms", "p95", "p99", "max", "loop stall max"]
    print(table([*heads, "results: median / p95"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
