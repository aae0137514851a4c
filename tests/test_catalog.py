"""The catalog: commits are whole or not there, and its change log tells the truth."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.catalog import Catalog, FileRow, NewChunk, NewDocument, encode_sources, text_key
from notesqa.errors import CatalogError
from notesqa.records import Chunk, Document, Source
from tests.fakes import ROOT

EMBEDDER = "fake"


def new_document(name: str, version: int = 0, chunks: int = 2) -> NewDocument:
    pieces = [f"{name} 第{version}版 第{n}段。" for n in range(chunks)]
    text = "\n".join(pieces)
    rows = []
    start = 0
    for ordinal, piece in enumerate(pieces):
        chunk = Chunk(
            id=f"{name}-{version}-{ordinal}",
            document_id=name,
            ordinal=ordinal,
            start=start,
            end=start + len(piece),
            heading=("节",),
            text=piece,
            tokens=len(piece),
        )
        rows.append(NewChunk(chunk, ordinal, text_key(piece)))
        start += len(piece) + 1
    document = Document(name, f"题 {name}", text, "article", (Source(f"corpus/{name}.md", 5),))
    return NewDocument(document, f"{name}-{version}", tuple(rows), (("词", f"term {name}", "T"),))


def add_commit(
    catalog: Catalog,
    added: list[NewDocument],
    removed: list[str] | None = None,
    *,
    purge: bool = False,
) -> None:
    """Commit documents; one of a known id takes the place of the former version."""
    live = catalog.live_documents()
    gone = [live[name].pk for name in removed or ()]
    gone += [live[new.document.id].pk for new in added if new.document.id in live]
    catalog.add_vectors(
        EMBEDDER, ((c.embedded, c.embedded[:8]) for new in added for c in new.chunks)
    )
    catalog.add_commit(
        recipe="r",
        embedder=EMBEDDER,
        files=[],
        gone_files=[],
        added=added,
        removed=gone,
        moved={},
        duplicates=0,
        seconds=0.0,
        purge=purge,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(tmp_path / "index", write=True)
    yield opened
    opened.close()


def test_a_new_catalog_is_empty_and_has_its_own_identity(tmp_path: Path) -> None:
    one = Catalog(tmp_path / "one", write=True)
    two = Catalog(tmp_path / "two", write=True)
    assert one.head() == 0
    assert one.commit() is None
    assert one.identity != two.identity
    again = Catalog(tmp_path / "one")
    assert again.identity == one.identity
    for opened in (one, two, again):
        opened.close()


def test_a_commit_says_what_it_holds(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a"), new_document("b", chunks=3)])
    commit = catalog.commit()
    assert commit is not None
    assert (commit.id, commit.documents, commit.chunks) == (1, 2, 5)
    add_commit(catalog, [new_document("b", 1, chunks=1)], ["a"])
    commit = catalog.commit()
    assert commit is not None
    assert (commit.id, commit.documents, commit.chunks) == (2, 1, 1)
    assert [info.id for info in catalog.documents()] == ["b"]
    assert catalog.terms() == [("词", "term b", "T")]


def test_chunk_rows_tell_their_place(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a")])
    rows = catalog.chunk_rows(catalog.chunk_keys())
    second = max(rows.values(), key=lambda row: row.ordinal)
    assert second.source == "corpus/a.md:6"
    assert second.title == "题 a"
    assert catalog.text(second.document_pk)[second.start : second.end] == second.text


# -- the change log --------------------------------------------------------------------


def apply_changes(catalog: Catalog, since: int, until: int, known: dict[int, str]) -> None:
    for key in catalog.removed(since, until):
        del known[key]
    count = 0
    for entry in catalog.entries(since, until):
        known[entry.key] = entry.text
        count += 1
    assert count == catalog.count(since, until)
    assert {key for key, _ in catalog.vectors(since, until, EMBEDDER)} <= known.keys()


changes = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=4),
        st.sets(st.sampled_from("abcdef"), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(changes, st.data())
def test_following_commit_by_commit_equals_beginning_anew(
    steps: list[tuple[dict[str, int], set[str], bool]], data: st.DataObject
) -> None:
    """Any follower that goes along, in steps of any size, ends where a new one begins."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder), write=True)
        at, known = 0, dict[int, str]()
        for put, drop, purge in steps:
            removed = [
                name for name in drop if name in catalog.live_documents() and name not in put
            ]
            add_commit(
                catalog,
                [new_document(name, version) for name, version in put.items()],
                removed,
                purge=purge,
            )
            if data.draw(st.booleans(), label="follows now"):
                head = catalog.head()
                if at < catalog.oldest():
                    at, known = 0, {}
                apply_changes(catalog, at, head, known)
                at = head
        if at < catalog.oldest():
            at, known = 0, {}
        apply_changes(catalog, at, catalog.head(), known)
        anew: dict[int, str] = {}
        apply_changes(catalog, 0, catalog.head(), anew)
        live = {key: row.text for key, row in catalog.chunk_rows(catalog.chunk_keys()).items()}
        assert known == anew == live
        commit = catalog.commit()
        assert commit is not None
        assert commit.chunks == len(live)
        catalog.close()


