"""How well `notesqa.answering.verify` tells what the notes say from what they do not.

    python -m benchmarks.verification              table on the half not calibrated on
    python -m benchmarks.verification --calibrate  scores and thresholds on the other half
    python -m benchmarks.verification --show KIND  the sentences it judged wrongly

Sentences are made from the corpus: true ones (quoted, reworded by rules, reworded by hand),
and false ones made from them: a number changed, a name swapped, a statement negated or
turned round, a sentence of elsewhere, an invention. What is made by hand stands in
`verification.jsonl`. The halves share no note.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notesqa.answering.facts import tokens
from notesqa.answering.verify import Verdict, verify
from notesqa.chunking import chunk
from notesqa.config import EmbeddingSettings
from notesqa.embedding import Embedder, open_embedder
from notesqa.notes import read_file
from notesqa.records import Document, Passage
from notesqa.text.segment import Segmenter
from notesqa.text.sentences import sentences

ROOT = Path(__file__).resolve().parents[1]
BY_HAND = Path(__file__).with_suffix(".jsonl")
TRUE = ("quoted", "reworded", "by hand")


@dataclass(frozen=True, slots=True)
class Case:
    """A sentence, the passage that it cites, and what it is."""

    kind: str
    sentence: str
    passage: Passage
    half: int

    @property
    def true(self) -> bool:
        return self.kind in TRUE


# -- passages -----------------------------------------------------------------------------


def passages_of(document: Document, count: Callable[[str], int]) -> list[Passage]:
    return [
        Passage(
            i + 1, 1.0, c.id, document.id, document.title, str(document.source_at(c.start)),
            " › ".join(c.heading), c.text, c.start, c.end,
        )
        for i, c in enumerate(chunk(document, count))
    ]  # fmt: skip


def usable(text: str) -> list[str]:
    """Sentences of a passage that an answer might give."""
    found = []
    for start, end in sentences(text):
        sentence = re.sub(r"^\s*(?:[-*+]|\d+[.)]|>)\s+", "", text[start:end]).strip()
        if re.match(r"#|\||```|~~~|\$\$|!\[", sentence) or "\n" in sentence:
            continue
        if 14 <= len(sentence) <= 180 and len(re.findall(r"[\u4e00-\u9fff]", sentence)) >= 8:
            found.append(sentence)
    return found


# -- true: reworded by rules -------------------------------------------------------------------

SYNONYMS = [
    ("因此", "所以"), ("所以", "因此"), ("例如", "比如"), ("通常", "一般"), ("使用", "采用"),
    ("采用", "使用"), ("但是", "不过"), ("由于", "因为"), ("因为", "由于"), ("需要", "必须"),
    ("可以", "能够"), ("得到", "获得"), ("容易", "易于"), ("如果", "倘若"), ("以及", "和"),
    ("约为", "大约是"), ("之间", "中间"), ("只有", "仅有"), ("每个", "各个"), ("对应", "相应"),
    ("等价于", "等同于"), ("称为", "叫做"), ("叫", "称作"), ("用于", "用来"), ("主要", "大体上"),
    ("常用", "经常用"), ("提出", "提出了"), ("包括", "包含"), ("分为", "分成"), ("导致", "造成"),
    ("取决于", "由……决定："), ("即", "也就是"), ("而", "，而"), ("相当于", "等于是"), ("直接", "径直"),
    ("同时", "并且"), ("其中", "这里面"), ("减少", "降低"), ("避免", "防止"),
]  # fmt: skip
LEADS = ["根据笔记，", "笔记指出，", "简单来说，", "具体而言，", "也就是说，"]


def reworded(sentence: str, title: str, rng: random.Random) -> str:
    """The same statement in somewhat other words."""
    text = re.sub(r"\*\*(.+?)\*\*", r"\1", sentence)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    if rng.random() < 0.5:
        text = re.sub(r"（[^（）]{0,40}）", "", text)
    swaps = [(a, b) for a, b in SYNONYMS if a in text]
    rng.shuffle(swaps)
    for a, b in swaps[: rng.randint(1, 3)]:
        text = text.replace(a, b, 1)
    text = re.sub(r"(?<!\d)2 倍", "两倍", text)
    if rng.random() < 0.5:
        text = re.sub(r"(?<![\d.\w$\\])(\d+(?:\.\d+)?)%", r"百分之 \1", text)
    if rng.random() < 0.3:
        text = re.sub(r"(?<![\d.,$\\^_{=])([1-9])(\d{3})(?![\d年.,])(?!\s*年)", r"\1,\2", text)
    clauses = re.split(r"(?<=[，；])", text)
    if len(clauses) > 2 and rng.random() < 0.4 and "$" not in text and "`" not in text:
        text = "".join(clauses[: len(clauses) - 1]).rstrip("，；") + "。"
    lead = rng.random()
    if lead < 0.25:
        text = rng.choice(LEADS) + text
    elif lead < 0.35:
        name = re.split(r"[（(：:]", title)[0]
        text = f"在{name}里，{text}"
    return text


# -- false ------------------------------------------------------------------------------------


def number_changed(sentence: str, passage: Passage, rng: random.Random) -> str | None:
    """One number changed, half the time to another one of the same passage."""
    places: list[re.Match[str]] = [
        m for m in re.finditer(r"(?<![\w.,\\^_{$])\d+(?:,\d{3}(?!\d))*(?:\.\d+)?(?![\w.]*\})", sentence)
        if not re.match(r"\s*[.)、]", sentence[m.end() :]) or m.start() > 2
    ]  # fmt: skip
    if not places:
        return None
    place = rng.choice(places)
    old: str = place[0]
    others = sorted(
        {n for n in re.findall(r"(?<![\w.,\\])\d+(?:\.\d+)?", passage.text) if n != old}
    )
    others = [n for n in others if n not in sentence]
    if others and rng.random() < 0.5:
        new: str = rng.choice(others)
    else:
        value = float(old.replace(",", ""))
        factor = rng.choice([0.5, 2, 1.1, 0.9, 10, 3])
        changed = value * factor if value else 4.0
        new = f"{changed:.{len(old.partition('.')[2])}f}" if "." in old else str(round(changed))
        if new == old or float(new) == value:
            new = str(int(value) + rng.randint(1, 7))
    return sentence[: place.start()] + new + sentence[place.end() :]


def name_swapped(
    sentence: str, near: Sequence[str], far: Sequence[str], rng: random.Random
) -> str | None:
    """One Latin name swapped, half the time for another one of the same note."""
    places = list(re.finditer(r"(?<![\\\w$`])[A-Z][A-Za-z0-9-]{1,}(?![\w}$`])", sentence))
    if not places:
        return None
    place = rng.choice(places)
    pool = [n for n in (near if rng.random() < 0.5 else far) if n.lower() not in sentence.lower()]
    pool = [n for n in pool if place[0].lower() not in n.lower()]
    if not pool:
        return None
    return sentence[: place.start()] + rng.choice(pool) + sentence[place.end() :]


NEGATE = [
    (r"(?<![不没还但可总就只或若])是(?![否非])", "不是"), (r"(?<![不])能(?![力量耗])", "不能"), (r"(?<!不)可以", "不可以"),
    (r"(?<![不无])需要", "不需要"), (r"(?<!不)会(?=[把使让被导])", "不会"), (r"(?<![没只所])有(?=[一两三四五六七八九十\d更助])", "没有"),
    (r"(?<!不)等于", "不等于"), (r"(?<!不)等价于", "不等价于"), (r"(?<!不)依赖", "不依赖"), (r"(?<!不)属于", "不属于"),
    (r"(?<!不)适合", "不适合"), (r"(?<!不)要(?=[求用先把])", "不要"), (r"不能(?!说)", "能"), (r"不再", ""), (r"没有(?!直接)", "有"),
    (r"不会", "会"), (r"不需要", "需要"), (r"不是(?!很)", "是"), (r"无需", "需要"), (r"只(?=[用要有能])", "不只"),
]  # fmt: skip
TURN = [
    ("提高", "降低"), ("降低", "提高"), ("增加", "减少"), ("减少", "增加"), ("增大", "减小"), ("减小", "增大"),
    ("更快", "更慢"), ("更慢", "更快"), ("更好", "更差"), ("更差", "更好"), ("大于", "小于"), ("小于", "大于"),
    ("最大", "最小"), ("最小", "最大"), ("高于", "低于"), ("低于", "高于"), ("较大", "较小"), ("较小", "较大"),
    ("优于", "劣于"), ("容易", "难以"), ("上升", "下降"), ("下降", "上升"), ("更多", "更少"), ("更大", "更小"), ("更小", "更大"),
]  # fmt: skip


def negated(sentence: str, rng: random.Random) -> str | None:
    options = [(m, b) for a, b in NEGATE for m in re.finditer(a, sentence)]
    if not options:
        return None
    place, new = rng.choice(options)
    return sentence[: place.start()] + new + sentence[place.end() :]


def turned(sentence: str, rng: random.Random) -> str | None:
    options = [(a, b) for a, b in TURN if a in sentence]
    if not options:
        return None
    a, b = rng.choice(options)
    return sentence.replace(a, b, 1)


INVENTED = [
    "{t}最早由一家芯片公司的研究团队提出，后来被广泛用于语音合成。",
    "{t}的主要缺点是训练时需要人工逐条标注难样本。",
    "工业界普遍认为{t}已经被淘汰，新系统里很少再见到它。",
    "{t}在移动端部署时要先做剪枝，再转成整数运算。",
    "{t}的收敛性可以用鞅的停时定理严格证明。",
    "使用{t}之前必须对每个特征做对数变换。",
    "{t}对学习率极其敏感，稍大一点就会发散。",
    "{t}的灵感来自人类视网膜的分层结构。",
    "{t}只能处理长度固定的输入，遇到更长的序列要先截断。",
    "与其他方法相比，{t}最大的优势是完全不需要显存。",
    "{t}通常和遗传算法一起使用，以搜索最优的网络结构。",
    "许多教科书把{t}归入无监督聚类的范畴。",
    "{t}的作者后来在一次访谈里承认原始实验有误。",
    "在医疗影像领域，{t}已经获得监管机构的批准。",
    "{t}要求训练数据严格服从均匀分布。",
    "{t}的推理速度取决于磁盘的读写带宽。",
    "如果类别不均衡，{t}会自动对少数类做过采样。",
    "{t}输出的结果还要经过一次维特比解码才能使用。",
    "{t}可以看作一种特殊的卡尔曼滤波。",
    "{t}的开源实现采用了双重许可证，商用需要付费。",
]


# -- the set ---------------------------------------------------------------------------------


def cases(count: Callable[[str], int], seed: int = 7) -> Iterator[Case]:
    """All cases; the same ones every time."""
    rng = random.Random(seed)
    corpus = ROOT / "corpus"
    documents = [
        d for path in sorted(corpus.glob("*.md"))
        for d in read_file(path, f"corpus/{path.name}").documents
    ]  # fmt: skip
    chunks = {d.id: passages_of(d, count) for d in documents}
    names = {
        d.id: sorted(
            {m for m in re.findall(r"(?<![\\\w])[A-Z][A-Za-z0-9-]{1,}", d.text) if len(m) < 16}
        )
        for d in documents
    }
    everywhere = sorted({n for row in names.values() for n in row})
    for index, document in enumerate(documents):
        half = index % 2
        passages = chunks[document.id]
        said = [(s, p) for p in passages for s in usable(p.text)]
        rng.shuffle(said)
        title = re.split(r"[（(：:]", document.title)[0].strip()

        def put(
            kind: str, sentence: str | None, passage: Passage, half: int = half
        ) -> Iterator[Case]:
            if sentence:
                yield Case(kind, sentence, passage, half)

        for sentence, passage in said[:4]:
            yield from put("quoted", sentence, passage)
        for sentence, passage in said[4:14]:
            new = reworded(sentence, document.title, rng)
            if len(tokens(new)) >= 5:
                yield from put("reworded", new, passage)
        made = dict.fromkeys(("number", "name", "negated", "turned"), 0)
        for sentence, passage in said:
            base = reworded(sentence, document.title, rng) if rng.random() < 0.5 else sentence
            for kind, changed in (
                ("number", number_changed(base, passage, rng)),
                ("name", name_swapped(base, names[document.id], everywhere, rng)),
                ("negated", negated(base, rng)),
                ("turned", turned(base, rng)),
            ):
                if changed and made[kind] < 5:
                    made[kind] += 1
                    yield from put(kind, changed, passage)
        for _ in range(3):
            other = rng.choice([d for d in documents if d.id != document.id])
            pool = [s for p in chunks[other.id] for s in usable(p.text)]
            if pool:
                yield from put("another note", rng.choice(pool), rng.choice(passages))
        if len(passages) > 1:
            for _ in range(2):
                here, there = rng.sample(passages, 2)
                if pool := usable(there.text):
                    yield from put("another passage", rng.choice(pool), here)
        for template in rng.sample(INVENTED, 3):
            yield from put("invented", template.format(t=title), rng.choice(passages))
    yield from by_hand(documents, chunks)


def by_hand(documents: Sequence[Document], chunks: dict[str, list[Passage]]) -> Iterator[Case]:
    """What was worded by hand; each row names a fragment of the passage that it cites."""
    if not BY_HAND.exists():
        return
    order = {d.sources[0].path: i for i, d in enumerate(documents)}
    for line in BY_HAND.read_text("utf-8").splitlines():
        row = json.loads(line)
        index = order[row["source"]]
        passage = next(p for p in chunks[documents[index].id] if row["fragment"] in p.text)
        yield Case("by hand", row["true"], passage, index % 2)
        for kind in ("number", "name", "negated", "invented"):
            if kind in row:
                yield Case(f"{kind} (by hand)", row[kind], passage, index % 2)


# -- measuring ---------------------------------------------------------------------------------


def judged(rows: Sequence[Case], segmenter: Segmenter, embedder: Embedder | None) -> list[Verdict]:
    return [
        verify(case.sentence, [case.passage], segmenter=segmenter, embedder=embedder)
        for case in rows
    ]


def table(rows: Sequence[Case], verdicts: Sequence[Verdict]) -> str:
    """Recall by kind, and precision of "not supported" over all."""
    lines = ["| kind | sentences | marked | share |", "|---|---:|---:|---:|"]
    kinds = list(dict.fromkeys([*TRUE, *sorted({c.kind for c in rows})]))
    for kind in kinds:
        mine = [v for c, v in zip(rows, verdicts, strict=True) if c.kind == kind]
        if mine:
            marked = sum(not v.supported for v in mine)
            lines.append(f"| {kind} | {len(mine)} | {marked} | {marked / len(mine):.3f} |")
    pairs = list(zip(rows, verdicts, strict=True))
    marked_false = sum(not v.supported for c, v in pairs if not c.true)
    marked_true = sum(not v.supported for c, v in pairs if c.true)
    false, true = sum(not c.true for c in rows), sum(c.true for c in rows)
    lines.append(f"| all true | {true} | {marked_true} | {marked_true / true:.3f} |")
    lines.append(f"| all false | {false} | {marked_false} | {marked_false / false:.3f} |")
    precision = marked_false / ((marked_false + marked_true) or 1)
    lines.append(f"\nprecision of a mark {precision:.3f}, recall {marked_false / false:.3f}")
    return "\n".join(lines)


def calibration(rows: Sequence[Case], verdicts: Sequence[Verdict]) -> str:
    """How many true and false sentences each threshold of the score would let pass."""
    true = sorted(v.score for c, v in zip(rows, verdicts, strict=True) if c.true)
    other = sorted(
        v.score
        for c, v in zip(rows, verdicts, strict=True)
        if c.kind.startswith(("another", "invented"))
    )
    lines = ["threshold  true below  false above"]
    for step in range(20, 90, 5):
        t = step / 100
        low = sum(s < t for s in true) / len(true)
        high = sum(s >= t for s in other) / len(other)
        lines.append(f"{t:9.2f}  {low:10.3f}  {high:11.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--show", default="", metavar="KIND")
    parser.add_argument("--no-embedder", action="store_true")
    args = parser.parse_args()
    embedder = open_embedder(EmbeddingSettings())
    rows = [c for c in cases(embedder.count_tokens) if c.half == (0 if args.calibrate else 1)]
    verdicts = judged(rows, Segmenter(), None if args.no_embedder else embedder)
    if args.show:
        for case, verdict in zip(rows, verdicts, strict=True):
            wrong = verdict.supported != case.true
            if wrong and (case.kind.startswith(args.show) or args.show == "all"):
                print(f"[{case.kind}] {verdict.score:.2f} {verdict.reason}\n  {case.sentence}")
                print(f"  {case.passage.source} {case.passage.heading}")
                if verdict.quote:
                    quote = case.passage.text[verdict.quote[1] : verdict.quote[2]]
                    print(f"  » {quote}\n")
        return
    half = "calibration" if args.calibrate else "test"
    print(f"{len(rows)} sentences of the {half} half\n")
    print(table(rows, verdicts))
    if args.calibrate:
        print("\n" + calibration(rows, verdicts))


if __name__ == "__main__":
    main()
