"""What goes wrong is told in the language of the screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import notesqa
from notesqa import errors
from notesqa.errors import NotesqaError
from notesqa.tui.faults import _rules, error_told, told
from notesqa.tui.wording import Wording

PACKAGE = Path(notesqa.__file__).parent
ZH, EN = Wording("zh"), Wording("en")
# Seen on the command line only.
ELSEWHERE = ("cli", "evaluation", "llm/fetching", "llm/store", "tui/serving", "tui/__init__")
KINDS = {name for name in vars(errors) if isinstance(getattr(errors, name), type)} | {
    "NotFetched",
    "Passing",
}
# What the system says, and the abridged report of a rebuild.
FROM_ELSEWHERE = (
    "more database file directory denied device error system files exceeded long links".split()
)


def template(node: ast.AST) -> str:
    """The text of a literal, `{}` for what is filled in; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return "".join(map(str, parts))
    return ""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(ELSEWHERE):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def messages() -> Iterator[str]:
    """Every message and hint that an error of the package is made with."""
    for _, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in KINDS:
                yield from filter(None, map(template, node.args[:2]))


def han(text: str) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for char in text)


def test_every_error_has_its_chinese() -> None:
    missing = {
        text
        for text in messages()
        if any(c.isalpha() for c in text.replace("{}", "")) and not han(told(text, ZH))
    }
    assert missing == set()


def test_the_table_holds_nothing_that_is_never_said() -> None:
    texts = (template(node) for _, tree in trees() for node in ast.walk(tree))
    said = {text for text in texts if " " in text and len(text) < 120}
    stale = [
        chinese
        for pattern, chinese in _rules()
        if pattern.pattern.split()[-1] not in FROM_ELSEWHERE
        and not any(pattern.fullmatch(text) for text in said)
    ]
    assert stale == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("binary file", "二进制文件"),
        ("damaged UTF-8 on line 7", "第 7 行的 UTF-8 已损坏"),
        ("cannot read /a/b.txt: Permission denied", "读不了 /a/b.txt：没有权限"),
        ("the vector index in /x cannot be written: is a directory", "/x 里的 vector index"),
        ("/n.toml: tui.theme must be one of a, b", "/n.toml：tui.theme 只能是 a, b"),
        (
            "the process that searches and answers has ended (exit code 1)",
            "检索和回答的进程结束了（退出码 1）",
        ),
        ("something that nobody foresaw {}", "something that nobody foresaw {}"),
        ("", ""),
    ],
)
def test_reasons_are_told_in_chinese(english: str, chinese: str) -> None:
    assert told(english, ZH).startswith(chinese)
    assert told(english, EN) == english


def test_braces_in_a_name_are_only_braces() -> None:
    error = NotesqaError("no such path: /a/{0}{x}", "check its spelling")
    assert error_told(error, ZH).message == "没有这个路径：/a/{0}{x}"
    assert error_told(error, ZH).hint == "请检查写法"
