"""Tiny models of random weights, made on the spot for the tests of embedders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a b c x loss model dropout query passage : training random "
    "批 归 一 化 在 小 量 上 的 是 项 正 则 激 活"
).split()
LENGTH = 48


def _tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]

    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(_WORDS) + "\n", encoding="utf-8")
    return BertTokenizerFast(str(vocabulary), do_lower_case=True, model_max_length=LENGTH)


def _config(**more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        **more,
    )


def tiny_bert(folder: Path, *, prompts: dict[str, str] | None = None, seed: int = 0) -> Path:
    """A bi-encoder of random weights in `folder`, with the given prompts of its own."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(seed)
    inner = folder / "inner"
    inner.mkdir(parents=True)
    # The first weights of a BERT are so small that every text comes out alike.
    BertModel(_config(initializer_range=0.6)).save_pretrained(inner)
    _tokenizer(folder).save_pretrained(inner)
    transformer = Transformer(str(inner), max_seq_length=LENGTH)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    model = SentenceTransformer(modules=[transformer, pooling], prompts=prompts, device="cpu")
    path = folder / "model"
    model.save(str(path))
    return path


def tiny_static(folder: Path) -> Path:
    """A static model of random weights, as sentence-transformers itself saves one."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder)
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_dim=24)], device="cpu"
    )
    path = folder / "model"
    model.save(str(path))
    return path


def tiny_cross_encoder(folder: Path, *, labels: int = 1, seed: int = 0) -> Path:
    """A CrossEncoder of random weights."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    path = folder / "cross"
    path.mkdir(parents=True)
    config = _config(initializer_range=0.6, num_labels=labels)
    BertForSequenceClassification(config).save_pretrained(path)
    _tokenizer(folder).save_pretrained(path)
    return path


def edit_json(path: Path, **changes: Any) -> None:
    """Change some keys of a JSON object in a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(changes)
    path.write_text(json.dumps(content), encoding="utf-8")
