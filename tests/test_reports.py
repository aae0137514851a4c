"""Reports as they are told to a person: bounded, and saying what was left out."""

from __future__ import annotations

from notesqa.reports import IndexReport
from notesqa.tui import wire


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
