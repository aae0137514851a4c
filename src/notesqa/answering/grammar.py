"""A GBNF grammar for one question's answer: citations by construction.

Every sentence ends in one to three marks `[n]` of passages that were given, or the whole
reply is the fixed refusal. Lengths are bounded, so that a model that never stops is
stopped. Square brackets and line breaks occur only where the grammar puts them; inside
`$…$` and backquotes they may stand as well.

GBNF: llama.cpp, `grammars/README.md`; constrained decoding in general: Geng et al. 2023,
"Grammar-Constrained Decoding", arXiv:2305.13971.
"""

from __future__ import annotations

from functools import lru_cache

_SENTENCES = 8
_MARKS = 3
# Units of a sentence: a character, or a whole formula or piece of code.
_UNITS = {"zh": 160, "en": 420}
_FORMULA = 160
_CODE = 60


@lru_cache(maxsize=64)
def answer_grammar(passages: int, refusal: str, *, language: str = "zh") -> str:
    """The grammar of an answer from `passages` numbered passages.

    Args:
        passages: how many were given; with 0 only the refusal is left.
        refusal: the one sentence that says that the notes do not say.
        language: `zh` or `en`; sets how long a sentence may be.

    Raises:
        ValueError: `passages` is negative.
    """
    if passages < 0:
        raise ValueError("there cannot be fewer than no passages")
    literal = _literal(refusal)
    if passages == 0:
        return f"root ::= {literal}\n"
    return f"""root ::= {literal} | sentence (gap sentence){{0,{_SENTENCES - 1}}}
sentence ::= unit{{4,{_UNITS[language]}}} (stop marks | marks stop)
marks ::= mark{{1,{_MARKS}}}
mark ::= "[" number "]"
number ::= {_numbers(passages)}
gap ::= " " | "\\n" "\\n"? item?
item ::= "- " | [1-9] [.] " "
stop ::= [。！？!?；;.]
unit ::= char | formula | code | less | dot | short
char ::= [^\\[\\]【】〔〕$`<>。！？!?.\\x01-\\x1f\\x7f-\\x9f]
less ::= [<>] [ =0-9]
dot ::= "." [0-9A-Za-z_]
short ::= "et al. " | "e.g. " | "i.e. " | "vs. " | "Fig. " | "Eq. " | "cf. "
formula ::= "$" [^$\\x01-\\x1f\\x7f-\\x9f]{{1,{_FORMULA}}} "$"
code ::= "`" [^`\\x01-\\x1f\\x7f-\\x9f]{{1,{_CODE}}} "`"
"""


def _numbers(most: int) -> str:
    """An expression for the numbers from 1 to `most`."""
    if most <= 9:
        return f"[1-{most}]"
    parts = ["[1-9]"]
    tens, ones = divmod(most, 10)
    if most > 99:
        return " | ".join(f'"{n}"' for n in range(1, most + 1))
    if tens > 1:
        parts.append(f"[1-{tens - 1}] [0-9]")
    parts.append(f'"{tens}" [0-{ones}]')
    return " | ".join(parts)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
