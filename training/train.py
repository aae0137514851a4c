"""Make the built-in embedder: `python -m training.train --data DIR --out DIR`.

Stages: tokenizer, first vectors, contrastive training, export. Each keeps
its result in the work folder under a name made of all its settings, so a run that was
interrupted goes on where it stopped, and a changed setting repeats what depends on it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

import notesqa.text
from training.contrastive import Ids, Schedule, train
from training.examples import Examples, Mixture, Terms, encode
from training.export import export
from training.initial import cooccurrences, ppmi_vectors
from training.reading import Pair, Section, read_pairs, read_sections, rows
from training.vocabulary import build_tokenizer, untrained

_REVIEWED = Path(notesqa.text.__file__).parent / "terms.tsv"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that decides the model.

    Attributes:
        leave_out: sets that are measured on, or that a ranker learns from.
        weight_ml, weight_cs, weight_machine: what a section counts, by the field of its
            set, and for the machine-translated one.
        frequent: share of a token above which its occurrences are thinned out.
        common: tokens with a share above it start with shorter vectors (the weighting of
            Arora et al., 2017, "A simple but tough-to-beat baseline").
    """

    leave_out: tuple[str, ...] = ("javaguide", "tidb_docs")
    han_words: int = 26_000
    other_pieces: int = 12_000
    dimension: int = 256
    window: int = 5
    frequent: float = 1e-4
    common: float = 1e-3
    batch: int = 1024
    weight_ml: float = 1.0
    weight_cs: float = 0.6
    weight_machine: float = 0.1
    machine_translated: tuple[str, ...] = ("cpp_docs_zh",)
    schedule: Schedule = dataclasses.field(default_factory=lambda: Schedule(steps=700))
    mixture: Mixture = dataclasses.field(default_factory=lambda: Mixture())
    seed: int = 1


