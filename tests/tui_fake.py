"""A `Notes` in memory with the interface of `notesqa.api.Notes`, the same every time.

For the tests and pictures of the terminal UI: small notes, quick searches, answers
that can be held back, rebuilds that can be held at a stage.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from notesqa.answering.events import AnswerEvent, Delta, Finished, Found
from notesqa.api import SavedTurn, Status
from notesqa.config import Home, Settings
from notesqa.errors import Cancelled, CatalogError
from notesqa.notes.watching import signature
from notesqa.records import Answer, Citation, Document, Passage, Sentence, Source, Turn
from notesqa.reports import ConversationInfo, DocumentInfo, IndexEvent, IndexReport, Pending
from notesqa.text.segment import Segmenter

L1 = """L1 正则化在损失上加权重绝对值之和，也叫 Lasso。

## 贝叶斯角度

把权重看成随机变量，**L1 正则化等价于拉普拉斯先验**，L2 正则化等价于高斯先验。设先验为 $p(w)=\\frac{1}{2b}e^{-|w|/b}$，最大后验估计是

$$
\\hat w=\\arg\\max_w \\sum_{i=1}^{n}\\log p(y_i\\mid x_i,w)-\\frac{1}{b}\\sum_j|w_j|
$$

于是 $\\lambda=\\frac{1}{b}$：先验越窄，正则化越强。

## 稀疏性

L1 的等值线是菱形，角在坐标轴上，最优点容易落在轴上，所以解是稀疏的。另见 [过拟合](overfitting.md)。

| 方法 | 惩罚项 | 先验 | 稀疏 |
|---|---|---|:-:|
| Lasso | $\\lambda\\|w\\|_1$ | 拉普拉斯 | 是 |
| Ridge | $\\lambda\\|w\\|_2^2$ | 高斯 | 否 |

```python
def soft_threshold(w: float, t: float) -> float:
    # 近端算子：把小的权重压到零
    return max(abs(w) - t, 0.0) * (1 if w > 0 else -1)
```

- 坐标下降：一次只动一个权重。
- 近端梯度：先走梯度，再做软阈值。
"""
OVERFITTING = """模型在训练集上很好、在新数据上变差，叫过拟合。

## 怎么办

1. 更多的数据。
2. 正则化：见 [L1 与 L2 正则化](regularization.md)。
3. 早停：验证集上的误差不再下降时就停。

> 过拟合不是模型太大，而是相对于数据太自由。
"""
DDIM = """DDIM 用非马尔可夫的推断过程，采样可以跳步，所以比 DDPM 快 10 到 50 倍。

## 采样

