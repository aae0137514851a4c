"""Finding passages: exact places, every spelling, filters, and no way to break it."""

from __future__ import annotations

import datetime
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notesqa.api import Notes
from notesqa.catalog import ChunkRow
from notesqa.config import Home, RetrievalSettings, Settings
from notesqa.errors import CatalogError, NotesqaError
from notesqa.records import Passage
from notesqa.retrieval import Retriever
from notesqa.retrieval.features import (
    FEATURES,
    Asked,
    Wording,
    found_by,
    longest_common,
    met,
    squeeze,
    told_by,
    topic_share,
)
from notesqa.retrieval.hits import Hit, diverse
from notesqa.retrieval.query import analyse, content_of, kind_of
from notesqa.retrieval.ranking import load_weights, logistic
from notesqa.retrieval.terms import TermTable, builtin_terms
from notesqa.text.normalize import normalize
from notesqa.text.segment import Segmenter
from tests.conftest import NOTES
from tests.fakes import BigramEmbedder, article


def line_of(home: Path, source: str) -> str:
    path, _, line = source.rpartition(":")
    return (home / path).read_text(encoding="utf-8").split("\n")[int(line) - 1]


def assert_exact(notes: Notes | Retriever, home: Path, passages: list[Passage]) -> None:
    """Every passage is where it says."""
    for rank, passage in enumerate(passages, 1):
        assert passage.rank == rank
        document = notes.document(passage.document_id)
        assert document.text[passage.start : passage.end] == passage.text
        assert passage.text.strip()
        first = passage.text.split("\n")[0]
        assert first in line_of(home, passage.source)


# -- exact places -----------------------------------------------------------------------------


def test_passages_stand_where_they_say(indexed: Notes, home: Home) -> None:
    passages = indexed.search("归一化 anchor 动量 蒸馏 训练", k=50)
    assert {p.title for p in passages} >= {"批归一化", "无锚框检测"}
    assert_exact(indexed, home.path, passages)
    scores = [p.score for p in passages]
    assert scores == sorted(scores, reverse=True)
    indexed.index(full=True)
    assert_exact(indexed, home.path, indexed.search("归一化 anchor 动量 蒸馏 训练", k=50))
    with Retriever.open(home.path) as retriever:
        assert_exact(retriever, home.path, retriever.search("归一化 anchor 动量", k=50))


blocks = st.one_of(
    st.text(alphabet="卷积池化的是在，。！ab1 \t", min_size=1, max_size=60),
    st.sampled_from(
        [
            "## 小节标题", "# 大标题 *强调*", "- 第一项\n- 第二项", "1. 一\n2. 二",
            "$$\n\\lambda \\|w\\|_2^2\n$$", "行内 $x_i$ 与 \\(y\\)。", "| 甲 | 乙 |\n|---|---|\n| 1 | 2 |",
            "```python\ndef f(x):\n\n    return x  # 注释。\n```", "> 引用", "---", "<b>标签</b>",
            "😀👨‍👩‍👧 表情", "𝑝_1 与 ａｂｃ", "\u202e反向", "e\u0301e\u0301", "长" * 400, "word " * 200,
        ]
    ),
)  # fmt: skip


