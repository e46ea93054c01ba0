"""What is only said decides nothing: a proxy whose words reach nobody, and one that is asked to end while it starts."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support import seed
from tests.support.command_line import NAMES, PATIENCE, command
from tests.support.programs import environment, signals_as_usual
from tests.support.waiting import LONG, wait_until
from vespa_client.sandbox import Answer, Request, Sandbox

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX's signals, pipes and shells")
pexpect = pytest.importorskip("pexpect")


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with Sandbox(endpoints=NAMES, token_delay=0.0, worker_kind="vespa") as sandbox:
        yield sandbox


def serving(account: Sandbox, port: int, *more: str) -> list[str]:
    arguments = ["--endpoint", NAMES[0], "--account-key", account.account_key, "--port", str(port), "--drain", "30"]
    return command(account, *arguments, *more)


def wait_for_it(port: int) -> None:
    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=LONG):
            return True
        return False

    wait_until(listens)


class Slow:
    """A request in progress, whose answer comes when it is let go."""

    def __init__(self, account: Sandbox, port: int) -> None:
        self._arrived, self._go_on = threading.Event(), threading.Event()
        self._answers: list[bytes] = []

        def answer(request: Request) -> Answer:
            self._arrived.set()
            assert self._go_on.wait(PATIENCE)
            return Answer(200, b"whole", [("Content-Type", "text/plain")])

        account.worker.answer_by(answer)
        url = f"http://127.0.0.1:{port}/slow"
        self._asking = threading.Thread(target=lambda: self._answers.append(requests.get(url, timeout=PATIENCE).content))
        self._asking.start()
        assert self._arrived.wait(PATIENCE)

    def is_whole(self) -> bool:
        self._go_on.set()
        self._asking.join()
        return self._answers == [b"whole"]


def refuses(port: int) -> bool:
    """Whether it has stopped to accept: the drain has begun."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=LONG).close()
    except OSError:
        return True
    return False


@contextlib.contextmanager
def started(arguments: list[str], **streams: object) -> Iterator[subprocess.Popen[bytes]]:
    with signals_as_usual():
        process = subprocess.Popen(arguments, env=environment(), **streams)  # type: ignore[call-overload]
    with process:
        try:
            yield process
        finally:
            process.kill()


def ends(process: subprocess.Popen[bytes], account: Sandbox, port: int, number: int) -> int:
    """Ask it to end while a request is in progress, which has to be answered. The exit code."""
    slow = Slow(account, port)
    process.send_signal(number)
    wait_until(lambda: refuses(port))
    assert slow.is_whole()
    return process.wait(PATIENCE)


