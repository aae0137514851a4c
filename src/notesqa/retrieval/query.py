"""What a question asks for: its terms with weights, its kind, its focus.

Question words (什么是, 为什么, "how does", …) say what kind of answer is wanted but
stand in every second note; they are taken out of the terms and kept as the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from notesqa.retrieval.terms import Concept, TermTable, other_words
from notesqa.text.latex import formula_tokens, formulas
from notesqa.text.normalize import normalize, simplified
from notesqa.text.segment import Segmenter, singulars

Kind = Literal[
    "what", "list", "why", "how", "compare", "pros", "number", "when", "who", "formula",
    "example", "other",
]  # fmt: skip

# 怎么算是过拟合 asks for no calculation.
_HOW_COMPUTED = r"(?:怎么|怎样|如何|咋)(?:去|来)?(计算|算)(?![法力子是作数])"

# Order matters: the first that is found names the kind.
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("example", r"举(?:[一几]?个|些)?例|(?:有|给|来)(?:[一几没]|什么|哪些)?(?:个|些|有)?例子|"
                r"\b(?:give|show|any|an?) (?:me )?(?:an? |some )?examples?\b|\bfor example\b"),
    # 比较 before an adjective is "rather".
    ("compare", r"区别|差别|差在哪|差在什么|不同|不一样|异同|对比|比较(?:一下|[这两]|[,。?、]|$)|[和与跟同].{1,20}比较|有何区别|"
                r"相比|优于|(?<!怎么)(?<!什么)(?<!为啥)(?<!咋)还是|关系|联系|"
                r"\b(?:differences?|differ|compare[ds]?|comparison|versus|vs|unlike|better than)\b"),
    ("pros", r"优缺点|优点|缺点|优势|劣势|好处|坏处|利弊|不足|局限|"
             r"\b(?:advantages?|disadvantages?|pros|cons|benefits?|drawbacks?|limitations?)\b"),
    # What something is called (被称为什么, 称之为什么) is no reason.
    ("why", r"(?<![被又也还俗统合]称)(?<!称之)为什么|为何|为啥|为甚么|原因|缘故|干嘛要|何以|凭什么|怎么会|咋会|\bwhy\b|\breasons?\b"),
    # 好几个, 这几种 and 刚开始几步 ask for no number.
    ("number", r"多少|(?<![哪好这那])(?<!开始)几[个种层次步类维倍项条章年月]|多大|多长|多高|多快|多久|百分之几|"
               r"\bhow (?:many|much|large|big|long|fast|often)\b"),
    ("when", r"什么时候|何时|哪[一]?年|哪[一]?天|几月|什么时间|哪个年代|^when\b|\bwhat year\b"),
    ("compare", r"[和与跟].{1,30}(?<![是由被])谁(?:更|[^提发写,]{0,4}[快慢好差高低大小强弱多少准稳省])"),
    ("who", r"谁|哪[些位个]?人|作者是|由谁|哪家|\bwho(?:se|m)?\b"),
    # "Which equation" asks for a name, and 微分方程 names a field.
    ("formula", rf"{_HOW_COMPUTED}|公式(?![里中])|表达式|(?<!哪个)(?<!哪种)(?<!什么)(?<!微分)方程|式子|递推式|怎么表示|如何表示|怎么写|写出来|目标函数是|定义式|"
                r"\b(?:formula|equation|expression)\b"),
    ("list", r"有哪些|哪些|哪几[个种类步]|包括什么|分为|种类|类型|分类有|步骤|流程|列举|"
             r"有(?:什么|啥)[^,。?]{0,8}(?:办法|方法|法子|招|对策|手段|措施|技巧|窍门)|"
             r"\b(?:list|which (?:kinds|types|methods|steps)|what are|types of|kinds of|steps)\b"),
    ("how", r"如何|怎么|怎样|咋|怎么办|怎么做|方法是|实现|计算|推导|"
            r"\bhow\b|\bcompute[ds]?\b"),
    ("what", r"什么是|是什么|是啥|何为|何谓|什么叫|定义|含义|意思|指什么|什么意思|概念|介绍|"
             r"原理(?=$|[?。 ]|是什么|是啥)|讲讲|说说|(?:是|用来|来)(?:干嘛|干什么|做什么|干啥)|(?:干嘛|干什么|干啥|做什么)用|\bwhat(?:'s| is| does)\b|\bdefin(?:e|ition)\b|\bmeans?\b|\bexplain\b"),
)  # fmt: skip
_KIND = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)

# "What is the loss of BERT" asks for a part of the thing, not for what the thing is.
_PART = re.compile(
    r"的(?!定义|含义|意思|概念|全称|(?:工作|基本|核心)?原理)|\b(?:of|in|for|at|by|with|when|if|to)\b|\bdoes?\b(?!.*\bmean)"
)

# What is taken out before the terms are cut: words that ask, not words that are asked about. The
# lookarounds leave these whole: 请求, 申请, 可解释性, 图像描述, 任何时刻, 双曲几何为, 传到底层, 其实现,
# 向下一下采样, A/B, end-to-end.
_ASKING = re.compile(
    r"请问一?下?|(?<![申邀])请(?![求教])你?|麻烦|帮我|我想(?:知道|问|了解)一?下?|想(?:知道|问|了解)一?下?|能不能|"
    r"有(?:什么|啥)好?(?:招数?|法子)(?!式)|"
    r"介绍一下|介绍下|简要?介绍|介绍|简述一?下?|简要?说明|阐述|"
    r"(?:描述|解释)一?下|(?:(?<![\u3400-\u9fff])|(?<=[请你要么何样]))(?:描述|解释)(?!符|性|器|变量)|"
    r"谈谈(?:你?对)?|说说|讲讲|聊聊|说一?下|讲一?下|谈一?谈|列举|"
    r"你(?:是)?(?:怎么|如何)(?:理解|看待)|(?:怎么|如何|怎样)(?:去)?(?:理解|看待)|你对|你知道|你了解|"
    r"(?:是|用)?来?(?:干嘛|干什么|干啥|做什么)(?!样)用?的?|有?(?:什么|啥|何|哪里)?不一样|"
    r"什么是|是什么意思|什么意思|是什么|什么叫做?|(?<!几)何[为谓]|叫什么|是啥|指的?是?什么|有什么|"
    r"为什么(?:说|会|要(?!求)|需要|不(?![同足变]))?|为何|为啥(?:要(?!求)|会)?|"
    r"有哪些|有哪几[个种类]|哪些|哪几[个种类]|哪[个种一]|"
    r"如何|怎么办|怎么样|怎么做|怎么|怎样|咋办|咋样|咋|"
    r"举例(?:说明|一下)?|(?:能不能|能|可以)?(?:举|给|来|有)(?:[一几]?个|些)?(?:什么|哪些)?(?=例)|"
    r"差在(?:哪里?|哪儿|什么地方)|在?(?:哪里|哪儿|什么地方)|"
    r"多少|什么时候|什么|(?<!任)何时|谁|啥|"
    r"有没有|是不是|是否|能否|可否|会不会|可不可以|可以吗|对吗|吗|呢|吧|啊|呀|嘛|"
    r"一下(?!采样)|到底(?!层)|究竟|其实(?!现)|"
    r"(?<![\w-])(?:what(?:'s)?|which|why|how|when|where|who(?:se|m)?|is|are|was|were|does|do|did|can|could|"
    r"should|would|will|please|tell me|explain|describe|define|the|a(?! ?[*/])|an|of|in|on|to|for|and|or|"
    r"it|its|this|that|these|those|there|be|by|with|from|as|at|into|about|than|between|used|use|works?|working|"
    r"using|i|we|you|me|my|your|have|has|had|so|if|not|mean|means|meaning)(?![\w-])"
)
_FUNCTION_WORDS = frozenset(
    "的 了 和 与 或 及 在 中 里 上 下 是 有 被 把 将 从 对 于 由 到 为 以 之 其 这 那 个 种 些 也 都 就 而 并 且 "
    "要 会 能 可 应 该 得 地 着 过 让 使 给 向 比 跟 同 等 则 若 如 很 更 最 又 再 还 没 不 我 你 他 它 们 我们 你们 "
    "它们 他们 这个 那个 这些 那些 这种 那种 可以 能够 应该 需要 进行 通过 使用 以及 或者 还是 并且 因此 所以 但是 "
    "如果 的话 时候 问题 方面 情况 一个 一种 一些 之间 主要 常用 常见 具体 分别 各自 相关 做 用 说 看 想 知道 理解 "
    "请问 时 后 前 间 来 去 各 每 几 "
    # Out of names: end-to-end, mixture-of-experts.
    "a an and as at by for from in of on or the to with".split()
)  # fmt: skip
# How something is computed stands under its formula as a rule.
_COMPUTED = re.compile(_HOW_COMPUTED)
_FORMULAS = ("公式", "递推", "计算", "算")
_PUNCTUATION = re.compile(r"[^\w\s+#.\-]+")
_LATIN = re.compile(r"[a-z0-9]")
_SIZE = re.compile(r"(\d+)x(\d+)")
_TIMES = re.compile(r"(?<=\d)\s?(?:[*×]|\\times)\s?(?=\d)")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([kmgt])")
_HARD = re.compile(r"难[\u3400-\u9fff]")
_LATIN_RUN = re.compile(r"[a-z0-9]+(?:[ -][a-z0-9]+)+")
_HAN = re.compile(r"[\u3400-\u9fff]")

ALTERNATIVE_WEIGHT = 0.5
"""Weight of a word that stands for one of the question's, not in it."""
GRAM_WEIGHT = 0.5
_MOST_FORMS = 4


