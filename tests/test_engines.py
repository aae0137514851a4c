"""One contract for every engine that follows the catalog, and what each does besides."""

from __future__ import annotations

import difflib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from notesqa.catalog import Catalog, NewChunk, NewDocument, text_key
from notesqa.config import EmbeddingSettings
from notesqa.embedding import open_embedder
from notesqa.engines import STATE_FILE, ChangeLog, Progress, read_state, writing
from notesqa.engines import vectors as vectors_module
from notesqa.engines.lexical import KnownWords, LexicalEngine, alike
from notesqa.engines.vectors import VectorEngine
from notesqa.errors import Cancelled, CatalogError
from notesqa.records import Chunk, Document, Entry, Source
from tests.fakes import ROOT, BigramEmbedder

EMBEDDER = BigramEmbedder()
WORDS = ["卷积", "池化", "残差", "注意力", "adam", "bert", "yolo"]
Found = dict[str, float]


def analyze(entry: Entry) -> tuple[list[str], list[str]]:
    return entry.text.split(), [a + b for a, b in zip(entry.text, entry.text[1:], strict=False)]


class Engine(Protocol):
    @property
    def commit(self) -> int: ...
    def size(self) -> int: ...
    def is_current(self, log: ChangeLog) -> bool: ...
    def usable(self, log: ChangeLog) -> bool: ...
    def catch_up(
        self, log: ChangeLog, progress: Progress | None = None, *, wait: bool = True
    ) -> bool: ...


@dataclass(frozen=True)
class Kind:
    """How to open an engine, and how to ask it for texts with their scores."""

    name: str
    open: Callable[[Path, str], Engine]
    search: Callable[[Engine, Catalog, str], Found]


def open_lexical(folder: Path, recipe: str) -> Engine:
    return LexicalEngine(folder / "lexical", analyze, recipe)


def open_vectors(folder: Path, recipe: str) -> Engine:
    embedder = EMBEDDER.name if recipe == "1" else "another"
    return VectorEngine(folder / "vectors", EMBEDDER.dimension, embedder)


def texts(catalog: Catalog, hits: list[tuple[int, float]]) -> Found:
    rows = catalog.chunk_rows(key for key, _ in hits)
    assert len(rows) == len(hits), "only chunks that the catalog knows"
    assert [score for _, score in hits] == sorted((s for _, s in hits), reverse=True)
    return {rows[key].text: round(score, 4) for key, score in hits}


def search_lexical(engine: Engine, catalog: Catalog, query: str) -> Found:
    assert isinstance(engine, LexicalEngine)
    return texts(catalog, engine.search(dict.fromkeys(query.split(), 1.0), {}, 1000))


def search_vectors(engine: Engine, catalog: Catalog, query: str) -> Found:
    assert isinstance(engine, VectorEngine)
    return texts(catalog, engine.search(EMBEDDER.embed_queries([query])[0], 1000))


