"""One contract for every engine that follows the catalog, and what each does besides."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notesqa.catalog import Catalog, NewChunk, NewDocument, text_key
from notesqa.engines import STATE_FILE, ChangeLog, Progress, read_state, writing
from notesqa.engines.lexical import LexicalEngine
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
            "import notesqa.engines.lexical as lexical, notesqa.engines.vectors as vectors\n"
            "from tests.test_engines import KINDS\n"
            "def die(*_):\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "lexical.write_state = vectors.write_state = die\n"
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
            patched.setattr(f"notesqa.engines.{kind.name}.write_state", full)
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


def test_scores_of_given_chunks(catalog: Catalog, lexical: LexicalEngine) -> None:
    keys = catalog.chunk_keys()
    scores = lexical.scores("words", {"bert": 1.0}, keys)
    assert scores.keys() == set(keys)
    found = dict(lexical.search({"bert": 1.0}, {}, 9))
    assert {k: s for k, s in scores.items() if s} == pytest.approx(found)
    assert lexical.scores("words", {}, keys) == dict.fromkeys(keys, 0.0)
    assert lexical.scores("grams", {"bert": 1.0}, []) == {}


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
    assert state.dead <= 1
    assert lexical.idf("words", ["卷积"])["卷积"] == pytest.approx(0.47, abs=0.5)
    assert lexical.size() == 3


# -- vectors ---------------------------------------------------------------------------------


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
    (folder / "flat-1.faiss.4711").write_text("left by one that was killed")
    put(catalog, {"d": "yolo"})
    vectors.catch_up(catalog)
    assert sorted(p.name for p in folder.iterdir()) == ["flat-2.faiss", STATE_FILE]
