"""What large bodies cost in memory, measured on a proxy in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vespa_client.sandbox import Sandbox

from ..support.raw_worker import Peer, RawWorker, answer, background, connect, only_worker, post, swap
from ..support.waiting import LONG

MEGABYTE = 1 << 20

worker = only_worker


class OwnProcess:
    """A proxy in a process of its own, so that its memory can be measured."""

    PROGRAM = """
import sys
from vespa_client import VastClient
with VastClient(sys.argv[1], console_url=sys.argv[2], autoscaler_url=sys.argv[3], port=0) as client:
    print(client.url, flush=True)
    sys.stdin.read()
"""

    def __init__(self, sandbox: Sandbox) -> None:
        places = [sandbox.endpoints[0].name, sandbox.console_url, sandbox.autoscaler_url]
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, *places],
            env={**os.environ, "VAST_ACCOUNT_KEY": sandbox.account_key},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        self._files = Path(f"/proc/{self._process.pid}")

    def stop(self) -> int:
        """End it. Returns its exit status."""
        self._process.communicate(timeout=LONG)
        return self._process.returncode

    def forget_peak(self) -> int:
        """The memory in use now, in bytes; the peak counts from here."""
        (self._files / "clear_refs").write_text("5")
        return self._read("VmRSS")

    def peak(self) -> int:
        """The most memory in use since then, in bytes."""
        return self._read("VmHWM")

    def _read(self, name: str) -> int:
        lines = (self._files / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.fixture
def own_process(sandbox: Sandbox, worker: RawWorker) -> Iterator[OwnProcess]:
    """A proxy in a process of its own, which has served one request."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the system doesn't tell a process's peak of memory")
    process = OwnProcess(sandbox)
    try:
        with connect(process.url) as client:
            swap(client, worker, post(), answer())
        yield process
    finally:
        status = process.stop()
    assert status == 0


def send_zeros(peer: Peer, count: int) -> None:
    """That many bytes, without holding them."""
    block = bytes(MEGABYTE)
    for _ in range(count // MEGABYTE):
        peer.send(block)


@pytest.mark.parametrize(
    ("beginning", "ending"),
    [
        (b'{"image": "', b'"}'),
        ('{"prompt": "\U0001f600", "image": "'.encode(), b'"}'),
        ('{"image": "\U0001f600'.encode(), b'"}'),
        (b'{"image": "\\n', b'\\n"}'),
    ],
    ids=["ascii", "emoji beside", "emoji inside", "escapes"],
)
def test_a_large_body_is_held_three_times_at_most(
    own_process: OwnProcess, worker: RawWorker, beginning: bytes, ending: bytes
) -> None:
    size = 100 * MEGABYTE
    before = own_process.forget_peak()
    with connect(own_process.url) as client:

        def ask() -> None:
            client.send(
                b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (len(beginning) + size + len(ending))
            )
            client.send(beginning)
            for _ in range(100):
                client.send(b"x" * MEGABYTE)
            client.send(ending)

        with background(ask):
            peer = worker.accept()
            peer.head()
            peer.until(b'"payload": ' + beginning)
            peer.count(size, b"x")
            assert peer.exactly(len(ending) + 1) == ending + b"}"
            peer.send(answer(b"taken"))
        assert client.message().body == b"taken"
    assert own_process.peak() - before < 3.3 * size


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_huge_answer_takes_no_more_memory_than_a_small_one(own_process: OwnProcess, worker: RawWorker, framing: str) -> None:
    size = 300 * MEGABYTE
    heads = {"length": b"Content-Length: %d\r\n" % size, "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}
    before = own_process.forget_peak()
    with connect(own_process.url) as client:
        # To an HTTP/1.0 client nothing but the bytes goes out, however they are framed on the way in.
        client.send(post(version="1.0"))
        peer, _ = worker.request()

        def pour() -> None:
            peer.send(b"HTTP/1.1 200 OK\r\n" + heads[framing] + b"\r\n")
            peer.send(b"%x\r\n" % size if framing == "chunked" else b"")
            send_zeros(peer, size)
            peer.send(b"\r\n0\r\n\r\n" if framing == "chunked" else b"")
            peer.close()

        with background(pour):
            client.head()
            client.count(size, b"\0")
            assert client.rest() == b""
    assert own_process.peak() - before < 16 * MEGABYTE
