"""The training: small from end to end, learns, and goes on where it was interrupted."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from training.contrastive import Batch, Schedule, train
from training.evaluate import Bm25, mrr, ranks
from training.examples import Mixture, Terms
from training.export import export, quantize
from training.train import Recipe, Run
from training.vocabulary import untrained

from notesqa.embedding.builtin import BuiltinEmbedder

TOPICS = {
    "卷积": ("感受野", "卷积核在图像上滑动，权重共享。", "步长决定输出的大小。"),
    "注意力": ("点积注意力", "查询与键的点积除以维度的平方根。", "softmax 给出权重。"),
    "优化": ("学习率预热", "先从很小的学习率开始。", "然后按余弦下降。"),
    "正则化": ("丢弃法 Dropout", "训练时随机把神经元置零。", "推断时不再丢弃。"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    sections, pairs = [], []
    for title, (heading, *sentences) in TOPICS.items():
        for n in range(12):
            text = f"{sentences[0]}第 {n} 个例子说明{title}。{sentences[1]}"
            common = {"set": "own", "text": text}
            sections.append({**common, "id": f"{title}{n}", "title": title, "heading": heading})
            pairs.append({**common, "query": f"{heading} {n}", "context": title})
    for name, found in (("text", sections), ("pairs", pairs)):
        with gzip.open(folder / "train" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (folder / "train" / "manifest.json").write_text(json.dumps({"own": {"domain": "ml"}}))
    (folder / "terms.jsonl").write_text(
        json.dumps({"zh": "卷积核", "en": "kernel", "abbr": ""}, ensure_ascii=False)
    )
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices: threads that wait for each other cost more than they bring."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(steps: int) -> Recipe:
    return dataclasses.replace(
        Recipe(),
        han_words=400,
        other_pieces=60,
        dimension=16,
        batch=24,
        schedule=Schedule(steps=steps, rate=0.02, warmup=5),
        mixture=Mixture(headings=0.6, cloze=0.3, terms=0.1),
    )


def test_a_small_training_learns_its_topics(data: Path, tmp_path: Path) -> None:
    Run(data, tmp_path / "work", small(60)).make(tmp_path / "model")
    model = BuiltinEmbedder(tmp_path / "model")
    passages = model.embed_passages(["".join(t[1:]) for t in TOPICS.values()])
    questions = model.embed_queries([f"什么是{t[0]}" for t in TOPICS.values()])
    best = (questions @ passages.T).argmax(axis=1)
    assert best.tolist() == [0, 1, 2, 3]
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    Run(data, tmp_path / "work", small(60)).make(tmp_path / "again")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "work").iterdir()} == kept
    assert BuiltinEmbedder(tmp_path / "again").name == model.name


def _batch(step: int) -> Batch:
    rng = np.random.default_rng(step)
    ids = [rng.integers(1, 50, 6).astype(np.int32) for _ in range(16)]
    return Batch(ids, [row[::-1][:4] for row in ids], np.arange(16))


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    first = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    schedule = Schedule(steps=220)
    whole = train(first, _batch, schedule)

    def interrupted(step: int) -> Batch:
        if step == 150:
            raise KeyboardInterrupt
        return _batch(step)

    state = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        train(first, interrupted, schedule, checkpoint=state)
    asked: list[int] = []

    def remembered(step: int) -> Batch:
        asked.append(step)
        return _batch(step)

    resumed = train(first, remembered, schedule, checkpoint=state)
    assert asked == list(range(100, 220))
    np.testing.assert_allclose(resumed, whole, atol=1e-5)
    assert not resumed[0].any()


def test_rows_of_one_group_are_not_held_against_each_other() -> None:
    """Two questions with the same section: were they negatives, the loss could not fall."""
    first = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    ids = [np.array([n], dtype=np.int32) for n in (1, 2, 3)]
    answers = [np.array([n], dtype=np.int32) for n in (5, 5, 6)]
    losses: dict[str, list[float]] = {"grouped": [], "apart": []}
    for name, groups in (("grouped", [0, 0, 1]), ("apart", [0, 1, 2])):
        batch = Batch(ids, answers, np.array(groups))
        train(
            first,
            lambda _, batch=batch: batch,  # type: ignore[misc]
            Schedule(steps=120, rate=0.05, warmup=1),
            report=lambda _, loss, name=name: losses[name].append(loss),  # type: ignore[misc]
        )
    assert losses["grouped"][-1] < 0.05
    assert losses["apart"][-1] > 0.4


def test_eight_bits_are_near_enough() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32)
    vectors[0] = 0
    integers, scales = quantize(vectors)
    back = integers * scales[:, None]
    cosine = (back * vectors).sum(1)[1:] / (
        np.linalg.norm(back, axis=1) * np.linalg.norm(vectors, axis=1)
    )[1:]
    assert cosine.min() > 0.9999
    assert not back[0].any()


def test_an_exported_model_is_read_by_its_loader(tmp_path: Path) -> None:
    from tokenizers import models

    tokenizer = untrained()
    tokenizer.model = models.Unigram([("[UNK]", -20.0), ("模型", -1.0), ("loss", -1.0)], 0, False)
    export(tmp_path, tokenizer, np.diag([0, 2, 1]).astype(np.float32))
    vectors = BuiltinEmbedder(tmp_path).embed_passages(["模型", "Loss", "模型loss"])
    expected = np.array([[0, 1, 0], [0, 0, 1], [0, 2 / 5**0.5, 1 / 5**0.5]])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_terms_change_language_and_nothing_else_does() -> None:
    import random

    terms = Terms([("批归一化", "batch normalization"), ("损失", "loss")])
    rng = random.Random(0)
    assert terms.translate("什么是批归一化", rng).split() == ["什么是", "batch", "normalization"]
    assert terms.translate("Batch Normalization 的损失", rng).split() == ["批归一化", "的", "loss"]
    assert terms.translate("glossy", rng) == "glossy"


def test_ranks_count_ties_half() -> None:
    scores = np.array([[3, 2, 1], [1, 1, 1], [0, 5, 5]], dtype=np.float32)
    found = ranks(scores, np.array([0, 1, 0]))
    assert found.tolist() == [1, 2, 3]
    assert mrr(found) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_bm25_finds_words_and_pairs_of_characters() -> None:
    engine = Bm25(["卷积核在图像上滑动", "注意力的查询与键", "学习率预热"])
    scores = engine.scores(["什么是注意力？", "请介绍一下卷积核"])
    assert scores.argmax(axis=1).tolist() == [1, 0]
    assert scores[0, 2] == 0
