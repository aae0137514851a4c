"""Whatever embedder finds the passages, its cosines are read on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from notesqa.api import Notes
from notesqa.catalog import Catalog
from notesqa.config import Home, Settings
from notesqa.embedding import Likeness
from notesqa.embedding.builtin import BuiltinEmbedder
from notesqa.embedding.likeness import measure
from notesqa.retrieval.query import analyse
from notesqa.retrieval.terms import TermTable
from notesqa.text.script import mostly_english
from notesqa.text.segment import Segmenter
from tests.fakes import ROOT, article, write_notes

Vectors = NDArray[np.float32]
BUILTIN = BuiltinEmbedder()
ASKED = ("批归一化为什么能加快训练", "how does dropout work", "梯度消失怎么办", "Adam 的动量是什么")
NOT_THERE = ("红烧肉怎么做才好吃", "北京到上海的高铁票价是多少", "who won the world cup in 1998")

TOPICS = {
    "为什么梯度会消失": "层数一多，反向传播时许多小于一的导数连乘，靠近输入的参数几乎收不到更新信号。",
    "批归一化起什么作用": "按小批量的均值和方差把激活值拉回同一尺度，训练更稳，可以用更大的学习率。",
    "dropout 怎么防止过拟合": "训练时随机关掉一部分神经元，网络不能依赖某几个特征，推断时再全部打开。",
    "注意力机制的复杂度是多少": "每个位置都要和其他位置算一次相似度，时间和显存随序列长度的平方增长。",
    "学习率预热有什么好处": "开头几百步让步长从零慢慢升上去，避免动量估计还不准时迈得太大。",
    "卷积核的感受野怎么算": "逐层把核的宽度减一乘上之前所有步长的积，再累加起来。",
    "交叉熵损失怎么推导": "对正确类别的预测概率取对数再取负，等价于最大化数据的似然。",
    "Adam 和 SGD 有什么区别": "前者为每个参数维护一阶和二阶矩，自动调整步长；后者只有一个统一的步长。",
    "主成分分析的目标是什么": "找一组正交方向，使数据投影后的方差最大，再只留下前几个。",
    "决策树如何选择划分特征": "比较划分前后的信息增益或基尼指数，取不纯度下降最多的那个。",
    "AUC 怎么理解": "随机取一个正例和一个负例，模型给正例打分更高的概率。",
    "扩散模型如何生成图像": "从纯噪声出发，网络一步步预测并去掉噪声，直到得到清晰的样本。",
    "知识蒸馏是怎么做的": "让小模型去拟合大模型软化后的输出分布，学到类别之间的相似关系。",
    "词向量是怎么训练出来的": "用一个词预测它周围的词，经常出现在相似上下文里的词得到相近的向量。",
    "早停法是什么": "验证集上的误差不再下降就停止训练，取最好那一轮的参数。",
    "what is the bias variance tradeoff": "模型太简单时系统误差大，太复杂时随训练样本波动大，要在两者之间取得平衡。",
    "how does beam search work": "解码时每步保留得分最高的若干条候选序列，最后取总分最大的一条。",
    "why use layer normalization in transformers": "在每个样本内部对特征做标准化，不依赖批量大小，适合变长的序列。",
    "what does the softmax temperature do": "除以一个大于一的数会让分布变平，小于一则更尖锐地偏向最大的那一项。",
}


class CrowdedEmbedder:
    """The built-in embedder as a transformer would be: all of its vectors lie in a cone.

    Its cosines are `crowding + (1 - crowding) * cosine`.
    """

    name = "crowded-1"
    max_tokens = 0

    def __init__(self, crowding: float = 0.8) -> None:
        self._crowding = crowding
        self.dimension = BUILTIN.dimension + 1

    def count_tokens(self, text: str) -> int:
        return BUILTIN.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        own = BUILTIN.embed_passages(texts) * np.float32((1 - self._crowding) ** 0.5)
        shared = np.full((len(texts), 1), self._crowding**0.5, dtype=np.float32)
        return np.concatenate([own, shared], axis=1)

    embed_queries = embed_passages


class DullEmbedder(CrowdedEmbedder):
    """To it all texts are the same."""

    name = "dull-1"

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        rows[:, 0] = 1
        return rows

    embed_queries = embed_passages


def opened(home: Path, monkeypatch: pytest.MonkeyPatch, embedder: object) -> Notes:
    monkeypatch.setattr("notesqa.retrieval.retriever.open_embedder", lambda _settings: embedder)
    return Notes(Home(home), Settings())


def some_notes(home: Path) -> Path:
    """A part of the shipped notes."""
    files = sorted((ROOT / "corpus").glob("*.md"))[::4]
    return write_notes(home, {file.name: file.read_bytes() for file in files})


@settings(max_examples=25, deadline=None)
@given(
    crowding=st.floats(0, 0.95),
    texts=st.lists(st.sampled_from((*ASKED, *NOT_THERE, "卷积核", "随机森林")), min_size=1),
)
def test_a_cone_is_seen_through(crowding: float, texts: list[str]) -> None:
    """However close together the vectors lie, the cosines read are those of the built-in one."""
    crowded = CrowdedEmbedder(crowding)
    passages = list(enumerate(texts))
    likeness = measure(crowded, passages, passages, crowded.embed_passages(texts))
    questions = [*ASKED, *NOT_THERE]
    theirs = crowded.embed_queries(questions) @ crowded.embed_passages(texts).T
    ours = BUILTIN.embed_queries(questions) @ BUILTIN.embed_passages(texts).T
    # Notes that are all alike spread less than is taken for the least.
    factor = likeness.factor * (1 - crowding)
    assert factor >= 0.99
    if factor < 1.01:
        read = [likeness(float(cosine)) for cosine in theirs.ravel()]
        np.testing.assert_allclose(read, ours.ravel(), atol=2e-3)


class FarEnglishEmbedder(CrowdedEmbedder):
    """Its English texts lie apart from its Chinese ones."""

    name = "far-english-1"

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        rows = self.embed_passages(texts)
        away = np.array([mostly_english(text) for text in texts])
        rows[away, -1] *= np.float32(0.9)
        return rows


def test_another_language_is_not_taken_for_another_field() -> None:
    far, bodies = FarEnglishEmbedder(), list(TOPICS.values())
    vectors = far.embed_passages(bodies)
    likeness = measure(far, list(enumerate(TOPICS)), list(enumerate(bodies)), vectors)
    for question in (*ASKED, *NOT_THERE):
        theirs = far.embed_queries([question]) @ vectors.T
        ours = BUILTIN.embed_queries([question]) @ BUILTIN.embed_passages(bodies).T
        chinese = not mostly_english(question)
        read = [likeness(float(cosine), chinese=chinese) for cosine in theirs[0]]
        np.testing.assert_allclose(read, ours[0], atol=2e-3)


def test_a_model_is_asked_in_the_characters_of_the_notes() -> None:
    """The built-in model takes both alike; others place them apart."""
    asked = analyse("為什麼梯度會消失", Segmenter(), TermTable(()))
    assert asked.embedded == "为什么梯度会消失"
    assert asked.text == "為什麼梯度會消失"


def test_a_cosine_stays_one() -> None:
    assert Likeness(10.0, 0.0)(0.9) == 1.0
    assert Likeness(10.0, 0.0)(-0.9) == -1.0
    assert Likeness()(0.3) == 0.3


def test_crowded_vectors_change_neither_places_nor_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = some_notes(tmp_path / "home")
    told = []
    for embedder in (BUILTIN, CrowdedEmbedder()):
        with opened(home, monkeypatch, embedder) as notes:
            notes.index()
            found = [[p.chunk_id for p in notes.search(question, 3)] for question in ASKED]
            answers = [notes.ask(question, llm=False) for question in (*ASKED, *NOT_THERE)]
            told.append((found, [(a.text, a.refused) for a in answers]))
    assert told[0] == told[1]
    assert [refused for _, refused in told[1][1]] == [False] * 4 + [True] * 3


def test_one_note_is_enough_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "训练时随机关掉一部分神经元，网络不会依赖某几个特征，从而减轻过拟合。"
    home = write_notes(tmp_path / "home", {"a.md": article("dropout 的作用", body)})
    with opened(home, monkeypatch, CrowdedEmbedder(0.9)) as notes:
        notes.index()
        assert notes.ask("红烧肉怎么做才好吃", llm=False).refused
        assert not notes.ask("dropout 有什么作用", llm=False).refused


def test_one_long_note_is_enough_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "\n\n".join(f"## {heading}\n\n{text * 12}" for heading, text in TOPICS.items())
    home = write_notes(tmp_path / "home", {"a.md": article("笔记", body)})
    with opened(home, monkeypatch, CrowdedEmbedder(0.9)) as notes:
        assert notes.index().chunks >= len(TOPICS)
        assert notes.ask("红烧肉怎么做才好吃", llm=False).refused
        assert not notes.ask("梯度裁剪和学习率预热有什么用", llm=False).refused


def test_an_embedder_that_tells_nothing_apart_leaves_it_to_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = some_notes(tmp_path / "home")
    with opened(home, monkeypatch, DullEmbedder()) as notes:
        notes.index()
        assert notes.search(ASKED[0])
        assert notes.ask("红烧肉怎么做才好吃", llm=False).refused


def test_an_index_of_before_is_read_rightly_after_the_next_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = some_notes(tmp_path / "home")
    crowded = CrowdedEmbedder()
    with opened(home, monkeypatch, crowded) as notes:
        notes.index()
    with closing(Catalog(home / "index", write=True)) as catalog:
        kept = catalog.likeness(crowded.name)
        # As if it had been kept for another embedder, or never.
        catalog.keep_likeness("another", (1.0, 0.0, 0.0))
        assert catalog.likeness(crowded.name) is None
    with opened(home, monkeypatch, crowded) as notes:
        assert not notes.index().changed
    with closing(Catalog(home / "index")) as catalog:
        assert kept is not None
        assert catalog.likeness(crowded.name) == pytest.approx(kept)


def test_the_built_in_embedder_is_the_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = some_notes(tmp_path / "home")
    with opened(home, monkeypatch, CrowdedEmbedder()) as notes:
        notes.index()
    with opened(home, monkeypatch, BUILTIN) as notes:
        notes.index()
        assert not notes.ask(ASKED[0], llm=False).refused
    with closing(Catalog(home / "index")) as catalog:
        assert catalog.likeness(BUILTIN.name) is None
