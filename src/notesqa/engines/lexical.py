"""BM25 over words and over character bigrams, in a tantivy index.

Text comes in already cut into words and grams, so that tantivy only counts. Both
fields are scored with BM25 (k1 = 1.2, b = 0.75; Robertson & Zaragoza 2009, "The
Probabilistic Relevance Framework").
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import json
import math
import os
import struct
import tempfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tantivy

from notesqa.engines import ChangeLog, Progress, State
from notesqa.engines.following import Follower
from notesqa.errors import CatalogError
from notesqa.records import Entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

Analyzer = Callable[[Entry], tuple[list[str], list[str]]]
"""From a chunk to its words and its grams."""

_HEAP_BYTES = 64 << 20
_ANALYZER = "notesqa"
# A slip is one or two letters of a word that is long enough to be told from others.
_SLIP_LENGTH = 2
# "backpropagation", "backpropagated", … : more of them are no forms of one word.
_MOST_FORMS = 8
_SLIP_CUTOFF = 0.8
_MOST_SIMILAR = 3000
_MOST_SINGLE = 200
_MOST_FREQUENCIES = 1 << 16
# Of 98,657 chunks a set of 41,798 took 105 ms, and to look through what is found without it 1.1.
_MOST_MEMBERS = 500
_MOST_SEARCHED = 4096
_WIDER = 4
_SEGMENTS = "segments"
_META = "meta.json"
_SEAL = struct.Struct("<II")
_SEAL_MAGIC = 1337
_PIECE = 1 << 20
# Names of figures.
_DEAD, _CHECKSUM, _STAMP, _PARTS = "dead", "checksum", "stamp", "parts"
_BATCH = 200
_MOST_DEAD = 0.2
"""Share of deleted chunks, which still count in tantivy's document frequencies, above
which the index is built anew."""


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Twice: numbers are read fast, and words are looked up faster than numbers are.
    builder.add_unsigned_field("key", fast=True)
    builder.add_text_field("id", tokenizer_name="raw", index_option="basic")
    for name in ("words", "grams"):
        builder.add_text_field(name, tokenizer_name=_ANALYZER, index_option="freq")
    return builder.build()


def _analyzer() -> tantivy.TextAnalyzer:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


# -- slips ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownWords:
    """Words, and of each its length and its letters as bits; two letters may share one."""

    words: tuple[str, ...]
    lengths: NDArray[np.int64]
    letters: NDArray[np.uint64]

    @classmethod
    def of(cls, words: Sequence[str]) -> KnownWords:
        # One row a word, filled up with zeros.
        codes = np.array([*words, ""]).view(np.uint32).reshape(len(words) + 1, -1)[:-1]
        bits = np.left_shift(np.uint64(1), codes.astype(np.uint64) & np.uint64(63))
        letters = np.bitwise_or.reduce(np.where(codes, bits, np.uint64(0)), axis=1)
        lengths = np.array([len(word) for word in words], dtype=np.int64)
        return cls(tuple(words), lengths, letters)


def alike(word: str, known: KnownWords) -> list[str]:
    """The known words that can be a slip of `word` by their length and letters.

    None is left out that `difflib` finds alike by `_SLIP_CUTOFF`; it takes hundreds of times
    as long for a word.
    """
    own = KnownWords.of([word])
    odd = np.bitwise_count(own.letters & ~known.letters).astype(np.int64)
    others = np.bitwise_count(known.letters & ~own.letters).astype(np.int64)
    common = np.minimum(own.lengths - odd, known.lengths - others)
    near = np.abs(own.lengths - known.lengths) <= _SLIP_LENGTH
    near &= 2 * common >= _SLIP_CUTOFF * (own.lengths + known.lengths)
    return [known.words[i] for i in np.flatnonzero(near).tolist()]


# -- whether the files are whole -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Meta:
    """What tantivy's `meta.json` tells of an index.

    Attributes:
        checksum: its own.
        stamp: a number that grows with every commit.
        segments: what the names of the files in use begin with.
    """

    checksum: int
    stamp: int
    segments: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> _Meta:
        """From the folder of an index.

        Raises:
            OSError: it is not there.
            ValueError, KeyError, TypeError: it is damaged.
        """
        data = (folder / _META).read_bytes()
        told = json.loads(data)
        segments = frozenset(s["segment_id"].replace("-", "") for s in told["segments"])
        return cls(zlib.crc32(data), int(told["opstamp"]), segments)

    def files(self, folder: Path) -> list[Path]:
        """The files in use; others are left over from a build that was stopped."""
        return [f for f in folder.iterdir() if f.name.partition(".")[0] in self.segments]


def _parts(files: Sequence[Path]) -> list[Path]:
    """Those that every segment has; chunks were deleted in some only."""
    return [file for file in files if file.suffix != ".del"]


def _as_sealed(file: Path) -> bool:
    """Whether a file of a segment still has the checksum that tantivy put at its end.

    The end is JSON (`crc`: CRC-32 of all before it), its length and a magic number, both as
    little-endian 32 bits.

    Raises:
        ValueError: the end is damaged.
    """
    crc = 0
    with file.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END) - _SEAL.size
        stream.seek(max(0, end))
        length, magic = _SEAL.unpack(stream.read().rjust(_SEAL.size))
        left = end - length
        if magic != _SEAL_MAGIC or left < 0:
            return False
        stream.seek(left)
        told = json.loads(stream.read(length))
        stream.seek(0)
        while left > 0 and (piece := stream.read(min(_PIECE, left))):
            crc = zlib.crc32(piece, crc)
            left -= len(piece)
    return isinstance(told, dict) and told.get("crc") == crc


@contextlib.contextmanager
def _panics_told() -> Iterator[None]:
    """Where tantivy panics, raise what it raises elsewhere for damaged files.

    Raises:
        ValueError: it panicked.
    """
    try:
        yield
    except BaseException as error:
        # Its type cannot be imported.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Words:
    """An open index.

    Attributes:
        links: the folder of links that it is read through, where it has to be.
        starting: words by their first letter, as far as somebody asked for them; see
            `LexicalEngine._starting`.
        frequencies: in how many chunks terms stand, by field and term, as far as asked for.
    """

    index: tantivy.Index
    searcher: tantivy.Searcher
    links: tempfile.TemporaryDirectory[str] | None = None
    starting: dict[str, KnownWords] = field(default_factory=dict)
    frequencies: dict[tuple[str, str], int] = field(default_factory=dict)


def _frequency(words: _Words, field: str, term: str) -> int:
    known = words.frequencies.get((field, term))
    if known is None:
        if len(words.frequencies) >= _MOST_FREQUENCIES:
            words.frequencies.clear()
        known = words.frequencies[field, term] = int(words.searcher.doc_freq(field, term))
    return known


def _among(allowed: Sequence[int], key: int) -> bool:
    at = bisect_left(allowed, key)
    return at < len(allowed) and allowed[at] == key


class LexicalEngine(Follower[_Words]):
    """Follower that finds chunks by the words they hold."""

    name = "lexical"
    _title = "word index"
    _failures = (ValueError, OSError)

    def __init__(self, folder: Path, analyze: Analyzer, recipe: str) -> None:
        """Open the index in `folder`; nothing is built before `catch_up`.

        Args:
            recipe: version of the analysis; another one rebuilds the index.
        """
        self._analyze = analyze
        self._schema = _schema()
        # Files whose checksums were right, by name, size and time.
        self._sound: set[tuple[str, int, int]] = set()
        super().__init__(folder, f"3/{recipe}")

    def _open(self, state: State) -> _Words | None:
        folder = self._folder / state.files[0]
        links = None
        try:
            if not self._whole(folder, state):
                return None
            if not os.access(folder, os.W_OK):
                links, folder = self._mirror(folder)
            with _panics_told():
                index = tantivy.Index.open(str(folder))
                index.register_tokenizer(_ANALYZER, _analyzer())
                index.reload()
                return _Words(index, index.searcher(), links)
        except (ValueError, KeyError, TypeError, OSError):
            # Derived data: catch_up makes it anew.
            return None

    def _whole(self, folder: Path, state: State) -> bool:
        """Whether every file is there, as it was written.

        tantivy does not look: a flipped bit makes it panic, or find something else.
        """
        meta = _Meta.read(folder)
        known = state.figures
        # A later one was written by somebody who was killed before the state was.
        if meta.checksum != known[_CHECKSUM] and meta.stamp <= known[_STAMP]:
            return False
        files = meta.files(folder)
        if len(_parts(files)) < known[_PARTS] * len(meta.segments):
            return False
        for file in files:
            found = file.stat()
            mark = (file.name, found.st_size, found.st_mtime_ns)
            if mark not in self._sound and not _as_sealed(file):
                return False
            self._sound.add(mark)
        return True

    def _mirror(self, folder: Path) -> tuple[tempfile.TemporaryDirectory[str], Path]:
        """A folder of links to an index on read-only ground, where tantivy can put its lock."""
        links = tempfile.TemporaryDirectory(prefix="notesqa-")
        place = Path(links.name)
        for file in folder.iterdir():
            if file.suffix != ".lock":
                (place / file.name).symlink_to(file.resolve())
        return links, place

    def _begin(self, log: ChangeLog, head: int, progress: Progress | None) -> tuple[State, _Words]:
        (self._folder / _SEGMENTS).mkdir()
        index = tantivy.Index(self._schema, path=str(self._folder / _SEGMENTS))
        index.register_tokenizer(_ANALYZER, _analyzer())
        return self._apply(index, log, 0, head, [], 0, progress)

    def _advance(
        self, index: _Words, state: State, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, _Words] | None:
        gone = log.removed(state.commit, head)
        dead = int(state.figures.get(_DEAD, 0)) + len(gone)
        if dead > _MOST_DEAD * log.count(0, head):
            return None
        return self._apply(index.index, log, state.commit, head, gone, dead, progress)

    def _apply(
        self,
        index: tantivy.Index,
        log: ChangeLog,
        since: int,
        head: int,
        gone: Sequence[int],
        dead: int,
        progress: Progress | None,
    ) -> tuple[State, _Words]:
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
                    document.add_text("id", str(entry.key))
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
        index.reload()
        meta = _Meta.read(self._folder / _SEGMENTS)
        parts = len(_parts(meta.files(self._folder / _SEGMENTS))) // max(1, len(meta.segments))
        figures = {_DEAD: dead, _CHECKSUM: meta.checksum, _STAMP: meta.stamp, _PARTS: parts}
        state = State(log.identity, self._recipe, head, (_SEGMENTS,), figures)
        return state, _Words(index, index.searcher())

    def _delete(self, writer: tantivy.IndexWriter, keys: Sequence[int]) -> None:
        if keys:
            writer.delete_documents_by_query(self._members(keys))

    def _members(self, keys: Sequence[int]) -> tantivy.Query:
        """Those chunks. Measured at 98,000: a set of 40 takes 0.4 ms, 40 single ones 0.1 ms."""
        names = [str(key) for key in keys]
        if len(names) > _MOST_SINGLE:
            return tantivy.Query.term_set_query(self._schema, "id", names)
        single = (
            tantivy.Query.term_query(self._schema, "id", name, index_option="basic")
            for name in names
        )
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in single])

    # -- searching -------------------------------------------------------------

    @contextlib.contextmanager
    def _searching(self) -> Iterator[_Words]:
        """What is searched.

        Raises:
            CatalogError: there is nothing yet, or its files were damaged since it was opened.
        """
        words = self._ready()
        try:
            with _panics_told():
                yield words
        except ValueError as error:
            if self._served and self._served[1] is words:
                self._served = None
            raise CatalogError(
                f"the word index in {self._folder} is damaged", "ask again: it is made anew"
            ) from error

    def size(self) -> int:
        """How many chunks are indexed."""
        return int(self._ready().searcher.num_docs)

    def idf(self, field: str, terms: Sequence[str]) -> dict[str, float]:
        """Inverse document frequency of each term: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        found = {}
        with self._searching() as words:
            total = words.searcher.num_docs
            for term in terms:
                n = _frequency(words, field, term)
                found[term] = math.log(1 + (max(total - n, 0) + 0.5) / (n + 0.5))
        return found

    def frequency(self, field: str, term: str) -> int:
        """In how many chunks a term stands."""
        with self._searching() as words:
            return _frequency(words, field, term)

    def similar_word(self, word: str) -> str:
        """The indexed word that `word` is most likely a slip of, or nothing.

        Nothing where `word` is indexed itself; the first letter is taken as right.
        """
        if self.frequency("words", word):
            return ""
        near = difflib.get_close_matches(
            word, alike(word, self._starting(word[0])), n=4, cutoff=_SLIP_CUTOFF
        )
        # Letters that only changed places first: "trasnformer" is no slip of "transnormer".
        letters = sorted(word)
        return next((term for term in near if sorted(term) == letters), near[0] if near else "")

    def whole_word(self, beginning: str) -> str:
        """The only indexed word that begins so, its own longer forms aside, or nothing."""
        with self._searching() as words:
            found = words.searcher.terms_with_prefix("words", beginning, limit=_MOST_FORMS)
        shortest = min((term for term, _ in found), key=len, default="")
        only = len(found) < _MOST_FORMS and all(term.startswith(shortest) for term, _ in found)
        return shortest if only else ""

    def _starting(self, letter: str) -> KnownWords:
        """The most frequent words with that first letter."""
        with self._searching() as words:
            known = words.starting.get(letter)
            if known is None:
                found = words.searcher.terms_with_prefix("words", letter, limit=_MOST_SIMILAR)
                known = words.starting[letter] = KnownWords.of([term for term, _ in found])
        return known

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
            allowed: only these keys, where given; ascending.
        """
        query = self._query(words, grams)
        if query is None or limit < 1 or (allowed is not None and not allowed):
            return []
        if allowed is None:
            return self._run(query, limit)
        if len(allowed) > _MOST_MEMBERS:
            # As many as it takes where they are spread evenly, and as many again.
            wanted = 2 * limit * self.size() // len(allowed) + limit
            while wanted <= _MOST_SEARCHED:
                found = self._run(query, wanted)
                left = [hit for hit in found if _among(allowed, hit[0])]
                if len(left) >= limit or len(found) < wanted:
                    return left[:limit]
                wanted *= _WIDER
        return self._run(self._restricted(query, allowed), limit)

    def scores(
        self, words: Mapping[str, float], grams: Mapping[str, float], keys: Sequence[int]
    ) -> dict[int, float]:
        """BM25 sums, as in `search`, of each of `keys`; 0 where no term occurs."""
        query = self._query(words, grams)
        found = dict.fromkeys(keys, 0.0)
        if query is not None and keys:
            found.update(self._run(self._restricted(query, keys), len(keys)))
        return found

    def _run(self, query: tantivy.Query, limit: int) -> list[tuple[int, float]]:
        with self._searching() as words:
            hits = words.searcher.search(query, limit=limit, count=False).hits
            keys = words.searcher.fast_field_values("key", [address for _, address in hits])
        return [(int(key or 0), float(score)) for key, (score, _) in zip(keys, hits, strict=True)]

    def _restricted(self, query: tantivy.Query, keys: Sequence[int]) -> tantivy.Query:
        members = tantivy.Query.const_score_query(self._members(keys), 0.0)
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query), (tantivy.Occur.Must, members)]
        )

    def _query(
        self, words: Mapping[str, float], grams: Mapping[str, float]
    ) -> tantivy.Query | None:
        parts = []
        for name, terms in (("words", words), ("grams", grams)):
            for term, weight in terms.items():
                query = tantivy.Query.term_query(self._schema, name, term, index_option="freq")
                if weight != 1.0:
                    query = tantivy.Query.boost_query(query, weight)
                parts.append((tantivy.Occur.Should, query))
        return tantivy.Query.boolean_query(parts) if parts else None
