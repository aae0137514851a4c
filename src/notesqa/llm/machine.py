"""What the machine has to offer a model: cores and memory, containers taken into account."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CORES = Path("/sys/devices/system/cpu")


def physical_cores() -> int:
    """Cores that this process may use, hyper-threads not counted; at least 1.

    Matrix products saturate a core, so its second thread only adds waiting.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    cores = {siblings for cpu in allowed if (siblings := _siblings(cpu))}
    count = len(cores) or len(allowed) or os.cpu_count() or 1
    quota = _quota()
    return max(1, min(count, quota) if quota else count)


def _siblings(cpu: int) -> str:
    try:
        return (_CORES / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return ""


def _quota() -> int:
    """Cores that the container's quota amounts to, rounded up; 0 when there is none."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return 0 if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError):
        return 0


def total_memory() -> int:
    """Bytes of memory that this process may ever have; 0 when unknown."""
    total = _meminfo("MemTotal") or _sysconf("SC_PHYS_PAGES")
    limit = _cgroup_bytes("memory.max")
    return min(total, limit) if total and limit else total or limit


def available_memory() -> int:
    """Bytes of memory that can be had now without swapping; 0 when unknown."""
    free = _meminfo("MemAvailable") or _sysconf("SC_AVPHYS_PAGES")
    limit = _cgroup_bytes("memory.max")
    if limit:
        left = max(0, limit - _cgroup_bytes("memory.current"))
        return min(free, left) if free else left
    return free


def _meminfo(key: str) -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == key:
                return int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0


def _sysconf(key: str) -> int:
    try:
        return os.sysconf(key) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _cgroup_bytes(name: str) -> int:
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):
        return 0
