"""How long a proxy takes to start, beside what the interpreter and its imports take without it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .measured import Effort, Failed, Measured
from .programs import clean_environment
from .proxy import Proxy
from .targets import Startable, Surroundings

__all__ = ["measure_start"]

_PATIENCE = 60.0
_IMPORT = [sys.executable, "-c", "import requests"]
_PASS = [sys.executable, "-c", "pass"]


def measure_start(target: Startable, place: Surroundings, effort: Effort, log: Path) -> Measured:
    """A few starts, each beside the same interpreter's without the proxy."""
    help_command = target.help_command()
    env = target.environment(place.home) if help_command else clean_environment()
    times: dict[str, list[float]] = {name: [] for name in ("listening", "answering", "import", "help", "pass")}
    # The first one may compile the modules, and has the disk to wait for.
    for is_measured in (False, *[True] * effort.starts):
        of_this: dict[str, float] = {"import": _run(_IMPORT, env, place.home)}
        with Proxy(target, place, log) as proxy:
            of_this["listening"] = proxy.listening_seconds
            of_this["answering"] = proxy.answer()
        of_this["pass"] = _run(_PASS, env, place.home)
        if help_command:
            of_this["help"] = _run(help_command, env, place.home)
        if is_measured:
            for name, seconds in of_this.items():
                times[name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in times.items() if seconds}
    figures: dict[str, float | None] = {f"{name}_s": seconds for name, seconds in medians.items() if name != "help"}
    figures["listening_multiple"] = medians["listening"] / medians["import"]
    figures["help_multiple"] = medians["help"] / medians["pass"] if help_command else None
    return Measured(figures)


def _run(command: Sequence[str], env: Mapping[str, str], cwd: Path) -> float:
    """Returns the seconds from its start to its end."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, timeout=_PATIENCE)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise Failed(f"{command[-1]} ended with code {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-300:]}")
    return seconds
