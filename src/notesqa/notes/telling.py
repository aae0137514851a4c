"""The phrases of a short text that tell most of what it is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from notesqa.text.segment import engine

# Nouns that stand in every note: they end a phrase well (`激活函数`) but tell nothing alone.
_COMMON = frozenset(
    "问题 方法 模型 算法 数据 结果 过程 情况 方式 工作 部分 内容 作用 功能 特点 思想 思路 理论 概念 定义 公式 函数 "
    "参数 变量 训练 学习 网络 输入 输出 计算 使用 应用 实现 介绍 分析 研究 论文 文章 作者 本文 时候 方面 效果 性能 "
    "目标 任务 样本 大类 东西 标准 关系 关联 事实 笔者 技术 步骤 状态 条件 系统 结构 层 值 图 式 题 例子 意义 能力 "
    "误差 特征 人员 程度 角度 阶段 大小 数 个数 数量 原因 优点 缺点 区别 知识 基础 领域 形式 单位 位置 信息 类别 "
    "model data method paper".split()
)
_NOT_NAMES = frozenset(
    "the and for with that this are from can not you our was has have will".split()
)
_INSIDE = ("n", "v", "a", "b", "j", "l", "i", "q", "m", "eng", "t", "s", "f")
_LAST = ("n", "vn", "an", "l", "j", "eng", "i")
# Verbs that join clauses rather than name anything.
_VERBS = frozenset(
    "是 有 使 使得 使用 得到 进行 可以 能 需要 希望 包含 返回 出现 存在 表示 完成 得 会 要 能够 称为 叫做 基于 利用 "
    "通过 发现 提出 给定 取值 属于 来自 介绍 获得 选择 采用 考虑 认为 导致 成为 作为 带来 具有 说 看 想 做 用 到".split()
)
# Verbs that end the name of a task.
_TASKS = frozenset(
    "学习 检测 识别 分类 估计 分割 训练 优化 推断 推理 采样 蒸馏 量化 剪枝 匹配 搜索 推荐 翻译 生成 回归 聚类 降维 "
    "归一化 卷积 池化 拟合 检索 对齐 跟踪 重建 编码 解码 压缩 建模 预测 逼近 微调 预训练 增强 搜索 对抗 规划 控制".split()
)
_PLACEHOLDER = re.compile(r"\[\s*(?:公式|Math)\s*\]|\\[A-Za-z]+|https?://\S+")
_LATIN_PHRASE = re.compile(r"[A-Za-z][A-Za-z0-9+-]+(?: [A-Za-z][A-Za-z0-9+-]+){0,3}")
_HAN = re.compile(r"[\u3400-\u9fff]+")


def telling_words(text: str, most: int) -> list[str]:
    """Noun phrases that a text repeats and that are about something.

    Args:
        most: how many at most.

    Returns:
        Phrases as they stand in the text, the most telling first; one that is part of
        another is left out.
    """
    return [phrase for phrase, _ in telling_phrases(text)[:most]]


def telling_phrases(text: str) -> list[tuple[str, int]]:
    """As `telling_words`, all of them, with how often each stands in the text."""
    text = _PLACEHOLDER.sub(" ", text)
    counts: Counter[str] = Counter(
        phrase
        for phrase in _LATIN_PHRASE.findall(text)
        if phrase.lower() not in _NOT_NAMES
        and phrase.lower() not in _COMMON
        and sum(map(str.isalpha, phrase)) > 1
    )
    counts.update(_noun_phrases(text))
    repeated = {phrase: count for phrase, count in counts.items() if count > 1}
    order = sorted(
        repeated, key=lambda phrase: (-repeated[phrase] * _weight(phrase), text.find(phrase))
    )
    chosen: list[tuple[str, int]] = []
    for phrase in order:
        if not any(phrase in other or other in phrase for other, _ in chosen):
            chosen.append((phrase, repeated[phrase]))
    return chosen


def _noun_phrases(text: str) -> Iterator[str]:
    """Every run of two or more words that may be a noun phrase, and every telling noun."""
    cutter = engine()
    for run_text in _HAN.findall(text):
        run: list[tuple[str, str]] = []
        for word, tag in cutter.tag(run_text):
            if tag.startswith(_INSIDE) and word not in _VERBS and tag not in ("vd", "nr1"):
                run.append((word, tag))
            else:
                yield from _parts(run)
                run = []
        yield from _parts(run)


def _parts(run: list[tuple[str, str]]) -> Iterator[str]:
    for start in range(len(run)):
        for end in range(start + 1, min(len(run), start + 4) + 1):
            words = run[start:end]
            last, tag = words[-1]
            phrase = "".join(word for word, _ in words)
            if not (tag.startswith(_LAST) or last in _TASKS):
                continue
            if len(phrase) < 2 or words[0][1][0] in "mqtf":
                continue
            if len(words) == 1 and (last in _COMMON or not tag.startswith("n")):
                continue
            if len(words) > 1 and len(words[0][0]) == 1 and len(phrase) < 4:
                continue
            yield phrase


def is_name(phrase: str) -> bool:
    """Whether a short phrase can be the name of something: nouns and Latin words alone."""
    cutter = engine()
    tagged = [(w, t) for run in _HAN.findall(phrase) for w, t in cutter.tag(run)]
    if not tagged:
        return bool(_LATIN_PHRASE.search(phrase))
    last, tag = tagged[-1]
    return (
        all(t.startswith(("n", "v", "a", "b", "j", "l", "eng")) and w not in _VERBS
            for w, t in tagged)
        and (tag.startswith(_LAST) or last in _TASKS)
        and not (len(tagged) == 1 and last in _COMMON)
    )  # fmt: skip


def _weight(phrase: str) -> float:
    """Longer phrases tell more; two or three Latin letters weigh as one Han character."""
    if _HAN.match(phrase):
        size = float(len(phrase))
    else:
        # A name has capitals or several words; `index` and `token` stand in every note.
        size = (len(phrase) / 2.5 + 1) * (1.0 if " " in phrase or phrase != phrase.lower() else 0.5)
    return float(min(size, 8.0) ** 0.7)
