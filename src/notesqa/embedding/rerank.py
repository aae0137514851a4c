"""Any sentence-transformers CrossEncoder as a reranker."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from notesqa.embedding.hub import find_model, quiet
from notesqa.embedding.transformer import batch_size, halving, mapped
from notesqa.errors import EmbeddingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SETTING = "retrieval.reranker"


class CrossEncoderReranker:
    """Scores how well each text answers a question, reading both together.

    Args:
        name_or_path: a folder, or a name on the Hugging Face hub.
        allow_download: fetch it when it is not here.
        device: `cpu`, `cuda`, …; empty for the best there is.

    Raises:
        EmbeddingError: not here, unsafe, damaged, or it gives more than one score a pair.
    """

    def __init__(
        self, name_or_path: str, *, allow_download: bool = False, device: str = ""
    ) -> None:
        self._folder = find_model(name_or_path, allow_download=allow_download, setting=_SETTING)
        from sentence_transformers import CrossEncoder

        quiet()
        with mapped(self._folder.name):
            self._model = CrossEncoder(
                str(self._folder.path),
                device=device or None,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
            labels = self._model.num_labels
        if labels != 1:
            raise EmbeddingError(
                f"{name_or_path} gives {labels} scores for a pair, a reranker gives one",
                f"choose a model trained for reranking in {_SETTING}",
            )
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Model and version."""
        return f"{self._folder.name}@{self._folder.version}"

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """A score for each of `texts`, higher is better; shape `(len(texts),)`.

        Raises:
            EmbeddingError: the model fails on them, or memory runs out.
        """
        if not texts:
            return np.zeros(0, dtype=np.float32)
        pairs = [(query, text) for text in texts]

        def run(batch: int) -> Any:
            return self._model.predict(pairs, batch_size=batch, show_progress_bar=False)

        with self._lock, mapped(self._folder.name):
            scores = np.asarray(halving(run, batch_size(self._model)), dtype=np.float32)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise EmbeddingError(f"{self._folder.name} gives no usable scores", "choose another")
        return scores
