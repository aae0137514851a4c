"""The quick measurements, one after another: start-up, a small home, two question sets.

    python -m benchmarks [--data DIR]

About two minutes on two cores. The whole: see README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import scale, startup

QUICK_SETS = ("dl500", "reflection")
QUICK_CHUNKS = "2000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; question sets only where there are some."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The quick measurements, one after another."
    )
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/tuning"), help="folder of question sets"
    )
    args = parser.parse_args(arguments)
    print("# Start-up\n", flush=True)
    startup.main([])
    print("\n# Scale\n", flush=True)
    scale.main(["--chunks", QUICK_CHUNKS])
    sets = [n for n in QUICK_SETS if (args.data / n / "qa.jsonl.gz").is_file()]
    if not sets:
        print(f"no question sets in {args.data}: retrieval is left out", file=sys.stderr)
        return 0
    # Learning, which it imports, needs packages that the other two do without.
    from benchmarks import retrieval

    print("\n# Retrieval\n", flush=True)
    retrieval.main(["--data", str(args.data), "--sets", *sets])
    return 0


if __name__ == "__main__":
    sys.exit(main())
