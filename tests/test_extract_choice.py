"""Which sentences an extractive answer is made of: whole lists, nothing that hangs in the air."""

from __future__ import annotations

import pytest

from notesqa.answering.extract import extract, score_sentences
from notesqa.answering.numbers import meets_number
from notesqa.answering.spans import spans_of
from notesqa.records import Passage
from notesqa.retrieval.query import analyse
from notesqa.retrieval.terms import TermTable
from notesqa.text.segment import Segmenter

SEGMENTER = Segmenter()
TERMS = TermTable([("归并排序", "merge sort", ""), ("堆排序", "heapsort", "")])


def answer(question: str, *texts: str | tuple[str, str]) -> list[str]:
    """What is quoted; of a pair the first is the title of the note."""
    query = analyse(question, SEGMENTER, TERMS)
    passages = []
    for n, one in enumerate(texts, 1):
        title, text = one if isinstance(one, tuple) else ("题", one)
        passages.append(
            Passage(
                n, 3.0 - n / 4, f"c{n}", f"d{n}", title, f"corpus/{n}.md:1", "", text, 0, len(text)
            )
        )
    found = extract(query, passages, dict.fromkeys(query.words, 2.0), None)
    return [sentence.text for sentence in found.sentences]


def test_what_only_points_to_another_note_is_not_quoted() -> None:
    said = answer(
        "外部排序内存不够怎么办？",
        "外部排序内存不够的情形见[外部排序](external.md)。可以把数据分成几段，逐段排好再归并。",
    )
    assert said == ["可以把数据分成几段，逐段排好再归并。"]


def test_a_question_in_a_note_is_no_answer() -> None:
    said = answer("偏移量有什么作用？", "1. 偏移量的作用？ 偏移量让直线不必经过原点。")
    assert said == ["偏移量让直线不必经过原点。"]


def test_what_begins_with_it_brings_the_sentence_before_along() -> None:
    text = "桶排序把数放进区间。它的最坏代价是平方级。天气很好。"
    said = answer("最坏代价是什么级？", text)
    assert said[:2] == ["桶排序把数放进区间。", "它的最坏代价是平方级。"]


def test_a_heading_parts_what_it_refers_to() -> None:
    text = "天气很好。\n\n## 代价\n\n它的最坏代价是平方级。"
    assert answer("最坏代价是什么级？", text) == ["它的最坏代价是平方级。"]


def test_a_numbered_list_of_steps_has_no_holes() -> None:
    text = "1. 部署前导出模型。\n2. 量化权重。\n3. 部署模型的服务。\n4. 部署后看模型的监控。\n\n其余不论。"
    said = answer("部署模型有哪些步骤？", text)
    assert "量化权重。" in said


def test_who_asks_for_the_steps_gets_all_of_them() -> None:
    text = "1. 收集样本。\n2. 部署模型的训练。\n3. 打开监控。\n4. 换掉旧的。\n5. 写下结果。"
    assert len(answer("部署模型的步骤有哪些？", text)) == 5
    assert len(answer("部署模型的训练用什么？", text)) < 5


def test_passages_that_adjoin_are_told_in_the_order_of_the_note() -> None:
    first = "部署模型要先把权重写成文件。"
    second = "部署模型还要看监控、留下日志。"
    question = "怎么部署模型？"
    places = [(len(first) + 2, second), (0, first)]
    query = analyse(question, SEGMENTER, TERMS)
    for document in ("同", "异"):
        passages = [
            Passage(
                n, 3.0, f"c{n}", f"{document}{n * (document == '异')}", "题",
                "corpus/a.md:1", "", text, start, start + len(text),
            )
            for n, (start, text) in enumerate(places, 1)
        ]  # fmt: skip
        found = extract(query, passages, dict.fromkeys(query.words, 2.0), None)
        numbers = [citation.chunk_id for citation in found.citations]
        assert set(numbers) == {"c1", "c2"}
        assert numbers == sorted(numbers, reverse=document == "同")


def test_loose_points_beside_the_answer_stay_out() -> None:
    text = "- 归并可以怎么做：两路归并。\n- 缓存要预热。\n- 日志要轮转。\n- 磁盘要留空。"
    said = answer("归并怎么做？", text)
    assert said == ["归并可以怎么做：两路归并。"]


