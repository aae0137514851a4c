"""The catalog's file becomes shorter again when most of it is needed no more."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from notesqa.api import Notes
from notesqa.catalog import CATALOG_FILE, Catalog, space
from notesqa.engines import read_state
from tests.fakes import article, write_notes
from tests.test_catalog import add_commit, new_document

DOCUMENTS, CHUNKS = 60, 40
EARLIER = "2020-01-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a size that tests can write."""
    monkeypatch.setattr(space, "_LEAST_BYTES", 1 << 18)
    monkeypatch.setattr(space, "_LEAST_CHUNKS", 40)
    monkeypatch.setattr(space, "_PAGES_AT_ONCE", 20)
    monkeypatch.setattr(space, "_ROWS_AT_ONCE", 500)
    monkeypatch.setattr(space, "_STEPS", 200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    """Everything was built anew once, and another commit came after."""
    with closing(Catalog(folder, write=True)) as opened:
        rebuilt(opened)
        yield opened


def rebuilt(catalog: Catalog) -> None:
    for version in range(2):
        add_commit(
            catalog,
            [new_document(f"d{n}", version, CHUNKS) for n in range(DOCUMENTS)],
            purge=bool(version),
        )
    add_commit(catalog, [new_document("late", 0, 1)])
    long_ago(catalog.path)


def long_ago(path: Path) -> None:
    """All commits that there are were made long ago."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE commits SET created = ?", [EARLIER])


def length(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def held(catalog: Catalog) -> list[str]:
    rows = catalog.chunk_rows(catalog.chunk_keys())
    assert len(list(catalog.vectors(0, catalog.head(), "fake"))) == len(rows)
    return sorted(row.id for row in rows.values())


def stopping_at(last: int) -> space.Going:
    steps = itertools.count(1)
    return lambda _done, _total: next(steps) != last


WANTED = sorted([*(f"d{n}-1-{c}" for n in range(DOCUMENTS) for c in range(CHUNKS)), "late-0-0"])


def test_what_earlier_commits_held_is_given_back(catalog: Catalog) -> None:
    before = length(catalog.path)
    told: list[tuple[int, int]] = []

    def going(done: int, total: int) -> bool:
        told.append((done, total))
        return True

    catalog.tidy(going)
    assert length(catalog.path) < 0.65 * before
    assert held(catalog) == WANTED
    assert catalog.oldest() == catalog.head() == 3
    assert catalog.check() == []
    assert told
    assert all(0 <= done <= total for done, total in told)
    after = length(catalog.path)
    catalog.tidy()
    assert length(catalog.path) == after


def test_a_file_of_former_times_becomes_shorter_too(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / CATALOG_FILE)) as connection:
        # Once a file has anything in it, SQLite does not make it such a one any more.
        connection.execute("CREATE TABLE other (x)")
    with closing(Catalog(folder, write=True)) as catalog:
        rebuilt(catalog)
        before = length(catalog.path)
        catalog.tidy()
        assert length(catalog.path) < 0.65 * before
        assert held(catalog) == WANTED
        rebuilt(catalog)
        before = length(catalog.path)
        catalog.tidy()
        assert length(catalog.path) < 0.65 * before
        assert catalog.check() == []


def test_a_search_under_way_keeps_what_it_found(folder: Path) -> None:
    with closing(Catalog(folder, write=True)) as catalog:
        rebuilt(catalog)
        with closing(sqlite3.connect(catalog.path)) as connection, connection:
            connection.execute("UPDATE commits SET created = '9999' WHERE id = 2")
        keys = catalog.chunk_keys(at=1)
        catalog.tidy()
        assert len(catalog.chunk_rows(keys, at=1)) == DOCUMENTS * CHUNKS


def test_a_little_is_left_where_it_is(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_LEAST_CHUNKS", 100_000)
    monkeypatch.setattr(space, "_LEAST_BYTES", 1 << 30)
    before = length(catalog.path)
    catalog.tidy()
    assert length(catalog.path) == before
    assert catalog.oldest() == 2


@pytest.mark.parametrize("legacy", [False, True])
def test_stopped_anywhere_nothing_is_lost(catalog: Catalog, legacy: bool) -> None:
    if legacy:
        with closing(sqlite3.connect(catalog.path)) as connection:
            connection.executescript("PRAGMA auto_vacuum = NONE; VACUUM")
    whole = length(catalog.path)
    for last in (1, 2, 4, 7, 12, 20, 33):
        catalog.tidy(stopping_at(last))
        assert held(catalog) == WANTED
        assert catalog.check() == []
    catalog.tidy()
    assert length(catalog.path) < 0.7 * whole


def test_somebody_who_writes_is_not_waited_for_long(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "_WAIT_SECONDS", 0.0)
    before = length(catalog.path)
    with closing(sqlite3.connect(catalog.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        catalog.tidy()
        other.execute("ROLLBACK")
    assert length(catalog.path) == before
    catalog.tidy()
    assert length(catalog.path) < before


def test_a_rebuild_after_one_of_everything_tidies_up(indexed: Notes) -> None:
    files = {f"{n}.md": article(f"第 {n} 篇", f"第 {n} 篇讲蒸馏。\n\n" * 30) for n in range(40)}
    write_notes(indexed.home.path, files)
    indexed.index()
    indexed.index(full=True)
    long_ago(indexed.home.index / CATALOG_FILE)
    write_notes(indexed.home.path, {"new.md": article("剪枝", "剪枝去掉不重要的权重。")})
    seen = set()
    before = [p.chunk_id for p in indexed.search("第 7 篇 蒸馏", 5)]
    assert indexed.index(on_event=lambda event: seen.add(event.stage)).changed
    assert "tidy" in seen
    with closing(Catalog(indexed.home.index)) as catalog:
        assert catalog.oldest() == catalog.head()
        for name in ("lexical", "vectors"):
            state = read_state(indexed.home.index / name)
            assert state is not None
            assert state.commit == catalog.head()
    assert [p.chunk_id for p in indexed.search("第 7 篇 蒸馏", 5)] == before
    assert indexed.search("剪枝", 1)[0].title == "剪枝"
    assert not indexed.index().changed
