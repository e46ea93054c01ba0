"""Codex and Claude Code as people have them, from npm: without a terminal or in one, and with no way out but loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from .javascript import installed_by_npm

__all__ = ["AGENTS", "ClaudeCode", "Codex", "CodingAgent", "agent_modules"]

_NEWER = "gpt-6-sol"
_WANTED = Path(__file__).parent / "agents" / "package.json"

Call = Mapping[str, Any]
"""A call of a tool, as the sandbox's scripts have it."""


@pytest.fixture(scope="session")
def agent_modules(request: pytest.FixtureRequest) -> Path:
    """A directory in which npm has put the agents."""
    return installed_by_npm(request, _WANTED)


class CodingAgent(ABC):
    """An agent in a directory of its own. ``work`` in it is what it works on."""

    route: ClassVar[str]
    """What it posts to."""
    ready: ClassVar[str]
    """What is on its screen when it waits for a task: a regular expression."""
    reads: ClassVar[Call]
    """Its reading of ``notes.txt``."""
    edits: ClassVar[Call]
    """Its making a 42 of the 41 in there."""
    runs: ClassVar[Call]
    """Its running ``sort notes.txt > sorted.txt``."""

    def __init__(self, modules: Path, directory: Path, url: str, outbound: str) -> None:
        """``url`` is the proxy's; ``outbound`` that of the HTTP proxy to which it is sent with anything else."""
        self._modules = modules
        self.home = directory
        self.work = directory / "work"
        self.work.mkdir()
        (directory / "tmp").mkdir()
        ways = {f"{scheme}_PROXY": outbound for scheme in ("HTTP", "HTTPS", "ALL")}
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TMPDIR": str(directory / "tmp"),
            "NO_PROXY": "127.0.0.1,localhost",
            **ways,
            **self._configure(url),
        }

    @abstractmethod
    def _configure(self, url: str) -> dict[str, str]:
        """Write its settings. Returns what else its environment has."""

    @abstractmethod
    def _program(self) -> list[str]:
        """How it is started in a terminal."""

    @abstractmethod
    def _task(self, task: str) -> list[str]:
        """The arguments that have it do a task and end."""

    @abstractmethod
    def said(self, output: str) -> str:
        """The last that it says in the output of a task; empty where it says nothing."""

    @contextmanager
    def doing(self, task: str) -> Iterator[subprocess.Popen[str]]:
        """The agent at a task, with its output as a pipe. It is killed at the end if it still runs."""
        with subprocess.Popen(
            [*self._program(), *self._task(task)],
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def interrupt(self, process: subprocess.Popen[str]) -> None:
        """Press Ctrl-C, which reaches whatever runs in the terminal."""
        os.killpg(process.pid, signal.SIGINT)

    def running(self) -> list[int]:
        """The processes that it has, wherever they have put themselves. Empty where the system has no /proc."""
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            # Others' processes can't be looked at, and some end meanwhile.
            with contextlib.suppress(OSError):
                if f"HOME={self.home}".encode() in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    def terminal(self) -> tuple[list[str], dict[str, str]]:
        """The command and the environment that start it in a terminal."""
        return self._program(), {**self._environment, "TERM": "xterm-256color"}


class Codex(CodingAgent):
    """``@openai/codex``. Its way to edit files is a freeform tool, whose input is no JSON."""

    route = "/v1/responses"
    ready = "Ask Codex to do anything"
    reads: ClassVar[Call] = {"name": "exec_command", "arguments": {"cmd": "cat notes.txt"}}
    edits: ClassVar[Call] = {
        "name": "apply_patch",
        "arguments": {
            "input": "*** Begin Patch\n*** Update File: notes.txt\n@@\n-The answer is 41.\n+The answer is 42.\n*** End Patch\n"
        },
    }
    runs: ClassVar[Call] = {"name": "exec_command", "arguments": {"cmd": "sort notes.txt > sorted.txt"}}

    def _configure(self, url: str) -> dict[str, str]:
        settings = self.home / ".codex"
        settings.mkdir()
        # It gives apply_patch to the models whose name it knows, and asks whether a newer one wouldn't be better.
        (settings / "config.toml").write_text(f"""\
model = "gpt-5.5"
model_provider = "vespa"
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "danger-full-access"
analytics.enabled = false
feedback.enabled = false
history.persistence = "none"

[model_providers.vespa]
name = "vespa"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = true

[features]
daemon_auto_start = false

[notice.model_migrations]
"gpt-5.5" = "{_NEWER}"

[projects."{self.work}"]
trust_level = "trusted"
""")
        return {}

    def _program(self) -> list[str]:
        return [str(self._modules / "node_modules" / ".bin" / "codex")]

    def _task(self, task: str) -> list[str]:
        return ["exec", "--skip-git-repo-check", "--json", task]

    def said(self, output: str) -> str:
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        items = [event["item"] for event in events if event["type"] == "item.completed"]
        texts: list[str] = [item["text"] for item in items if item["type"] == "agent_message"]
        return texts[-1] if texts else ""


class ClaudeCode(CodingAgent):
    """``@anthropic-ai/claude-code``."""

    route = "/v1/messages"
    ready = "shift\\+tab to cycle"
    reads: ClassVar[Call] = {"name": "Read", "arguments": {"file_path": "notes.txt"}}
    edits: ClassVar[Call] = {"name": "Edit", "arguments": {"file_path": "notes.txt", "old_string": "41", "new_string": "42"}}
    runs: ClassVar[Call] = {"name": "Bash", "arguments": {"command": "sort notes.txt > sorted.txt"}}

    def _configure(self, url: str) -> dict[str, str]:
        known = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        settings = {"hasCompletedOnboarding": True, "theme": "dark", "projects": {str(self.work): known}}
        (self.home / ".claude.json").write_text(json.dumps(settings))
        return {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": "not-used",
            "ANTHROPIC_MODEL": "sandbox",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "DISABLE_AUTOUPDATER": "1",
        }

    def _program(self) -> list[str]:
        return ["node", str(self._modules / "node_modules" / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs")]

    def _task(self, task: str) -> list[str]:
        return ["-p", task, "--output-format", "stream-json", "--verbose", "--allowedTools", "Read,Edit,Bash"]

    def said(self, output: str) -> str:
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        texts: list[str] = [event["result"] for event in events if event["type"] == "result"]
        return texts[-1] if texts else ""


AGENTS: Mapping[str, type[CodingAgent]] = {"Codex": Codex, "Claude Code": ClaudeCode}
"""By the names that people know them by."""
