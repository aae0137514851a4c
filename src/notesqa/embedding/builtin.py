"""The built-in embedder: a mean of token vectors, without torch.

The model ships with the package in the format of sentence-transformers, so
`SentenceTransformer(model_folder())` gives the same vectors. A vector per token is kept as
8-bit integers with one scale each (`embeddings` and `weights`); the scale carries how
much the token counts. All normalising of characters happens inside `tokenizer.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from notesqa.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Encoding, Tokenizer

    Vectors = NDArray[np.float32]

_MODULE = "0_StaticEmbedding"
_HINT = "reinstall notesqa: its packaged model is missing or damaged"
_TOKENS_AT_ONCE = 1 << 16
_TEXTS_AT_ONCE = 256


def model_folder() -> Path:
    """Where the shipped model lies."""
    return Path(__file__).parent / "model"


class BuiltinEmbedder:
    """The static embedder that ships with notesqa; needs neither torch nor a network.

    Questions and passages go through the same vectors. Texts of any length count
    whole. Safe to use from several threads.

    Args:
        folder: a model of the same format; the shipped one by default.

    Raises:
        EmbeddingError: the folder holds no such model, or a damaged one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or model_folder()
        self._tokenizer = _load_tokenizer(folder / _MODULE / "tokenizer.json")
        weights_file = folder / _MODULE / "model.safetensors"
        self._vectors, self._scales = _load_vectors(weights_file)
        if len(self._vectors) != self._tokenizer.get_vocab_size():
            raise EmbeddingError(
                f"{folder}: {self._tokenizer.get_vocab_size()} tokens, "
                f"but {len(self._vectors)} vectors",
                _HINT,
            )
        self._name = f"builtin-{_fingerprint(folder)}"

    @property
    def name(self) -> str:
        """`builtin-` and a hash of the model's files."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    @property
    def max_tokens(self) -> int:
        """0: every token of a text counts."""
        return 0

    def count_tokens(self, text: str) -> int:
        """Length of `text` in tokens."""
        # Without the offsets of the tokens, which take a third of the time.
        return len(self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 of shape `(len(texts), dimension)`; zeros for no token."""
        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = list(texts[start : start + _TEXTS_AT_ONCE])
            encodings = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                result[row] = self._mean(encoding)
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        # The floor of torch.nn.functional.normalize, so that both loaders agree.
        return np.asarray(result / np.maximum(norms, 1e-12), dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """The same as `embed_passages`."""
        return self.embed_passages(texts)

    def _mean(self, encoding: Encoding) -> NDArray[np.float32]:
        ids = np.asarray(encoding.ids, dtype=np.int64)
        total = np.zeros(self.dimension, dtype=np.float32)
        for start in range(0, len(ids), _TOKENS_AT_ONCE):
            some = ids[start : start + _TOKENS_AT_ONCE]
            total += self._scales[some] @ self._vectors[some].astype(np.float32)
        return total / np.float32(max(len(ids), 1))


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EmbeddingError(f"cannot read {path}: {error}", _HINT) from error
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:
        if type(error) is not Exception:  # tokenizers raises the bare class, and no other
            raise
        raise EmbeddingError(f"{path} is no tokenizer: {error}", _HINT) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _load_vectors(path: Path) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise EmbeddingError(f"cannot read {path}: {error}", _HINT) from error
    vectors, scales = tensors.get("embeddings"), tensors.get("weights")
    if (
        vectors is None
        or scales is None
        or vectors.dtype != np.int8
        or vectors.ndim != 2
        or scales.shape != vectors.shape[:1]
    ):
        raise EmbeddingError(f"{path} does not hold 8-bit vectors with their scales", _HINT)
    return vectors, scales.astype(np.float32)


def _fingerprint(folder: Path) -> str:
    """A hash of the files that decide the vectors."""
    digest = hashlib.blake2b(digest_size=6)
    for name in ("tokenizer.json", "model.safetensors"):
        digest.update((folder / _MODULE / name).read_bytes())
    return digest.hexdigest()
