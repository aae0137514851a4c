"""Where the items of quoted lists begin and end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notesqa.records import Answer, as_markdown, below_headings, paragraphs
from tests.quoting import note, quoting

LIST = note("""训练误差与测试误差相差太大。

- **早停**：验证误差不降就停。取回最好那一轮的权重。
- 正则化：L1、L2。

学习曲线也能看出来。还要看方差。""")
STEPS = note(
    """步骤有五：
1. 初始化权重。
2. 训练弱分类器：

$$
h_m
$$

10. 重复。""",
    "b",
)
OTHER = note("3. 平均多个模型。", "c")
STOP, BEST, REGULAR = (
    "- **早停**：验证误差不降就停。",
    "取回最好那一轮的权重。",
    "- 正则化：L1、L2。",
)


def set_out(answer: Answer) -> list[str]:
    return [p.marker + "|".join(s.text for s in p.sentences) for p in paragraphs(answer)]


def test_items_stand_by_themselves_and_text_runs_on() -> None:
    answer = quoting(
        *((LIST, quote) for quote in ("训练误差与测试误差相差太大。", STOP, BEST, REGULAR)),
        (LIST, "学习曲线也能看出来。"),
        (LIST, "还要看方差。"),
    )
    assert set_out(answer) == [
        "训练误差与测试误差相差太大。",
        "- 早停：验证误差不降就停。|取回最好那一轮的权重。",
        "- 正则化：L1、L2。",
        "学习曲线也能看出来。|还要看方差。",
    ]
    assert [p.joins for p in paragraphs(answer)] == [False, False, True, False]


def test_a_sentence_of_another_note_is_no_part_of_the_item_above_it() -> None:
    elsewhere = replace(LIST, id="d")
    answer = quoting((LIST, STOP), (elsewhere, BEST))
    assert set_out(answer) == ["- 早停：验证误差不降就停。", "取回最好那一轮的权重。"]


def test_one_item_makes_no_list() -> None:
    assert set_out(quoting((LIST, REGULAR))) == ["正则化：L1、L2。"]
    assert set_out(quoting((LIST, STOP), (LIST, BEST))) == [
        "早停：验证误差不降就停。|取回最好那一轮的权重。"
    ]


def test_numbers_are_those_of_the_note_and_none_is_left_alone() -> None:
    answer = quoting((STEPS, "1. 初始化权重。"), (STEPS, "10. 重复。"), (OTHER, OTHER.text))
    assert set_out(answer) == ["1. 初始化权重。", "10. 重复。", "- 平均多个模型。"]
    assert [p.joins for p in paragraphs(answer)] == [False, True, False]


def test_an_item_joins_the_list_that_the_quote_above_it_ends_with() -> None:
    conditions = note("条件有三：\n1. 凸。\n2. 光滑。\n3. 有界。")
    answer = quoting((conditions, "条件有三：\n1. 凸。"), (conditions, "3. 有界。"))
    assert as_markdown(answer) == "条件有三：\n1. 凸。[1]\n3. 有界。[2]"


@pytest.mark.parametrize(
    ("items", "markers"),
    [
        (("（1）快。", "（2）省。"), ["（1）", "（2）"]),
        (("① 快。", "② 省。"), ["① ", "② "]),
        (("1、快。", "2、省。"), ["1、", "2、"]),
        (("• 快。", "* 省。"), ["- ", "- "]),
    ],
)
def test_markers_as_people_write_them(items: tuple[str, str], markers: list[str]) -> None:
    document = note("\n".join(items))
    answer = quoting(*((document, item) for item in items))
    assert [p.marker for p in paragraphs(answer)] == markers
    assert [s.text for p in paragraphs(answer) for s in p.sentences] == ["快。", "省。"]


@pytest.mark.parametrize("first", ["3.14 是圆周率。", "-1 是负数。", "*斜体* 的字。", "2、3 层。"])
def test_what_only_looks_like_a_marker_is_none(first: str) -> None:
    document = note(f"{first}\n\n另一句。")
    assert set_out(quoting((document, first), (document, "另一句。"))) == [f"{first}|另一句。"]


def test_as_markdown_an_item_keeps_its_formula() -> None:
    answer = quoting(
        (STEPS, "1. 初始化权重。"),
        (STEPS, "2. 训练弱分类器：\n\n$$\nh_m\n$$"),
        (LIST, "学习曲线也能看出来。"),
    )
    assert as_markdown(answer) == (
        "1. 初始化权重。[1]\n"
        "2. 训练弱分类器：\n\n   $$\n   h_m\n   $$\n   [2]\n\n"
        "学习曲线也能看出来。[3]"
    )


def test_without_items_an_answer_runs_on() -> None:
    answer = quoting((LIST, "学习曲线也能看出来。"), (LIST, "还要看方差。"))
    assert answer.text == "学习曲线也能看出来。[1]还要看方差。[2]"


def test_the_text_of_an_answer_has_its_items_on_lines() -> None:
    conditions = note("条件有二：\n1. 凸。\n2. 有界。")
    answer = quoting((conditions, "1. 凸。"), (conditions, "2. 有界。"))
    assert answer.text.split("\n") == ["1. 凸。[1]", "2. 有界。[2]"]


def test_headings_that_were_said_are_left_out() -> None:
    text = "# 池化\n\n## 第二节\n\n池化缩小图。"
    assert below_headings(text, {"池化", "第二节"}) == "池化缩小图。"
    assert below_headings(text, {"池化"}) == "## 第二节\n\n池化缩小图。"
    assert below_headings(text, {"第二节"}) == text
    assert below_headings("# 池化", {"池化"}) == "# 池化"
    assert below_headings("池化\n\n缩小图。", {"池化"}) == "池化\n\n缩小图。"
