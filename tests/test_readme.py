"""Every command and every example of the README is run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from notesqa.cli import main
from notesqa.config import Home, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Fetching needs the hub (tests/test_llm_store.py runs it against one of its own), `use` a
# model, and the UI a terminal (tests/test_tui_*.py): of these the words are checked here.
ONLY_PARSED = ("model pull", "model use", "serve")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    found = []
    for block in blocks("sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "notesqa":
                found.append(words[1:])
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "corpus", folder / "corpus")
    (folder / "transmissions").mkdir()
    (folder / "transmissions" / "one.txt").write_text(
        "INCOMING TRANSMISSION\n\nLATEST UPDATES\n感知机把输入加权求和，越过阈值就输出一。\n1 2\n",
        encoding="utf-8",
    )
    assert main(["--home", str(folder), "--quiet", "index"]) == 0
    return folder


def test_the_readme_has_commands() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words) or "notesqa")
def test_command(words: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not words or " ".join(words).startswith(ONLY_PARSED):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--help"])
        assert stop.value.code == 0
        return
    monkeypatch.setenv("HOME", str(home))
    paths = [str(path) for word in words if word.startswith("~") for path in home.glob(word[2:])]
    words = [word for word in words if not word.startswith("~")] + paths
    assert main([*words, "--home", str(home)]) == 0


def test_settings_example(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    (tmp_path / "notesqa.toml").write_text(example, encoding="utf-8")
    settings = Settings.load(Home(tmp_path))
    assert settings.embedding.allow_download
    assert settings.llm.model


def test_python_example(home: Path) -> None:
    (example,) = blocks("python")
    code = example.replace('"path/to/home"', repr(str(home)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ddim.md" in done.stdout


FREE = ("scores", "seconds", "left_out")
"""Their keys are names that differ."""


def shape(value: object) -> object:
    """The types of a JSON value, with the keys of its objects and the kind of its lists."""
    if isinstance(value, dict):
        return {
            key: sorted({type(v).__name__ for v in inner.values()})
            if key in FREE and isinstance(inner, dict)
            else shape(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "str" if value is None else type(value).__name__


def test_what_json_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("json")
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    said = "知识蒸馏用大模型的软标签训练小模型，温度越高软标签越平滑，学生从中学到类别之间的相似"
    notes = {
        "a.md": "---\ndate: 2024-02-30\n---\n# 池化\n\n池化缩小特征图，池化保留主要的特征。",
        "b.md": "",
        "c.pdf": "%PDF",
        "feed.txt": f"INCOMING TRANSMISSION\n\nLATEST UPDATES\n{said}...\n",
        "old.md": "# 旧\n\n旧的一篇讲剪枝。",
        "gone.md": "# 量化\n\n量化用更少的位。",
    }
    new = {
        "old.md": f"---\ndate: 2024-02-03\ntags: [蒸馏]\n---\n# 蒸馏\n\n## 概要\n\n{said}度。\n",
        "extra.md": "# 剪枝\n\n剪枝去掉不重要的权重。",
    }
    for folder, files in ((home / "corpus", notes), (inbox, new)):
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")

    def run(*words: str) -> object:
        capsys.readouterr()
        main(["--home", str(home), *words, "--json"])
        return json.loads(capsys.readouterr().out)

    run("index")
    (home / "corpus" / "gone.md").unlink()
    found = {"index": run("index", str(inbox / "old.md"), str(inbox / "extra.md"), "none.md")}
    found["search"] = run("search", "知识蒸馏 软标签")
    found["ask"] = run("ask", "知识蒸馏的温度有什么用?")
    (home / "corpus" / "new.md").write_text("# 新\n\n新的一篇。", encoding="utf-8")
    found["status"] = run("status")
    found["doctor"] = run("doctor")
    documented = json.loads(example)
    assert documented.keys() == found.keys()
    for command, value in documented.items():
        assert shape(found[command]) == shape(value), command


def test_make_run_answers_without_a_terminal() -> None:
    if not (ROOT / ".venv/.installed").exists():
        pytest.skip("this checkout was not set up by make")
    done = subprocess.run(
        ["make", "run"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[1]" in done.stdout
    assert "notesqa ask" in done.stdout


def test_pictures_are_there() -> None:
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()
