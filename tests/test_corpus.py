"""The notes and questions that the repository carries, read as the program reads them."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from notesqa.api import Notes
from notesqa.chunking import chunk
from notesqa.config import Home, Settings
from notesqa.embedding import open_embedder
from notesqa.evaluation import Question, evaluate, load_questions
from notesqa.notes import read_file
from notesqa.records import Document
from notesqa.text.latex import formulas
from notesqa.text.normalize import normalize
from notesqa.tui.mathematics import parses
from tests.fakes import ROOT

CORPUS = ROOT / "corpus"
NOTES = sorted(CORPUS.rglob("*.md"))
QUESTIONS = sorted((ROOT / "benchmarks" / "questions").glob("*.jsonl"))
ASKED = [*QUESTIONS, ROOT / "benchmarks" / "asked-blind.jsonl"]
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
ids = [path.name for path in NOTES]


def front_matter(path: Path) -> dict[str, object]:
    match = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.DOTALL)
    assert match, f"{path.name} has no front matter"
    values = yaml.safe_load(match[1])
    assert isinstance(values, dict)
    return values


def document(path: Path) -> Document:
    (found,) = read_file(path, path.relative_to(ROOT).as_posix()).documents
    return found


def test_there_are_notes_and_questions() -> None:
    assert len(NOTES) >= 40
    assert sum(len(load_questions([path])) for path in QUESTIONS) >= 200


@pytest.mark.parametrize("path", NOTES, ids=ids)
def test_a_note_says_what_it_is(path: Path) -> None:
    values = front_matter(path)
    assert values.keys() == {"title", "date", "tags", "source"}
    found = document(path)
    assert found.title == values["title"]
    assert found.date == str(values["date"])
    assert found.tags == tuple(values["tags"])  # type: ignore[arg-type]
    assert len(found.tags) >= 2
    assert values["source"]
    assert not found.truncated


@pytest.mark.parametrize("path", NOTES, ids=ids)
def test_a_note_is_neither_a_scrap_nor_a_book(path: Path) -> None:
    text = document(path).text
    prose = "".join(text.split())
    assert 800 <= len(prose) <= 3500, len(prose)
    assert len(re.findall(r"^## ", text, re.MULTILINE)) >= 2


@pytest.mark.parametrize("path", NOTES, ids=ids)
def test_every_formula_can_be_drawn(path: Path) -> None:
    for formula in formulas(document(path).text):
        assert parses(formula.body), formula.body


@pytest.mark.parametrize("path", NOTES, ids=ids)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(document(path).text):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).is_file(), target


def test_titles_are_told_apart() -> None:
    titles = Counter(normalize(str(front_matter(path)["title"])) for path in NOTES)
    assert [title for title, count in titles.items() if count > 1] == []


def test_no_passage_is_said_twice() -> None:
    seen: dict[str, str] = {}
    for path in NOTES:
        for paragraph in document(path).text.split("\n\n"):
            packed = "".join(normalize(paragraph).split())
            if len(packed) > 60:
                assert packed not in seen, f"{path.name} and {seen[packed]}: {paragraph[:60]}"
                seen[packed] = path.name


# -- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ASKED, ids=lambda p: p.name)
def test_every_gold_resolves_and_every_answer_is_there(path: Path) -> None:
    texts = {p.relative_to(ROOT).as_posix(): document(p).text for p in NOTES}
    for line in path.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)
        assert raw.keys() <= {"question", "kind", "gold", "answers", "unanswerable", "history"}
        for gold in raw["gold"]:
            source, _, fragment = gold.partition(" :: ")
            assert source in texts, gold
            assert fragment in texts[source], gold
        held = "".join(
            "".join(normalize(texts[g.partition(" :: ")[0]]).split()).replace("-", "")
            for g in raw["gold"]
        )
        for words in raw.get("answers", ()):
            either = [option.replace("\\|", "|") for option in re.split(r"(?<!\\)\|", words)]
            options = ["".join(normalize(o).split()).replace("-", "") for o in either]
            assert any(option in held for option in options), (raw["question"], words)
        assert bool(raw["gold"]) != raw["unanswerable"], raw["question"]


def test_no_question_is_asked_twice() -> None:
    asked = Counter(q.question for path in ASKED for q in load_questions([path]) if not q.history)
    assert [question for question, count in asked.items() if count > 1] == []


# -- end to end, with the embedder that ships ---------------------------------------------------------


@pytest.fixture(scope="module")
def corpus_notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    folder = tmp_path_factory.mktemp("corpus-home")
    shutil.copytree(CORPUS, folder / "corpus")
    with Notes(Home(folder), Settings()) as notes:
        report = notes.index()
        assert report.unread == ()
        assert report.documents == len(NOTES)
        assert report.duplicates == 0
        yield notes


def test_every_passage_fits_the_embedder_and_stands_where_it_says() -> None:
    embedder = open_embedder(Settings().embedding)
    for path in NOTES:
        found = document(path)
        end = 0
        for piece in chunk(found, embedder.count_tokens):
            assert found.text[piece.start : piece.end] == piece.text
            assert not found.text[end : piece.start].strip(), "nothing is left out"
            end = piece.end
        assert not found.text[end:].strip()


def test_the_sample_question_of_make_run(corpus_notes: Notes) -> None:
    answer = corpus_notes.ask("DDIM 为什么比 DDPM 快？", llm=False)
    assert not answer.refused
    assert answer.citations[0].source.startswith("corpus/ddim.md:")


def test_the_questions_find_their_passages(corpus_notes: Notes) -> None:
    """Floors well below what is measured by `make bench`: they catch a break, not a drift."""
    questions: list[Question] = load_questions(QUESTIONS)
    record = evaluate(corpus_notes, questions).record()
    assert record["all"]["recall@10"] >= 0.85, record["all"]
    assert record["all"]["mrr@10"] >= 0.7, record["all"]
    assert record["all"]["refused"] <= 0.1, record["all"]
