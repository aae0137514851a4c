"""Questions and passages to train on, made from sections and their headings.

Three kinds: a heading and the section below it, in several wordings; a sentence and the
section it was taken out of (inverse cloze; Lee et al., 2019, arXiv:1906.00300); a term in
one language and in the other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from notesqa.text.normalize import normalize
from training.contrastive import Batch, Ids
from training.reading import Pair, Section, generic_headings

_ASKING = (
    *(
        "什么是{}",
        "{}是什么",
        "{}的原理是什么",
        "如何理解{}",
        "介绍一下{}",
        "{}怎么做",
        "为什么要{}",
    ),
    *("{}有什么用", "请简述{}", "{}的作用是什么", "说说{}", "{}有哪些", "怎么理解{}？", "{}？"),
)
_ASKING_ENGLISH = ("what is {}", "how does {} work", "explain {}", "{}", "what are {}", "{} ?")
_SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?\n]?")
_HAN = re.compile(r"[\u3400-\u9fff]")
_ORDINAL = re.compile(r"^\s*(?:第?[0-9一二三四五六七八九十]+(?:\.[0-9]+)*[.、:：)）章节讲]?\s*)")
_LONGEST_PASSAGE = 200
_SHORTEST_SENTENCE, _LONGEST_SENTENCE = 6, 60


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a batch is made of, and how its texts are varied.

    Attributes:
        headings, cloze, terms: shares of the three kinds; they sum to one.
        in_context: chance that a heading is asked under its parent's title; one that
            stands over many sections always is.
        translated: chance that a heading's terms are asked in the other language.
        asked: chance that a heading is put as a question.
        titled: chance that a section stands under its parent's title, as chunks of
            notes do.
    """

    headings: float = 0.5
    cloze: float = 0.4
    terms: float = 0.1
    in_context: float = 0.3
    translated: float = 0.4
    asked: float = 0.5
    titled: float = 0.3


