"""A section whose heading asks the question answers it, before all that only mentions it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notesqa.api import Notes

NOTES = {
    "heat": """# 过热

过热指的是炉温超过了设定值，过热的炉子会一直偏高，过热与炉膛的大小有关。

## 怎样判断

过热时温度计的读数偏高，连续三次读数都高就可以判断是过热，而不是读数的误差。

## 对策

- **加大风量**：最直接的办法。
- **减少燃料**：一次减一成。
- **换炉衬**：见效慢。
- **分段点火**：适合大炉。
- **停炉**：不得已时。

```python
while hot(stove):
    blow(stove)
```
""",
    "kiln": """# 高炉（Blast Furnace，BF）

高炉是连续烧成的炉，炉料在炉车上从炉头走到炉尾，与电炉不同。

## 优缺点

- 优点：省燃料；产量大；高炉的温度稳定。
- 缺点：占地大；投产慢，品种不好换。

## 与电炉对比

| | 高炉 | 电炉 |
|---|---|---|
| 烧成 | 连续 | 间歇 |
| 产量 | 大 | 小 |
""",
    "shuttle": """# 电炉

电炉是间歇烧成的炉，一炉一炉地烧，适合小批量的炉料。

## 局限

- 每一炉都要重新升温，费燃料。
- 炉内温差大，上下要分开装。
- 装炉和出炉都要停火。
""",
    "roller": """# 平炉

平炉用辊棒送炉料，省掉了炉车，所以烧得快。

## 优缺点与高炉的区别

- 优点：烧成快，平炉没有炉车要加热。
- 缺点：炉料不能太重；缺点还有辊棒会断。
- 高炉用炉车，平炉用辊棒。
- 电炉是间歇的，与高炉不同，平炉与高炉一样。
""",
}


@pytest.fixture(scope="module", params=[32, 500])
def notes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notes]:
    """Cut into a passage a section, and short enough to be one passage each."""
    home = tmp_path_factory.mktemp("home")
    (home / "notesqa.toml").write_text(f"[chunking]\ntokens = {request.param}\n")
    (home / "corpus").mkdir()
    for name, text in NOTES.items():
        (home / "corpus" / f"{name}.md").write_text(text, encoding="utf-8")
    with Notes.open(home) as opened:
        opened.index()
        yield opened


ASKED = pytest.mark.parametrize(
    ("question", "title", "heading"),
    [
        ("怎么缓解过热", "过热", "对策"),
        ("过热该怎么应对", "过热", "对策"),
        ("电炉有什么缺点", "电炉", "局限"),
        ("BF 的优势", "高炉（Blast Furnace，BF）", "优缺点"),
    ],
)


@ASKED
@pytest.mark.parametrize("notes", [32], indirect=True)
def test_the_section_under_that_heading_comes_first(
    notes: Notes, question: str, title: str, heading: str
) -> None:
    """Also where another note says more of the words that are asked for."""
    first = notes.search(question)[0]
    assert (first.title, first.heading) == (title, heading)


@ASKED
def test_what_stands_under_it_answers_alone(
    notes: Notes, question: str, title: str, heading: str
) -> None:
    cited = notes.ask(question, llm=False).citations
    text = NOTES[next(name for name in NOTES if NOTES[name].startswith(f"# {title}"))]
    section = text.partition(f"## {heading}")[2].partition("\n## ")[0]
    assert cited
    assert all(citation.title == title and citation.quote in section for citation in cited)


def test_the_list_under_it_is_told_whole_and_without_the_code(notes: Notes) -> None:
    answer = notes.ask("怎么缓解过热", llm=False)
    said = [sentence.text for sentence in answer.sentences]
    assert [text.split("：")[0] for text in said] == [
        "加大风量",
        "减少燃料",
        "换炉衬",
        "分段点火",
        "停炉",
    ]


@pytest.mark.parametrize(
    ("question", "begins"),
    [
        ("高炉有什么缺点", ["缺点"]),
        ("高炉的优点", ["优点"]),
        ("高炉的优缺点", ["优点", "缺点"]),
    ],
)
def test_of_a_list_only_what_is_asked_for_is_told(
    notes: Notes, question: str, begins: list[str]
) -> None:
    answer = notes.ask(question, llm=False)
    assert [sentence.text[:2] for sentence in answer.sentences] == begins


def test_what_the_title_says_alone_prefers_no_section(notes: Notes) -> None:
    answer = notes.ask("什么是过热", llm=False)
    assert answer.sentences[0].text.startswith("过热指的是炉温超过了设定值")


@pytest.mark.parametrize("notes", [500], indirect=True)
def test_two_things_are_compared_by_their_own_notes(notes: Notes) -> None:
    answer = notes.ask("高炉和电炉有什么区别", llm=False)
    assert answer.citations[0].title != "平炉"
    assert "连续" in answer.text and "间歇" in answer.text
