"""Commands run as a user runs them: wall time, and the most memory they held.

python -m benchmarks.processes TIMES COMMAND …      # one JSON object a run
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall seconds, peak resident memory in MB, exit code, its standard output.

    Below the memory of the process that measures, the peak says nothing: Linux counts
    what a child shared with its parent before it became another program. `apart` keeps
    that small.
    """

    seconds: float
    megabytes: float
    code: int
    output: str


def notesqa() -> list[str]:
    """The command as it was installed beside this Python, else through the package."""
    command = Path(sys.executable).parent / "notesqa"
    if command.is_file():
        return [str(command)]
    return [sys.executable, "-c", "import sys; from notesqa.cli import main; sys.exit(main())"]


def run(command: Sequence[str]) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: it ended with another code than 0; says what it wrote.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    if process.stdout is None:
        raise RuntimeError(f"{command[0]}: no pipe")
    output = process.stdout.read().decode("utf-8", "replace")
    # wait4 tells the memory of this one child, RUSAGE_CHILDREN only the largest so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-800:]}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Run(seconds, usage.ru_maxrss / unit, process.returncode, output)


def several(command: Sequence[str], times: int) -> list[Run]:
    """The same command one after another, the disk cache warm after one more before them."""
    run(command)
    return [run(command) for _ in range(times)]


def apart(command: Sequence[str], times: int) -> list[Run]:
    """`several`, measured by a process that holds next to nothing itself."""
    told = run([sys.executable, "-m", __name__, str(times), *command]).output
    return [Run(**json.loads(line)) for line in told.splitlines()]


def median_seconds(runs: Sequence[Run]) -> float:
    """The median wall time."""
    return statistics.median(r.seconds for r in runs)


if __name__ == "__main__":
    for made in several(sys.argv[2:], int(sys.argv[1])):
        print(json.dumps(asdict(made)))
