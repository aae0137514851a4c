"""Files of every kind and state: read whole, or refused with a reason of one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.errors import CorpusError
from notesqa.notes import read_file, supported
from notesqa.notes.decode import decode
from notesqa.notes.markdown import front_matter
from tests.patience import grows_with_the_length

FIRST = (
    "权重归一化 简介 权重归一化把每个权重向量拆成长度和方向两部分，分别优化，收敛往往更快。"
    "它与批归一化不同，不依赖一个批次里的其他样本，因此也能用在循环网络和强化学习里。"
)
SECOND = (
    "学习率预热 训练开始时用很小的学习率，再在几千步内线性增大到设定值，可以避免一开始的震荡。"
    "配合余弦退火使用，是如今训练大模型的常见做法，预热的步数一般占总步数的百分之一到..."
)
NOTE = "# 权重衰减\n\n权重衰减让参数慢慢变小，𝑤 与 λ 的乘积每步被减去。準確率會因此提高。"


def read(path: Path, content: str | bytes) -> tuple:  # type: ignore[type-arg]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, f"corpus/{path.name}").documents


# -- transmissions -------------------------------------------------------------------


def transmission(*lines: str) -> str:
    return "INCOMING TRANSMISSION\n\nLATEST UPDATES\n" + "\n".join(lines)


@pytest.mark.parametrize(
    "pager",
    ["\n1 2 3 ... 5\n", "\n1 2", "\n1\n", "\n1 2 3 … 12\n", "\n« 1 2 3 »\n", "", "\n", "\n\n"],
)
def test_a_transmission_holds_one_excerpt_a_line(tmp_path: Path, pager: str) -> None:
    documents = read(tmp_path / "t.txt", transmission(FIRST, SECOND) + pager)
    assert [d.text for d in documents] == [FIRST, SECOND]
    assert [d.truncated for d in documents] == [False, True]
    assert [d.sources[0].line for d in documents] == [4, 5]
    assert {d.kind for d in documents} == {"excerpt"}


def test_what_is_a_transmission_is_told_by_its_content(tmp_path: Path) -> None:
    as_markdown = read(tmp_path / "feed.md", "\r\n" + transmission(FIRST).replace("\n", "\r\n"))
    assert [d.text for d in as_markdown] == [FIRST]
    assert as_markdown[0].sources[0].line == 5
    plain = read(
        tmp_path / "about.txt", "这篇笔记讲 INCOMING TRANSMISSION 的格式。\n\nLATEST UPDATES"
    )
    assert [d.kind for d in plain] == ["text"]


def test_a_line_of_numbers_is_a_pager_only_at_the_end(tmp_path: Path) -> None:
    documents = read(tmp_path / "t.txt", transmission("1 2 3", FIRST, "1 2 3"))
    assert [d.text for d in documents] == ["1 2 3", FIRST]


def test_an_excerpt_is_named_by_its_content(tmp_path: Path) -> None:
    a = read(tmp_path / "a.txt", transmission(FIRST, SECOND))
    b = read(tmp_path / "b.txt", transmission(SECOND.replace("，", ","), FIRST))
    assert {d.id for d in a} == {d.id for d in b}


def test_an_empty_transmission_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nothing in it"):
        read(tmp_path / "t.txt", transmission("1 2 3"))


# -- Markdown and text ---------------------------------------------------------------


def test_front_matter_is_told_apart_from_the_body(tmp_path: Path) -> None:
    (document,) = read(
        tmp_path / "n.md",
        "---\ntitle: 余弦退火\ndate: 2024-03-05\ntags: [优化, 学习率]\nunknown: {a: 1}\n---\n\n## 做法\n正文 $x$。\n",
    )
    assert (document.title, document.date, document.tags) == (
        "余弦退火",
        "2024-03-05",
        ("优化", "学习率"),
    )
    assert document.text == "## 做法\n正文 $x$。"
    assert document.sources[0].line == 8
    assert document.kind == "article"


@pytest.mark.parametrize(
    ("head", "title", "date", "tags"),
    [
        ("title: 'A: B'\ntags: a, b，c", "A: B", None, ("a", "b", "c")),
        ("title: 2024\ndate: 2024-01-02 10:00:00", "2024", "2024-01-02", ()),
        ("date: 2024/3/5", "", "2024-03-05", ()),
        ("date: 2024年3月5日\ntag: 单个", "", "2024-03-05", ("单个",)),
        ("date: 2024-13-45\ntitle: x", "x", None, ()),
        ("date: 20240305", "", "2024-03-05", ()),
        ("Title: 甲\nDate: 2024-03-05\nTags: [乙]", "甲", "2024-03-05", ("乙",)),
        ("title: [broken\ntags: a", "", None, ("a",)),
        ("title: {broken\ntags: [a, b", "", None, ("a", "b")),
        ("title: 甲: 乙", "甲: 乙", None, ()),
        ("title: {{ template }}\n", "{{ template }}", None, ()),
        ("tags:\n  - '#甲'\n  - 乙\n  - 甲", "", None, ("甲", "乙")),
        ("title: null\ntags: null\ndate: null", "", None, ()),
        ("title: [1, 2]\ntags: {a: b}\ndate: [x]", "", None, ()),
        ("title: &a [*a]", "", None, ()),
    ],
)  # fmt: skip
def test_front_matter_good_and_bad(
    head: str, title: str, date: str | None, tags: tuple[str, ...]
) -> None:
    front = front_matter(f"---\n{head}\n---\n正文")
    assert (front.title, front.date, front.tags) == (title, date, tags)
    assert f"---\n{head}\n---\n正文"[front.length :] == "正文"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("title: 甲\ndate: 2024-03-05\ntags: [乙]", []),
        ("title: 甲\ndate:\ntags:", []),
        ("title: 甲\ndate: 2024-13-45", ["its date “2024-13-45” is none: write YYYY-MM-DD"]),
        ("title: 甲\ndate: 2024-02-30", ["its date “2024-02-30” is none: write YYYY-MM-DD"]),
        ("title: 甲\ndate: 昨天", ["its date “昨天” is none: write YYYY-MM-DD"]),
        ("title: 甲\ndate: 2024", ["its date “2024” is none: write YYYY-MM-DD"]),
        ("title: 甲\ndate: 02/03/2024", ["its date “02/03/2024” is none: write YYYY-MM-DD"]),
        (
            "tags: [乙, 丙]\ntitle: [甲\ndate: 2024-03-05",
            ["its front matter is no YAML (line 4): read as far as it is plain"],
        ),
    ],
)
def test_what_is_wrong_in_front_matter_is_told(tmp_path: Path, head: str, said: list[str]) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"---\n{head}\n---\n# 注意力\n正文", encoding="utf-8")
    assert list(read_file(path, "corpus/a.md").remarks) == said


def test_a_title_that_cannot_be_read_is_taken_from_the_text(tmp_path: Path) -> None:
    (document,) = read(tmp_path / "a.md", "---\ntitle: [unclosed\n---\n# 注意力\n正文")
    assert document.title == "注意力" and "正文" in document.text


@pytest.mark.parametrize(
    "text",
    [
        "正文\n---\n还有\n---\n",
        "---\n没有键的一段话\n---\n正文",
        "---\ntitle: 没有结束",
        "----\na: b\n----",
    ],
)
def test_what_is_no_front_matter_stays_in_the_body(text: str) -> None:
    assert front_matter(text).length == 0


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("title: 1. 引子与 2024 年总结", "1. 引子与 2024 年总结"),
        ("title: 概述", "谱聚类"),
        ("tags: [a]", "谱聚类"),
    ],
)
def test_the_writers_title_stands_unless_it_says_nothing(
    tmp_path: Path, head: str, title: str
) -> None:
    (document,) = read(tmp_path / "n.md", f"---\n{head}\n---\n谱聚类是一种基于图的方法。")
    assert document.title == title


def test_yaml_cannot_run_code() -> None:
    front = front_matter("---\ntitle: !!python/object/apply:os.system ['false']\n---\n正文")
    assert front.length > 0
    assert "正文"[:2] == "正文"


@given(st.text(st.sampled_from("title:date tags-[]{}'\"&*!|>\n #2024"), max_size=60))
def test_no_front_matter_is_a_crash_or_loses_the_body(head: str) -> None:
    text = f"---\n{head}\n---\n尾声的正文"
    assert text[front_matter(text).length :].endswith("尾声的正文")


BODIES = st.text(
    st.one_of(
        st.sampled_from("深度学习abc，。 \n\n\t#-*1.$`|>"),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=80,
)


@given(BODIES, st.sampled_from(["n.md", "n.txt"]))
def test_reading_never_loses_a_character_that_is_no_space(
    tmp_path_factory: pytest.TempPathFactory, body: str, name: str
) -> None:
    path = tmp_path_factory.mktemp("n") / name
    text = f"开头{body}结尾"
    (document,) = read(path, text)
    assert "".join(document.text.split()) == "".join(text.split())
    assert document.title


@pytest.mark.parametrize(
    ("name", "kind"), [("a.MD", "article"), ("a.markdown", "article"), ("a.text", "text")]
)
def test_formats_go_by_suffix(tmp_path: Path, name: str, kind: str) -> None:
    assert [d.kind for d in read(tmp_path / name, "一些文字")] == [kind]
    assert supported(tmp_path / name)


def test_hidden_files_and_others_are_no_notes(tmp_path: Path) -> None:
    assert not supported(tmp_path / ".a.md")
    assert not supported(tmp_path / "a.py")
    assert not supported(tmp_path / "md")
    with pytest.raises(CorpusError, match="unknown format"):
        read_file(tmp_path / "a.xyz", "corpus/a.xyz")


# -- encodings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"],
)
def test_encodings_are_told_from_the_bytes(tmp_path: Path, encoding: str) -> None:
    (document,) = read(tmp_path / "n.md", NOTE.encode(encoding))
    assert document.text == NOTE


@pytest.mark.parametrize("encoding", ["big5", "big5hkscs", "cp950"])
def test_big5(tmp_path: Path, encoding: str) -> None:
    text = "批次標準化讓每一層的輸入分佈保持穩定，訓練因此可以使用較大的學習率。這個方法在卷積網路裡很常見。"
    (document,) = read(tmp_path / "n.txt", text.encode(encoding))
    assert document.text == text


@pytest.mark.parametrize("encoding", ["gbk", "big5", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("length", [16, 40, 90])
def test_a_short_text_is_read_right_or_refused(encoding: str, length: int) -> None:
    simple = (
        "这里的模型用梯度下降训练，数据不多的时候要防止过拟合，方法是在损失函数里加上一个惩罚项。"
        * 3
    )
    classic = (
        "這裡的模型用梯度下降訓練，數據不多的時候要防止過擬合，方法是在損失函數裡加上一個懲罰項。"
        * 3
    )
    text = (classic if encoding == "big5" else simple)[:length]
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "data",
    [
        "딥러닝은 여러 층으로 쌓은 신경망으로 표현을 학습하는 방법이다. ".encode("euc-kr") * 4,
        "深層学習は多層のネットワークを用いてデータから表現を学習する。".encode("shift_jis") * 4,
        "深層学習は多層のネットワークを用いてデータから表現を学習する。".encode("euc-jp") * 4,
        "深層学習は多層のネットワークを用いる。".encode("iso2022_jp") * 4,
        "Глубокое обучение использует нейронные сети.".encode("cp1251") * 4,
        "les réseaux entraînés à pénalité élevée".encode("latin-1"),
    ],
)
def test_what_is_in_another_encoding_is_refused_not_garbled(data: bytes) -> None:
    with pytest.raises(CorpusError, match="unknown encoding"):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        text = decode(data)
    except CorpusError as error:
        assert "\n" not in error.message
    else:
        assert (
            "\ufffd" not in text
            or "\ufffd".encode() in data
            or b"\xfd\xff" in data
            or b"\xff\xfd" in data
        )


def test_damaged_utf8_names_the_line(tmp_path: Path) -> None:
    data = ("第一行是好的。\n" * 40).encode()
    with pytest.raises(CorpusError, match="damaged UTF-8 on line 41"):
        read(tmp_path / "n.txt", data + "坏".encode()[:2] + b"\n" + data)


# -- what cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n1 0 obj\n<<>>", b"PK\x03\x04\x14\x00rest", b"\x89PNG\r\n\x1a\n\x00\x00",
        b"\x00\x01\x02\x03" * 50, b"\x7fELF\x02\x01\x01\x00", bytes(range(256)) * 4,
        b"\x1f\x8b\x08\x00" + os.urandom(64),
    ],
)  # fmt: skip
def test_binary_files_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorpusError, match=r"binary file|unknown encoding"):
        read(tmp_path / "n.md", data)


@pytest.mark.parametrize("content", ["", "  \n\t\n", "\ufeff", "\ufeff\n"])
def test_an_empty_file_says_so(tmp_path: Path, content: str) -> None:
    with pytest.raises(CorpusError, match="empty file"):
        read(tmp_path / "n.md", content)


def test_front_matter_alone_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nothing in it"):
        read(tmp_path / "n.md", "---\ntitle: 只有标题\n---\n\n")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    os.mkfifo(tmp_path / "pipe.md")
    for name, reason in [
        ("folder.md", "a folder"),
        ("loop.md", "symbolic links"),
        ("pipe.md", "not a regular file"),
        ("gone.md", "no such file"),
    ]:
        with pytest.raises(CorpusError, match=reason) as caught:
            read_file(tmp_path / name, f"corpus/{name}")
        assert caught.value.hint
        assert "\n" not in caught.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_the_right_to_read(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("秘密")
    (tmp_path / "n.md").chmod(0)
    with pytest.raises(CorpusError, match="permission denied"):
        read_file(tmp_path / "n.md", "corpus/n.md")


@pytest.mark.parametrize("piece", ["深度学习的损失函数，", "a", "word ", "# "])
def test_time_grows_with_the_length_of_a_line_alone(tmp_path: Path, piece: str) -> None:
    def once(number: int) -> None:
        (document,) = read(tmp_path / "n.md", piece * number)
        assert len(document.title) < 130

    grows_with_the_length(once, 8_000_000 // len(piece.encode()))
