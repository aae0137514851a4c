"""Which script a text is mostly written in."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What no English question is without, and no list of names or terms has.
_ENGLISH_WORDS = re.compile(
    r"\b(?:what(?:'s)?|which|why|how|when|where|who(?:se|m)?|is|are|was|were|does|do|did|can|could|"
    r"should|would|will|the|a|an|of|in|on|to|for|and|or|if|it|its|this|that|these|those|by|with|"
    r"from|as|at|than|between|about|into|i|we|you|my|your|has|have|had|not|no|please|tell|explain|"
    r"describe|compare|define|give|list|show)\b",
    re.IGNORECASE,
)


def mostly_english(text: str) -> bool:
    """Whether `text` is an English sentence rather than Chinese with English terms.

    Any Han character that is not drowned by Latin letters makes it Chinese: three
    letters weigh as much as one character.
    """
    han = sum("\u3400" <= char <= "\u9fff" for char in text)
    latin = sum(char.isascii() and char.isalpha() for char in text)
    return latin > 0 and (han == 0 or latin > 12 * han)


def asks_in_english(question: str, notes: Iterable[str] = ()) -> bool:
    """Whether a question is to be answered in English.

    A name or a term by itself ("LoRA", "dying relu") is written in either language; then the
    notes decide.

    Args:
        notes: what was found for it.
    """
    if not mostly_english(question):
        return False
    if _ENGLISH_WORDS.search(question):
        return True
    found = " ".join(notes)
    return not found or mostly_english(found)
