"""A client's connection: its requests, read one after the other, and the answer to each."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..errors import BadRequest, Cancelled, ShuttingDown, TooManyConnections, UpgradeRefused, VespaError
from ..http1.fields import ReceivedFields
from ..http1.forwarding import REQUEST_ID_HEADER
from ..http1.framing import NO_BODY, Framing, keeps_alive, request_framing
from ..http1.heads import RequestHead, parse_request_head
from ..http1.malformed import MessageError, RequestMalformed
from ..journal.hints import Hints
from ..journal.log import log
from ..journal.record import Record
from ..journal.totals import Totals
from ..net.keepalives import keep_alive
from ..net.lifeline import ClientGone, Lifeline
from ..net.socket_reader import SocketReader
from ..net.timed_socket import TimedSocket
from ..payload.worker_request import WorkerRequest
from ..routing.exchange import WorkerAnswer
from ..routing.served_endpoint import ServedEndpoint
from ..settings.table import Settings
from .access import Access
from .answer_writer import AnswerWriter
from .connections import Admission, Connections
from .hangup import HangupWatcher, Watch
from .heartbeats import Heartbeats
from .local.answers import LocalAnswers
from .local.models import KnownModels
from .pages.own_pages import OwnPages
from .relay import noted, relay
from .request_body import read_client_body
from .request_head import METHODS, check_head, is_own_page, trace_context
from .translation.translator import Translator
from .translation.voice import voice_of

if TYPE_CHECKING:
    from ..dialects import Dialect
    from .capture.captured import Captures

__all__ = ["ProxyHandler", "Service"]

# What a client still sends after an answer that came early is read for this long, so that it sees the answer, not a reset.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 2**20
_RETRY_AFTER = 5
# Some clients (aiohttp's) throw away what they have buffered when the body breaks off: what went before is to be read first.
_HEARD_SECONDS = 0.1
# A page's reader who takes nothing for so long is dropped.
_PAGE_WRITE_SECONDS = 10.0
_IN_SILENCE = contextlib.nullcontext()


class Service(SimpleNamespace):  # dataclasses would be a twentieth of the start
    """What all connections of one proxy share. ``stopping`` says that it ends."""

    settings: Settings
    access: Access
    endpoint: ServedEndpoint
    watcher: HangupWatcher
    heartbeats: Heartbeats
    connections: Connections
    totals: Totals
    pages: OwnPages
    local: LocalAnswers
    models: KnownModels
    translator: Translator
    captures: Captures | None
    hints: Hints
    stopping: bool = False


class ProxyHandler(BaseHTTPRequestHandler):
    """A connection, from its first request to its last, run by :meth:`BaseRequestHandler.__init__` in its own thread.

    ``setup``, ``handle`` (the base class's loop over :meth:`handle_one_request`) and ``finish`` follow one another there. The
    methods of :class:`.connections.Connection` are for any thread.
    """

    was_cut = False

    def setup(self) -> None:
        """Take the connection in. Nothing is asked of its socket yet, which may have gone."""
        self._socket: socket.socket = self.request
        self._service: Service = self.server.service  # type: ignore[attr-defined]
        self._settings = self._service.settings
        self._timed = TimedSocket(self._socket)
        self._reader = SocketReader(self._timed, self._settings.client_idle_timeout)
        self._watch: Watch | None = None
        self._lifeline: Lifeline | None = None
        self._is_busy = False
        self._is_cut = False
        self._lingers = False
        self._breaks_off = False
        self._local_address = ""
        self._admission = self._service.connections.enter(self)

    def handle_one_request(self) -> None:
        """Read one request and answer it; ``close_connection`` says whether it was the last one."""
        self.close_connection = True
        try:
            if self._admission is Admission.TURNED_AWAY:
                self._turn_away()
            elif self._admission is Admission.SERVED and not self._service.stopping:
                if self._watch is None:
                    self._begin()
                self._serve_one()
                self.close_connection = self.close_connection or self._service.stopping
        except (ClientGone, OSError):
            # What else it has sent is nobody's wish any more.
            self.close_connection = True

    def finish(self) -> None:
        """End the connection."""
        try:
            with contextlib.suppress(ClientGone, OSError):
                if self._watch is not None:
                    self._watch.close()
                if (self._lingers or self._breaks_off) and self._service.connections.may_linger(self):
                    if self._breaks_off:
                        time.sleep(_HEARD_SECONDS)
                    if self._lingers:
                        self._timed.linger(_LINGER_SECONDS, _LINGER_BYTES)
        finally:
            self._service.connections.leave(self)

    def close_if_idle(self) -> None:
        """See :class:`.connections.Connection`."""
        if not self._is_busy:
            self._hang_up()

    def cut(self) -> None:
        """See :class:`.connections.Connection`."""
        self._is_cut = True
        lifeline = self._lifeline
        if lifeline is not None:
            lifeline.cut()
        self._hang_up()

    def abandon(self) -> None:
        """See :class:`.connections.Connection`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _hang_up(self) -> None:
        # The receiving half alone: an answer that is being written may still say that it breaks off.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def _begin(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(self._socket)
        self._timed.limit_writes(self._settings.idle_timeout)
        self._local_address = self._socket.getsockname()[0]
        self._watch = self._service.watcher.watch(self._socket)

    def _turn_away(self) -> None:
        """Answer that there are too many connections."""
        problem: VespaError = TooManyConnections(
            f"More than {self._settings.max_connections} connections are open.",
            hint="Close some, or raise --max-connections.",
            retry_after=_RETRY_AFTER,
        )
        with contextlib.suppress(MessageError):
            self._timed.limit_writes(_LINGER_SECONDS)
            self._local_address = self._socket.getsockname()[0]
            self._reader.limit(_LINGER_SECONDS)
            block = self._reader.read_head(_LINGER_SECONDS, forgives_lf=True)
            if block is None:
                return
            head = parse_request_head(block)
            writer = AnswerWriter(self._timed, head.method, head.minor, closes=True)
            request_id = self._service.totals.new_request_id()
            writer.added = [(REQUEST_ID_HEADER, request_id)]
            try:
                self._admit(head, writer)
            except VespaError as unwelcome:
                problem = unwelcome
            problem.request_id = request_id
            writer.error(problem)
            self._lingers = True

    def _serve_one(self) -> None:
        block: bytes | None = None
        try:
            self._reader.limit(self._settings.client_idle_timeout)
            block = self._reader.read_head(self._settings.head_timeout, forgives_lf=True)
            if block is None:
                return
            self._is_busy = True
            head = parse_request_head(block)
            framing = request_framing(head)
        except TimeoutError:
            if self._reader.buffered:
                late = RequestMalformed(f"the head was not complete within {self._settings.head_timeout:g} s", 408)
                self._refuse(late, self._reader.buffered)
            return
        except MessageError as malformed:
            self._refuse(malformed, block or self._reader.buffered)
            return
        totals = self._service.totals
        path = head.path
        record = totals.begin_page(head.method, path) if is_own_page(path) else totals.begin(head.method, path)
        record.traceparent, record.tracestate = trace_context(head.fields)
        self.close_connection = not keeps_alive(head.minor, head.fields) or self._service.stopping
        writer = AnswerWriter(self._timed, head.method, head.minor, closes=self.close_connection)
        writer.added = [(REQUEST_ID_HEADER, record.request_id)]
        writer.voice = voice_of(record.path)
        try:
            self._answer(head, framing, writer, record)
        finally:
            self._is_busy = False
            self._tell(record)
        self.close_connection = self.close_connection or writer.must_close
        self._lingers = self.close_connection and not writer.resets

    def _tell(self, record: Record) -> None:
        """The exchange is over. A visit to a page of ours is none, and is told only where it failed."""
        level = logging.WARNING if record.is_failure else logging.INFO
        if not record.is_page:
            self._service.totals.finish(record)
        elif record.problem is None:
            level = logging.DEBUG
        holds = self._service.totals.holds_line
        if log.isEnabledFor(level) and not (holds and holds(record, level)):
            log.log(level, record.line(), extra={"exchange": record})
        self._service.hints.after(record)

    def _refuse(self, malformed: MessageError, beginning: bytes) -> None:
        # No answer to HEAD has a body, however little else of the request is understood (RFC 9110, 9.3.2).
        method = "HEAD" if beginning.startswith(b"HEAD ") else "GET"
        fields = malformed.fields if isinstance(malformed, RequestMalformed) else ReceivedFields([])
        writer = AnswerWriter(self._timed, method, closes=True)
        problem = BadRequest(malformed.sentence, status=malformed.status)
        problem.request_id = self._service.totals.new_request_id()
        log.info("%s was refused: %s", f"#{problem.request_id.rpartition('-')[2]}", malformed.sentence)
        writer.added = [(REQUEST_ID_HEADER, problem.request_id), *self._service.access.answer_fields(fields)]
        writer.error(problem)
        self._lingers = True

    def _answer(self, head: RequestHead, framing: Framing, writer: AnswerWriter, record: Record) -> None:
        body_is_read = framing == NO_BODY
        try:
            access = self._service.access
            self._admit(head, writer)
            preflight = access.preflight(head)
            if preflight is not None:
                if not body_is_read:
                    self._close_after(writer)
                record.answer_locally(204)
                writer.begin(204, "No Content", preflight, None)
                return
            if not (record.is_page and self._service.pages.is_open(head)):
                head = access.without_key(head)
            cost = check_head(head, framing, self._settings)
            if self._service.stopping:
                raise ShuttingDown("The proxy is stopping.", retry_after=_RETRY_AFTER)
            if record.is_page:
                if not body_is_read:
                    self._close_after(writer)
                self._show_page(head, writer, record)
                return
            if self._service.captures is not None:
                writer.copy = self._service.captures.begin(record, head)
            head = self._service.local.check_head(head)
            body = read_client_body(head, framing, self._reader, self._settings, writer.send_continue)
            body_is_read = True
            record.request_bytes = len(body)
            if writer.copy is not None:
                writer.copy.take_request(body)
            if head.method == "OPTIONS":
                record.answer_locally(204)
                writer.begin(204, "No Content", [("Allow", ", ".join(METHODS))], None)
                return
            local = self._service.local.answer(head, body)
            if local is None:
                any_form = self._settings.multipart == "json"
                request = WorkerRequest.read(head, cost, body, any_form_becomes_json=any_form)
                record.ask_for_model(request.model)
                dialect = self._service.translator.dialect_of(request)
                local = self._service.translator.immediate(dialect, request) if dialect else None
            if local is not None:
                local.give(writer, record)
            else:
                self._carry_out(request, dialect, writer, record)
        except ClientGone:
            record.outcome = "left"
            self.was_cut = self._service.stopping
            raise
        except VespaError as problem:
            self._fail(problem, writer, record, body_is_read=body_is_read)
        except Exception:  # noqa: BLE001 - a mistake of ours costs one request, not the connection's thread
            log.exception("%s failed inside the proxy; please report this.", record.name)
            inside = VespaError("The proxy itself failed.", hint="Its log says where; please report it.")
            self._fail(inside, writer, record, body_is_read=body_is_read)

    def _admit(self, head: RequestHead, writer: AnswerWriter) -> None:
        """See who asks. The connection of somebody who may not ask ends with the answer."""
        access = self._service.access
        writer.added += access.answer_fields(head.fields)
        try:
            access.check(head, self._local_address)
        except MessageError as malformed:
            self._close_after(writer)
            raise BadRequest(malformed.sentence, status=malformed.status) from None
        except VespaError:
            self._close_after(writer)
            raise

    def _close_after(self, writer: AnswerWriter) -> None:
        self.close_connection = writer.closes = True

    def _fail(self, problem: VespaError, writer: AnswerWriter, record: Record, *, body_is_read: bool) -> None:
        told = noted(problem, record)
        if writer.started:
            self._breaks_off = True
            record.break_off(told)
        else:
            record.refuse(problem.status, told)
        if isinstance(problem, Cancelled):
            record.cancel()
        # What a client of another protocol sends next is no request.
        if not body_is_read or self._service.stopping or isinstance(problem, UpgradeRefused):
            self._close_after(writer)
        record.answer_bytes += writer.fail(problem)

    def _carry_out(self, request: WorkerRequest, dialect: Dialect | None, writer: AnswerWriter, record: Record) -> None:
        """Have a worker answer the request, which may be translated from ``dialect``, and the client given that answer."""
        assert self._watch is not None
        service = self._service
        self._timed.limit_writes(self._settings.idle_timeout)
        self._lifeline = lifeline = Lifeline()
        if self._is_cut:  # by a thread that found no lifeline yet
            lifeline.cut()
        try:
            service.pages.running[record.number] = lifeline
            self._watch.begin(lifeline, writer.probe)
            passage = service.translator.passage(dialect, request, writer) if dialect else None
            beats = service.heartbeats.are_for(writer, streams=passage.streams if passage else request.streams)

            def ask(asked: WorkerRequest) -> WorkerAnswer:
                # The answer may have to follow a head that promises plain events.
                return service.endpoint.answer(asked.uncoded() if beats else asked, record, lifeline)

            with service.heartbeats.beating(writer) if beats else _IN_SILENCE:
                came = passage.ask(ask) if passage else ask(request)
            if passage and passage.translation:
                from .translation.translated_relay import relay_translated

                first = relay_translated(came, passage.translation, request, writer, record, lifeline, service.heartbeats)
            else:
                first = relay(came, request, writer, record, lifeline)
            if came.answer.status_code == 200:
                service.models.see_answer(request, first)
        except ClientGone:
            if lifeline.was_cancelled:
                raise Cancelled("The request was cancelled.", retried=True) from None
            if not service.stopping:
                raise
            self.was_cut = True
            raise ShuttingDown("The proxy was stopped before the answer was complete.", retry_after=_RETRY_AFTER) from None
        finally:
            del service.pages.running[record.number]
            self._watch.end()
            self._lifeline = None

    def _show_page(self, head: RequestHead, writer: AnswerWriter, record: Record) -> None:
        """Answer with one of the proxy's own pages."""
        assert self._watch is not None
        # What keeps a worker's page from having rights here is not for ours, each of which has a policy of its own.
        writer.added = [field for field in writer.added if field[0] != "Content-Security-Policy"]
        self._timed.limit_writes(_PAGE_WRITE_SECONDS)
        self._lifeline = lifeline = Lifeline()
        try:
            self._watch.begin(lifeline, writer.probe)
            record.answer_locally(self._service.pages.serve(head, writer, lifeline))
        except ClientGone:
            # A page that is open when the proxy stops is no request that was cut.
            if not self._service.stopping:
                raise
            writer.must_close = True
        finally:
            self._watch.end()
            self._lifeline = None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: each request has its line from its :class:`Record`."""
