"""The retriever: a question in, the passages that answer it out.

Candidates come from BM25 over words and bigrams and from the nearest vectors; a
small linear ranker orders them; near-duplicates are collapsed and neighbours that
belong together are joined.
"""

from __future__ import annotations

import dataclasses
import operator
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from notesqa.catalog import Catalog, ChunkRow
from notesqa.config import Home, Settings
from notesqa.embedding import Likeness, open_embedder
from notesqa.errors import CatalogError, NotesqaError
from notesqa.records import Document, Entry, Passage
from notesqa.retrieval.features import (
    HEAD_CHARACTERS,
    NEIGHBOURS,
    Asked,
    Wording,
    found_by,
    told_by,
)
from notesqa.retrieval.hits import Hit, as_passage, diverse, joined
from notesqa.retrieval.query import Query, analyse
from notesqa.retrieval.ranking import Weights, load_weights
from notesqa.retrieval.slips import put_right
from notesqa.retrieval.terms import TermTable, builtin_terms
from notesqa.text.normalize import normalize, normalize_all
from notesqa.text.segment import Segmenter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from notesqa.embedding import Embedder
    from notesqa.embedding.rerank import CrossEncoderReranker
    from notesqa.engines.lexical import LexicalEngine
    from notesqa.engines.vectors import VectorEngine

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")
_Filters = tuple[tuple[str, ...], tuple[str, ...], str | None, str | None]
"""Sources, tags, after, before."""

Sources = Sequence[str | os.PathLike[str]] | os.PathLike[str]
"""Globs or paths, or a single one."""

USERDICT = "userdict.txt"
# On the tuning sets 20 rank as 24 or 40 do, to .001 (training/README.md); 12 lose up to .004.
_CANDIDATES = 20
_LEXICAL_CANDIDATES = 60
# As features of their own words learned to weigh 2.21 and grams 1.12 (training/README.md).
_GRAMS_RANKED = 0.5
_DENSE_CANDIDATES = 30
_CHUNKS_KEPT = 10_000
_LINE = re.compile(r":\d+\Z")


@dataclass(frozen=True, slots=True)
class _Chunks:
    """Chunks that were candidates, by key, as they are at one commit."""

    commit: int
    found: dict[int, tuple[ChunkRow, Wording]] = field(default_factory=dict)