@settings(max_examples=10)
@given(bodies=st.lists(st.lists(blocks, min_size=1, max_size=8), min_size=1, max_size=3))
def test_any_note_is_cited_exactly(
    bodies: list[list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "corpus").mkdir()
    for number, body in enumerate(bodies):
        path = folder / "corpus" / f"n{number}.md"
        path.write_bytes("\n\n".join(body).encode())
    with pytest.MonkeyPatch.context() as patch:
        fake = BigramEmbedder()
        patch.setattr("notesqa.retrieval.retriever.open_embedder", lambda _settings: fake)
        home = Home(folder)
        for full in (False, True):
            with Notes(home, Settings()) as notes:
                notes.index(full=full)
                for query in ("卷积 池化", "标题", "word", "lambda", "长长长", "ab"):
                    for passage in notes.search(query, k=20):
                        document = notes.document(passage.document_id)
                        assert document.text[passage.start : passage.end] == passage.text
                        for other in notes.retriever.neighbours(passage):
                            assert document.text[other.start : other.end] == other.text


def test_the_record_is_whole(indexed: Notes, home: Home) -> None:
    long = (
        f"开头{'甲' * 600}\n\n## 训练\n\n{'乙' * 600}\n\n## 推理\n\n推理时用滑动平均。{'丙' * 600}"
    )
    (home.corpus / "long.md").write_text(article("长文", long), encoding="utf-8")
    indexed.index()
    passage = indexed.search("推理时用滑动平均", sources=["long.md"])[0]
    assert passage.title == "长文"
    assert passage.heading == "推理", "the title is not said again"
    assert line_of(home.path, passage.source) == "## 推理"
    assert passage.scores.keys() == set(FEATURES)
    assert passage.score == pytest.approx(
        load_weights().score([passage.scores[name] for name in FEATURES])
    )


# -- what is asked for ----------------------------------------------------------------------------


def first(notes: Notes, query: str) -> str:
    passages = notes.search(query)
    return passages[0].title if passages else ""


@pytest.mark.parametrize(
    "query",
    [
        "anchor free",
        "anchor-free",
        "Anchorfree",
        "ANCHOR FREE",
        "ａｎｃｈｏｒ－ｆｒｅｅ",
        "anchor‑free 检测",
    ],
)
def test_hyphens_case_and_width(indexed: Notes, query: str) -> None:
    assert first(indexed, query) == "无锚框检测"


@pytest.mark.parametrize(
    "query",
    [
        "批归一化在推理时用什么",
        "批歸一化在推理時用什麼",
        "batch normalization 推理",
        "Batch-Normalization at inference",
        "BN 推理时怎么做",
        "批归一化",
    ],
)
def test_scripts_and_languages_meet(indexed: Notes, query: str) -> None:
    """`BN` and `Batch Normalization` are defined by the note itself."""
    assert first(indexed, query) == "批归一化"


def test_terms_of_a_new_note_count_at_once(
    indexed: Notes, home: Home, make_home: Callable[..., Home]
) -> None:
    indexed.search("先开着")
    note = "灰狼步进法（Grey Wolf Stepping，GWS）每一步都向最好的三只狼靠拢。"
    (home.corpus / "wolf.md").write_text(article("群体搜索", note), encoding="utf-8")
    (home.corpus / "decoy.md").write_text(article("别的", "灰色的东西，步进电机。"), "utf-8")
    indexed.index()
    assert first(indexed, "What does GWS do?") == "群体搜索"
    assert first(indexed, "grey wolf stepping") == "群体搜索"
    assert "灰狼步进法" in {
        form for concept in indexed.retriever.analyse("GWS").concepts for form in concept.all_forms
    }


def test_k(indexed: Notes) -> None:
    assert len(indexed.search("训练", k=1)) == 1
    assert len(indexed.search("训练", k=1000)) <= indexed.status().chunks
    for k in (0, -3):
        with pytest.raises(NotesqaError, match="k must be at least 1"):
            indexed.search("训练", k=k)


def test_k_of_the_settings(home: Home, embedder: BigramEmbedder) -> None:
    with Notes(home, Settings(retrieval=RetrievalSettings(k=2))) as notes:
        notes.index()
        assert len(notes.search("训练 归一化 动量 anchor")) == 2


@pytest.mark.parametrize(
    "query", ["", "   ", "\n\t", "\u200b\u200b", "，。！？", "\x00\x1b", "😀", "\ud800"]
)
def test_a_query_of_nothing_finds_nothing(indexed: Notes, query: str) -> None:
    assert indexed.search(query) == []


@pytest.mark.parametrize(
    "query",
    [
        "是什么",
        "为什么？",
        "what is the",
        "怎么 如何 哪些",
        "Dropout 😀👨‍👩‍👧",
        "Drop\x00out \x1b[31m 随机",
        "随机丢弃\ud800",
        '" OR words:* AND (NOT',
        "a" * 10_000,
        "随机丢弃神经元" * 1500,
        "\u202eDropout",
        "$\\frac{x-\\mu}{\\sigma}$ \\lambda",
        "%s {0} \\",
        "'; DROP TABLE chunks; --",
    ],
)
def test_no_query_breaks_it(indexed: Notes, home: Home, query: str) -> None:
    assert_exact(indexed, home.path, indexed.search(query))


@settings(max_examples=60)
@given(query=st.text(max_size=60))
def test_any_text_may_be_asked(query: str, any_notes: Notes) -> None:
    for passage in any_notes.search(query):
        document = any_notes.document(passage.document_id)
        assert document.text[passage.start : passage.end] == passage.text


@pytest.fixture(scope="module")
def any_notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    folder = tmp_path_factory.mktemp("asked")
    for name, content in NOTES.items():
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.MonkeyPatch.context() as patch:
        fake = BigramEmbedder()
        patch.setattr("notesqa.retrieval.retriever.open_embedder", lambda _settings: fake)
        with Notes(Home(folder), Settings()) as notes:
            notes.index()
            yield notes


# -- filters ------------------------------------------------------------------------------------


def sources(passages: list[Passage]) -> set[str]:
    return {p.source.rpartition(":")[0] for p in passages}


def test_filters(indexed: Notes) -> None:
    query = "训练 归一化 anchor 动量"

    def found(**filters: object) -> set[str]:
        return sources(indexed.search(query, k=20, **filters))  # type: ignore[arg-type]

    markdown = {"corpus/batchnorm.md", "corpus/detection/anchors.md"}
    assert found() > markdown
    assert found(sources=["*.md"]) == markdown
    assert found(sources="*.md") == markdown, "a lone glob is one glob"
    assert found(sources=["corpus/detection/*", "feed-1.txt"]) == {
        "corpus/detection/anchors.md", "corpus/feed-1.txt",
    }  # fmt: skip
    assert found(tags=["Detection"]) == {"corpus/detection/anchors.md"}
    assert found(tags="训练") == {"corpus/batchnorm.md"}
    assert found(after="2024-01-01") == {"corpus/batchnorm.md"}
    assert found(before=datetime.date(2023, 1, 15)) == {"corpus/detection/anchors.md"}
    moment = datetime.datetime(2023, 1, 15, 23, 59, tzinfo=datetime.UTC)
    assert found(after=moment, before=moment) == {"corpus/detection/anchors.md"}
    assert found(sources=["nothing"]) == set()
    assert found(after="2030-01-01") == set()


def test_filters_take_paths(indexed: Notes, home: Home) -> None:
    note = Path("corpus/batchnorm.md")
    for paths in (note, [note], [home.path / note], [home.corpus / "batchnorm.md"]):
        found = indexed.search("归一化", k=20, sources=paths)
        assert found
        assert sources(found) == {"corpus/batchnorm.md"}


@pytest.mark.parametrize("wrong", [[3], 3, [None], {"a": 1}.values()])
def test_what_is_no_filter_is_told(indexed: Notes, wrong: object) -> None:
    for name in ("sources", "tags"):
        with pytest.raises(NotesqaError, match=f"{name} must be texts") as caught:
            indexed.search("归一化", **{name: wrong})  # type: ignore[arg-type]
        assert name in caught.value.hint


def test_a_filter_holds_for_notes_that_came_since(indexed: Notes, home: Home) -> None:
    def found() -> set[str]:
        return {p.title for p in indexed.search("归一化", k=50, sources=["*.md"])}

    before = found()
    (home.corpus / "groupnorm.md").write_text("# 组归一化\n\n按通道分组做归一化。\n", "utf-8")
    indexed.index()
    assert found() - before == {"组归一化"}
    (home.corpus / "groupnorm.md").unlink()
    indexed.index()
    assert found() == before


def test_without_a_query_the_filters_list_notes(indexed: Notes) -> None:
    found = indexed.newest(tags="训练")
    assert sources(found) == {"corpus/batchnorm.md"} and found[0].start == 0
    assert found[0].tags and found[0].date
    assert found[0].text == indexed.document(found[0].document_id).text[: found[0].end]
    dates = [passage.date or "" for passage in indexed.newest(99)]
    assert dates == sorted(dates, reverse=True) and len(dates) > 2
    assert len(indexed.newest(2)) == 2
    with pytest.raises(NotesqaError, match="k must be at least 1"):
        indexed.newest(0)


@pytest.mark.parametrize("date", ["yesterday", "2024-13-01", "", "01/02/2024"])
def test_a_malformed_date(indexed: Notes, date: str) -> None:
    with pytest.raises(NotesqaError, match="after is no date") as caught:
        indexed.search("训练", after=date)
    assert "YYYY-MM-DD" in caught.value.hint


# -- passages, not documents ------------------------------------------------------------------------


def test_a_document_does_not_crowd_out_the_others(
    make_home: Callable[..., Home], embedder: BigramEmbedder
) -> None:
    long = "\n\n".join(
        f"## 第{n}节\n\n梯度裁剪的第{n}种做法，{'细节' * 120}{n}。" for n in range(12)
    )
    home = make_home(
        "crowd",
        {
            "long.md": article("梯度裁剪大全", long),
            **{
                f"s{n}.md": article(f"短{n}", f"梯度裁剪在场合{n * 37}里的用处。") for n in range(4)
            },
        },
    )
    with Notes(home, Settings()) as notes:
        notes.index()
        passages = notes.search("梯度裁剪", k=6)
        assert len({p.document_id for p in passages}) >= 3


def test_past_its_share_a_document_must_be_better_than_others() -> None:
    def hit(pk: int, document: str, score: float) -> Hit:
        row = ChunkRow(
            pk=pk, id=str(pk), document_pk=1, document_id=document, ordinal=pk, start=0, end=0,
            heading=(), text=str(pk) * 9, title="", source="", kind="text", date=None, tags=(),
            opening="",
        )  # fmt: skip
        return Hit(row, score, ())

    def chosen(k: int, *hits: Hit) -> str:
        return "".join(found.row.document_id for found in diverse(hits, k, lambda row: row.text))

    ones = [hit(n, "a", 9.0 - n / 10) for n in range(6)]
    assert chosen(6, *ones) == "aaaaaa", "nothing else was found"
    assert chosen(4, *ones, hit(7, "b", 8.0), hit(8, "c", 7.9)) == "aabc"
    assert chosen(4, *ones, hit(7, "b", 6.5)) == "aaaa", "the other is worse by far"


def test_near_duplicates_are_shown_once(
    make_home: Callable[..., Home], embedder: BigramEmbedder
) -> None:
    text = "余弦退火把学习率从最大值按余弦曲线降到最小值，再重新开始，称为热重启。" * 2
    home = make_home("copies", {f"c{n}.md": article(f"抄{n}", text) for n in range(3)})
    with Notes(home, Settings()) as notes:
        notes.index()
        assert len([p for p in notes.search("余弦退火") if "余弦曲线" in p.text]) == 1


def test_neighbours(indexed: Notes, home: Home) -> None:
    long = "\n\n".join(f"## 第{n}节\n\n内容{n}{'字' * 400}" for n in range(5))
    (home.corpus / "long.md").write_text(article("长文", long), encoding="utf-8")
    indexed.index()
    passage = next(p for p in indexed.search("内容2", sources=["long.md"]) if "内容2" in p.text)
    before, after = indexed.retriever.neighbours(passage)
    assert before.end <= passage.start < passage.end <= after.start
    assert "内容1" in before.text
    assert "内容3" in after.text
    assert len(indexed.retriever.neighbours(passage, before=9, after=0)) >= 2
    (home.corpus / "long.md").unlink()
    indexed.index()
    assert indexed.retriever.neighbours(passage) == []


# -- many readers -----------------------------------------------------------------------------------


def test_eight_threads_at_once_find_the_same(indexed: Notes) -> None:
    queries = ["随机丢弃", "动量", "批归一化 推理", "anchor free", "蒸馏 温度"]
    wanted = {query: indexed.search(query) for query in queries}
    indexed.close()
    wrong: list[object] = []

    def search() -> None:
        try:
            for query in queries * 3:
                if indexed.search(query) != wanted[query]:
                    wrong.append(query)
        except BaseException as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_another_reader_follows_a_rebuild(
    indexed: Notes, home: Home, embedder: BigramEmbedder
) -> None:
    with Retriever.open(home.path) as reader:
        assert reader.search("随机丢弃")[0].text
        (home.corpus / "new.md").write_text(article("新", "鹦鹉螺的壳是对数螺线。"), "utf-8")
        indexed.index()
        assert reader.search("鹦鹉螺")[0].title == "新"
        assert reader.refresh() == 2


def test_a_note_that_moved_is_found_where_it_is(indexed: Notes, home: Home) -> None:
    """Also where its passages were found before, in a retriever that stayed open."""
    assert indexed.retriever.search("随机丢弃")[0].source == "corpus/feed-1.txt:4"
    (home.corpus / "feed-1.txt").rename(home.corpus / "moved.txt")
    indexed.index()
    assert indexed.retriever.search("随机丢弃")[0].source == "corpus/moved.txt:4"


def test_a_retriever_that_is_closed_under_searches_says_so(indexed: Notes, home: Home) -> None:
    retriever = Retriever.open(home.path)
    retriever.search("随机丢弃")
    told: list[CatalogError] = []

    def search() -> None:
        try:
            while True:
                retriever.search("随机丢弃")
        except CatalogError as error:
            told.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    retriever.close()
    for thread in threads:
        thread.join(30)
    assert len(told) == 4
    assert all(error.hint for error in told)


def test_a_passage_found_before_a_change_keeps_its_text(indexed: Notes, home: Home) -> None:
    """Between finding and showing, the note may change: what was found is shown."""
    path = home.corpus / "long.md"
    parts = [f"条件随机场的第{n}点：{chr(0x4E00 + n) * 480}。" for n in range(4)]
    path.write_text(article("长文", "\n\n".join(parts)), encoding="utf-8")
    indexed.index()
    retriever = indexed.retriever
    hits = retriever.hits(retriever.analyse("条件随机场"))
    before = retriever.passages(hits, 10)
    assert any(p.end - p.start > 600 for p in before), "neighbours were joined"
    path.write_text(article("长文", "\n\n".join(["前面多了一段。", *parts])), encoding="utf-8")
    indexed.index()
    assert retriever.passages(hits, 10) == before
    assert retriever.search("条件随机场") != before


# -- opening ----------------------------------------------------------------------------------------


def test_opening_without_an_index(make_home: Callable[..., Home]) -> None:
    with pytest.raises(CatalogError, match="there is no index yet"):
        Retriever.open(make_home("bare").path)


def test_a_damaged_engine_heals_itself(indexed: Notes, home: Home) -> None:
    indexed.close()
    for path in home.index.rglob("*"):
        if path.is_file() and path.suffix in (".bin", ".idx", ".term"):
            path.write_bytes(path.read_bytes()[:50])
    with Retriever.open(home.path) as retriever:
        assert retriever.search("随机丢弃")[0].source == "corpus/feed-1.txt:4"


def test_an_unknown_document(indexed: Notes) -> None:
    with pytest.raises(CatalogError, match="no document"):
        indexed.document("nobody")


# -- the question ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("什么是感受野?", "what"),
        ("What is a receptive field?", "what"),
        ("为什么要归一化", "why"),
        ("Adam 和 SGD 有什么区别", "compare"),
        ("GBDT 的优缺点", "pros"),
        ("有哪些激活函数", "list"),
        ("mAP 怎么算", "formula"),
        ("LFW 上的准确率是多少", "number"),
        ("BERT 是谁提出的", "who"),
        ("两条公式差在哪里", "compare"),
        ("这两种网络有啥不一样", "compare"),
        ("动量到底是干嘛用的", "what"),
        ("干嘛要归一化", "why"),
        ("负迁移能举个例子吗", "example"),
        ("give me an example of pooling", "example"),
        ("那个例子里概率是多少", "number"),
        ("好几个线程一起写会怎样", "how"),
        ("堆和栈谁更快", "compare"),
        ("堆和栈是谁提出的", "who"),
        ("公式里 k 指什么", "what"),
        ("微分方程的解什么时候唯一", "when"),
        ("直线的方程", "formula"),
        ("感受野", "other"),
        ("防过拟合有什么办法", "list"),
        ("除了剪枝还有啥招", "list"),
    ],
)
def test_kinds_of_questions(question: str, kind: str) -> None:
    assert kind_of(normalize(question)) == kind


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("3x3 的窗口", "窗口是 3×3 的。"),
        ("3*3 的窗口", "窗口是 $3\\times3$ 的。"),
        ("3×3 的窗口", "窗口是 $3 \\times 3$ 的。"),
        ("占 1G 的文件", "文件有 1 GB 大。"),
        ("占 1.5 g 的文件", "文件有 1.5 GB 大。"),
    ],
)
def test_sizes_and_amounts_are_met_however_they_are_written(question: str, text: str) -> None:
    concepts = analyse(question, Segmenter(), TermTable(())).concepts
    plain = normalize(text)
    assert all(met(plain, squeeze(plain), c)[1] > 0 for c in concepts if c.surface[0].isdigit())
    assert any(c.surface[0].isdigit() for c in concepts)


