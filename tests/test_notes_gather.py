"""From files to a corpus: copies, cuts, articles that replace excerpts, titles told apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.notes import Gathered, ReadFile, gather, read_file

ARTICLE = """---
title: 谱归一化
tags: [生成对抗网络]
---

# 概述

谱归一化（Spectral Normalization）把判别器每一层的权重除以它的谱范数，使得每一层的 Lipschitz 常数不超过 1，
从而稳定 **对抗训练**。设 $W$ 的最大奇异值为 $\\sigma(W)$，则归一化后的权重为

$$
\\bar W = \\frac{W}{\\sigma(W)}
$$

奇异值不必精确计算，用幂迭代（power-iteration）近似即可：每次更新只迭代一步，因为权重变化很慢，上一步的向量仍是很好的起点。

## 与梯度惩罚的比较

梯度惩罚只在采样到的点附近约束判别器，谱归一化约束整个函数空间，而且几乎不增加计算量。
实践中二者可以一起使用，但通常谱归一化已经足够。
"""
# As the feed shows it: formulas replaced or bare, hyphens and marks of Markdown lost, cut.
EXCERPT = (
    "概述 谱归一化(Spectral Normalization)把判别器每一层的权重除以它的谱范数,使得每一层的 Lipschitz 常数不超过 1,从而稳定 对抗训练。"
    "设 W 的最大奇异值为 [Math] ,则归一化后的权重为 [公式] 奇异值不必精确计算,用幂迭代(poweriteration)近似即可:每次更新只迭代一步,因为权重变化很慢,上..."
)
OTHER = (
    "实例归一化(Instance Normalization)对每个样本的每个通道单独做归一化,常用于风格迁移,因为它抹去了单张图片的对比度信息。"
    "它可以看作批大小为一的批归一化,测试时不需要滑动平均。"
)
LONG = (
    "最大池化在每个窗口里只留下最大的响应,平移一个像素往往不改变结果,因此网络对小的位移不敏感。平均池化则保留整体的强度,"
    "常放在分类头之前。带步长的卷积可以代替池化,让网络自己学会如何下采样,代价是更多的参数。"
)


def feed(*lines: str) -> str:
    return "INCOMING TRANSMISSION\n\nLATEST UPDATES\n" + "\n".join(lines) + "\n1 2 3\n"


def files(folder: Path, contents: dict[str, str]) -> list[ReadFile]:
    result = []
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        result.append(read_file(path, f"corpus/{name}"))
    return result


def sources(gathered: Gathered) -> dict[str, list[str]]:
    return {d.title: [str(s) for s in d.sources] for d in gathered.documents}


def test_an_excerpt_in_several_files_is_one_document_that_knows_them(tmp_path: Path) -> None:
    gathered = gather(
        files(tmp_path, {"b.txt": feed(LONG, OTHER), "a.txt": feed(OTHER), "c.txt": feed(OTHER)})
    )
    assert len(gathered.documents) == 2
    assert gathered.duplicates == 2
    assert sources(gathered)["实例归一化(Instance Normalization)"] == [
        "corpus/a.txt:4", "corpus/b.txt:5", "corpus/c.txt:4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "copy",
    [
        OTHER.replace(",", "，").replace("(", "（").replace(")", "）"),
        OTHER.replace("。", "。 "),
        OTHER.replace(" ", "\u3000"),
        OTHER.replace("Instance", "ｉｎｓｔａｎｃｅ"),
    ],
)
def test_width_and_spaces_do_not_make_another_excerpt(tmp_path: Path, copy: str) -> None:
    gathered = gather(files(tmp_path, {"a.txt": feed(OTHER), "b.txt": feed(copy)}))
    assert (len(gathered.documents), gathered.duplicates) == (1, 1)


def test_a_shorter_cut_is_the_same_excerpt_and_the_longer_text_wins(tmp_path: Path) -> None:
    contents = {
        "a.txt": feed(LONG[:60] + "..."),
        "b.txt": feed(LONG),
        "c.txt": feed(LONG[:80] + "…"),
    }
    gathered = gather(files(tmp_path, contents))
    (document,) = gathered.documents
    assert document.text == LONG
    assert not document.truncated
    assert len(document.sources) == 3
    assert gathered.duplicates == 2


def test_a_beginning_that_says_too_little_stays_apart(tmp_path: Path) -> None:
    gathered = gather(files(tmp_path, {"a.txt": feed("最大池化..."), "b.txt": feed(LONG)}))
    assert len(gathered.documents) == 2


def test_the_same_line_twice_in_a_file_counts_once(tmp_path: Path) -> None:
    gathered = gather(files(tmp_path, {"a.txt": feed(LONG, OTHER, LONG)}))
    assert (len(gathered.documents), gathered.duplicates) == (2, 1)


def test_an_article_replaces_the_excerpt_that_it_begins_like(tmp_path: Path) -> None:
    contents = {"z.txt": feed(EXCERPT, OTHER), "y.txt": feed(EXCERPT), "n.md": ARTICLE}
    read = files(tmp_path, contents)
    excerpt = next(d for f in read for d in f.documents if d.text == EXCERPT)
    gathered = gather(read)
    article = next(d for d in gathered.documents if d.kind == "article")
    assert gathered.replaced == ((excerpt.id, article.id),)
    assert [str(s) for s in article.sources] == [
        "corpus/n.md:6", "corpus/y.txt:4", "corpus/z.txt:4",
    ]  # fmt: skip
    assert len(gathered.documents) == 2
    assert article.title == "谱归一化"


@pytest.mark.parametrize("name", ["n.md", "n.txt"])
@pytest.mark.parametrize("head", ["", "# 谱归一化\n\n", "谱归一化\n\n"])
def test_whatever_heading_stands_before_it(tmp_path: Path, name: str, head: str) -> None:
    body = ARTICLE.split("---\n", 2)[2].replace("# 概述\n", head)
    gathered = gather(files(tmp_path, {"t.txt": feed(EXCERPT), name: body}))
    assert len(gathered.documents) == 1
    assert len(gathered.replaced) == 1


def test_an_article_on_the_same_subject_replaces_nothing(tmp_path: Path) -> None:
    body = (
        "# 谱归一化\n\n谱归一化由 Miyato 等人提出，它限制判别器的 Lipschitz 常数。权重矩阵的谱范数就是最大奇异值，"
        "可以用幂迭代近似。与梯度惩罚相比，它的计算量小得多，也不依赖采样点，因此在大规模图像生成中很受欢迎。"
        * 3
    )
    gathered = gather(files(tmp_path, {"t.txt": feed(EXCERPT), "n.md": body}))
    assert gathered.replaced == ()
    assert len(gathered.documents) == 2


def test_an_excerpt_from_the_middle_of_an_article_is_not_its_beginning(tmp_path: Path) -> None:
    body = f"# 归一化方法\n\n{LONG * 3}\n\n{OTHER}"
    gathered = gather(files(tmp_path, {"t.txt": feed(OTHER), "n.md": body}))
    assert gathered.replaced == ()


def test_copies_of_a_file_are_one_document(tmp_path: Path) -> None:
    gathered = gather(files(tmp_path, {"b/n.md": ARTICLE, "a/n.md": ARTICLE}))
    (document,) = gathered.documents
    assert [str(s) for s in document.sources] == ["corpus/a/n.md:6", "corpus/b/n.md:6"]
    assert gathered.duplicates == 1


# -- titles ------------------------------------------------------------------------------


def test_documents_of_one_title_are_told_apart_by_what_only_one_has(tmp_path: Path) -> None:
    contents = {
        "a.md": "# 注意力机制\n\n## 打分函数\n\n点积与加性打分各有长短。\n",
        "b.md": "# 注意力机制\n\n## 稀疏模式\n\n只看邻近的位置，省去大半计算。\n",
        "t.txt": feed(
            "注意力机制是一种让模型有所侧重的方法。多头让不同的子空间各看各的,多头的输出再拼接,多头因此表达力更强。"
        ),
    }
    titles = [d.title for d in gather(files(tmp_path, contents)).documents]
    assert titles[0] == "注意力机制 · 打分函数"
    assert titles[1] == "注意力机制 · 稀疏模式"
    assert titles[2].startswith("注意力机制 · ")
    assert len(set(titles)) == 3


def test_a_number_is_the_last_resort(tmp_path: Path) -> None:
    contents = {f"{i}/note.md": f"# 随记\n\n第{'一二三'[i]}。" for i in range(3)}
    titles = [d.title for d in gather(files(tmp_path, contents)).documents]
    assert len(set(titles)) == 3
    assert all(t.startswith("随记") for t in titles)


def test_a_title_that_is_alone_stays_as_it_is(tmp_path: Path) -> None:
    gathered = gather(files(tmp_path, {"a.md": "# 甲\n\n一", "b.md": "# 乙\n\n二"}))
    assert [d.title for d in gathered.documents] == ["甲", "乙"]


# -- order ---------------------------------------------------------------------------------

LINES = [
    LONG,
    LONG[:70] + "...",
    OTHER,
    EXCERPT,
    EXCERPT[:90] + "…",
    "注意力机制是一种方法。",
    "注意力机制是一种思想。",
]
CONTENTS = st.dictionaries(
    st.sampled_from(["a.txt", "b.txt", "c/d.txt", "e.md", "f.md"]),
    st.one_of(
        st.lists(st.sampled_from(LINES), min_size=1, max_size=5).map(lambda lines: feed(*lines)),
        st.sampled_from([ARTICLE, "# 注意力机制\n\n正文", "# 注意力机制\n\n别的正文"]),
    ),
    min_size=1,
)


@given(CONTENTS, st.randoms())
def test_the_order_of_the_files_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, str], random: object
) -> None:
    read = files(tmp_path_factory.mktemp("g"), contents)
    expected = gather(read)
    shuffled = list(read)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert gather(shuffled) == expected
    # And what it says of itself holds.
    titles = [d.title for d in expected.documents]
    assert len(set(titles)) == len(titles)
    ids = {d.id for d in expected.documents}
    assert len(ids) == len(titles)
    occurrences = sum(len(f.documents) for f in read)
    assert occurrences == len(ids) + expected.duplicates + len(expected.replaced)
    assert all(article in ids and excerpt not in ids for excerpt, article in expected.replaced)
    # Every line of every file is a source of a document.
    places = {str(s) for f in read for d in f.documents for s in d.sources}
    assert {str(s) for d in expected.documents for s in d.sources} == places


def test_the_real_form_survives_a_round_through_the_feed(tmp_path: Path) -> None:
    """Articles of the project's own corpus, cut as the feed cuts, are all recognised."""
    corpus = sorted((Path(__file__).parents[1] / "corpus").glob("*.md"))
    contents = {p.name: p.read_text(encoding="utf-8") for p in corpus}
    contents["feed.txt"] = feed(*(as_excerpt(text) for text in contents.values()))
    gathered = gather(files(tmp_path, contents))
    assert len(gathered.documents) == len(corpus)
    assert len(gathered.replaced) == len(corpus)
    replaced = {article for _, article in gathered.replaced}
    assert replaced == {d.id for d in gathered.documents}


def as_excerpt(markdown: str) -> str:
    body = markdown.split("---\n", 2)[2]
    body = re.sub(r"\$\$.+?\$\$", "[公式]", body, flags=re.DOTALL)
    body = re.sub(r"\$(.+?)\$", lambda m: "[Math]" if len(m[1]) > 12 else f" {m[1]} ", body)
    body = re.sub(r"(?<=[a-z])-(?=[a-z])", "", body)
    body = re.sub(r"^#+ |\*\*|`|^\d+\. |^- ", "", body, flags=re.MULTILINE)
    return " ".join(body.split())[:350] + "..."