class Retriever:
    """Searches one home. Safe to use from several threads.

    Use as a context manager, or call `close`.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        catalog: Catalog,
        *,
        embedder: Embedder | None = None,
        weights: Weights | None = None,
    ) -> None:
        """Prefer `Retriever.open`.

        Args:
            embedder: where it is open already; else opened at the first search.
            weights: other ranking weights than those that ship, for training.
        """
        self._home = home
        self._settings = settings
        self._catalog = catalog
        self._embedder = embedder
        self._weights = weights or load_weights()
        self._lock = threading.RLock()
        # Apart from the other: an engine that catches up elsewhere needs the segmenter.
        self._refresh_lock = threading.Lock()
        self._segmenter: Segmenter | None = None
        self._dictionary: tuple[int, int] | None = None
        self._lexical: LexicalEngine | None = None
        self._vectors: VectorEngine | None = None
        self._reranker: CrossEncoderReranker | None = None
        self._terms: TermTable | None = None
        self._likeness = Likeness()
        self._head = -1
        self._size = 0
        self._chunks = _Chunks(-1)
        # Vectors are looked at beside words: both engines let go of Python's lock. What comes
        # before and after hardly does; a second thread for it waits longer than it saves.
        self._aside = ThreadPoolExecutor(2, "notesqa-search")
        self._met: tuple[tuple[_Filters, int], list[int]] | None = None

    @classmethod
    def open(
        cls,
        home: str | os.PathLike[str] | Home | None = None,
        *,
        settings: Settings | None = None,
    ) -> Retriever:
        """Open the index of a home (see `Home.find`).

        Raises:
            ConfigError: the home or its settings are wrong.
            CatalogError: there is no index yet, or it cannot be read.
        """
        found = home if isinstance(home, Home) else Home.find(home)
        return cls(found, settings or Settings.load(found), Catalog(found.index))

    def close(self) -> None:
        """Close the catalog; the retriever cannot be used afterwards."""
        self._catalog.close()
        self._aside.shutdown()

    def __enter__(self) -> Retriever:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the parts, opened when first needed ----------------------------------------

    @property
    def embedder(self) -> Embedder:
        """The embedder that the settings name."""
        with self._lock:
            if self._embedder is None:
                self._embedder = open_embedder(self._settings.embedding)
            return self._embedder

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter with the home's dictionary."""
        with self._lock:
            if self._segmenter is None:
                path = self._home.corpus / USERDICT
                self._dictionary = _version(path)
                self._segmenter = Segmenter(path if path.is_file() else None)
            return self._segmenter

    def reload_dictionary(self) -> None:
        """Take the home's dictionary anew where it has changed; the word index follows it."""
        with self._lock:
            path = self._home.corpus / USERDICT
            if self._segmenter is not None and _version(path) != self._dictionary:
                self._segmenter = self._lexical = None
                self._head = -1

    @property
    def followers(self) -> tuple[LexicalEngine, VectorEngine]:
        """The engines, opened where they stand."""
        with self._lock:
            if self._lexical is None or self._vectors is None:
                from notesqa.engines.lexical import LexicalEngine
                from notesqa.engines.vectors import VectorEngine

                folder = self._home.index
                self._lexical = LexicalEngine(
                    folder / "lexical", self._analyze, self.segmenter.recipe
                )
                self._vectors = VectorEngine(
                    folder / "vectors", self.embedder.dimension, self.embedder.name
                )
            return self._lexical, self._vectors

    def _analyze(self, entry: Entry) -> tuple[list[str], list[str]]:
        above = " ".join(p for p in (entry.title, entry.heading) if p and p not in entry.text)
        text = f"{above}\n{entry.text}" if above else entry.text
        return self.segmenter.words(text), self.segmenter.grams(text)

    @property
    def term_table(self) -> TermTable:
        """The built-in terms and those that the notes define."""
        with self._lock:
            if self._terms is None:
                self._terms = TermTable([*self._catalog.terms(), *builtin_terms()])
            return self._terms

    def refresh(self) -> int:
        """Follow the catalog to its latest commit; returns its number.

        Raises:
            CatalogError: the notes are not indexed yet, or an engine cannot catch up.
        """
        with self._refresh_lock:
            head = self._catalog.head()
            # An engine that finds its files damaged while it searches stands nowhere any more.
            if head == self._head and all(engine.commit == head for engine in self.followers):
                return head
            commit = self._catalog.commit()
            if commit is None:
                raise CatalogError("there is no index yet", "build it: notesqa index")
            if commit.embedder != self.embedder.name:
                raise CatalogError(
                    f"the index was built with the embedder {commit.embedder},"
                    f" the settings name {self.embedder.name}",
                    "bring it up to date: notesqa index",
                )
            self.reload_dictionary()
            current = True
            for follower in self.followers:
                if not follower.is_current(self._catalog):
                    # Where a rebuild is at it, the former state serves until it is done.
                    usable = follower.usable(self._catalog)
                    if current or not usable:
                        current &= follower.catch_up(self._catalog, wait=not usable)
            with self._lock:
                self._terms = None
                self._size = commit.chunks
                self._likeness = Likeness(*self._catalog.likeness(commit.embedder) or ())
            if current:
                self._head = head
            return head

    # -- searching -----------------------------------------------------------------------

    def analyse(self, text: str) -> Query:
        """The question as the search sees it; slips of the keyboard are put right."""
        if not isinstance(text, str):
            raise NotesqaError(f"the query must be text, not {text!r}", "write it in quotes")
        self.refresh()
        # Half a character (a stray surrogate) can be looked up nowhere.
        text = text.encode("utf-8", "replace").decode("utf-8")
        query = analyse(text, self.segmenter, self.term_table)
        right = put_right(query, self.followers[0], self.term_table)
        if right == query.normalized:
            return query
        return dataclasses.replace(analyse(right, self.segmenter, self.term_table), text=text)

    def how_many(self, k: int | None) -> int:
        """`k`, or the settings' `retrieval.k` where it is None.

        Raises:
            NotesqaError: it is no whole number, or less than 1.
        """
        k = self._settings.retrieval.k if k is None else k
        try:
            count = operator.index(k)
        except TypeError as error:
            raise NotesqaError(f"k must be a whole number, not {k!r}", "write e.g. k=8") from error
        if count < 1:
            raise NotesqaError(f"k must be at least 1, not {k}", "ask for one passage or more")
        return count

    def search(
        self,
        query: str,
        k: int | None = None,
        *,
        sources: Sources = (),
        tags: Sequence[str] = (),
        after: str | date | None = None,
        before: str | date | None = None,
    ) -> list[Passage]:
        """The `k` passages that answer best, best first.

        Args:
            k: how many at most; the settings' `retrieval.k` where None.
            sources: globs over the path in the home or the file name (`*.md`); also as a
                passage's `source`, with its line, or as the path of a file.
            tags: all of them must be the note's.
            after, before: the note's date, inclusive (`YYYY-MM-DD`).

        Raises:
            CatalogError: there is no index, or it cannot be read.
            NotesqaError: a date is malformed, `k` no whole number of at least 1, or a source or tag
                no text.
        """
        k = self.how_many(k)
        hits = self.hits(
            self.analyse(query), limit=max(_CANDIDATES, 2 * k), sources=self._globs(sources),
            tags=_several(tags, "tags"), after=_iso(after, "after"), before=_iso(before, "before"),
        )  # fmt: skip
        return self.passages(hits, k)

    def newest(
        self,
        k: int | None = None,
        *,
        sources: Sources = (),
        tags: Sequence[str] = (),
        after: str | date | None = None,
        before: str | date | None = None,
    ) -> list[Passage]:
        """How the `k` newest notes begin that meet the filters, newest first, undated ones last.

        The filters, and what is raised, are those of `search`.
        """
        keys = self._catalog.chunk_keys(
            sources=self._globs(sources), tags=_several(tags, "tags"), after=_iso(after, "after"),
            before=_iso(before, "before"), newest=self.how_many(k),
        )  # fmt: skip
        rows = self._catalog.chunk_rows(keys)
        return [as_passage(Hit(rows[key], 0.0, ()), n) for n, key in enumerate(keys, 1)]

    def _globs(self, sources: Sources) -> list[str]:
        """Globs as the catalog takes them, of paths as people have them at hand."""
        found: dict[str, None] = {}
        for named in _several(sources, "sources"):
            path = named.removeprefix(f"{self._home.path}/")
            while path.startswith("./"):
                path = path[2:]
            found |= dict.fromkeys((named, path, _LINE.sub("", path)))
        return list(found)

    def passages(self, hits: Sequence[Hit], k: int) -> list[Passage]:
        """The `k` best of ranked candidates as passages.

        Near-duplicates are collapsed, no document takes more than its share while
        others have something to say, and neighbours under the same heading are
        joined to one passage.
        """
        chosen = diverse(hits, k, self._plain_text)
        return joined(chosen, self._catalog.text)

    def idf(self, query: Query) -> dict[str, float]:
        """Inverse document frequency of every word of the question, in these notes."""
        return self.followers[0].idf("words", list(query.words))

    def hits(
        self,
        query: Query,
        *,
        limit: int = _CANDIDATES,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        after: str | None = None,
        before: str | None = None,
    ) -> list[Hit]:
        """Every candidate, ranked, with its features; what `search` chooses from."""
        if not query.normalized.strip():
            return []
        self.refresh()
        # The engines make room for as many as they are asked for.
        limit = min(limit, max(_CANDIDATES, 2 * self._size))
        lexical, vectors = self.followers
        # A commit that one engine has not reached yet does not show by halves.
        stood = (lexical.commit, vectors.commit)
        at = min(stood)
        allowed: list[int] | None = None
        if sources or tags or after or before:
            allowed = self._meeting((tuple(sources), tuple(tags), after, before), at)
            if not allowed:
                return []
        vector = self.embedder.embed_queries([query.embedded])[0]
        near = self._beside(_near, vectors, vector, max(_DENSE_CANDIDATES, limit // 2), allowed)
        by_words = dict(
            lexical.search(query.words, query.grams, max(_LEXICAL_CANDIDATES, limit), allowed)
        )
        asked = Asked.of(query, lexical.idf("words", list(query.words)))
        by_vector = near.result()
        farther = vectors.scores(vector, [key for key in by_words if key not in by_vector])
        likeness = self._likeness
        alike = {
            key: likeness(cosine, chinese=query.chinese)
            for key, cosine in (by_vector | farther).items()
        }
        cosines = self._candidates(by_words, alike, limit)
        bm25 = _bm25(lexical, query, list(cosines))
        around = {
            key: [(likeness(near, chinese=True), alike[other]) for other, near in others]
            for key, others in vectors.nearest_among(list(cosines), list(alike), NEIGHBOURS).items()
        }
        seen = self._seen(asked, cosines, at)
        keys = [key for key in cosines if key in seen]
        gone = len(keys) < len(cosines) and at + 1 < self._catalog.oldest()
        if gone or (lexical.commit, vectors.commit) != stood:
            # A rebuild went by under this search, and its state with it.
            return self.hits(
                query, limit=limit, sources=sources, tags=tags, after=after, before=before
            )
        hits = []
        for key in keys:
            row, told = seen[key]
            found = found_by(asked, bm25[key], cosines[key], around.get(key, ()))
            values = *found, *told
            hits.append(Hit(row, self._weights.score(values), values))
        hits.sort(key=lambda hit: (-hit.score, hit.row.pk))
        return self._reranked(query, hits)

    def _meeting(self, filters: _Filters, at: int) -> list[int]:
        """Keys of what meets filters at a commit; those of the last ones are kept."""
        met = self._met
        if met is None or met[0] != (filters, at):
            sources, tags, after, before = filters
            keys = self._catalog.chunk_keys(
                sources=sources, tags=tags, after=after, before=before, at=at
            )
            met = self._met = (filters, at), keys
        return met[1]

    def _beside(
        self, work: Callable[_Given, _Made], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> Future[_Made]:
        """What `work` returns, done by another thread.

        Raises:
            CatalogError: the retriever was closed meanwhile.
        """
        try:
            return self._aside.submit(work, *args, **kwargs)
        except RuntimeError as error:
            raise CatalogError("the index was closed", "open it again") from error

    def _candidates(
        self, by_words: Mapping[int, float], cosines: Mapping[int, float], limit: int
    ) -> dict[int, float]:
        """The most promising of what was found, with their cosines, best first."""
        dense = self._weights.dense
        fused = {
            key: by_words.get(key, 0.0) + dense * cosines.get(key, 0.0)
            for key in {*by_words, *cosines}
        }
        best = sorted(fused, key=lambda key: (-fused[key], key))[:limit]
        return {key: cosines.get(key, 0.0) for key in best}

    def _reranked(self, query: Query, hits: list[Hit]) -> list[Hit]:
        name = self._settings.retrieval.reranker
        if not name or not hits:
            return hits
        if self._reranker is None:
            from notesqa.embedding.rerank import CrossEncoderReranker

            self._reranker = CrossEncoderReranker(
                name,
                allow_download=self._settings.embedding.allow_download,
                device=self._settings.embedding.device,
            )
        head, tail = hits[:_CANDIDATES], hits[_CANDIDATES:]
        scores = self._reranker.score(query.text, [hit.row.text for hit in head])
        order = sorted(range(len(head)), key=lambda i: -float(scores[i]))
        floor = float(min(scores))
        return [Hit(head[i].row, float(scores[i]), head[i].values) for i in order] + [
            Hit(hit.row, floor - 1.0 - n, hit.values) for n, hit in enumerate(tail)
        ]

    def _seen(
        self, asked: Asked, keys: Iterable[int], at: int
    ) -> dict[int, tuple[ChunkRow, tuple[float, ...]]]:
        """Those of the chunks that are live at the commit `at`, and what they tell."""
        read = self._read(keys, at)
        return {key: (row, told_by(asked, wording)) for key, (row, wording) in read.items()}

    def _read(self, keys: Iterable[int], at: int) -> dict[int, tuple[ChunkRow, Wording]]:
        """Those of the chunks that are live at the commit `at`, and what features look at."""
        kept = self._chunks
        if kept.commit != at or len(kept.found) > _CHUNKS_KEPT:
            kept = self._chunks = _Chunks(at)
        found = {key: kept.found[key] for key in keys if key in kept.found}
        missing = [key for key in keys if key not in found]
        if missing:
            rows = self._catalog.chunk_rows(missing, at=at)
            wordings = _wordings(list(rows.values()))
            found |= dict(zip(rows, zip(rows.values(), wordings, strict=True), strict=True))
            kept.found.update(found)
        return found

    def _plain_text(self, row: ChunkRow) -> str:
        kept = self._chunks.found.get(row.pk)
        return kept[1].text if kept else normalize(row.text)

    # -- reading ---------------------------------------------------------------------------

    def document(self, document_id: str) -> Document:
        """The whole document of a passage.

        Raises:
            CatalogError: there is none of that id.
        """
        return self._catalog.document(document_id)

    def neighbours(self, passage: Passage, before: int = 1, after: int = 1) -> list[Passage]:
        """The passages around one in its document, in order, itself left out."""
        rows = self._catalog.chunks_of(passage.document_id)
        if not any(row.id == passage.chunk_id for row in rows):
            return []
        above = [row for row in rows if row.end <= passage.start]
        below = [row for row in rows if row.start >= passage.end]
        around = [*above[max(0, len(above) - before) :], *below[:after]]
        return [as_passage(Hit(row, 0.0, ()), n) for n, row in enumerate(around, 1)]


def _near(
    vectors: VectorEngine, vector: NDArray[np.float32], limit: int, allowed: Sequence[int] | None
) -> dict[int, float]:
    """The cosines of the nearest chunks; of none where the embedder has no word of a question."""
    return dict(vectors.search(vector, limit, allowed)) if vector.any() else {}


def _bm25(lexical: LexicalEngine, query: Query, keys: Sequence[int]) -> dict[int, float]:
    """What a question's words and grams score in each of the chunks.

    Of a Chinese question its own ones alone.
    """
    words, grams = query.words, query.grams
    if query.chinese:
        words = {word: words[word] for word in query.own_words}
        grams = {gram: grams[gram] for gram in query.own_grams}
    grams = {gram: _GRAMS_RANKED * weight for gram, weight in grams.items()}
    return lexical.scores(words, grams, keys)


def _wordings(rows: Sequence[ChunkRow]) -> list[Wording]:
    """What features look at of each of the chunks."""
    texts = [row.text for row in rows]
    titles = [" ".join((row.title, *row.heading)) for row in rows]
    plain = normalize_all([*texts, *titles, *(row.opening[:HEAD_CHARACTERS] for row in rows)])
    return [Wording.of(*plain[i :: len(rows)], named=len(row.title)) for i, row in enumerate(rows)]


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _several(value: Sources, name: str) -> list[str]:
    """As strings; a lone one where several belong is taken as that one.

    Raises:
        NotesqaError: one of them is no text, and no path.
    """
    given = (value,) if isinstance(value, str | os.PathLike) else value
    try:
        return [os.fsdecode(one) for one in given]
    except TypeError as error:
        raise NotesqaError(
            f"{name} must be texts, not {value!r}", f'write them as a list: {name}=["…"]'
        ) from error


def _iso(value: str | date | None, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, date):
        # A datetime is a date, too; only its day counts.
        return date(value.year, value.month, value.day).isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except (ValueError, TypeError) as error:
        raise NotesqaError(f"{name} is no date: {value}", "write it as YYYY-MM-DD") from error
