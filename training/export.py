"""Writing a trained model in the format of sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer

MODULE = "0_StaticEmbedding"


def quantize(
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """8-bit integers and one scale a row, so that `integers * scale` is nearly `vectors`."""
    peak = np.abs(vectors).max(axis=1)
    scales = np.where(peak > 0, peak / 127.0, 0.0).astype(np.float32)
    divisor = np.where(scales > 0, scales, 1.0)[:, None]
    return np.rint(vectors / divisor).astype(np.int8), scales


def export(folder: Path, tokenizer: Tokenizer, vectors: NDArray[np.float32]) -> None:
    """Write `folder`, so that `SentenceTransformer(folder)` and `BuiltinEmbedder` load it.

    The tensors are named as model2vec names them (`embeddings`, `weights`), which
    sentence-transformers folds into float32 vectors on loading; plain 8-bit or 16-bit
    `embedding.weight` it would train or average in that precision.
    """
    module = folder / MODULE
    module.mkdir(parents=True, exist_ok=True)
    (folder / "1_Normalize").mkdir(exist_ok=True)
    integers, scales = quantize(vectors)
    save_file({"embeddings": integers, "weights": scales}, module / "model.safetensors")
    (module / "model.safetensors").chmod(0o644)  # safetensors keeps it to its owner
    tokenizer.save(str(module / "tokenizer.json"), pretty=False)
    package = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": MODULE, "type": f"{package}.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{package}.Normalize"},
    ]
    _write(folder / "modules.json", modules)
    _write(
        folder / "config_sentence_transformers.json",
        {"model_type": "SentenceTransformer", "prompts": {}, "similarity_fn_name": "cosine"},
    )
    (folder / "1_Normalize").rmdir()


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
