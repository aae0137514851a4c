"""When the notes do not say: judged by plain signals, in three outcomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notesqa.answering.extract import SENTENCE_FEATURES, Extraction
from notesqa.answering.refusal import (
    NO_MORE_EN,
    NO_MORE_ZH,
    REFUSAL_EN,
    REFUSAL_ZH,
    SIGNALS,
    judge,
    names_nobody_has,
    names_not_quoted,
    refusal_text,
    signals,
)
from notesqa.api import Notes
from notesqa.catalog import ChunkRow
from notesqa.records import Citation
from notesqa.retrieval import Hit
from notesqa.retrieval.features import FEATURES
from notesqa.retrieval.query import analyse
from notesqa.retrieval.ranking import load_weights
from notesqa.retrieval.terms import TermTable
from notesqa.text.segment import Segmenter

ROW = ChunkRow(
    pk=1, id="c", document_pk=1, document_id="d", ordinal=0, start=0, end=1, heading=(), text="x",
    title="t", source="corpus/x.md:1", kind="article", date=None, tags=(), opening="x",
)  # fmt: skip
QUERY = analyse("动量系数怎么选", Segmenter(), TermTable(()))
ASKED_NOTHING = analyse("？", Segmenter(), TermTable(()))


def hit(level: float) -> Hit:
    return Hit(ROW, level, tuple(level for _ in FEATURES))


def extraction(level: float) -> Extraction:
    return Extraction((), (), tuple(level for _ in SENTENCE_FEATURES))


def test_the_better_the_signals_the_surer() -> None:
    weights = load_weights()
    low = judge(QUERY, [hit(0.0)], extraction(0.0), weights)
    high = judge(QUERY, [hit(1.0)], extraction(1.0), weights)
    assert 0.0 <= low.probability < high.probability <= 1.0
    assert (low.outcome, high.outcome) == ("refuse", "answer")


def test_the_outcome_follows_the_thresholds() -> None:
    weights = load_weights()
    found = judge(QUERY, [hit(0.6)], extraction(0.6), weights)
    p = found.probability

    def outcome(threshold: float, nearest: float) -> str:
        moved = replace(weights, threshold=threshold, nearest=nearest)
        return judge(QUERY, [hit(0.6)], extraction(0.6), moved).outcome

    assert outcome(p + 1e-9, 1.0) == "refuse"
    assert outcome(p - 1e-9, p + 1e-9) == "nearest"
    assert outcome(0.0, p - 1e-9) == "answer"


def test_nothing_found_or_nothing_asked_is_refused() -> None:
    weights = load_weights()
    assert judge(QUERY, [], extraction(1.0), weights).outcome == "refuse"
    assert judge(ASKED_NOTHING, [hit(1.0)], extraction(1.0), weights).outcome == "refuse"
    nothing = dict.fromkeys(SIGNALS, 0.0)
    assert signals(QUERY, [], extraction(1.0)) == nothing
    assert signals(QUERY, [hit(1.0)], Extraction((), (), ())) == nothing


def test_every_weight_belongs_to_a_signal() -> None:
    assert load_weights().answerable.keys() <= set(SIGNALS)
    assert signals(QUERY, [hit(0.5)] * 6, extraction(0.5)).keys() == set(SIGNALS)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("红烧肉怎么做", REFUSAL_ZH),
        ("How long do I boil an egg?", REFUSAL_EN),
        ("BERT 的作者是谁", REFUSAL_ZH),
        ("42", REFUSAL_ZH),
    ],
)
def test_the_words_of_a_refusal(question: str, text: str) -> None:
    assert refusal_text(question) == text


def test_a_mere_name_is_refused_in_the_language_of_the_notes() -> None:
    assert refusal_text("MagFace", ["归并排序要一块辅助表。"]) == REFUSAL_ZH
    assert refusal_text("MagFace", ["Merge sort needs another table."]) == REFUSAL_EN
    assert refusal_text("MagFace") == REFUSAL_EN
    assert refusal_text("what is MagFace", ["归并排序要一块辅助表。"]) == REFUSAL_EN


def test_who_asked_for_more_is_told_that_this_was_all() -> None:
    assert refusal_text("还有呢", told=True) == NO_MORE_ZH
    assert refusal_text("what else", told=True) == NO_MORE_EN
    assert refusal_text("anything else", ["归并排序要一块辅助表。"], told=True) == NO_MORE_EN


def test_an_uncertain_answer_says_so(indexed: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_weights()
    unsure = replace(plain, threshold=0.0, nearest=1.0)
    monkeypatch.setattr("notesqa.answering.answerer.load_weights", lambda: unsure)
    answer = indexed.ask("动量系数常用多少?")
    assert answer.nearest
    assert not answer.refused
    assert answer.citations
    strict = replace(plain, threshold=1.0, nearest=1.0)
    monkeypatch.setattr("notesqa.answering.answerer.load_weights", lambda: strict)
    assert indexed.ask("动量系数常用多少?").refused


@pytest.mark.parametrize(
    ("question", "text", "missing"),
    [
        ("MagFace 怎样表示人脸质量", "ArcFace 在角度上加间隔", ["magface"]),
        ("ArcFace 怎样加间隔", "ArcFace 在角度上加间隔", []),
        ("YOLOv3 用几种框", "YOLOv1 每格预测两个框，YOLO 的思路", ["v3"]),
        ("anchor free 为什么快", "Anchorfree 检测器不用锚框", []),
        ("which layers are frozen", "冻结底层", []),
        ("How does Mamba scan?", "线性注意力的状态", ["mamba"]),
        ("BN 推理时怎么办", "批归一化用滑动平均", []),
        ("动量系数怎么选", "别的东西", []),
    ],
)
def test_names_that_no_passage_has(question: str, text: str, missing: list[str]) -> None:
    terms = TermTable([("批归一化", "Batch Normalization", "BN")])
    query = analyse(question, Segmenter(), terms)
    found = [Hit(replace(ROW, text=text), 1.0, tuple(1.0 for _ in FEATURES))]
    assert names_nobody_has(query, found) == missing
    outcome = judge(query, found, extraction(1.0), load_weights()).outcome
    assert outcome == ("nearest" if missing else "answer")


def quoting(text: str, passage: str = "c") -> Extraction:
    citation = Citation(1, passage, "d", "t", "corpus/x.md:1", text, 0, len(text))
    return replace(extraction(1.0), citations=(citation,))


@pytest.mark.parametrize(
    ("question", "quoted", "outcome"),
    [
        ("动量系数是多少", "动量系数常取 0.9。", "answer"),
        ("动量系数是多少", "动量系数要慢慢调大。", "nearest"),
        ("哪一年提出的动量法", "动量法在 1964 年提出。", "answer"),
        ("哪一年提出的动量法", "动量法在 64 个样本上试过。", "nearest"),
        ("动量法什么时候提出的", "动量法在 64 个样本上试过。", "nearest"),
        ("动量法什么时候不收敛", "学习率太大时动量法不收敛。", "answer"),
        ("动量法有多少参数", "动量法多存一个缓冲。", "nearest"),
        ("微调的学习率小多少", "学习率小一到两个数量级。", "answer"),
    ],
)
def test_who_asks_for_a_number_is_told_where_none_is_quoted(
    question: str, quoted: str, outcome: str
) -> None:
    query = analyse(question, Segmenter(), TermTable(()))
    assert judge(query, [hit(1.0)], quoting(quoted), load_weights()).outcome == outcome


def test_a_name_must_stand_where_something_is_quoted_from() -> None:
    query = analyse("YOLO 的 MagFace 分支怎样训练", Segmenter(), TermTable(()))
    texts = {"a": "YOLO 每格预测两个框", "b": "MagFace 用幅度表示质量"}
    found = [
        Hit(
            replace(ROW, id=name, document_id=name, start=0, end=len(text), text=text),
            1.0,
            tuple(1.0 for _ in FEATURES),
        )
        for name, text in texts.items()
    ]
    weights = load_weights()
    assert not names_nobody_has(query, found)
    one = replace(extraction(1.0), citations=(Citation(1, "a", "a", "t", "a:1", texts["a"], 0, 5),))
    both = replace(
        one, citations=(*one.citations, Citation(2, "b", "b", "t", "b:1", texts["b"], 0, 5))
    )
    assert names_not_quoted(query, found, one) == ["magface"]
    assert not names_not_quoted(query, found, both)
    assert judge(query, found, one, weights).outcome == "nearest"
    assert judge(query, found, both, weights).outcome == "answer"


@pytest.mark.parametrize(
    ("question", "text", "outcome"),
    [
        ("动量法是用什么优化器比的", "动量法在 64 个样本上试过。", "nearest"),
        ("动量法是用什么优化器比的", "动量法与别的优化器在 64 个样本上比过。", "answer"),
        # A word of everyday life names no kind of thing.
        ("动量法有什么毛病", "动量法会冲过头。", "answer"),
        ("动量法有什么缺点", "动量法累计梯度的滑动平均。", "nearest"),
        ("动量法有什么缺点", "动量法对系数敏感。", "answer"),
        ("动量法有什么优点", "动量法比它更快。", "answer"),
        ("动量法的优缺点", "动量法比它更快。", "answer"),
    ],
)
def test_what_is_asked_for_by_its_kind_comes_up_where_something_is_quoted_from(
    question: str, text: str, outcome: str
) -> None:
    query = analyse(question, Segmenter(), TermTable(()))
    found = [Hit(replace(ROW, end=len(text), text=text), 1.0, (1.0,) * len(FEATURES))]
    cited = Citation(1, ROW.id, ROW.document_id, "t", "corpus/x.md:1", text, 0, len(text))
    answer = replace(extraction(1.0), citations=(cited,))
    assert judge(query, found, answer, load_weights()).outcome == outcome


def test_the_number_of_another_thing_is_no_answer() -> None:
    query = analyse("MagFace 的间隔是多少", Segmenter(), TermTable(()))
    texts = {"a": "ArcFace 的间隔是 0.5", "b": "MagFace 的间隔随幅度变"}
    found = [
        Hit(replace(ROW, id=n, document_id=n, end=len(t), text=t), 1.0, (1.0,) * len(FEATURES))
        for n, t in texts.items()
    ]
    quotes = [Citation(1, n, n, "t", f"{n}:1", t, 0, len(t)) for n, t in texts.items()]
    both = replace(extraction(1.0), citations=tuple(quotes))
    assert not names_not_quoted(query, found, both)
    assert judge(query, found, both, load_weights()).outcome == "nearest"


@pytest.mark.parametrize(
    ("question", "quoted", "outcome"),
    [
        ("动量法的缓冲区取多大", "衰减系数取 0.9。", "nearest"),
        ("动量法的衰减系数取多大", "衰减系数取 0.9。", "answer"),
        ("动量法一般取多少", "系数取 0.9。", "answer"),
    ],
)
def test_a_number_is_of_what_its_headings_leave_open(
    question: str, quoted: str, outcome: str
) -> None:
    query = analyse(question, Segmenter(), TermTable(()))
    row = replace(ROW, title="动量法", end=len(quoted), text=quoted)
    found = [Hit(row, 1.0, (1.0,) * len(FEATURES))]
    cited = Citation(1, "c", "d", "动量法", "corpus/x.md:1", quoted, 0, len(quoted))
    answer = replace(extraction(1.0), citations=(cited,))
    assert judge(query, found, answer, load_weights()).outcome == outcome


@pytest.mark.parametrize(
    ("question", "text", "missing"),
    [
        ("FlashAttention-3 快多少", "FlashAttention 第二版更快", ["flashattention3"]),
        ("FlashAttention-3 快多少", "FlashAttention-3 更快", []),
        ("YOLOv3 快多少", "YOLO v3 更快", []),
        ("vq-vae 怎样取码", "VAE 采样", ["vqvae"]),
        ("L2 怎样算", "岭回归有闭式解", []),
    ],
)
def test_a_version_or_a_joined_name_is_met_by_itself(
    question: str, text: str, missing: list[str]
) -> None:
    terms = TermTable([("快速注意力", "FlashAttention", ""), ("岭回归", "L2", "")])
    query = analyse(question, Segmenter(), terms)
    found = [Hit(replace(ROW, text=text), 1.0, (1.0,) * len(FEATURES))]
    assert set(missing) <= set(names_nobody_has(query, found))
    assert bool(missing) == bool(names_nobody_has(query, found))
