"""Titles that a person would choose: the name of the paper, the method, the question.

An excerpt from a feed has lost its title and its line breaks: headings run into the text
with a space between. What a reader would take for its name is found by rules, from the
surest to the least sure: a heading at its beginning, what it defines, the work it is
about, what it says it is about, a heading further on, the words it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from notesqa.notes.telling import is_name, telling_phrases
from notesqa.records import DocumentKind
from notesqa.text.blocks import blocks
from notesqa.text.normalize import normalize
from notesqa.text.sentences import line_sentences

_HEAD = 600  # how much of a text may say what it is about
_MOST_COLUMNS = 48
_MOST_LATIN_COLUMNS = 110

_H = r"\u3400-\u9fff"
_GENERIC_WORDS = (
    "概述|综述|概要|概览|总览|简介|简单介绍|介绍|引言|引子|导言|导读|导论|绪论|序言|前言|序|背景|研究背景|背景介绍|"
    "背景知识|前置知识|预备知识|基础知识|补充知识|相关知识|知识点|相关内容|相关工作|基本概念|基本定义|概念|定义|"
    "问题定义|问题描述|问题引入|问题背景|题目|题目描述|描述|是什么|为什么|怎么做|什么是|推导|理论推导|公式推导|"
    "推导过程|原理|基本原理|算法原理|原理介绍|动机|摘要|总结|小结|正文|目录|内容|内容简介|主要内容|笔记|学习笔记|"
    "论文笔记|读书笔记|写在前面|开始之前|论文|论文信息|论文标题|论文题目|基本信息|说明|前情提要|回顾|思路|基本思路|"
    "基本思想|核心思想|出发点|方法|实验|结论|参考|参考资料|附录|更新|目标函数|函数定义|模型简介|模型介绍|环境准备|准备工作|项目简介|项目背景|项目介绍|本章简介|本节内容|实验结果|数据准备|快速开始|模型结构|网络结构|算法流程|算法步骤|优缺点|优点|缺点|应用|示例|代码|步骤|未命名|无标题|其他|杂谈|随笔|"
    "introduction|abstract|background|overview|summary|preface|preliminar(?:y|ies)|motivation|"
    "related work|conclusions?|notes?|untitled|contents|tl;?dr"
)
_NUMERAL = (
    r"(?:\d{1,4}(?:\.\d{1,2})*\s*[.、)）]?\s+|\d{1,4}(?:\.\d{1,2})*[.、)）]\s*(?![\d.])|"
    r"[（(]\d{1,2}[)）]\s*|[一二三四五六七八九十]{1,3}[、.]\s*|"
    r"第[一二三四五六七八九十\d]{1,3}[章节讲课篇部分]+\s*|[①-⑳]\s*)"
)
_LEADING = re.compile(rf"(?:[^\w《“\"‘'(（\[【$\\+\-]+|[-*+]+\s+|#+\s*|{_NUMERAL})")
_LABEL = re.compile(
    r"(?:(?:面试|考|习|思考|问)题?\d{0,3}\s*[:：]\s*)|(?:论文|代码|项目|原文|文章|参考|官方|数据集?|模型|开源|paper|code|github|arxiv|project|demo)"
    r"(?:地址|链接|网址|主页|仓库|题目|标题|名称|来源|出处|page|link|url|title)?\s*[:：]\s*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s\u3000-\u303f\u3400-\u9fff，。；）]+|"
    r"(?:arxiv\.org|github\.com|huggingface\.co|openreview\.net)/[^\s\u3000-\u303f\u3400-\u9fff，。；）]+"
)
_GENERIC = re.compile(
    rf"(?:(?:{_GENERIC_WORDS})(?:[与和及&、/](?:{_GENERIC_WORDS}))*"
    rf"|从.{{1,12}}?(?:入手|说起|谈起|讲起|开始)|关于本文|本文(?:内容|结构|目录)?|文章(?:结构|目录))",
    re.IGNORECASE,
)
_GENERIC_START = re.compile(rf"(?:{_GENERIC.pattern})(?=[\s:：。]|\Z)[\s:：。]*", re.IGNORECASE)

# Words that a sentence begins with and a heading does not.
_SENTENCE_START = re.compile(
    r"我们|你|他|它|这|那|该|其中|首先|然后|接着|接下来|最后|通过|如果|假如|假设|当|对于|关于|为了|由于|因为|所以|"
    r"因此|但|而|并|且|虽然|尽管|随着|根据|按照|基于以上|给定|设|令|一般|通常|最近|近[年几日来]|目前|现在|如今|众所周知|"
    r"总的来|总之|简单来?[说讲]|简而言之|换句话|也就是|不得不|值得|需要|可以|在(?!线)|从(?:上|而|此|这)|本[文章篇节次项实案单]|"
    r"文章|笔者|作者|论文|承接|就[像如]|像|既然|严格|除了|同样|类似|每当|有时|注意到|请|让我们|图片来源|上[文面一]|下[文面一]|前[文面]|一个|一种|大家|有些|有人|很多|许多|不少|"
    r"(?:we|this|these|that|in|it|there|given|let|if|when|for|as|to|our|however|recently|suppose)\b",
    re.IGNORECASE,
)
# What goes on with a sentence whose subject is the Latin name before it.
_GOES_ON = re.compile(
    r"[是的有在将与和及或也可能又由为把对被使用通过则会都不中里上下等之就从向到以时后前所要][^、]?|"
    r"[,，。.:：;；!?！？)）]"
)
_STOPS = re.compile(r"[,，。;；!！]")
_DEFINES = (
    r"(?:是(?:另?一[种类个项套篇款门]|指|由|基于|用[来于]|为了|目前|机器|深度|强化|无监督|自监督|有监督|统计|经典)|"
    r"即|又[称叫]|也[称叫]|亦[称即]|简[称记]|全[称名]|泛指|特?指的?是?|就是|实际上是|其实是|本质上?是|可以看[成作]|"
    r"主要?(?:是|用于)|属于|来自于?|(?:is|are) (?:an? |the )|refers? to|stands for|denotes)"
)
_DEFINITION = re.compile(
    rf"(?P<x>(?:[^,，。;；!?！？()（）]|[(（][^()（）]{{1,60}}[)）]){{2,90}}?)\s*[,，]?\s*{_DEFINES}",
    re.IGNORECASE,
)
_COLON_DEFINITION = re.compile(
    rf"(?P<x>[{_H}A-Za-z][^,，。;；:：!?！？()（）]{{1,30}}\s*[(（][A-Za-z][^()（）]{{2,60}}[)）])\s*[:：]"
)
_WORK = re.compile(r"《([^《》\n]{2,160})》")
_THIS_PAPER = re.compile(
    r"(?:承接|基于|来自|参考|阅读|解读|读|关于|如|在)?\s*((?:[A-Z][\w'-]*)(?:[ :,-]+[\w'()-]+){1,16}?)\s*"
    r"(?:这|一|该)(?:篇)?(?:论文|文章|文|工作)(?=[\s,，。中里提的])"
)
_QUESTION = re.compile(r"[^,，。;；:：\n]{4,40}[?？]")
# A name with its English: the writer introduces it.
_LEADING_TERM = re.compile(
    rf"[{_H}A-Za-z0-9-]{{2,14}}\s?[(（][A-Za-z][A-Za-z0-9 ,，'-]{{2,50}}[)）]"
)
# A Latin name with which a Chinese sentence begins.
_LEADING_NAME = re.compile(
    rf"(?:\d?[A-Z][A-Za-z0-9+-]+|[a-z]+[A-Z][A-Za-z0-9]*)(?: [A-Z0-9][A-Za-z0-9+-]*){{0,4}}"
    rf"(?:\s?[(（][A-Za-z0-9 -]{{2,40}}[)）])?(?=\s?[{_H}])"
)
# What a heading of a chapter ends with, so that a Latin word after it begins a sentence.
_HEADING_END = re.compile(
    r"(?:解析|原理|介绍|简介|笔记|详解|网络|模型|算法|方法|实战|入门|教程|综述|推导|总结|对比|比较|实现|作用|思路|"
    r"流程|阅读|解读|理解|分析|机制|结构|应用|技巧|优化|问题|函数|公式|定义|概念|区别|关系|指南|系列)$"
)
_ENGLISH_START = re.compile(
    r"(?:In (?:this|recent|the)|This|These|We|It|Here|There|Let|Given|Recent(?:ly)?|As|When|If)\b"
)
_SUBJECT_TAIL = re.compile(
    r"(?:任务|的?(?:核心|主要|关键|基本|根本|最大|重要|整体|总体|主流)*的?"
    r"(?:思想|思路|概念|定义|原理|创新点?|出发点|想法|贡献|特点|动机|目标|目的|优势|问题|含义|意思|作用|基础|理论))$"
)
_ABOUT = (
    re.compile(
        r"(?:本文|本篇|这篇(?:文章|博客|笔记)|文章|本[章节]|这里|在此|下面|接下来)[^。;；]{0,24}?"
        r"(?:就|将|会|来)?(?:对|针对|围绕|就)\s*(?P<x>[^,，。;；]{2,40}?)\s*"
        r"(?:的(?:原理|理论|知识|内容|方法|基础|思想|思路))?"
        r"(?:进行|做|作|展开|的(?:讲解|介绍|总结|分析|讨论|梳理|解读|理解|认识|看法))"
    ),
    re.compile(
        r"(?:本文|本篇|这篇(?:文章|博客|笔记)|文章|笔者|本[章节]|这里|在此|下面|系列中)[^。;；]{0,24}?"
        r"(?:介绍|讲解?|讨论|解读|分析|梳理|总结|推导|给出|回顾|探讨|整理)(?:一下|了|下|的是)?"
        r"\s*(?P<x>[^,，。;；]{2,40}?)\s*(?=[,，。;；]|$)"
    ),
    re.compile(
        r"(?:^|[。\s])(?:简单)?(?:回顾|总结|介绍|梳理|整理|解读|聊聊|谈谈|浅谈|浅析|详解)(?:一下|下)?\s*"
        r"(?P<x>[^,，。;；:：]{2,40}?)\s*(?=[,，。;；:：])"
    ),
    re.compile(r"^(?:关于|说到|谈到|提到|说起|提起)\s*(?P<x>[^,，。]{2,30}?)\s*[,，]"),
    re.compile(
        r"(?:this|the|our) (?:note|post|article|paper|section|tutorial)\b[^.]{0,30}?"
        r"(?:introduces?|explains?|describes?|presents?|covers?|discusses|reviews?|is about)\s+"
        r"(?P<x>[^.,;]{3,90})",
        re.IGNORECASE,
    ),
)
_FILLER = re.compile(
    r"^(?:(?:尽管|虽然|对于|关于|所谓的?|广义的?|狭义的?|传统的?|一个?(?:完整|典型|标准|好|简单|通用|比较有意思)的|一[个种类]|"
    r"我们|可以|那么|现在|目前|近年来|近几年|众所周知|一般来说|通常|其实|事实上|最近|如何|什么是|的|了|是|原始的?|"
    r"首先|下面|如下|主要|简单|系统地|详细|特别是|在|把|将|我会|先|来|"
    r"又?比如|又?例如|很多|许多|"
    r"(?:回顾|总结|介绍|梳理|整理|解读|看看?|聊聊|谈谈|讲讲|说说)(?:一下|下)?)\s*)+"
)
_SUBJECT = re.compile(
    r"(?P<x>[^,，。;；:：!?！？]{2,30}?)\s*"
    r"(?:大概|大致|大体|一直|目前|本身|通常|往往|主要|实际上|事实上|基本上|也|都|只|就|还|\s)*"
    r"(?:有着|具有|拥有|存在|一直是|是(?!否)|包含|包括|可以?分[为成]|分[为成]|由来已久|在于|旨在|用于|最早|最初|提出|"
    r"需要|能够|作为|由.{1,12}(?:组成|构成|提出)|有(?:以下|如下|两|三|四|几|很多|一个))"
)
_DIVIDED = re.compile(r"把\s*(?P<x>[^,，。;；]{2,24}?)\s*分[成为]")
_CALLED = re.compile(
    r"(?:叫做?|称(?:为|作|之为)|名为)\s*[“\"‘']?(?P<x>[^,，。;；:：“”\"‘’']{2,40})"
)
_PRONOUN = re.compile(
    r"^(?:它|这|那|该|其|此|我|你|他|她|本文|文章|作者|笔者|论文|大家|人们|两者|二者|前者|后者|上述|以上|以下|如下|"
    r"什么|某|每|有|不|很多|许多|this|these|it|we|our)"
)
_OPENING_QUOTES = "“\"‘'「『"
_CLOSING_QUOTES = "”\"’'」』"


def clean_title(raw: str) -> str:
    """A title on one line, without marks of Markdown, numbers, emoji and quotes around it."""
    title = re.sub(r"\[\s*(?:公式|Math)\s*\]", " ", raw)
    title = " ".join(re.sub(r"\*\*|__|`|~~", "", title).split())
    title = _without_leading(title)
    title = re.sub(r"\[[^\[\]A-Za-z]*\]$|【[^【】]*】$", "", title).strip()
    title = title.strip(" \t,，。;；:：、!！?？-–—·|/")
    if re.fullmatch(r"\[[^\[\]]+\]|\([^()]+\)|（[^（）]+）", title):
        title = title[1:-1].strip()
    if len(title) > 2 and title[0] in _OPENING_QUOTES and title[-1] in _CLOSING_QUOTES:
        title = title[1:-1].strip()
    title = re.sub(r"^[“\"‘']([^“”\"‘’']+)[”\"’'](?=[(（])", r"\1", title)
    return _shortened(title)


def article_title(body: str, kind: DocumentKind) -> str:
    """The title that a Markdown or text file without front matter carries, or nothing.

    A heading of the first level, or one that stands first; else what the rules for
    excerpts find in its beginning.
    """
    if kind == "article":
        found = blocks(body[:20_000])
        headings = [b for b in found if b.kind == "heading"]
        for block in headings:
            title = clean_title(block.title)
            if (block.level == 1 or block is found[0]) and not is_generic(title):
                return title
    else:
        first, _, rest = body[: _HEAD * 4].strip().partition("\n")
        line = clean_title(first)
        if rest and len(first) <= 60 and not _STOPS.search(line) and not is_generic(line):
            return line
    return excerpt_title(_flat(body[: _HEAD * 4]))


def is_generic(title: str) -> bool:
    """Whether a title says nothing: `概述`, `背景`, `是什么`, `Introduction`."""
    return not title.strip() or bool(_GENERIC.fullmatch(title.strip()))


def excerpt_title(text: str) -> str:
    """The title of a text that begins without one; empty only where there are no words."""
    head = _without_preliminaries(text[: _HEAD * 2])[:_HEAD]
    for candidate in _candidates(head):
        title = clean_title(candidate)
        if _acceptable(title):
            return _with_english(title, head)
    return clean_title(_first_clause(head) or text[:40])


def later_headings(text: str) -> list[str]:
    """Headings that run along in the text of an excerpt, in order."""
    numbered, plain = _inner_headings(text)
    titles = [clean_title(run) for run in (*numbered, *plain)]
    return [title for title in titles if _acceptable(title)]


def _candidates(head: str) -> Iterator[str]:
    """What might be the title, the surest first."""
    tight = _is_tight(head)
    if defined := _defined(head, tight):
        yield defined
    if (term := _LEADING_TERM.match(head)) and not _SENTENCE_START.match(head):
        yield term[0]
    sentences = [head[a:b] for a, b in line_sentences(head)]
    if sentences and _QUESTION.fullmatch(sentences[0]):
        yield sentences[0]
    if (heading := _heading(head, tight)) and _fits(heading):
        yield heading
    opening = " ".join(sentences[:2])
    for work in _WORK.finditer(opening):
        yield work[1]
        break
    for paper in _THIS_PAPER.finditer(opening):
        yield paper[1]
    yield from _says_it_is_about(sentences[:6])
    for pattern in (_DIVIDED, _CALLED):
        for match in pattern.finditer(" ".join(sentences[:2])):
            yield _subject(match["x"])
    phrases = telling_phrases(head)
    words = [phrase for phrase, _ in phrases[:6]]
    yield from _subjects(sentences[:1], words)
    if name := _LEADING_NAME.match(head):
        yield name[0]
    numbered, plain = _inner_headings(head)
    yield from numbered
    yield from (p for p, count in phrases[:2] if count > 2 and len(p) > 3 and p in sentences[0])
    yield from plain
    yield from _subjects(sentences[1:2], words)
    if words:
        yield "与".join(words[:2])


# -- the beginning ---------------------------------------------------------------------------


def _flat(text: str) -> str:
    """Markdown as it would stand in a feed: on one line, without marks."""
    text = re.sub(r"^[ \t]*(?:#{1,6}|[-*+>]|\d{1,3}\.)[ \t]+", "", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]\[]*)\]\([^()\s]*\)", r"\1", text)
    return " ".join(re.sub(r"\*\*|__|`", "", text).split())


def _without_leading(text: str) -> str:
    """Without emoji, bullets and numbers before the first word."""
    while True:
        match = _LEADING.match(text)
        if not match or match.end() == 0 or match.end() >= len(text):
            return text
        if match[0][0].isdigit() and not re.match(rf"[{_H}A-Za-z《“\"(（]", text[match.end() :]):
            return text  # `3.5 …`, `2014 2015`: a number that is part of the name
        if match[0].strip().isdigit() and not re.match(rf"[{_H}]", text[match.end() :]):
            return text  # `3 D`, `1 bit`
        text = text[match.end() :]


def _without_preliminaries(text: str) -> str:
    """Without emoji, numbers, addresses, their labels, and headings that say nothing."""
    text = _ADDRESS.sub(" ", text.strip())
    while True:
        before = text
        text = _without_leading(text.lstrip())
        if match := _LABEL.match(text):
            # `论文地址: 代码地址: 前言`: what follows a label is its value only if it is a name.
            text = text[match.end() :]
        if (match := _GENERIC_START.match(text)) and len(text) - match.end() > 4:
            text = text[match.end() :]
        if text == before:
            return text


def _is_tight(text: str) -> bool:
    """Whether Latin words stand in Chinese text without spaces, so that a space means more."""
    touching = len(re.findall(rf"[{_H}][A-Za-z]|[A-Za-z][{_H}]", text))
    spaced = len(re.findall(rf"[{_H}] [A-Za-z]|[A-Za-z] [{_H}]", text))
    return touching >= spaced


def _defined(head: str, tight: bool) -> str:
    """What the first words define: `随机森林 (Random Forests) 是一种…` and the like."""
    for pattern in (_DEFINITION, _COLON_DEFINITION):
        match = pattern.match(head)
        if not match:
            continue
        name = _last_repeated(match["x"].strip())
        runs = list(_runs(name, tight))
        if len(runs) > 1 or _SENTENCE_START.match(_FILLER.sub("", name) or name):
            continue
        if re.search(r"[:：]", name) and pattern is _DEFINITION:
            continue
        return _subject(name)
    return ""


def _last_repeated(name: str) -> str:
    """`A B B` → `B`: a heading and then the subject of the sentence below it."""
    words = name.split()
    for size in range(len(words) // 2, 0, -1):
        if _alike(words[-size:], words[-2 * size : -size]):
            return " ".join(words[-size:])
    return name


def _alike(a: list[str], b: list[str]) -> bool:
    x, y = normalize("".join(a)), normalize("".join(b))
    if x == y or min(len(x), len(y)) < 6:
        return x == y
    # A typing slip: letters swapped, or one of many wrong.
    return sorted(x) == sorted(y) or SequenceMatcher(None, x, y).ratio() >= 0.85


def _runs(text: str, tight: bool) -> Iterator[str]:
    """Runs of a text between spaces that part headings from what follows them.

    Between two Han characters no one writes a space; between Han and Latin some do, so
    that there it depends on the writer's habit.
    """
    start = 0
    for match in re.finditer(r"\s+", text):
        if _parts(text, start, match.start(), match.end(), tight):
            yield text[start : match.start()].strip()
            start = match.end()
    yield text[start:].strip()


def _parts(text: str, start: int, left: int, right: int, tight: bool) -> bool:
    """Whether the space `text[left:right]` ends a heading that began at `start`."""
    if left <= start or right >= len(text):
        return False
    before, after = text[left - 1], text[right]
    han_before = bool(re.match(rf"[{_H}?？！!”’」》】]", before))
    han_after = bool(re.match(rf"[{_H}“‘「《【]", after))
    run = text[start:left]
    latin_run = not re.search(rf"[{_H}]", run)
    if han_before and han_after:
        return True
    if han_after and latin_run:
        # `Kernel Logistic Regression 介绍如何…` but `Normalizing Flow 是…`
        begins = tight or " " in run.strip() or _SENTENCE_START.match(text, right)
        return not _GOES_ON.match(text, right) and bool(begins)
    if before in ")）" and han_after:
        return not _GOES_ON.match(text, right)
    if re.match(r"(?:19|20)\d\d\s?年", text[right:]):
        return True
    if after in "(（[":
        return False
    if han_before and not tight:
        return bool(_HEADING_END.search(run))
    if han_before or han_after:
        return tight
    if latin_run and " " in run and _ENGLISH_START.match(text, right):
        return True
    if latin_run and (word := re.match(rf"([A-Za-z][A-Za-z0-9-]*)\s?[{_H}]", text[right:])):
        return word[1] in run.split()  # `Fast R-CNN R-CNN的…`
    if after.isdigit() and not latin_run:
        return tight
    return False


def _heading(head: str, tight: bool) -> str:
    """A heading at the beginning, told by the space after it."""
    if repeated := _repeated_start(head):
        return repeated
    runs = _runs(head, tight)
    first, rest = next(runs), next(runs, "")
    if not rest or (len(first) < 3 and not re.match(f"[{_H}]", rest)):
        return ""
    if _STOPS.search(first) or re.search(r"[?？:：](?!$)(?![ A-Za-z])|： | - ", first):
        return ""
    if _SENTENCE_START.match(first) or re.search(r"以下|如下|包含|包括|出自|提出了|是一", first):
        return ""
    return first


def _repeated_start(head: str) -> str:
    """`Preformer Performer的…`: a heading of one Latin word that the text takes up.

    Of two spellings the one that the text uses more is right.
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9-]{3,})\s+([A-Za-z][A-Za-z0-9-]{3,})", head)
    if not match or not _alike([match[1]], [match[2]]):
        return ""
    a, b = match.groups()
    return b if head.count(b) > head.count(a) else a