def test_what_is_hard_to_do_is_met_where_it_is_said_to_be_hard() -> None:
    def forms_of(question: str) -> dict[str, tuple[str, ...]]:
        concepts = analyse(question, Segmenter(), TermTable(())).concepts
        return {concept.surface: concept.forms for concept in concepts}

    assert forms_of("细网为什么难训")["难训"] == ("难",)
    assert "难" not in forms_of("细网的难题")["难题"]


def test_the_name_of_a_thing_asks_for_nothing() -> None:
    asked = normalize("对比学习为什么要大批量")
    assert kind_of(asked) == "compare"
    assert kind_of(asked, ["对比学习"]) == "why"
    assert kind_of(normalize("对比学习和聚类的对比"), ["对比学习"]) == "compare"
    # The last word says what a thing is.
    assert kind_of(normalize("动量的公式"), ["公式"]) == "formula"
    assert kind_of(normalize("求根公式"), ["求根公式"]) == "formula"
    terms = TermTable([("对比学习", "contrastive learning", "")])
    assert kind_of("感受野怎么算") == kind_of("困惑度如何计算的") == "formula"
    assert kind_of("怎么算是过拟合") == "how"
    assert analyse("感受野的原理是什么", Segmenter(), TermTable([])).defines
    assert kind_of("原理图怎么画") == "how"
    for bare in ("为什么要用 AdaBoost", "怎么理解 AdaBoost", "AdaBoost"):
        assert analyse(bare, Segmenter(), TermTable([])).bare
    assert not analyse("AdaBoost 为什么怕噪声", Segmenter(), TermTable([])).bare
    assert kind_of("对称为什么重要") == "why"
    assert kind_of("感受野又称为什么") == kind_of("人们称之为什么") == "other"
    assert analyse("对比学习为什么要大批量", Segmenter(), terms).kind == "why"


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("请问什么是感受野？", "感受野"),
        ("what is the receptive field", "receptive field"),
        ("是什么？", "是什么"),
        ("Dropout为什么有效?", "dropout 有效"),
        ("动量是干嘛用的啊", "动量"),
        ("损失函数用来做什么", "损失函数"),
        ("要做什么样的归一化", "要做 样的归一化"),
        ("两条公式差在哪里", "两条公式"),
        ("λ 在哪里定义", "λ 定义"),
        ("举例说明负迁移", "负迁移"),
        ("负迁移有什么例子吗", "负迁移 例子"),
        ("为什么要求总和无穷大", "要求总和无穷大"),
        ("请求为什么要排队", "请求 排队"),
        ("怎么申请显存", "申请显存"),
        ("请你解释一下动量", "动量"),
        ("怎么解释动量", "动量"),
        ("模型的可解释性是什么", "模型的可解释性"),
        ("图像描述怎么评测", "图像描述 评测"),
        ("请描述动量", "动量"),
        ("双曲几何为什么适合树", "双曲几何 适合树"),
        ("动量及其实现", "动量及其实现"),
        ("任何时刻都成立吗", "任何时刻都成立"),
        ("A/B 测试怎么做", "a b 测试"),
        ("what is end-to-end training", "end-to-end training"),
        ("how does the mixture-of-experts layer work", "mixture-of-experts layer"),
    ],
)
def test_question_words_are_no_content(question: str, content: str) -> None:
    assert content_of(normalize(question)) == content


