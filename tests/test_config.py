"""Homes and settings: found where they should be, and refused with what to do."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.config import Home, Settings, data_folder
from notesqa.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def load(home: Home, text: str) -> Settings:
    home.settings_file.write_text(text, encoding="utf-8")
    return Settings.load(home)


# -- the home -------------------------------------------------------------------------------------


def test_the_order_in_which_a_home_is_looked_for(tmp_path: Path) -> None:
    named, meant, above = (tmp_path / name for name in ("named", "meant", "above"))
    deep = above / "a" / "b"
    for folder in (named, meant, deep, above / "corpus"):
        folder.mkdir(parents=True)
    environ = {"NOTESQA_HOME": str(meant)}
    assert Home.find(named, environ=environ, cwd=deep).path == named
    assert Home.find(environ=environ, cwd=deep).path == meant
    assert Home.find(environ={"NOTESQA_HOME": ""}, cwd=deep).path == above
    assert Home.find(environ={}, cwd=above / "corpus").path == above
    assert Home.find(environ={}, cwd=tmp_path).path == data_folder() / "home"
    assert (data_folder() / "home").is_dir()


def test_a_home_may_be_relative_or_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.find("mine").path == tmp_path / "mine"
    assert Home.find("~/mine").path == tmp_path / "mine"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("missing", "does not exist"),
        ("file.txt", "is not a folder"),
        ("file.txt/below", "does not exist"),
        ("", "name of the home is empty"),
        ("~nobody-of-this-name/x", "home"),
        ("x" * 5000, "too long"),
        ("a\0b", "does not exist"),
    ],
)
def test_a_home_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("x")
    with pytest.raises(ConfigError) as caught:
        Home.find(named)
    assert said in caught.value.message.lower()
    assert "--home" in caught.value.hint
    if named and "\0" not in named:
        with pytest.raises(ConfigError) as caught:
            Home.find(environ={"NOTESQA_HOME": named})
        assert "NOTESQA_HOME" in caught.value.hint


def test_a_working_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = Path.cwd()
    os.chdir(gone)
    try:
        gone.rmdir()
        assert Home.find(environ={}).path == data_folder() / "home"
    finally:
        os.chdir(before)


def test_a_data_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cannot make the home"):
        Home.find(environ={}, cwd=tmp_path)


# -- settings --------------------------------------------------------------------------------------


def test_defaults_without_a_file(home: Home) -> None:
    assert Settings.load(home) == Settings()
    assert load(home, "") == Settings()


def test_what_the_file_says(home: Home) -> None:
    settings = load(
        home,
        '\ufeff[embedding]\nmodel = "some/model"\n[llm]\ntemperature = 1\ngpu_layers = -1\n'
        '[retrieval]\nk = 3\n[tui.keys]\nask = "ctrl+g"\n',
    )
    assert settings.embedding.model == "some/model"
    assert settings.llm.temperature == 1.0
    assert isinstance(settings.llm.temperature, float)
    assert settings.retrieval.k == 3
    assert settings.tui.keys == {"ask": "ctrl+g"}


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[embeding]\n", "unknown key embeding", "embedding"),
        ('[llm]\nmodell = "x"\n', "unknown key llm.modell", "llm.model"),
        ("[llm]\nzzz = 1\n", "unknown key llm.zzz", "known: model"),
        ('"\\u001b[31m" = 1\n', "unknown key", "known"),
        ("embedding = 3\n", "embedding must be a table", "[embedding]"),
        ("[llm]\nmodel = 3\n", "llm.model must be a string", "3"),
        ('[retrieval]\nk = "8"\n', "retrieval.k must be a whole number", "8"),
        ("[retrieval]\nk = 2.5\n", "retrieval.k must be a whole number", "2.5"),
        ("[retrieval]\nk = true\n", "retrieval.k must be a whole number", "True"),
        ("[retrieval]\nk = 0\n", "retrieval.k must be at least 1", "0"),
        ("[retrieval]\nk = 1000000000\n", "retrieval.k must be at most 1000", "1000000000"),
        ("[retrieval]\nk = 9999999999999999999\n", "retrieval.k must be at most 1000", "999"),
        ("[llm]\nthreads = 99999\n", "llm.threads must be at most 1024", "99999"),
        ("[llm]\ntimeout_seconds = 1e300\n", "llm.timeout_seconds must be at most", "1e+300"),
        ("[chunking]\ntokens = 0\n", "chunking.tokens must be at least 32", "0"),
        ("[llm]\ntemperature = -0.5\n", "llm.temperature must be at least 0", "-0.5"),
        ("[llm]\ntemperature = nan\n", "llm.temperature must be at least 0", "nan"),
        ("[llm]\ntimeout_seconds = inf\n", "llm.timeout_seconds must be", "inf"),
        ("[llm]\ngpu_layers = -2\n", "llm.gpu_layers must be at least -1", "-2"),
        ("[llm]\nthreads = -1\n", "llm.threads must be at least 0", "-1"),
        ('[embedding]\nallow_download = "yes"\n', "must be true or false", "yes"),
        ("[tui.keys]\nask = 3\n", "tui.keys must map names to strings", "ask"),
        ("[llm\n", "not valid TOML", "line"),
        ("a = " + "[" * 5000, "not valid TOML", "line"),
        ("x = 1\nx = 2\n", "not valid TOML", "line"),
    ],
)
def test_what_it_may_not_say(home: Home, text: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(home, text)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert str(home.settings_file) in caught.value.message


def test_files_that_cannot_be_read(home: Home) -> None:
    home.settings_file.mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        Settings.load(home)
    home.settings_file.rmdir()
    for target in ("nowhere.toml", "notesqa.toml"):
        home.settings_file.symlink_to(target)
        with pytest.raises(ConfigError, match="a link that leads nowhere"):
            Settings.load(home)
        home.settings_file.unlink()
    home.settings_file.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="not a regular file"):
        Settings.load(home)
    home.settings_file.unlink()
    os.mkfifo(home.settings_file)
    with pytest.raises(ConfigError, match="not a regular file"):
        Settings.load(home)
    home.settings_file.unlink()
    home.settings_file.write_bytes("[llm]\nmodel = '模型'".encode("gb18030"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        Settings.load(home)
    home.settings_file.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="too large"):
        Settings.load(home)


def test_every_setting_can_be_written_as_its_default(home: Home) -> None:
    """Whatever a default is, the file may say it, too."""
    lines = []
    for section in dataclasses.fields(Settings):
        value = getattr(Settings(), section.name)
        lines.append(f"[{section.name}]")
        for field in dataclasses.fields(value):
            default = getattr(value, field.name)
            if isinstance(default, bool):
                lines.append(f"{field.name} = {str(default).lower()}")
            elif isinstance(default, int | float):
                lines.append(f"{field.name} = {default}")
            elif isinstance(default, str):
                lines.append(f'{field.name} = "{default}"')
    assert load(home, "\n".join(lines)) == Settings()


@given(st.text(max_size=80))
def test_any_file_is_settings_or_one_clear_error(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.settings_file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            assert isinstance(Settings.load(home), Settings)
        except ConfigError as error:
            assert error.hint


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_home_whose_path_is_no_utf8_is_told(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"h\xff")
    folder.mkdir()
    with pytest.raises(ConfigError, match="not UTF-8"):
        Home.find(folder)
