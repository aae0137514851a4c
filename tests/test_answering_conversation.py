"""Follow-ups as questions that stand alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.answering.conversation import standalone, title
from notesqa.answering.followups import leans, subjects
from notesqa.answering.prompting import load_prompts
from notesqa.errors import ModelError
from notesqa.llm import Message
from notesqa.records import Answer, Sentence, Turn
from notesqa.text.terminal import width
from tests.quoting import note, quoting


class Scripted:
    """A chat model that writes what it is told to."""

    name = "scripted"
    context_tokens = 4096
    supports_grammar = False

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[Sequence[Message]] = []

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(m.content) for m in messages)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        grammar: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Iterator[str]:
        self.asked.append(messages)
        reply = self.replies.pop(0)
        if reply == "!":
            raise ModelError("failed", "hint")
        yield from reply

    def close(self) -> None:
        pass


def turn(question: str, answer: str = "") -> Turn:
    sentences = (Sentence(answer, ()),) if answer else ()
    return Turn(question, Answer(question, sentences, (), False, "x"))


@pytest.mark.parametrize(
    ("before", "follow", "wanted"),
    [
        ("什么是批归一化？", "那它的缺点呢？", ["批归一化", "缺点"]),
        ("什么是批归一化？", "那缺点呢？", ["批归一化", "缺点"]),
        ("什么是批归一化？", "该方法适合小批量吗", ["批归一化", "适合小批量吗"]),
        ("什么是批归一化？", "和层归一化比呢", ["批归一化", "层归一化", "比"]),
        ("什么是批归一化？", "公式是什么", ["批归一化", "公式"]),
        ("什么是批归一化？", "怎么实现？", ["批归一化", "实现"]),
        ("什么是批归一化？", "为什么？", ["批归一化", "为什么"]),
        ("什么是批归一化？", "这个和 Dropout 能一起用吗", ["批归一化", "Dropout"]),
        ("DDIM 为什么比 DDPM 快", "前者的采样公式是什么", ["DDIM", "采样公式"]),
        ("DDIM 为什么比 DDPM 快", "后者需要多少步？", ["DDPM", "多少步"]),
        ("DDIM 为什么比 DDPM 快", "两者的训练目标一样吗", ["DDIM", "DDPM", "训练目标"]),
        ("BN 和 LN 有什么区别？", "那它们的优缺点呢", ["BN", "LN", "优缺点"]),
        ("L1 正则化等价于什么先验?", "它的缺点是什么？", ["L1 正则化", "缺点"]),
        ("L1 正则化等价于什么先验?", "那 L2 呢？", ["L2", "L1 正则化"]),
        ("批归一化怎么推理？", "那 ε=0 的时候呢", ["批归一化 ε=0 的时候怎么样"]),
        ("介绍一下 YOLO 的损失函数", "它用了哪些权重？", ["YOLO", "权重"]),
        ("What is flash attention?", "what about its drawbacks?", ["flash attention", "drawbacks"]),
        ("What is flash attention?", "and the complexity?", ["flash attention", "complexity"]),
        ("What is flash attention?", "Who proposed it?", ["Who proposed flash attention"]),
        ("What is flash attention?", "how does it work", ["flash attention", "work"]),
        ("What is flash attention?", "compared to linear attention?", ["flash attention", "linear attention"]),
        ("Why is DDIM faster than DDPM?", "What is the formula of the latter?", ["DDPM", "formula"]),
        ("Why is DDIM faster than DDPM?", "do both use the same network?", ["DDIM", "DDPM", "network"]),
    ],
)  # fmt: skip
def test_follow_ups_by_rules(before: str, follow: str, wanted: list[str]) -> None:
    asked = standalone(follow, [turn(before)])
    for part in wanted:
        assert part in asked, asked
    if "前者" in follow or "latter" in follow:
        other = "DDPM" if "前者" in follow else "DDIM"
        assert other not in asked


ALONE = [
    "什么是 Dropout？", "与极大似然估计相比，最大后验估计有什么好处？", "L1 正则化等价于什么先验？", "DDIM 和 DDPM 的区别是什么？",
    "为什么 ReLU 会让神经元死亡？", "哪个更好：SGD 还是 Adam", "用什么损失训练 YOLO 最好", "为什麼殘差有用", "其他激活函数有哪些", "随机森林与 GBDT，前者更容易过拟合吗？", "自注意力的复杂度是多少",
    "ResNet 为什么有效，它解决了什么问题？", "mAP 怎么算", "尤其是小目标怎么检测", "优化器的学习率怎么设", "感受野",
    "What is a receptive field?", "Is it possible to train BERT on one GPU with mixed precision?",
    "How is mAP computed?", "What are the drawbacks of batch normalization?", "explain the EM algorithm",
    "Why does layer normalization help, and when does it fail?",
    "xₜ = √ᾱₜ x₀ + √(1−ᾱₜ) ε 这个公式什么意思", "$x_t=\\sqrt{a}$ 这个公式什么意思", "\\frac{a}{b} 它是什么",
    "What does x_t = sqrt(a) x_0 mean, is it a Gaussian?",
]  # fmt: skip


@pytest.mark.parametrize("question", ALONE)
def test_what_stands_alone_stays_to_the_letter(question: str) -> None:
    assert standalone(question, [turn("什么是批归一化？"), turn("What is attention?")]) == question
    model = Scripted()
    assert standalone(question, [turn("什么是批归一化？")], model, load_prompts(None)) == question
    assert model.asked == [], "the model is not even asked"


def test_the_subject_is_carried_through_several_turns() -> None:
    history = [turn("什么是批归一化？"), turn("那它的缺点呢？"), turn("为什么？")]
    assert "批归一化" in standalone("有什么改进？", history)


@pytest.mark.parametrize(
    ("before", "follow", "wanted"),
    [
        # The turn that names the subject is further back than what is asked of it.
        (["什么是堆排序", "它比归并排序快多少", "那它的缺点呢", "怎么实现"], "和基数排序比呢", ["堆排序和基数排序"]),
        (["堆排序和归并排序的区别", "前者为什么不稳定"], "后者要多少内存", ["归并排序要多少内存"]),
        (["堆排序和归并排序的区别", "前者为什么不稳定"], "哪个更快", ["堆排序和归并排序哪个更快"]),
        (["堆排序的流程"], "第二步具体怎么做", ["堆排序第二步具体怎么做"]),
        (["堆排序的流程", "用什么数据结构"], "它的高度是多少", ["堆排序的高度"]),
        (["QCO 的学习率是多少"], "那它的缺点呢", ["QCO 的学习率的缺点"]),
        (["批量大小应该是多大"], "为什么", ["批量大小为什么"]),
        (["堆排序是谁提出的"], "那它的缺点呢", ["堆排序的缺点"]),
        (["堆排序"], "它和 $n \\log n$ 有什么关系", ["堆排序和 $n"]),
        (["堆排序的优点"], "会退化吗", ["堆排序会退化吗"]),
        (["堆排序的代价怎么算"], "里面的 n 是什么", ["堆排序的代价里的n 是什么"]),
        (["堆排序的代价公式"], "式子里的对数以几为底", ["堆排序", "里的对数以几为底"]),
        (["什麼是堆排序"], "那沒有遞歸的呢", ["没有递归的", "堆排序"]),
        (["what is heapsort", "how do I implement it"], "and the stable one?", ["stable heapsort"]),
        (["what is heapsort", "and the stable one?"], "why does it matter", ["heapsort matter"]),
    ],
)  # fmt: skip
def test_follow_ups_of_several_turns(before: list[str], follow: str, wanted: list[str]) -> None:
    asked = standalone(follow, [turn(one) for one in before])
    for part in wanted:
        assert part in asked, asked


@pytest.mark.parametrize(
    ("follow", "wanted"),
    [
        ("少了第一个会怎么样", "堆排序：少了建堆会怎么样"),
        ("第二步呢", "堆排序第二步"),
        ("第2个要多久", "堆排序：交换堆顶要多久"),
        ("那最后一个呢", "堆排序：下沉呢"),
        ("第二种办法为什么快", "堆排序：交换堆顶为什么快"),
        ("第四个呢", "第四个"),
        ("第一个版本是谁写的", "第一个版本是谁写的"),
    ],
)
def test_an_item_of_the_list_that_was_quoted_is_meant_by_its_number(
    follow: str, wanted: str
) -> None:
    text = "堆排序有三步：\n\n- **建堆**（heapify）：线性时间。\n- 交换堆顶，放到末尾。\n- 下沉：对数时间。"
    document = note(text)
    quotes = [(document, line) for line in text.splitlines() if line.startswith("-")]
    history = [Turn("堆排序有哪些操作？", quoting(*quotes, question="堆排序有哪些操作？"))]
    assert wanted in standalone(follow, history)


def test_one_item_after_the_other_is_asked_about() -> None:
    text = (
        "堆排序的毛病：\n\n- 相等的元素（例如两个 3）会换位，不稳定。\n- 跳着读内存。\n- 难并行。"
    )
    document = note(text)
    quotes = [(document, line) for line in text.splitlines() if line.startswith("-")]
    history = [Turn("堆排序有什么毛病", quoting(*quotes, question="堆排序有什么毛病"))]
    asked = standalone("第一个怎么解决", history)
    assert asked == "堆排序：相等的元素会换位怎么解决"
    history.append(Turn("第一个怎么解决", quoting(quotes[0])))
    assert standalone("那第三个呢", history) == "堆排序：难并行呢"
    history.append(Turn("那第三个呢", quoting(quotes[2])))
    assert "堆排序" in standalone("它快吗", history)


def test_what_no_list_was_quoted_for_has_no_second() -> None:
    document = note("建堆要线性时间。下沉要对数时间。")
    history = [Turn("堆排序的代价", quoting((document, "建堆要线性时间。")))]
    assert standalone("第一个要多久", history) == "堆排序的代价：第一个要多久"


@pytest.mark.parametrize(
    "question",
    [
        "How does heapsort differ from mergesort?",
        "how is heapsort different from mergesort",
        "How does heapsort compare to mergesort?",
    ],
)
def test_an_english_comparison_is_about_two(question: str) -> None:
    assert subjects(question) == ("heapsort", "mergesort")


def test_without_turns_nothing_changes() -> None:
    assert standalone("那它的缺点呢？", []) == "那它的缺点呢？"


def test_the_model_rewrites_when_it_keeps_the_terms() -> None:
    history = [turn("什么是批归一化？", "批归一化按批统计均值方差。")]
    model = Scripted("批归一化的缺点是什么？\n以上。")
    assert (
        standalone("那它的缺点呢？", history, model, load_prompts(None)) == "批归一化的缺点是什么？"
    )
    prompt = model.asked[0][-1].content
    assert "那它的缺点呢？" in prompt
    assert "按批统计" in prompt


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "批归一化依赖批大小。",
        "GroupNorm 的缺点是什么？",
        "x" * 900,
        "<think>嗯",
        "What are the drawbacks?",
        "!",
    ],
)
def test_a_rewriting_that_is_not_to_be_trusted_gives_way_to_the_rules(reply: str) -> None:
    history = [turn("什么是批归一化？")]
    asked = standalone("那它的缺点呢？", history, Scripted(reply), load_prompts(None))
    assert asked == standalone("那它的缺点呢？", history)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_question(before: str, follow: str) -> None:
    asked = standalone(follow, [turn(before)])
    assert isinstance(asked, str)
    if not leans(follow):
        assert asked == follow
    assert all(s.strip() for s in subjects(before))


def test_titles_are_short_and_on_one_line() -> None:
    assert title("什么是批归一化？") == "什么是批归一化"
    assert width(title("很长的问题" * 30)) <= 40
    assert title("  \n ") == "…"
    assert title(" ？ ") == "？"
    assert "\x1b" not in title("\x1b[31m红\n字")
    model = Scripted("《批归一化》。\n第二行")
    assert title("什么是批归一化？", model, load_prompts(None)) == "批归一化"
    assert title("什么是批归一化？", Scripted("!"), load_prompts(None)) == "什么是批归一化"
