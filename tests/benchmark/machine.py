"""Which machine and which software this is, and how fast the machine is at the moment."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import vespa_client

__all__ = ["about", "commit_of", "yardstick"]

_TURNS = 7
_STEPS = 40_000


def about(root: Path) -> dict[str, Any]:
    """What the figures of a run depend on. No host's and no user's name is in it."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "load": os.getloadavg()[0],
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "version": vespa_client.__version__,
        "commit": commit_of(root),
        "packages": {name: importlib.metadata.version(name) for name in ("requests", "urllib3")},
    }


def commit_of(root: Path) -> str:
    """The checkout's commit, and whether files differ from it; "an unknown commit" where git can't tell."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"
    return f"{commit} with changes" if changed else commit


def yardstick() -> float:
    """The milliseconds of CPU that a fixed computation takes now: the median of a few turns."""
    return statistics.median(_turn() for _ in range(_TURNS)) * 1e3


def _turn() -> float:
    begin = time.thread_time()
    table: dict[bytes, int] = {}
    for number in range(_STEPS):
        text = b"%d: %d" % (number % 977, number)
        name, _, value = text.partition(b": ")
        table[name] = table.get(name, 0) + len(value.decode("latin-1").lower())
    return time.thread_time() - begin


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
