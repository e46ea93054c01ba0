"""One client's connection: its requests, read one after the other, and the answer to each."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .access import Access
from .client_body import read_client_body
from .errors import BadRequest, ShuttingDown, TooManyConnections, VespaError
from .hangup import HangupWatcher
from .http1 import (
    NO_BODY,
    Framing,
    MessageError,
    RequestHead,
    keeps_alive,
    parse_request_head,
    request_framing,
)
from .lifeline import ClientGone, Lifeline
from .log import log
from .record import Record
from .reply import Reply
from .request import METHODS, ClientRequest, check_head
from .settings import Settings
from .timed_socket import TimedSocket
from .wire import SocketReader

__all__ = ["ClientConnection", "Runner", "Service"]

# What a client still sends after an answer that came early is read for this long, so that it sees the answer, not a reset.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 2**20
_LINGER_READ = 64 * 1024
_RETRY_AFTER = 5


class Runner(Protocol):
    """What carries a request out: :class:`Exchange`, seen from here."""

    def run(self, request: ClientRequest, reply: Reply, record: Record, lifeline: Lifeline) -> None:
        """See :meth:`Exchange.run`."""


@dataclass
class Service:
    """What all connections of one proxy share. ``numbers`` counts its requests; ``stopping`` says that it ends."""

    settings: Settings
    access: Access
    runner: Runner
    watcher: HangupWatcher
    numbers: Iterator[int]
    stopping: bool = False


class ClientConnection:
    """A connection, from its first request to its last. Its own thread runs :meth:`serve`; the others are for any thread."""

    def __init__(self, sock: socket.socket, service: Service, when_leaving: Callable[[ClientConnection], bool]) -> None:
        """``when_leaving`` is asked when all is answered, whether the connection may wait for its client to go."""
        self._socket = sock
        self._service = service
        self._when_leaving = when_leaving
        self._limits = service.settings
        self._timed = TimedSocket(sock)
        self._reader = SocketReader(self._timed, service.settings.client_idle_timeout)
        self._lifeline: Lifeline | None = None
        self._busy = False
        self._lingers = False
        self._address = ""
        self.was_cut = False

    def serve(self) -> None:
        """Answer requests until the client or the proxy ends the connection."""
        with contextlib.suppress(ClientGone, OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._timed.limit_writes(self._limits.idle_timeout)
            self._address = self._socket.getsockname()[0]
            self._watch = self._service.watcher.watch(self._socket)
            try:
                while self._serve_one() and not self._service.stopping:
                    pass
            finally:
                self._watch.close()
            if self._lingers:
                self._linger()

    def turn_away(self) -> None:
        """Answer that there are too many connections."""
        problem: VespaError = TooManyConnections(
            f"More than {self._limits.max_connections} connections are open.",
            hint="Close some, or raise --max-connections.",
            retry_after=_RETRY_AFTER,
        )
        with contextlib.suppress(ClientGone, OSError, MessageError):
            self._timed.limit_writes(_LINGER_SECONDS)
            self._address = self._socket.getsockname()[0]
            self._reader.limit(_LINGER_SECONDS)
            block = self._reader.read_head(_LINGER_SECONDS)
            if block is None:
                return
            head = parse_request_head(block)
            reply = Reply(self._timed, head.method, head.minor)
            try:
                self._admit(head, reply)
            except VespaError as unwelcome:
                problem = unwelcome
            reply.error(problem)
            self._linger()

    def close_if_idle(self) -> None:
        """End the connection if no request is in progress on it."""
        if not self._busy:
            self._hang_up()

    def cut(self) -> None:
        """End the connection now. Once its thread has ended, ``was_cut`` tells whether an answer was lost by it."""
        lifeline = self._lifeline
        if lifeline is not None:
            lifeline.cut()
        self._hang_up()

    def abandon(self) -> None:
        """End it, whatever its client has still to read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _hang_up(self) -> None:
        # The receiving half alone: an answer that is being written may still say that it breaks off.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def _serve_one(self) -> bool:
        """Read one request and answer it. Returns whether another one may follow."""
        block: bytes | None = None
        try:
            self._reader.limit(self._limits.client_idle_timeout)
            block = self._reader.read_head(self._limits.head_timeout)
            if block is None:
                return False
            self._busy = True
            head = parse_request_head(block)
            framing = request_framing(head)
        except TimeoutError:
            if self._reader.buffered:
                late = MessageError(f"The head was not complete within {self._limits.head_timeout:g} s.", 408)
                self._refuse(late, self._reader.buffered)
            return False
        except MessageError as malformed:
            self._refuse(malformed, block or self._reader.buffered)
            return False
        record = Record(next(self._service.numbers), head.method, head.target.partition("?")[0])
        keep_alive = keeps_alive(head.minor, head.fields) and not self._service.stopping
        reply = Reply(self._timed, head.method, head.minor, keep_alive=keep_alive)
        try:
            goes_on = self._answer(head, framing, reply, record)
        finally:
            self._busy = False
            log.info(record.line())
        self._lingers = not goes_on and not reply.resets
        return goes_on

    def _refuse(self, malformed: MessageError, beginning: bytes) -> None:
        log.info("A request was refused: %s", malformed)
        # No answer to HEAD has a body, however little else of the request is understood (RFC 9110, 9.3.2).
        method = "HEAD" if beginning.startswith(b"HEAD ") else "GET"
        reply = Reply(self._timed, method)
        reply.added = self._service.access.answer_fields(malformed.fields)
        reply.error(BadRequest(str(malformed), status=malformed.status))
        self._lingers = True

    def _answer(self, head: RequestHead, framing: Framing, reply: Reply, record: Record) -> bool:
        body_is_read = framing == NO_BODY
        try:
            access = self._service.access
            self._admit(head, reply)
            preflight = access.preflight(head)
            if preflight is not None:
                record.begin(204)
                reply.keep_alive = reply.keep_alive and body_is_read
                reply.begin(204, "No Content", preflight, None)
                return reply.keep_alive
            head = access.without_key(head)
            cost = check_head(head, framing, self._limits.max_body)
            if self._service.stopping:
                raise ShuttingDown("The proxy is stopping.", retry_after=_RETRY_AFTER)
            body = read_client_body(head, framing, self._reader, self._limits, reply.send_continue)
            body_is_read = True
            record.request_bytes = len(body)
            if head.method == "OPTIONS":
                record.begin(204)
                reply.begin(204, "No Content", [("Allow", ", ".join(METHODS))], None)
                return reply.keep_alive
            self._carry_out(ClientRequest.read(head, cost, body), reply, record)
        except ClientGone:
            record.outcome = "left"
            self.was_cut = self._service.stopping
            raise
        except VespaError as problem:
            self._fail(problem, reply, record, body_is_read=body_is_read)
        except Exception:  # noqa: BLE001 - a mistake of ours costs one request, not the connection's thread
            log.exception("%s failed inside the proxy; please report this.", record.name)
            inside = VespaError("The proxy itself failed.", hint="Its log says where; please report it.")
            self._fail(inside, reply, record, body_is_read=body_is_read)
        return reply.keep_alive

    def _admit(self, head: RequestHead, reply: Reply) -> None:
        """See who asks. The connection of somebody who may not ask ends with the answer."""
        access = self._service.access
        reply.added = access.answer_fields(head.fields)
        keep_alive, reply.keep_alive = reply.keep_alive, False
        try:
            access.check(head, self._address)
        except MessageError as malformed:
            raise BadRequest(str(malformed), status=malformed.status) from None
        reply.keep_alive = keep_alive

    def _fail(self, problem: VespaError, reply: Reply, record: Record, *, body_is_read: bool) -> None:
        record.outcome, record.detail = ("broken" if reply.started else "refused"), f"{problem.code}: {problem.message}"
        if not reply.started:
            record.begin(problem.status)
        elif record.status is None:
            record.begin(200)  # a heartbeat had begun the answer
        reply.keep_alive = reply.keep_alive and body_is_read and not self._service.stopping
        reply.fail(problem)

    def _carry_out(self, request: ClientRequest, reply: Reply, record: Record) -> None:
        self._timed.limit_writes(self._limits.idle_timeout)
        self._lifeline = lifeline = Lifeline()
        try:
            self._watch.begin(lifeline, reply.probe)
            self._service.runner.run(request, reply, record, lifeline)
        except ClientGone:
            if not self._service.stopping:
                raise
            self.was_cut = True
            raise ShuttingDown("The proxy was stopped before the answer was complete.", retry_after=_RETRY_AFTER) from None
        finally:
            self._watch.end()
            self._lifeline = None

    def _linger(self) -> None:
        """Read what the client still sends: closing on unread bytes resets the connection, and the answer with it."""
        if not self._when_leaving(self):
            return
        deadline, taken = time.monotonic() + _LINGER_SECONDS, 0
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while taken < _LINGER_BYTES and (left := deadline - time.monotonic()) > 0:
                self._timed.limit_reads(left)
                data = self._timed.recv(_LINGER_READ)
                if not data:
                    return
                taken += len(data)
