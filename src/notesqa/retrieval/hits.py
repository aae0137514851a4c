"""Candidates in their order, and how they become passages."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from notesqa.catalog import ChunkRow
from notesqa.records import Passage
from notesqa.retrieval.duplicates import near_duplicates
from notesqa.retrieval.features import FEATURES

_JOINED_CHARACTERS = 1200
# Of 720 questions over our notes 703 find their passage among 8; with 2 700, with .5 704, with no
# limit 705, and with none beyond the half 697.
_CROWDING = 1.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A ranked candidate before it becomes a passage.

    Attributes:
        values: the features, in the order of `FEATURES`.
    """

    row: ChunkRow
    score: float
    values: tuple[float, ...]

    def value(self, name: str) -> float:
        """One feature by its name."""
        return self.values[FEATURES.index(name)]


def diverse(hits: Sequence[Hit], k: int, plain_text: Callable[[ChunkRow], str]) -> list[Hit]:
    """The `k` best without near-duplicates, no document crowding out the others.

    Half of them may be of one document; each of its further ones must be better than
    others by `_CROWDING` more, in the manner of maximal marginal relevance (Carbonell &
    Goldstein, 1998).

    Args:
        hits: ranked, best first.
        plain_text: the normalised text of a chunk.
    """
    share = max(2, (k + 1) // 2)
    met: Counter[str] = Counter()
    worth = []
    for hit in hits:
        met[hit.row.document_id] += 1
        worth.append(hit.score - _CROWDING * max(0, met[hit.row.document_id] - share))
    chosen: list[Hit] = []
    texts: list[str] = []
    # Sorting is stable: of equals the better ranked comes first.
    for at in sorted(range(len(hits)), key=lambda at: -worth[at]):
        text = plain_text(hits[at].row)
        if not any(near_duplicates(text, other) for other in texts):
            chosen.append(hits[at])
            texts.append(text)
            if len(chosen) == k:
                break
    return chosen


def joined(chosen: Sequence[Hit], text_of: Callable[[int], str]) -> list[Passage]:
    """As passages, neighbours under the same heading in one.

    Args:
        text_of: the text of one version of a document; empty where it is kept no longer.
    """
    passages: list[Passage] = []
    used: set[int] = set()
    for hit in chosen:
        if hit.row.pk in used:
            continue
        run = [hit.row]
        for other in sorted(chosen, key=lambda h: h.row.ordinal):
            if _continues(run, other.row) and other.row.pk not in used:
                run.append(other.row)
        for other in sorted(chosen, key=lambda h: -h.row.ordinal):
            if _continues([other.row], run[0]) and other.row.pk not in used:
                run.insert(0, other.row)
        while len(run) > 1 and run[-1].end - run[0].start > _JOINED_CHARACTERS:
            run.pop(0 if run[0].pk != hit.row.pk else -1)
        used.update(row.pk for row in run)
        passage = as_passage(hit, len(passages) + 1)
        if len(run) > 1:
            # The version that was found, which need not be the latest any more.
            start, end = run[0].start, run[-1].end
            text = text_of(hit.row.document_pk)[start:end]
            if text:
                passage = dataclasses.replace(
                    passage, text=text, start=start, end=end, source=run[0].source
                )
        passages.append(passage)
    return passages


def as_passage(hit: Hit, rank: int) -> Passage:
    """A candidate as the passage of that rank."""
    row = hit.row
    return Passage(
        rank=rank,
        score=hit.score,
        chunk_id=row.id,
        document_id=row.document_id,
        title=row.title,
        source=row.source,
        heading=" › ".join(row.heading),
        text=row.text,
        start=row.start,
        end=row.end,
        scores=dict(zip(FEATURES, hit.values, strict=True)) if hit.values else {},
        date=row.date,
        tags=row.tags,
    )


def _continues(run: Sequence[ChunkRow], row: ChunkRow) -> bool:
    last = run[-1]
    return (
        row.document_pk == last.document_pk
        and row.ordinal == last.ordinal + 1
        and row.heading == last.heading
    )
