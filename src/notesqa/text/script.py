"""Which script a text is mostly written in."""

from __future__ import annotations


def mostly_english(text: str) -> bool:
    """Whether `text` is an English sentence rather than Chinese with English terms.

    Any Han character that is not drowned by Latin letters makes it Chinese: three
    letters weigh as much as one character.
    """
    han = sum("\u3400" <= char <= "\u9fff" for char in text)
    latin = sum(char.isascii() and char.isalpha() for char in text)
    return latin > 0 and (han == 0 or latin > 12 * han)