def test_who_asks_what_a_thing_is_gets_its_definition() -> None:
    said = answer(
        "归并排序是什么意思？",
        "归并排序比快速排序慢一些。用归并排序处理链表很方便。",
        "归并排序（Merge Sort）把表一分为二，分别排好再合起来。",
    )
    assert said[0].startswith("归并排序（Merge Sort）") or said[-1].startswith("归并排序（Merge")


def test_a_passage_without_the_name_gives_way_to_one_with_it() -> None:
    said = answer(
        "Timsort 排序的思想是什么？",
        ("堆排序", "排序的思想是每次取出最大的数。"),
        ("Timsort", "思想是先找已经有序的小段，再把它们归并。"),
    )
    assert said[0] == "思想是先找已经有序的小段，再把它们归并。"


def test_the_digit_of_a_name_is_no_number() -> None:
    said = answer(
        "BERTScore 用了多少层？",
        "BERTScore 用的编码器是 GPT-2 或者 BERT。它的默认值是取第 17 层。",
    )
    assert "它的默认值是取第 17 层。" in said


def test_a_cost_is_asked_for_with_its_order() -> None:
    said = answer(
        "归并排序的时间复杂度",
        "归并排序很稳定。归并排序要看缓存。归并排序有两种写法。合并各层的时间加起来是 $O(n\\log n)$。",
    )
    assert any("O(n" in sentence for sentence in said)


def test_a_formula_set_apart_brings_the_sentence_that_leads_to_it() -> None:
    text = "代价可以递推地写出来。\n\n$$\nT(n)=2T(n/2)+n\\quad\\text{归并排序的递推式}\n$$\n\n解出来就行。"
    said = answer("归并排序的递推式", text)
    assert said[0] == "代价可以递推地写出来。"
    assert said[1].startswith("$$")


def test_a_heading_that_lost_its_line_is_not_quoted() -> None:
    text = "概述 问题定义 归并排序把表一分为二。总结 它是稳定的。背景与前景要分开。方法 A 更快。"
    assert [text[start:end] for start, end in spans_of(text)] == [
        "归并排序把表一分为二。",
        "它是稳定的。",
        "背景与前景要分开。",
        "方法 A 更快。",
    ]


@pytest.mark.parametrize(
    ("title", "text", "said"),
    [
        (
            "环形调度",
            "环形调度 环形调度轮流服务各队列。它公平。",
            ["环形调度轮流服务各队列。", "它公平。"],
        ),
        ("环形调度", "环形调度轮流服务各队列。", ["环形调度轮流服务各队列。"]),
        ("调度 RR", "调度 RR 轮流服务各队列。", ["调度 RR 轮流服务各队列。"]),
        ("环形调度", "环形调度 ", ["环形调度"]),
        ("环形调度", "为什么 各队列轮流才公平。", ["各队列轮流才公平。"]),
        ("环形调度", "为什么 RR 公平另说。", ["为什么 RR 公平另说。"]),
        ("环形调度", "先看别的。环形调度 轮流服务。", ["先看别的。", "环形调度 轮流服务。"]),
    ],
)
def test_an_excerpt_that_begins_with_its_title_is_quoted_after_it(
    title: str, text: str, said: list[str]
) -> None:
    assert [text[start:end] for start, end in spans_of(text, title)] == said


def test_a_conclusion_brings_what_it_follows_from() -> None:
    text = "每个元素至多进出队列一次。所以单调队列的总代价是线性的。磁盘另说。"
    said = answer("单调队列的总代价为什么是线性的？", text)
    assert said[:2] == ["每个元素至多进出队列一次。", "所以单调队列的总代价是线性的。"]


def test_a_lone_sentence_that_names_the_matter_brings_the_next_one() -> None:
    text = "归并排序在链表上有一个难处。要先用快慢指针找到中点。\n\n归来的人很多。"
    assert answer("归并排序在链表上的难处", text) == [
        "归并排序在链表上有一个难处。",
        "要先用快慢指针找到中点。",
    ]


def test_what_begins_a_new_paragraph_is_not_the_next_sentence() -> None:
    text = "归并排序在链表上有一个难处。\n\n天气很好。"
    assert answer("归并排序在链表上的难处", text) == ["归并排序在链表上有一个难处。"]


