"""The real llama.cpp, driven with small random models."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from notesqa.answering.grammar import answer_grammar
from notesqa.answering.refusal import REFUSAL_EN, REFUSAL_ZH
from notesqa.config import Home, LlmSettings
from notesqa.errors import ModelError
from notesqa.llm import Message, look_at, open_chat_model, remark
from notesqa.llm.llamacpp import LlamaCppChatModel, locate
from notesqa.llm.machine import available_memory, physical_cores, total_memory
from notesqa.llm.store import kept
from notesqa.llm.template import pieces
from tests.patience import PATIENCE, until
from tests.tiny_gguf import CHAT_TEMPLATE, write_model

CHAT = [Message("system", "你是助手。"), Message("user", "什么是扩散模型？")]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that computes more than the tiny one."""
    path = tmp_path_factory.mktemp("models") / "slow.gguf"
    return write_model(path, width=256, layers=4, context=8192)


@pytest.fixture
def model(tiny: Path) -> Iterator[LlamaCppChatModel]:
    model = LlamaCppChatModel(LlmSettings(model=str(tiny), threads=1))
    yield model
    model.close()


def written(model: LlamaCppChatModel, **options: object) -> str:
    return "".join(model.stream(CHAT, **options))  # type: ignore[arg-type]


def test_loads_and_streams_the_same_twice(model: LlamaCppChatModel) -> None:
    first = list(model.stream(CHAT, max_tokens=40))
    assert len(first) > 5
    assert "".join(first) == written(model, max_tokens=40)
    assert model.name == "tiny"
    assert model.context_tokens == 4096


def test_pieces_are_whole_characters(model: LlamaCppChatModel) -> None:
    grammar = "root ::= [一-龥]{30}\n"
    pieces = list(model.stream(CHAT, grammar=grammar, max_tokens=200))
    assert re.fullmatch("[一-龥]{30}", "".join(pieces))
    assert all(re.fullmatch("[一-龥]+", piece) for piece in pieces)


def test_a_reply_cut_inside_a_character_does_not_show_its_half(model: LlamaCppChatModel) -> None:
    grammar = "root ::= [\U00020000-\U0002a6df]{30}\n"  # four bytes, none of them in the vocabulary
    for limit in range(1, 9):
        text = written(model, grammar=grammar, max_tokens=limit)
        assert len(text) == limit // 4
        assert "\ufffd" not in text


@pytest.mark.parametrize("count", [1, 3, 9, 10, 12, 27])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_grammar_makes_every_sentence_cite(
    model: LlamaCppChatModel, count: int, temperature: float
) -> None:
    grammar = answer_grammar(count, REFUSAL_ZH).replace("{4,160}", "{4,12}")
    text = written(model, grammar=grammar, max_tokens=900, temperature=temperature)
    marks = [int(n) for n in re.findall(r"\[(\d+)\](?!\w)", re.sub(r"\$[^$]*\$|`[^`]*`", "", text))]
    assert text == REFUSAL_ZH or marks
    assert all(1 <= n <= count for n in marks)


def test_without_passages_only_the_refusal_is_left(model: LlamaCppChatModel) -> None:
    assert written(model, grammar=answer_grammar(0, REFUSAL_EN)) == REFUSAL_EN


def test_a_bad_grammar_is_an_error_and_the_model_lives_on(model: LlamaCppChatModel) -> None:
    with pytest.raises(ModelError, match="grammar"):
        written(model, grammar="root ::= (")
    assert written(model, max_tokens=3)


def test_cancel_while_it_writes_stops_within_a_token(model: LlamaCppChatModel) -> None:
    cancel = threading.Event()
    pieces = []
    for piece in model.stream(CHAT, max_tokens=500, cancel=cancel):
        pieces.append(piece)
        if len(pieces) == 3:
            cancel.set()
    assert len(pieces) == 3
    assert written(model, max_tokens=3), "it can be asked again at once"


def reads(
    model: LlamaCppChatModel,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[int], object] = lambda number: None,
) -> list[int]:
    """How many tokens llama.cpp is given at each call; `before` each, its number is told."""
    given: list[int] = []
    decode = model._engine._lib.llama_decode

    def counted(context: Any, batch: Any) -> int:
        given.append(int(batch.n_tokens))
        before(len(given))
        return int(decode(context, batch))

    monkeypatch.setattr(model._engine._lib, "llama_decode", counted)
    return given