@dataclass(frozen=True, slots=True)
class Query:
    """A question, analysed once for all stages of a search.

    Attributes:
        text: as asked.
        normalized: after `normalize`.
        content: normalised, without question words.
        words, grams: terms for BM25 with their weights.
        own_words, own_grams: the question's without alternatives, in order; neighbouring
            Latin words also written in one.
        concepts: what is asked about, with other names.
        latin: the question's own Latin terms.
        kind: what sort of answer is wanted.
        defines: whether it is wanted what a thing is.
        bare: whether a thing is only named, and asked of it nothing that is said in a word.
        embedded: text for the embedder, in simplified characters; of an English question with
            Chinese names added.
        symbols: tokens of formulas in the question.
        chinese: whether it holds any Chinese. What a question without asks for stands in
            Chinese notes under other names.
    """

    text: str
    normalized: str
    content: str
    words: dict[str, float]
    grams: dict[str, float]
    own_words: tuple[str, ...]
    own_grams: tuple[str, ...]
    concepts: tuple[Concept, ...]
    latin: tuple[str, ...]
    kind: Kind
    defines: bool
    bare: bool
    embedded: str
    symbols: tuple[str, ...]
    chinese: bool


def kind_of(normalized: str, terms: Iterable[str] = ()) -> Kind:
    """What sort of answer a normalised question wants.

    Args:
        terms: that it names. What only begins the name of a thing asks for nothing, as
            对比学习 for no comparison; the last word says what the thing is: a 变换公式 is one.
    """
    named = [match.span() for term in terms for match in re.finditer(re.escape(term), normalized)]

    def asks(match: re.Match[str]) -> bool:
        start, end = match.span()
        return not any(a <= start and end < b for a, b in named)

    for kind, pattern in _KIND:
        if any(map(asks, pattern.finditer(normalized))):
            return kind
    return "other"


