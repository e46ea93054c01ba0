"""Ways to use the command line as people do: in a terminal, as a process, and, for what ends by itself, without one."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.programs import environment, signals_as_usual
from vespa_client.command import cli
from vespa_client.sandbox import Sandbox

try:
    import pexpect
except ImportError:  # Windows has no pseudo terminals
    pexpect = None

# A process on a busy machine needs its time to start.
PATIENCE = 30.0
MARKED = "marked-key-0123456789"
NAMES = ("my-llm-endpoint", "my-comfyui-endpoint", "test-endpoint")
"""seed.md's endpoints."""
RULE = "=" * 60
UNAUTHORIZED = """\
ERROR: 401 Unauthorized

HINT: 401 Unauthorized usually means:
  - You're using the wrong API key type
  - Endpoint API key is required, not account API key
  - Use --account-key to auto-fetch the correct key
"""
NO_ACCOUNT = """\
ERROR: 401 Unauthorized

HINT: 401 Unauthorized usually means:
  - The key is an endpoint's own; an account API key is required here
  - It was deleted, or a part of it was lost when it was copied
  - Get one from https://console.vast.ai/account
"""


def started(name: str) -> str:
    """The block at the end of the set-up. PORT stands for the port."""
    return f"""\
{RULE}
  Starting proxy for: {name}
  Listening on: http://127.0.0.1:PORT
{RULE}

  OpenAI(base_url="http://127.0.0.1:PORT/v1", api_key="not-used")

"""


def command(sandbox: Sandbox | None, *arguments: str) -> list[str]:
    where = (
        ["--console-url", sandbox.console_url, "--autoscaler-url", sandbox.autoscaler_url, "--pass-route", "/"]
        if sandbox
        else []
    )
    return [sys.executable, "-m", "vespa_client", *where, *arguments]


class Terminal:
    """The command line in a terminal of its own. ``screen`` is all that it showed, typed characters included."""

    def __init__(self, arguments: list[str], directory: Path) -> None:
        self._shown = io.StringIO()
        with signals_as_usual():
            self.child = pexpect.spawn(
                arguments[0],
                arguments[1:],
                env=environment(TERM="dumb"),
                cwd=str(directory),
                encoding="utf-8",
                timeout=PATIENCE,
                dimensions=(60, 200),
            )
        self.child.logfile_read = self._shown
        self.child.delaybeforesend = None

    @property
    def screen(self) -> str:
        return self._shown.getvalue().replace("\r\n", "\n")

    def expect(self, text: str) -> None:
        self.child.expect_exact(text)

    def type(self, text: str) -> None:
        self.child.sendline(text)

    def type_key(self, text: str) -> None:
        """As a person does: once the prompt is there, and the terminal echoes nothing any more."""
        self.expect("Enter account API key: ")
        assert self.child.waitnoecho(PATIENCE)
        self.child.sendline(text)

    def listening(self) -> str:
        """Wait for the start; the proxy's URL."""
        self.child.expect(r"Listening on: (http://127\.0\.0\.1:\d+)")
        url: str = self.child.match[1]
        self.expect('api_key="not-used")')
        return url

    def end(self) -> int | None:
        """Wait for the end; the exit code."""
        self.child.expect(pexpect.EOF)
        self.child.wait()
        assert "Traceback" not in self.screen
        assert "Warning" not in self.screen
        return self.child.exitstatus  # type: ignore[no-any-return]

    def interrupt(self) -> int | None:
        """Press Ctrl-C while it serves; the exit code."""
        self.child.sendintr()
        return self.end()

    def leave(self) -> int | None:
        """Press Ctrl-C at a question, and again if nothing happens; the exit code.

        Between its last look for signals and the read, Python is deaf to one that comes just then.
        """
        for _ in range(10):
            self.child.sendintr()
            if self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=3) == 0:
                break
        return self.end()


class Process:
    """The command line as a service manager runs it: no terminal, pipes. ``out`` and ``err`` are what it wrote so far."""

    def __init__(self, arguments: list[str], env: dict[str, str] | None = None) -> None:
        with signals_as_usual():
            self.process = subprocess.Popen(
                arguments,
                env=environment() if env is None else env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        self.out = self.err = ""
        self._written = threading.Condition()  # guards out and err; told of each line
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *ignored: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self._join()

    def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                with self._written:
                    setattr(self, name, getattr(self, name) + line)
                    self._written.notify_all()
        with self._written:
            self._written.notify_all()

    def _join(self) -> None:
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)

    def wait_for(self, words: str) -> None:
        """Wait until it has written that, to either stream."""
        with self._written:
            found = self._written.wait_for(
                lambda: words in self.out + self.err or not any(reader.is_alive() for reader in self._readers), PATIENCE
            )
            assert found and words in self.out + self.err, self.out + self.err

    def listening(self) -> str:
        """Wait for the start; the proxy's URL."""
        self.wait_for('api_key="not-used")\n\n')
        found = re.search(r"Listening on: (http://\S+)", self.out)
        assert found, self.out
        return found[1]

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; the exit code and what was written."""
        self._join()
        assert "Traceback" not in self.err
        assert "Warning" not in self.err
        return self.process.returncode, self.out, self.err


def run(arguments: list[str], env: dict[str, str] | None = None) -> tuple[int, str, str]:
    with Process(arguments, env) as process:
        return process.end()


def in_process(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str, str]:
    """The same without a process, for what ends by itself."""
    try:
        code = cli.main(arguments[3:])
    except SystemExit as end:
        assert isinstance(end.code, int)
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def taken_port() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))
