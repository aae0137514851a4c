"""Chat models that are known to fit this use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model that is known to fit this use.

    Attributes:
        name: what `notesqa model pull` takes.
        size: bytes of the file.
        sha256: of the file; another one is refused.
        memory: bytes of memory to have free: the file, its context, and some room.
    """

    name: str
    repository: str
    file: str
    size: int
    sha256: str
    licence: str
    memory: int
    remark: str


# The vendor's own repositories on the hub, all under Apache-2.0, Chinese and English.
# Names, sizes and checksums looked up on 2026-11-21 in the search tools' copies of public
# repositories, each pair of size and SHA-256 in at least two independent ones; nothing
# was downloaded. Smallest first. Qwen2.5-3B is left out: its licence is not open.
RECOMMENDED: tuple[Recommended, ...] = (
    Recommended(
        "qwen2.5-0.5b",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491_400_032,
        "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
        "Apache-2.0",
        1_200_000_000,
        "to try it out; weak answers",
    ),
    Recommended(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_117_320_736,
        "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        "Apache-2.0",
        2_200_000_000,
        "for 4 GB machines",
    ),
    Recommended(
        "qwen3-1.7b",
        "Qwen/Qwen3-1.7B-GGUF",
        "Qwen3-1.7B-Q8_0.gguf",
        1_834_426_016,
        "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
        "Apache-2.0",
        3_600_000_000,
        "for 6 GB machines",
    ),
    Recommended(
        "qwen3-4b",
        "Qwen/Qwen3-4B-GGUF",
        "Qwen3-4B-Q4_K_M.gguf",
        2_497_280_256,
        "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
        "Apache-2.0",
        4_500_000_000,
        "for 8 GB machines; a good first choice",
    ),
    Recommended(
        "qwen3-8b",
        "Qwen/Qwen3-8B-GGUF",
        "Qwen3-8B-Q4_K_M.gguf",
        5_027_783_488,
        "d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785",
        "Apache-2.0",
        7_500_000_000,
        "for 16 GB machines or a GPU",
    ),
)


def recommended(memory: int) -> Recommended:
    """The best recommended model for `memory` bytes; the smallest when none fits."""
    fitting = [m for m in RECOMMENDED if m.memory <= memory]
    return fitting[-1] if fitting else RECOMMENDED[0]
