"""Programs that tests run beside themselves: somebody else's use of the package, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environment(**more: str) -> dict[str, str]:
    """This test's environment (with its own home), in which the package is found, and a warning is an error."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    given = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"}
    return {**os.environ, **given, **more}


@contextmanager
def signals_as_usual() -> Iterator[None]:
    """What is started here hears the signals that this process may have been told to ignore (``nohup``, ``&``)."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def running(source: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python program that runs meanwhile, its standard streams as pipes. Killed at the end if it still runs."""
    with signals_as_usual():
        started = subprocess.Popen(
            [sys.executable, "-c", source],
            env=environment() if env is None else env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
    with started as program:
        try:
            yield program
        finally:
            if program.poll() is None:
                program.kill()


def line_of(program: subprocess.Popen[str]) -> str:
    """The program's next line; a failure with what it said on standard error where there is none."""
    assert program.stdout and program.stderr
    line = program.stdout.readline()
    assert line, program.stderr.read()
    return line.rstrip("\n")