# -- what the text says of itself --------------------------------------------------------------


def _says_it_is_about(sentences: list[str]) -> Iterator[str]:
    for sentence in sentences:
        for pattern in _ABOUT:
            for match in pattern.finditer(sentence):
                yield _subject(match["x"])


def _subject(name: str) -> str:
    """The name itself out of what stands before a verb: `YOLO的核心思想` → `YOLO`."""
    name = _FILLER.sub("", re.sub(r"(?<=[)）])\d{1,2}$", "", name.strip()))
    shorter = _SUBJECT_TAIL.sub("", name).strip()
    name = shorter if len(shorter) > 1 else name
    if _PRONOUN.match(name) or not re.match(r"[\w《“\"(（\\$]", name):
        return ""
    return re.sub(r"(?:也|都|就|还|通常|往往|其实)+$", "", name.strip(" 的"))


def _subjects(sentences: list[str], telling: list[str]) -> Iterator[str]:
    """Subjects of clauses, as far as they hold one of the words that tell."""
    for clause in re.split(r"[,，;；:：]", " ".join(sentences)):
        match = _SUBJECT.match(clause.strip())
        if match:
            name = _subject(match["x"])
            known = any(word in name for word in telling) or is_name(name)
            if known and _columns(name) <= 36 and not _SENTENCE_START.match(name):
                yield name