def test_what_a_paragraph_goes_on_to_say_belongs_to_its_best_sentence() -> None:
    text = "快照隔离会漏掉一种异常。两个事务各读一遍。然后各写一行。约束就被破坏了。\n\n天气很好。"
    said = answer("快照隔离会漏掉什么异常？", text)
    assert said == [
        "快照隔离会漏掉一种异常。",
        "两个事务各读一遍。",
        "然后各写一行。",
        "约束就被破坏了。",
    ]


def test_letters_of_formulas_are_looked_for() -> None:
    text = "两种写法可以互相换算。写法之一要 3 步。\n\n常用 $k=4$、$w=9$。"
    assert answer("分层缓存的 k 和 w 取多少？", ("分层缓存", text))[0] == "常用 $k=4$、$w=9$。"


def test_short_latin_words_are_looked_for_beside_chinese_ones() -> None:
    text = "两种写法可以互相换算。写法之一要 3 步。\n\n常用 lru 为 4，ttl 为 9。"
    said = answer("分层缓存的 lru 和 ttl 取多少？", ("分层缓存", text))
    assert said == ["常用 lru 为 4，ttl 为 9。"]


def test_who_asks_for_an_example_gets_one() -> None:
    text = "单调栈只让元素按顺序进出。单调栈的复杂度是线性的。\n\n单调栈的用处很多。例如求每天下一次升温。"
    assert answer("单调栈举个例子", ("单调栈", text))[0] == "例如求每天下一次升温。"


def test_the_paragraph_that_answers_speaks_before_what_leads_to_it() -> None:
    text = (
        "跳表查找从上层开始，一层层往下。\n\n"
        "跳表查找为什么快：每一层都跳过下面一层的一半节点。所以跳表查找只要对数步。"
    )
    assert answer("跳表查找为什么快", ("排序结构", text)) == [
        "跳表查找为什么快：每一层都跳过下面一层的一半节点。",
        "所以跳表查找只要对数步。",
        "跳表查找从上层开始，一层层往下。",
    ]


def test_a_number_is_of_the_thing_that_the_sentence_before_names() -> None:
    text = (
        "跳表的层数由抛硬币决定。一般取 16 层，再多就浪费。\n\n"
        "平衡树一般也取 20 层，旋转动 3 个节点。"
    )
    assert answer("跳表取多少层", ("排序结构", text)) == ["一般取 16 层，再多就浪费。"]


def test_what_answers_within_a_paragraph_speaks_before_other_paragraphs() -> None:
    text = (
        "跳表查找从上层开始，一层层往下。\n\n"
        "插入时先定层数。跳表查找为什么快：每一层都跳过下面一层的一半节点。"
    )
    said = answer("跳表查找为什么快", ("排序结构", text))
    assert said[0].startswith("跳表查找为什么快") and len(said) > 1


def test_who_asks_what_a_thing_is_reads_on_from_where_it_comes_up() -> None:
    text = (
        "跳表把有序链表加上几层快道。\n\n"
        "快道要占内存。跳表就是用空间换时间的表，跳表查找只要对数步。"
    )
    assert answer("什么是跳表", ("排序结构", text))[0] == "跳表把有序链表加上几层快道。"


def test_what_adds_to_the_sentence_before_it_stays_below() -> None:
    text = (
        "跳表查找从上层开始，一层层往下。\n\n"
        "插入时先定层数。跳表查找也说明为什么快：每一层都跳过下面一层的一半节点。"
    )
    said = answer("跳表查找为什么快", ("排序结构", text))
    assert said[-1].startswith("跳表查找也")


def test_a_list_on_the_way_does_not_keep_the_answer_below() -> None:
    text = (
        "- 部署模型要看掉线。\n- 部署前要备份。\n\n"
        "部署模型怎么防掉线：同时跑两份模型的服务，断了一份就换。"
    )
    said = answer("部署模型怎么防掉线", ("运维", text))
    assert said[0].startswith("部署模型怎么防掉线：同时") and len(said) > 1


def test_who_asks_which_of_two_reads_the_verdict_first() -> None:
    verdict = "稳定的排序是归并排序还是堆排序：归并排序稳定，堆排序会打乱相等的元素。"
    text = f"归并排序和堆排序都是排序，一个稳定一个不稳定。\n\n{verdict}"
    assert answer("稳定的排序是归并排序还是堆排序", ("算法", text))[0] == verdict
    assert answer("归并排序和堆排序稳定的区别", ("算法", text))[-1] == verdict


