"""The rebuild: it costs what changed, survives being stopped, and tells what it could not do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notesqa import cutting
from notesqa.api import Notes
from notesqa.catalog import Catalog
from notesqa.chunking import chunk
from notesqa.config import ChunkingSettings, Home, Settings
from notesqa.engines import read_state
from notesqa.errors import Cancelled, CatalogError, CorpusError
from notesqa.indexing import add_paths, corpus_files, rebuild_lock
from notesqa.records import Chunk, Document
from notesqa.reports import IndexEvent, Pending
from tests.conftest import BATCHNORM, CUT_SHORT, DROPOUT, MOMENTUM, NOTES
from tests.fakes import ROOT, BigramEmbedder, article, transmission, write_notes
from tests.patience import PATIENCE


def write(home: Home, name: str, content: str | bytes) -> Path:
    write_notes(home.path, {name: content})
    return home.corpus / name


def titles(notes: Notes) -> set[str]:
    return {info.title for info in notes.documents()}


def said(notes: Notes, text: str) -> list[str]:
    """Sources of the passages that hold a text."""
    return [p.source for p in notes.search(text) if text in p.text]


# -- what a rebuild does --------------------------------------------------------------------


def test_the_first_rebuild(notes: Notes) -> None:
    report = notes.index()
    assert report.changed
    assert (report.commit, report.files, report.documents, report.duplicates) == (1, 4, 5, 1)
    assert report.added == 5
    assert len(report.new_titles) == len(set(report.new_titles)) == 5
    assert report.embedded == report.chunks > 0
    assert report.unread == ()
    status = notes.status()
    assert (status.files, status.documents, status.duplicates) == (4, 5, 1)
    assert status.chunks == report.chunks
    assert not status.pending


def test_an_unchanged_corpus_adds_no_commit_and_says_so(
    indexed: Notes, embedder: BigramEmbedder
) -> None:
    before = len(embedder.embedded)
    report = indexed.index()
    assert (report.changed, report.commit, report.embedded) == (False, 1, 0)
    assert (report.files, report.documents, report.duplicates) == (4, 5, 1)
    assert len(embedder.embedded) == before
    assert indexed.status().commit == 1


def test_a_touched_file_is_no_change(indexed: Notes, home: Home) -> None:
    path = home.corpus / "batchnorm.md"
    os.utime(path, ns=(1, 1))
    assert indexed.status().pending == Pending(changed=("corpus/batchnorm.md",))
    assert not indexed.index().changed
    assert not indexed.status().pending, "the new time is known now"


def test_a_change_with_size_and_time_as_before_is_found(indexed: Notes, home: Home) -> None:
    path = home.corpus / "batchnorm.md"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace("零均值".encode(), "一均值".encode()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert indexed.index().updated == 1
    assert said(indexed, "一均值")


def test_only_what_changed_is_embedded(
    indexed: Notes, home: Home, embedder: BigramEmbedder
) -> None:
    before = {p.chunk_id for p in indexed.search("动量 Dropout", k=20)}
    embedder.embedded.clear()
    write(home, "detection/anchors.md", article("无锚框检测", "CenterNet 把物体看成一个点。"))
    report = indexed.index()
    assert (report.added, report.updated, report.removed) == (0, 1, 0)
    assert report.embedded == len(embedder.embedded) == 1
    assert said(indexed, "CenterNet")
    assert not said(indexed, "centerness")
    assert {p.chunk_id for p in indexed.search("动量 Dropout", k=20)} & before


def test_a_new_title_is_embedded_with_the_text(indexed: Notes, home: Home) -> None:
    write(home, "batchnorm.md", article("BN", BATCHNORM))
    report = indexed.index()
    assert report.updated == 1
    assert "BN" in titles(indexed)
    assert indexed.search("零均值")[0].title == "BN"


def test_removed_and_renamed(indexed: Notes, home: Home, embedder: BigramEmbedder) -> None:
    (home.corpus / "detection" / "anchors.md").unlink()
    report = indexed.index()
    assert (report.removed, report.added, report.documents) == (1, 0, 4)
    assert report.removed_titles == ("无锚框检测",)
    assert not said(indexed, "centerness")
    embedder.embedded.clear()
    (home.corpus / "batchnorm.md").rename(home.corpus / "bn.md")
    report = indexed.index()
    assert (report.removed, report.added, report.updated, report.embedded) == (0, 0, 1, 0)
    assert (report.removed_titles, report.updated_titles) == ((), ("批归一化",))
    assert embedder.embedded == [], "the same text has its vector already"
    assert said(indexed, "零均值")[0].startswith("corpus/bn.md:")


def test_a_longer_excerpt_is_the_same_note_changed(indexed: Notes, home: Home) -> None:
    longer = CUT_SHORT.replace(
        "...", "相似关系。温度常取 2 到 5，学生的损失是软标签与真标签之和..."
    )
    write(home, "feed-2.txt", transmission(MOMENTUM, longer, pager="2"))
    report = indexed.index()
    assert (report.added, report.updated, report.removed) == (0, 1, 0)
    assert report.documents == 5
    assert len(report.updated_titles) == 1
    assert (report.new_titles, report.removed_titles) == ((), ())
    assert said(indexed, "温度常取 2 到 5")


def test_a_feed_with_one_new_and_one_old_excerpt_adds_one_document(
    indexed: Notes, home: Home
) -> None:
    new = "GELU 用高斯分布函数作为门，处处可导，在 Transformer 里代替 ReLU。"
    write(home, "feed-3.txt", transmission(new, DROPOUT))
    report = indexed.index()
    assert (report.added, report.removed, report.documents) == (1, 0, 6)
    assert report.duplicates == 2
    passage = indexed.search("随机丢弃神经元")[0]
    document = indexed.document(passage.document_id)
    assert [s.path for s in document.sources] == ["corpus/feed-1.txt", "corpus/feed-3.txt"]
    (home.corpus / "feed-1.txt").unlink()
    indexed.index()
    assert said(indexed, "随机丢弃神经元")[0].startswith("corpus/feed-3.txt:")


def test_an_article_takes_the_place_of_its_excerpt(indexed: Notes, home: Home) -> None:
    whole = CUT_SHORT.removesuffix("...") + "相似关系。" + "推理时温度回到一。" * 30
    write(home, "distillation.md", article("知识蒸馏", whole))
    report = indexed.index()
    assert report.documents == 5
    assert [new for _, new in report.replaced] == ["知识蒸馏"]
    document = indexed.document(indexed.search("知识蒸馏 温度")[0].document_id)
    assert document.kind == "article"
    assert {s.path for s in document.sources} == {"corpus/distillation.md", "corpus/feed-2.txt"}
    assert not indexed.index().changed
    (home.corpus / "distillation.md").unlink()
    assert indexed.index().documents == 5
    assert indexed.document(indexed.search("知识蒸馏 温度")[0].document_id).kind == "excerpt"


def test_an_empty_corpus_is_an_index_of_nothing(
    make_home: Callable[..., Home], embedder: BigramEmbedder
) -> None:
    with Notes(make_home("empty"), Settings()) as notes:
        report = notes.index()
        assert (report.commit, report.documents) == (1, 0)
        assert notes.search("什么") == []
        assert notes.ask("什么是 Dropout?").refused


def test_everything_may_be_removed_again(indexed: Notes, home: Home) -> None:
    for path in corpus_files(home.corpus):
        path.unlink()
    report = indexed.index()
    assert (report.documents, report.chunks, report.files) == (0, 0, 0)
    assert indexed.search("Dropout") == []


def test_full_makes_everything_anew_but_no_vector_twice(
    indexed: Notes, embedder: BigramEmbedder
) -> None:
    before = indexed.search("批归一化 推理", k=5)
    embedder.embedded.clear()
    report = indexed.index(full=True)
    assert (report.changed, report.commit, report.embedded) == (True, 2, 0)
    assert (report.added, report.updated, report.removed) == (0, 0, 0)
    assert embedder.embedded == []
    after = indexed.search("批归一化 推理", k=5)
    assert [(p.chunk_id, p.text) for p in after] == [(p.chunk_id, p.text) for p in before]


def test_another_chunk_size_cuts_everything_anew(home: Home, embedder: BigramEmbedder) -> None:
    with Notes(home, Settings()) as notes:
        few = notes.index().chunks
    with Notes(home, Settings(chunking=ChunkingSettings(tokens=32))) as notes:
        report = notes.index()
        assert report.changed
        assert report.chunks > few
        assert not notes.index().changed


def test_another_embedder_makes_all_vectors_anew(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = [BigramEmbedder(), BigramEmbedder("other", 32)]
    for fake in opened:
        monkeypatch.setattr("notesqa.retrieval.retriever.open_embedder", lambda _s, fake=fake: fake)
        with Notes(home, Settings()) as notes:
            if fake is opened[1]:
                with pytest.raises(CatalogError, match="was built with the embedder"):
                    notes.search("Dropout")
            report = notes.index()
            assert report.changed
            assert report.embedded == report.chunks
            assert notes.search("Dropout")
            assert notes.status().embedder == fake.name
            assert not notes.index().changed


def test_the_users_dictionary_is_no_note_and_is_used(indexed: Notes, home: Home) -> None:
    write(home, "deep/userdict.txt", "只在根下才是词典，这里是一篇笔记。")
    write(home, "new.md", article("新词", "叠加式门控是我自己造的词。"))
    indexed.index()
    assert said(indexed, "只在根下")
    before = indexed.retriever.segmenter.words("叠加式门控")
    write(home, "userdict.txt", "叠加式门控 9999\n")
    report = indexed.index()
    assert not report.changed
    assert report.dictionary
    assert not indexed.index().dictionary
    assert not indexed.status().pending
    write(home, "userdict.txt", "叠加式门控 99\n")
    assert indexed.status().pending == Pending(changed=("corpus/userdict.txt",))
    assert indexed.index().dictionary
    assert not indexed.status().pending
    write(home, "userdict.txt", "叠加式门控 99999999999999\n")
    assert "line 1" in dict(indexed.status().unread)["corpus/userdict.txt"]
    write(home, "userdict.txt", "叠加式门控 9999\n")
    assert indexed.index().dictionary
    assert "叠加式门控" not in before
    assert "叠加式门控" in indexed.retriever.segmenter.words("叠加式门控")
    assert said(indexed, "叠加式门控")


# -- what cannot be read -----------------------------------------------------------------------


def test_what_cannot_be_read_is_told_and_the_rest_is_indexed(notes: Notes, home: Home) -> None:
    write(home, "binary.md", bytes(range(256)) * 8)
    write(home, "picture.txt", b"\x89PNG\r\n\x1a\n" + b"\0\1\2\3" * 99)
    write(home, "unknown.txt", b"\xe9\xe8\xe0 caf\xe9 na\xefve \xff" * 5)
    write(home, "empty.md", b"")
    write(home, "blank.md", "  \n\n \n")
    write(home, "frame.txt", transmission())
    (home.corpus / "folder.md").mkdir()
    write(home, "folder.md/inside.md", article("里面", "文件夹里面的笔记照样读。"))
    (home.corpus / "dangling.md").symlink_to("nowhere.md")
    (home.corpus / "circle.md").symlink_to("circle.md")
    os.mkfifo(home.corpus / "pipe.md")
    (home.corpus / "device.md").symlink_to("/dev/zero")
    (home.corpus / "around").symlink_to(home.corpus)
    (home.corpus / ".hidden.md").write_text("隐藏的")
    (home.corpus / "figure.pdf").write_bytes(b"%PDF-1.7")
    odd = os.fsencode(home.corpus) + b"/\xff\xfe.md"
    with open(odd, "wb") as stream:  # noqa: PTH123 - a name that is no text
        stream.write(article("怪名", "名字不是 UTF-8。").encode())
    report = notes.index()
    assert report.documents == 6
    unread = dict(report.unread)
    assert unread.keys() == {
        f"corpus/{name}"
        for name in (
            "binary.md", "picture.txt", "unknown.txt", "empty.md", "blank.md", "frame.txt",
            "folder.md", "dangling.md", "circle.md", "pipe.md", "device.md", "\\xff\\xfe.md",
        )
    }  # fmt: skip
    assert all(reason and "\n" not in reason for reason in unread.values())
    assert "PNG" in unread["corpus/picture.txt"]
    assert "rename" in unread["corpus/\\xff\\xfe.md"]
    assert "save it as UTF-8" in unread["corpus/unknown.txt"], "the hint is not lost"
    assert report.left_out == notes.status().pending.left_out == ((".pdf", 1),)
    assert notes.status().unread == report.unread
    assert said(notes, "文件夹里面")
    again = notes.index()
    assert not again.changed
    assert again.unread == report.unread
    assert not notes.status().pending


def test_a_touched_unreadable_file_does_not_wait_for_ever(notes: Notes, home: Home) -> None:
    path = write(home, "binary.md", bytes(range(256)))
    notes.index()
    os.utime(path, ns=(5, 5))
    assert notes.status().pending.changed == ("corpus/binary.md",)
    assert not notes.index().changed
    assert not notes.status().pending


def test_an_unreadable_file_is_read_once_it_is_mended(notes: Notes, home: Home) -> None:
    write(home, "later.md", b"")
    assert notes.index().unread
    write(home, "later.md", article("后来", "后来补上的内容。"))
    report = notes.index()
    assert (report.unread, report.added) == ((), 1)
    write(home, "later.md", bytes(range(256)))
    report = notes.index()
    assert (len(report.unread), report.removed) == (1, 1)


def test_notes_that_may_not_be_read(home: Home, tmp_path: Path) -> None:
    """Without root's right to read everything: a locked file, a locked folder."""
    write(home, "locked.md", "锁着的")
    write(home, "vault/inside.md", "也锁着")
    (home.corpus / "locked.md").chmod(0)
    (home.corpus / "vault").chmod(0)
    try:
        done = without_privileges("-m", "tests.rebuild", str(home.path))
    finally:
        (home.corpus / "vault").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "documents 5" in done.stdout
    assert "unread corpus/locked.md: permission denied" in done.stdout.lower()
    assert "unread corpus/vault: " in done.stdout.lower()