class Run:
    """One training with its work folder."""

    def __init__(self, data: Path, work: Path, recipe: Recipe) -> None:
        self._data, self._work, self._recipe = data, work, recipe
        self._began = time.monotonic()
        work.mkdir(parents=True, exist_ok=True)
        self._sections: list[Section] = read_sections(data, recipe.leave_out)
        self._pairs: list[Pair] = read_pairs(data, recipe.leave_out)
        self._shares = self._read_shares()
        self.say(f"{len(self._sections)} sections, {len(self._pairs)} pairs")

    def say(self, line: str) -> None:
        """Progress, to stderr."""
        print(f"{time.monotonic() - self._began:7.1f} s  {line}", file=sys.stderr, flush=True)

    def make(self, out: Path) -> None:
        """Go through all stages and write the model to `out`."""
        tokenizer = self._tokenizer()
        ids = encode(tokenizer, [f"{s.title}\n{s.heading}\n{s.text}" for s in self._sections])
        self.say(f"{tokenizer.get_vocab_size()} pieces, {sum(map(len, ids))} tokens of text")
        first = self._first(tokenizer, ids)
        trained = self._trained(tokenizer, first)
        export(out, tokenizer, trained)
        size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        self.say(f"wrote {out}: {size / 1e6:.1f} MB")

    # -- stages -----------------------------------------------------------------------

    def _tokenizer(self) -> Tokenizer:
        r = self._recipe
        settings = (r.leave_out, r.han_words, r.other_pieces, r.seed, untrained().to_str())
        path = self._kept("tokenizer", ".json", *settings)
        if not path.exists():
            tokenizer = build_tokenizer(
                self._sections,
                han_words=r.han_words,
                other_pieces=r.other_pieces,
                seed=r.seed,
                share=self._share,
            )
            _replace(path, lambda part: tokenizer.save(str(part), pretty=False))
        return Tokenizer.from_file(str(path))

    def _first(self, tokenizer: Tokenizer, ids: Sequence[Ids]) -> NDArray[np.float32]:
        r = self._recipe
        weights = [self._share(s.origin) for s in self._sections]
        size = tokenizer.get_vocab_size()
        counts = np.zeros(size)
        for row, weight in zip(ids, weights, strict=True):
            counts += weight * np.bincount(row, minlength=size)
        share = counts / counts.sum()
        path = self._kept(
            "first", ".npy", tokenizer.to_str(), r.dimension, r.window, r.frequent, r.seed, weights
        )
        if not path.exists():
            keep = np.minimum(1, np.sqrt(r.frequent / np.maximum(share, 1e-12)))
            near = cooccurrences(
                ids, weights, size, window=r.window, keep=keep.astype(np.float32), seed=r.seed
            )
            self.say(f"{near.nnz} pairs of neighbours")
            vectors = ppmi_vectors(near, r.dimension, seed=r.seed)
            _save(path, vectors)
            self.say("first vectors")
        first = np.load(path) * (r.common / (r.common + share))[:, None]
        first[0] = 0.0
        return np.asarray(first, dtype=np.float32)

    def _trained(self, tokenizer: Tokenizer, first: NDArray[np.float32]) -> NDArray[np.float32]:
        r = self._recipe
        examples = Examples(
            tokenizer,
            self._sections,
            self._pairs,
            self._terms(),
            {section.origin: self._share(section.origin) for section in self._sections},
            r.mixture,
            seed=r.seed,
        )
        self.say("examples")
        return train(
            first,
            lambda step: examples.batch(step, r.batch),
            r.schedule,
            checkpoint=self._kept(
                "state", ".pt", json.dumps(dataclasses.asdict(r)), tokenizer.to_str()
            ),
            report=lambda step, loss: self.say(f"step {step}: loss {loss:.3f}"),
        )

    # -- what they read ---------------------------------------------------------------

    def _read_shares(self) -> dict[str, float]:
        r = self._recipe
        manifest = json.loads((self._data / "train" / "manifest.json").read_text(encoding="utf-8"))
        field = {"ml": r.weight_ml}
        return {
            name: r.weight_machine
            if name in r.machine_translated
            else field.get(about["domain"], r.weight_cs)
            for name, about in manifest.items()
        }

    def _share(self, origin: str) -> float:
        return self._shares.get(origin, 1.0)

    def _terms(self) -> Terms:
        """Names in two languages: the mined ones, and the reviewed ones of the package.

        Of the mined ones some are wrong; among so many they are outvoted.
        """
        found = []
        names = [
            ([row["zh"]], [row["en"]], [row["abbr"]]) for row in rows(self._data / "terms.jsonl")
        ]
        for line in _REVIEWED.read_text(encoding="utf-8").splitlines():
            columns = [column.split("|") for column in line.split("\t")]
            if len(columns) == 3 and not line.startswith("#"):
                names.append((columns[0], columns[1], columns[2]))
        for group in names:
            for one, other in itertools.combinations(group, 2):
                found += [(a, b) for a in one for b in other if a and b and a.lower() != b.lower()]
        return Terms(found)

    def _kept(self, stage: str, suffix: str, *settings: object) -> Path:
        digest = hashlib.blake2b(repr(settings).encode(), digest_size=6).hexdigest()
        return self._work / f"{stage}-{digest}{suffix}"


def _save(path: Path, array: NDArray[np.generic]) -> None:
    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, array)

    _replace(path, write)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(path.name + ".part")
    write(part)
    part.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Train with the shipped recipe, or a variant of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with train/ and terms.jsonl"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--dimension", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--leave-out", nargs="*", metavar="SET")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    recipe = Recipe()
    if options.steps is not None:
        schedule = dataclasses.replace(recipe.schedule, steps=options.steps)
        recipe = dataclasses.replace(recipe, schedule=schedule)
    if options.dimension is not None:
        recipe = dataclasses.replace(recipe, dimension=options.dimension)
    if options.seed is not None:
        recipe = dataclasses.replace(recipe, seed=options.seed)
    if options.leave_out is not None:
        recipe = dataclasses.replace(recipe, leave_out=tuple(options.leave_out))
    Run(options.data, options.work, recipe).make(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