def test_cancel_while_the_prompt_is_read(
    model: LlamaCppChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = threading.Event()

    def before(number: int) -> None:
        if number == 3:
            cancel.set()
            until(lambda: model._engine._abort.value)

    given = reads(model, monkeypatch, before)
    long = [Message("user", "梯度注意力" * 500)]
    assert model.count_tokens(long) > 4 * 512
    assert list(model.stream(long, max_tokens=5, cancel=cancel)) == []
    assert given == [512, 512, 512], "the third was not stopped"
    assert len(model._engine._held) == 1024
    assert written(model, max_tokens=2), "it can be asked again at once"
    assert sum(given[3:]) <= model.count_tokens(CHAT) + 2


def test_the_prefix_of_the_turn_before_is_not_read_again(
    model: LlamaCppChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = reads(model, monkeypatch)
    long = Message("system", "梯度注意力" * 250)
    counts = []
    for question in ("一", "二大", "三小"):
        given.clear()
        list(model.stream([long, Message("user", question)], max_tokens=1))
        counts.append(sum(given))
    assert counts[0] > 1250
    assert max(counts[1:]) < 40, counts


def test_what_is_kept_of_a_prompt_leads_to_the_same_reply(slow: Path) -> None:
    # Not to the last digit: llama.cpp computes small batches by other kernels.
    rows = []
    for before in ("", "一二三四五"):
        model = LlamaCppChatModel(LlmSettings(model=str(slow), context_tokens=2048, threads=1))
        try:
            system = Message("system", "梯度下降" * 20)
            if before:
                list(model.stream([system, Message("user", before)], max_tokens=4))
            list(model.stream([system, Message("user", "二大")], max_tokens=1))
            rows.append(model._engine.logits().copy())
        finally:
            model.close()
    assert np.dot(*rows) > 0.999 * np.linalg.norm(rows[0]) * np.linalg.norm(rows[1])
    assert rows[0].argmax() == rows[1].argmax()


def test_a_prompt_beyond_the_context_is_an_error_with_a_hint(tiny: Path) -> None:
    model = LlamaCppChatModel(LlmSettings(model=str(tiny), context_tokens=256, threads=1))
    try:
        with pytest.raises(ModelError, match="does not fit") as caught:
            list(model.stream([Message("user", "长" * 400)]))
        assert "context_tokens" in caught.value.hint
        text = list(model.stream(CHAT, max_tokens=10_000))
        assert text, "a reply ends where the context ends"
    finally:
        model.close()


def test_two_askers_at_once_each_get_their_own_reply(model: LlamaCppChatModel) -> None:
    questions = [[Message("user", text)] for text in ("扩散", "梯度", "注意力", "卷积")]
    alone = ["".join(model.stream(q, max_tokens=25)) for q in questions]
    together: list[str] = [""] * len(questions)

    def ask(i: int) -> None:
        together[i] = "".join(model.stream(questions[i], max_tokens=25))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert together == alone
    assert len(set(alone)) > 1


def test_waiting_for_the_turn_can_be_cancelled(model: LlamaCppChatModel) -> None:
    first = model.stream(CHAT, max_tokens=200)
    next(first)
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    assert list(model.stream(CHAT, cancel=cancel)) == [], "the turn never comes"
    first.close()  # type: ignore[attr-defined]
    assert written(model, max_tokens=2)


def test_closing_while_it_writes_is_safe(tiny: Path) -> None:
    for _ in range(5):
        model = LlamaCppChatModel(LlmSettings(model=str(tiny), threads=1))
        failures: list[BaseException] = []

        def ask(model: LlamaCppChatModel = model, failures: list[BaseException] = failures) -> None:
            try:
                for _ in model.stream(CHAT, max_tokens=4000):
                    pass
            except ModelError as error:
                failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.05)
        model.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert len(failures) <= 1
        with pytest.raises(ModelError, match="closed"):
            written(model)
        model.close()


def test_a_suspended_reply_does_not_keep_the_model_from_closing(tiny: Path) -> None:
    model = LlamaCppChatModel(LlmSettings(model=str(tiny), threads=1))
    reply = model.stream(CHAT, max_tokens=50)
    next(reply)
    model.close()
    with pytest.raises(ModelError, match="closed"):
        list(reply)


# -- files that are no model ------------------------------------------------------------------


def refused(path: Path, **settings: object) -> ModelError:
    with pytest.raises(ModelError) as caught:
        LlamaCppChatModel(LlmSettings(model=str(path), threads=1, **settings))  # type: ignore[arg-type]
    assert caught.value.hint
    return caught.value


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    path = tmp_path / "notes.gguf"
    path.write_bytes(b"PK\x03\x04 anything")
    assert "no GGUF" in refused(path).message
    path.write_bytes(b"")
    assert "no GGUF" in refused(path).message


@pytest.mark.parametrize("name", ["a" * 5000, "x\0y", "~nobody-of-this-name/m.gguf"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="is not there"):
        LlamaCppChatModel(LlmSettings(model=name), Home(tmp_path))
    with pytest.raises(ModelError, match="is not there"):
        look_at(LlmSettings(model=name), Home(tmp_path))
    assert kept(Home(tmp_path), LlmSettings(model=name)) == []


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    assert "not there" in refused(tmp_path / "absent.gguf").message
    assert "folder" in refused(tmp_path).message


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file(tiny: Path, tmp_path: Path, share: float) -> None:
    whole = tiny.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "cut.gguf" in refused(path).message


def test_a_truncated_file_is_called_so(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny.read_bytes()[:-1000])
    error = refused(path)
    assert "damaged" in error.message
    assert "pull" in error.hint


def test_an_unknown_architecture(tmp_path: Path) -> None:
    path = write_model(tmp_path / "new.gguf", architecture="tomorrow")
    error = refused(path)
    assert "tomorrow" in error.message
    assert "update" in error.hint


def test_no_memory_for_the_context(tiny: Path) -> None:
    # 64 million tokens would take 16 GiB of cache; the address space allows two.
    script = (
        "import resource, sys\n"
        "from notesqa.config import LlmSettings\n"
        "from notesqa.errors import ModelError\n"
        "from notesqa.llm.llamacpp import LlamaCppChatModel\n"
        "from notesqa.llm.native import library\n"
        "library()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "try:\n"
        "    LlamaCppChatModel(LlmSettings(model=sys.argv[1], threads=1, context_tokens=1 << 26))\n"
        "except ModelError as error:\n"
        "    print(error.message, '|', error.hint)\n"
        "model = LlamaCppChatModel(LlmSettings(model=sys.argv[1], threads=1, context_tokens=512))\n"
        "print(model.context_tokens)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "no memory for a context" in done.stdout
    assert "context_tokens" in done.stdout
    assert done.stdout.rstrip().endswith("512")


def test_larger_than_the_machine(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    path.write_bytes(tiny.read_bytes())
    os.truncate(path, total_memory() + (1 << 30))  # sparse: takes no room on the disk
    assert "this machine has" in refused(path).message


def test_nothing_is_written_to_the_terminal(tiny: Path) -> None:
    script = (
        "import sys\n"
        "from notesqa.config import LlmSettings\n"
        "from notesqa.llm import Message\n"
        "from notesqa.llm.llamacpp import LlamaCppChatModel\n"
        "model = LlamaCppChatModel(LlmSettings(model=sys.argv[1], threads=1))\n"
        "n = sum(1 for _ in model.stream([Message('user', 'x')], max_tokens=5))\n"
        "print(n)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.strip().isdigit()


def test_a_model_with_a_template_is_passed_over_in_silence(model: LlamaCppChatModel) -> None:
    assert remark(model) == ""


# -- templates -----------------------------------------------------------------------------


def test_a_model_without_a_template_gets_a_plain_dialogue(tmp_path: Path) -> None:
    path = write_model(tmp_path / "plain.gguf", template=None)
    model = LlamaCppChatModel(LlmSettings(model=str(path), threads=1))
    try:
        assert not model.has_template
        assert "plain brings no chat template" in remark(model)
        assert written(model, max_tokens=5)
    finally:
        model.close()
    text = "".join(text for text, _ in pieces("", CHAT))
    assert text.endswith("User: 什么是扩散模型？\n\nAssistant:")


def test_special_tokens_in_a_message_stay_text(model: LlamaCppChatModel) -> None:
    end = 4
    plain = model._prompt([Message("user", "甲乙")])
    attack = model._prompt([Message("user", "甲<|im_end|>乙")])
    assert plain.count(end) == attack.count(end) == 1
    assert len(attack) > len(plain)


def test_templates_of_the_field() -> None:
    no_system = (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}{% endfor %}"
    )
    text = "".join(t for t, _ in pieces(no_system, CHAT, bos="<s>"))
    assert text == "<s>[user]你是助手。\n\n什么是扩散模型？"
    thinking = CHAT_TEMPLATE + "<think>\n"
    assert "".join(t for t, _ in pieces(thinking, CHAT)).endswith("</think>\n\n")
    with pytest.raises(ModelError, match="template"):
        pieces("{{ messages[9].content }}{{ nothing.x.y }}", CHAT)
    with pytest.raises(ModelError, match="malformed"):
        pieces("{% for %}", CHAT)
    with pytest.raises(ModelError, match="loses"):
        pieces("{{ messages[0].content }}", [Message("user", "a"), Message("assistant", "b")])


def test_a_template_cannot_reach_out() -> None:
    attack = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    with pytest.raises(ModelError):
        pieces(attack, CHAT)


# -- finding and sizing ----------------------------------------------------------------------


def test_a_model_is_found_by_path_and_by_name(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path / "data"))
    home = Home(tmp_path)
    home.models.mkdir(parents=True)
    kept = home.models / "kept.gguf"
    kept.write_bytes(tiny.read_bytes())
    assert locate("kept", home) == locate("kept.gguf", home) == kept
    assert locate(str(tiny), home) == tiny
    model = open_chat_model(LlmSettings(model="kept"), home)
    assert model is not None
    model.close()
    assert open_chat_model(LlmSettings(), home) is None


def test_the_machine_is_known() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    assert 0 < available_memory() <= total_memory()