def test_a_read_only_index_folder(home: Home) -> None:
    home.index.mkdir()
    home.index.chmod(0o555)
    try:
        done = without_privileges("-m", "tests.rebuild", str(home.path))
    finally:
        home.index.chmod(0o755)
    assert done.returncode == 3
    assert "cannot write to the index folder" in done.stdout
    assert "Traceback" not in done.stderr


def test_searching_in_a_read_only_home(indexed: Notes, home: Home) -> None:
    indexed.close()
    folders = [p for p in (home.index, *home.index.rglob("*")) if p.is_dir()]
    files = [p for p in home.index.rglob("*") if p.is_file()]
    for path in files:
        path.chmod(0o444)
    for path in folders:
        path.chmod(0o555)
    try:
        done = without_privileges("-m", "tests.rebuild", str(home.path), "search", "随机丢弃")
    finally:
        for path in folders:
            path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "found corpus/feed-1.txt:4" in done.stdout


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 16 MiB; where the tests may not mount one, they are skipped."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def test_a_disk_that_is_full(small_disk: Path, embedder: BigramEmbedder) -> None:
    """Wherever it is full, one line says so, and with more space the rebuild goes on."""
    home = Home(small_disk)
    many_notes(home, 150)
    failures = set()
    for kib in range(0, 4096, 16):
        shutil.rmtree(home.index, ignore_errors=True)
        filler = small_disk / "filler"
        filler.write_bytes(b"")
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - kib * 1024))
        with Notes(home, Settings()) as notes:
            try:
                notes.index()
            except CatalogError as error:
                assert "\n" not in error.message
                assert error.hint
                failures.add(error.message.partition(":")[0])
            else:
                break
        filler.unlink()
        with Notes(home, Settings()) as notes:
            assert notes.index().documents == 150
            assert said(notes, "编号 149 的内容")
    else:
        pytest.fail("it is never enough")
    assert len(failures) > 1, "it was full in more than one place"


