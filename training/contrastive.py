"""Contrastive training of the token vectors.

A question and its passage are pulled together, against all other passages of the batch
(InfoNCE; van den Oord et al., 2018, arXiv:1807.03748), in both directions. The vector of
a text is the plain mean of its tokens' vectors, so their lengths learn how much each
token counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own code uses
from numpy.typing import NDArray

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids of questions and of the passages that answer them, row by row.

    Attributes:
        groups: rows of the same group are not held against each other (the same
            section).
    """

    questions: Sequence[Ids]
    passages: Sequence[Ids]
    groups: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes:
        rate: peak of the learning rate, reached after `warmup` steps; falls to zero.
        temperature: of the softmax over cosines.
    """

    steps: int
    rate: float = 2e-3
    warmup: int = 30
    temperature: float = 0.07


def _bag(texts: Sequence[Ids], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = np.array([len(t) for t in texts])
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    flat = np.concatenate(list(texts)).astype(np.int64)
    return torch.from_numpy(flat).to(device), torch.from_numpy(offsets).to(device)


def train(
    first: NDArray[np.float32],
    batches: Callable[[int], Batch],
    schedule: Schedule,
    *,
    checkpoint: Path | None = None,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> NDArray[np.float32]:
    """Train from the vectors `first`; row 0, the unknown token, stays zero.

    Args:
        batches: the batch of each step; the same step gives the same batch, which makes
            a run that was interrupted continue as if it had not been.
        checkpoint: where the state is kept every 100 steps, and read from if present.
        report: called every 20 steps with the mean loss since the last call.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weight = torch.nn.Parameter(torch.tensor(first, device=device))
    optimizer = torch.optim.Adam([weight], lr=schedule.rate, betas=(0.9, 0.99), fused=True)
    start = 0
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        with torch.no_grad():
            weight.copy_(state["weight"])
        optimizer.load_state_dict(state["optimizer"])
        start = int(state["step"])
    losses: list[float] = []
    for step in range(start, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * _pace(step, schedule)
        loss = _loss(weight, batches(step), schedule.temperature, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            weight[0] = 0.0
        losses.append(loss.item())
        if (step + 1) % 20 == 0:
            report(step + 1, float(np.mean(losses)))
            losses.clear()
        if checkpoint is not None and (step + 1) % 100 == 0:
            state = {"weight": weight.data, "optimizer": optimizer.state_dict(), "step": step + 1}
            partial = checkpoint.with_suffix(".part")
            torch.save(state, partial)
            partial.replace(checkpoint)
    return np.asarray(weight.detach().cpu().numpy(), dtype=np.float32)


def _pace(step: int, schedule: Schedule) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    return max(0.02, 1.0 - (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup))


def _loss(
    weight: torch.Tensor, batch: Batch, temperature: float, device: torch.device
) -> torch.Tensor:
    questions = F.normalize(F.embedding_bag(*_pair(batch.questions, weight, device), mode="mean"))
    passages = F.normalize(F.embedding_bag(*_pair(batch.passages, weight, device), mode="mean"))
    logits = questions @ passages.T / temperature
    groups = torch.from_numpy(batch.groups).to(device)
    same = groups[:, None] == groups[None, :]
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, -1e4)
    labels = torch.arange(len(groups), device=device)
    return F.cross_entropy(logits, labels) + 0.5 * F.cross_entropy(logits.T, labels)


def _pair(
    texts: Sequence[Ids], weight: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    flat, offsets = _bag(texts, device)
    return flat, weight, offsets
