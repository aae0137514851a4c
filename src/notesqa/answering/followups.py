"""Follow-ups by rules: what a pronoun or an ellipsis refers to is the subject before.

The rules act only where a question plainly leans on what came before; they know
Chinese and English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from notesqa.answering.ordinals import counted
from notesqa.records import Turn
from notesqa.text.script import mostly_english

TURNS = 3
"""How many turns before a question count."""
# Through this many turns what a question leaned on is followed to its subject.
_TRACED = 12

# -- what a question leans on --------------------------------------------------------------

_PARTICLES = r"(?:那么?|然后|另外|还有|而且|对了|请问|嗯|哦|好的|所以)"
LEAD = re.compile(rf"^{_PARTICLES}[，,、\s]*")
PRONOUN = re.compile(
    r"它们(?:俩|两个?)?|它(?!山之石)|"
    r"(?:这|那)(?:两)?(?:个|种|类|些|项|套|几个|几种)(?:方法|算法|模型|损失函数|损失|函数|网络|技术|公式|概念|结构|"
    r"指标|机制|策略|思路|东西|做法|框架|模块|问题)?|"
    r"(?:该|此|其中的这|上述|上面(?:说|提到)?的|前面(?:说|提到)?的|刚才(?:说|提到)?的|刚刚(?:说|提到)?的)"
    r"(?:方法|算法|模型|损失函数|损失|函数|网络|技术|公式|概念|结构|指标|机制|策略|思路|做法|框架|模块)|"
    r"这(?=里的|样做|么做|篇|是|和|跟|与|为什么|有什么|怎么|如何)|(?<![与尤极及])其(?=[缺优特不局原作公目损定区核主好坏])"
)
# What a pronoun after it is about: $x_t$, \\alpha, x = 3, √, xₜ.
_FORMULA = re.compile(r"\$[^$]+\$|\\[A-Za-z(\[]|[=≈≤≥∝∑∏∫√∂∇ₐ-ₜ₀-₉]|[A-Za-z][_^][\w{]")
# What stands in something that is not named: 里面的 γ, 公式里的第二项.
_INSIDE = re.compile(
    r"^(?:[这那]个?)?(?:(?:公式|式子|算式|等式|表格?|图|代码|算法|流程)(?:里面?|里头|当?中)的?|"
    r"(?:里面|里头|其中|当中)的?)[，,\s]*(?=[^\s，,呢吗])"
)
_POSITION = re.compile(r"前者|后者")
_BOTH = re.compile(r"两者|二者|它俩|这两个|这俩|他们俩|双方")
_COMPARE = re.compile(
    r"^(?:和|跟|与|同|比起|相比(?:于|起)?|对比)\s*(?P<other>.+?)"
    r"(?P<tail>(?!.*[，,])(?:相比|比起来|比较|比|有什么(?:区别|不同|关系|联系)|的?(?:区别|不同|差别|关系|联系)).*)$"
)
_ASPECT = (
    r"优缺点|优点|缺点|优势|劣势|不足|局限(?:性)?|好处|坏处|问题|原理|思想|动机|目的|作用|用途|公式|定义|"
    r"损失(?:函数)?|目标函数|结构|网络结构|步骤|流程|复杂度|时间复杂度|空间复杂度|应用(?:场景)?|场景|实现|代码|例子|"
    r"特点|性质|推导|证明|参数|超参数|效果|结果|区别|变种|变体|改进|训练(?:过程|方法)?|推理|速度|精度|作者|论文|"
    r"来源|历史|全称|英文|假设|条件|输入|输出|梯度|导数|初始化|数据集|评价指标|贡献|创新点?"
)
_ELLIPTIC = re.compile(
    rf"^(?:的)?(?:主要|具体|核心|常见|常用)?的?(?P<aspect>{_ASPECT})(?:和(?:{_ASPECT}))?"
    r"(?:呢|是什么|是啥|有哪些|有什么|是怎样的|怎么样|如何|在哪里?|是多少|怎么[算写做推实现求]+|为什么)?[呢吗啊]?$"
)
_BARE = re.compile(
    r"^(?:为什么(?:呢|会这样|这样|要这样做?)?|怎么(?:做|算|办|用|实现|推导|证明|理解|训练|选)(?:的|呢)?|如何(?:实现|计算|做|训练|理解|证明)|"
    r"举个例子|能举个?例子吗|有(?:什么|哪些)(?:优点|缺点|优缺点|用|用处|好处|坏处|区别|问题|不足|局限|应用|例子|改进|变种)|"
    r"有例子吗|具体(?:怎么做|呢|一点|讲讲|说说)|详细(?:讲讲|说说|一点)|展开(?:讲讲|说说)|什么意思|"
    r"谁提出的|什么时候提出的|哪一?年提出的|适合什么场景|用在哪里?|还有(?:别的|其他)?(?:呢|吗))呢?$"
)
# A question that begins with its verb, or with a step, has its subject before it.
_VERB_FIRST = re.compile(
    r"^(?:(?:一般|通常|常|都|又|还)?(?:会不会|能不能|可不可以|需不需要|有没有|是不是|会|能|可以|需要|适合|支持|依赖)"
    r"(?![\u4e00-\u9fff]{0,3}(?:什么是|哪些是))[^，,。]{1,12}(?:吗|么)|"
    r"(?:一般|通常|常|都)?(?:用|取|选|设)(?:的)?(?:是)?(?:什么|多少|多大|哪种|哪些|哪个|几个?)[^，,。]{0,8}|"
    r"(?:它的)?第[一二三四五六七八九十\d]{1,2}(?:步|个阶段|阶段|层)[^，,。]{0,14})$"
)
_WHICH = re.compile(r"^(?:那么?)?哪一?[个种](?:会|要|更|比较|最|的?效果)[^，,。]{1,10}$")
_WHAT_ABOUT = re.compile(r"^(?P<other>[^，,。?？]{1,24}?)(?:呢|又如何|又怎么样)$")
# "What if" asks about the same matter.
_CONDITION = re.compile(r"(?:时候?|情况下?|的话|之[前后]|以[前后])$|[=<>＝≈≤≥]")
_EN_LEAD = re.compile(
    r"^(?:(?:and|but|so|ok(?:ay)?|then|also|well|now|hmm)\b[,\s]*)+", re.IGNORECASE
)
_EN_PRONOUN = re.compile(
    r"\b(?:(?:this|that|the same|the above|such a|the)\s+(?:method|algorithm|model|loss|function|network|"
    r"technique|formula|approach|concept|architecture|metric|one)|its|it|this|that|they|them|their|these|those)\b"
    r"(?!\s+(?:is|are)\s+(?:possible|true|necessary)\b)",
    re.IGNORECASE,
)
_EN_POSITION = re.compile(r"\bthe (former|latter)\b", re.IGNORECASE)
_EN_BOTH = re.compile(
    r"\b(?:both(?: of them)?|the two(?: of them)?|the two methods)\b", re.IGNORECASE
)
_EN_ABOUT = re.compile(r"^(?:what|how) about (?P<rest>.+)$", re.IGNORECASE)
_EN_ASPECT = re.compile(
    r"^(?:the |its |their |any )?(?P<aspect>(?:main |key )?(?:advantages?|disadvantages?|drawbacks?|benefits?|pros(?: and cons)?|"
    r"cons|limitations?|weakness(?:es)?|strengths?|formula|definition|intuition|motivation|complexity|applications?|"
    r"examples?|loss(?: function)?|derivation|proof|steps|training|inference|speed|accuracy|cost|authors?|assumptions?))$",
    re.IGNORECASE,
)
_EN_COMPARE = re.compile(
    r"^(?:how does (?:it|this|that) )?(?:compared? (?:to|with)|versus|vs\.?|against) (?P<other>.+)$",
    re.IGNORECASE,
)
_EN_ONE = re.compile(r"^(?:the |an? )(?P<which>[A-Za-z-]+(?: [A-Za-z-]+)?) ones?$", re.IGNORECASE)
_EN_BARE = re.compile(
    r"^(?:why(?: is that| so)?|how(?: so)?|how does (?:it|this|that) work|for example|"
    r"(?:can you )?give (?:me )?(?:an )?examples?|an example|when|who (?:proposed|invented|introduced) (?:it|this|that)|"
    r"anything else|more details?|tell me more|go on|in detail|what else)$",
    re.IGNORECASE,
)

# -- the subject of a question -----------------------------------------------------------

_ZH_ASKING = re.compile(
    r"^(?:请问|请|麻烦|能不能|可以|帮我|我想知道|想问一?下?|什么是|什么叫做?|何为|何谓|为什么|为何|如何|怎么|怎样|"
    r"(?:简要|详细)?(?:介绍|解释|说明|讲讲|说说|谈谈|描述|推导|证明|比较|对比|简述|讲一下|说一下|理解)一?下?|在|关于|对于|"
    r"用|使用|采用|哪些|哪种|有哪些)+\s*"
)
_ZH_TAIL = re.compile(
    rf"(?:的)?(?:主要|具体|核心|常见|不同)?的?(?:(?:{_ASPECT})(?:(?:和|与|及|、)(?:{_ASPECT}))*)?"
    r"(?:(?:到底|究竟|一般|通常|主要|分别|各自|都|又|会|能|可以|应该|需要|要)?"
    r"(?:是什么(?:意思|样的)?|是(?:多少|多大|多高|多快|几|谁|哪)|[用取选设]的?(?:是)?(?:什么|多少|多大|哪|几)|指的?是?什么|是指什么|是啥|有哪些|有什么|包括什么|包括哪些|分为|怎么|如何|怎样|为什么|为何|"
    r"等价于|等于|相当于|多少|多大|几[个种层步类]|属于|吗|呢|谁|何时|哪|比.+?[快慢好差高低大小强弱多少]|起什么|做什么|干什么|解决|"
    r"适合|用来|用于|好在|优于|取|能否|能不能|是否|是不是|可以|会不会).*)?$"
)
_ZH_BETWEEN = re.compile(r"^(?P<a>.+?)\s*(?:和|与|跟|同|、|以及|vs\.?|VS)\s*(?P<b>.+?)$")
_ZH_THAN = re.compile(
    r"^(?P<a>.+?)(?:相比于?|比|相对于)\s*(?P<b>.+?)(?:更|快|慢|好|差|高|低|大|小|强|弱|多|少|优|有)"
)
_EN_SUBJECT = re.compile(
    r"^(?:(?:please|can you|could you|tell me|explain|describe|define|what about|how (?:do|can|should|would) (?:i|we|you|one) [a-z]+|what(?:'s| is| are| does| do)|why (?:is|are|does|do|did)|"
    r"how (?:is|are|does|do|did|can|to)|who (?:proposed|invented|introduced)|when (?:is|was|should)|which|where is|"
    r"the (?:difference|differences|relationship|relation) between|compare|(?:the )?(?:main )?(?:advantages?|disadvantages?|drawbacks?|"
    r"benefits?|limitations?|purpose|meaning|definition|formula|role|goal|idea|intuition|motivation)(?: of| behind)?|"
    r"a|an|the|about)\s+)+",
    re.IGNORECASE,
)
_EN_TAIL = re.compile(
    r"\s+(?:is|are|was|were|work|works|mean|means|do|does|used|use|uses|need|needs|help|helps|improve|reduce|reduces|prevent|"
    r"compute[sd]?|calculate[sd]?|different|differ|faster|slower|better|worse|equivalent|trained|train|so|in|for|on|when|than|from|with|have|has|"
    r"require|requires|solve|solves|equal|stand|stands)\b.*$",
    re.IGNORECASE,
)
_EN_BETWEEN = re.compile(r"^(?P<a>.+?)\s+(?:and|vs\.?|versus|or)\s+(?P<b>.+?)$", re.IGNORECASE)
_EN_DIFFER = re.compile(
    r"^(?P<a>.+?)\s+(?:differs?|(?:is |are )?different|compares?|compared)\s+(?:from|to|with)\s+(?P<b>.+?)$",
    re.IGNORECASE,
)
_EN_THAN = re.compile(
    r"^(?:.*?\b(?:is|are|does|do|was)\s+)?(?P<a>.+?)\s+(?:\w+er|better|worse|more \w+|less \w+)\s+than\s+(?P<b>.+?)$",
    re.IGNORECASE,
)
ENDS = " \t。．.？?！!，,、；;：:~～"


def leans(question: str) -> bool:
    """Whether a question cannot be understood without what came before."""
    text = question.strip().strip(ENDS)
    if not text:
        return False
    if mostly_english(text):
        rest = _EN_LEAD.sub("", text).strip(ENDS)
        return bool(
            _refers(rest)
            or _EN_POSITION.search(rest)
            or (_EN_BOTH.search(rest) and not _EN_BETWEEN.search(rest))
            or _EN_ABOUT.match(rest)
            or _EN_ASPECT.match(rest)
            or _EN_COMPARE.match(rest)
            or _EN_BARE.match(rest)
            or _EN_ONE.match(rest)
        )  # fmt: skip
    rest = LEAD.sub("", text)
    led = rest != text
    return bool(
        _pronoun_alone(rest)
        or (_POSITION.search(rest) and not _names_two(rest))
        or (_BOTH.search(rest) and not _names_two(rest))
        or _COMPARE.match(rest)
        or _ELLIPTIC.match(rest)
        or _BARE.match(rest)
        or _VERB_FIRST.match(rest)
        or _WHICH.match(rest)
        or _INSIDE.match(rest)
        or ((led or len(rest) <= 14) and _WHAT_ABOUT.match(rest))
    )  # fmt: skip


def _pronoun_alone(text: str) -> bool:
    """A pronoun that no noun in the same question explains."""
    match = PRONOUN.search(text)
    if match is None:
        return False
    before = text[: match.start()]
    if _FORMULA.search(before):
        return False  # 「x = √a y 这个公式什么意思」
    # 「ResNet 为什么有效，它解决了什么」: the subject stands in the question itself.
    return not (
        re.search(r"[A-Za-z]{2,}|[\u4e00-\u9fff]{3,}", before)
        and re.search(r"[，,。；;？?]", before)
    )


def _refers(text: str) -> bool:
    match = _EN_PRONOUN.search(text)
    if match is None:
        return False
    before = text[: match.start()]
    if _FORMULA.search(before):
        return False
    if (
        re.match(r"(?:is|was|does|can|will) it\b", text, re.IGNORECASE)
        and " to " in text[:40]
        and len(text) > 30
    ):
        return False  # "is it necessary to …" speaks of nothing before
    names = re.search(r"\b[A-Z][A-Za-z0-9-]+\b|\b[a-z]{5,}(?:\s[a-z]{4,})+\b", before[1:])
    if match[0].lower() in ("that", "this", "these", "those") and re.match(
        r"\s+[a-z]", text[match.end() :]
    ):
        follows = text[match.end() :].split()
        if match[0].lower() == "that" and before.strip():
            return False  # "the loss that DETR uses"
        return bool(follows) and not names
    return not names


def _names_two(text: str) -> bool:
    return bool(
        re.search(r"[A-Za-z\u4e00-\u9fff]{2,}\s*(?:和|与|跟|、)\s*[A-Za-z\u4e00-\u9fff]{2,}", text)
    )


# -- by rules ----------------------------------------------------------------------------


def subjects_of(history: Sequence[Turn], question: str = "") -> tuple[str, ...]:
    """What the latest turns spoke of; a question that leaned is seen through to its subject.

    Args:
        question: the one that leans; where it speaks of two things ("the latter"), the
            latest turn that named two is meant.
    """
    questions: list[str] = []
    traced = history[-_TRACED:]
    for number, turn in enumerate(traced):
        asked = turn.question
        if counted(asked, traced[:number]) != asked:
            continue  # an item of a list is of the matter that the list is of
        if questions and leans(asked):
            asked = by_rules(asked, _latest(questions, asked))
        questions.append(asked)
    return _latest(questions[-TURNS:], question)


def _latest(questions: Sequence[str], asked: str) -> tuple[str, ...]:
    found = [names for one in reversed(questions) if (names := subjects(one))]
    if _of_two(asked):
        return next((names for names in found if len(names) > 1), found[0] if found else ())
    return found[0] if found else ()


def _of_two(question: str) -> bool:
    rest = LEAD.sub("", question.strip().strip(ENDS))
    pattern = (_POSITION, _BOTH, _WHICH, _EN_POSITION, _EN_BOTH)
    return any(one.search(rest) for one in pattern)


def subjects(question: str) -> tuple[str, ...]:
    """What a question is about: one thing, or the two that it compares."""
    text = question.strip().strip(ENDS)
    if mostly_english(text):
        than = _EN_THAN.match(text)
        if than:
            return _kept(than["a"], than["b"])
        core = _EN_SUBJECT.sub("", text)
        two = _EN_BETWEEN.match(core) or _EN_DIFFER.match(core)
        if two and len(two["b"].split()) <= 5:
            return _kept(_EN_SUBJECT.sub("", two["a"]), _EN_TAIL.sub("", " " + two["b"]).strip())
        return _kept(_EN_TAIL.sub("", " " + core).strip() or core)
    text = LEAD.sub("", text)
    than = _ZH_THAN.match(_ZH_ASKING.sub("", text))
    if than:
        first = re.sub(r"(?:为什么|为何|凭什么|怎么|会|能).*$", "", than["a"])
        return _kept(first, than["b"])
    core = _ZH_ASKING.sub("", text)
    core = _ZH_TAIL.sub("", core).strip(ENDS) or core
    two = _ZH_BETWEEN.match(core)
    if two:
        return _kept(two["a"], re.sub(r"(?:之间|两者|二者).*$", "", two["b"]))
    return _kept(core)


def _kept(*names: str) -> tuple[str, ...]:
    cleaned = (name.strip().strip(ENDS).removesuffix("的").strip() for name in names)
    return tuple(
        name for name in cleaned if name and len(name) <= 60 and not PRONOUN.fullmatch(name)
    )


def by_rules(question: str, found: tuple[str, ...]) -> str:
    """A question that leans, with `found` put where it leans on."""
    text = question.strip()
    if not found:
        return question
    if mostly_english(text):
        return _english(text, found)
    rest = LEAD.sub("", text).strip()
    core = rest.strip(ENDS)
    whole = "和".join(found) if len(found) > 1 else found[0]
    if len(found) > 1 and (position := _POSITION.search(rest)):
        named = found[0] if position[0] == "前者" else found[1]
        rest = rest.replace("前者", found[0]).replace("后者", found[1])
        return rest if named in rest else f"{named}{rest}"
    if _BOTH.search(rest):
        return _BOTH.sub(whole, rest, count=1)
    if match := _COMPARE.match(core):
        tail = match["tail"]
        if tail in ("比", "比较", "相比", "比起来", "比呢", "相比呢", "比起来呢", "比较呢"):
            tail = "相比怎么样"
        # Of what stands in a thing, the thing is what another one is like.
        first = found[0].partition("里的")[0]
        return f"{first}和{match['other'].strip()}{_spaced(tail)}？"
    if match := _INSIDE.match(core):
        return f"{whole}里的{core[match.end() :]}？"
    if match := PRONOUN.search(rest):
        begin, end = match.span()
        joined = whole if match[0].startswith("它们") else found[0]
        if match[0].startswith("其"):
            joined += "的"
        return rest[:begin] + joined + rest[end:]
    if _ELLIPTIC.match(core):
        core = core.removeprefix("的").removesuffix("呢")
        asks = "" if re.search(r"什么|哪|多少|怎|如何|为什么|吗", core) else "是什么"
        return f"{whole}的{core}{asks}？"
    if _VERB_FIRST.match(core) or _WHICH.match(core):
        return f"{whole}{core.removeprefix('它的')}？"
    if _BARE.match(core):
        return f"{whole}{core.removesuffix('呢')}？"
    if match := _WHAT_ABOUT.match(core):
        if _CONDITION.search(match["other"]):
            return f"{whole} {match['other']}怎么样？"
        return (
            f"{match['other']}（与{whole}相关）？"
            if len(match["other"]) <= 1
            else (f"{match['other']}呢？（刚才说的是{whole}）")
        )
    return f"{whole}：{rest}"


def _spaced(text: str) -> str:
    return text.removesuffix("呢")


def _english(text: str, found: tuple[str, ...]) -> str:
    rest = _EN_LEAD.sub("", text).strip()
    core = rest.strip(ENDS)
    whole = " and ".join(found)
    if len(found) > 1 and _EN_POSITION.search(rest):
        return _EN_POSITION.sub(lambda m: found[0] if m[1].lower() == "former" else found[1], rest)
    if _EN_BOTH.search(rest):
        return _EN_BOTH.sub(whole, rest, count=1)
    if about := _EN_ABOUT.match(core):
        inner = about["rest"]
        aspect = _EN_ASPECT.match(inner)
        if aspect:
            return f"What about the {aspect['aspect']} of {whole}?"
        if _EN_PRONOUN.search(inner):
            return f"What about {_pronouns_replaced(inner, whole)}?"
        return f"What about {inner} (compared with {whole})?"
    if aspect := _EN_ASPECT.match(core):
        return f"What about the {aspect['aspect']} of {whole}?"
    if compared := _EN_COMPARE.match(core):
        return f"How does {whole} compare with {compared['other']}?"
    if one := _EN_ONE.match(core):
        return f"What about the {one['which']} {whole}?"
    if _EN_PRONOUN.search(rest):
        return _pronouns_replaced(rest, whole)
    return f"{rest.rstrip(ENDS)} ({whole})?"


def _pronouns_replaced(text: str, whole: str) -> str:
    def named(match: re.Match[str]) -> str:
        return f"{whole}'s" if match[0].lower() in ("its", "their") else whole

    return _EN_PRONOUN.sub(named, text, count=1)