反向一步为 $x_{t-1}=\\sqrt{\\bar\\alpha_{t-1}}\\,\\hat x_0+\\sqrt{1-\\bar\\alpha_{t-1}-\\sigma_t^2}\\,\\varepsilon_\\theta+\\sigma_t z$。当 $\\eta=0$ 时随机项消失，采样是确定的。
"""
DEEPFACE = (
    "DeepFace 用 4.4M 张图训练，6 层 CNN，4096 维特征，4030 类 Softmax，"
    "在 LFW 上的准确率是 97.35%。DeepID 用更多的小块，把准确率提高到 97.45%..."
)
HOSTILE = (
    "标题\x1b]0;你被骗了\x07 与 [bold red]标记[/] 和 \x1b[31m红色\x1b[0m，"
    "反向\u202e字序\u202c，零\u200b宽\u200d字符，堆叠Z\u0337\u0322\u0300\u0301\u0302\u0303。"
    + "无尽" * 3000
    + "\n\n[@click=app.quit]点我[/] {{模板}} \\[ \\undefinedmacro{x} \\] 末尾"
)


def _document(name: str, title: str, text: str, kind: str, **more: Any) -> Document:
    suffix = "txt" if kind == "excerpt" else "md"
    sources = more.pop("sources", (Source(f"corpus/{name}.{suffix}", 6),))
    return Document(name, title, text, kind, sources, **more)  # type: ignore[arg-type]


DOCUMENTS = (
    _document(
        "regularization",
        "L1 与 L2 正则化",
        L1,
        "article",
        date="2024-03-02",
        tags=("正则化", "先验"),
    ),
    _document("overfitting", "过拟合", OVERFITTING, "article", date="2024-02-11"),
    _document("ddim", "DDIM", DDIM, "article", date="2024-01-20", tags=("扩散模型",)),
    _document(
        "deepface",
        "DeepFace 与 DeepID",
        DEEPFACE,
        "excerpt",
        truncated=True,
        sources=(Source("corpus/000.txt", 5), Source("corpus/001.txt", 9)),
    ),
)


class FakeNotes:
    """As `notesqa.api.Notes`, without engines."""

    def __init__(
        self,
        home: Path,
        settings: Settings | None = None,
        documents: Sequence[Document] = DOCUMENTS,
    ) -> None:
        self.home = Home(home)
        self.settings = settings or Settings()
        self.store = {d.id: d for d in documents}
        self.commit = 3 if documents else 0
        self.pending = Pending()
        self.remarks: tuple[tuple[str, str], ...] = ()
        self.outdated = False
        self.held = threading.Event()  # answers wait for it
        self.held.set()
        self.gate = threading.Event()  # rebuilds wait for it, in the middle
        self.gate.set()
        self.arriving: list[Document] = []
        self.reply = ""  # what a model would write; without it answers are extracts
        self.kept: dict[int, tuple[str, list[Answer]]] = {}
        self.deleted: set[int] = set()
        self.changed: tuple[int, ...] = ()  # citations whose notes are others now
        self.changing: tuple[int, ...] = ()  # the same, from the next rebuild on
        self.searches: list[str] = []
        self._segmenter = Segmenter()

    # -- index -------------------------------------------------------------------

    def status(self) -> Status:
        documents = len(self.store)
        return Status(
            home=str(self.home.path),
            files=documents,
            documents=documents,
            duplicates=1,
            chunks=documents * 3,
            commit=self.commit,
            embedder="builtin-1",
            unread=(),
            followers={
                "lexical": {"commit": self.commit},
                "vectors": {"commit": self.commit, "device": "cpu"},
            },
            pending=self.pending,
            remarks=self.remarks,
            outdated=self.outdated,
        )

    def index(
        self,
        paths: Sequence[Path] = (),
        *,
        full: bool = False,
        on_event: Callable[[IndexEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> IndexReport:
        tell = on_event or (lambda event: None)
        tell(IndexEvent("scan", 4, 4))
        tell(IndexEvent("embed", 30, 120))
        while not self.gate.wait(0.02):
            if cancel is not None and cancel.is_set():
                raise Cancelled("the rebuild was cancelled")
        if paths and not self.arriving:
            self.arriving = list(DOCUMENTS)
        new = [d for d in self.arriving if d.id not in self.store]
        self.store |= {d.id: d for d in self.arriving}
        self.arriving = []
        self.commit += bool(new)
        self.pending = Pending()
        self.changed, self.changing = self.changing or self.changed, ()
        return IndexReport(
            commit=self.commit,
            changed=bool(new),
            files=len(self.store),
            documents=len(self.store),
            chunks=3 * len(self.store),
            duplicates=1,
            added=len(new),
            removed=0,
            updated=0,
            replaced=(("超多分类的Softmax", "DeepFace 与 DeepID"),) if new else (),
            new_titles=tuple(d.title for d in new),
            copied=(),
            unread=(("corpus/bad.txt", "binary file"),) if new else (),
            failed=(),
            embedded=3 * len(new),
            seconds=1.2,
        )

    # -- searching -----------------------------------------------------------------

    def _need(self) -> None:
        if not self.store:
            raise CatalogError("there is no index yet", "build it: notesqa index")

    def search(
        self,
        query: str,
        k: int | None = None,
        *,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        after: object = None,
        before: object = None,
    ) -> list[Passage]:
        self._need()
        self.searches.append(query)
        found: list[Passage] = []
        grams = {query[i : i + 2].lower() for i in range(max(1, len(query) - 1))}
        for document in self.store.values():
            if tags and not set(tags) & set(document.tags):
                continue
            if sources and not any(fnmatchcase(document.sources[0].path, g) for g in sources):
                continue
            at = 0
            for part in document.text.split("\n\n"):
                start = document.text.index(part, at)
                at = start + len(part)
                score = sum(part.lower().count(g) for g in grams) / len(grams)
                if score > 0 and not part.startswith("##"):
                    found.append(self._passage(document, start, at, score))
        found.sort(key=lambda p: (-p.score, p.document_id, p.start))
        return [dataclasses.replace(p, rank=i + 1) for i, p in enumerate(found[: k or 8])]

    def newest(
        self,
        k: int | None = None,
        *,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        after: str | None = None,
        before: str | None = None,
    ) -> list[Passage]:
        self._need()
        met = [
            d
            for d in self.store.values()
            if set(tags) <= set(d.tags)
            and (after or "") <= (d.date or "") <= (before or "9")
            and (not sources or any(fnmatchcase(d.sources[0].path, glob) for glob in sources))
        ]
        met.sort(key=lambda d: d.date or "", reverse=True)
        return [
            dataclasses.replace(self._passage(d, 0, (d.text + "\n\n").find("\n\n"), 0.0), rank=n)
            for n, d in enumerate(met[: k or 8], 1)
        ]

    def _passage(self, document: Document, start: int, end: int, score: float) -> Passage:
        heading = document.text.rfind("\n## ", 0, start)
        line = document.text[heading + 4 :].partition("\n")[0] if heading >= 0 else ""
        return Passage(
            rank=1,
            score=round(score, 3),
            chunk_id=f"{document.id}-{start}",
            document_id=document.id,
            title=document.title,
            source=str(document.source_at(start)),
            heading=line,
            text=document.text[start:end],
            start=start,
            end=end,
            scores={"bm25": round(score / 2, 3), "cosine": round(score / 2, 3)},
            date=document.date,
            tags=document.tags,
        )

    def words(self, text: str) -> list[str]:
        return self._segmenter.words(text)

    def signature(self) -> int:
        return hash((signature(self.home.corpus), self.commit))

    def document(self, document_id: str) -> Document:
        if document_id not in self.store:
            raise CatalogError(f"no document {document_id}", "it may have been removed")
        return self.store[document_id]

    def documents(self) -> list[DocumentInfo]:
        return [
            DocumentInfo(
                d.id,
                d.title,
                d.kind,
                d.date,
                d.tags,
                tuple(map(str, d.sources)),
                d.truncated,
                len(d.text),
            )
            for d in sorted(self.store.values(), key=lambda d: d.title)
        ]

    # -- answering -------------------------------------------------------------------

    def stream(
        self,
        question: str,
        *,
        k: int = 8,
        llm: bool = True,
        history: Sequence[Turn] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[AnswerEvent]:
        passages = tuple(self.search(question, k))
        yield Found(question, passages)
        reply = self.reply if llm else ""
        for start in range(0, len(reply), 8):
            if cancel is not None and cancel.is_set():
                break
            yield Delta(reply[start : start + 8])
            while not self.held.wait(0.02):
                if cancel is not None and cancel.is_set():
                    break
        stopped = cancel is not None and cancel.is_set()
        yield Finished(self._answer(question, passages, stopped, bool(reply)))

    def _answer(
        self, question: str, passages: tuple[Passage, ...], stopped: bool, model: bool
    ) -> Answer:
        best = [p for p in passages if p.score >= 0.25][:2]
        engine = "tiny.gguf" if model else "extractive"
        seconds = {"search": 0.01, "answer": 0.02, "total": 0.03}
        if not best:
            sentence = Sentence("笔记里没有说。", ())
            return Answer(question, (sentence,), (), True, engine, seconds, passages=passages)
        citations: list[Citation] = []
        sentences: list[Sentence] = []
        for n, passage in enumerate(best, 1):
            end = passage.text.find("。")
            quote = passage.text[: end + 1] if end >= 0 else passage.text
            stop = passage.start + len(quote)
            citations.append(
                Citation(
                    n,
                    passage.chunk_id,
                    passage.document_id,
                    passage.title,
                    passage.source,
                    quote,
                    passage.start,
                    stop,
                )
            )
            sentences.append(Sentence(quote, (n,)))
        if model:
            sentences.append(Sentence("它把误差降低了 42%。", (1,), False, "42% 不在引文里"))
        return Answer(
            question,
            tuple(sentences),
            tuple(citations),
            False,
            engine,
            seconds,
            stopped=stopped,
            passages=passages,
        )

    def chat_model(self) -> None:
        return None

    def use_settings(self, settings: Settings) -> None:
        self.settings = settings

    # -- conversations -----------------------------------------------------------------

    def conversations(self, query: str = "") -> list[ConversationInfo]:
        found = [
            ConversationInfo(
                key, title, "2026-11-20T09:00:00Z", f"2026-11-20T09:{key:02d}:00Z", len(answers)
            )
            for key, (title, answers) in self.kept.items()
            if key not in self.deleted and query in title
        ]
        return sorted(found, key=lambda info: -info.id)

    def conversation(self, conversation_id: int) -> list[SavedTurn]:
        return [
            SavedTurn("2026-11-20T09:00:00Z", answer, self.changed)
            for answer in self.kept[conversation_id][1]
        ]

    def save_turn(self, conversation_id: int | None, answer: Answer) -> int:
        if conversation_id is None:
            conversation_id = max(self.kept, default=0) + 1
            self.kept[conversation_id] = (answer.question, [])
        self.kept[conversation_id][1].append(answer)
        return conversation_id

    def name_conversation(self, conversation_id: int, question: str) -> None:
        """No model is loaded: the rule's title stays."""

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        self.kept[conversation_id] = (title, self.kept[conversation_id][1])

    def delete_conversation(self, conversation_id: int) -> None:
        self.deleted.add(conversation_id)

    def restore_conversation(self, conversation_id: int) -> None:
        self.deleted.discard(conversation_id)

    def close(self) -> None:
        """Nothing is open."""
