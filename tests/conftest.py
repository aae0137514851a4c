"""Homes that the tests write themselves, and the fake embedder in place of a model."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from notesqa.api import Notes
from notesqa.config import Home, Settings
from tests.fakes import BigramEmbedder, article, transmission, write_notes

# Who is started in the background ignores Ctrl-C, and so would what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "suite",
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", parent=settings.get_profile("suite"), max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

DROPOUT = (
    "Dropout 在训练时以概率 p 随机丢弃神经元，相当于训练许多共享参数的子网络。"
    "测试时不丢弃，而把权重乘以 1-p，使期望保持一致。"
)
MOMENTUM = (
    "动量法给梯度下降加上惯性，速度是历史梯度的指数滑动平均，常用的动量系数是 0.9。"
    "它能减小峡谷地形中的振荡。"
)
CUT_SHORT = (
    "知识蒸馏用大模型的软标签训练小模型，温度 T 越高，软标签越平滑，学生从中学到类别之间的..."
)
BATCHNORM = """批归一化（Batch Normalization，BN）把每一层的输入在批内归一化到零均值、单位方差，再缩放和平移。

## 训练与推理

训练时用当前批的均值和方差；推理时用滑动平均的均值和方差，所以结果与批内的其他样本无关。

$$
\\hat{x} = \\frac{x - \\mu_B}{\\sqrt{\\sigma_B^2 + \\epsilon}}
$$

## 局限

批很小时统计量噪声很大，这时常改用层归一化或组归一化。
"""
ANCHORS = """无锚框检测器不预设 anchor，直接预测目标的中心点和宽高。anchor-free 的方法省去了锚框的超参数。

FCOS 在每个位置回归到四条边的距离，并用 centerness 分支压低离中心远的框。
"""

NOTES: Mapping[str, str] = {
    "feed-1.txt": transmission(DROPOUT, MOMENTUM),
    "feed-2.txt": transmission(MOMENTUM, CUT_SHORT, pager="2"),
    "batchnorm.md": article("批归一化", BATCHNORM, tags=["normalization", "训练"]),
    "detection/anchors.md": article("无锚框检测", ANCHORS, date="2023-01-15", tags=["detection"]),
}


@pytest.fixture(autouse=True)
def no_home_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may see or touch the user's own home or data."""
    monkeypatch.delenv("NOTESQA_HOME", raising=False)
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path / "user-data"))


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> BigramEmbedder:
    """The fake embedder, in place of whatever the settings name."""
    fake = BigramEmbedder()
    monkeypatch.setattr("notesqa.retrieval.retriever.open_embedder", lambda _settings: fake)
    return fake


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two transmissions that share an excerpt, and two articles."""
    return Home(write_notes(tmp_path / "home", NOTES))


@pytest.fixture
def notes(home: Home, embedder: BigramEmbedder) -> Iterator[Notes]:
    """The same home, opened; nothing is indexed yet."""
    with Notes(home, Settings()) as opened:
        yield opened


@pytest.fixture
def indexed(notes: Notes) -> Notes:
    """The same home, indexed."""
    notes.index()
    return notes


@pytest.fixture
def make_home(tmp_path: Path) -> Callable[..., Home]:
    """Makes further homes: `make_home("name", {"a.md": "…"})`."""

    def make(name: str, files: Mapping[str, str | bytes] | None = None) -> Home:
        folder = tmp_path / name
        (folder / "corpus").mkdir(parents=True)
        return Home(write_notes(folder, files or {}))

    return make