def test_a_home_on_a_read_only_disk(small_disk: Path, embedder: BigramEmbedder) -> None:
    home = Home(write_notes(small_disk, NOTES))
    with Notes(home, Settings()) as notes:
        notes.index()
        wanted = notes.search("随机丢弃")
    remount(small_disk, "ro")
    try:
        with Notes(home, Settings()) as notes:
            assert notes.search("随机丢弃") == wanted
            assert not notes.ask("Dropout 测试时怎么做?").refused
            assert notes.status().commit == 1
            with pytest.raises(CatalogError, match="Read-only file system"):
                notes.index()
            with pytest.raises(CatalogError, match="cannot write"):
                notes.save_turn(None, notes.ask("Dropout 测试时怎么做?"))
    finally:
        remount(small_disk, "rw")


def without_privileges(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python so that the bits of files count, also for root."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() == 0:
        try:
            subprocess.run([*drop, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("root, and setpriv cannot take its rights away")
    else:
        drop = []
    return subprocess.run(
        [*drop, sys.executable, *arguments],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_a_corpus_that_is_no_folder_loses_no_document(indexed: Notes, home: Home) -> None:
    home.corpus.rename(home.path / "elsewhere")
    home.corpus.write_text("in the way")
    with pytest.raises(CorpusError, match="cannot read the notes"):
        indexed.index()
    assert len(indexed.documents()) == 5


def test_a_line_of_a_megabyte(notes: Notes, home: Home) -> None:
    line = "".join(f"第{n}句讲卷积核大小与步长的关系。" for n in range(20_000))
    assert len(line.encode()) > 900_000
    write(home, "long.txt", transmission(line + "末尾的暗号是鹦鹉螺。"))
    report = notes.index()
    assert report.unread == ()
    assert report.documents == 6
    assert said(notes, "鹦鹉螺")


# -- stopped, killed, two at once -----------------------------------------------------------------


@pytest.mark.parametrize("stage", ["scan", "read", "embed", "commit", "follow"])
def test_stopped_in_any_stage_and_taken_up_again(
    notes: Notes, embedder: BigramEmbedder, stage: str
) -> None:
    cancel = threading.Event()
    seen: list[str] = []

    def watch(event: IndexEvent) -> None:
        seen.append(event.stage)
        if event.stage == stage:
            cancel.set()

    with pytest.raises(Cancelled) as stopped:
        notes.index(on_event=watch, cancel=cancel)
    assert stopped.value.message
    assert seen[-1] == stage
    report = notes.index()
    assert (report.documents, report.chunks) == (5, len(embedder.embedded))
    assert len(embedder.embedded) == len(set(embedder.embedded)), "no vector was computed twice"
    assert said(notes, "随机丢弃神经元")


@pytest.mark.parametrize("stage", ["read", "embed"])
def test_what_was_cut_before_it_was_stopped_is_not_cut_again(
    make_home: Callable[..., Home],
    embedder: BigramEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    monkeypatch.setattr(cutting, "_KEEP_SECONDS", 0.0)
    cut: list[str] = []

    def watched(document: Document, *rest: Any, **more: Any) -> list[Chunk]:
        cut.append(document.id)
        return chunk(document, *rest, **more)

    monkeypatch.setattr(cutting, "chunk", watched)
    texts = {f"{n}.md": article(f"第 {n} 篇", f"{BATCHNORM}\n\n编号 {n}。") for n in range(8)}
    home, straight = make_home("stopped", texts), make_home("straight", texts)
    cancel = threading.Event()

    def watch(event: IndexEvent) -> None:
        if event.stage == stage and (stage == "embed" or event.done == 5):
            cancel.set()

    with Notes(straight, Settings()) as whole, Notes(home, Settings()) as notes:
        whole.index()
        cut.clear()
        with pytest.raises(Cancelled):
            notes.index(on_event=watch, cancel=cancel)
        assert len(cut) in (5, 6, 8)
        (home.corpus / "0.md").write_text(article("第 0 篇", "改写过的一篇。"), encoding="utf-8")
        (straight.corpus / "0.md").write_text(
            article("第 0 篇", "改写过的一篇。"), encoding="utf-8"
        )
        notes.index()
        assert sorted(Counter(cut).values()) == [1] * 7 + [2], "only what was changed, again"
        whole.index()
        catalogs = [Catalog(h.index) for h in (home, straight)]
        found = []
        for catalog in catalogs:
            rows = catalog.chunk_rows(catalog.chunk_keys()).values()
            found.append(
                (
                    sorted((r.id, r.document_id, r.ordinal, r.start, r.end, r.heading, r.text,
                            r.source) for r in rows),
                    catalog.terms(),
                    catalog.cuts(),
                )
            )  # fmt: skip
            catalog.close()
        assert found[0] == found[1]
        assert found[0][2] == {}


def test_events_tell_how_far_it_is(notes: Notes) -> None:
    events: list[IndexEvent] = []
    notes.index(on_event=events.append)
    order = ["scan", "read", "embed", "commit", "follow"]
    stages = [event.stage for event in events]
    assert sorted(stages, key=order.index) == stages
    assert set(stages) == set(order)
    for event in events:
        assert 0 <= event.done <= event.total
    read = [event for event in events if event.stage == "read"]
    assert [(event.done, event.total) for event in read] == [(n, 5) for n in range(5)]
    details = {event.detail for event in events if event.stage == "scan"}
    assert details == {f"corpus/{name}" for name in NOTES}
    assert {e.detail for e in events if e.stage == "follow"} == {"lexical", "vectors"}


def many_notes(home: Home, count: int = 700) -> None:
    for n in range(count):
        write(home, f"n{n:04}.md", article(f"第{n}篇", f"编号 {n} 的内容，讲的是{n * 7919}。"))


def test_killed_while_embedding_goes_on_where_it_was(
    make_home: Callable[..., Home], embedder: BigramEmbedder
) -> None:
    home = make_home("big")
    many_notes(home)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.rebuild", str(home.path), "kill-after", "200"],
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    with Notes(home, Settings()) as notes:
        assert notes.status().commit == 0
        with pytest.raises(CatalogError, match="no index yet"):
            notes.search("编号")
        report = notes.index()
        assert report.documents == 700
        kept = report.chunks - report.embedded
        assert kept >= 200, "what the killed one had computed is used"
        assert len(embedder.embedded) == report.embedded
        assert said(notes, "编号 699 的内容")


def test_a_slow_embedder_shows_its_progress_in_small_steps(
    make_home: Callable[..., Home], embedder: BigramEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it had done is kept when it is stopped."""
    home = make_home("slow")
    many_notes(home, 200)
    batches: list[int] = []
    cancel = threading.Event()

    def before_batch(done: int) -> None:
        batches.append(done)
        time.sleep(0.25)

    def watch(event: IndexEvent) -> None:
        if event.stage == "embed" and event.done >= 24:
            cancel.set()

    monkeypatch.setattr("notesqa.indexing._BRISK", 0.06)
    embedder.before_batch = before_batch
    with Notes(home, Settings()) as notes:
        with pytest.raises(Cancelled):
            notes.index(on_event=watch, cancel=cancel)
        assert batches == [0, 16], "the second batch is half as large"
        assert len(embedder.embedded) == 24
        embedder.before_batch = None
        report = notes.index()
    assert report.embedded == report.chunks - 24


def test_two_rebuilds_at_once_are_one_clear_error(notes: Notes, home: Home) -> None:
    with (
        rebuild_lock(home.index),
        pytest.raises(CatalogError, match="another rebuild of this home is running") as caught,
    ):
        notes.index()
    assert caught.value.hint
    assert notes.index().changed


def test_a_rebuild_during_a_rebuild_of_another_thread(
    notes: Notes, home: Home, embedder: BigramEmbedder
) -> None:
    inside = threading.Event()
    go_on = threading.Event()

    def hold(_: int) -> None:
        inside.set()
        go_on.wait(PATIENCE)

    embedder.before_batch = hold
    thread = threading.Thread(target=notes.index)
    thread.start()
    assert inside.wait(PATIENCE)
    with pytest.raises(CatalogError, match="another rebuild"):
        notes.index()
    with Notes(home, Settings()) as other, pytest.raises(CatalogError, match="another rebuild"):
        other.index()
    go_on.set()
    thread.join()
    assert notes.status().commit == 1


def test_searching_while_a_rebuild_runs(indexed: Notes, home: Home) -> None:
    """Old or new, but never nothing, never a mixture and never an error."""
    stop = threading.Event()
    wrong: list[object] = []

    def search() -> None:
        while not stop.is_set():
            try:
                passages = indexed.search("批归一化 版本", k=10)
                found = [p for p in passages if p.source.startswith("corpus/batchnorm.md")]
                versions = {p.text.rpartition("版本")[2].strip() for p in found if "版本" in p.text}
                if not found or len(versions) > 1:
                    wrong.append(passages)
            except BaseException as error:
                wrong.append(error)
                raise

    write(home, "batchnorm.md", article("批归一化", f"{DROPOUT[:20]}批归一化，版本0"))
    indexed.index()
    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 7):
        write(home, "batchnorm.md", article("批归一化", f"批归一化的笔记，版本{version}"))
        indexed.index(full=version % 3 == 0)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert said(indexed, "版本6")


def test_the_index_may_be_deleted_under_an_open_program(indexed: Notes, home: Home) -> None:
    indexed.search("Dropout")
    shutil.rmtree(home.index)
    assert indexed.status().commit == 0
    with pytest.raises(CatalogError, match="no index yet"):
        indexed.search("Dropout")
    assert indexed.index().commit == 1
    assert said(indexed, "随机丢弃神经元")
    with Notes(home, Settings()) as other:
        assert other.status().commit == 1


@pytest.mark.parametrize("name", ["lexical", "vectors"])
def test_a_deleted_engine_comes_back_with_the_next_rebuild(
    indexed: Notes, home: Home, name: str
) -> None:
    shutil.rmtree(home.index / name)
    with Notes(home, Settings()) as notes:
        assert not notes.index().changed
        state = read_state(home.index / name)
        assert state is not None
        assert state.commit == 1
        assert said(notes, "随机丢弃神经元")


# -- what waits ---------------------------------------------------------------------------------


def test_pending(indexed: Notes, home: Home) -> None:
    assert indexed.status().pending == Pending()
    write(home, "added.md", "新的")
    write(home, "batchnorm.md", article("批归一化", "改过了"))
    (home.corpus / "feed-2.txt").unlink()
    pending = indexed.status().pending
    assert pending == Pending(
        ("corpus/added.md",), ("corpus/batchnorm.md",), ("corpus/feed-2.txt",)
    )
    indexed.index()
    assert not indexed.status().pending


def test_everything_is_pending_before_the_first_rebuild(notes: Notes, home: Home) -> None:
    status = notes.status()
    assert status.commit == 0
    assert len(status.pending.added) == len(NOTES)
    assert not home.index.exists(), "looking changes nothing"


# -- adding files ---------------------------------------------------------------------------------


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "one.txt").write_text(transmission(MOMENTUM), encoding="utf-8")
    (folder / "two.md").write_text(article("二", "第二篇"), encoding="utf-8")
    (folder / "table.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    return folder


def test_files_and_folders_are_copied_in(make_home: Callable[..., Home], inbox: Path) -> None:
    home = Home(make_home("fresh").path)
    home.corpus.rmdir()
    copied, failed, _ = add_paths(home, [inbox / "one.txt", inbox])
    assert failed == []
    assert copied == ["corpus/one.txt", "corpus/inbox/one.txt", "corpus/inbox/two.md"]
    assert add_paths(home, [inbox / "one.txt", str(inbox)]) == ([], [], []), "it has them already"
    assert (home.corpus / "one.txt").read_bytes() == (inbox / "one.txt").read_bytes()


def test_what_is_left_out_of_a_folder_is_told(notes: Notes, inbox: Path) -> None:
    (inbox / "dangling.md").symlink_to("nowhere")
    (inbox / "folder.md").mkdir()
    os.mkfifo(inbox / "pipe.md")
    (inbox / "deep").mkdir()
    for name in ("a.PDF", "b.pdf", "deep/c.html", "Makefile", ".hidden.pdf", "deep/.git"):
        (inbox / name).write_text("x")
    report = notes.index([inbox])
    assert report.copied == ("corpus/inbox/one.txt", "corpus/inbox/two.md")
    assert report.left_out == ((".pdf", 2), (".html", 1), (".xls", 1), ("Makefile", 1))
    failed = {Path(path).name: reason for path, reason in report.failed}
    assert failed.keys() == {"dangling.md", "folder.md", "pipe.md"}
    assert "No such file" in failed["dangling.md"]
    assert notes.index().left_out == ()


def test_the_same_name_with_other_content(make_home: Callable[..., Home], inbox: Path) -> None:
    home = make_home("fresh")
    kept = home.corpus / ".replaced"
    for version in range(3):
        (inbox / "one.txt").write_text(f"版本{version}")
        assert add_paths(home, [inbox / "one.txt"])[0] == ["corpus/one.txt"]
    assert (home.corpus / "one.txt").read_text() == "版本2"
    assert sorted(p.read_text() for p in kept.iterdir()) == ["版本0", "版本1"]
    assert list(corpus_files(home.corpus)) == [home.corpus / "one.txt"]


def test_two_of_one_name_at_once_do_not_swallow_each_other(
    make_home: Callable[..., Home], tmp_path: Path
) -> None:
    home = make_home("fresh")
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "n.md").write_text(folder)
    copied, failed, _ = add_paths(home, [tmp_path / "x" / "n.md", tmp_path / "y" / "n.md"])
    assert copied == ["corpus/n.md"]
    assert [path for path, _ in failed] == [str(tmp_path / "y" / "n.md")]
    assert (home.corpus / "n.md").read_text() == "x"


def test_what_cannot_be_added_is_told_and_the_rest_is_added(home: Home, inbox: Path) -> None:
    os.mkfifo(inbox / "pipe.md")
    (inbox / "empty").mkdir()
    (inbox / "dangling.md").symlink_to("nowhere")
    named: list[str | Path] = [
        inbox / "none.md", "", inbox / "table.xls", inbox / "pipe.md", inbox / "empty",
        inbox / "dangling.md", "~nobody-of-this-name/x.md", "a" * 5000, home.path, "/",
        home.corpus / "batchnorm.md", inbox / "two.md",
    ]  # fmt: skip
    copied, failed, _ = add_paths(home, named)
    assert copied == ["corpus/two.md"]
    assert [path for path, _ in failed] == [str(path) for path in named[:10]]
    assert all(reason and "\n" not in reason for _, reason in failed)


def test_a_copy_that_fails_leaves_no_half_note(
    make_home: Callable[..., Home], inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home("fresh")

    def full(_source: Path, target: Path) -> None:
        Path(target).write_text("half")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("notesqa.adding.shutil.copyfile", full)
    copied, failed, _ = add_paths(home, [inbox])
    assert copied == []
    assert [Path(path).name for path, _ in failed] == ["one.txt", "two.md"]
    assert all("No space left" in reason for _, reason in failed)
    assert [p for p in home.corpus.rglob("*") if p.is_file()] == []


def test_a_lone_path_is_taken_as_one(notes: Notes, inbox: Path) -> None:
    assert notes.index(str(inbox / "two.md")).copied == ("corpus/two.md",)
    assert notes.index(inbox / "one.txt").copied == ("corpus/one.txt",)


def test_indexing_reports_what_it_copied(notes: Notes, inbox: Path) -> None:
    report = notes.index([inbox / "two.md", inbox / "none.md"])
    assert report.copied == ("corpus/two.md",)
    assert [path for path, _ in report.failed] == [str(inbox / "none.md")]
    assert report.documents == 6
