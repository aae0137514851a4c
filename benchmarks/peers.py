"""Rank a set's sections by other people's retrievers. Runs in a Python of their own.

    PEERS_PYTHON -m benchmarks.peers SECTIONS QUESTIONS OUT [PEER…]

`SECTIONS` has one JSON string a line, `QUESTIONS` too. For every peer one line is
written to `OUT`: `{"peer", "index_seconds", "query_ms", "ranks": [[section, …], …]}`
with numbers of lines of `SECTIONS`, or `{"peer", "missing"}` where it is not installed.

Every peer is given its best setting for Chinese that its own interface offers: text
cut by jieba as for search, or character bigrams, and a disjunction of all terms. bm25s
ships 841 Chinese stop words, which take most question words out; it is measured with
and without them, LlamaIndex (which is bm25s inside) with them. Only the standard
library is imported before a peer asks for more, and nothing of notesqa ever.
"""

# The peers are not installed where the types are checked.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

DEPTH = 30
_HAN_OR_WORD = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")
_WORD = re.compile(r"\w")

Search = Callable[[str], list[int]]
"""From a question to numbers of sections, best first, without those that do not match."""


# -- cutting text ------------------------------------------------------------------------


@cache
def _jieba() -> Callable[[str], list[str]]:
    import jieba

    jieba.setLogLevel(60)
    jieba.initialize()

    def cut(text: str) -> list[str]:
        return [t for t in jieba.lcut_for_search(text.lower()) if _WORD.search(t)]

    return cut


@cache
def _rjieba() -> Callable[[str], list[str]]:
    import rjieba

    def cut(text: str) -> list[str]:
        return [t for t in rjieba.cut_for_search(text.lower(), True) if _WORD.search(t)]

    cut("热身")
    return cut


def bigrams(text: str) -> list[str]:
    """Character bigrams of Han runs (a lone character as itself), other words whole."""
    found: list[str] = []
    for run in _HAN_OR_WORD.findall(text.lower()):
        if "\u3400" <= run[0] <= "\u9fff" and len(run) > 1:
            found.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            found.append(run)
    return found


def trigrams(text: str) -> list[str]:
    """The trigrams that SQLite's `trigram` tokenizer makes of every run of a question."""
    found: dict[str, None] = {}
    for run in _HAN_OR_WORD.findall(text.lower()):
        for i in range(len(run) - 2):
            found[run[i : i + 3]] = None
    return list(found)


class Cutting:
    """The sections of one set; each way of cutting them is done once and timed.

    Attributes:
        charged: seconds that were saved because another peer cut them the same way.
    """

    def __init__(self, sections: Sequence[str]) -> None:
        self.sections = sections
        self.charged = 0.0
        self._done: dict[str, tuple[float, list[list[str]]]] = {}

    def by(self, name: str, cut: Callable[[str], list[str]]) -> list[list[str]]:
        """The sections cut by `cut`, which is called `name`."""
        if name in self._done:
            self.charged += self._done[name][0]
        else:
            started = time.perf_counter()
            cut_sections = [cut(text) for text in self.sections]
            self._done[name] = time.perf_counter() - started, cut_sections
        return self._done[name][1]


def _positive(numbers: Any, scores: Any) -> list[int]:
    return [int(n) for n, s in zip(numbers, scores, strict=True) if s > 0]


# -- the peers ---------------------------------------------------------------------------


def _bm25s(tokens: list[list[str]], cut: Callable[[str], list[str]]) -> Search:
    import bm25s

    index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    index.index(tokens, show_progress=False)
    depth = min(DEPTH, len(tokens))
    known = index.vocab_dict

    def search(question: str) -> list[int]:
        terms = [t for t in cut(question) if t in known]
        if not terms:
            return []
        numbers, scores = index.retrieve([terms], k=depth, show_progress=False)
        return _positive(numbers[0], scores[0])

    return search


