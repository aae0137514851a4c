"""Hub models: prompts, dimensions, names, and the refusals."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from notesqa.config import EmbeddingSettings
from notesqa.embedding.rerank import CrossEncoderReranker
from notesqa.embedding.transformer import TransformerEmbedder, batch_size, halving
from notesqa.errors import EmbeddingError
from tests.embedding_models import LENGTH, edit_json, tiny_bert, tiny_cross_encoder

PROMPTS = {"query": "query : ", "passage": "passage : "}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("prompted"), prompts=PROMPTS)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("cross"))


def opened(path: Path | str, **more: object) -> TransformerEmbedder:
    settings = EmbeddingSettings(model=str(path), device="cpu")
    return TransformerEmbedder(dataclasses.replace(settings, **more))  # type: ignore[arg-type]


def test_the_models_own_prompts_are_honoured(plain: Path, prompted: Path) -> None:
    with_prompts, without = opened(prompted), opened(plain)
    np.testing.assert_allclose(
        with_prompts.embed_queries(["dropout"]),
        without.embed_queries(["query : dropout"]),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        with_prompts.embed_passages(["dropout"]),
        without.embed_passages(["passage : dropout"]),
        atol=1e-6,
    )
    assert with_prompts.max_tokens == without.max_tokens - 2 == LENGTH - 2 - 2


def test_prompts_of_the_settings_win(prompted: Path, plain: Path) -> None:
    model = opened(prompted, query_prompt="x ", passage_prompt="loss ")
    reference = opened(plain)
    np.testing.assert_allclose(
        model.embed_queries(["model"]), reference.embed_queries(["x model"]), atol=1e-6
    )
    np.testing.assert_allclose(
        model.embed_passages(["model"]), reference.embed_passages(["loss model"]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("multilingual-e5-small", "query: ", "passage: "),
        ("e5-large-v2", "query: ", "passage: "),
        ("bge-base-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-m3", "", ""),
        ("e5-small-of-mine", "", ""),
    ],
)
def test_models_of_known_families_get_their_prompts(
    name: str, query: str, passage: str, plain: Path, tmp_path: Path
) -> None:
    """Their files do not name them."""
    model, reference = opened(shutil.copytree(plain, tmp_path / name)), opened(plain)
    for given, prompt, embed in (
        (model.embed_queries, query, reference.embed_queries),
        (model.embed_passages, passage, reference.embed_passages),
    ):
        np.testing.assert_allclose(given(["loss"]), embed([f"{prompt}loss"]), atol=1e-6)
    # Vectors made before the prompts were known are not taken for these.
    assert ("+" in model.name) == bool(query)
    own = opened(tmp_path / name, query_prompt="x ")
    np.testing.assert_allclose(
        own.embed_queries(["loss"]), reference.embed_queries(["x loss"]), atol=1e-6
    )


def test_the_models_own_prompts_go_before_its_familys(prompted: Path, tmp_path: Path) -> None:
    model = opened(shutil.copytree(prompted, tmp_path / "e5-small"))
    np.testing.assert_allclose(
        model.embed_queries(["loss"]), opened(prompted).embed_queries(["loss"]), atol=1e-6
    )


def test_dimensions_cut_the_vector_and_keep_its_length(plain: Path) -> None:
    full, cut = opened(plain), opened(plain, dimensions=8)
    assert (full.dimension, cut.dimension) == (32, 8)
    head = full.embed_passages(["training loss"])[:, :8]
    head /= np.linalg.norm(head)
    np.testing.assert_allclose(cut.embed_passages(["training loss"]), head, atol=1e-6)


def test_more_dimensions_than_there_are_is_an_error(plain: Path) -> None:
    with pytest.raises(EmbeddingError, match="32 dimensions, not 64") as caught:
        opened(plain, dimensions=64).embed_queries(["x"])
    assert "embedding.dimensions" in caught.value.hint


def test_what_changes_vectors_changes_the_name(plain: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(plain, tmp_path / "copy"))
    edit_json(copy / "config.json", layer_norm_eps=1e-3)
    variants = [
        opened(plain),
        opened(plain, dimensions=8),
        opened(plain, query_prompt="query : "),
        opened(plain, passage_prompt="query : "),
        opened(copy),
    ]
    assert len({v.name for v in variants}) == len(variants)
    assert opened(plain).name == opened(plain, batch_size=3).name


def test_batch_size_changes_no_vector(plain: Path) -> None:
    texts = ["dropout loss " * n for n in range(1, 12)]
    np.testing.assert_allclose(
        opened(plain, batch_size=2).embed_passages(texts),
        opened(plain).embed_passages(texts),
        atol=2e-5,
    )


def test_a_model_that_is_not_here_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr("socket.socket.connect", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    with pytest.raises(EmbeddingError, match="not on this machine") as caught:
        opened("nobody/no-such-model")
    assert "embedding.allow_download = true" in caught.value.hint


@pytest.mark.parametrize("name", ["./missing", "/no/such/folder", "~/missing-model", "a/b/c"])
def test_a_missing_folder_is_no_hub_name(name: str) -> None:
    with pytest.raises(EmbeddingError, match="no model folder"):
        opened(name, allow_download=True)


def test_a_name_that_cannot_be_is_an_error() -> None:
    with pytest.raises(EmbeddingError, match="cannot be fetched"):
        opened("two words/?")


def test_a_file_or_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(EmbeddingError, match="is a file"):
        opened(file)
    with pytest.raises(EmbeddingError, match="no sentence-transformers model"):
        opened(tmp_path)


def test_pickled_weights_are_refused_unread(plain: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(plain, tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.")
    with pytest.raises(EmbeddingError, match="pickle"):
        opened(copy)


def test_code_of_the_models_own_is_refused(plain: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(plain, tmp_path / "copy"))
    modules = json.loads((copy / "modules.json").read_text())
    modules[1]["type"] = "custom_pooling.Evil"
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "custom_pooling.py").write_text("raise SystemExit('ran')")
    with pytest.raises(EmbeddingError, match="code of its own"):
        opened(copy)
    modules[1] |= {"type": "sentence_transformers.models.Pooling", "path": "../../outside"}
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EmbeddingError, match="out of its folder"):
        opened(copy)


@pytest.mark.parametrize("damage", ["cut weights", "no tokenizer", "bad config", "bad modules"])
def test_a_damaged_model_is_one_clear_error(plain: Path, tmp_path: Path, damage: str) -> None:
    copy = Path(shutil.copytree(plain, tmp_path / "copy"))
    if damage == "cut weights":
        weights = copy / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-5000])
    elif damage == "no tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            (copy / name).unlink(missing_ok=True)
    elif damage == "bad config":
        (copy / "config.json").write_text("{")
    else:
        (copy / "modules.json").write_text('[{"type": 3}]')
    with pytest.raises(EmbeddingError) as caught:
        opened(copy).embed_queries(["dropout"])
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_device_that_is_not_there_is_an_error(plain: Path) -> None:
    with pytest.raises(EmbeddingError, match="cannot be used"):
        opened(plain, device="no-such-device").embed_queries(["x"])


def test_long_text_is_counted_without_a_warning(
    plain: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        assert opened(plain).count_tokens("dropout " * 500) == 500
    assert not caplog.records
    assert "longer than" not in capfd.readouterr().err


def test_loading_draws_nothing_on_the_terminal(
    plain: Path, cross: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    opened(plain).embed_queries(["x"])
    CrossEncoderReranker(str(cross), device="cpu").score("x", ["loss"])
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_batches_are_halved_until_they_fit() -> None:
    tried: list[int] = []

    def run(batch: int) -> str:
        tried.append(batch)
        if batch > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return "done"

    assert halving(run, 32) == "done"
    assert tried == [32, 16, 8, 4]
    with pytest.raises(RuntimeError, match="shape"):
        halving(lambda _: (_ for _ in ()).throw(RuntimeError("bad shape")), 32)


def test_the_batch_fits_the_memory(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(plain)._model
    assert batch_size(model) == 32
    monkeypatch.setattr("notesqa.embedding.transformer._free_memory", lambda: 1 << 20)
    assert 1 <= batch_size(model) < 8


# -- rerankers ------------------------------------------------------------------------


def test_a_reranker_scores_each_text_alike_in_any_company(cross: Path) -> None:
    reranker = CrossEncoderReranker(str(cross), device="cpu")
    texts = ["批归一化", "training loss", "x", "dropout model " * 40]
    scores = reranker.score("batch dropout", texts)
    assert scores.dtype == np.float32
    assert scores.shape == (4,)
    assert len(set(scores.round(6))) == 4
    alone = [reranker.score("batch dropout", [text])[0] for text in texts]
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    assert reranker.score("x", []).shape == (0,)
    assert scores[0] != reranker.score("loss x", texts)[0]


def test_a_reranker_is_named_by_its_files(cross: Path, tmp_path: Path) -> None:
    other = tiny_cross_encoder(tmp_path, seed=1)
    assert CrossEncoderReranker(str(cross)).name != CrossEncoderReranker(str(other)).name


def test_a_classifier_is_no_reranker(tmp_path: Path) -> None:
    path = tiny_cross_encoder(tmp_path, labels=3)
    with pytest.raises(EmbeddingError, match="3 scores for a pair"):
        CrossEncoderReranker(str(path), device="cpu")


def test_a_missing_reranker_names_its_setting() -> None:
    with pytest.raises(EmbeddingError) as caught:
        CrossEncoderReranker("nobody/no-such-reranker")
    assert "retrieval.reranker" in caught.value.hint