def test_an_empty_question_can_be_analysed() -> None:
    query = analyse("", Segmenter(), TermTable(()))
    assert (query.words, query.grams, query.concepts, query.content) == ({}, {}, (), "")


# -- terms ----------------------------------------------------------------------------------------


def forms(table: TermTable, text: str) -> dict[str, set[str]]:
    return {c.surface: set(c.forms) for c in table.in_text(normalize(text))}


def test_terms_are_found_longest_first_and_whole() -> None:
    table = TermTable(
        [("批归一化|批标准化", "Batch Normalization", "BN"), ("归一化", "normalization", ""),
         ("生成对抗网络", "Generative Adversarial Network", "GAN")]
    )  # fmt: skip
    assert forms(table, "批归一化有用") == {
        "批归一化": {"批标准化", "batch normalization", "bn"},
    }
    assert forms(table, "Batch-Normalization!").keys() == {"batch-normalization"}
    assert forms(table, "batchnormalization").keys() == {"batchnormalization"}
    assert forms(table, "organ and bnx") == {}
    assert "gan" in forms(table, "用GAN生成")
    assert forms(table, "") == {}


def test_names_of_code_are_those_of_notes() -> None:
    table = TermTable(builtin_terms())
    assert "fp32" in forms(table, "float32 输入")["float32"]
    assert "批量" in forms(table, "batch 要多大")["batch"]


