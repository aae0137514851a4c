"""The shipped embedder: equal to sentence-transformers, torch-free, quick, and of use."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notesqa.embedding.builtin import BuiltinEmbedder, model_folder
from notesqa.errors import EmbeddingError

WEIGHTS = "0_StaticEmbedding/model.safetensors"
TOKENIZER = "0_StaticEmbedding/tokenizer.json"
MIXED = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("批归一化训练學習ＡＩ𝑝ﬁ é\u200b\u3000‐–$\\_{}\n.,。GPTabc019"),
    ),
    max_size=80,
)


@cache
def _shipped() -> BuiltinEmbedder:
    return BuiltinEmbedder()


@cache
def _reference() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder()), device="cpu")


@pytest.fixture(scope="module")
def embedder() -> BuiltinEmbedder:
    return _shipped()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder(), tmp_path / "model"))


def test_the_model_is_small_enough_to_ship() -> None:
    sizes = [f.stat().st_size for f in model_folder().rglob("*") if f.is_file()]
    assert sum(sizes) <= 16_000_000


@settings(max_examples=25, deadline=None)
@given(st.lists(MIXED, min_size=1, max_size=8))
def test_sentence_transformers_gives_equal_vectors(texts: list[str]) -> None:
    reference = _reference()
    theirs = reference.encode(texts, show_progress_bar=False)
    np.testing.assert_allclose(_shipped().embed_passages(texts), theirs, atol=1e-5)


def test_long_text_is_equal_too(embedder: BuiltinEmbedder) -> None:
    text = "扩散模型的反向过程逐步去噪，score matching 估计梯度。" * 200
    theirs = _reference().encode([text], show_progress_bar=False)
    np.testing.assert_allclose(embedder.embed_passages([text]), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ＧＰＴ－４", "gpt-4"),
        ("機器學習", "机器学习"),
        ("𝑝(𝑥)", "p(x)"),
        ("Naïve Bayes", "naive bayes"),
        ("anchor‐free", "anchor-free"),
    ],
)
def test_spellings_of_one_thing_have_one_vector(
    embedder: BuiltinEmbedder, written: str, plain: str
) -> None:
    a, b = embedder.embed_queries([written, plain])
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("text", ["", "   \n", "\u200b", "\U00013000"])
def test_text_without_known_tokens_is_the_zero_vector(embedder: BuiltinEmbedder, text: str) -> None:
    assert not embedder.embed_passages([text]).any()


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (
            "what is batch normalization",
            "批归一化把每一层的激活规范化到零均值、单位方差。",
            "随机梯度下降每次只用一个样本更新参数。",
        ),
        (
            "Anchorfree 检测器",
            "无锚框（anchor-free）的检测器直接预测中心点。",
            "词向量把单词映射到稠密空间。",
        ),
        (
            "怎样防止模型记住训练集",
            "正则化与早停能缓解过拟合。",
            "卷积核在图像上滑动，共享权重。",
        ),
        (
            "學習率應該怎麼設置",
            "学习率太大会发散，太小则收敛缓慢，常用预热和余弦退火。",
            "分词器把文本切成词元。",
        ),
    ],
)
def test_the_passage_that_is_meant_is_nearer(
    embedder: BuiltinEmbedder, question: str, right: str, wrong: str
) -> None:
    vector = embedder.embed_queries([question])[0]
    near, far = embedder.embed_passages([right, wrong]) @ vector
    assert near > far + 0.1


def test_searching_needs_no_torch() -> None:
    code = (
        "import sys; from notesqa.config import EmbeddingSettings\n"
        "from notesqa.embedding import open_embedder\n"
        "open_embedder(EmbeddingSettings()).embed_queries(['什么是注意力'])\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'faiss', 'scipy', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_threads_get_the_same_vectors(embedder: BuiltinEmbedder) -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"第 {i} 个词元的注意力权重" for i in range(40)]
    alone = embedder.embed_passages(texts)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(embedder.embed_passages, [texts] * 8):
            np.testing.assert_array_equal(vectors, alone)


def test_the_name_follows_the_files(embedder: BuiltinEmbedder, copied: Path) -> None:
    assert BuiltinEmbedder(copied).name == embedder.name
    weights = copied / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert BuiltinEmbedder(copied).name != embedder.name


@pytest.mark.parametrize("file", [WEIGHTS, TOKENIZER])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_a_damaged_model_is_one_clear_error(copied: Path, file: str, damage: str) -> None:
    path = copied / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        kept = {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\xff\x00{[" * 99}
        path.write_bytes(kept[damage])
    with pytest.raises(EmbeddingError) as caught:
        BuiltinEmbedder(copied)
    assert path.name in caught.value.message
    assert "reinstall" in caught.value.hint


def test_a_tokenizer_of_another_model_is_refused(copied: Path) -> None:
    from safetensors.numpy import save_file

    save_file(
        {"embeddings": np.ones((7, 4), np.int8), "weights": np.ones(7, np.float32)},
        copied / WEIGHTS,
    )
    with pytest.raises(EmbeddingError, match="7 vectors"):
        BuiltinEmbedder(copied)
