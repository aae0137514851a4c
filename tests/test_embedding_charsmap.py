"""The character table inside the tokenizer does what `notesqa.text.normalize` does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.normalizers import Precompiled
from training.charsmap import compile_charsmap
from training.vocabulary import untrained

from notesqa.embedding.builtin import model_folder
from notesqa.text.normalize import normalize


def shipped() -> Tokenizer:
    return Tokenizer.from_file(str(model_folder() / "0_StaticEmbedding" / "tokenizer.json"))


@pytest.mark.parametrize(
    ("first", "last", "share"),
    [(0x20, 0x7F, 1), (0xFF01, 0xFFE0, 1), (0x1D400, 0x1D800, 1), (0x4E00, 0xA000, 0.995)],
)
def test_the_shipped_table_agrees(first: int, last: int, share: float) -> None:
    """ASCII, full-width forms, mathematical letters; and Han, traditional included."""
    normalizer = shipped().normalizer
    same = [
        normalizer.normalize_str(chr(code)) == normalize(chr(code)) for code in range(first, last)
    ]
    assert sum(same) >= share * len(same)


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.characters(min_codepoint=0x21, max_codepoint=0x2FFFF, exclude_categories=["Cs", "M"]),
        st.text(st.sampled_from("abc批é"), max_size=3),
        min_size=1,
        max_size=40,
    )
)
def test_a_compiled_table_replaces_its_characters_and_no_others(table: dict[str, str]) -> None:
    normalizer = Precompiled(compile_charsmap(table))
    for char, replacement in table.items():
        assert normalizer.normalize_str(char) == replacement
    for char in table:
        # What stands near a key in the trie must not be taken for it.
        for near in (chr(ord(char) ^ 1), chr(ord(char) ^ 0x40), chr(ord(char) ^ 0x1000)):
            if near.isprintable():
                assert normalizer.normalize_str(near) == table.get(near, near)


def test_the_whole_table_agrees_with_every_character() -> None:
    normalizer = untrained().normalizer
    wrong = [
        chr(code)
        for first, last in ((0x20, 0x300), (0x370, 0xD800), (0xF900, 0x30000))
        for code in range(first, last)
        if normalizer.normalize_str(chr(code)) != normalize(chr(code))
    ]
    assert wrong == []


@pytest.mark.parametrize("table", [{"": "x"}, {"a\0": "x"}, {"a": "\0"}])
def test_what_the_layout_cannot_hold_is_refused(table: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot map"):
        compile_charsmap(table)
