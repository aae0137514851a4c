"""Highlights are on what a reader would underline, in the original's own offsets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notesqa.text.match import highlights
from notesqa.text.segment import Segmenter

SEGMENTER = Segmenter()


def marked(text: str, query: str) -> list[str]:
    return [text[a:b] for a, b in highlights(text, query, SEGMENTER)]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("正则化可以防止过拟合", "什么是正则化", ["正则化"]),
        ("正則化防止過擬合", "正则化", ["正則化"]),
        ("一种 Anchorfree 检测器", "anchor free", ["Anchorfree"]),
        ("anchor-free 的检测器", "AnchorFree", ["anchor-free"]),
        ("ＧＰＴ－４很大", "gpt4", ["ＧＰＴ－４"]),
        ("YOLO v1 的网格", "yolov1", ["YOLO v1"]),
        ("many normalizing flows exist", "flow", ["flows"]),
        ("the cat", "cat is the", ["cat"]),
        ("category", "cat", []),
        ("参数 λ 很小", r"\lambda", ["λ"]),
        ("向量 𝑝_1 与 p_2", "p_1", ["𝑝_1"]),
        ("没有相同的词", "Transformer", []),
        ("", "正则化", []),
        ("正则化", "", []),
        ("1×1 卷积", "1x1", ["1×1"]),
    ],
)
def test_what_is_marked(text: str, query: str, expected: list[str]) -> None:
    assert marked(text, query) == expected


@given(
    st.text(
        st.one_of(st.sampled_from("深度學習GPT-4 ﬁλ\u0301正则化"), st.characters()), max_size=30
    ),
    st.text(st.sampled_from("深度学习gpt4 fiλ正则化-"), max_size=10),
)
@settings(deadline=None)
def test_spans_are_sorted_apart_and_within(text: str, query: str) -> None:
    end = -1
    for start, stop in highlights(text, query, SEGMENTER):
        assert end < start < stop <= len(text)
        end = stop