def content_of(normalized: str) -> str:
    """A normalised question without the words that only ask."""
    stripped = _PUNCTUATION.sub(" ", _ASKING.sub(" ", normalized))
    stripped = " ".join(stripped.split())
    return stripped or " ".join(_PUNCTUATION.sub(" ", normalized).split())


def analyse(text: str, segmenter: Segmenter, terms: TermTable) -> Query:
    """Analyse a question; never fails, also not on an empty one."""
    normalized = _TIMES.sub("x", normalize(text))
    content = content_of(normalized)
    all_words = segmenter.words(content)
    own = [w for w in dict.fromkeys(all_words) if w not in _FUNCTION_WORDS] or list(
        dict.fromkeys(all_words)
    )
    words = dict.fromkeys(own, 1.0)
    grams = {gram: GRAM_WEIGHT for gram in segmenter.grams(content) if gram not in _FUNCTION_WORDS}
    own_grams = tuple(grams)
    found = [t for t in terms.in_text(content) if _whole(t.surface, all_words)]
    kind = kind_of(normalized, (term.surface for term in found))
    joined = _joined(normalized, own)
    concepts = _concepts(own, found, joined, segmenter)
    if computed := _COMPUTED.search(normalized):
        concepts = tuple(
            Concept(c.surface, tuple(dict.fromkeys((*c.forms, *_FORMULAS))))
            if c.surface == computed[1]
            else c
            for c in concepts
        )
    # The same words, written in one: no other name.
    words |= dict.fromkeys((form for forms in joined.values() for form in forms), 1.0)
    own_words = tuple(words)
    named = (form for term in (*found, *concepts) for form in term.forms[:_MOST_FORMS])
    for form in dict.fromkeys(named):
        _add_alternative(form, segmenter, words, grams)
    symbols = tuple(token for formula in formulas(text) for token in formula_tokens(formula.body))
    return Query(
        text=text,
        normalized=normalized,
        content=content,
        words=words,
        grams=grams,
        own_words=own_words,
        own_grams=own_grams,
        concepts=concepts,
        latin=tuple(w for w in own if _LATIN.search(w)),
        kind=kind,
        defines=kind == "what" and not _PART.search(normalized),
        bare=kind in ("how", "why", "other") and len(own) == 1,
        embedded=_embedded(simplified(text), found),
        symbols=symbols,
        chinese=is_han(text),
    )


