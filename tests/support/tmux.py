"""A real terminal with a screen that can be read and a window that can be resized: tmux, where the system has it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from .waiting import LONG, wait_until

__all__ = ["Tmux", "needs_tmux"]

needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed (Debian: apt-get install tmux)")

_PATIENCE = 30.0


class Tmux:
    """A window of so many columns in which a command runs, on a server of its own."""

    def __init__(self, arguments: list[str], directory: Path, columns: int, environment: Mapping[str, str]) -> None:
        self._name = f"vespa-test-{uuid.uuid4().hex[:12]}"
        unset = [name for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS") if name not in environment]
        words = ["env", *(word for name in unset for word in ("-u", name))]
        words += [f"{name}={value}" for name, value in environment.items()]
        line = f"{shlex.join([*words, *arguments])}; echo; echo it ended with $?; exec sleep 1000"
        self._run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", "30", "-c", str(directory), line)

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._run("kill-server")

    def screen(self, *, colours: bool = False) -> str:
        """What stands on it, with ``colours`` as escape sequences."""
        return self._run("capture-pane", "-p", *(["-e"] if colours else []))

    def resize(self, columns: int) -> None:
        """Make the window so wide."""
        self._run("resize-window", "-x", str(columns), "-y", "30")

    def type(self, *keys: str) -> None:
        """Press the keys, by tmux's names, such as ``C-c``."""
        self._run("send-keys", *keys)

    def wait_for(self, is_so: Callable[[str], object]) -> str:
        """The screen once it is so."""
        seen = [""]

        def look() -> bool:
            seen[0] = self.screen()
            return bool(is_so(seen[0]))

        try:
            wait_until(look, _PATIENCE)
        except AssertionError:
            pytest.fail(f"the screen never came to that:\n{seen[0]}")
        return seen[0]

    def _run(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["tmux", "-u", "-L", self._name, *arguments],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LONG,
            check=True,
        )
        return ran.stdout
