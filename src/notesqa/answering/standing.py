"""What a sentence is worth when it stands alone, whatever is asked.

A quotation is read without what stood around it. One that only says where something is
told, that asks itself, that breaks off before it says anything, or that begins with
"it" tells the reader nothing, however well its words meet the question. These are
rules about sentences of notes; nothing here knows the question, save for the names in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from notesqa.text.normalize import normalize

_CLAUSES = re.compile(r"[，,；;。．.!！]+(?=\D|$)")
_LINK = re.compile(r"\[([^\]\n]+)\]\([^)\n]+\)")
# 见 X: what is said of it stands elsewhere. A link marks X where there is one.
_SEE = re.compile(
    r"(?:^|[^意可偏常罕易看听遇])(?:详见|参见|另见|请见|可见|参考|参阅|见)\s*[\[《「“]"
)
_ANNOUNCES = re.compile(
    r"^(?:那么|首先|因此|所以|在)?(?:本[文章节篇]|这篇[文笔][章记]|笔者|后[文面]|下[文面]|接下来|随后|我们[会将来])"
    r"[^:：]{0,24}(?:介绍|讨论|总结|梳理|讲[解述到]?|说明|分析|回顾|展开|讲讲|看看|聊聊)[^:：]{0,8}$"
    r"|^(?:下面|以下|如下)是[^:：]{0,16}(?:代码|示例|例子|结果|推导)$"
    r"|[^:：]*(?:后[文面]|下[文面]|之后)(?:再|会|将|要)?(?:继续|详细)?(?:介绍|讨论|讲解?|说明|分析|展开)[^:：]{0,6}$"
    r"|[^:：]*是(?:我们)?(?:后[文面]|下[文面]|接下来|本[文章节])[^:：]{0,8}的(?:重点|内容|主题)$"
)
_ASKS = re.compile(r"[?？][”’」』】》）)\]\"'*_]*\s*$")
# 区别在于间隔加在哪里: which it is, is told elsewhere. How a thing is done may be all there is to
# say of what matters: 关键在于怎样划分样本.
_ASKS_INDIRECTLY = re.compile(
    r"(?:区别|差别|差异|不同|分歧|问题|关键|重点|难点|核心)(?:只|就|都|主要)?"
    r"(?:是什么|(?:在于|是)[^，,。；;]{0,16}(?:在?哪里|在?哪儿|哪(?:些|个|一[个种步])|在什么地方))"
    r"[^，,。；;]{0,8}[。；;]?[”’」』】》）)\]\"'*_]*\s*$"
)
_LEAD = re.compile(
    r"^\s*(?:>\s*)*(?:[-*+]\s+|\d{1,2}[.)、．]\s*|[（(]\d{1,2}[)）]\s*|[①-⑳]\s*)?\**"
)
_REFERS = re.compile(
    r"(?:\[公式\]|\[Math\]|\$\$.*?\$\$)?\s*(?:但|而|不过|因此|所以|于是|因为|由于|同时|并且|而且|可见|显然|只要|如果)?[，,]?\s*"
    r"(?:它们?(?!山)|其(?!他|它|余|实|次|一|二|三)|此(?!外|前|后|类|种)|这(?!里)|该|那(?=[个种些样])|前者|后者|[两二]者|"
    r"上[式述]|[他她]们|其中|式中|"
    r"(?:it|its|they|their|this|these|those|such)\b(?!\s+(?:is|are)\s+(?:possible|clear|worth)))",
    re.IGNORECASE | re.DOTALL,
)
# 少了甲得到前者: neither of the two is named before it.
_FORMER = re.compile(
    r"(?:[^，,；;。：:和与跟、及或]*(?:时|下|后|的话)[，,])?[^，,；;。：:和与跟、及或]*前者"
)
_BROKEN_OFF = re.compile(r"(?:…+|\.{3,})\s*$")
_SINCE_STOP = re.compile(r"[^，,。；;:：]*$")
# A cut sentence says something when this much of its last clause is left, or this much
# stands before it.
_LEFT_OF_CLAUSE = 12
_LEFT_OF_SENTENCE = 20
_SHORT_QUESTION = 40
_INTRODUCED = re.compile(
    r"[”\"》]?\s*(?:[（(「]|[,，]?(?:是(?!否|不是|由)|指|即|又称|也称|简称|全称|度量|衡量|表示|描述|用来|称为|:)|"
    r"(?:is|are|refers|means|stands)\b)"
)
# Before the name that is introduced; 有效感受野 is another thing than 感受野.
_LEAD_IN = re.compile(r"(?:所谓的?|一般来说,?|通常,?|其中,?|而|这里的?|[“\"《]|an? |the )*")


def points_elsewhere(sentence: str) -> bool:
    """Whether a sentence only says where, or that, something is told.

    "分块的细节见《…》" and "下面介绍…" do; one clause that says more saves the sentence.
    """
    clauses = [clause.strip() for clause in _CLAUSES.split(_unlinked(sentence))]
    clauses = [clause for clause in clauses if clause]
    return bool(clauses) and all(_SEE.search(c) or _ANNOUNCES.match(c) for c in clauses)


def _unlinked(sentence: str) -> str:
    """A sentence with the names that it links to in brackets, so that they stay one word."""
    return _LINK.sub(lambda match: f"[{re.sub('[，,；;。.]', ' ', match[1])}]", sentence)


def asks(sentence: str) -> bool:
    """Whether a sentence only asks; a long one says something on its way to the question."""
    if _ASKS_INDIRECTLY.search(sentence):
        return True
    return len(sentence) < _SHORT_QUESTION and bool(_ASKS.search(sentence))


def refers_back(sentence: str) -> bool:
    """Whether a sentence begins with a word that stands for something before it.

    A formula set apart, too, is what the sentence before it speaks of.
    """
    own = _LEAD.sub("", sentence, count=1).lstrip()
    return own.startswith(("$$", "\\[")) or bool(_REFERS.match(own) or _FORMER.match(own))


def breaks_off(sentence: str) -> bool:
    """Whether a sentence was cut before its last clause says anything: "主要包括：1. 由…"."""
    cut = _BROKEN_OFF.search(sentence)
    if cut is None:
        return False
    said = sentence[: cut.start()]
    clause = _SINCE_STOP.search(said)
    if clause is None or len(clause[0].strip()) >= _LEFT_OF_CLAUSE:
        return False
    before = said[: clause.start()].rstrip()
    return before.endswith((":", "：")) or len(before) < _LEFT_OF_SENTENCE


def introduces(sentence: str, names: Iterable[str]) -> bool:
    """Whether a sentence begins by saying what one of the names is.

    Args:
        names: normalised.
    """
    head = normalize(_LEAD.sub("", sentence, count=1))[:120].replace("*", "")
    lead = _LEAD_IN.match(head)
    start = lead.end() if lead else 0
    return any(
        head.startswith(name, start) and bool(_INTRODUCED.match(head, start + len(name)))
        for name in names
    )
