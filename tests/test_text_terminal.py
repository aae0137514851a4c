"""What is printed cannot act on the terminal, and its width is known."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.text.terminal import clip, pad, safe, width

NASTY = st.text(
    st.one_of(
        st.sampled_from("\x1b\x07\x9b\u202e\u2066\u200b\u200d\ufe0f\r\n\t\x7f\ud800\u0301👩💻深a"),
        st.characters(),
        st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Mn")),
    ),
    max_size=40,
)


@given(NASTY, st.booleans())
def test_nothing_left_acts_on_a_terminal(text: str, newlines: bool) -> None:
    shown = safe(text, newlines=newlines)
    for char in shown:
        category = unicodedata.category(char)
        assert category != "Cs"
        assert category != "Cc" or (char == "\n" and newlines)
        assert category not in ("Zl", "Zp")
        assert (
            char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
        )


@given(NASTY)
def test_safe_twice_is_safe_once(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "␛[2J␛]0;title␇"),
        ("a\u202eb\u2066c", "abc"),
        ("\x9b31m", "\ufffd31m"),
        ("列\t表", "列    表"),
        ("一\r\n二\r三", "一\n二\n三"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("a\u200db", "ab"),
        ("e" + "\u0301" * 20, "e\u0301\u0301\u0301"),
        ("批归一化 BN", "批归一化 BN"),
    ],
)
def test_how_it_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_one_line() -> None:
    assert safe("一\n二\t三", newlines=False) == "一 二 三"


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("批归一", 6), ("é", 1), ("", 0), ("👩\u200d💻", 2)]
)
def test_width(text: str, cells: int) -> None:
    assert width(text) == cells


@given(NASTY, st.integers(0, 30))
def test_clip_and_pad_keep_to_the_columns(text: str, cells: int) -> None:
    shown = safe(text, newlines=False)
    assert width(clip(shown, cells)) <= cells
    assert width(pad(shown, cells)) == cells


def test_clip_says_that_it_cut_and_cuts_no_character() -> None:
    assert clip("批归一化", 5) == "批归…"
    assert clip("批归一化", 8) == "批归一化"
    assert clip("批", 1) == "…"
    assert clip("abc", 0) == ""
    assert clip("👩\u200d💻👩\u200d💻", 3) == "👩\u200d💻…"
