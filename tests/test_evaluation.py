"""`notesqa eval`: the figures mean what they say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.api import Notes
from notesqa.errors import NotesqaError
from notesqa.evaluation import (
    Outcome,
    Question,
    Report,
    auroc,
    evaluate,
    figures,
    holds_words,
    load_questions,
    meets,
    refusals,
    table,
)
from notesqa.records import Answer, Citation, Passage, Sentence


def question(**fields: object) -> Question:
    plain = {
        "question": "问", "gold": ("g",), "answers": (), "unanswerable": False, "kind": "all",
        "history": (),
    }  # fmt: skip
    return Question(**(plain | fields))  # type: ignore[arg-type]


def outcome(ranks: tuple[int, ...], **fields: object) -> Outcome:
    plain = {
        "question": question(), "ranks": ranks, "refused": False, "confidence": 0.5,
        "holds": False, "cited": False, "doubtful": False, "unsupported": 0, "sentences": 1, "seconds": 0.1,
        "answer": "",
    }  # fmt: skip
    return Outcome(**(plain | fields))  # type: ignore[arg-type]


def write(folder: Path, *lines: object) -> Path:
    path = folder / "q.jsonl"
    path.write_text(
        "\n".join(x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines),
        encoding="utf-8",
    )
    return path


# -- files ------------------------------------------------------------------------------------------


def test_a_question_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeff" + json.dumps({"question": "一", "gold": ["a"], "answers": ["x|y"], "kind": "k"}),
        "",
        '{"question": "二\u2028行", "unanswerable": true}',
        {"question": "三", "gold": ["b"], "history": ["一"]},
    )
    one, two, three = load_questions([path, path])[:3]
    assert one == question(question="一", gold=("a",), answers=("x|y",), kind="k")
    assert (two.question, two.kind, two.unanswerable) == ("二\u2028行", "unanswerable", True)
    assert three.history == ("一",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("null", "there is no question"),
        ("[]", "there is no question"),
        ('{"question": 3}', "there is no question"),
        ('{"question": " ", "gold": ["x"]}', "there is no question"),
        ('{"question": "x"}', "neither a gold nor unanswerable"),
        ('{"question": "x", "gold": "y"}', "gold must be a list of strings"),
        ('{"question": "x", "gold": [1]}', "gold must be a list of strings"),
        ('{"question": "x", "gold": ["y"], "answers": {}}', "answers must be a list"),
        ('{"question": "x", "gold": ["y"], "history": "z"}', "history must be a list"),
        ("[" * 100_000, "no JSON"),
        ('{"question": "x", "n": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = write(tmp_path, {"question": "好", "gold": ["x"]}, "", line)
    with pytest.raises(NotesqaError) as caught:
        load_questions([path])
    assert said in caught.value.message
    assert f"{path}:3" in caught.value.message
    assert caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotesqaError, match="cannot read"):
        load_questions([tmp_path / "missing.jsonl"])
    with pytest.raises(NotesqaError, match="cannot read"):
        load_questions([tmp_path])
    (tmp_path / "x").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(NotesqaError, match="not UTF-8"):
        load_questions([tmp_path / "x"])
    with pytest.raises(NotesqaError, match="no questions"):
        load_questions([write(tmp_path, "")])


# -- golds and words ------------------------------------------------------------------------------


PASSAGE = Passage(1, 1.0, "c", "doc", "题", "corpus/a.md:9", "", "批归一化把输入归一化。", 0, 11)
SOURCES = {"doc": ("corpus/a.md:5", "corpus/b.txt:3")}


@pytest.mark.parametrize(
    ("gold", "met"),
    [
        ("doc", True),
        ("corpus/a.md", True),
        ("corpus/b.txt:3", True),
        ("corpus/b.txt:4", False),
        ("a.md", False),
        ("批归一化把", True),
        ("归一化。", False),
        ("corpus/a.md :: 把输入", True),
        ("corpus/a.md :: 别的", False),
        ("corpus/c.md :: 把输入", False),
    ],
)
def test_what_a_gold_names(gold: str, met: bool) -> None:
    assert meets(PASSAGE, gold, SOURCES) is met


@pytest.mark.parametrize(
    ("required", "held"),
    [
        ((), True),
        (("anchor-free",), True),
        (("Anchor Free",), True),
        (("引文里的",), True),
        (("没有|anchorfree",), True),
        (("没有", "anchorfree"), False),
        (("ＡＮＣＨＯＲ",), True),
        (("{p\\|q}",), False),
        (("表 \\| 格", "\\|w\\|"), True),
    ],
)
def test_required_words(required: tuple[str, ...], held: bool) -> None:
    citation = Citation(1, "c", "d", "t", "s:1", "引文里的话", 0, 5)
    answer = Answer(
        "问",
        (Sentence("用 anchor-free 的方法，| 表 | 格 |，\\|w\\|", (1,)),),
        (citation,),
        False,
        "e",
    )
    assert holds_words(answer, required) is held


# -- figures ----------------------------------------------------------------------------------------


def test_figures_by_hand() -> None:
    rows = [outcome((1,), holds=True, cited=True), outcome((4,)), outcome((0,)), outcome((2, 0))]
    found = figures(rows)
    assert found["questions"] == 4
    assert found["recall@1"] == 0.25
    assert found["recall@5"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert found["mrr@10"] == pytest.approx((1 + 1 / 4 + 0 + 1 / 2) / 4)
    two = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert found["ndcg@10"] == pytest.approx((1 + 1 / math.log2(5) + 0 + two) / 4, abs=1e-4)
    assert found["answers_hold"] == found["answers_cited"] == 0.25
    assert figures([]) == {"questions": 0}


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4).map(tuple), min_size=1))
def test_figures_are_shares(ranks: list[tuple[int, ...]]) -> None:
    found = figures([outcome(row) for row in ranks])
    assert all(0.0 <= v <= 1.0 for name, v in found.items() if name != "questions")
    assert found["recall@1"] <= found["recall@5"] <= found["recall@10"]


@given(st.lists(st.floats(0, 1), min_size=1), st.lists(st.floats(0, 1), min_size=1))
def test_auroc(positive: list[float], negative: list[float]) -> None:
    assert auroc(positive, negative) == pytest.approx(1 - auroc(negative, positive))
    assert auroc([2.0, *positive], [1.5]) <= 1.0
    assert auroc([p + 2 for p in positive], negative) == 1.0
    assert auroc(positive, positive) == pytest.approx(0.5)
    assert auroc([], negative) == 0.5


def test_refusals_by_hand() -> None:
    off = question(unanswerable=True, gold=(), kind="off_topic")
    rows = [
        outcome((1,), confidence=0.9),
        outcome((1,), confidence=0.4, refused=True),
        outcome((), question=off, confidence=0.1, refused=True),
        outcome((), question=off, confidence=0.5),
    ]
    assert refusals(rows) == {
        "unanswerable": 2, "precision": 0.5, "recall": 0.5, "answerable_refused": 0.5,
        "auroc off_topic": 0.75, "refused off_topic": 0.5, "doubtful off_topic": 0.0,
    }  # fmt: skip
    report = Report(tuple(rows))
    assert report.record()["all"]["questions"] == 2
    json.dumps(report.record())
    lines = table(report).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert "| off_topic |" not in table(report), "unanswerable ones have no ranks"
    assert table(Report((rows[2],)))


# -- the whole ----------------------------------------------------------------------------------------


def test_a_home_is_measured(indexed: Notes, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"question": "动量系数常用多少?", "gold": ["动量法给梯度下降"], "answers": ["0.9"]},
        {"question": "批归一化推理时用什么?", "gold": ["corpus/batchnorm.md"], "kind": "note",
         "answers": ["滑动平均"]},
        {"question": "它有什么局限?", "gold": ["corpus/batchnorm.md :: 噪声很大"], "kind": "follow",
         "history": ["什么是批归一化?"]},
        {"question": "动量系数常用多少?", "gold": ["corpus/none.md"], "kind": "wrong"},
        {"question": "红烧肉怎么做?", "unanswerable": True, "kind": "off_topic"},
    )  # fmt: skip
    seen: list[tuple[int, int]] = []
    report = evaluate(
        indexed, load_questions([path]), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(n, 5) for n in range(1, 6)]
    kinds = report.record()["kinds"]
    for kind in ("all", "note", "follow"):
        assert kinds[kind]["recall@1"] == 1.0, kind
        assert kinds[kind]["answers_cited"] == 1.0, kind
    assert kinds["wrong"]["recall@10"] == 0.0
    assert kinds["wrong"]["answers_cited"] == 0.0
    assert report.record()["refusals"]["recall"] == 1.0


def test_doubtful_answers_are_counted_apart_from_refusals() -> None:
    asked = question(unanswerable=True, kind="nearmiss", gold=())
    rows = [
        outcome((1,), doubtful=True),
        outcome((1,)),
        outcome((), question=asked, doubtful=True),
        outcome((), question=asked, refused=True),
        outcome((), question=asked, refused=True),
        outcome((), question=asked),
    ]
    assert figures(rows[:2])["doubtful"] == 0.5
    found = refusals(rows)
    assert found["refused nearmiss"] == 0.5
    assert found["doubtful nearmiss"] == 0.25