@cache
def _stop_words() -> frozenset[str]:
    from bm25s.tokenization import STOPWORDS_CHINESE

    return frozenset(STOPWORDS_CHINESE)


def _without_stop_words(cut: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    stop_words = _stop_words()
    return lambda text: [t for t in cut(text) if t not in stop_words]


def bm25s_jieba(cutting: Cutting) -> Search:
    """bm25s over jieba's words."""
    return _bm25s(cutting.by("jieba", _jieba()), _jieba())


def bm25s_jieba_stop_words(cutting: Cutting) -> Search:
    """bm25s over jieba's words, its Chinese stop words left out."""
    cut = _without_stop_words(_jieba())
    return _bm25s(cutting.by("jieba, stop words", cut), cut)


def bm25s_bigrams(cutting: Cutting) -> Search:
    """bm25s over character bigrams."""
    return _bm25s(cutting.by("bigrams", bigrams), bigrams)


def bm25s_bigrams_stop_words(cutting: Cutting) -> Search:
    """bm25s over character bigrams, those that are Chinese stop words left out."""
    cut = _without_stop_words(bigrams)
    return _bm25s(cutting.by("bigrams, stop words", cut), cut)


def rank_bm25_jieba(cutting: Cutting) -> Search:
    """rank_bm25's BM25Okapi over jieba's words."""
    import numpy as np
    from rank_bm25 import BM25Okapi

    cut = _jieba()
    index = BM25Okapi(cutting.by("jieba", cut))

    def search(question: str) -> list[int]:
        scores = index.get_scores(cut(question))
        numbers = np.argsort(-scores, kind="stable")[:DEPTH]
        return _positive(numbers, scores[numbers])

    return search


def _fts5(texts: Sequence[str], tokenizer: str, terms: Callable[[str], list[str]]) -> Search:
    import sqlite3

    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE VIRTUAL TABLE sections USING fts5(text, tokenize='{tokenizer}')")
    database.executemany("INSERT INTO sections (rowid, text) VALUES (?, ?)", enumerate(texts, 1))
    database.commit()

    def search(question: str) -> list[int]:
        query = " OR ".join(f'"{t}"' for t in terms(question))
        if not query:
            return []
        rows = database.execute(
            "SELECT rowid FROM sections WHERE sections MATCH ? ORDER BY rank LIMIT ?",
            [query, DEPTH],
        )
        return [row[0] - 1 for row in rows]

    return search


def fts5_trigram(cutting: Cutting) -> Search:
    """SQLite FTS5 with its trigram tokenizer, any trigram of the question."""
    return _fts5(cutting.sections, "trigram", trigrams)


def fts5_jieba(cutting: Cutting) -> Search:
    """SQLite FTS5 over text that jieba has cut, any word of the question."""
    cut = _jieba()
    texts = [" ".join(tokens) for tokens in cutting.by("jieba", cut)]
    return _fts5(texts, "unicode61", lambda question: list(dict.fromkeys(cut(question))))


def tantivy_rjieba(cutting: Cutting) -> Search:
    """tantivy over text that rjieba has cut."""
    import tantivy

    cut = _rjieba()
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("number", stored=True)
    builder.add_text_field("text", tokenizer_name="cut", index_option="freq")
    schema = builder.build()
    index = tantivy.Index(schema)
    index.register_tokenizer(
        "cut", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    )
    writer = index.writer(num_threads=1)
    for number, tokens in enumerate(cutting.by("rjieba", cut)):
        document = tantivy.Document()
        document.add_unsigned("number", number)
        document.add_text("text", " ".join(tokens))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str) -> list[int]:
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", t))
            for t in cut(question)
        ]
        hits = searcher.search(tantivy.Query.boolean_query(terms), DEPTH).hits if terms else []
        return [searcher.doc(address)["number"][0] for _, address in hits]

    return search