def test_a_paragraph_that_concludes_stays_below_what_it_concludes_from() -> None:
    text = (
        "跳表的层数由抛硬币决定，每层跳过一半。\n\n"
        "因此跳表查找很快：跳表查找为什么快，就快在对数步。"
    )
    said = answer("跳表查找为什么快", ("排序结构", text))
    assert said[-1].startswith("因此")


def test_what_was_cut_off_or_points_elsewhere_is_no_rest_of_a_paragraph() -> None:
    text = "跳表查找很快，因为每层跳过一半的节点。下面是查找的代码。插入也差不多..."
    assert answer("跳表查找为什么很快", text) == ["跳表查找很快，因为每层跳过一半的节点。"]


def test_a_long_paragraph_is_not_told_to_its_end() -> None:
    text = "快照隔离会漏掉一种异常。" + "".join(
        f"第{n}个事务{'又读了一遍' * 8}。" for n in range(20)
    )
    said = answer("快照隔离会漏掉什么异常？", text)
    assert said[0] == "快照隔离会漏掉一种异常。"
    assert 200 < sum(map(len, said)) <= 360


def test_a_number_that_was_asked_for_needs_no_next_sentence() -> None:
    text = "桶的个数通常取 64 个。天气很好。"
    assert answer("桶的个数取多少？", text) == ["桶的个数通常取 64 个。"]


def test_a_later_sentence_of_an_item_brings_what_the_item_is_about() -> None:
    text = "- 外部归并：分段排好再合起来。不用装进内存，适合大文件。\n- 缓存要预热。"
    assert answer("怎么处理装不进内存的大文件？", text) == [
        "外部归并：分段排好再合起来。",
        "不用装进内存，适合大文件。",
    ]


def test_two_capitals_are_a_name() -> None:
    said = answer(
        "MG 和 QZ 有什么关系？",
        ("排序", "两种排序之间没有什么关系。"),
        ("堆", "QZ 方法是 MG 迭代的推广。"),
    )
    assert said[0] == "QZ 方法是 MG 迭代的推广。"


def test_what_a_name_is_compared_with_is_quoted_too() -> None:
    said = answer(
        "Timsort 和归并排序有什么不同？",
        ("归并排序", "归并排序总是从单个元素开始，这一点各家不同。"),
        ("Timsort", "Timsort 的不同在于先找已经有序的小段。"),
    )
    assert len(said) == 2


def test_a_word_that_a_later_passage_mentions_does_not_rule_out_the_first() -> None:
    first = ("图片对齐", "图片对齐不用仿射变换，因为形状会变。")
    last = ("采样", "采样的 affine 层可逆。")
    assert answer("图片对齐为啥不用affine", first, last)[0].startswith("图片对齐不用仿射变换")


def test_code_is_quoted_to_who_asks_for_code() -> None:
    code = "```python\nheapsort(输出, 多大)\n```"
    text = f"它输出的和输入一样多，heapsort 不改变输出的大小。\n\n{code}"
    assert not any("python" in said for said in answer("heapsort 的输出多大？", text))
    assert any("python" in said for said in answer("heapsort 输出的代码多大？", text))


def test_an_item_is_quoted_with_what_it_goes_on_to_say() -> None:
    text = (
        "- 小文件会占内存：名字多。对策是先合并。\n- 大文件会占内存：块多。\n"
        "- 空文件会占内存：也有名字。\n- 旧文件会占内存：没人删。"
    )
    said = answer("有哪些文件会占内存？", text)
    assert said[:2] == ["小文件会占内存：名字多。", "对策是先合并。"]
    assert len(said) == 5


def test_what_the_title_names_need_not_be_named_again() -> None:
    note = ("随机森林", "随机森林是许多随机的树组成的森林。回归时不能外推。")
    assert answer("随机森林能外推吗？", note) == ["回归时不能外推。"]


def test_a_character_within_a_word_of_a_heading_does_not_ask() -> None:
    text = (
        "## S4 与正交多项式\n\nS4 用正交基记住过去。\n\n## 选择\n\nMamba 多了选择：参数随输入变。"
    )
    assert "Mamba 多了选择：参数随输入变。" in answer("Mamba 比 S4 多什么？", ("Mamba", text))