class TestNobodyListens:
    def test_ctrl_c_ends_tee_too_and_the_drain_runs(self, account: Sandbox, tmp_path: Path) -> None:
        [port] = seed.free_ports(1)
        words = shlex.join(serving(account, port))
        script = f"{words} 2>&1 | tee {tmp_path}/log; echo ended ${{PIPESTATUS[0]}}"
        with signals_as_usual():
            # Interactive, so that Ctrl-C ends the job and not the shell.
            shell = pexpect.spawn("bash", ["--norc", "-ic", script], env=environment(), encoding="utf-8", timeout=PATIENCE)
        try:
            shell.expect('api_key="not-used"')
            slow = Slow(account, port)
            shell.sendintr()
            wait_until(lambda: refuses(port))
            assert slow.is_whole()
            wait_until(lambda: account.worker.active == 0)
            shell.expect([pexpect.EOF, "ended"])
        finally:
            shell.close(force=True)
        assert "Traceback" not in (tmp_path / "log").read_text()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_readers_that_have_left_change_nothing(self, account: Sandbox, number: int) -> None:
        [port] = seed.free_ports(1)
        read, write = os.pipe()
        with started(serving(account, port), stdin=subprocess.DEVNULL, stdout=write, stderr=write) as process:
            os.close(write)
            wait_for_it(port)
            os.close(read)
            for _ in range(3):
                assert requests.get(f"http://127.0.0.1:{port}/v1/models", timeout=LONG).status_code == 200
            assert ends(process, account, port, number) == 0

    @pytest.mark.parametrize("debug", [[], ["--debug"]])
    def test_a_reader_that_does_not_read_holds_nobody_up(self, account: Sandbox, debug: list[str]) -> None:
        [port] = seed.free_ports(1)
        read, write = os.pipe()
        os.set_blocking(write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        with started(serving(account, port, *debug), stdin=subprocess.DEVNULL, stdout=write, stderr=write) as process:
            os.close(write)
            wait_for_it(port)
            for _ in range(20):
                assert requests.get(f"http://127.0.0.1:{port}/v1/models", timeout=LONG).status_code == 200
            assert ends(process, account, port, signal.SIGTERM) == 0
        os.close(read)

    def test_lines_that_were_left_out_are_counted(self, account: Sandbox) -> None:
        [port] = seed.free_ports(1)
        read, write = os.pipe()
        os.set_blocking(write, False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        with started(serving(account, port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write) as process:
            os.close(write)
            wait_for_it(port)
            with requests.Session() as session:
                for _ in range(3):
                    session.get(f"http://127.0.0.1:{port}/lost", timeout=LONG)
                # A connection's line is written before its next request is read.
                session.get(f"http://127.0.0.1:{port}/lost", timeout=LONG)
                taken = 0
                while taken < filled:
                    taken += len(os.read(read, filled - taken))
                session.get(f"http://127.0.0.1:{port}/heard", timeout=LONG)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        with os.fdopen(read) as rest:
            text = rest.read()
        assert "lines are missing here" in text and "/heard" in text

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
    def test_a_full_disk_changes_nothing(self, account: Sandbox) -> None:
        [port] = seed.free_ports(1)
        with Path("/dev/full").open("wb") as full, started(serving(account, port), stdout=full, stderr=full) as process:
            wait_for_it(port)
            assert requests.get(f"http://127.0.0.1:{port}/v1/models", timeout=LONG).status_code == 200
            assert ends(process, account, port, signal.SIGTERM) == 0

    def test_a_terminal_that_is_closed_lets_requests_finish(self, account: Sandbox, tmp_path: Path) -> None:
        [port] = seed.free_ports(1)
        with signals_as_usual():
            words = serving(account, port)
            terminal = pexpect.spawn(words[0], words[1:], env=environment(), encoding="utf-8", timeout=PATIENCE)
        try:
            terminal.expect('api_key="not-used"')
            slow = Slow(account, port)
            # The system hangs up, and the shell does so once more.
            os.kill(terminal.pid, signal.SIGHUP)
            os.kill(terminal.pid, signal.SIGHUP)
            os.close(terminal.child_fd)
            wait_until(lambda: refuses(port))
            assert slow.is_whole()
        finally:
            with contextlib.suppress(OSError):
                terminal.close(force=True)


CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"]


class TestClosedStreams:
    @pytest.mark.parametrize("closed", CLOSED)
    def test_it_serves_and_ends_as_usual(self, account: Sandbox, tmp_path: Path, closed: str) -> None:
        [port] = seed.free_ports(1)
        log = (tmp_path / "log").open("wb+")
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *serving(account, port)]
        with log, started(shell, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            wait_for_it(port)
            for _ in range(3):
                assert requests.get(f"http://127.0.0.1:{port}/v1/models", timeout=LONG).status_code == 200
            assert ends(process, account, port, signal.SIGTERM) == 0
        text = (tmp_path / "log").read_text()
        assert "Traceback" not in text and "Exception" not in text
        assert ("Listening on" in text) == (" >&-" not in f" {closed}")

    @pytest.mark.parametrize("closed", CLOSED)
    @pytest.mark.parametrize(
        ("arguments", "code"),
        [([], 2), (["--help"], 0), (["--version"], 0), (["--nonsense"], 2), (["--list", "--sandbox"], 0), (["--list"], 2)],
    )
    def test_what_ends_by_itself_has_its_exit_code(self, closed: str, arguments: list[str], code: int) -> None:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *command(None, *arguments)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr
        if code == 2 and "2>&-" not in closed:
            assert done.stderr.startswith("ERROR: ")

    def test_help_for_a_reader_that_has_left(self) -> None:
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(command(None, "--help"), env=environment(), stdout=write, stderr=subprocess.PIPE, check=False)
        os.close(write)
        assert (done.returncode, done.stderr) == (0, b"")


def can_be_process_1() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([unshare, "--pid", "--fork", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class TestAskedToEndWhileItStarts:
    @pytest.fixture
    def slow(self, account: Sandbox) -> Iterator[threading.Event]:
        """The console is asked, and answers when all is over."""
        arrived, go_on = threading.Event(), threading.Event()

        def wait(request: Request) -> None:
            arrived.set()
            go_on.wait(PATIENCE)

        account.console.answer_by(wait)
        yield arrived
        go_on.set()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    @pytest.mark.parametrize("what", ["proxy", "list"])
    def test_it_ends_then(self, account: Sandbox, slow: threading.Event, number: int, what: str) -> None:
        [port] = seed.free_ports(1)
        listing = command(account, "--list", "--account-key", account.account_key)
        arguments = listing if what == "list" else serving(account, port)
        with started(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert slow.wait(PATIENCE)
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (128 + number, b"", b"\nInterrupted.\n")
        assert refuses(port)

    def test_process_1_ends_too(self, account: Sandbox, slow: threading.Event) -> None:
        if not can_be_process_1():
            pytest.skip("this user may not make a namespace of processes")
        [port] = seed.free_ports(1)
        outer = ["unshare", "--pid", "--fork", "--kill-child", *serving(account, port)]
        with started(outer, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert slow.wait(PATIENCE)
            [inner] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(inner), signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out, err) == (143, b"", b"\nInterrupted.\n")
        assert refuses(port)

    def test_a_signal_whose_exception_was_lost_ends_it_all_the_same(self, account: Sandbox) -> None:
        [port] = seed.free_ports(1)
        program = f"""
import os, signal, sys
from vespa_client.account.console import Console
from vespa_client.command.cli import main

fetch = Console.endpoints

def swallowing(self, key, lifeline=None):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        pass  # as a destructor's is, and that of a library's bare "except"
    return fetch(self, key, lifeline)

Console.endpoints = swallowing
sys.exit(main({serving(account, port)[3:]!r}))
"""
        done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"Stopping" in done.stderr and b"Traceback" not in done.stderr
        assert refuses(port)


def test_programs_under_test_hear_signals_whatever_was_inherited() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        program = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
        with started([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
            assert process.communicate(timeout=PATIENCE)[0] == b"False\n"
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
