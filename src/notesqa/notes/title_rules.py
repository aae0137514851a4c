"""The patterns by which titles are found: see `titles` for the order they are tried in."""

from __future__ import annotations

import re

HEAD = 600  # how much of a text may say what it is about
MOST_COLUMNS = 48
MOST_LATIN_COLUMNS = 110

HAN = r"\u3400-\u9fff"
GENERIC_WORDS = (
    "概述|综述|概要|概览|总览|简介|简单介绍|介绍|引言|引子|导言|导读|导论|绪论|序言|前言|序|背景|研究背景|背景介绍|"
    "背景知识|前置知识|预备知识|基础知识|补充知识|相关知识|知识点|相关内容|相关工作|基本概念|基本定义|概念|定义|"
    "问题定义|问题描述|问题引入|问题背景|题目|题目描述|描述|是什么|为什么|怎么做|什么是|推导|理论推导|公式推导|"
    "推导过程|原理|基本原理|算法原理|原理介绍|动机|摘要|总结|小结|正文|目录|内容|内容简介|主要内容|笔记|学习笔记|"
    "论文笔记|读书笔记|写在前面|开始之前|论文|论文信息|论文标题|论文题目|基本信息|说明|前情提要|回顾|思路|基本思路|"
    "基本思想|核心思想|出发点|方法|实验|结论|参考|参考资料|附录|更新|目标函数|函数定义|模型简介|模型介绍|环境准备|准备工作|项目简介|项目背景|项目介绍|本章简介|本节内容|实验结果|数据准备|快速开始|模型结构|网络结构|算法流程|算法步骤|优缺点|优点|缺点|应用|示例|代码|步骤|未命名|无标题|其他|杂谈|随笔|"
    "introduction|abstract|background|overview|summary|preface|preliminar(?:y|ies)|motivation|"
    "related work|conclusions?|notes?|untitled|contents|tl;?dr"
)
NUMERAL = (
    r"(?:\d{1,4}(?:\.\d{1,2})*\s*[.、)）]\s+|"
    r"\d{1,3}(?:\.\d{1,2})*\s+(?![年天个种步篇万亿月日道条问类层位倍])|"
    r"\d{1,4}(?:\.\d{1,2})*[.、)）]\s*(?![\d.])|"
    r"[（(]\d{1,2}[)）]\s*|[一二三四五六七八九十]{1,3}[、.]\s*|"
    r"第[一二三四五六七八九十\d]{1,3}[章节讲课篇部分]+\s*|[①-⑳]\s*)"
)
LEADING = re.compile(rf"(?:[^\w《“\"‘'(（\[【$\\+\-]+|[-*+]+\s+|#+\s*|{NUMERAL})")
LABEL = re.compile(
    r"(?:(?:面试|考|习|思考|问)题?\d{0,3}\s*[:：]\s*)|(?:论文|代码|项目|原文|文章|参考|官方|数据集?|模型|开源|paper|code|github|arxiv|project|demo)"
    r"(?:地址|链接|网址|主页|仓库|题目|标题|名称|来源|出处|page|link|url|title)?\s*[:：]\s*",
    re.IGNORECASE,
)
ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s\u3000-\u303f\u3400-\u9fff，。；）]+|"
    r"(?:arxiv\.org|github\.com|huggingface\.co|openreview\.net)/[^\s\u3000-\u303f\u3400-\u9fff，。；）]+"
)
GENERIC = re.compile(
    rf"(?:(?:{GENERIC_WORDS})(?:[与和及&、/](?:{GENERIC_WORDS}))*"
    rf"|从.{{1,12}}?(?:入手|说起|谈起|讲起|开始)|关于本文|本文(?:内容|结构|目录)?|文章(?:结构|目录))",
    re.IGNORECASE,
)
GENERIC_START = re.compile(rf"(?:{GENERIC.pattern})(?=[\s:：。]|\Z)[\s:：。]*", re.IGNORECASE)

