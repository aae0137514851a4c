"""Follow-ups that say less than they ask: 要不要加锁 after a question about a cache, and 还有呢."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notesqa.answering.ellipsis import asked_again, asks_for_more
from notesqa.answering.events import Found
from notesqa.answering.refusal import NO_MORE_ZH, REFUSAL_ZH
from notesqa.api import Notes
from notesqa.config import Home, Settings
from notesqa.records import Answer, Citation, Sentence, Turn

CACHE = """# 布谷缓存

布谷缓存是一种按次数淘汰的缓存，写入时先查两张表。

布谷缓存的读取不用加锁，写入才要加锁；加锁的粒度是一个桶。

布谷缓存有这些淘汰办法：

- 按次数淘汰最少用的。
- 按时间淘汰最久不用的。

布谷缓存的淘汰办法还可以随机抽样，省下排序的开销。

桶的默认大小是 64 项，一般占三页内存。
"""
QUEUE = """# 山雀队列

山雀队列把任务排成一行，入队要加锁，出队也要加锁。

山雀队列的消息最多保留 7 天。
"""
SOUP = """# 番茄汤

番茄汤先炒番茄再加水，小火煮二十分钟。
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    folder = tmp_path_factory.mktemp("talk")
    (folder / "corpus").mkdir()
    for name, text in (("cache.md", CACHE), ("queue.md", QUEUE), ("soup.md", SOUP)):
        (folder / "corpus" / name).write_text(text, encoding="utf-8")
    with Notes(Home(folder), Settings()) as notes:
        notes.index()
        yield notes


def said(talk: Notes, *questions: str) -> Answer:
    """The answer to the last of some questions that follow one another."""
    history: list[Turn] = []
    for question in questions:
        answer = talk.ask(question, llm=False, history=history)
        history.append(Turn(question, answer))
    return answer


def quotes(answer: Answer) -> str:
    return "".join(citation.quote for citation in answer.citations)


def test_a_short_question_is_about_the_matter_of_the_talk(talk: Notes) -> None:
    assert "粒度是一个桶" in quotes(said(talk, "什么是布谷缓存？", "读取要加锁吗"))
    answer = said(talk, "什么是布谷缓存？", "默认大小一般多少")
    assert "64 项" in quotes(answer) and not answer.nearest


def test_the_wording_that_was_searched_for_is_told(talk: Notes) -> None:
    before = Turn("什么是布谷缓存？", said(talk, "什么是布谷缓存？"))
    events = talk.stream("要加锁吗", llm=False, history=[before])
    found = next(event for event in events if isinstance(event, Found))
    assert found.question == "布谷缓存：要加锁吗"
    assert said(talk, "什么是布谷缓存？", "要加锁吗").question == "要加锁吗"


@pytest.mark.parametrize("question", ["番茄汤要煮多久", "什么是番茄汤", "山雀队列最多保留几天"])
def test_what_has_a_matter_of_its_own_changes_the_talk(talk: Notes, question: str) -> None:
    alone = talk.ask(question, llm=False)
    assert said(talk, "什么是布谷缓存？", question).text == alone.text


@pytest.mark.parametrize("question", ["谁发明了电灯", "今天下雨吗"])
def test_what_the_notes_do_not_say_they_do_not_say_of_the_matter(
    talk: Notes, question: str
) -> None:
    answer = said(talk, "什么是布谷缓存？", question)
    assert answer.refused or answer.nearest


def test_who_wants_more_gets_what_was_not_told(talk: Notes) -> None:
    first = said(talk, "布谷缓存有哪些淘汰办法？")
    more = said(talk, "布谷缓存有哪些淘汰办法？", "还有呢")
    told = {citation.start for citation in first.citations}
    assert not more.refused and not told & {citation.start for citation in more.citations}


def test_in_the_end_there_is_no_more(talk: Notes) -> None:
    questions = ["番茄汤怎么做？", *(["还有吗"] * 6)]
    answer = said(talk, *questions)
    assert answer.refused and answer.text == NO_MORE_ZH


def test_what_is_left_to_say_is_no_other_matter(talk: Notes) -> None:
    questions = ["布谷缓存有哪些淘汰办法？"]
    while not (answer := said(talk, *questions)).refused and len(questions) < 8:
        assert {citation.title for citation in answer.citations} == {"布谷缓存"}
        questions.append("还有呢")
    assert answer.text == NO_MORE_ZH


def test_where_nothing_was_said_there_is_no_more_of_it(talk: Notes) -> None:
    assert said(talk, "谁发明了电灯", "还有呢").text == REFUSAL_ZH


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("还有呢？", True),
        ("还有别的吗", True),
        ("那还有没有", True),
        ("還有嗎", True),
        ("还有什么缺点", True),
        ("anything else?", True),
        ("还有什么优点", False),
        ("还有一个问题", False),
        ("还有，队列怎么加锁", False),
    ],
)
def test_what_only_wants_more(question: str, more: bool) -> None:
    assert asks_for_more(question, "缓存有什么缺点") is more


def test_more_and_still_more_asks_the_first_question_again() -> None:
    def turn(question: str, start: int) -> Turn:
        citation = Citation(1, "c", "d", "t", "s", "q", start, start + 1)
        return Turn(question, Answer(question, (Sentence("q", (1,)),), (citation,), False, "x"))

    history = [turn("什么是队列", 9), turn("有哪些办法", 1), turn("还有呢", 2)]
    assert asked_again("还有吗", history) == ("有哪些办法", history[:1], {("d", 1), ("d", 2)})
    assert asked_again("怎么加锁", history) == ("怎么加锁", history, set())
    assert asked_again("还有吗", []) == ("还有吗", [], set())