def test_who_asks_how_gets_the_remedy_not_the_table_of_methods() -> None:
    table = "| 方法 | 棋盘纹 |\n|---|---|\n| 转置卷积 | 有 |\n| 插值 | 没有 |"
    text = f"{table}\n\n对付棋盘纹的办法：让核的大小是步长的倍数。"
    query = analyse("棋盘纹怎么去掉？", SEGMENTER, TERMS)
    passage = Passage(1, 3.0, "c", "d", "题", "corpus/a.md:1", "", text, 0, len(text))
    best = extract(query, [passage], dict.fromkeys(query.words, 2.0), None).ranked[0]
    assert text[best.start : best.end].startswith("对付棋盘纹的办法")


def test_the_last_item_of_a_list_that_is_quoted_whole_is_quoted_to_its_end() -> None:
    text = (
        "归并的证明分两步：\n\n1. 先把两个表各自排好序，长度不变。\n"
        "2. 再比较两个表头。若表头相等，取左边的一个，所以归并是稳定的。\n\n归并要辅助表。"
    )
    assert any("取左边的一个" in said for said in answer("归并的证明分哪两步", text))


def test_what_stands_before_a_name_is_said_of_something_else() -> None:
    text = (
        "QSort 每次取一个基准，递归时栈会变深。栈会变深是它的缺点。\n\n"
        "MSort 把表一分为二。要一块辅助表，递归的栈不会变深。"
    )
    assert answer("MSort 的递归会让栈变深吗", ("排序", text))[0].startswith("MSort")
    # Where the note is about it, all of it is.
    assert "栈会变深是它的缺点。" in answer("MSort 的缺点是什么", ("MSort", text))


def test_an_excerpt_is_not_told_beyond_the_section_that_says_it() -> None:
    text = "桶排序的名字来自装数的桶。桶就是区间。桶的划分 每次按最大和最小的数来划。划得越细越快。"
    assert answer("桶排序的名字", text) == ["桶排序的名字来自装数的桶。", "桶就是区间。"]
    # Where the best sentence has not said it, the next section may.
    assert "划得越细越快。" in answer("装数的桶在新版里名字是否变细", text)


def test_who_asks_how_many_layers_is_not_told_how_many_steps() -> None:
    query = analyse("跳表的查找要几层", SEGMENTER, TERMS)
    assert meets_number(query, "跳表一共 7 层。") == meets_number(query, "至少要四层。") == 1.0
    # "A layer" counts nothing.
    assert 0.5 < meets_number(query, "一层要走 20 步。") < 1.0
    assert meets_number(query, "一层要走很远。") == 0.0
    assert meets_number(analyse("查找要多久", SEGMENTER, TERMS), "要走 20 步。") == 1.0


def test_a_sentence_has_what_it_has_by_another_name() -> None:
    query = analyse("归并排序的代价", SEGMENTER, TERMS)
    text = "Quick sort 的代价是线性对数级。\n\nMerge sort 的代价是线性对数级。"
    passage = Passage(1, 3.0, "c", "d", "题", "corpus/1.md:1", "", text, 0, len(text))
    weights = {"gram_coverage": 1.0, "open_coverage": 1.0}
    spans = score_sentences(query, [passage], dict.fromkeys(query.words, 2.0), None, weights)
    said = [text[span.start : span.end] for span in spans if span.score > spans[-1].score]
    assert said == ["Merge sort 的代价是线性对数级。"]


def test_a_bare_question_between_brings_what_it_is_about() -> None:
    text = (
        "外部排序写在后面。内存放不下整张表，没法一次读完。怎么办呢？"
        "这就是外部排序用得上的地方了。天气很好。"
    )
    said = answer("外部排序用得上的地方", text)
    assert "内存放不下整张表，没法一次读完。" in said
    whole = "桶的数目随数据走。为什么桶不能太多呢？这就是外部排序要留意的地方了。"
    assert "桶的数目随数据走。" not in answer("外部排序要留意的地方", whole)


def test_what_a_thing_is_may_be_told_by_what_its_section_begins_with() -> None:
    query = analyse("什么是跳表", SEGMENTER, TERMS)
    text = "## 跳表：几层链表\n\n跳表把链表叠成几层。\n\n## 用处\n\n跳表常做内存里的索引。"
    passage = Passage(1, 3.0, "c", "d", "题", "corpus/1.md:1", "", text, 0, len(text))
    spans = score_sentences(query, [passage], dict.fromkeys(query.words, 2.0), None, {})
    best = max(spans, key=lambda span: span.worth)
    assert text[best.start : best.end] == "跳表把链表叠成几层。"
    assert best.worth > spans[-1].worth