class Terms:
    """Names of the same thing in two languages, and how to exchange them in a text."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = tuple(dict.fromkeys((normalize(a), normalize(b)) for a, b in pairs if a and b))
        self._other: dict[str, list[str]] = {}
        for a, b in self.pairs:
            self._other.setdefault(a, []).append(b)
            self._other.setdefault(b, []).append(a)
        names = sorted((n for n in self._other if len(n) > 1), key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(
                re.escape(n) if _HAN.search(n) else rf"(?<![a-z0-9]){re.escape(n)}(?![a-z0-9])"
                for n in names
            )
        )

    def translate(self, text: str, rng: random.Random) -> str:
        """`text`, normalised, with its terms in the other language."""
        return self._pattern.sub(
            lambda m: f" {rng.choice(self._other[m[0]])} " if m[0] in self._other else m[0],
            normalize(text),
        )


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Ids]:
    """Token ids of each text."""
    found: list[Ids] = []
    for start in range(0, len(texts), 2000):
        encodings = tokenizer.encode_batch_fast(
            list(texts[start : start + 2000]), add_special_tokens=False
        )
        found += [np.asarray(e.ids, dtype=np.int32) for e in encodings]
    return found


class Examples:
    """Draws batches; the same seed and step give the same batch."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        sections: Sequence[Section],
        pairs: Sequence[Pair],
        terms: Terms,
        shares: Mapping[str, float],
        mixture: Mixture,
        *,
        seed: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._mixture = mixture
        self._terms = terms
        self._seed = seed
        generic = generic_headings(pairs)
        self._headings = [_ORDINAL.sub("", p.query).strip() or p.query for p in pairs]
        self._contexts = [p.context.split(" > ")[-1].strip() for p in pairs]
        self._generic = [p.query.strip().lower() in generic for p in pairs]
        self._answers = encode(tokenizer, [p.text for p in pairs])
        self._titles = encode(tokenizer, self._contexts)
        self._answer_groups = _groups([p.text for p in pairs])
        weights = np.array([shares.get(p.origin, 1.0) for p in pairs])
        # A generic heading without a parent to name its subject asks nothing.
        weights *= [
            0.0 if g and not c else 1.0 for g, c in zip(self._generic, self._contexts, strict=True)
        ]
        self._pair_chances = weights / weights.sum()
        self._sentences = _cut(tokenizer, sections)
        self._cloze_at = np.flatnonzero([len(s) >= 3 for s in self._sentences])
        weights = np.array([shares.get(sections[int(i)].origin, 1.0) for i in self._cloze_at])
        self._cloze_chances = weights / weights.sum()

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step."""
        rng = random.Random(self._seed * 1_000_003 + step)
        chance = np.random.default_rng([self._seed, step])
        cloze = round(size * self._mixture.cloze)
        terms = round(size * self._mixture.terms)
        picked = chance.choice(
            len(self._pair_chances), size - cloze - terms, replace=False, p=self._pair_chances
        )
        texts = [self._question(int(i), rng) for i in picked]
        passages: list[Ids] = [self._answer(int(i), rng) for i in picked]
        groups = [int(self._answer_groups[i]) for i in picked]
        pool = self._terms.pairs
        names: list[str] = []
        for a, b in rng.sample(pool, min(terms, len(pool))):
            first, second = (a, b) if rng.random() < 0.5 else (b, a)
            if rng.random() < 0.3:
                first = _ask(first, rng)
            texts.append(first)
            names.append(second)
            groups.append(-len(groups) - 1)
        passages += encode(self._tokenizer, names)
        questions = encode(self._tokenizer, texts)
        for i in chance.choice(self._cloze_at, cloze, replace=False, p=self._cloze_chances):
            question, passage = _cloze(self._sentences[int(i)], rng)
            questions.append(question)
            passages.append(passage)
            groups.append(-len(groups) - 1)
        whole = [
            row
            for row in zip(questions, passages, groups, strict=True)
            if len(row[0]) and len(row[1])
        ]
        questions, passages = [q for q, _, _ in whole], [p for _, p, _ in whole]
        groups = [g for *_, g in whole]
        return Batch(questions, passages, np.array(groups))

    def _answer(self, i: int, rng: random.Random) -> Ids:
        window = _window(self._answers[i], rng)
        if rng.random() < self._mixture.titled:
            return np.concatenate([self._titles[i], window])
        return window

    def _question(self, i: int, rng: random.Random) -> str:
        heading, context = self._headings[i], self._contexts[i]
        if context and (self._generic[i] or rng.random() < self._mixture.in_context):
            heading = f"{context} {heading}" if rng.random() < 0.7 else f"{context}的{heading}"
        if rng.random() < self._mixture.translated:
            heading = self._terms.translate(heading, rng)
        if rng.random() < self._mixture.asked:
            heading = _ask(heading, rng)
        if rng.random() < 0.2:
            heading = heading.replace("-", "") if rng.random() < 0.5 else heading.replace(" ", "")
        return heading


def _ask(name: str, rng: random.Random) -> str:
    forms = _ASKING if _HAN.search(name) or rng.random() < 0.3 else _ASKING_ENGLISH
    return rng.choice(forms).format(name)


def _groups(keys: Sequence[str]) -> NDArray[np.int64]:
    number: dict[str, int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys])


def _window(ids: Ids, rng: random.Random) -> Ids:
    """At most `_LONGEST_PASSAGE` tokens, mostly the first."""
    spare = len(ids) - _LONGEST_PASSAGE
    if spare <= 0:
        return ids
    start = 0 if rng.random() < 0.6 else rng.randint(0, spare)
    return ids[start : start + _LONGEST_PASSAGE]


def _cut(tokenizer: Tokenizer, sections: Sequence[Section]) -> list[list[Ids]]:
    """The sentences of each section's beginning."""
    flat: list[str] = []
    spans: list[tuple[int, int]] = []
    for section in sections:
        start = len(flat)
        flat += [m for m in _SENTENCE.findall(section.text[:1500]) if m.strip()]
        spans.append((start, len(flat)))
    ids = encode(tokenizer, flat)
    return [ids[a:b] for a, b in spans]


def _cloze(sentences: Sequence[Ids], rng: random.Random) -> tuple[Ids, Ids]:
    fit = [i for i, s in enumerate(sentences) if _SHORTEST_SENTENCE <= len(s) <= _LONGEST_SENTENCE]
    chosen = rng.choice(fit) if fit else rng.randrange(len(sentences))
    rest = [s for i, s in enumerate(sentences) if i != chosen or rng.random() < 0.1]
    return sentences[chosen][:_LONGEST_SENTENCE], _window(np.concatenate(rest), rng)
