"""BM25 over words and over character bigrams, in a tantivy index.

Text comes in already cut into words and grams, so that tantivy only counts. Both
fields are scored with BM25 (k1 = 1.2, b = 0.75; Robertson & Zaragoza 2009, "The
Probabilistic Relevance Framework").
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tantivy

from notesqa.engines import (
    ChangeLog,
    Progress,
    State,
    fresh_folder,
    read_state,
    still_kept,
    write_state,
    writing,
)
from notesqa.errors import CatalogError
from notesqa.records import Entry

Analyzer = Callable[[Entry], tuple[list[str], list[str]]]
"""From a chunk to its words and its grams."""

_HEAP_BYTES = 64 << 20
_ANALYZER = "notesqa"
# A slip is one or two letters of a word that is long enough to be told from others.
_SLIP_LENGTH = 2
_SLIP_CUTOFF = 0.8
_MOST_SIMILAR = 3000
_SEGMENTS = "segments"
_BATCH = 200
_MOST_DEAD = 0.2
"""Share of deleted chunks, which still count in tantivy's document frequencies, above
which the index is built anew."""


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("key", indexed=True, fast=True)
    for name in ("words", "grams"):
        builder.add_text_field(name, tokenizer_name=_ANALYZER, index_option="freq")
    return builder.build()


def _analyzer() -> tantivy.TextAnalyzer:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


class LexicalEngine:
    """Follower that finds chunks by the words they hold."""

    name = "lexical"

    def __init__(self, folder: Path, analyze: Analyzer, recipe: str) -> None:
        """Open the index in `folder`; nothing is built before `catch_up`.

        Args:
            recipe: version of the analysis; another one rebuilds the index.
        """
        self._folder = folder
        self._analyze = analyze
        self._recipe = f"1/{recipe}"
        self._schema = _schema()
        # In one: a search in another thread takes both or neither.
        self._served: tuple[State, tantivy.Searcher] | None = None
        self._lock = threading.Lock()
        self._links: tempfile.TemporaryDirectory[str] | None = None
        state = read_state(folder)
        index = self._open(state) if state else None
        if state and index:
            self._served = (state, index.searcher())

    def _open(self, state: State) -> tantivy.Index | None:
        """Open the index that `state` tells of; None where it is damaged."""
        folder = self._folder / state.files[0]
        try:
            if folder.is_dir() and not os.access(folder, os.W_OK):
                folder = self._mirror(folder)
            index = tantivy.Index.open(str(folder))
            index.register_tokenizer(_ANALYZER, _analyzer())
            index.reload()
        except (ValueError, OSError):
            # Derived data: catch_up makes it anew.
            return None
        return index

    def _mirror(self, folder: Path) -> Path:
        """A folder of links to an index on read-only ground, where tantivy can put its lock."""
        self._links = tempfile.TemporaryDirectory(prefix="notesqa-")
        place = Path(self._links.name)
        for file in folder.iterdir():
            if file.suffix != ".lock":
                (place / file.name).symlink_to(file.resolve())
        return place

    @property
    def commit(self) -> int:
        """The commit that the engine has reached; 0 before the first."""
        return self._served[0].commit if self._served else 0

    def is_current(self, log: ChangeLog) -> bool:
        """Whether `catch_up` has nothing to do."""
        state = self._served[0] if self._served else None
        return state is not None and state.follows(log, self._recipe) and state.commit == log.head()

    def usable(self, log: ChangeLog) -> bool:
        """Whether a search finds what some commit of this catalog held."""
        return self._served is not None and still_kept(self._served[0], log)

    def catch_up(
        self, log: ChangeLog, progress: Progress | None = None, *, wait: bool = True
    ) -> bool:
        """Apply the commits that came since; searches go on with the former state meanwhile.

        Returns:
            False where somebody else is at it and `wait` is False.

        Raises:
            CatalogError: the folder cannot be written.
        """
        if not self._lock.acquire(blocking=wait):
            return False
        try:
            with writing(self._folder, wait=wait) as mine:
                if mine:
                    self._follow(log, progress)
                return mine
        except (ValueError, OSError) as error:
            raise CatalogError(
                f"the word index in {self._folder} cannot be written: {error}",
                "check the folder's rights and free space, or delete it; it is made anew",
            ) from error
        finally:
            self._lock.release()

    def _follow(self, log: ChangeLog, progress: Progress | None) -> None:
        head = log.head()
        state = read_state(self._folder)
        if state is not None and state.follows(log, self._recipe):
            index = self._open(state)
            if index is not None and state.commit == head:
                self._served = (state, index.searcher())
                return
            gone = log.removed(state.commit, head)
            dead = state.dead + len(gone)
            if index is not None and dead <= _MOST_DEAD * log.count(0, head):
                self._apply(index, log, state.commit, head, gone, dead, progress)
                return
        fresh_folder(self._folder)
        (self._folder / _SEGMENTS).mkdir()
        index = tantivy.Index(self._schema, path=str(self._folder / _SEGMENTS))
        index.register_tokenizer(_ANALYZER, _analyzer())
        self._apply(index, log, 0, head, [], 0, progress)

    def _apply(
        self,
        index: tantivy.Index,
        log: ChangeLog,
        since: int,
        head: int,
        gone: Sequence[int],
        dead: int,
        progress: Progress | None,
    ) -> None:
        # One thread makes one segment, which is what searches fastest.
        writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        try:
            self._delete(writer, gone)
            total = log.count(since, head)
            done = 0
            entries = log.entries(since, head)
            while batch := list(itertools.islice(entries, _BATCH)):
                # Applying a change twice (killed before the state was written) must do no harm.
                if since:
                    self._delete(writer, [entry.key for entry in batch])
                for entry in batch:
                    words, grams = self._analyze(entry)
                    document = tantivy.Document()
                    document.add_unsigned("key", entry.key)
                    document.add_text("words", " ".join(words))
                    document.add_text("grams", " ".join(grams))
                    writer.add_document(document)
                done += len(batch)
                if progress:
                    progress(done, total)
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        finally:
            # Lets go of the writer's lock, whoever still holds the exception.
            writer.wait_merging_threads()
        state = State(log.identity, self._recipe, head, (_SEGMENTS,), dead)
        write_state(self._folder, state)
        index.reload()
        self._served = (state, index.searcher())

    def _delete(self, writer: tantivy.IndexWriter, keys: Sequence[int]) -> None:
        # Not by term: tantivy-py 0.27 takes an int for a signed term, which nothing matches.
        if keys:
            members = tantivy.Query.term_set_query(self._schema, "key", list(keys))
            writer.delete_documents_by_query(members)

    # -- searching -------------------------------------------------------------

    def _ready(self) -> tantivy.Searcher:
        if self._served is None:
            raise CatalogError("there is no word index yet", "build it: notesqa index")
        return self._served[1]

    def size(self) -> int:
        """How many chunks are indexed."""
        return int(self._ready().num_docs)

    def idf(self, field: str, terms: Sequence[str]) -> dict[str, float]:
        """Inverse document frequency of each term: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        searcher = self._ready()
        total = searcher.num_docs
        found = {}
        for term in terms:
            n = searcher.doc_freq(field, term)
            found[term] = math.log(1 + (max(total - n, 0) + 0.5) / (n + 0.5))
        return found

    def frequency(self, field: str, term: str) -> int:
        """In how many chunks a term stands."""
        return int(self._ready().doc_freq(field, term))

    def similar_word(self, word: str) -> str:
        """The indexed word that `word` is most likely a slip of, or nothing.

        Nothing where `word` is indexed itself; the first letter is taken as right.
        """
        searcher = self._ready()
        if searcher.doc_freq("words", word):
            return ""
        known = searcher.terms_with_prefix("words", word[0], limit=_MOST_SIMILAR)
        frequent = [term for term, _ in known if abs(len(term) - len(word)) <= _SLIP_LENGTH]
        near = difflib.get_close_matches(word, frequent, n=4, cutoff=_SLIP_CUTOFF)
        # Letters that only changed places first: "trasnformer" is no slip of "transnormer".
        letters = sorted(word)
        return next((term for term in near if sorted(term) == letters), near[0] if near else "")

    def search(
        self,
        words: Mapping[str, float],
        grams: Mapping[str, float],
        limit: int,
        allowed: Sequence[int] | None = None,
    ) -> list[tuple[int, float]]:
        """Keys and BM25 sums of the best chunks, best first.

        Args:
            words, grams: terms of the two fields with their weights.
            allowed: only these keys, where given.
        """
        query = self._query(words, grams)
        if query is None or limit < 1 or (allowed is not None and not allowed):
            return []
        if allowed is not None:
            query = self._restricted(query, allowed)
        return self._run(query, limit)

    def scores(
        self, field: str, terms: Mapping[str, float], keys: Sequence[int]
    ) -> dict[int, float]:
        """BM25 sum of `terms` in one field for each of `keys`; 0 where none occurs."""
        query = self._query(terms, {}) if field == "words" else self._query({}, terms)
        found = dict.fromkeys(keys, 0.0)
        if query is not None and keys:
            found.update(self._run(self._restricted(query, keys), len(keys)))
        return found

    def _run(self, query: tantivy.Query, limit: int) -> list[tuple[int, float]]:
        searcher = self._ready()
        hits = searcher.search(query, limit=limit, count=False).hits
        keys = searcher.fast_field_values("key", [address for _, address in hits])
        return [(int(key or 0), float(score)) for key, (score, _) in zip(keys, hits, strict=True)]

    def _restricted(self, query: tantivy.Query, keys: Sequence[int]) -> tantivy.Query:
        members = tantivy.Query.term_set_query(self._schema, "key", list(keys))
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, query),
                (tantivy.Occur.Must, tantivy.Query.boost_query(members, 0.0)),
            ]
        )

    def _query(
        self, words: Mapping[str, float], grams: Mapping[str, float]
    ) -> tantivy.Query | None:
        parts = []
        for field, terms in (("words", words), ("grams", grams)):
            for term, weight in terms.items():
                query = tantivy.Query.term_query(self._schema, field, term, index_option="freq")
                if weight != 1.0:
                    query = tantivy.Query.boost_query(query, weight)
                parts.append((tantivy.Occur.Should, query))
        return tantivy.Query.boolean_query(parts) if parts else None