def test_the_table_that_ships_is_well_formed() -> None:
    rows = builtin_terms()
    for zh, en, abbr in rows:
        names = [n for column in (zh, en, abbr) for n in column.split("|") if n]
        assert len(names) >= 2, (zh, en, abbr)
        assert all(n == n.strip() and "\t" not in n for n in names)
        assert len(set(names)) == len(names), names
    assert len(set(rows)) == len(rows)


# -- ranking --------------------------------------------------------------------------------------


def test_how_something_is_computed_may_stand_under_its_formula() -> None:
    def forms(text: str, word: str) -> tuple[str, ...]:
        concepts = analyse(text, Segmenter(), TermTable([])).concepts
        return next(concept.forms for concept in concepts if concept.surface == word)

    assert {"公式", "递推"} <= set(forms("感受野怎么算", "算"))
    assert {"公式", "算"} <= set(forms("感受野如何计算", "计算"))
    assert "公式" not in forms("并行计算怎么调度", "计算")


def test_every_weight_belongs_to_a_feature() -> None:
    weights = load_weights()
    assert weights.rank.keys() <= set(FEATURES)
    assert 0.0 < weights.threshold <= weights.nearest < 1.0


def told(question: str, text: str, title: str = "") -> dict[str, float]:
    query = analyse(question, Segmenter(), TermTable([("感受野", "receptive field", "")]))
    asked = Asked.of(query, dict.fromkeys(query.words, 2.0))
    values = told_by(asked, Wording.of(text, title))
    return dict(zip(FEATURES[-len(values) :], values, strict=True))


