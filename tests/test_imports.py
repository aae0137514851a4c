"""What importing costs, who may import whom, and what a wheel would hold."""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import notesqa
from tests.conftest import NOTES
from tests.fakes import ROOT, write_notes

HEAVY = ("torch", "faiss", "llama_cpp", "textual", "sentence_transformers", "transformers")


def imported(code: str, *arguments: str) -> set[str]:
    """Top-level modules in `sys.modules` of a fresh interpreter after `code`."""
    script = (
        f"{code}\nimport sys, json\n"
        "print('\\n' + json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def run_cli(*arguments: str) -> str:
    given = ", ".join(repr(a) for a in arguments)
    return (
        "from notesqa.cli import main\n"
        f"try:\n    code = main([{given}])\nexcept SystemExit as stop:\n    code = stop.code\n"
        "assert code in (0, None), code\n"
    )


def test_importing_the_package_imports_nothing_else() -> None:
    modules = imported("import notesqa; notesqa.__version__, dir(notesqa)")
    assert not modules & {*HEAVY, "numpy", "sqlite3", "sqlite_utils", "jieba", "rjieba", "rich"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("search", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    modules = imported(run_cli(*arguments))
    assert not modules & {*HEAVY, "numpy", "sqlite3", "rjieba", "jieba", "tantivy"}


def test_status_imports_no_model(tmp_path: Path) -> None:
    write_notes(tmp_path, NOTES)
    modules = imported(run_cli("--home", str(tmp_path), "status"))
    assert not modules & {"torch", "llama_cpp", "textual", "tantivy"}
    # Only FAISS knows of a GPU, and only many vectors are searched there.
    assert "faiss" not in modules


def test_index_search_and_ask_with_the_builtin_embedder_never_import_torch(tmp_path: Path) -> None:
    """The real embedder, from the first rebuild to the answer."""
    write_notes(tmp_path, NOTES)
    home = ("--home", str(tmp_path))
    modules = imported(
        run_cli(*home, "index")
        + run_cli(*home, "search", "Dropout 测试时怎么做")
        + run_cli(*home, "ask", "Dropout 测试时怎么做?", "--no-llm")
    )
    assert not modules & {"torch", "llama_cpp", "textual", "sentence_transformers"}
    assert {"tantivy", "rjieba", "sqlite_utils"} <= modules
    assert "faiss" not in modules, "only many vectors need it"


def test_every_public_name_resolves() -> None:
    assert len(notesqa.__all__) == len(set(notesqa.__all__))
    assert list(notesqa.__all__) == sorted(notesqa.__all__)
    for name in notesqa.__all__:
        assert getattr(notesqa, name) is not None
    assert dir(notesqa) == notesqa.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        notesqa.nothing  # noqa: B018


def test_public_names_have_a_docstring() -> None:
    for name in notesqa.__all__:
        value = getattr(notesqa, name)
        if isinstance(value, type):
            assert value.__doc__, name
            for method in vars(value).values():
                if callable(method) and not method.__name__.startswith("_"):
                    assert method.__doc__, f"{name}.{method.__name__}"


def test_the_version_is_that_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        assert tomllib.load(stream)["project"]["version"] == notesqa.__version__


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_data_file_goes_into_the_wheel() -> None:
    """An editable installation reads files that a wheel would leave out."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        patterns = tomllib.load(stream)["tool"]["setuptools"]["package-data"]["notesqa"]
    package = Path(notesqa.__file__).parent
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "."], cwd=package, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a checkout")
    left_out = [
        name
        for name in tracked.stdout.split("\0")
        if name and not name.endswith(".py")
        and not any(fnmatch.fnmatch(f"/{name}", p.replace("**/", "*/")) or fnmatch.fnmatch(name, p)
                    for p in patterns)
    ]  # fmt: skip
    assert left_out == []
