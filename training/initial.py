"""First vectors: positive pointwise mutual information, factorised.

Levy & Goldberg (2014), "Neural word embedding as implicit matrix factorization"; the
smoothed context distribution (power 0.75) and the square root of the singular values are
those of Levy, Goldberg & Dagan (2015), "Improving distributional similarity".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd


def cooccurrences(
    texts: Sequence[NDArray[np.int32]],
    weights: Sequence[float],
    vocabulary: int,
    *,
    window: int,
    keep: NDArray[np.float32],
    seed: int,
) -> sp.csr_matrix:
    """How often two tokens stand within `window` of each other, nearer ones counting more.

    Args:
        texts: token ids of each text.
        weights: what each text counts.
        keep: for each token the chance that an occurrence counts (frequent words are
            thinned out, as in word2vec).
    """
    rng = np.random.default_rng(seed)
    total = sp.csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    batch: list[NDArray[np.int32]] = []
    shares: list[NDArray[np.float32]] = []
    size = 0

    def flush(total: sp.csr_matrix) -> sp.csr_matrix:
        flat, share = np.concatenate(batch), np.concatenate(shares)
        left, right, count = [], [], []
        for distance in range(1, window + 1):
            a, b = flat[:-distance], flat[distance:]
            valid = (a >= 0) & (b >= 0)
            left.append(a[valid])
            right.append(b[valid])
            count.append(share[:-distance][valid] / distance**0.5)
        part = sp.coo_matrix(
            (np.concatenate(count), (np.concatenate(left), np.concatenate(right))),
            shape=total.shape,
            dtype=np.float32,
        )
        return total + part.tocsr()

    gap = np.full(window, -1, dtype=np.int32)
    for ids, weight in zip(texts, weights, strict=True):
        kept = ids[rng.random(len(ids)) < keep[ids]]
        batch += [kept, gap]
        shares.append(np.full(len(kept) + window, weight, dtype=np.float32))
        size += len(kept) + window
        if size > 1_500_000:
            total = flush(total)
            batch, shares, size = [], [], 0
    if batch:
        total = flush(total)
    return (total + total.T).tocsr()


def ppmi_vectors(
    counts: sp.csr_matrix, dimension: int, *, seed: int, shift: float = 0.0
) -> NDArray[np.float32]:
    """Unit vectors of each token from its co-occurrences; zeros where it has none."""
    matrix = counts.tocoo()
    matrix.sum_duplicates()
    rows = np.asarray(counts.sum(axis=1)).ravel() + 1e-9
    smooth = rows**0.75
    smooth /= smooth.sum()
    share = rows / rows.sum()
    values = np.log((matrix.data / rows.sum()) / (share[matrix.row] * smooth[matrix.col])) - shift
    positive = values > 0
    ppmi = sp.csr_matrix(
        (values[positive].astype(np.float32), (matrix.row[positive], matrix.col[positive])),
        shape=counts.shape,
    )
    u, s, _ = randomized_svd(ppmi, dimension, n_iter=3, n_oversamples=32, random_state=seed)
    vectors = u * np.sqrt(s)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), dtype=np.float32)