def _whole(surface: str, words: Sequence[str]) -> bool:
    """Whether a term begins and ends where words do: 标准化流 is not in 标准化流程."""
    return not is_han(surface) or (
        any(surface.startswith(word) for word in words)
        and any(surface.endswith(word) for word in words)
    )


def _add_alternative(
    form: str, segmenter: Segmenter, words: dict[str, float], grams: dict[str, float]
) -> None:
    word, parts = _cut(form, segmenter)
    if word:
        words.setdefault(word, ALTERNATIVE_WEIGHT)
        return
    for gram in parts:
        grams.setdefault(gram, GRAM_WEIGHT * ALTERNATIVE_WEIGHT)


@lru_cache(maxsize=4096)
def _cut(form: str, segmenter: Segmenter) -> tuple[str, tuple[str, ...]]:
    """Another name of something as a word, where it is a single one, and its grams."""
    parts = [w for w in segmenter.words(form) if w not in _FUNCTION_WORDS]
    # The words of a longer name stand in many notes, and each alone means something
    # else ("learning", "rate"); together they are found by their grams.
    return parts[0] if len(parts) == 1 else "", tuple(segmenter.grams(form))


def _joined(normalized: str, own: Sequence[str]) -> dict[str, list[str]]:
    """The question's Latin words with what each makes together with its neighbours.

    "Flash Attention" may stand in the notes as FlashAttention.
    """
    joined: dict[str, list[str]] = {}
    for run in _LATIN_RUN.findall(normalized):
        for left, right in pairwise(run.replace("-", " ").split()):
            if left in own and right in own:
                joined.setdefault(left, []).append(left + right)
                joined.setdefault(right, []).append(left + right)
    return joined


def _concepts(
    own: Sequence[str],
    found: Sequence[Concept],
    joined: Mapping[str, Sequence[str]],
    segmenter: Segmenter,
) -> tuple[Concept, ...]:
    """The question's words; each may also be met by another name of a term it belongs to.

    A word may be met by what else it is called, too; a plural and its
    singular are one; a Latin word may be written in one with its neighbour.
    """
    concepts: dict[str, tuple[str, ...]] = {}
    for word in own:
        plural = next((w for w in concepts if w[0] == word[0] and word in singulars(w)), None)
        forms = tuple(
            dict.fromkeys(form for term in found if word in term.surface for form in term.forms)
        )
        if plural is not None:
            concepts[plural] = tuple(dict.fromkeys((word, *forms, *concepts[plural])))
        else:
            concepts[word] = tuple(
                dict.fromkeys(
                    (
                        *joined.get(word, ()),
                        *forms,
                        *other_words(word),
                        *_written_otherwise(word, segmenter),
                    )
                )
            )
    return tuple(Concept(word, forms) for word, forms in concepts.items())


def _written_otherwise(word: str, segmenter: Segmenter) -> tuple[str, ...]:
    """How else a size or an amount may be written: 3x3 as 3×3 and in LaTeX, 1g as 1 GB.

    What is hard to do, in a word that no dictionary has (难检, 难训), is told where it is said to
    be hard.
    """
    if size := _SIZE.fullmatch(word):
        return f"{size[1]}×{size[2]}", f"{size[1]}\\times{size[2]}"
    if amount := _AMOUNT.fullmatch(word):
        return f"{amount[1]} {amount[2]}b", f"{amount[1]}{amount[2]}b"
    if _HARD.fullmatch(word) and not segmenter.knows(word):
        return (word[0],)
    return ()


def _embedded(text: str, found: Sequence[Concept]) -> str:
    if is_han(text):
        return text
    extra = [form for term in found for form in term.forms if is_han(form)][:_MOST_FORMS]
    return f"{text} {' '.join(extra)}" if extra else text


def is_function_word(word: str) -> bool:
    """Whether a word says nothing of what is asked about."""
    return word in _FUNCTION_WORDS


def is_han(text: str) -> bool:
    """Whether `text` holds a Han character."""
    return bool(_HAN.search(text))
