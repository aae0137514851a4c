"""The tokenizer: a Unigram model (Kudo, 2018, arXiv:1804.10959) over normalised text.

Pieces trained on running Chinese turn out as phrases (`的成本`, `有关更多`), which say
little about what a text is about. So the Han part of the vocabulary is counted rather
than trained: the words that jieba finds, with the logarithm of their share as score,
which makes the tokenizer's search for the likeliest path the same as jieba's own over a
dictionary that fits the field. Latin words, digits and signs are trained pieces, so that
a word without its hyphen (`Anchorfree`) comes apart where it should.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import rjieba
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from notesqa.text.normalize import normalize
from training.charsmap import compile_charsmap, table
from training.reading import Section

UNKNOWN = "[UNK]"
_HAN = re.compile(r"[\u3400-\u9fff]+")
_NOT_HAN = re.compile(r"[^\u3400-\u9fff\s]+")
_LONGEST_WORD = 7


@cache
def _charsmap() -> bytes:
    return compile_charsmap(table(normalize))


def untrained() -> Tokenizer:
    """A tokenizer with our normaliser and pre-tokenizer and no vocabulary yet."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Precompiled(_charsmap())
    # Words and runs of signs apart; then Han, Latin and digits apart, so that a piece
    # never mixes scripts. No word-start marker: `Anchorfree` and `anchor-free` meet.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.UnicodeScripts()]
    )
    return tokenizer


def build_tokenizer(
    sections: Sequence[Section],
    *,
    han_words: int,
    other_pieces: int,
    seed: int,
    share: Callable[[str], float],
    extra_words: Iterable[str] = (),
) -> Tokenizer:
    """A tokenizer with `han_words` Han words and about `other_pieces` other pieces.

    Args:
        share: of the sections of a set, the share that is counted.
        extra_words: normalised Han words that must be in, such as names of terms.
    """
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for section in sections:
        if rng.random() >= share(section.origin):
            continue
        text = normalize(f"{section.title}\n{section.heading}\n{section.text}")
        for run in _HAN.findall(text):
            counts.update(rjieba.cut(run, True))
        others.update(_NOT_HAN.findall(text))
    scored = _han_scores(counts, han_words, extra_words)
    total = sum(counts.values())
    pieces = _trained_pieces(others, other_pieces)
    # Both parts in one distribution: the trained scores are shares among the others.
    shift = math.log(max(1, sum(others.values())) / (total + sum(others.values())))
    for piece, score in pieces:
        if not _HAN.search(piece):
            scored.setdefault(piece, score + shift)
    ranked = sorted(scored.items(), key=lambda item: (-item[1], item[0]))
    floor = min(score for _, score in ranked) - 10.0
    tokenizer = untrained()
    tokenizer.model = models.Unigram([(UNKNOWN, floor), *ranked], unk_id=0, byte_fallback=False)
    return tokenizer


def _han_scores(counts: Counter[str], size: int, extra: Iterable[str]) -> dict[str, float]:
    total = sum(counts.values())
    chars: Counter[str] = Counter()
    for word, count in counts.items():
        for char in word:
            chars[char] += count
    chosen: dict[str, float] = {}
    for word in extra:
        chosen[word] = math.log(max(counts[word], 3) / total)
    for char, _ in chars.most_common(6000):
        # A character that is no word of its own still must be reachable, at a price.
        chosen[char] = math.log(max(counts[char], 0.3) / total)
    for word, count in counts.most_common():
        if len(chosen) >= size:
            break
        if len(word) <= _LONGEST_WORD:
            chosen.setdefault(word, math.log(count / total))
    return chosen


def _trained_pieces(runs: Counter[str], size: int) -> list[tuple[str, float]]:
    tokenizer = untrained()
    tokenizer.normalizer = None
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        special_tokens=[UNKNOWN],
        unk_token=UNKNOWN,
        max_piece_length=16,
        show_progress=False,
    )

    def repeated() -> Iterable[str]:
        # Counts dampened: a directive that stands in every file is one word all the same.
        for run, count in sorted(runs.items()):
            if count > 1:
                yield from [run] * min(count, 2000)

    tokenizer.train_from_iterator(repeated(), trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    return [(piece, score) for piece, score in vocabulary if piece != UNKNOWN]
