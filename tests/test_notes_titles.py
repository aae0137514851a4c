"""Titles that a person would choose, for texts in the shapes that the feed leaves them in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.notes.titles import article_title, clean_title, excerpt_title, is_generic


@pytest.mark.parametrize(
    ("text", "title"),
    [
        # A heading, and then the text without so much as a line break.
        ("权重归一化的推导 把权重拆成长度和方向,各自求导即可。", "权重归一化的推导"),
        ("摆脱循环的编码器 限制训练速度的是循环结构,去掉它就能并行。", "摆脱循环的编码器"),
        ("如何计算FLOPs 公式一:先数乘法,再数加法,两者相加。", "如何计算FLOPs"),
        ("多标签分类的Sigmoid 2015年ICML两篇论文都用它代替归一化的输出。", "多标签分类的Sigmoid"),
        ("LSTM基本思路 门控问题 LSTM 是循环网络中有代表性的一个。", "LSTM基本思路"),
        ("Support Vector Regression 介绍如何把间隔的想法用到回归上。", "Support Vector Regression"),
        ("Diffusion Models for Audio 连续扩散模型 (Continuous) 可以描述波形。", "Diffusion Models for Audio"),
        ("MAE Masked Autoencoders Are Scalable Vision Learners 论文地址: arxiv.org/abs/2111.06377 遮住图块再还原。",
         "MAE Masked Autoencoders Are Scalable Vision Learners"),
        ("vLLM 源码解析 PagedAttention 把 KV 缓存切成块,按页管理。", "vLLM 源码解析"),
        ("SAM: Segment Anything Model 简介 SAM 是通用的分割模型。", "SAM: Segment Anything Model"),
        # Headings that say nothing are passed over.
        ("概述 知识蒸馏(Knowledge Distillation)是让小模型模仿大模型的方法。", "知识蒸馏(Knowledge Distillation)"),
        ("引言与背景 蒙特卡洛方法(Monte Carlo)是一类靠采样来估计的算法。", "蒙特卡洛方法(Monte Carlo)"),
        ("是什么 欠拟合(underfitting)是指模型在训练集上误差就很大。", "欠拟合(underfitting)"),
        ("补充知识 度量学习 (Metric Learning): 学习样本之间的距离,使同类靠近。", "度量学习 (Metric Learning)"),
        ("背景 本文主要是《Glow: Generative Flow with Invertible Convolutions》一文的笔记。",
         "Glow: Generative Flow with Invertible Convolutions"),
        ("前言 最近在做OCR,用到了CTC损失,这里整理一下CTC的前向后向算法。", "CTC的前向后向算法"),
        ("推导 回顾一下逻辑回归的似然函数,即: [公式] 取对数后求导。", "逻辑回归的似然函数"),
        ("从零说起 隐马尔可夫模型(HMM)就是假设状态只依赖前一个状态。", "隐马尔可夫模型(HMM)"),
        ("简介 承接 Attention Is Not Enough 这篇论文 目的: 分析秩塌缩。", "Attention Is Not Enough"),
        ("简介 一个完整的语音识别系统包含以下几个模块 Acoustic Model: 声学模型", "语音识别系统"),
        # What the sentence is about.
        ("Hinge损失的核心思想就是让正确类的得分高出一个间隔。", "Hinge损失"),
        ("LARS目前是大批量训练的常用优化器。下面梳理一下LARS与LAMB的更新公式。", "LARS与LAMB的更新公式"),
        ("蒸馏温度本身是个超参数,教师的输出除以它再归一化。", "蒸馏温度"),
        ('"Promptfree"(无提示)是一种分割方法,不需要用户点选。', "Promptfree(无提示)"),
        ("Self-Play ,又称为自我博弈,是强化学习里常用的训练方式。", "Self-Play"),
        ("梯度裁剪也称梯度截断,用来防止梯度爆炸。", "梯度裁剪"),
        ("GRU (Gated Recurrent Unit) 是另一种带门的循环单元。", "GRU (Gated Recurrent Unit)"),
        ("Graph Models Label Propagation Label Propagation 是一种基于图的算法。", "Label Propagation"),
        ("如果把近几年语义分割的工作做一下总结,那么语义分割的发展历程大概可以分为三个阶段: 全卷积", "语义分割的发展历程"),
        ("一般来说,我们可以把目标跟踪任务分成两个流派:生成式和判别式。", "目标跟踪"),
        ("关于词向量,我们先从one-hot说起,它两两正交。", "词向量"),
        ("本文介绍贝叶斯优化的基本流程,并给出一个调参的例子。", "贝叶斯优化的基本流程"),
        ("SGD 有一个非常明显的问题:收敛很慢。原因是方差太大。这篇文章将对 SVRG 的理论进行讲解,并实现代码。", "SVRG"),
        ("文章从线性情形出发开始介绍核方法,主要的例子是岭回归。 核方法(Kernel Methods) 实际上是隐式的升维。",
         "核方法(Kernel Methods)"),
        ("通过裁剪和翻转可以扩充数据,许多人也这样做,特别是在图像领域。 1、Mixup(混合增强)[常用] 在分类任务里,按比例混合两张图。",
         "Mixup(混合增强)"),
        # Numbers, emoji, addresses, questions.
        ("215. 数组中的第K个最大元素 题目 给定整数数组,返回第k大的元素。", "数组中的第K个最大元素"),
        ("💡 1. 从Word2Vec到GloVe 作为共现矩阵的分解,GloVe很快。", "从Word2Vec到GloVe"),
        ("3.学习率怎么选? 我们训练时总要先试几个数量级。", "学习率怎么选"),
        ("面试题:为什么LayerNorm更适合NLP? 因为句子长度不一。", "为什么LayerNorm更适合NLP"),
        ("论文地址: 📎 https://arxiv.org/abs/2010.11929 代码地址: 前言 Vision Transformer(ViT)将图像切成小块。",
         "Vision Transformer(ViT)"),
        ("100 天学会强化学习 第一天先看马尔可夫决策过程。", "100 天学会强化学习"),
        # A slip in the heading that the text corrects.
        ("Reofrmer Reformer的出发点还是降低复杂度,Reformer用哈希找近邻。", "Reformer"),
        ("Dropout Dropout在训练时随机丢弃神经元。", "Dropout"),
        # English.
        ("The Annotated Diffusion Model In this post we walk through the code.", "The Annotated Diffusion Model"),
        ("How does BERT work? BERT is a bidirectional encoder.", "How does BERT work"),
    ],
)  # fmt: skip
def test_the_title_of_an_excerpt(text: str, title: str) -> None:
    assert excerpt_title(text) == title


@pytest.mark.parametrize(
    "text",
    [
        "最近,几乎每个新的目标检测框架都在谈锚框,而几年前锚框还没有人用。锚框的大小要靠聚类得到。锚框太多会很慢。",
        "在机器翻译中,长句的效果会变差。原因是编码器要把整句压进定长向量。注意力机制让解码器看到全部状态,注意力机制因此成为标配。",
    ],
)
def test_without_any_sign_the_words_that_are_repeated_make_the_title(text: str) -> None:
    title = excerpt_title(text)
    assert any(name in title for name in ("锚框", "注意力机制"))
    assert len(title) <= 12


@pytest.mark.parametrize(
    ("body", "kind", "title"),
    [
        ("# 批归一化\n\n正文", "article", "批归一化"),
        ("## 1.2 **批**归一化 `BN`\n\n正文", "article", "批归一化 BN"),
        ("一段引言。\n\n# 批归一化\n", "article", "批归一化"),
        (
            "# 概述\n\n## 背景\n\n策略梯度(Policy Gradient)是一类直接优化策略的方法。",
            "article",
            "策略梯度(Policy Gradient)",
        ),
        (
            "层归一化（Layer Normalization）是一种不依赖批次的方法。\n\n## 公式\n\n略",
            "article",
            "层归一化（Layer Normalization）",
        ),
        ("批归一化\n\n对每个小批量做标准化。", "text", "批归一化"),
        ("批归一化笔记\n=====\n\n内容", "article", "批归一化笔记"),
        (
            "概述\n\n标签平滑(Label Smoothing)是一种正则化手段。",
            "text",
            "标签平滑(Label Smoothing)",
        ),
    ],
)
def test_the_title_of_a_file(body: str, kind: str, title: str) -> None:
    assert article_title(body, kind) == title  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "title",
    [
        "概述",
        "简介",
        "背景",
        "是什么",
        "推导",
        "前言",
        "引言与背景",
        "背景和动机",
        "Introduction",
        "从 NLP 入手",
        "",
        "  ",
    ],
)
def test_titles_that_say_nothing(title: str) -> None:
    assert is_generic(title)


@pytest.mark.parametrize("title", ["推导ELBO", "背景减除", "注意力", "概述性统计", "介绍信"])
def test_titles_that_say_something(title: str) -> None:
    assert not is_generic(title)


@given(
    st.text(
        st.one_of(st.sampled_from("深度学习的是 ,。:()《》“”AaBb12.\n[公式]💡"), st.characters()),
        max_size=80,
    )
)
def test_a_title_is_one_clean_line(text: str) -> None:
    for title in (excerpt_title(text), clean_title(text)):
        assert title == " ".join(title.split())
        assert len(title) <= 112


@given(st.text(st.sampled_from("深度学习的是 ,。:()AaBb12."), min_size=1, max_size=60))
def test_the_same_text_has_the_same_title(text: str) -> None:
    assert excerpt_title(text) == excerpt_title(text)
    assert excerpt_title(f"概述 残差连接(Residual)是一种结构。{text}") == "残差连接(Residual)"
