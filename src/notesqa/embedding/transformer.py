"""Any sentence-transformers bi-encoder, by name or folder."""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from notesqa.embedding.hub import find_model, quiet
from notesqa.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from notesqa.config import EmbeddingSettings

    Vectors = NDArray[np.float32]

_SETTING = "embedding.model"
_QUERY_PROMPTS = ("query",)
_PASSAGE_PROMPTS = ("document", "passage", "corpus")
# What these were trained with and their files do not say: prompts of question and passage.
_FAMILIES = (
    (re.compile(r"(multilingual-)?e5-(small|base|large)(-v2)?"), "query: ", "passage: "),
    (
        re.compile(r"bge-(small|base|large)-zh(-v1\.5)?"),
        "为这个句子生成表示以用于检索相关文章：",
        "",
    ),
    (
        re.compile(r"bge-(small|base|large)-en(-v1\.5)?"),
        *("Represent this sentence for searching relevant passages: ", ""),
    ),
)
_LARGEST_BATCH = 256
_LARGEST_BATCH_CPU = 32
_ASSUMED_LENGTH = 512
_MEMORY_SHARE = 0.25


class TransformerEmbedder:
    """A bi-encoder run by sentence-transformers, on a GPU where there is one.

    The files are found and checked at once; torch and the model are loaded when a vector,
    a length or the dimension is first asked for. Safe to use from several threads, which
    take turns.

    Prompts: those of the settings, else the model's own (`query`; `document`, `passage`
    or `corpus`), else its default one, else those that models of its name are known to
    need (E5: Wang et al., 2022, arXiv:2212.03533; BGE: Xiao et al., 2023, arXiv:2309.07597).

    Raises:
        EmbeddingError: the model is not here, unsafe, or (later) cannot be loaded or run.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        self._folder = find_model(
            settings.model, allow_download=settings.allow_download, setting=_SETTING
        )
        self._lock = threading.RLock()
        self._loaded: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        """Model, version, and what of the settings changes its vectors."""
        settings = self._settings
        name = f"{self._folder.name}@{self._folder.version}"
        if settings.dimensions:
            name += f"/{settings.dimensions}"
        query, passage = self._family_prompts()
        query, passage = settings.query_prompt or query, settings.passage_prompt or passage
        if query or passage:
            prompts = f"{query}\0{passage}".encode()
            name += f"+{hashlib.blake2b(prompts, digest_size=4).hexdigest()}"
        return name

    @property
    def dimension(self) -> int:
        """Length of a vector: the model's own, or what the settings cut it to."""
        full = self._model.get_embedding_dimension()
        if full is None:
            return int(self.embed_queries([""]).shape[1])
        return min(full, self._settings.dimensions or full)

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage count, its prompt and special tokens taken off."""
        with self._lock:
            longest = self._model.max_seq_length
            if longest is None or math.isinf(longest) or longest > 1_000_000:
                return 0
            tokenizer = self._model.tokenizer
            special = getattr(tokenizer, "num_special_tokens_to_add", lambda: 0)()
            return max(1, int(longest) - special - self.count_tokens(self._passage_prompt))

    def count_tokens(self, text: str) -> int:
        """Length of `text` in tokens of the model's own tokenizer."""
        with self._lock:
            tokenizer = self._model.tokenizer
            if callable(tokenizer):
                ids = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)
                return len(ids["input_ids"])
            # A static model's tokenizer is a bare one.
            return len(tokenizer.encode(text, add_special_tokens=False))

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 of shape `(len(texts), dimension)`.

        Raises:
            EmbeddingError: the model cannot be loaded, or memory runs out.
        """
        return self._encode(texts, self._passage_prompt, "encode_document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of questions; same shape and errors as `embed_passages`."""
        return self._encode(texts, self._query_prompt, "encode_query")

    # -- loading ----------------------------------------------------------------------

    @property
    def _model(self) -> SentenceTransformer:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        quiet()
        settings, name = self._settings, self._folder.name
        with mapped(name):
            model = SentenceTransformer(
                str(self._folder.path),
                device=settings.device or None,
                local_files_only=True,
                trust_remote_code=False,
                truncate_dim=settings.dimensions or None,
                model_kwargs={"use_safetensors": True},
            )
        full = model.get_embedding_dimension()
        if full is not None and settings.dimensions > full:
            raise EmbeddingError(
                f"{name} has vectors of {full} dimensions, not {settings.dimensions}",
                f"set embedding.dimensions to at most {full}, or leave it out",
            )
        return model

    @property
    def _query_prompt(self) -> str:
        own = self._settings.query_prompt or self._own_prompt(_QUERY_PROMPTS)
        return own or self._family_prompts()[0]

    @property
    def _passage_prompt(self) -> str:
        own = self._settings.passage_prompt or self._own_prompt(_PASSAGE_PROMPTS)
        return own or self._family_prompts()[1]

    def _family_prompts(self) -> tuple[str, str]:
        """Prompts of question and passage by the model's name alone."""
        name = Path(self._folder.name).name
        for family, query, passage in _FAMILIES:
            if family.fullmatch(name):
                return query, passage
        return "", ""

    def _own_prompt(self, names: Sequence[str]) -> str:
        model = self._model
        prompts: Mapping[str, str | None] = model.prompts or {}
        for name in (*names, model.default_prompt_name):
            if name and prompts.get(name):
                return str(prompts[name])
        return ""

    # -- running ----------------------------------------------------------------------

    def _encode(self, texts: Sequence[str], prompt: str, method: str) -> Vectors:
        with self._lock:
            if not texts:
                return np.zeros((0, self.dimension), dtype=np.float32)
            encode = getattr(self._model, method)

            def run(batch: int) -> Any:
                return encode(
                    list(texts),
                    prompt=prompt,
                    batch_size=batch,
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    normalize_embeddings=False,
                )

            with mapped(self._folder.name):
                raw = halving(run, self._settings.batch_size or batch_size(self._model))
        vectors = np.asarray(raw, dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise EmbeddingError(
                f"{self._folder.name} gives vectors that are no numbers",
                'try embedding.device = "cpu", or another model',
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


class mapped:  # noqa: N801 - used as `with mapped(name):`
    """Turns what loading or running a model may raise into an `EmbeddingError`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from safetensors import SafetensorError

        if error is None or isinstance(error, EmbeddingError):
            return
        line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if _out_of_memory(error):
            raise EmbeddingError(
                f"{self._name}: out of memory even for one text at a time",
                'set embedding.device = "cpu", or choose a smaller model',
            ) from error
        if isinstance(error, ImportError):
            raise EmbeddingError(f"{self._name} needs a package: {line}", "install it") from error
        known = (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError)
        if isinstance(error, (*known, RuntimeError, SafetensorError)):
            raise EmbeddingError(
                f"the model {self._name} cannot be used: {line}",
                "check its folder and embedding.device, or choose another model",
            ) from error


def halving(run: Callable[[int], Any], batch: int) -> Any:
    """`run(batch)`, with half the batch again each time a GPU's memory is too small."""
    while True:
        try:
            return run(batch)
        except RuntimeError as error:
            if batch <= 1 or not _out_of_memory(error):
                raise
            batch //= 2
            _free_gpu()


def batch_size(model: Any) -> int:
    """How many texts fit at once into a quarter of the memory that is free.

    An estimate from the model's sizes: for each token the activations of one layer in
    float32, and its row of attention weights in every head. Layers are not added up,
    since nothing is kept for a backward pass.
    """
    import torch

    inner = getattr(model, "transformers_model", None)
    config = getattr(inner, "config", None)
    hidden = int(getattr(config, "hidden_size", 0) or 0)
    if not hidden:
        return _LARGEST_BATCH
    longest = getattr(model, "max_seq_length", None) or getattr(model, "max_length", None)
    length = min(int(longest), 8192) if longest else _ASSUMED_LENGTH
    wide = int(getattr(config, "intermediate_size", 0) or 4 * hidden)
    heads = int(getattr(config, "num_attention_heads", 0) or hidden // 64 or 1)
    each = 4 * length * (8 * hidden + 2 * wide + 2 * heads * length)
    if model.device.type == "cuda":
        free, most = torch.cuda.mem_get_info(model.device)[0], _LARGEST_BATCH
    else:
        free, most = _free_memory(), _LARGEST_BATCH_CPU
    return max(1, min(most, int(free * _MEMORY_SHARE) // each))


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2 << 30


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _free_gpu() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
