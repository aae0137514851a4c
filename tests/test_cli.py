"""The command line as a person and a script meet it: real processes, the real embedder."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from notesqa import Cancelled, Notes, __version__
from notesqa.cli import _COMMANDS, main
from notesqa.cli_arguments import make_parser
from notesqa.cli_output import print_answer
from notesqa.config import Home
from notesqa.llm import Message
from tests.conftest import BATCHNORM, DROPOUT, MOMENTUM, NOTES
from tests.fakes import BigramEmbedder, article, transmission, write_notes
from tests.patience import PATIENCE, until
from tests.quoting import note, quoting
from tests.tiny_gguf import CHAT_TEMPLATE, write_model

COMMANDS = [name for name in _COMMANDS if name]


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NOTESQA")}
    return kept | {"OMP_NUM_THREADS": "1"} | changes


def notesqa(
    *arguments: str | Path | bytes,
    cwd: Path | None = None,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command as it is run outside; the data folder is a temporary one."""
    done = subprocess.run(
        [sys.executable, "-m", "notesqa.cli", *map(os.fsencode, arguments)],
        cwd=cwd, input=stdin, env=env or environment(NOTESQA_DATA=os.environ["NOTESQA_DATA"]),
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


class Inside(Protocol):
    """The same without a process of its own: quicker, where nothing hangs on one."""

    def __call__(
        self, *arguments: str | Path | bytes, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def inside(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    def run(
        *arguments: str | Path | bytes, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        if cwd:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        code: object = main([os.fsdecode(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(code, int)
        return subprocess.CompletedProcess([], code, out, err)

    return run


def assert_error(done: subprocess.CompletedProcess[str], code: int, said: str) -> None:
    """One line that says what is wrong, perhaps a hint; nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("notesqa: ")
    assert said in lines[0], done.stderr
    assert len(lines) <= 2
    if len(lines) == 2:
        assert lines[1].startswith("  hint: ")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is indexed already; the tests that use it do not change it."""
    folder = write_notes(tmp_path_factory.mktemp("built"), NOTES)
    os.environ.setdefault("NOTESQA_DATA", str(folder / "data"))
    assert notesqa("--home", folder, "index", "--quiet").returncode == 0
    return folder


# -- help ----------------------------------------------------------------------------------------


def test_the_version() -> None:
    done = notesqa("--version")
    assert (done.returncode, done.stdout) == (0, f"notesqa {__version__}\n")
    module = [sys.executable, "-m", "notesqa", "--version"]
    assert subprocess.check_output(module, text=True) == done.stdout


def helps(command: str | None) -> str:
    parser = make_parser()
    if command is None:
        return parser.format_help()
    for action in parser._actions:
        if isinstance(action.choices, dict):
            text: str = action.choices[command].format_help()
            return text
    raise AssertionError(command)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_is_explained_with_examples_that_parse(command: str | None) -> None:
    text = helps(command)
    assert all(len(line) <= 100 for line in text.splitlines())
    _, _, examples = text.partition("examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.startswith("  notesqa")]
    assert lines, f"{command} has no example"
    for line in lines:
        shown = re.split(r" \| |  +", line)[0]
        words = shlex.split(shown)[1:]
        parsed = make_parser().parse_args(words)
        assert parsed.command == (words[0] if words else None)
        if command:
            assert parsed.command == command


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_option_is_explained(command: str | None) -> None:
    text = helps(command)
    options = text.partition("options:\n")[2].partition("\nexamples")[0]
    entries = re.split(r"\n(?=  -)", options)
    for entry in entries:
        assert re.search(r"\S {2,}\S|\n {10,}\S", entry), f"{command}: {entry}"


def test_the_help_names_every_command_and_every_exit_code() -> None:
    text = helps(None)
    for command in COMMANDS:
        assert re.search(rf"^    {command} ", text, re.MULTILINE), command
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "130 "):
        assert code in text.partition("exit codes:")[2]


# -- usage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["serach", "x"], "no command serach; did you mean search? (see: notesqa --help)"),
        (["ask", "x", "--nollm"], "--nollm; did you mean --no-llm? (see: notesqa ask --help)"),
        (["model", "lst"], "no action lst; did you mean list? (see: notesqa model --help)"),
        (["ask"], "question"),
        (["ask", "x", "--frob"], "--frob"),
        (["ask", "two", "words"], "words"),
        (["ask", "x", "--llm", "--no-llm"], "not allowed with"),
        (["search"], "query"),
        (["search", "x", "-k", "0"], "0 is not between 1 and 1000"),
        (["search", "x", "-k", "many"], "no whole number"),
        (["search", "x", "-k", "-1"], "-1"),
        (["search", "x", "--after"], "--after"),
        (["eval"], "FILE.jsonl"),
        (["model"], "action"),
        (["model", "frob"], "frob"),
        (["search", "x", "--after", "2024-13-01"], "'2024-13-01' is no date"),
        (["search", "x", "--before", "yesterday"], "'yesterday' is no date"),
        (["model", "use"], "which model to use?"),
        (["model", "remove", ""], "which model to remove?"),
        (["model", "list", "extra"], "model list takes no name"),
        (["model", "list", "--server-model", "x"], "--server-model belongs to"),
        (["model", "pull", "x", "--server-model", "x"], "--server-model belongs to"),
        (["serve", "--port", "x"], "--port"),
        (["serve", "--port", "99999"], "99999 is not between 0 and 65535"),
        (["serve", "--port", "-5"], "-5 is not between 0 and 65535"),
        (["serve", "--port", "9" * 5000], "--port"),
        (["--home"], "--home"),
    ],
)
def test_usage_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "--help" in err
    assert len(err.splitlines()) == 1


def test_without_a_terminal_there_is_no_terminal_ui(built: Path) -> None:
    done = notesqa("--home", built, stdin="")
    assert_error(done, 2, "needs a terminal")
    assert "notesqa ask" in done.stderr


# -- which home --------------------------------------------------------------------------------------


def test_homes_that_are_none(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    assert_error(inside("--home", tmp_path / "missing", "status"), 3, "does not exist")
    assert_error(inside("status", "--home", tmp_path / "file"), 3, "is not a folder")
    assert_error(inside("--home", "", "status"), 3, "name of the home is empty")

    monkeypatch.setenv("NOTESQA_HOME", str(tmp_path / "missing"))
    done = inside("status")
    assert_error(done, 3, "does not exist")
    assert "NOTESQA_HOME" in done.stderr


@pytest.mark.parametrize("command", [["index"], ["ask", "什么是过拟合?"], ["search", "过拟合"]])
def test_a_file_where_the_corpus_should_be(
    inside: Inside, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "corpus").write_text("一个文件")
    assert_error(inside("--home", tmp_path, *command), 3, "corpus is not a folder")


def test_an_address_as_the_model_is_told_what_to_do(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path, NOTES)
    (home / "notesqa.toml").write_text('[llm]\nmodel = "http://127.0.0.1:8080/v1"\n')
    assert inside("--home", home, "index").returncode == 0
    done = inside("--home", home, "ask", "Dropout 测试时怎么做?", "--llm")
    assert_error(done, 3, "llm.model is the address of a server")
    assert "notesqa model use http://127.0.0.1:8080/v1" in done.stderr


def test_the_home_is_found_from_within_and_by_the_variable(built: Path, tmp_path: Path) -> None:
    for done in (
        notesqa("status", "--json", cwd=built / "corpus" / "detection"),
        notesqa("status", "--json", cwd=tmp_path, env=environment(NOTESQA_HOME=str(built))),
        notesqa("status", "--json", "--home", built, env=environment(NOTESQA_HOME="/nowhere")),
    ):
        assert json.loads(done.stdout)["home"] == str(built)


def test_a_home_without_notes(inside: Inside, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for command in (["index"], ["search", "x"], ["ask", "x"]):
        done = inside("--home", bare, *command)
        assert_error(done, 3, "there ")
        assert "add" in done.stderr
        assert not (bare / "index").exists(), "looking makes nothing"
    assert inside("--home", bare, "status").returncode == 0
    assert inside("--home", bare, "doctor").returncode == 0
    (bare / "corpus").mkdir()
    assert inside("--home", bare, "index").returncode == 0
    assert inside("--home", bare, "search", "x").returncode == 1
    assert inside("--home", bare, "ask", "x").returncode == 1


def test_settings_with_a_slip(inside: Inside, built: Path, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "slip", {"a.md": "甲"})
    (home / "notesqa.toml").write_text("[retreival]\nk = 3\n")
    done = inside("--home", home, "status")
    assert_error(done, 3, "unknown key retreival")
    assert "did you mean retrieval?" in done.stderr


# -- status, search, ask: what they print --------------------------------------------------------------

TYPES: dict[str, type | tuple[type, ...]] = {
    "s": str,
    "i": int,
    "f": (int, float),
    "b": bool,
    "l": list,
    "d": dict,
}


def assert_shape(record: dict[str, object], shape: str) -> None:
    """`shape` is `key:type …`, the keys of the design in their order."""
    wanted = [part.split(":") for part in shape.split()]
    keys = [key for key in record if key in {name for name, _ in wanted}]
    assert keys == [name for name, _ in wanted]
    for name, kind in wanted:
        assert isinstance(record[name], TYPES[kind]), name


def test_status_json(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "status", "--json")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert_shape(
        record,
        "home:s files:i documents:i duplicates:i chunks:i commit:i embedder:s unread:l followers:d",
    )
    assert (record["files"], record["documents"], record["duplicates"]) == (4, 5, 1)
    assert record["followers"]["lexical"] == {"commit": 1}
    assert record["followers"]["vectors"].keys() == {"commit", "device"}
    assert done.stderr == ""


def test_an_index_of_other_settings_is_told(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    inside("--home", home, "index")
    assert "outdated" not in inside("--home", home, "status").stdout
    (home / "notesqa.toml").write_text("[chunking]\ntokens = 64\n")
    for command in ("status", "doctor"):
        assert "outdated" in inside("--home", home, command).stdout
    inside("--home", home, "index")
    for command in ("status", "doctor"):
        assert "outdated" not in inside("--home", home, command).stdout


def test_status_in_words(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "status")
    rows = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert rows["documents"] == "5 (1 duplicates)"
    assert rows["home"] == str(built)


def test_search_json(built: Path) -> None:
    done = notesqa("--home", built, "search", "批归一化 推理", "-k", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    passages = json.loads(done.stdout)
    assert [p["rank"] for p in passages] == list(range(1, len(passages) + 1))
    for record in passages:
        assert_shape(
            record,
            "rank:i score:f chunk_id:s document_id:s title:s source:s heading:s text:s"
            " start:i end:i scores:d",
        )
        assert record["end"] - record["start"] == len(record["text"])
        path, _, line = record["source"].rpartition(":")
        lines = (built / path).read_text(encoding="utf-8").split("\n")
        assert lines[int(line) - 1] == record["text"].split("\n")[0]
    assert passages[0]["title"] == "批归一化"


def test_search_in_words(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "search", "批归一化", "-k", "1", "--explain")
    head, body, explained = done.stdout.splitlines()
    assert re.fullmatch(r"1\. 批归一化  \[-?\d+\.\d\d\] corpus/batchnorm\.md:\d+", head)
    assert body.startswith("   ")
    assert "cosine" in explained
    assert "\x1b" not in done.stdout, "no colours in a pipe"


def test_a_heading_is_said_once(inside: Inside, tmp_path: Path) -> None:
    sections = "\n\n".join(f"## 第{n}节\n\n{'池化缩小图，' * 60}到此为止。" for n in "一二三")
    home = write_notes(tmp_path / "home", {"pooling.md": article("池化", sections)})
    done = inside("--home", home, "search", "第二节 池化", "-k", "1")
    head, body = done.stdout.splitlines()
    assert head.startswith("1. 池化 › 第二节  [")
    assert body.startswith("   池化缩小图，")


def test_search_on_a_terminal_ends_lines_where_chinese_may(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert main(["--home", str(built), "search", "批归一化（Batch Normalization）", "-k", "1"]) == 0
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert lines[1:4] == [
        "   批归一化（Batch",
        "   Normalization，BN）把",
        "   每一层的输入在批内归",
    ]


def test_search_filters_and_nothing_found(inside: Inside, built: Path) -> None:
    def found(*options: str) -> tuple[int, list[str]]:
        done = inside("--home", built, "search", "训练", "--json", *options)
        return done.returncode, sorted({p["source"].split(":")[0] for p in json.loads(done.stdout)})

    assert found("--source", "batch*", "--tag", "训练") == (0, ["corpus/batchnorm.md"])
    assert found("--before", "2023-12-31") == (0, ["corpus/detection/anchors.md"])
    assert found("--source", "none*") == (1, [])
    for named in ("corpus/batchnorm.md:8", "./corpus/batchnorm.md", "batchnorm.md:1"):
        assert found("--source", named) == (0, ["corpus/batchnorm.md"])
    assert found("--source", str(built / "corpus" / "batch*")) == (0, ["corpus/batchnorm.md"])
    done = inside("--home", built, "search", "训练", "--tag", "none")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nothing found\n")


def test_ask_json(built: Path) -> None:
    done = notesqa("--home", built, "ask", "Dropout 测试时怎么做?", "--json", "--no-llm")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert_shape(record, "question:s answer:s refused:b engine:s sentences:l citations:l seconds:d")
    for sentence in record["sentences"]:
        assert_shape(sentence, "text:s citations:l supported:b")
    for citation in record["citations"]:
        assert_shape(citation, "n:i chunk_id:s title:s source:s quote:s start:i end:i")
        assert citation["end"] - citation["start"] == len(citation["quote"])
    assert "把权重乘以 1-p" in record["answer"]
    assert re.search(r"\[1\]", record["answer"])


def test_ask_in_words(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "ask", "Dropout 测试时怎么做?")
    assert done.returncode == 0
    assert "把权重乘以 1-p" in done.stdout
    assert "corpus/feed-1.txt:4" in done.stdout
    assert done.stderr == "", "remarks are for terminals"


def test_a_question_that_is_piped_in(built: Path) -> None:
    typed = notesqa("--home", built, "ask", "Dropout 测试时怎么做?")
    piped = notesqa("--home", built, "ask", "-", stdin="Dropout\n  测试时怎么做?\n")
    assert (piped.returncode, piped.stdout) == (0, typed.stdout)
    found = notesqa("--home", built, "search", "-", "-k", "1", stdin="批归一化\n")
    assert found.stdout.startswith("1. 批归一化")
    assert_error(notesqa("--home", built, "ask", "-", stdin=""), 3, "the question is empty")


def test_ask_prints_each_item_of_a_list_on_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = note(
        "- 更多数据。最根本的办法。\n- 早停：验证误差不降就停。\n\n学习曲线。也看方差。"
    )
    quotes = (
        "- 更多数据。",
        "最根本的办法。",
        "- 早停：验证误差不降就停。",
        "学习曲线。",
        "也看方差。",
    )
    answer = quoting(*((document, quote) for quote in quotes))
    print_answer(answer)
    assert capsys.readouterr().out.split("\n\n")[0].splitlines() == [
        "- 更多数据。[1]最根本的办法。[2]",
        "- 早停：验证误差不降就停。[3]",
        "学习曲线。[4]",
        "也看方差。[5]",
    ]
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    print_answer(answer)
    assert terminal.getvalue().splitlines()[:4] == [
        "- 更多数据。[1]最根",
        "  本的办法。[2]",
        "- 早停：验证误差不降",
        "  就停。[3]",
    ]


def test_ask_heeds_the_settings_and_k_overrides_them(inside: Inside, tmp_path: Path) -> None:
    notes = [
        "Adam 与 SGD 的区别是 Adam 给每个参数自适应的步长。",
        "SGD 与 Adam 的区别是 SGD 泛化往往更好，而学习率要自己调。",
        "池化缩小特征图。",
    ]
    home = write_notes(
        tmp_path / "home", {f"{n}.md": f"# 笔记 {n}\n\n{text}\n" for n, text in enumerate(notes)}
    )
    (home / "notesqa.toml").write_text("[retrieval]\nk = 1\n")

    def documents(*options: str) -> int:
        done = inside("--home", home, "ask", "Adam 与 SGD 有什么区别?", "--json", *options)
        assert done.returncode == 0, done.stderr
        return len({c["document_id"] for c in json.loads(done.stdout)["citations"]})

    assert documents() == 1
    assert documents("-k", "8") == 2


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_a_model_without_a_template_is_told_once(
    inside: Inside, tmp_path: Path, template: str | None
) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    model = write_model(tmp_path / "plain.gguf", template=template)
    (home / "notesqa.toml").write_text(
        f'[llm]\nmodel = "{model}"\nthreads = 1\nmax_answer_tokens = 8\n'
    )
    told = inside("--home", home, "ask", "Dropout 测试时怎么做?", "--json").stderr
    silent = inside("--home", home, "--quiet", "ask", "Dropout 测试时怎么做?").stderr
    without = inside("--home", home, "ask", "Dropout 测试时怎么做?", "--no-llm").stderr
    assert (silent, without) == ("", "")
    if template is None:
        assert told.count("\n") == 1
        assert told.startswith("notesqa: plain brings no chat template")
        assert "notesqa model list" in told
    else:
        assert told == ""


@pytest.fixture
def nobody_answers(tmp_path: Path) -> Path:
    """A home whose settings name a model server that is down."""
    home = write_notes(tmp_path / "home", NOTES)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    (home / "notesqa.toml").write_text(f'[llm]\nbase_url = "{address}"\nmodel = "m"\n')
    return home


@pytest.mark.parametrize("options", [(), ("--json",), ("--quiet",)])
def test_where_the_model_fails_the_notes_are_quoted(
    inside: Inside, nobody_answers: Path, options: tuple[str, ...]
) -> None:
    asked = "Dropout 测试时怎么做?"
    done = inside("--home", nobody_answers, "ask", asked, *options)
    assert done.returncode == 4
    first, hint = done.stderr.splitlines()
    assert first.startswith("notesqa: cannot reach the model server at http://127.0.0.1:")
    assert hint.startswith("  hint: ")
    assert "quoted from the notes" in hint
    without = inside("--home", nobody_answers, "ask", asked, "--no-llm", *options)
    assert (without.returncode, without.stderr) == (0, "")
    if options == ("--json",):
        answer = json.loads(done.stdout)
        assert answer["engine"] == "extractive"
        assert answer["answer"] == json.loads(without.stdout)["answer"]
    else:
        assert done.stdout == without.stdout


def test_a_refusal_is_the_same_where_the_model_fails(inside: Inside, nobody_answers: Path) -> None:
    done = inside("--home", nobody_answers, "ask", "红烧肉怎么做?")
    assert (done.returncode, done.stderr) == (1, "")


def test_a_model_that_is_asked_for_by_name_must_answer(
    inside: Inside, built: Path, nobody_answers: Path
) -> None:
    asked = ("ask", "Dropout 测试时怎么做?", "--llm")
    assert_error(inside("--home", nobody_answers, *asked), 3, "cannot reach the model server")
    done = inside("--home", built, *asked)
    assert_error(done, 3, "no chat model is chosen")
    assert "notesqa model" in done.stderr


def test_a_refusal_is_exit_1(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "ask", "红烧肉怎么做?")
    assert (done.returncode, done.stdout) == (1, "笔记里没有说到这个问题。\n")
    done = inside("--home", built, "ask", "红烧肉怎么做?", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["refused"] is True
    assert_error(inside("--home", built, "ask", "  "), 3, "the question is empty")
    assert_error(inside("--home", built, "search", "  "), 3, "the query is empty")


def test_bytes_that_are_no_text(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "search", b"Dropout \xff\xfe")
    assert done.returncode == 0
    assert "随机丢弃" in done.stdout
    assert inside("--home", built, "ask", b"\xff").returncode == 1


def test_output_is_whole_in_any_locale(built: Path) -> None:
    plain = environment(LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    done = notesqa("--home", built, "search", "批归一化", "-k", "1", env=plain)
    assert "批归一化" in done.stdout


def test_notes_cannot_reach_the_terminal(inside: Inside, tmp_path: Path) -> None:
    evil = "灰度发布\x1b]0;owned\x07先放一小部分\x1b[2J流量，\u202e反\u202c再放全部。"
    home = write_notes(tmp_path / "evil", {"a.md": article("灰度\x1b[31m发布", evil)})
    (home / "corpus" / "new\nline\x1b[5m.md").write_text("换行的名字。灰度发布。")
    for command in (["search", "灰度发布"], ["ask", "灰度发布先放什么?"], ["status"], ["index"]):
        done = inside("--home", home, *command)
        for stream in (done.stdout, done.stderr):
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", stream), command
    listed = inside("--home", home, "search", "换行的名字", "--json")
    assert any("new\nline" in p["source"] for p in json.loads(listed.stdout)), "JSON is exact"


def test_a_file_name_with_a_line_break_splits_no_line(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path, {"new\nline.md": article("丢弃", DROPOUT)})
    assert inside("--home", home, "index").returncode == 0
    done = inside("--home", home, "ask", "Dropout 测试时怎么做?")
    assert "] 丢弃 · corpus/new line.md:" in done.stdout


def test_what_is_quoted_of_one_place_shares_a_row(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path, {"dropout.md": article("丢弃", DROPOUT)})
    assert inside("--home", home, "index").returncode == 0
    asked = ["--home", str(home), "ask", "Dropout 训练和测试时分别怎么做?"]
    answer = json.loads(inside(*asked, "--json").stdout)
    places = [(c["title"], c["source"]) for c in answer["citations"]]
    assert len(places) > len(set(places)), "the question no longer quotes one place twice"
    rows = [line for line in inside(*asked).stdout.splitlines() if " · corpus/" in line]
    assert len(rows) == len(set(places))
    assert "".join(row.split(" ")[0] for row in rows) == "".join(
        f"[{n}]" for n in range(1, len(places) + 1)
    )


def test_pipes_that_close_early(built: Path) -> None:
    for command in ("search 训练 --json", "ask 'Dropout 测试时怎么做?'", "status --json", "--help"):
        script = (
            f"{shlex.quote(sys.executable)} -m notesqa.cli --home {shlex.quote(str(built))}"
            f" {command} | true; echo ${{PIPESTATUS[0]}}"
        )
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment()
        )
        assert done.stdout.strip() == "0", done.stderr
        assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("what", ["status", "--help", "--version"])
def test_a_full_output_is_an_error(built: Path, what: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "notesqa.cli", "--home", str(built), what],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment(),
        )  # fmt: skip
    assert done.returncode == 3
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [(["frobnicate"], 2), (["--home", "/nowhere", "status"], 3)]
)
def test_an_error_that_finds_no_room_keeps_its_code(arguments: list[str], code: int) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "notesqa.cli", *arguments],
            stdout=subprocess.PIPE, stderr=full, check=False, env=environment(),
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, b"")


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "2>&-"])
def test_outputs_that_are_closed(built: Path, closed: str) -> None:
    script = (
        f"{shlex.quote(sys.executable)} -m notesqa.cli --home {shlex.quote(str(built))}"
        f" ask 'Dropout 测试时怎么做?' --no-llm {closed}"
    )
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_an_input_that_is_closed_is_no_terminal(built: Path) -> None:
    script = f"{shlex.quote(sys.executable)} -m notesqa.cli --home {shlex.quote(str(built))} <&-"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env=environment()
    )
    assert_error(done, 2, "needs a terminal")


def test_ctrl_c_before_the_command_has_begun(tmp_path: Path) -> None:
    """What is imported sends the signal to itself: as if the key came at that moment."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class AtImport:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'notesqa.cli_arguments':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, AtImport())\n"
        "if os.environ.get('HEARD') == 'ignored':\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "else:\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    )
    command = [sys.executable, "-c", "import sys; from notesqa.start import main; sys.exit(main())"]
    for heard, code in (("", -2), ("ignored", 0)):
        done = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=False,
            env=environment(PYTHONPATH=str(tmp_path), HEARD=heard),
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert done.stderr == ""


# -- index --------------------------------------------------------------------------------------------


def test_from_an_empty_folder_to_an_answer(inside: Inside, tmp_path: Path) -> None:
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    home.mkdir()
    inbox.mkdir()
    (inbox / "feed.txt").write_text(transmission(DROPOUT), encoding="utf-8")
    (inbox / "bn.md").write_text(article("批归一化", BATCHNORM), encoding="utf-8")
    done = inside("--home", home, "index", inbox / "feed.txt", inbox / "bn.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "added to the corpus: 2 files" in done.stdout
    assert "2 new" in done.stdout
    done = inside("--home", home, "index")
    assert done.stdout.startswith("nothing changed: 2 files, 2 documents")
    done = inside("--home", home, "index", "--json", inbox / "bn.md")
    record = json.loads(done.stdout)
    assert (record["changed"], record["copied"], record["unread"]) == (False, [], [])
    done = inside("--home", home, "index", "--full", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_paths_that_fail_are_exit_3_and_the_rest_is_added(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", {"bad.md": b"\x00\x01" * 50})
    good = tmp_path / "good.md"
    good.write_text("好的笔记，讲卷积。", encoding="utf-8")
    done = inside("--home", home, "index", tmp_path / "none.md", "", good)
    assert done.returncode == 3
    assert "1 new" in done.stdout
    assert f"notesqa: not added: {tmp_path / 'none.md'}: no such file" in done.stderr
    assert "notesqa: not read: corpus/bad.md: binary file" in done.stderr
    assert inside("--home", home, "index").returncode == 0
    done = inside("--home", home, "status", "--json")
    assert json.loads(done.stdout)["unread"] == [
        {"source": "corpus/bad.md", "reason": "binary file (only text files are notes)"}
    ]


def test_files_of_other_formats_are_told(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    for name in ("a.pdf", "b.pdf", "c.html"):
        (home / "corpus" / name).write_text("x")
    done = inside("--home", home, "index")
    assert (done.returncode, done.stderr) == (
        0,
        "notesqa: left out: 3 files of other formats (.pdf, .html)\n",
    )
    done = inside("--home", home, "status")
    assert "left out   3 files of other formats (.pdf, .html)\n" in done.stdout
    record = json.loads(inside("--home", home, "status", "--json").stdout)
    assert record["left_out"] == {".pdf": 2, ".html": 1}
    (home / "corpus" / "userdict.txt").write_text("感受野 99\n")
    assert "0 new, 1 changed, 0 gone" in inside("--home", home, "status").stdout
    assert "userdict.txt are taken in" in inside("--home", home, "index").stdout


def test_what_is_wrong_in_a_note_that_is_read_is_told(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(
        tmp_path / "home", {"a.md": article("池化", "池化缩小图。", date="2024-02-30")}
    )
    said = "corpus/a.md: its date “2024-02-30” is none: write YYYY-MM-DD"
    for _ in ("the first time", "nothing has changed"):
        assert inside("--home", home, "index").stderr == f"notesqa: {said}\n"
    assert f"remark     {said}" in inside("--home", home, "status").stdout
    assert said in inside("--home", home, "doctor").stdout
    (remark,) = json.loads(inside("--home", home, "status", "--json").stdout)["remarks"]
    assert f"{remark['source']}: {remark['remark']}" == said
    write_notes(home, {"a.md": article("池化", "池化缩小图。", date="2024-02-29")})
    assert inside("--home", home, "index").stderr == ""
    assert "remark" not in inside("--home", home, "status").stdout


def test_of_many_files_that_cannot_be_read_some_are_named(inside: Inside, tmp_path: Path) -> None:
    empty = {f"{n:02}.md": "" for n in range(33)}
    home = write_notes(tmp_path / "home", {"a.md": article("池化", "池化缩小图。"), **empty})
    lines = inside("--home", home, "index").stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "notesqa: not read: 13 more: notesqa status names them"
    assert inside("--home", home, "status").stdout.count("\nunread ") == 33
    assert len(json.loads(inside("--home", home, "index", "--json").stdout)["unread"]) == 33


def test_a_note_that_takes_the_place_of_another_is_told(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", {"feed.txt": transmission(DROPOUT)})
    inbox = (
        write_notes(tmp_path / "inbox", {"feed.txt": transmission(DROPOUT, MOMENTUM)}) / "corpus"
    )
    done = inside("--home", home, "index", inbox / "feed.txt")
    assert done.returncode == 0
    said = re.search(
        r"^in place of another corpus/feed.txt, which is kept as (corpus/\.replaced/.*-feed\.txt)$",
        done.stdout,
        re.MULTILINE,
    )
    assert said is not None, done.stdout
    assert (home / said[1]).read_text(encoding="utf-8") == transmission(DROPOUT)
    again = inside("--home", home, "index", inbox / "feed.txt", "--json")
    assert json.loads(again.stdout)["displaced"] == []


def test_the_first_question_builds_the_index(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    done = inside("--home", home, "ask", "Dropout 测试时怎么做?")
    assert done.returncode == 0
    assert "1-p" in done.stdout


def test_a_question_after_an_interrupted_first_build_builds_it(
    inside: Inside, tmp_path: Path
) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    stop = threading.Event()
    stop.set()
    with Notes.open(home) as notes, pytest.raises(Cancelled):
        notes.index(cancel=stop)
    done = inside("--home", home, "search", "动量系数")
    assert done.returncode == 0, done.stderr


def test_an_index_folder_in_the_way(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    (home / "index").write_text("in the way")
    assert_error(inside("--home", home, "index"), 3, "index folder")
    (home / "index").unlink()
    (home / "index").mkdir()
    (home / "index" / "catalog.db").write_text("no database " * 500)
    for command in (["index"], ["search", "x"], ["status"]):
        done = inside("--home", home, *command)
        assert_error(done, 3, "is damaged")
        assert "index --full" in done.stderr
    done = inside("--home", home, "doctor", "--json")
    assert done.returncode == 3
    assert "problem" in {check["state"] for check in json.loads(done.stdout)}


def test_two_rebuilds_at_once(inside: Inside, tmp_path: Path) -> None:
    from notesqa.indexing import rebuild_lock

    home = write_notes(tmp_path / "home", NOTES)
    with rebuild_lock(home / "index"):
        assert_error(inside("--home", home, "index"), 3, "another rebuild")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_rebuild_that_can_be_taken_up_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    long = "".join(f"第{n}句讲{n * 7919}号卷积核的步长。" for n in range(3000))
    write_notes(home, {f"n{n}.md": article(f"第{n}篇", long + str(n)) for n in range(60)})
    process = subprocess.Popen(
        [sys.executable, "-m", "notesqa.cli", "--home", str(home), "index"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip

    def begun() -> bool:
        assert process.poll() is None
        return (home / "index" / "catalog.db").exists()

    until(begun)
    time.sleep(0.5)  # somewhere within
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert out == ""
    assert err.startswith("notesqa: ")
    assert "stopped" in err
    assert "Traceback" not in err
    for path in sorted((home / "corpus").iterdir())[3:]:
        path.unlink()
    assert notesqa("--home", home, "index").returncode == 0
    assert notesqa("--home", home, "search", "卷积核", "-k", "1").returncode == 0


def test_a_rebuild_in_the_background_of_a_script_hears_no_ctrl_c(tmp_path: Path) -> None:
    home = write_notes(
        tmp_path / "home",
        {f"n{n}.md": article(f"第{n}篇", f"第 {n} 篇。" * 200) for n in range(40)},
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "notesqa.cli", "--home", str(home), "index"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    until(lambda: (home / "index" / "catalog.db").exists())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "40 new" in out


# -- doctor and eval ------------------------------------------------------------------------------------


def test_doctor(inside: Inside, built: Path) -> None:
    done = inside("--home", built, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"python", "packages", "home", "catalog", "lexical", "vectors"} <= checks.keys()
    assert {check["state"] for check in checks.values()} <= {"ok", "warning"}
    assert all(check["hint"] for check in checks.values() if check["state"] != "ok")


def test_doctor_finds_what_is_wrong(inside: Inside, tmp_path: Path) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    assert inside("--home", home, "index").returncode == 0
    (home / "index" / "lexical" / "state.json").unlink()
    (home / "corpus" / "new.md").write_text("新")
    (home / "notesqa.toml").write_text('[llm]\nmodel = "gone.gguf"\n')
    done = inside("--home", home, "doctor")
    assert done.returncode == 3
    assert re.search(r"^\?   lexical", done.stdout, re.MULTILINE)
    assert re.search(r"^\?   corpus +1 file", done.stdout, re.MULTILINE)
    assert re.search(r"^!!  model.*gone\.gguf", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("setting", "state", "said"),
    [
        ('[llm]\nbase_url = "ftp://x"', "problem", "no address of a server"),
        ('[llm]\nbase_url = "localhost:8080"', "problem", "no address of a server"),
        ('[llm]\nmodel = "http://127.0.0.1:1/v1"', "problem", "the address of a server"),
        ('[llm]\nbase_url = "http://127.0.0.1:{closed}/v1"', "warning", "nobody answers at"),
        ('[llm]\nbase_url = "http://127.0.0.1:{open}/v1"', "ok", "default at"),
        ('[llm]\nmodel = "gone.gguf"', "problem", "is not there"),
        ('[llm]\nmodel = "text.gguf"', "problem", "is no GGUF file"),
        ('[llm]\nmodel = "damaged.gguf"', "problem", "damaged or cut short"),
        ('[llm]\nmodel = "short.gguf"', "problem", "damaged or cut short"),
        ('[llm]\nmodel = "whole.gguf"', "ok", "whole.gguf"),
        ('[embedding]\nmodel = "nope/nope"', "problem", "nope/nope is not on this machine"),
        ('[embedding]\nmodel = ""', "problem", "embedding.model is empty"),
        ('[embedding]\nmodel = "/nowhere"', "problem", "no model folder"),
        (
            '[embedding]\nmodel = "nope/nope"\nallow_download = true',
            "warning",
            "nope/nope is not on this machine",
        ),
        ('[retrieval]\nreranker = "nope"', "problem", "nope is not on this machine"),
        ('[tui]\ntheme = "nope"', "problem", "has no theme nope"),
        ('[tui.keys]\nnope = "f12"', "problem", "has no action nope"),
        ('[tui]\ntheme = "transmission-light"', "ok", ""),
        ('[tui]\nlanguage = "fr"', "warning", "language fr"),
    ],
)
def test_doctor_looks_at_whatever_the_settings_name(
    inside: Inside, built: Path, tmp_path: Path, setting: str, state: str, said: str
) -> None:
    for name in ("corpus", "index"):
        (tmp_path / name).symlink_to(built / name)
    whole = write_model(tmp_path / "whole.gguf", template=CHAT_TEMPLATE)
    data = whole.read_bytes()
    (tmp_path / "short.gguf").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "text.gguf").write_text("一篇笔记")
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(range(256)) * 40)
    with socket.socket() as taken, socket.socket() as listening:
        taken.bind(("127.0.0.1", 0))
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        setting = setting.replace("{closed}", str(taken.getsockname()[1]))
        setting = setting.replace("{open}", str(listening.getsockname()[1]))
        (tmp_path / "notesqa.toml").write_text(f"{setting}\n")
        done = inside("--home", tmp_path, "doctor", "--json")
    checks = [c for c in json.loads(done.stdout) if c["state"] == state and said in c["detail"]]
    assert checks, done.stdout
    assert done.returncode == (3 if state == "problem" else 0)
    assert state == "ok" or checks[0]["hint"]


@pytest.mark.parametrize("name", ["corpus", "index"])
def test_doctor_finds_a_file_in_the_place_of_a_folder(
    inside: Inside, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("x")
    done = inside("--home", tmp_path, "doctor")
    assert done.returncode == 3
    assert f"{tmp_path / name} is not a folder" in done.stdout


def test_a_line_of_the_users_dictionary_that_cannot_be_taken(
    inside: Inside, tmp_path: Path
) -> None:
    home = write_notes(tmp_path / "home", NOTES)
    assert inside("--home", home, "index").returncode == 0
    words = home / "corpus" / "userdict.txt"
    for frequency in ("99999999999999999999", "9" * 5000):
        words.write_text(f"感受野 9\n词 {frequency} n\n", encoding="utf-8")
        for command in (["search", "词"], ["ask", "词是什么?"], ["index"]):
            assert_error(inside("--home", home, *command), 3, f"{words}, line 2: the frequency")
        done = inside("--home", home, "doctor")
        assert done.returncode == 3
        assert f"!!  segmenter    {words}, line 2" in done.stdout
    words.write_text("词 1000000000 n\n又一个词 1000000000\n", encoding="utf-8")
    assert inside("--home", home, "search", "词").returncode in (0, 1)


def test_eval(inside: Inside, built: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    lines = [
        {"question": "动量系数常用多少?", "gold": ["动量法"], "answers": ["0.9"]},
        {"question": "红烧肉怎么做?", "unanswerable": True},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    done = inside("--home", built, "eval", path, "--json")
    assert done.returncode == 0
    record = json.loads(done.stdout)
    assert record["all"]["mrr@10"] == 1.0
    assert record["refusals"]["recall"] == 1.0
    done = inside("--home", built, "eval", path)
    assert done.stdout.startswith("| kind | questions |")
    path.write_text('{"question": "x"}\n')
    assert_error(inside("--home", built, "eval", path), 3, "q.jsonl:1")
    assert_error(inside("--home", built, "eval", tmp_path / "none"), 3, "cannot read")


class Terminal(io.StringIO):
    """Errors that are read on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_terminal_is_told_which_model_it_waits_for(
    command: str, home: Home, embedder: BigramEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.path / "notesqa.toml").write_text('[embedding]\nmodel = "some/model"\n', "utf-8")
    assert main(["--home", str(home.path), "--quiet", "index"]) == 0
    said = {}
    for quiet in ([], ["--quiet"]):
        errors = Terminal()
        monkeypatch.setattr(sys, "stderr", errors)
        assert main(["--home", str(home.path), *quiet, command, "dropout 测试时怎么做"]) == 0
        said[bool(quiet)] = errors.getvalue()
    # Shown, then wiped away before anything else is said.
    assert said[False].startswith("loading some/model …\r\x1b[K")
    assert said[True] == ""


class Writer:
    """A chat model that writes what it is told, in pieces."""

    name = "writer"
    context_tokens = 4096
    supports_grammar = False

    def __init__(self, reply: str) -> None:
        self.reply = reply

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    def stream(self, messages: Sequence[Message], **_: object) -> Iterator[str]:
        for start in range(0, len(self.reply), 7):
            yield self.reply[start : start + 7]

    def close(self) -> None:
        """Nothing is open."""


def screen(output: str, columns: int, rows: int) -> list[str]:
    """What a terminal shows in the end, where wide characters are two cells."""
    from notesqa.text.terminal import width

    lines, at = [""], 0
    for part in re.split(r"(\n|\r|\x1b\[\d*[AJ])", output):
        if part == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif part == "\x1b[J":
            lines[at:] = [""]
        elif part.endswith("A") and part.startswith("\x1b["):
            assert int(part[2:-1]) < rows, "beyond the top of the window"
            at -= int(part[2:-1])
        elif part not in ("", "\r"):
            assert width(part) <= columns
            lines[at] = part
    return lines


def test_a_reply_on_a_terminal_makes_way_for_the_checked_answer(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are of passages and nothing in it is checked; what stays is the answer."""
    reply = (
        "Dropout 在训练时以概率 p 随机丢弃神经元 [1]。它把误差降低了 42% [1]。" + "\n再说一遍" * 9
    )
    monkeypatch.setattr("notesqa.llm.open_chat_model", lambda *_: Writer(reply))
    monkeypatch.setattr("notesqa.cli_terminal._PAUSE", 0.0)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "8")
    home = tmp_path / "home"
    shutil.copytree(built, home)
    (home / "notesqa.toml").write_text('[llm]\nmodel = "writer.gguf"\n')
    ask = ["--home", str(home), "ask", "Dropout 在训练时怎么做？"]
    piped = io.StringIO()
    monkeypatch.setattr(sys, "stdout", piped)
    assert main(ask) == 0
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(ask) == 0
    *seen, _ = terminal.getvalue().split("\x1b[J")
    assert seen[0].split("\n")[0] == "waiting for the chat model …"
    assert any("随机丢弃" in drawn.replace("\n", "") for drawn in seen)
    shown = screen(terminal.getvalue(), 30, 8)
    assert "".join(shown).replace(" ", "") == piped.getvalue().replace("\n", "").replace(" ", "")
    assert any(line.strip().startswith("⚠") for line in shown)