KINDS = {
    "lexical": Kind("lexical", open_lexical, search_lexical),
    "vectors": Kind("vectors", open_vectors, search_vectors),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(tmp_path, write=True)
    yield opened
    opened.close()


def put(catalog: Catalog, texts: dict[str, str], drop: tuple[str, ...] = ()) -> None:
    """Commit one-chunk documents by id; one of a known id replaces the former version."""
    live = catalog.live_documents()
    added = []
    for name, text in texts.items():
        chunk = Chunk(f"{name}/{text}", name, 0, 0, len(text), (), text, 1)
        document = Document(name, name, text, "text", (Source("corpus/x.txt"),))
        added.append(NewDocument(document, text, (NewChunk(chunk, 0, text_key(text)),)))
    vectors = EMBEDDER.embed_passages(list(texts.values())).astype(np.float16)
    catalog.add_vectors(
        EMBEDDER.name,
        ((text_key(t), v.tobytes()) for t, v in zip(texts.values(), vectors, strict=True)),
    )
    catalog.add_commit(
        recipe="r", embedder=EMBEDDER.name, files=[], gone_files=[], added=added,
        removed=[live[name].pk for name in {*texts, *drop} if name in live],
        moved={}, duplicates=0, seconds=0.0,
    )  # fmt: skip


FIRST = {
    "a": "卷积 池化 第一",
    "b": "残差 卷积 bert",
    "c": "注意力 bert adam 很长 的 一段",
}


class TestContract:
    """What holds for every engine."""

    def test_nothing_before_the_first_catch_up(self, kind: Kind, tmp_path: Path) -> None:
        engine = kind.open(tmp_path, "1")
        assert engine.commit == 0
        with pytest.raises(CatalogError, match="index yet"):
            engine.size()

    def test_from_the_beginning(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        assert not engine.is_current(catalog)
        assert engine.catch_up(catalog)
        assert engine.is_current(catalog)
        assert (engine.commit, engine.size()) == (1, 3)
        found = kind.search(engine, catalog, "bert adam")
        assert next(iter(found)) == FIRST["c"]

    def test_an_empty_catalog(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, {})
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        assert (engine.commit, engine.size()) == (1, 0)
        assert kind.search(engine, catalog, "bert") == {}
        put(catalog, FIRST)
        engine.catch_up(catalog)
        assert engine.size() == 3

    def test_what_came_since(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, {f"n{i}": f"池化 第{i}" for i in range(20)} | FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        put(catalog, {"d": "yolo bert", "b": "残差 只有 残差"}, drop=("a",))
        seen: list[tuple[int, int]] = []
        engine.catch_up(catalog, lambda done, total: seen.append((done, total)))
        assert seen[-1] == (2, 2), "the two new chunks and no other"
        assert engine.size() == 23 - 1 + 1
        found = kind.search(engine, catalog, "bert")
        assert "yolo bert" in found
        assert not found.keys() & {FIRST["a"], FIRST["b"]}

    def test_catching_up_again_does_nothing(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / kind.name).rglob("*")}
        engine.catch_up(catalog)
        kind.open(tmp_path, "1").catch_up(catalog)
        after = {p: p.stat().st_mtime_ns for p in (tmp_path / kind.name).rglob("*")}
        assert {p: t for p, t in after.items() if p in before} == before

    def test_reopened(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        again = kind.open(tmp_path, "1")
        assert again.is_current(catalog)
        assert kind.search(again, catalog, "bert") == kind.search(engine, catalog, "bert")

    @settings(max_examples=12)
    @given(
        steps=st.lists(
            st.tuples(
                st.dictionaries(
                    st.sampled_from("abcdefgh"),
                    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
                    max_size=3,
                ),
                st.sets(st.sampled_from("abcdefgh"), max_size=2).map(tuple),
            ),
            min_size=1,
            max_size=5,
        )
    )
    @pytest.mark.parametrize("name", list(KINDS))
    def test_following_equals_beginning_anew(
        self, name: str, steps: list[tuple[dict[str, str], tuple[str, ...]]]
    ) -> None:
        """The same texts are found; and scored the same where nothing was deleted."""
        import tempfile

        kind = KINDS[name]
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            catalog = Catalog(Path(one), write=True)
            following = kind.open(Path(one), "1")
            deleted = False
            for texts, drop in steps:
                live = catalog.live_documents()
                deleted |= any(n in live for n in (*texts, *drop))
                put(catalog, texts, drop)
                following.catch_up(catalog)
            anew = kind.open(Path(two), "1")
            anew.catch_up(catalog)
            assert following.size() == anew.size()
            for word in WORDS:
                got = kind.search(following, catalog, word)
                wanted = kind.search(anew, catalog, word)
                assert got.keys() == wanted.keys()
                if name == "vectors" or not deleted:
                    assert got == pytest.approx(wanted, abs=2e-4)
            catalog.close()

    def test_after_its_folder_was_deleted(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        wanted = kind.search(engine, catalog, "bert")
        shutil.rmtree(tmp_path / kind.name)
        assert kind.search(engine, catalog, "bert") == wanted, "what is open goes on"
        again = kind.open(tmp_path, "1")
        assert again.commit == 0
        again.catch_up(catalog)
        assert kind.search(again, catalog, "bert") == wanted

    @pytest.mark.parametrize(
        "damage",
        [
            "",
            "{",
            "[]",
            "null",
            '{"catalog": "x"}',
            '{"catalog": "x", "recipe": "x", "commit": "one", "files": ["f"]}',
            '{"catalog": "x", "recipe": "x", "commit": 1, "files": []}',
            '{"catalog": "x", "recipe": "x", "commit": 1, "files": 3}',
            "\udcff",
            "[" * 20_000,
        ],
    )
    def test_damaged_state(self, kind: Kind, catalog: Catalog, tmp_path: Path, damage: str) -> None:
        put(catalog, FIRST)
        kind.open(tmp_path, "1").catch_up(catalog)
        (tmp_path / kind.name / STATE_FILE).write_bytes(damage.encode("utf-8", "surrogateescape"))
        engine = kind.open(tmp_path, "1")
        assert engine.commit == 0
        engine.catch_up(catalog)
        assert engine.size() == 3
        assert len(kind.search(engine, catalog, "bert")) >= 2

    @pytest.mark.parametrize("field", ["catalog", "recipe", "commit"])
    def test_a_state_that_does_not_fit(
        self, kind: Kind, catalog: Catalog, tmp_path: Path, field: str
    ) -> None:
        put(catalog, FIRST)
        kind.open(tmp_path, "1").catch_up(catalog)
        path = tmp_path / kind.name / STATE_FILE
        state = json.loads(path.read_text())
        state[field] = 99 if field == "commit" else "another"
        path.write_text(json.dumps(state))
        engine = kind.open(tmp_path, "1")
        assert not engine.is_current(catalog)
        engine.catch_up(catalog)
        assert (engine.commit, engine.size()) == (1, 3)

    @pytest.mark.parametrize("how", ["cut", "empty", "gone"])
    def test_damaged_files_are_made_anew(
        self, kind: Kind, catalog: Catalog, tmp_path: Path, how: str
    ) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        wanted = kind.search(engine, catalog, "bert")
        folder = tmp_path / kind.name
        files = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
        for file in files:
            path = folder / file
            if file.name == STATE_FILE or file.name.endswith(".lock") or not path.exists():
                continue
            data = path.read_bytes()
            if how == "gone":
                path.unlink()
            else:
                path.write_bytes(data[: len(data) // 2] if how == "cut" else b"")
            again = kind.open(tmp_path, "1")
            again.catch_up(catalog)
            assert kind.search(again, catalog, "bert") == wanted, f"{how}: {file}"

    def test_another_catalog(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        other = Catalog(tmp_path / "other", write=True)
        put(other, {"z": "yolo 别的"})
        assert not engine.is_current(other)
        assert not engine.usable(other)
        engine.catch_up(other)
        assert engine.size() == 1
        assert kind.search(engine, other, "yolo").keys() == {"yolo 别的"}
        other.close()

    def test_another_recipe(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        kind.open(tmp_path, "1").catch_up(catalog)
        engine = kind.open(tmp_path, "2")
        assert not engine.is_current(catalog)
        engine.catch_up(catalog)
        assert engine.is_current(catalog)
        assert not kind.open(tmp_path, "1").is_current(catalog)

    def test_after_a_purge(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        live = catalog.live_documents()
        catalog.add_commit(
            recipe="r", embedder=EMBEDDER.name, files=[], gone_files=[], added=[],
            removed=[live["a"].pk], moved={}, duplicates=0, seconds=0.0, purge=True,
        )  # fmt: skip
        engine.catch_up(catalog)
        assert engine.size() == 2
        assert FIRST["a"] not in kind.search(engine, catalog, "卷积 池化")

    def test_killed_before_it_noted_where_it_stands(
        self, kind: Kind, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(catalog, {f"n{i}": f"池化 第{i}" for i in range(20)} | FIRST)
        kind.open(tmp_path, "1").catch_up(catalog)
        put(catalog, {"b": "残差 新", "d": "yolo"}, drop=("a",))
        script = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from notesqa.catalog import Catalog\n"
            "import notesqa.engines.following as following\n"
            "from tests.test_engines import KINDS\n"
            "def die(*_):\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "following.write_state = die\n"
            "folder = Path(sys.argv[1])\n"
            "KINDS[sys.argv[2]].open(folder, '1').catch_up(Catalog(folder))\n"
        )
        killed = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), kind.name], cwd=ROOT, check=False
        )
        assert killed.returncode == -signal.SIGKILL
        engine = kind.open(tmp_path, "1")
        assert engine.commit == 1
        engine.catch_up(catalog)
        assert (engine.commit, engine.size()) == (2, 23)
        anew = kind.open(tmp_path / "anew", "1")
        anew.catch_up(catalog)
        for word in WORDS:
            got = kind.search(engine, catalog, word)
            assert got.keys() == kind.search(anew, catalog, word).keys()

    def test_stopped_in_the_middle(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        put(catalog, {"d": "yolo"})

        def stop(done: int, total: int) -> None:
            raise Cancelled("stopped")

        with pytest.raises(Cancelled) as held:
            engine.catch_up(catalog, stop)
        assert kind.search(engine, catalog, "bert"), "the former state is still searched"
        # `held` keeps the exception and its frames alive, as a UI may do.
        assert engine.catch_up(catalog)
        assert engine.size() == 4
        assert held.value

    def test_searching_goes_on_while_it_catches_up(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        """Eight threads search; each finds the state before or the state after, whole."""
        put(catalog, {f"n{i}": f"bert 第{i}" for i in range(50)})
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        stop = threading.Event()
        sizes: set[int] = set()
        errors: list[BaseException] = []

        def search() -> None:
            try:
                while not stop.is_set():
                    sizes.add(engine.size())
                    kind.search(engine, catalog, "bert")
            except BaseException as error:
                errors.append(error)
                raise

        threads = [threading.Thread(target=search) for _ in range(8)]
        for thread in threads:
            thread.start()
        for version in range(5):
            put(catalog, {f"n{i}": f"bert 第{i} 版{version}" for i in range(50)})
            engine.catch_up(catalog)
        stop.set()
        for thread in threads:
            thread.join()
        assert not errors
        assert sizes == {50}

    def test_two_at_once_wait_for_one_another(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        put(catalog, FIRST)
        engines = [kind.open(tmp_path, "1") for _ in range(4)]
        threads = [threading.Thread(target=e.catch_up, args=(catalog,)) for e in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [engine.size() for engine in engines] == [3] * 4

    def test_somebody_else_is_at_it(self, kind: Kind, catalog: Catalog, tmp_path: Path) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        put(catalog, {"d": "yolo"})
        with writing(tmp_path / kind.name):
            assert not engine.catch_up(catalog, wait=False)
            assert engine.usable(catalog)
            assert (engine.commit, engine.size()) == (1, 3)
        assert engine.catch_up(catalog, wait=False)
        assert engine.commit == 2

    def test_a_state_that_the_catalog_has_forgotten_serves_no_more(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        for _ in range(2):
            assert engine.usable(catalog)
            live = [row.pk for row in catalog.live_documents().values()]
            catalog.add_commit(
                recipe="r", embedder=EMBEDDER.name, files=[], gone_files=[], added=[],
                removed=live, moved={}, duplicates=0, seconds=0.0, purge=True,
            )  # fmt: skip
        assert not engine.usable(catalog)

    def test_a_file_where_the_folder_should_be(
        self, kind: Kind, catalog: Catalog, tmp_path: Path
    ) -> None:
        put(catalog, FIRST)
        (tmp_path / "in-the-way").write_text("a file")
        engine = kind.open(tmp_path / "in-the-way", "1")
        with pytest.raises(CatalogError, match="cannot write") as caught:
            engine.catch_up(catalog)
        assert caught.value.hint

    def test_a_full_disk(
        self, kind: Kind, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(catalog, FIRST)
        engine = kind.open(tmp_path, "1")
        engine.catch_up(catalog)
        put(catalog, {"d": "yolo"})

        def full(*_: object) -> None:
            raise OSError(28, os.strerror(28))

        with monkeypatch.context() as patched:
            patched.setattr("notesqa.engines.following.write_state", full)
            with pytest.raises(CatalogError, match="No space left") as caught:
                engine.catch_up(catalog)
        assert "free space" in caught.value.hint
        assert kind.search(engine, catalog, "bert")
        engine.catch_up(catalog)
        assert engine.size() == 4


# -- lexical ---------------------------------------------------------------------------------


@pytest.fixture
def lexical(catalog: Catalog, tmp_path: Path) -> LexicalEngine:
    put(catalog, FIRST)
    engine = LexicalEngine(tmp_path / "lexical", analyze, "1")
    engine.catch_up(catalog)
    return engine


def test_weights_count(catalog: Catalog, lexical: LexicalEngine) -> None:
    light = lexical.search({"bert": 1.0, "卷积": 0.1}, {}, 3)
    heavy = lexical.search({"bert": 0.1, "卷积": 1.0}, {}, 3)
    best = [catalog.chunk_rows([hits[-1][0]])[hits[-1][0]].text for hits in (light, heavy)]
    assert best == [FIRST["a"], FIRST["c"]]


def test_only_the_allowed(catalog: Catalog, lexical: LexicalEngine) -> None:
    everything = lexical.search({"bert": 1.0}, {}, 9)
    key, score = everything[1]
    assert dict(lexical.search({"bert": 1.0}, {}, 9, [key])) == {key: pytest.approx(score)}
    assert lexical.search({"bert": 1.0}, {}, 9, []) == []
    assert lexical.search({}, {}, 9) == []
    assert lexical.search({"bert": 1.0}, {}, 0) == []


@settings(max_examples=12)
@given(every=st.integers(1, 40), rare=st.booleans(), limit=st.sampled_from([1, 7, 60]))
def test_many_allowed_are_those_of_a_search_of_all(
    many: tuple[LexicalEngine, list[int]], every: int, rare: bool, limit: int
) -> None:
    """However they lie among the others: here the best of all are never allowed."""
    engine, keys = many
    words = {"rare": 1.0} if rare else {"often": 1.0, "odd": 0.5}
    allowed = [key for n, key in enumerate(keys) if n % 41 >= every]
    everything = engine.search(words, {}, len(keys))
    among = set(allowed)
    wanted = [(key, score) for key, score in everything if key in among][:limit]
    found = engine.search(words, {}, limit, allowed)
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted])
    assert {key for key, _ in found} <= among
    assert len(dict(found)) == len(wanted)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[LexicalEngine, list[int]]:
    """3,000 chunks, and their keys; those whose number is 0 modulo 41 say a word most often."""
    folder = tmp_path_factory.mktemp("many")
    catalog = Catalog(folder, write=True)
    texts = {
        f"d{n}": f"{'often ' * (9 if n % 41 == 0 else 1 + n % 3)}{'odd ' * (n % 2)}"
        f"{'rare ' * (n % 97 == 5)}w{n}"
        for n in range(3000)
    }
    put(catalog, texts)
    engine = LexicalEngine(folder / "lexical", analyze, "1")
    engine.catch_up(catalog)
    by_key = {row.text: key for key, row in catalog.chunk_rows(catalog.chunk_keys()).items()}
    return engine, [by_key[text] for text in texts.values()]


def test_scores_of_given_chunks(catalog: Catalog, lexical: LexicalEngine) -> None:
    keys = catalog.chunk_keys()
    scores = lexical.scores({"bert": 1.0}, {}, keys)
    assert scores.keys() == set(keys)
    found = dict(lexical.search({"bert": 1.0}, {}, 9))
    assert {k: s for k, s in scores.items() if s} == pytest.approx(found)
    assert lexical.scores({}, {}, keys) == dict.fromkeys(keys, 0.0)
    assert lexical.scores({}, {"bert": 1.0}, []) == {}


def test_idf_falls_with_frequency(lexical: LexicalEngine) -> None:
    idf = lexical.idf("words", ["bert", "adam", "无"])
    assert 0 < idf["bert"] < idf["adam"] < idf["无"]


def test_terms_are_never_a_query_language(lexical: LexicalEngine) -> None:
    for term in ('"', "words:bert", "bert OR adam", "*", "(", "\\", "^2", "a" * 70_000, "\x00"):
        assert lexical.search({term: 1.0}, {term: 0.5}, 5) == []


def test_deleted_chunks_do_not_pile_up(catalog: Catalog, lexical: LexicalEngine) -> None:
    """After many changes the scores are those of an index made anew, near enough."""
    for version in range(12):
        put(catalog, {"a": f"卷积 版{version}"})
        lexical.catch_up(catalog)
    state = read_state(lexical._folder)
    assert state is not None
    assert state.figures["dead"] <= 1
    assert lexical.idf("words", ["卷积"])["卷积"] == pytest.approx(0.47, abs=0.5)
    assert lexical.size() == 3


def segments(tmp_path: Path) -> list[Path]:
    """The files that tantivy reads."""
    folder = tmp_path / "lexical" / "segments"
    return sorted(p for p in folder.iterdir() if p.suffix != ".lock" and p.name[0] != ".")


@pytest.mark.parametrize("part", range(7))
def test_a_flipped_bit_is_noticed(
    catalog: Catalog, lexical: LexicalEngine, tmp_path: Path, part: int
) -> None:
    """In any file, at any place: where tantivy itself would panic, or find something else."""
    wanted = search_lexical(lexical, catalog, "bert 卷积")
    bits = random.Random(part)
    assert len(segments(tmp_path)) == 7
    for _ in range(12):
        file = segments(tmp_path)[part]
        data = bytearray(file.read_bytes())
        data[bits.randrange(len(data))] ^= 1 << bits.randrange(8)
        # Not in place: the engine that is open reads its files as memory.
        (tmp_path / "flipped").write_bytes(data)
        (tmp_path / "flipped").replace(file)
        again = LexicalEngine(tmp_path / "lexical", analyze, "1")
        again.catch_up(catalog)
        assert search_lexical(again, catalog, "bert 卷积") == wanted, file.name
        assert LexicalEngine(tmp_path / "lexical", analyze, "1").is_current(catalog)


def test_damage_under_an_open_index_is_told_and_made_good(
    catalog: Catalog, lexical: LexicalEngine, tmp_path: Path
) -> None:
    wanted = search_lexical(lexical, catalog, "bert 卷积")
    for file in segments(tmp_path):
        if file.suffix in (".term", ".idx", ".fast"):
            with file.open("r+b") as stream:
                stream.write(b"\xff" * file.stat().st_size)
    with pytest.raises(CatalogError, match="word index") as caught:
        lexical.search({"bert": 1.0, "卷积": 1.0}, {}, 9)
    assert caught.value.hint
    assert lexical.commit == 0
    lexical.catch_up(catalog)
    assert search_lexical(lexical, catalog, "bert 卷积") == wanted


def test_leftovers_of_a_stopped_build_are_no_damage(
    catalog: Catalog, lexical: LexicalEngine, tmp_path: Path
) -> None:
    (segments(tmp_path)[0].parent / f"{'0' * 32}.idx").write_bytes(b"half of a segment")
    assert LexicalEngine(tmp_path / "lexical", analyze, "1").is_current(catalog)


@given(
    word=st.text(alphabet="abcd", min_size=3, max_size=7),
    known=st.sets(st.text(alphabet="abcd", min_size=2, max_size=8), max_size=12),
)
def test_slips_are_those_of_difflib(word: str, known: set[str]) -> None:
    """What is left out before the comparison would not have come near."""
    close = [term for term in known if abs(len(term) - len(word)) <= 2]
    wanted = difflib.get_close_matches(word, close, n=4, cutoff=0.8)
    left = alike(word, KnownWords.of(sorted(known)))
    assert difflib.get_close_matches(word, left, n=4, cutoff=0.8) == wanted


def test_slips(catalog: Catalog, lexical: LexicalEngine) -> None:
    assert lexical.similar_word("adamx") == "adam"
    assert lexical.similar_word("bert") == ""
    assert lexical.similar_word("zzzz") == ""
    put(catalog, {"d": "yolo transformer"})
    assert lexical.similar_word("trasnformer") == ""
    lexical.catch_up(catalog)
    assert lexical.similar_word("trasnformer") == "transformer", "what came since is known"


# -- vectors ---------------------------------------------------------------------------------


class VectorLog:
    """A change log of nothing but vectors: each commit adds some rows and removes some keys."""

    identity = "log"

    def __init__(self, *commits: tuple[NDArray[np.float32], Sequence[int]]) -> None:
        self.commits = list(commits)

    def head(self) -> int:
        return len(self.commits)

    def oldest(self) -> int:
        return 0

    def _added(self, until: int) -> list[tuple[int, int, NDArray[np.float16]]]:
        """The commit, the key and the vector of every row there was."""
        rows = [(n, row) for n, (rows, _) in enumerate(self.commits, 1) for row in rows]
        return [
            (n, key, row.astype(np.float16)) for key, (n, row) in enumerate(rows, 100) if n <= until
        ]

    def _gone(self, since: int, until: int) -> set[int]:
        return {key for _, keys in self.commits[since:until] for key in keys}

    def removed(self, since: int, until: int) -> list[int]:
        return sorted(self._gone(since, until))

    def entries(self, since: int, until: int) -> Iterator[Entry]:
        raise NotImplementedError

    def vectors(self, since: int, until: int, embedder: str) -> Iterator[tuple[int, bytes]]:
        gone = self._gone(0, until)
        for commit, key, row in self._added(until):
            if commit > since and key not in gone:
                yield key, row.tobytes()

    def count(self, since: int, until: int) -> int:
        return sum(1 for _ in self.vectors(since, until, ""))

    def rows(self) -> tuple[list[int], NDArray[np.float32]]:
        """What there is in the end, as it is kept."""
        kept = list(self.vectors(0, self.head(), ""))
        data = b"".join(row for _, row in kept)
        dimension = self.commits[0][0].shape[1]
        rows = np.frombuffer(data, np.float16).reshape(len(kept), dimension)
        return [key for key, _ in kept], rows.astype(np.float32)


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    found = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return np.asarray(found, dtype=np.float32)


def made_up(seed: int, count: int, dimension: int, likeness: float) -> NDArray[np.float32]:
    """Unit vectors around a few centres: the nearer to 1 `likeness` is, the denser."""
    random_ = np.random.default_rng(seed)
    centres = unit(random_.standard_normal((3, dimension)))[random_.integers(3, size=count)]
    noise = unit(random_.standard_normal((count, dimension)))
    # A few components are much larger than the others, as transformers make them.
    noise[:, : dimension // 64] *= 5
    return unit(likeness * centres + (1 - likeness) * noise)


def assert_exact(
    engine: VectorEngine,
    there: tuple[list[int], NDArray[np.float32]],
    query: NDArray[np.float32],
    limit: int,
    allowed: Sequence[int] | None = None,
) -> None:
    keys, rows = there
    cosines = dict(zip(keys, (rows @ query).tolist(), strict=True))
    if allowed is not None:
        cosines = {key: cosines[key] for key in allowed if key in cosines}
    wanted = sorted(cosines.values(), reverse=True)[:limit]
    found = engine.search(query, limit, allowed)
    assert [score for _, score in found] == pytest.approx(wanted, abs=1e-6)
    assert len({key for key, _ in found}) == len(found)
    assert dict(found) == pytest.approx({key: cosines[key] for key, _ in found}, abs=1e-6)


@pytest.fixture(params=["held against the question", "scanned"], scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """As few vectors are searched, and as many are."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "scanned":
            patch.setattr(vectors_module, "MOST_LOOKED_AT", 0)
        yield


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimension", [7, 32, 256, 384, 1024])
@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.9, 0.999])
def test_the_nearest_are_those_of_an_exact_scan(
    tmp_path: Path, dimension: int, likeness: float
) -> None:
    """Of vectors far apart and of vectors that 8 bits cannot tell apart."""
    log = VectorLog((made_up(1, 700, dimension, likeness), ()))
    engine = VectorEngine(tmp_path / "vectors", dimension, "e")
    engine.catch_up(log)
    there = log.rows()
    for query in [*unit(there[1][:3]), *made_up(2, 5, dimension, likeness), *unit(-there[1][:1])]:
        for limit in (1, 10, 60, 700, 9999):
            assert_exact(engine, there, query, limit)
        assert_exact(engine, there, query, 10, range(150, 450))
        assert_exact(engine, there, query, 10, [*range(100, 108), 4711])
    assert_exact(engine, there, np.zeros(dimension, np.float32), 10)


@pytest.mark.usefixtures("way")
def test_the_nearest_of_real_passages(tmp_path: Path) -> None:
    """Paragraphs of this repository's notes, in the built-in embedder's vectors."""
    embedder = open_embedder(EmbeddingSettings())
    lines = [
        line
        for path in sorted((ROOT / "corpus").glob("**/*.md"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line) > 30
    ]
    assert len(lines) > 1000
    log = VectorLog((embedder.embed_passages(lines), ()))
    engine = VectorEngine(tmp_path / "vectors", embedder.dimension, embedder.name)
    engine.catch_up(log)
    there = log.rows()
    for query in embedder.embed_queries([*lines[::100], "什么是过拟合", "how does adam work"]):
        assert_exact(engine, there, query, 5)
        assert_exact(engine, there, query, 30)


@pytest.mark.usefixtures("way")
@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    likeness=st.sampled_from([0.0, 0.7, 0.99]),
    commits=st.lists(
        st.tuples(st.integers(0, 150), st.sets(st.integers(100, 400), max_size=40)),
        min_size=1,
        max_size=4,
    ),
    spike=st.booleans(),
)
def test_it_stays_exact_through_changes(
    seed: int, likeness: float, commits: list[tuple[int, set[int]]], spike: bool
) -> None:
    """Also where a later vector has a larger component than any before."""
    import tempfile

    dimension = 64
    gone: set[int] = set()
    steps: list[tuple[NDArray[np.float32], list[int]]] = []
    for number, (count, drop) in enumerate(commits):
        rows = made_up(seed + number, count, dimension, likeness)
        if spike and count and number:
            rows[0] = np.eye(dimension, dtype=np.float32)[0]
        known = 100 + sum(len(added) for added, _ in steps)
        steps.append((rows, sorted(key for key in drop - gone if key < known)))
        gone.update(steps[-1][1])
    with tempfile.TemporaryDirectory() as folder:
        log = VectorLog()
        engine = VectorEngine(Path(folder) / "vectors", dimension, "e")
        for step in steps:
            log.commits.append(step)
            engine.catch_up(log)
        again = VectorEngine(Path(folder) / "vectors", dimension, "e")
        assert again.is_current(log)
        there = log.rows()
        for query in made_up(seed + 99, 3, dimension, likeness):
            assert_exact(engine, there, query, 8)
            assert_exact(again, there, query, 8)


def test_without_room_on_the_gpu_the_cpu_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAISS raises the same where there is no GPU as where it is full."""
    from notesqa.engines import scan

    log = VectorLog((made_up(1, 300, 32, 0.5), ()))
    monkeypatch.setattr(vectors_module, "MOST_LOOKED_AT", 0)
    monkeypatch.setattr(scan, "gpus", lambda: 1)
    engine = VectorEngine(tmp_path / "vectors", 32, "e")
    engine.catch_up(log)
    assert_exact(engine, log.rows(), made_up(2, 1, 32, 0.5)[0], 10)


def test_a_gpu_that_fails_while_it_searches_leaves_it_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faiss

    from notesqa.engines import scan

    class Full:
        def search(self, query: NDArray[np.float32], limit: int) -> None:
            raise RuntimeError("Error in virtual void* faiss::gpu::StandardGpuResourcesImpl")

    log = VectorLog((made_up(1, 300, 32, 0.5), ()))
    monkeypatch.setattr(vectors_module, "MOST_LOOKED_AT", 0)
    monkeypatch.setattr(scan, "gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", lambda *_: Full())
    engine = VectorEngine(tmp_path / "vectors", 32, "e")
    engine.catch_up(log)
    assert_exact(engine, log.rows(), made_up(2, 1, 32, 0.5)[0], 10)


def test_many_are_searched_by_lists(tmp_path: Path) -> None:
    """Most of the nearest are found in the lists that are looked at; of a selection, all."""
    dimension = 16
    # In one list at first, then in more, which stay as they are when a few come.
    log = VectorLog((made_up(1, 24_000, dimension, 0.3), ()))
    engine = VectorEngine(tmp_path / "vectors", dimension, "e")
    engine.catch_up(log)
    queries = made_up(9, 6, dimension, 0.3)
    assert_exact(engine, log.rows(), queries[0], 30)
    for added, gone in ((3_000, range(200, 1200)), (500, range(1200, 1300)), (13_000, ())):
        log.commits.append((made_up(added, added, dimension, 0.3), gone))
        engine.catch_up(log)
        again = VectorEngine(tmp_path / "vectors", dimension, "e")
        keys, rows = log.rows()
        found = 0
        for query in queries:
            hits = engine.search(query, 30)
            cosines = dict(zip(keys, (rows @ query).tolist(), strict=True))
            assert dict(hits) == pytest.approx({key: cosines[key] for key, _ in hits}, abs=1e-6)
            assert [score for _, score in hits] == sorted((s for _, s in hits), reverse=True)
            assert len(hits) == 30
            assert again.search(query, 30) == hits
            nearest = sorted(cosines, key=lambda key: -cosines[key])[:30]
            found += len(set(nearest) & dict(hits).keys())
            assert_exact(engine, (keys, rows), query, 30, keys[::3])
            assert_exact(engine, (keys, rows), query, len(keys))
        assert found >= 0.9 * 30 * len(queries)


@pytest.fixture
def vectors(catalog: Catalog, tmp_path: Path) -> VectorEngine:
    put(catalog, FIRST)
    engine = VectorEngine(tmp_path / "vectors", EMBEDDER.dimension, EMBEDDER.name)
    engine.catch_up(catalog)
    return engine


def test_the_score_is_the_cosine(catalog: Catalog, vectors: VectorEngine) -> None:
    query = EMBEDDER.embed_queries([FIRST["b"]])[0]
    hits = vectors.search(query, 9)
    rows = catalog.chunk_rows(key for key, _ in hits)
    assert rows[hits[0][0]].text == FIRST["b"]
    for key, score in hits:
        cosine = float(EMBEDDER.embed_passages([rows[key].text])[0] @ query)
        assert score == pytest.approx(cosine, abs=2e-3)
    assert vectors.scores(query, [k for k, _ in hits]) == pytest.approx(dict(hits), abs=2e-3)
    assert vectors.scores(query, [123456]) == {}


@given(
    seed=st.integers(0, 1000),
    keys=st.sets(st.integers(90, 170), max_size=12),
    among=st.sets(st.integers(90, 170), max_size=30),
    count=st.integers(1, 4),
)
def test_the_nearest_among_some(seed: int, keys: set[int], among: set[int], count: int) -> None:
    import tempfile

    log = VectorLog((made_up(seed, 60, 64, 0.7), ()))
    there, rows = log.rows()
    with tempfile.TemporaryDirectory() as folder:
        engine = VectorEngine(Path(folder) / "vectors", 64, "e")
        engine.catch_up(log)
        found = engine.nearest_among(sorted(keys), sorted(among), count)
    at = {key: number for number, key in enumerate(there)}
    assert list(found) == [key for key in sorted(keys) if key in at]
    for key, others in found.items():
        cosines = {o: float(rows[at[o]] @ rows[at[key]]) for o in among & at.keys() - {key}}
        assert [cosine for _, cosine in others] == pytest.approx(
            sorted(cosines.values(), reverse=True)[:count], abs=1e-5
        )
        assert dict(others) == pytest.approx({o: cosines[o] for o, _ in others}, abs=1e-5)


def test_only_the_allowed_vectors(catalog: Catalog, vectors: VectorEngine) -> None:
    query = EMBEDDER.embed_queries(["bert"])[0]
    keys = catalog.chunk_keys()
    assert {key for key, _ in vectors.search(query, 9, keys[:2])} == set(keys[:2])
    assert vectors.search(query, 9, []) == []
    assert vectors.search(query, 0) == []
    assert len(vectors.search(query, 2)) == 2


def test_a_vector_of_another_length_is_told(catalog: Catalog, tmp_path: Path) -> None:
    put(catalog, FIRST)
    engine = VectorEngine(tmp_path / "vectors", EMBEDDER.dimension * 2, EMBEDDER.name)
    with pytest.raises(CatalogError, match="vector index"):
        engine.catch_up(catalog)


def test_old_files_go(catalog: Catalog, vectors: VectorEngine, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    (folder / "exact-1.bin.4711").write_text("left by one that was killed")
    put(catalog, {"d": "yolo"})
    vectors.catch_up(catalog)
    kinds = ("centres", "coarse", "exact", "keys", "lists")
    assert sorted(p.name for p in folder.iterdir()) == [*(f"{k}-2.bin" for k in kinds), STATE_FILE]


@pytest.mark.parametrize("part", range(6))
def test_a_flipped_bit_of_a_vector_is_noticed(tmp_path: Path, part: int) -> None:
    """In any file, at any place, the state's own included."""
    log = VectorLog((made_up(1, 60, 32, 0.5), ()), (made_up(2, 20, 32, 0.5), (103, 117)))
    there = log.rows()
    bits = random.Random(part)
    for _ in range(25):
        engine = VectorEngine(tmp_path / "vectors", 32, "e")
        engine.catch_up(log)
        files = sorted((tmp_path / "vectors").iterdir())
        assert len(files) == 6
        data = bytearray(files[part].read_bytes())
        data[bits.randrange(len(data))] ^= 1 << bits.randrange(8)
        files[part].write_bytes(data)
        again = VectorEngine(tmp_path / "vectors", 32, "e")
        assert again.commit == 0, files[part].name
        again.catch_up(log)
        for query in made_up(3, 2, 32, 0.5):
            assert_exact(again, there, query, 12)


def test_vectors_cut_short_are_made_anew(tmp_path: Path) -> None:
    log = VectorLog((made_up(1, 60, 32, 0.5), ()))
    VectorEngine(tmp_path / "vectors", 32, "e").catch_up(log)
    for name in ("keys-1.bin", "exact-1.bin", "coarse-1.bin", "lists-1.bin", "centres-1.bin"):
        file = tmp_path / "vectors" / name
        for left in (0, 1, file.stat().st_size - 1):
            file.write_bytes(file.read_bytes()[:left])
            again = VectorEngine(tmp_path / "vectors", 32, "e")
            assert again.commit == 0
            again.catch_up(log)
            assert_exact(again, log.rows(), made_up(1, 1, 32, 0.5)[0], 12)