def test_a_passage_need_not_say_again_what_its_title_says() -> None:
    question, text = "感受野怎么计算?", "逐层累加即可计算, 先算最后一层。"
    under, alone = told(question, text, "感受野"), told(question, text)
    assert under["coverage"] == 1.0 > alone["coverage"]
    assert under["early"] > alone["early"]


def test_what_is_named_earlier_counts_more() -> None:
    question, filler = "感受野怎么计算?", "先看几个别的东西。" * 12
    first, last = (
        told(question, f"感受野的计算。{filler}"),
        told(question, f"{filler}感受野的计算。"),
    )
    assert first["coverage"] == last["coverage"]
    assert first["early"] > last["early"] > 0
    assert first["lead_coverage"] == 1.0
    assert last["lead_coverage"] == 0.0


def test_a_passage_is_about_what_its_clauses_begin_with() -> None:
    question = "感受野怎么计算?"
    about = told(question, "感受野逐层累加,感受野越大看得越远。")
    both = told(question, "感受野逐层累加,步长决定感受野。")
    mentions = told(question, "步长大了会扩大感受野,也扩大别层的感受野。")
    assert about["topic"] > both["topic"] > mentions["topic"] == 0.0


@pytest.mark.parametrize(
    "before",
    [
        "",
        "先看图。",
        "先看图:",
        "- ",
        "1. ",
        "**",
        "先看图\n    - **",
        "| ",
        "其中",
        "对于",
        "但是",
        "而且",
        "因此",
        "如果",
        "通过",
        "the ",
        "图 (",
    ],
)
def test_marks_and_joining_words_may_stand_before_what_a_clause_is_about(before: str) -> None:
    question = "感受野怎么计算?"
    plain = told(question, "感受野逐层累加。")
    assert told(question, f"{before}感受野逐层累加。")["topic"] == plain["topic"] > 0.0


