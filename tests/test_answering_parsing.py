"""Replies as models write them, whole and while they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.answering.parsing import Reply, ReplyStream, parse
from notesqa.answering.refusal import REFUSAL_EN, REFUSAL_ZH
from notesqa.records import Answer
from notesqa.text.terminal import safe


def said(reply: Reply) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence.text, sentence.citations) for sentence in reply.sentences]


@pytest.mark.parametrize(
    ("raw", "sentences"),
    [
        ("甲是乙。[1]丙是丁。[2]", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("甲是乙[1]。丙是丁[2]。", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("甲是乙【1】。丙是丁【2】。", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("甲是乙[^1]。丙是丁 [^2]。", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("甲是乙(1)。丙是丁（2）。", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("甲是乙[1][2]。", [("甲是乙。", (1, 2))]),
        ("甲是乙[1,2]。", [("甲是乙。", (1, 2))]),
        ("甲是乙[1, 3]。", [("甲是乙。", (1, 3))]),
        ("甲是乙[1、2]。", [("甲是乙。", (1, 2))]),
        ("甲是乙[1-3]。", [("甲是乙。", (1, 2, 3))]),
        ("甲是乙[段落 2]。", [("甲是乙。", (2,))]),
        ("A is B [Passage 2]. C is D [1].", [("A is B.", (2,)), ("C is D.", (1,))]),
        ("A is B.[1] C is D.[2]", [("A is B.", (1,)), ("C is D.", (2,))]),
        ("甲是乙，[1]而丙是丁。[2]", [("甲是乙，而丙是丁。", (1, 2))]),
        ("甲是乙。[1][1]", [("甲是乙。", (1,))]),
        ("甲是乙。\n[1]\n丙是丁。[2]", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("- 甲是乙。[1]\n- 丙是丁。[2]", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("1. 甲是乙。[1]\n2. 丙是丁。[2]", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("[1] 甲是乙。\n[2] 丙是丁。", [("甲是乙。", (1,)), ("丙是丁。", (2,))]),
        ("(1) 甲是乙。\n(2) 丙是丁。", [("甲是乙。", ()), ("丙是丁。", ())]),
        ("没有出处的话。", [("没有出处的话。", ())]),
        ("区间是 $[0, 1]$ 与 [0, 1]，取 x[1] 无妨。[2]", None),
        ("用 `a[1]` 取第二个。[1]", [("用 `a[1]` 取第二个。", (1,))]),
        ("权重为 $w[3]$。[1]", [("权重为 $w[3]$。", (1,))]),
        ("**要点**是甲。[1]", [("要点是甲。", (1,))]),
        ("答：甲是乙。[1]", [("甲是乙。", (1,))]),
        ("## 回答\n\n甲是乙。[1]\n\n参考：\n[1] 某笔记\n[2] 另一篇", [("甲是乙。", (1,))]),
        ("见[说明](http://x/1)。[1]", [("见[说明](http://x/1)。", (1,))]),
        ("<think>想想[2]</think>甲是乙。[1]", [("甲是乙。", (1,))]),
        ("想想[2]</think>甲是乙。[1]", [("甲是乙。", (1,))]),
        ("<think>想到一半", []),
        ("甲是乙。[1]<|im_end|>", [("甲是乙。", (1,))]),
        ("", []),
    ],
)  # fmt: skip
def test_marks_of_every_kind(raw: str, sentences: list[tuple[str, tuple[int, ...]]] | None) -> None:
    reply = parse(raw, 3)
    assert not reply.refused
    if sentences is None:
        assert len(reply.sentences) == 1
        assert 2 in reply.sentences[0].citations
        assert "$[0, 1]$ 与 [0, 1]" in reply.sentences[0].text
    else:
        assert said(reply) == sentences


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("有三步：\n1. 甲。[1]\n2. 乙。再看丙。[2]\n\n总之如此。[1]",
         "有三步：\n1. 甲。[1]\n2. 乙。再看丙。[2]\n\n总之如此。[1]"),
        ("- **早停**：甲。[1]\n\n- 乙。[2]\n  还有丙。[2]\n都好。[1]",
         "- 早停：甲。[1]\n- 乙。[2]还有丙。[2]\n\n都好。[1]"),
        ("1.甲。[1]\n2.乙。[1]", "1. 甲。[1]\n2. 乙。[1]"),
        ("* 甲。[1]\n• 乙。[1]", "- 甲。[1]\n- 乙。[1]"),
        ("（1）甲。[1]\n（2）乙。[1]", "（1）甲。[1]\n（2）乙。[1]"),
        ("甲就是乙。[1]\n乙不是丙。[1]\n\n丙。[2]", "甲就是乙。[1]乙不是丙。[1]\n\n丙。[2]"),
        ("### 优点\n- 甲。[1]\n### 缺点\n- 乙。[1]", "- 甲。[1]\n\n- 乙。[1]"),
        ("- 只有一条。[1]", "只有一条。[1]"),
        ("系数取三倍。[1]\n2.5 倍也可以。[1]", "系数取三倍。[1]2.5 倍也可以。[1]"),
    ],
)  # fmt: skip
def test_lists_and_paragraphs_stay_as_they_were_written(raw: str, text: str) -> None:
    reply = parse(raw, 3)
    assert Answer("问", reply.sentences, (), False, "m").text == text


def test_marks_of_passages_that_were_not_given_are_dropped_and_counted() -> None:
    reply = parse("甲是乙。[9]丙是丁。[1][7]", 2)
    assert said(reply) == [("甲是乙。", ()), ("丙是丁。", (1,))]
    assert reply.dropped == 2


@pytest.mark.parametrize(
    "raw",
    [
        REFUSAL_ZH, REFUSAL_EN, f" {REFUSAL_ZH}\n", f"{REFUSAL_ZH}[1]", f"<think>…</think>{REFUSAL_EN}",
        "根据提供的段落，没有提到这个问题的答案。", "The passages do not contain an answer to this question.",
    ],
)  # fmt: skip
def test_refusals(raw: str) -> None:
    reply = parse(raw, 3)
    assert reply.refused
    assert reply.sentences == ()


def test_a_refusal_beside_an_answer_is_left_out() -> None:
    reply = parse(f"甲是乙。[1]{REFUSAL_ZH}", 3)
    assert not reply.refused
    assert said(reply) == [("甲是乙。", (1,))]


def test_a_cited_denial_is_an_answer() -> None:
    reply = parse("笔记没有提到 DDIM 需要重新训练。[1]", 1)
    assert not reply.refused


def test_whether_it_came_to_its_end() -> None:
    assert parse("甲是乙。[1]", 1).complete
    assert parse("甲是乙[1]", 1).complete
    assert not parse("甲是乙。[1]丙是", 1).complete


def test_control_characters_never_come_through() -> None:
    reply = parse("甲\x1b[31m是乙\u202e。[1]", 1)
    text = reply.sentences[0].text
    assert "\x1b" not in text
    assert "\u202e" not in text


_replies = st.lists(
    st.sampled_from(
        ["甲是乙", "。", "，", "[1]", "[2]", "[9]", "【1】", "[1,", "2]", " ", "\n", "$x[1]$", "$", "`a[2]`",
         "<think>", "</think>", "(1)", "（2）", "3.5", "- ", "[0, 1]", "A b. ", "<|im_end|>", "\x1b[0m", "[^", "1]"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(_replies, st.integers(0, 4))
def test_whatever_is_written_is_taken_apart(raw: str, count: int) -> None:
    reply = parse(raw, count)
    for text, numbers in said(reply):
        assert text.strip()
        assert safe(text) == text
        assert all(1 <= n <= count for n in numbers)
        assert len(set(numbers)) == len(numbers)


@given(_replies, st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_the_stream_shows_marks_whole_and_thinking_never(raw: str, steps: list[int]) -> None:
    stream = ReplyStream(2)
    shown = ""
    position = 0
    for step in steps * 40:
        if position >= len(raw):
            break
        shown += stream.feed(raw[position : position + step])
        position += step
    shown += stream.feed(raw[position:])
    shown += stream.close()
    assert stream.raw == raw
    assert safe(shown) == shown
    assert "<think>" not in shown.lower()
    if "<think>" not in raw and "</think>" not in raw:
        whole = ReplyStream(2)
        assert shown == whole.feed(raw) + whole.close() or not shown.startswith("[9]")


def test_a_stream_piece_by_piece() -> None:
    stream = ReplyStream(2)
    pieces = [stream.feed(char) for char in "<think>想</think>甲是乙【1】。丙[7]是[2, 1]。"]
    shown = "".join(pieces) + stream.close()
    assert shown == "甲是乙[1]。丙是[2][1]。"
    assert not any("【" in p or p.endswith("[") for p in pieces)
