"""One of the soak's clients: sends a request as its plan says, and writes down what it saw."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from random import Random

from .ledger import Entry, Ledger, Seen
from .plan import Plan, content_of, payload_of

__all__ = ["Client"]

# More than any wait that the design allows here: who waits longer waits in vain.
_PATIENCE = 60.0
_READ = 1 << 16
_CHUNK = 50_000
_SLOW_PAUSE = 0.02
_SLOW_BUFFER = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Client(threading.Thread):
    """Sends what is planned for it, with a pause of ``pause`` seconds on the average after each."""

    def __init__(self, name: str, port: int, ledger: Ledger, plans: Iterator[Plan], source: Random, pause: float) -> None:
        super().__init__(name=name)
        self._port = port
        self._ledger = ledger
        self._plans = plans
        self._source = source
        self._pause = pause
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def run(self) -> None:
        with contextlib.closing(self._connection):
            for plan in self._plans:
                entry = self._ledger.open(plan)
                entry.sent_at = time.monotonic()
                if plan.leaves:
                    self._leave_early(plan, entry)
                else:
                    self._ask(plan, entry)
                if self._pause:
                    time.sleep(self._source.expovariate(1 / self._pause))

    def _ask(self, plan: Plan, entry: Entry) -> None:
        """Send it and stay to the end."""
        seen = Seen()
        if plan.new_connection or plan.kind in ("slow reader", "half-closed"):
            self._connection.close()
        try:
            response = self._send(plan)
            with response:
                self._read(plan, response, seen)
        except (OSError, http.client.HTTPException) as problem:
            # What a message looks like that isn't whole: IncompleteRead, a reset, an end without a head.
            seen.problem = f"{type(problem).__name__}: {problem}"[:200]
            self._connection.close()
        seen.ended_at = time.monotonic()
        if plan.kind == "half-closed":
            self._connection.close()
        entry.seen = seen

    def _send(self, plan: Plan) -> http.client.HTTPResponse:
        if self._connection.sock is None:
            self._connection.connect()
            assert self._connection.sock is not None
            if plan.kind == "slow reader":
                self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER)
        body = payload_of(plan)
        self._connection.request(
            plan.method,
            plan.target,
            body=_slices(body) if plan.chunked_upload else body or None,
            headers=_headers(plan),
            encode_chunked=plan.chunked_upload,
        )
        if plan.kind == "half-closed":
            self._connection.sock.shutdown(socket.SHUT_WR)
        return self._connection.getresponse()

    def _read(self, plan: Plan, response: http.client.HTTPResponse, seen: Seen) -> None:
        seen.status = response.status
        seen.own_error = response.headers.get("X-Vespa-Error", "")
        body = bytearray()
        try:
            while data := response.read1(_READ):
                body += data
                if plan.kind == "slow reader":
                    time.sleep(_SLOW_PAUSE)
            # read1() takes an early end for the end.
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            seen.is_whole = True
        finally:
            seen.has_error_event = plan.events and b"event: error\n" in body[-5000:]
        if seen.own_error or plan.method == "HEAD" or not body:
            seen.content = "whole" if seen.own_error or plan.method == "HEAD" or plan.fault == "no words" else "short"
        else:
            seen.content = content_of(bytes(body), plan)
        if not seen.own_error:
            seen.crossed = _crossed(plan, response, seen)

    def _leave_early(self, plan: Plan, entry: Entry) -> None:
        body = payload_of(plan)
        head = [f"POST {plan.target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in _headers(plan).items()]
        with socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE) as sock:
            if plan.leaves == "inside its body":
                body = body[: len(body) // 2]
            with contextlib.suppress(OSError):  # an answer that came early, and its end, are nothing to this client
                sock.sendall("\r\n".join([*head, "", ""]).encode() + body)
                self._read_for(sock, plan.leaves_after)
            if plan.leaves == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            entry.left_at = time.monotonic()

    @staticmethod
    def _read_for(sock: socket.socket, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000) and not sock.recv(_READ):
                return


def _headers(plan: Plan) -> dict[str, str]:
    # The cost is what the autoscaler sees of a request.
    return {"X-Serverless-Cost": str(plan.number), "Content-Type": "application/json"}


def _slices(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        yield body[start : start + _CHUNK]


def _crossed(plan: Plan, response: http.client.HTTPResponse, seen: Seen) -> str:
    """What of the answer belongs to another request, or tells that the worker got something else than was sent."""
    if response.status in (429, 502, 503, 504) and "X-Soak-Number" not in response.headers:
        return ""
    if response.headers.get("X-Soak-Number") != str(plan.number):
        return f"the answer is that of {response.headers.get('X-Soak-Number')}"
    sent = payload_of(plan) or plan.target.encode()
    if response.headers.get("X-Soak-Request") != f"{zlib.crc32(sent):08x}":
        return "the worker got something else than was sent"
    return "its body is another's" if seen.content == "crossed" else ""