def test_what_a_title_says_is_what_a_passage_may_be_about() -> None:
    question, text = "dropout 是什么?", "随机丢掉一些神经元。"
    under, alone = told(question, text, "dropout"), told(question, text)
    said = told(question, f"dropout {text}")
    assert said["topic"] > under["topic"] > alone["topic"] == 0.0


@given(st.text(alphabet="ab 。,卷积\n-*", max_size=40))
def test_the_share_of_places_is_one_of_all_places(text: str) -> None:
    names = (("卷积", False, None), ("ab", True, None))
    share = topic_share(text, names)
    assert 0.0 <= share <= 1.0
    whole_words = re.findall(r"(?<![ab])ab(?![ab])", text)
    assert share == 0.0 or "卷积" in text or whole_words
    assert topic_share(f"卷积{text}", names) > 0.0


def test_a_latin_word_is_met_by_its_chinese_name() -> None:
    text = "感受野由逐层累加得到。"
    assert told("receptive field 是什么", text)["coverage"] == 1.0
    assert told("感受野是什么", "receptive field grows layer by layer")["coverage"] < 1.0


def test_headings_that_ask_are_those_under_a_title_that_is_asked_about() -> None:
    query = analyse("感受野有什么缺点", Segmenter(), TermTable([]))
    asked = Asked.of(query, dict.fromkeys(query.words, 2.0))

    def headed(title: str, heading: str) -> float:
        wording = Wording.of("逐层累加。", f"{title} {heading}", named=len(title))
        return told_by(asked, wording)[FEATURES.index("headed") - len(FEATURES)]

    assert headed("感受野", "局限") == headed("感受野", "缺点") == 1.0
    assert headed("感受野", "算法") == headed("卷积", "局限") == 0.0
    assert headed("卷积", "与感受野相比的缺点") == 0.0