def test_an_earlier_commit_can_be_read_until_the_next_purge(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a"), new_document("b")])
    first = set(catalog.chunk_keys())
    add_commit(catalog, [new_document("a", 1)], ["b"])
    assert set(catalog.chunk_keys(at=1)) == first
    assert set(catalog.chunk_rows(first, at=1)) == first
    assert not catalog.chunk_rows(first, at=2)
    add_commit(catalog, [new_document("a", 2)], purge=True)
    assert catalog.oldest() == 3
    # What the purging commit itself replaced stays for a search under way.
    assert catalog.chunk_keys(at=2)
    assert not catalog.chunk_rows(first)


# -- vectors -----------------------------------------------------------------------------


def test_vectors_are_kept_once_per_text_and_embedder(catalog: Catalog) -> None:
    keys = [text_key(text) for text in ("一", "二", "一")]
    assert catalog.missing_vectors("m", keys) == set(keys)
    catalog.add_vectors("m", [(keys[0], b"1")])
    assert catalog.missing_vectors("m", keys) == {keys[1]}
    assert catalog.missing_vectors("other", keys) == set(keys)


def test_pruning_keeps_what_chunks_need_of_the_present_embedder(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a")])
    needed = [c.embedded for c in new_document("a").chunks]
    catalog.add_vectors(EMBEDDER, [(b"x" * 16, b"1")])
    catalog.add_vectors("former", [(needed[0], b"1")])
    catalog.prune_vectors(EMBEDDER)
    assert catalog.missing_vectors(EMBEDDER, [*needed, b"x" * 16]) == {b"x" * 16}
    assert catalog.missing_vectors("former", needed) == set(needed)


# -- interrupted and broken ---------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from notesqa.catalog import Catalog
from tests.test_catalog import add_commit, new_document

catalog = Catalog(Path(sys.argv[1]), write=True)
documents = [new_document(f"n{i}") for i in range(40)]
plain = Catalog._add_document
done = 0
def add(self, new, number):
    global done
    plain(self, new, number)
    done += 1
    if done == 30:
        os.kill(os.getpid(), signal.SIGKILL)
Catalog._add_document = add
add_commit(catalog, documents, ["a"])
"""


def test_a_commit_killed_in_the_middle_leaves_the_state_before_it(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    catalog = Catalog(folder, write=True)
    add_commit(catalog, [new_document("a"), new_document("b")])
    before = (catalog.head(), catalog.documents(), catalog.chunk_keys())
    catalog.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    catalog = Catalog(folder)
    assert (catalog.head(), catalog.documents(), catalog.chunk_keys()) == before
    assert catalog.check() == []
    catalog.close()


def test_a_commit_that_fails_leaves_the_state_before_it(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a")])
    before = (catalog.head(), catalog.chunk_keys())

    def documents() -> Iterator[NewDocument]:
        yield new_document("b")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalog.add_commit(
            recipe="r", embedder=EMBEDDER, files=[FileRow("corpus/x.md", 1, 1, "h", None, None)],
            gone_files=[], added=documents(), removed=[], moved={}, duplicates=0, seconds=0.0,
        )  # fmt: skip
    assert (catalog.head(), catalog.chunk_keys()) == before
    assert catalog.files() == {}
    add_commit(catalog, [new_document("b")])
    assert catalog.head() == 2


def test_a_reader_never_sees_half_a_commit(tmp_path: Path) -> None:
    """Each commit replaces all documents by one more; any reader counts whole states."""
    folder = tmp_path / "index"
    writer = Catalog(folder, write=True)
    add_commit(writer, [new_document("d0", 0, chunks=1)])
    reader = Catalog(folder)
    stop = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not stop.is_set():
            commit = reader.commit()
            assert commit is not None
            rows = reader.chunk_rows(reader.chunk_keys(at=commit.id), at=commit.id)
            versions = {row.id.split("-")[1] for row in rows.values()}
            if len(rows) != commit.chunks or len(versions) > 1:
                wrong.append(f"{commit}: {sorted(r.id for r in rows.values())}")

    thread = threading.Thread(target=read)
    thread.start()
    for version in range(1, 25):
        add_commit(
            writer, [new_document(f"d{n}", version, chunks=1) for n in range(1 + version // 3)]
        )
    stop.set()
    thread.join()
    assert not wrong
    writer.close()
    reader.close()


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(b"This is no database at all. " * 200)
    for write in (False, True):
        with pytest.raises(CatalogError, match="is damaged") as caught:
            Catalog(folder, write=write)
        assert "\n" not in caught.value.message
        assert "index --full" in caught.value.hint


def test_damage_inside_is_found_by_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    catalog = Catalog(folder, write=True)
    add_commit(catalog, [new_document(f"n{i}", chunks=20) for i in range(20)])
    catalog.close()
    path = folder / "catalog.db"
    data = bytearray(path.read_bytes())
    for offset in range(4096 * 8, len(data), 4096):
        data[offset : offset + 64] = b"\xff" * 64
    path.write_bytes(data)
    catalog = Catalog(folder)
    try:
        problems = catalog.check()
    except CatalogError as error:
        problems = [error.message]
    assert problems
    with pytest.raises(CatalogError, match="damaged"):
        for key in catalog.chunk_keys():
            catalog.chunk_rows([key])
    catalog.close()


def test_no_index_yet(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no index yet") as caught:
        Catalog(tmp_path)
    assert "notesqa index" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("in the way")
    with pytest.raises(CatalogError, match="cannot make the index folder"):
        Catalog(tmp_path / "index", write=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("database or disk is full", "disk .* is full"),
        ("attempt to write a readonly database", "cannot write"),
        ("disk I/O error", "disk .* fails"),
        ("database is locked", "in use by another program"),
        ("database disk image is malformed", "is damaged"),
        ("something new", "something new"),
    ],
)
def test_what_sqlite_says_becomes_one_line_and_a_hint(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError(text)

    monkeypatch.setattr(catalog._db, "execute", fail)
    with pytest.raises(CatalogError, match=said) as caught:
        catalog.add_turn(None, "题", "问", "{}")
    assert caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no write bit")
def test_a_full_disk_is_told_and_nothing_is_lost(catalog: Catalog) -> None:
    """SQLite itself refuses to grow the file: no simulation of its error."""
    add_commit(catalog, [new_document("a")])
    pages = catalog._db.execute("PRAGMA page_count").fetchone()[0]
    catalog._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(CatalogError, match="is full"):
        add_commit(catalog, [new_document(f"n{i}", chunks=30) for i in range(30)])
    assert catalog.head() == 1
    catalog._db.execute("PRAGMA max_page_count = 100000")
    add_commit(catalog, [new_document("b")])
    assert {info.id for info in catalog.documents()} == {"a", "b"}


def test_migrations_are_named_and_applied_once(tmp_path: Path) -> None:
    Catalog(tmp_path, write=True).close()
    Catalog(tmp_path, write=True).close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        names = connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id").fetchall()
    assert names[:2] == [("0001_documents_chunks_vectors",), ("0002_conversations",)]
    assert len(names) == len(set(names))


def test_an_older_index_is_migrated_by_a_rebuild_and_not_by_a_reader(tmp_path: Path) -> None:
    Catalog(tmp_path, write=True).close()
    path = tmp_path / "catalog.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM _sqlite_migrations WHERE name LIKE '0002%'")
        connection.execute("DROP TABLE turns")
        connection.execute("DROP TABLE conversations")
    with pytest.raises(CatalogError, match="older notesqa"):
        Catalog(tmp_path)
    with sqlite3.connect(path) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert "turns" not in tables
    catalog = Catalog(tmp_path, write=True)
    assert catalog.conversations() == []
    catalog.close()


def test_an_index_of_a_newer_notesqa_is_left_alone(tmp_path: Path) -> None:
    Catalog(tmp_path, write=True).close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('notesqa', '9999_from_the_future', '2099-01-01')"
        )
    for write in (False, True):
        with pytest.raises(CatalogError, match="newer notesqa"):
            Catalog(tmp_path, write=write)


def test_it_notices_that_its_file_is_gone(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "index", write=True)
    assert not catalog.is_gone
    for path in (tmp_path / "index").iterdir():
        path.unlink()
    assert catalog.is_gone
    Catalog(tmp_path / "index", write=True).close()
    assert catalog.is_gone
    catalog.close()


# -- filters --------------------------------------------------------------------------------


def filtered_catalog(catalog: Catalog) -> dict[str, set[int]]:
    """Four documents; their keys by id."""
    facts = {
        "a": ("corpus/a.md", "2024-01-01", ("Vision", "检测")),
        "b": ("corpus/deep/b.md", "2024-06-30", ("vision",)),
        "c": ("corpus/c[1].txt", None, ()),
        "d": ("corpus/deep/er/d.txt", "2023-12-31", ("检测",)),
    }
    added = []
    for name, (path, date, tags) in facts.items():
        plain = new_document(name)
        document = Document(
            name, name, plain.document.text, "article",
            (Source(path), Source(f"corpus/also-{name}.txt")), date, tags,
        )  # fmt: skip
        added.append(NewDocument(document, name, plain.chunks))
    add_commit(catalog, added)
    rows = catalog.chunk_rows(catalog.chunk_keys())
    return {name: {k for k, row in rows.items() if row.document_id == name} for name in facts}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "abcd"),
        ({"sources": ["*.md"]}, "ab"),
        ({"sources": ["b.md"]}, "b"),
        ({"sources": ["corpus/deep/*"]}, "bd"),
        ({"sources": ["also-a.txt", "d.txt"]}, "ad"),
        ({"sources": ["c[[]1].txt"]}, "c"),
        ({"sources": ["nothing.md"]}, ""),
        ({"sources": ["' OR 1=1 --"]}, ""),
        ({"tags": ["VISION"]}, "ab"),
        ({"tags": ["vision", "检测"]}, "a"),
        ({"tags": ["%"]}, ""),
        ({"after": "2024-01-01"}, "ab"),
        ({"before": "2024-01-01"}, "ad"),
        ({"after": "2024-01-01", "before": "2024-01-01"}, "a"),
        ({"after": "2025-01-01", "before": "2024-01-01"}, ""),
        ({"sources": ["*.md"], "tags": ["检测"]}, "a"),
    ],
)
def test_filters(catalog: Catalog, filters: dict[str, list[str]], expected: str) -> None:
    keys = filtered_catalog(catalog)
    found = set(catalog.chunk_keys(**filters))  # type: ignore[arg-type]
    assert found == set().union(*(keys[name] for name in expected))


def test_the_newest_first(catalog: Catalog) -> None:
    filtered_catalog(catalog)

    def newest(count: int, **filters: object) -> str:
        keys = catalog.chunk_keys(newest=count, **filters)  # type: ignore[arg-type]
        rows = catalog.chunk_rows(keys)
        assert all(row.ordinal == 0 for row in rows.values())
        return "".join(rows[key].document_id for key in keys)

    assert newest(9) == "badc", "those without a date are the last"
    assert newest(2) == "ba"
    assert newest(9, tags=["检测"]) == "ad"


# -- conversations ------------------------------------------------------------------------------

SAID = '{"sentences": [{"text": "%s", "citations": []}]}'


def test_conversations_latest_first_and_found_by_what_was_said(catalog: Catalog) -> None:
    first = catalog.add_turn(None, "一", "什么是 Dropout", SAID % "随机丢弃")
    second = catalog.add_turn(None, "二", "100% 是什么", SAID % "全部")
    assert [c.id for c in catalog.conversations()] == [second, first]
    catalog.add_turn(first, "不计", "然后呢", SAID % "缩放 snake_case")
    assert [(c.id, c.title, c.turns) for c in catalog.conversations()] == [
        (first, "一", 2),
        (second, "二", 1),
    ]

    def found(query: str) -> list[int]:
        return [c.id for c in catalog.conversations(query)]

    assert found("dropout") == [first]
    assert found("缩放") == [first]
    assert found("100%") == [second]
    assert found("%") == [second]
    assert found("e_c") == [first]
    assert found("citations") == [], "the form in which it is kept is not what was said"


def test_deleting_and_restoring(catalog: Catalog) -> None:
    kept = catalog.add_turn(None, "题", "问", SAID % "答")
    catalog.mark_conversation(kept, deleted=True)
    assert catalog.conversations() == []
    catalog.mark_conversation(kept, deleted=False)
    assert [c.id for c in catalog.conversations()] == [kept]
    assert [answer for _, answer in catalog.turns(kept)] == [SAID % "答"]
    catalog.mark_conversation(kept, deleted=True)
    catalog.add_turn(kept, "题", "又问", SAID % "又答")
    assert [c.turns for c in catalog.conversations()] == [2]


def test_a_conversation_that_is_not_there(catalog: Catalog) -> None:
    for change in (
        lambda: catalog.rename_conversation(7, "x"),
        lambda: catalog.mark_conversation(7, deleted=True),
        lambda: catalog.add_turn(7, "x", "问", SAID % "答"),
    ):
        with pytest.raises(CatalogError, match="no conversation 7"):
            change()
    assert catalog.turns(7) == []


def test_conversations_outlive_every_rebuild(catalog: Catalog) -> None:
    kept = catalog.add_turn(None, "题", "问", SAID % "答")
    add_commit(catalog, [new_document("a")])
    add_commit(catalog, [], ["a"], purge=True)
    catalog.prune_vectors(EMBEDDER)
    assert [c.id for c in catalog.conversations()] == [kept]


def test_moved_documents_keep_their_chunks(catalog: Catalog) -> None:
    add_commit(catalog, [new_document("a")])
    before = catalog.chunk_keys()
    live = catalog.live_documents()["a"]
    document = catalog.document("a")
    sources = (Source("corpus/z.txt", 3), *document.sources)
    moved = Document(
        document.id, document.title, document.text, document.kind, sources, document.date
    )
    catalog.add_commit(
        recipe="r", embedder=EMBEDDER, files=[], gone_files=[], added=[], removed=[],
        moved={live.pk: moved}, duplicates=1, seconds=0.0,
    )  # fmt: skip
    assert catalog.chunk_keys() == before
    assert catalog.document("a").sources == sources
    assert catalog.live_documents()["a"].sources == encode_sources(sources)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes")
def test_two_processes_may_open_it_at_once(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path, write=True)
    script = (
        "import sys; from pathlib import Path; from notesqa.catalog import Catalog;"
        "c = Catalog(Path(sys.argv[1]), write=True); print(c.add_turn(None, 't', 'q', '{}'))"
    )
    made = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert sorted(int(process.communicate()[0]) for process in made) == [1, 2]
    catalog.close()
