"""Reports as they are told to a person: bounded, and saying what was left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from notesqa.reports import IndexReport
from notesqa.tui import wire
from notesqa.tui.dialogs import digest
from notesqa.tui.flow import Line
from notesqa.tui.told import IndexDone
from notesqa.tui.wording import Wording


def report(notes: int, unread: int) -> IndexReport:
    return IndexReport(
        commit=1, changed=True, files=notes, documents=notes, chunks=notes, duplicates=0,
        added=notes, removed=0, updated=0, replaced=(),
        new_titles=tuple(f"第 {n} 篇" for n in range(notes)),
        copied=tuple(f"corpus/{n}.md" for n in range(notes)),
        unread=tuple((f"corpus/{n}.bin", "holds no text") for n in range(unread)),
        failed=(), embedded=notes, seconds=1.0,
    )  # fmt: skip


def test_a_short_report_is_told_whole() -> None:
    assert report(200, 3).brief() == report(200, 3)


def test_of_a_long_report_the_beginning_and_how_much_more() -> None:
    brief = report(100_000, 1_500).brief()
    assert brief.new_titles[:2] == ("第 0 篇", "第 1 篇")
    assert brief.new_titles[-1] == "… 99,800 more"
    assert brief.unread[-1] == ("…", "1,300 more")
    assert (brief.added, brief.documents) == (100_000, 100_000)
    assert len(wire.line({"done": brief})) < 64 * 1024


def test_a_digest_names_what_came_what_changed_and_what_went() -> None:
    told = replace(
        report(1, 1), updated=1, removed=1, updated_titles=("池化",), removed_titles=("旧闻",),
        remarks=(("corpus/a.md", "its date “2024-02-30” is none: write YYYY-MM-DD"),),
        displaced=(("corpus/b.md", "corpus/.replaced/b.md"),),
        left_out=((".pdf", 2), (".html", 1)),
    )  # fmt: skip
    pieces = digest(IndexDone(told, [], cast("Any", None)), Wording("zh"))
    shown = [(line if isinstance(line, Line) else Line(line)).text for line in pieces]
    assert shown[2:] == [
        "放进 corpus/ 的文件：1", "",
        "新笔记", "+ 第 0 篇", "", "更新的笔记", "~ 池化", "", "移除的笔记", "- 旧闻", "",
        "被同名文件替换的文件", "corpus/b.md：旧的留在 corpus/.replaced/b.md", "",
        "读不了的文件", "✗ corpus/0.bin：holds no text", "",
        "读了，但写得有问题的文件", "⚠ corpus/a.md：日期“2024-02-30”不对：请写成 YYYY-MM-DD", "",
        "另有 3 个其他格式的文件没有收录（.pdf .html）",
    ]  # fmt: skip


def test_how_many_more_is_told_in_the_language_of_the_screen() -> None:
    pairs = tuple((f"corpus/{n}.txt", f"corpus/{n}.md") for n in range(203))
    brief = replace(report(203, 203), replaced=pairs).brief()
    lines = digest(IndexDone(brief, [], cast("Any", None)), Wording("zh"))
    shown = [(line if isinstance(line, Line) else Line(line)).text for line in lines]
    assert {"… 还有 3 个", "… → 还有 3 个", "✗ …：还有 3 个"} <= set(shown)
    assert not any("more" in text for text in shown)