def _inner_headings(head: str) -> tuple[list[str], list[str]]:
    """Runs between sentences that read like headings: those with a number, and others."""
    tight = _is_tight(head)
    numbered: list[str] = []
    plain: list[str] = []
    for start, _ in line_sentences(head):
        if start == 0:
            continue
        tail = head[start : start + 120]
        runs = _runs(_without_preliminaries(tail), tight)
        first, rest = next(runs), next(runs, "")
        if not rest or _STOPS.search(first) or _SENTENCE_START.match(first):
            continue
        if not re.search(r"[:：]", first):
            (numbered if re.match(_NUMERAL, tail) else plain).append(first)
    after_bracket = rf"[)）]\s+([{_H}][{_H}A-Za-z0-9]{{3,18}})\s+(?=[{_H}])"
    plain.extend(match[1] for match in re.finditer(after_bracket, head))
    return numbered, plain


# -- the last touch ----------------------------------------------------------------------------


def _acceptable(title: str) -> bool:
    if is_generic(title) or _PRONOUN.match(title):
        return False
    if re.search(r"[\\{}^]", title) or title in ("一下", "其它", "其他"):
        return False
    letters = re.findall(rf"[{_H}A-Za-z]", title)
    if len(letters) < 2 or not re.search(rf"[{_H}]{{2}}|[A-Za-z]{{2}}", title):
        return False
    return title.count("(") == title.count(")") and title.count("（") == title.count("）")


