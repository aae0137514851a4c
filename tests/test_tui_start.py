"""How the terminal UI begins: what it waits for, and what is typed meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from notesqa.tui.app import NotesApp
from tests.fakes import ROOT
from tests.test_tui_stories import until
from tests.test_tui_terminal import Terminal, home

__all__ = ["home"]
TYPED = "为什么 dropout 在推断时不再置零 abc"


def test_the_first_paint_waits_for_nothing_that_it_does_not_show() -> None:
    code = (
        "import sys\nimport notesqa.cli, notesqa.tui, notesqa.tui.terminal\n"
        "notesqa.tui._without_ssl()\nimport notesqa.tui.app\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"wcwidth", "tomllib", "ssl", "json.decoder", "markdown_it", "pygments"}
    ours = {name for name in loaded if name.startswith("notesqa.")}
    assert "notesqa.tui.ask_screen" in ours
    assert not ours & {
        "notesqa.records",
        *(f"notesqa.tui.{name}" for name in ("answers", "commands", "desk", "dialogs", "remote")),
        *(f"notesqa.tui.{name}" for name in ("gallery", "search_screen", "read_screen", "told")),
    }


def test_what_is_typed_while_it_begins_is_there_in_order(home: Path) -> None:
    began = Terminal(home, columns=120)
    try:
        for char in TYPED:
            began.send(char)
            time.sleep(0.02)
            began.read()
        began.says(TYPED)
    finally:
        began.close()


async def test_a_draft_comes_before_what_is_typed_already(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "draft.txt").write_text("正则化", encoding="utf-8")
    from notesqa.config import Settings
    from tests.tui_fake import FakeNotes

    notes = FakeNotes(tmp_path)
    app = NotesApp(lambda: notes, Settings(), corpus=tmp_path / "corpus")  # type: ignore[arg-type,return-value]
    async with app.run_test() as pilot:
        await pilot.press("的", "先", "验")
        await until(pilot, lambda: app.ask_screen.question.value == "正则化的先验")