# Words that a sentence begins with and a heading does not.
SENTENCE_START = re.compile(
    r"我们|你|他|它|这|那|该|其中|首先|然后|接着|接下来|最后|通过|如果|假如|假设|当|对于|关于|为了|由于|因为|所以|"
    r"因此|但|而|并|且|虽然|尽管|随着|根据|按照|基于以上|给定|设|令|一般|通常|最近|近[年几日来]|目前|现在|如今|众所周知|"
    r"总的来|总之|简单来?[说讲]|简而言之|换句话|也就是|不得不|值得|需要|可以|在(?!线)|从(?:上|而|此|这)|本[文章篇节次项实案单]|"
    r"文章|笔者|作者|论文|承接|就[像如]|像|既然|严格|除了|同样|类似|每当|有时|注意到|请|让我们|图片来源|上[文面一]|下[文面一]|前[文面]|一个|一种|大家|有些|有人|很多|许多|不少|"
    r"(?:we|this|these|that|in|it|there|given|let|if|when|for|as|to|our|however|recently|suppose)\b",
    re.IGNORECASE,
)
# What goes on with a sentence whose subject is the Latin name before it.
GOES_ON = re.compile(
    r"[是的有在将与和及或也可能又由为把对被使用通过则会都不中里上下等之就从向到以时后前所要][^、]?|"
    r"[,，。.:：;；!?！？)）]"
)
STOPS = re.compile(r"[,，。;；!！]")
DEFINES = (
    r"(?:是(?:另?一[种类个项套篇款门]|指|由|基于|用[来于]|为了|目前|机器|深度|强化|无监督|自监督|有监督|统计|经典)|"
    r"即|又[称叫]|也[称叫]|亦[称即]|简[称记]|全[称名]|泛指|特?指的?是?|就是|实际上是|其实是|本质上?是|可以看[成作]|"
    r"主要?(?:是|用于)|属于|来自于?|(?:is|are) (?:an? |the )|refers? to|stands for|denotes)"
)
DEFINITION = re.compile(
    rf"(?P<x>(?:[^,，。;；!?！？()（）]|[(（][^()（）]{{1,60}}[)）]){{2,90}}?)\s*[,，]?\s*{DEFINES}",
    re.IGNORECASE,
)
COLON_DEFINITION = re.compile(
    rf"(?P<x>[{HAN}A-Za-z][^,，。;；:：!?！？()（）]{{1,30}}\s*[(（][A-Za-z][^()（）]{{2,60}}[)）])\s*[:：]"
)
WORK = re.compile(r"《([^《》\n]{2,160})》")
THIS_PAPER = re.compile(
    r"(?:承接|基于|来自|参考|阅读|解读|读|关于|如|在)?\s*((?:[A-Z][\w'-]*)(?:[ :,-]+[\w'()-]+){1,16}?)\s*"
    r"(?:这|一|该)(?:篇)?(?:论文|文章|文|工作)(?=[\s,，。中里提的])"
)
QUESTION = re.compile(r"[^,，。;；:：\n]{4,40}[?？]")
# A name with its English: the writer introduces it.
LEADING_TERM = re.compile(
    rf"[{HAN}A-Za-z0-9-]{{2,14}}\s?[(（][A-Za-z][A-Za-z0-9 ,，'-]{{2,50}}[)）]"
)
# A Latin name with which a Chinese sentence begins.
LEADING_NAME = re.compile(
    rf"(?:\d?[A-Z][A-Za-z0-9+-]+|[a-z]+[A-Z][A-Za-z0-9]*)(?: [A-Z0-9][A-Za-z0-9+-]*){{0,4}}"
    rf"(?:\s?[(（][A-Za-z0-9 -]{{2,40}}[)）])?(?=\s?[{HAN}])"
)
# What a heading of a chapter ends with, so that a Latin word after it begins a sentence.
HEADING_END = re.compile(
    r"(?:解析|原理|介绍|简介|笔记|详解|网络|模型|算法|方法|实战|入门|教程|综述|推导|总结|对比|比较|实现|作用|思路|"
    r"流程|阅读|解读|理解|分析|机制|结构|应用|技巧|优化|问题|函数|公式|定义|概念|区别|关系|指南|系列)$"
)
ENGLISH_START = re.compile(
    r"(?:In (?:this|recent|the)|This|These|We|It|Here|There|Let|Given|Recent(?:ly)?|As|When|If)\b"
)
SUBJECT_TAIL = re.compile(
    r"(?:任务|的?(?:核心|主要|关键|基本|根本|最大|重要|整体|总体|主流)*的?"
    r"(?:思想|思路|概念|定义|原理|创新点?|出发点|想法|贡献|特点|动机|目标|目的|优势|问题|含义|意思|作用|基础|理论))$"
)
ABOUT = (
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
FILLER = re.compile(
    r"^(?:(?:尽管|虽然|对于|关于|所谓的?|广义的?|狭义的?|传统的?|一个?(?:完整|典型|标准|好|简单|通用|比较有意思)的|一[个种类]|"
    r"我们|可以|那么|现在|目前|近年来|近几年|众所周知|一般来说|通常|其实|事实上|最近|如何|什么是|的|了|是|原始的?|"
    r"首先|下面|如下|主要|简单|系统地|详细|特别是|在|把|将|我会|先|来|"
    r"又?比如|又?例如|很多|许多|"
    r"(?:回顾|总结|介绍|梳理|整理|解读|看看?|聊聊|谈谈|讲讲|说说)(?:一下|下)?)\s*)+"
)
SUBJECT = re.compile(
    r"(?P<x>[^,，。;；:：!?！？]{2,30}?)\s*"
    r"(?:大概|大致|大体|一直|目前|本身|通常|往往|主要|实际上|事实上|基本上|也|都|只|就|还|\s)*"
    r"(?:有着|具有|拥有|存在|一直是|是(?!否)|包含|包括|可以?分[为成]|分[为成]|由来已久|在于|旨在|用于|最早|最初|提出|"
    r"需要|能够|作为|由.{1,12}(?:组成|构成|提出)|有(?:以下|如下|两|三|四|几|很多|一个))"
)
DIVIDED = re.compile(r"把\s*(?P<x>[^,，。;；]{2,24}?)\s*分[成为]")
CALLED = re.compile(r"(?:叫做?|称(?:为|作|之为)|名为)\s*[“\"‘']?(?P<x>[^,，。;；:：“”\"‘’']{2,40})")
PRONOUN = re.compile(
    r"^(?:它|这|那|该|其|此|我|你|他|她|本文|文章|作者|笔者|论文|大家|人们|两者|二者|前者|后者|上述|以上|以下|如下|"
    r"什么|某|每|有|不|很多|许多|this|these|it|we|our)"
)
ENGLISH = re.compile(r"\s*[(（]\s*([A-Za-z][A-Za-z .'-]{2,50})\s*[)）]")
OPENING_QUOTES = "“\"‘'「『"
CLOSING_QUOTES = "”\"’'」』"