def _with_english(title: str, head: str) -> str:
    """`重参数` → `重参数(Reparameterization)` where the text gives the name so."""
    if re.search(r"[A-Za-z]", title) or len(title) > 12:
        return title
    match = re.search(
        rf"(?<![{_H}]){re.escape(title)}\s*[(（]\s*([A-Za-z][A-Za-z .'-]{{2,50}})\s*[)）]", head
    )
    return f"{title}({match[1].strip()})" if match else title


def _first_clause(head: str) -> str:
    """The beginning up to the first mark that lets one breathe."""
    for clause in re.split(r"[,，。;；:：!?！？]", head):
        name = clean_title(_FILLER.sub("", clause.strip()))
        if _acceptable(name):
            return name
    return ""


def _columns(text: str) -> int:
    return sum(2 if char > "\u2e80" else 1 for char in text)


def _most_columns(title: str) -> int:
    return _MOST_COLUMNS if re.search(rf"[{_H}]", title) else _MOST_LATIN_COLUMNS


def _fits(title: str) -> bool:
    return _columns(title) <= _most_columns(title)


def _shortened(title: str) -> str:
    """At most one line: cut at a word, at a mark if there is one."""
    if _fits(title):
        return title
    # The name alone, when it is the English beside it that makes it long.
    if (name := re.sub(r"\s?[(（][^()（）]+[)）]$", "", title)) and _fits(name):
        return name
    most = _most_columns(title)
    kept = ""
    for char in title:
        if _columns(kept + char) > most - 1:
            break
        kept += char
    marks = [m.end() for m in re.finditer(r"[\s,，、:：;；)）]", kept)]
    if marks and marks[-1] > len(kept) // 2:
        kept = kept[: marks[-1]]
    return kept.rstrip(" ,，、:：;；(（") + "…"
