"""Where hostile requests are played: two proxies in front of a sandbox, and a strict client that reads their answers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import h11
import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.messages import Answer, Request

from .waiting import LONG

__all__ = ["MAX_BODY", "Stage", "StrictAnswer", "StrictClient", "good", "stage"]

MAX_BODY = 1000
_IMPATIENT = 0.2
_WAITS = ("head_timeout", "body_timeout", "client_idle_timeout")
# Above these many bytes, one at a time would take seconds.
_FEW_BYTES = 2000


class StrictAnswer(NamedTuple):
    """An answer as h11 reads it. ``interim`` are the statuses that came before it."""

    status: int
    fields: dict[str, str]
    body: bytes
    interim: list[int]


class StrictClient:
    """A connection to a proxy. What comes is read by h11, which refuses what is no HTTP/1.1."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), LONG)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> StrictClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it in one write."""
        self._socket.sendall(data)

    def send_in_pieces(self, data: bytes) -> None:
        """Send a byte at a time; where there are too many, a few."""
        sizes = random.Random(len(data))
        start = 0
        while start < len(data):
            size = 1 if len(data) <= _FEW_BYTES else sizes.randint(1, _FEW_BYTES)
            self.send(data[start : start + size])
            start += size

    def end_of_sending(self) -> None:
        """Send FIN, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str) -> StrictAnswer:
        """The next answer, which is to a request of this method. Raises :class:`h11.RemoteProtocolError`."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        if self._unread:
            reader.receive_data(self._unread)
        interim: list[int] = []
        body = b""
        head: h11.Response | None = None
        while not isinstance(event := reader.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                reader.receive_data(self._socket.recv(1 << 16))
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
        assert head is not None
        self._unread = reader.trailing_data[0]
        fields = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        return StrictAnswer(head.status_code, fields, body, interim)

    def end(self) -> None:
        """Wait for the connection's end, which has to come in good order (no reset) and behind the answers alone."""
        rest = self._unread + self._socket.recv(1 << 16)
        assert not rest, f"bytes behind the last answer: {rest!r}"

    def drain(self) -> bytes:
        """Everything up to the connection's end, in whatever order that is."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self._socket.recv(1 << 16):
                data += piece
        return data


class Stage:
    """Two proxies and the sandbox behind them, whose autoscaler and worker remember what they are asked."""

    def __init__(self, sandbox: Sandbox, patient: VastClient, impatient: VastClient) -> None:
        self._sandbox = sandbox
        self._patient = patient
        self._impatient = impatient
        assignment = sandbox.autoscaler.assign(sandbox.endpoints[0].name, 1.0)
        sandbox.autoscaler.answer_by(lambda request: _once(assignment), times=None)
        sandbox.worker.answer_by(lambda request: _once({"good": True}), times=None)

    def connect(self, patient: bool = True) -> StrictClient:
        """A client's connection. The impatient proxy waits for a head or a body for a moment only."""
        return StrictClient((self._patient if patient else self._impatient).url)

    def forget(self) -> None:
        """Forget what was asked so far."""
        self._sandbox.worker.clear_requests()
        self._sandbox.autoscaler.clear_requests()

    def arrived(self) -> list[Request]:
        """What the worker was asked, each by an assignment of its own."""
        asked = self._sandbox.worker.requests
        assert len(self._sandbox.autoscaler.routes) == len(asked)
        return asked

    def ask_good(self, path: str) -> None:
        """A good request on a new connection, which has to be served."""
        with self.connect() as client:
            client.send(good(path, last=True))
            assert client.answer("POST").status == 200
            client.end()


def good(path: str, last: bool = False) -> bytes:
    """A request that nothing is wrong with. With ``last``, the connection ends behind it."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    return (head + "Connection: close\r\n" * last + "\r\n{}").encode()


def _once(value: object) -> Answer:
    # A connection that is kept would look like one left behind by the test in which it was made.
    return Answer(200, json.dumps(value).encode(), [("Connection", "close"), ("Content-Type", "application/json")])


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, once for a module: its proxies have nothing of the caller's environment."""
    with contextlib.ExitStack() as started:
        patch = started.enter_context(pytest.MonkeyPatch.context())
        for name in list(os.environ):
            if name.upper().endswith("_PROXY") or name.startswith(("VAST_", "VESPA_", "XDG_")):
                patch.delenv(name)
        home = tmp_path_factory.mktemp("stage")
        patch.setenv("HOME", str(home))
        patch.setenv("USERPROFILE", str(home))
        # What waits for more would look like something left behind by the test that made it.
        patch.setattr("vespa_client.server.threads._MOST_IDLE", 0)
        patch.setattr("vespa_client.routing.warmup.Warmup.start", lambda warmup: None)
        sandbox = started.enter_context(Sandbox(token_delay=0.0, worker_kind="vespa"))
        patient = started.enter_context(_proxy(sandbox, max_body=MAX_BODY))
        impatient = started.enter_context(_proxy(sandbox, max_body=MAX_BODY, **dict.fromkeys(_WAITS, _IMPATIENT)))
        yield Stage(sandbox, patient, impatient)


@contextlib.contextmanager
def _proxy(sandbox: Sandbox, **settings: object) -> Iterator[VastClient]:
    given: dict[str, object] = {
        "endpoint": sandbox.endpoints[0].name,
        "account_key": sandbox.account_key,
        "console_url": sandbox.console_url,
        "autoscaler_url": sandbox.autoscaler_url,
        "port": 0,
        "pass_route": ("/",),
        **settings,
    }
    client = VastClient(**given)  # type: ignore[arg-type]
    client.start()
    try:
        yield client
    finally:
        client.stop()