def test_a_name_of_one_character_may_be_part_of_another_word() -> None:
    whole, part = told("tree 怎么画", "决策图"), told("tree 怎么画", "树木图")
    assert whole["latin_coverage"] == 0.0 < part["latin_coverage"] < 1.0


def test_latin_words_are_met_where_they_are_written_in_one() -> None:
    text, apart = "velamixer 把序列分成块。", "vela 和 mixer 是两件事。"
    assert told("Vela Mixer 怎么分序列", text)["latin_coverage"] == 1.0
    assert told("Vela-Mixer 怎么分序列", text)["latin_coverage"] == 1.0
    assert told("Vela Mixer 怎么分序列", apart)["latin_coverage"] == 1.0
    assert told("Vela 怎么分序列", text)["latin_coverage"] == 0.0


def test_features_are_named_and_plain() -> None:
    segmenter, table = Segmenter(), TermTable([("感受野", "receptive field", "")])
    query = analyse("感受野怎么计算? 3x3", segmenter, table)
    asked = Asked.of(query, dict.fromkeys(query.words, 2.0))
    near = told_by(asked, Wording.of("感受野的计算: 3x3 卷积叠两层是 5x5。", "感受野"))
    far = told_by(asked, Wording.of("别的东西。" * 30, "别的"))
    a = dict(zip(FEATURES, (*found_by(asked, 11.0, 0.8, []), *near), strict=True))
    b = dict(zip(FEATURES, (*found_by(asked, 0.0, 0.0, []), *far), strict=True))
    assert all(isinstance(v, float) for v in (*a.values(), *b.values()))
    assert a["lead_coverage"] > b["lead_coverage"] == 0
    assert a["coverage"] > b["coverage"] == 0.0
    weights = load_weights()
    assert weights.score(list(a.values())) > weights.score(list(b.values()))


def test_what_is_like_many_others_stands_less_apart() -> None:
    query = analyse("感受野怎么计算", Segmenter(), TermTable([]))
    asked = Asked.of(query, dict.fromkeys(query.words, 2.0))

    def found(*around: tuple[float, float]) -> dict[str, float]:
        return dict(zip(FEATURES, found_by(asked, 1.5, 0.5, around), strict=False))

    crowded, half = found((0.9, 0.5), (0.8, 0.3)), found((0.9, 0.5), (0.2, 0.1))
    lone, alone = found((0.2, 0.5), (0.1, 0.3)), found()
    assert crowded["apart"] == pytest.approx(0.15)
    assert crowded["apart"] < half["apart"] < lone["apart"]
    # Of another field, or with nothing else found: no better for that.
    assert lone["apart"] == alone["apart"]
    assert crowded["beside"] == lone["beside"] == pytest.approx(0.4)
    assert half["beside"] == pytest.approx(0.3) and alone["beside"] == 0.0


@given(st.text(alphabet="abc卷积", max_size=12), st.text(alphabet="abc卷积", max_size=30))
def test_longest_common_run(needle: str, text: str) -> None:
    runs = [needle[i:j] for i in range(len(needle)) for j in range(i, len(needle) + 1)]
    assert longest_common(needle, text) == max((len(r) for r in runs if r in text), default=0)


@given(st.floats(allow_nan=False))
def test_logistic_never_overflows(x: float) -> None:
    assert 0.0 <= logistic(x) <= 1.0


def test_what_the_home_is_named_by(
    home: Home, indexed: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.corpus / "detection")
    with Retriever.open() as retriever:
        assert retriever.search("随机丢弃")
    monkeypatch.chdir("/")
    with Retriever.open(os.fspath(home.path)) as retriever:
        assert retriever.search("随机丢弃")