def _txtai(
    texts: Sequence[str], tokenizer: dict[str, Any], prepare: Callable[[str], str]
) -> Search:
    from txtai.scoring import ScoringFactory

    # `cutoff` 0.1 is txtai's own; it makes a term of every tenth section matter less.
    index = ScoringFactory.create({"method": "bm25", "terms": True, "tokenizer": tokenizer})
    index.index((number, text, None) for number, text in enumerate(texts))

    def search(question: str) -> list[int]:
        return [int(number) for number, _ in index.search(prepare(question), DEPTH)]

    return search


def txtai_bigrams(cutting: Cutting) -> Search:
    """txtai's keyword index with its n-gram tokenizer."""
    tokenizer = {"ngrams": {"ngrams": 2, "nmin": 1, "nmax": 2}}
    return _txtai(cutting.sections, tokenizer, lambda question: question)


def txtai_jieba(cutting: Cutting) -> Search:
    """txtai's keyword index over text that jieba has cut, split at white space."""
    cut = _jieba()
    texts = [" ".join(tokens) for tokens in cutting.by("jieba", cut)]
    return _txtai(texts, {"whitespace": True}, lambda question: " ".join(cut(question)))


def llamaindex_jieba_stop_words(cutting: Cutting) -> Search:
    """LlamaIndex's BM25Retriever over text that jieba has cut, with Chinese stop words.

    Its `tokenizer` argument is ignored; the pattern splits at white space.
    """
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    cut = _jieba()
    nodes = [
        TextNode(text=" ".join(tokens), id_=str(number))
        for number, tokens in enumerate(cutting.by("jieba", cut))
    ]
    retriever = BM25Retriever.from_defaults(
        nodes=nodes,
        similarity_top_k=min(DEPTH, len(nodes)),
        skip_stemming=True,
        token_pattern=r"\S+",
        language="zh",
    )

    def search(question: str) -> list[int]:
        found = retriever.retrieve(" ".join(cut(question)))
        return [int(f.node.node_id) for f in found if f.score]

    return search


PEERS: dict[str, Callable[[Cutting], Search]] = {
    "bm25s, jieba": bm25s_jieba,
    "bm25s, jieba, stop words": bm25s_jieba_stop_words,
    "bm25s, bigrams": bm25s_bigrams,
    "bm25s, bigrams, stop words": bm25s_bigrams_stop_words,
    "rank_bm25, jieba": rank_bm25_jieba,
    "SQLite FTS5, trigram": fts5_trigram,
    "SQLite FTS5, jieba": fts5_jieba,
    "tantivy, rjieba": tantivy_rjieba,
    "txtai, 1- and 2-grams": txtai_bigrams,
    "txtai, jieba": txtai_jieba,
    "LlamaIndex BM25, jieba, stop words": llamaindex_jieba_stop_words,
}


def measure(name: str, cutting: Cutting, questions: Sequence[str]) -> dict[str, Any]:
    """Index the sections with one peer and ask it every question."""
    # Imports and dictionaries are start-up, not indexing.
    PEERS[name](Cutting(["热身 warm up"]))("热身")
    cutting.charged = 0.0
    started = time.perf_counter()
    search = PEERS[name](cutting)
    seconds = time.perf_counter() - started + cutting.charged
    search(questions[0])
    times, ranks = [], []
    for question in questions:
        begun = time.perf_counter()
        ranks.append(search(question))
        times.append(time.perf_counter() - begun)
    return {
        "peer": name,
        "index_seconds": seconds,
        "query_ms": 1000 * statistics.median(times),
        "ranks": ranks,
    }


def main(arguments: Sequence[str]) -> int:
    """Measure the peers that are named, or all."""
    sections, questions = (
        [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        for path in arguments[:2]
    )
    cutting = Cutting(sections)
    with Path(arguments[2]).open("w", encoding="utf-8") as out:
        for name in arguments[3:] or PEERS:
            try:
                result = measure(name, cutting, questions)
            except ImportError as error:
                result = {"peer": name, "missing": str(error)}
            out.write(json.dumps(result) + "\n")
            print(f"  {name}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
