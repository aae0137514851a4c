"""What sentences are worth alone: pointers, questions, torn-off ends, definitions."""

from __future__ import annotations

import pytest

from notesqa.answering.standing import (
    asks,
    breaks_off,
    introduces,
    points_elsewhere,
    refers_back,
)


@pytest.mark.parametrize(
    "sentence",
    [
        "分块的细节见[分块扫描](tiling.md)。",
        "推导见 [变分下界](elbo.md)，采样的办法见[祖先采样](sampling.md)。",
        "- 更多例子参见《数值分析》。",
        "下面介绍几种常用的近似。",
        "本文将对这些办法做一个总结。",
        "缓存的写回是我们后面讨论的重点。",
    ],
)
def test_sentences_that_only_point(sentence: str) -> None:
    assert points_elsewhere(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "写回比写穿省带宽，细节见[缓存](cache.md)。",
        "常见的做法是先排序再合并。",
        "[缓存](cache.md)把最近用过的块留在内存里。",
        "本文的贡献是把误差从二次降到一次。",
        "肉眼可见的差别只有 1%。",
        "意见不一时取多数票。",
        "后面的层看到的范围更大。",
        "",
    ],
)
def test_sentences_that_say_something(sentence: str) -> None:
    assert not points_elsewhere(sentence)


def test_a_long_question_says_something_on_its_way() -> None:
    assert asks("2. 为什么要做归并？")
    assert asks("**怎么办呢?**")
    assert not asks("归并两个有序表只要线性时间。")
    assert not asks(
        "归并把两个已经有序的表合成一个，每次只比较两个表头，取小的那个放到结果里，"
        "那么一共要比较多少次呢？"
    )


def test_who_only_says_that_there_is_a_difference_leaves_the_question_open() -> None:
    assert asks("三种归并都要辅助表，主要的区别在于表放在哪里。")
    assert asks("它们的差别是什么。")
    assert not asks("结论是：关键在于怎样划分区间。")
    assert not asks("每轮随机挑一枚，不知道用的是哪枚。")
    assert not asks("区别在于辅助表放在哪里，放在内存里的更快。")


@pytest.mark.parametrize(
    ("sentence", "leans"),
    [
        ("它只需要一次扫描。", True),
        ("- 其代价是多占一倍内存。", True),
        ("这样每个元素只进出一次。", True),
        ("[公式] 其中 n 是表的长度。", True),
        ("但它不稳定。", True),
        ("少了建堆得到前者，少了下沉得到后者。", True),
        ("表已排好时，前者只比较一遍。", True),
        ("归并排序和堆排序里，前者是稳定的。", False),
        ("归并要辅助表，堆排序不要，所以省内存时不用前者。", False),
        ("It needs one pass.", True),
        ("其他排序都要更多次比较。", False),
        ("此外还有桶排序。", False),
        ("归并排序是稳定的。", False),
        ("这里用的是小根堆。", False),
        ("Itertools merges them lazily.", False),
    ],
)
def test_what_stands_for_something_before(sentence: str, leans: bool) -> None:
    assert refers_back(sentence) is leans


@pytest.mark.parametrize(
    ("sentence", "broken"),
    [
        ("归并排序在实践中用得很多,它主要的好处包括: 1. 由于...", True),
        ("稳定性...", True),
        ("排序示例 假...", True),
        ("归并排序把表一分为二，分别排好，然后把两个有序表归并成一个完整的...", False),
        ("归并排序是稳定的。", False),
        ("合并时取较小的表头，这样相等的元素保持原来的先后，所以它是稳...", False),
    ],
)
def test_what_was_cut_before_it_says_anything(sentence: str, broken: bool) -> None:
    assert breaks_off(sentence) is broken


def test_a_definition_begins_with_the_name() -> None:
    names = ("归并排序", "merge sort")
    assert introduces("归并排序（Merge Sort）把表一分为二。", names)
    assert introduces("- **归并排序**是一种稳定的排序。", names)
    assert introduces("Merge sort is a stable sort.", names)
    assert introduces("所谓归并排序，是指先分后合。", names)
    assert introduces("“归并排序”(Merge Sort)先分后合。", names)
    assert not introduces("外部归并排序（External Merge Sort）用磁盘。", names)
    assert not introduces("归并排序需要额外的内存。", names)
    assert not introduces("数据量大到内存放不下时，归并排序是首选。", names)
