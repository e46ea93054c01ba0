"""Programs that run beside the benchmark, none of which outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..support.programs import ROOT
from .measured import Failed

__all__ = ["Helper", "Program", "clean_environment", "run_job"]

_END_SECONDS = 5.0
# Longer than any measure takes by itself, waiting for what doesn't come included.
_JOB_SECONDS = 300.0
_LINES_SHOWN = 3


def clean_environment(**more: str) -> dict[str, str]:
    """The caller's, without what changes Python or is meant for a proxy of theirs."""
    kept = {name: value for name, value in os.environ.items() if not _is_a_setting(name)}
    return {**kept, **more}


def _is_a_setting(name: str) -> bool:
    return name.startswith(("PYTHON", "VAST_", "VESPA_", "XDG_")) or name.upper().endswith("_PROXY")


class Program:
    """One running program, which ends with its block. Its process group is its own: Ctrl-C is for the benchmark alone."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        *,
        talks: bool = False,
    ) -> None:
        """What it says goes into ``log``; if it ``talks``, its standard input and output are pipes.

        Raises :class:`Failed` where there is no such program.
        """
        pipe = subprocess.PIPE
        self._log = log
        self._has_ended = False
        with log.open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    command,
                    env=env,
                    cwd=cwd,
                    stdin=pipe if talks else subprocess.DEVNULL,
                    stdout=pipe if talks else output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as problem:
                raise Failed(f"{command[0]} can't be started: {problem.strerror}") from None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ask it to end, with all that it started, and kill what doesn't. Harmless twice."""
        if self._has_ended:
            return
        self._has_ended = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            # The group may outlive the program that led it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    @property
    def is_running(self) -> bool:
        """Whether it hasn't ended by itself."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """How it ended, and the last lines of what it said."""
        lines = [line.strip() for line in self._log.read_text("utf-8", "replace").splitlines() if line.strip()]
        return f"ended with code {self.process.poll()}; it said: {' | '.join(lines[-_LINES_SHOWN:]) or 'nothing'}"


class Helper(Program):
    """A module of this package that listens, says on which ``ports``, and ends with its standard input."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        command = [sys.executable, "-m", f"{__package__}.{module}", *arguments]
        super().__init__(command, log, clean_environment(), ROOT, talks=True)
        assert self.process.stdout is not None
        try:
            line = self.process.stdout.readline()
            if not line:
                self.process.wait()
                raise Failed(f"{module} {self.last_words()}")
        except BaseException:
            self.end()
            raise
        self.ports: list[int] = json.loads(line)


def run_job(job: dict[str, Any], log: Path) -> dict[str, Any]:
    """Have the measuring client do a job. Returns its answer. Raises :class:`Failed`."""
    command = [sys.executable, "-m", f"{__package__}.measuring"]
    with Program(command, log, clean_environment(), ROOT, talks=True) as client:
        try:
            out, _ = client.process.communicate(json.dumps(job).encode(), _JOB_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {_JOB_SECONDS:g} s") from None
        if client.process.returncode:
            raise Failed(f"the measuring client {client.last_words()}")
    answer: dict[str, Any] = json.loads(out)
    if "failed" in answer:
        raise Failed(answer["failed"])
    return answer
