"""Errors that a person can act upon, and nothing swallowed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import notesqa
from notesqa import errors
from notesqa.errors import NotesqaError

SOURCE = Path(notesqa.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
LEAVES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, NotesqaError)
]


def test_message_and_hint() -> None:
    error = NotesqaError("it is so", "do this")
    assert (error.message, error.hint) == ("it is so", "do this")
    assert str(error) == "it is so (do this)"
    assert str(NotesqaError("it is so")) == "it is so"


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_leaf_is_public_and_told_apart(leaf: type[NotesqaError]) -> None:
    assert getattr(notesqa, leaf.__name__) is leaf
    assert leaf.__name__ in notesqa.__all__
    assert leaf.__doc__
    with pytest.raises(NotesqaError):
        raise leaf("x", "y")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_is_swallowed(path: Path) -> None:
    """No bare `except`, and whoever catches everything raises it again."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = (
            {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"all"}
        )
        if names & {"Exception", "BaseException", "all"}:
            last = node.body[-1]
            assert isinstance(last, ast.Raise), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_pickle_no_eval_no_foreign_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = {alias.name for alias in node.names} | {module}
            assert not names & {"pickle", "marshal", "shelve", "dill", "joblib"}, path
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec", "compile"}, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert isinstance(node.value, ast.Constant), path
            assert node.value.value is False, path
