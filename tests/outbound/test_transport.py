"""One request to one far host over real sockets: the bytes that go out, the bytes that come, and how each can fail."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import itertools
import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util.wait

from vespa_client.http1.fields import Fields, values_of
from vespa_client.http1.heads import MAX_HEAD
from vespa_client.net.lifeline import ClientGone, Lifeline
from vespa_client.net.tcp import counters
from vespa_client.net.timed_socket import TimedSocket
from vespa_client.outbound import connection as connection_module
from vespa_client.outbound import idle as idle_module
from vespa_client.outbound.answer import Answer
from vespa_client.outbound.call import OutboundRequest, TimeLimits
from vespa_client.outbound.failures import (
    AnswerBroken,
    AnswerLate,
    CertificateRefused,
    ConnectFailed,
    HungUp,
    TransportError,
    reason_for,
)
from vespa_client.outbound.pool import Pool
from vespa_client.outbound.proxies import OutboundProxies
from vespa_client.outbound.transport import Transport

from ..support.raw_worker import Message, Peer, RawWorker, answer, background, chunk
from ..support.tls_material import Authority
from ..support.waiting import LONG, SHORT

PATIENT = TimeLimits(connect=LONG, first_byte=LONG, idle=LONG)
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def transport(authority: Authority) -> Iterator[Transport]:
    """A transport that trusts the tests' root alone and knows no outbound proxy."""
    context = ssl.create_default_context(cadata=authority.der)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    made = Transport(lambda: context, OutboundProxies({}))
    yield made
    made.close()


@pytest.fixture
def worker() -> Iterator[RawWorker]:
    with RawWorker() as running:
        yield running


class Asked:
    """A request that is being carried out in a thread of its own."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        method: str = "GET",
        target: str = "/",
        fields: Fields | None = None,
        pieces: Sequence[bytes | bytearray] | None = None,
        limits: TimeLimits = PATIENT,
        lifeline: Lifeline | None = None,
    ) -> None:
        self.lifeline = lifeline or Lifeline()
        request = OutboundRequest(method, url, target, fields or [], pieces)
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(transport.send_once, request, limits, self.lifeline)

    def answer(self) -> Answer:
        """The answer's head, once it is there."""
        try:
            return self._future.result(LONG)
        finally:
            self._pool.shutdown()

    def failure(self) -> BaseException:
        """What it raised."""
        with pytest.raises((TransportError, ClientGone)) as caught:
            self.answer()
        return caught.value


def body_of(answer: Answer) -> bytes:
    return b"".join(answer.iter_content(chunk_size=None))


def served(transport: Transport, worker: RawWorker, sent: bytes, method: str = "GET") -> tuple[Answer, Peer]:
    """A request on a new connection, and the worker's answer to it."""
    asked = Asked(transport, worker.url, method)
    peer = worker.accept()
    peer.message()
    peer.send(sent)
    return asked.answer(), peer


def kept(transport: Transport, worker: RawWorker) -> Peer:
    """The far end of a connection that has served one request and is kept."""
    got, peer = served(transport, worker, answer(b"first"))
    assert body_of(got) == b"first"
    return peer


# What goes out


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/..",
        "/a/../b/./c",
        "//",
        "//evil.example/x",
        "/a//b",
        "/%2F%2f%2e%2E",
        "/%c3%A9?q=%20+%2B",
        "/a;b=c;d?e;f",
        "/?",
        "/a?b?c&&d=&=e",
        "/A%41/%7E~",
        "/@host:80/:x",
        "*",
        "/" + "x" * 5000,
    ],
)
def test_a_target_is_written_as_it_was_given(transport: Transport, worker: RawWorker, target: str) -> None:
    asked = Asked(transport, worker.url, "DELETE", target)
    peer = worker.accept()
    assert peer.until(b"\r\n\r\n") == f"DELETE {target} HTTP/1.1\r\nHost: {worker.address}\r\n\r\n".encode()
    peer.send(answer())
    assert body_of(asked.answer()) == b"ok"


def test_headers_are_written_as_they_were_given_and_none_is_added(transport: Transport, worker: RawWorker) -> None:
    fields = [("x-B", "1"), ("X-a", "caf\u00e9 \xff"), ("x-b", ""), ("X-B", "a, b;  c"), ("User-Agent", "mine")]
    asked = Asked(transport, worker.url, "POST", "/v1", fields, [b'{"a"', bytearray(b": 1"), b"}"])
    peer = worker.accept()
    head = f"POST /v1 HTTP/1.1\r\nHost: {worker.address}\r\nx-B: 1\r\nX-a: caf\u00e9 \xff\r\nx-b: \r\nX-B: a, b;  c\r\n"
    expected = head.encode("latin-1") + b'User-Agent: mine\r\nContent-Length: 8\r\n\r\n{"a": 1}'
    assert peer.exactly(len(expected)) == expected
    peer.send(answer())
    body_of(asked.answer())
    assert peer.is_silent(SHORT / 4)


def test_a_head_and_a_small_body_go_out_in_one_write(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", "/", [], [b"a" * 200, b"b" * 200])
    peer = worker.accept()
    first = peer._socket.recv(1 << 16)
    assert first.startswith(b"POST / HTTP/1.1\r\n")
    assert first.endswith(b"a" * 200 + b"b" * 200)
    peer.send(answer())
    body_of(asked.answer())


@pytest.mark.parametrize(("pieces", "length"), [(None, None), ([], "0"), ([b""], "0"), ([b"x", b"yz"], "3")])
def test_a_body_has_its_length_said(
    transport: Transport, worker: RawWorker, pieces: list[bytes] | None, length: str | None
) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=pieces)
    peer, received = worker.request()
    assert received.one("Content-Length") == length
    assert received.body == b"".join(pieces or [])
    peer.send(answer())
    body_of(asked.answer())


def test_a_large_body_arrives_whole_and_is_not_copied_together(transport: Transport, worker: RawWorker) -> None:
    image = bytearray(bytes(range(256)) * (1 << 16))
    pieces: list[bytes | bytearray] = [b'{"auth_data": {}, "payload": ', image, b"}"]
    asked = Asked(transport, worker.url, "POST", pieces=pieces)
    peer, received = worker.request()
    assert received.one("Content-Length") == str(len(image) + 30)
    assert hashlib.sha256(received.body).digest() == hashlib.sha256(b"".join(pieces)).digest()
    peer.send(answer())
    assert body_of(asked.answer()) == b"ok"


def test_nothing_of_the_environment_takes_part(
    transport: Transport, worker: RawWorker, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(own_home / ".netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for _ in range(2):
        asked = Asked(transport, worker.url)
        peer = worker.accept()
        # Neither the log-in, nor the cookie of the first answer.
        assert peer.until(b"\r\n\r\n") == f"GET / HTTP/1.1\r\nHost: {worker.address}\r\n\r\n".encode()
        peer.send(answer(b"", "302 Found", "Set-Cookie: a=b", "Location: /elsewhere", "Connection: close"))
        got = asked.answer()
        assert (got.status_code, body_of(got)) == (302, b"")
    assert worker.was_left_alone()


# What comes back


def test_an_answer_has_its_status_its_reason_and_its_headers_as_they_were_sent(transport: Transport, worker: RawWorker) -> None:
    head = b"HTTP/1.1 299 Quite \xe9\r\nset-cookie: a\r\nX-Y:  b \t\r\nSet-Cookie: c\r\nContent-Length: 0\r\n\r\n"
    got, _ = served(transport, worker, head)
    assert (got.status_code, got.reason) == (299, "Quite \xe9")
    assert got.fields == [("set-cookie", "a"), ("X-Y", "b"), ("Set-Cookie", "c"), ("Content-Length", "0")]
    assert [list(values_of(got.fields, name)) for name in ("set-cookie", "x-y", "z")] == [["a", "c"], ["b"], []]
    assert body_of(got) == b""


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_bytes_come_out_before_the_next_ones_are_sent(transport: Transport, worker: RawWorker, framing: str) -> None:
    head = {
        "chunked": CHUNKED_HEAD,
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
        "close": b"HTTP/1.1 200 OK\r\n\r\n",
    }
    got, peer = served(transport, worker, head[framing])
    assert not got.raw.arrived()
    pieces = got.iter_content(chunk_size=None)
    for data in (b"abc", b"de", b"f"):
        peer.send(chunk(data) if framing == "chunked" else data)
        assert next(pieces) == data
    if framing == "chunked":
        peer.send(chunk(b""))
    elif framing == "close":
        peer.close()
    assert list(pieces) == []


def test_bytes_that_came_with_the_head_are_known_to_be_here(transport: Transport, worker: RawWorker) -> None:
    got, _ = served(transport, worker, CHUNKED_HEAD + chunk(b"x") + chunk(b""))
    assert got.raw.arrived()
    assert body_of(got) == b"x"


@pytest.mark.parametrize(("before", "after"), [(b"5", b"\r\nabcde"), (b"5\r\n", b"abcde"), (b"", b"5\r\nabcde")])
def test_a_chunk_without_a_byte_of_it_is_not_here_yet(
    transport: Transport, worker: RawWorker, before: bytes, after: bytes
) -> None:
    got, peer = served(transport, worker, CHUNKED_HEAD + before)
    assert not got.raw.arrived()
    peer.send(after + b"\r\n0\r\n\r\n")
    assert body_of(got) == b"abcde"


def test_an_encoded_body_stays_encoded(transport: Transport, worker: RawWorker) -> None:
    packed = gzip.compress(b"hello" * 100)
    got, _ = served(transport, worker, answer(packed, "200 OK", "Content-Encoding: gzip"))
    assert body_of(got) == packed


def test_interim_answers_are_passed_over(transport: Transport, worker: RawWorker) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    got, _ = served(transport, worker, interim + answer(b"ok"))
    assert (got.status_code, body_of(got)) == (200, b"ok")


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", CHUNKED_HEAD),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_not_waited_for(transport: Transport, worker: RawWorker, method: str, head: bytes) -> None:
    got, peer = served(transport, worker, head, method)
    assert body_of(got) == b""
    again = Asked(transport, worker.url)
    peer.message()  # on the same connection
    peer.send(answer(b"next"))
    assert body_of(again.answer()) == b"next"


def test_a_whole_body_can_be_read_with_a_limit(transport: Transport, worker: RawWorker) -> None:
    got, _ = served(transport, worker, answer(b"x" * 100))
    assert got.read(100) == b"x" * 100
    again = Asked(transport, worker.url, limits=PATIENT)
    peer, _ = served_on_kept(worker, again, CHUNKED_HEAD + chunk(b"y" * 100))
    assert again.answer().read(99) == b"y" * 99
    peer.wait_gone()


def served_on_kept(worker: RawWorker, asked: Asked, sent: bytes) -> tuple[Peer, Message]:
    """The next request on the connection that the worker accepted last."""
    peer = worker._peers[-1]
    message = peer.message()
    peer.send(sent)
    return peer, message


# Kept connections


def test_a_connection_serves_one_request_after_the_other(transport: Transport, worker: RawWorker) -> None:
    peer = kept(transport, worker)
    for framed in (answer(b"ok"), CHUNKED_HEAD + chunk(b"ok") + b"0\r\nX-Trailer: y\r\n\r\n", answer(b"", "204 No Content")):
        asked = Asked(transport, worker.url)
        peer.message()
        peer.send(framed)
        body_of(asked.answer())
    assert worker.was_left_alone()


@pytest.mark.parametrize(
    "sent",
    [
        answer(b"ok", "200 OK", "Connection: close"),
        answer(b"ok").replace(b"HTTP/1.1", b"HTTP/1.0"),
        answer(b"ok") + b"x",
        CHUNKED_HEAD + chunk(b"ok") + chunk(b"") + b"HTTP/1.1 200 OK\r\n",
    ],
    ids=["it says close", "http/1.0", "bytes behind the body", "an answer nobody asked for"],
)
def test_a_connection_that_cannot_be_trusted_further_is_closed(transport: Transport, worker: RawWorker, sent: bytes) -> None:
    got, peer = served(transport, worker, sent)
    assert body_of(got) == b"ok"
    peer.wait_gone()


def test_a_body_that_is_not_read_to_its_end_closes_the_connection(transport: Transport, worker: RawWorker) -> None:
    got, peer = served(transport, worker, CHUNKED_HEAD + chunk(b"a"))
    got.close()
    peer.wait_gone()
    got, peer = served(transport, worker, CHUNKED_HEAD + chunk(b"a"))
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"a"
    del pieces  # as an exception on the way out does
    peer.wait_gone()


@pytest.mark.parametrize("framed", [answer(b"ok"), CHUNKED_HEAD + chunk(b"ok") + chunk(b"")], ids=["length", "chunked"])
def test_a_connection_is_free_before_the_last_piece_goes_on(transport: Transport, worker: RawWorker, framed: bytes) -> None:
    got, peer = served(transport, worker, framed)
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"ok"
    asked = Asked(transport, worker.url)
    peer.message()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    again = asked.answer()
    got.raw.limit(0.001)  # is none of whoever the connection serves now
    with ThreadPoolExecutor(1) as pool:
        body = pool.submit(body_of, again)
        assert wait([body], SHORT).not_done
        peer.send(b"again")
        assert body.result(LONG) == b"again"
    assert list(pieces) == []
    assert worker.was_left_alone()


def test_an_empty_body_that_nobody_reads_keeps_the_connection(transport: Transport, worker: RawWorker) -> None:
    got, peer = served(transport, worker, answer(b"", "503 Service Unavailable"))
    got.close()
    got.close()
    asked = Asked(transport, worker.url)
    peer.message()
    peer.send(answer(b"ok"))
    assert body_of(asked.answer()) == b"ok"


def test_a_connection_kept_too_long_is_not_used_again(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = kept(transport, worker)
    monkeypatch.setattr(idle_module, "_IDLE_SECONDS", -1.0)
    got, _ = served(transport, worker, answer(b"ok"))
    assert body_of(got) == b"ok"
    old.wait_gone()


def test_a_connection_from_before_the_machine_slept_is_not_used_again(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = kept(transport, worker)
    # Asleep, the monotonic clock of most systems stands still.
    slept = SimpleNamespace(monotonic=time.monotonic, time=lambda: time.time() + 3600)
    monkeypatch.setattr(idle_module, "time", slept)
    got, _ = served(transport, worker, answer(b"ok"))
    assert body_of(got) == b"ok"
    old.wait_gone()


def test_the_newest_is_used_first(transport: Transport, worker: RawWorker) -> None:
    asked = [Asked(transport, worker.url, target="/oldest"), Asked(transport, worker.url, target="/newest")]
    peers = {message.target: peer for peer, message in (worker.request(), worker.request())}
    for peer in peers.values():
        peer.send(answer(b"ok"))
    # Both are in use before the first is given back.
    for got in [one.answer() for one in asked]:
        body_of(got)
    third = Asked(transport, worker.url)
    peers["/newest"].message()
    peers["/newest"].send(answer(b"ok"))
    assert body_of(third.answer()) == b"ok"


@pytest.mark.parametrize("why", ["it was kept too long", "the worker has closed it"])
def test_a_connection_to_a_worker_that_is_never_asked_again_is_closed(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    old = kept(transport, worker)
    if why == "it was kept too long":
        monkeypatch.setattr(idle_module, "_IDLE_SECONDS", -1.0)
    else:
        old.end_of_sending()
    with RawWorker() as other:
        monkeypatch.setattr(idle_module, "_SWEEP_SECONDS", -1.0)
        transport._idle._next_sweep = 0.0
        got, _ = served(transport, other, answer(b"ok"))
        assert body_of(got) == b"ok"
        old.wait_gone()


def test_a_connection_that_the_worker_closed_meanwhile_is_replaced(transport: Transport, worker: RawWorker) -> None:
    kept(transport, worker).close()
    got, _ = served(transport, worker, answer(b"ok"))
    assert body_of(got) == b"ok"


def test_bytes_out_of_turn_on_a_kept_connection_are_no_answer(transport: Transport, worker: RawWorker) -> None:
    kept(transport, worker).send(answer(b"a 408 that nobody asked for", "408 Request Timeout"))
    got, _ = served(transport, worker, answer(b"ok"))
    assert body_of(got) == b"ok"


def test_many_at_once_are_all_kept(transport: Transport, worker: RawWorker, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        asked = [Asked(transport, worker.url) for _ in range(20)]
        peers = worker._peers or [worker.accept() for _ in asked]
        for peer in peers:
            peer.message()
            peer.send(answer(b"ok"))
        # All are in use before the first is given back.
        for got in [one.answer() for one in asked]:
            assert body_of(got) == b"ok"
    assert worker.was_left_alone()
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_closing_the_transport_closes_what_is_kept(transport: Transport, worker: RawWorker) -> None:
    peer = kept(transport, worker)
    transport.close()
    peer.wait_gone()


def test_small_requests_are_sent_one_at_a_time_and_a_large_one_waits_for_none(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: queue.SimpleQueue[str] = queue.SimpleQueue()
    goes_on = threading.Event()
    sendall = TimedSocket.sendall

    def held(timed: TimedSocket, data: bytes) -> None:
        begun.put(data.split(b" ")[1].decode())
        assert goes_on.wait(LONG)
        sendall(timed, data)

    monkeypatch.setattr(TimedSocket, "sendall", held)
    asked = [Asked(transport, worker.url, "POST", "/small-1", pieces=[b"{}"])]
    assert begun.get(timeout=LONG) == "/small-1"
    asked.append(Asked(transport, worker.url, "POST", "/small-2", pieces=[b"{}"]))
    asked.append(Asked(transport, worker.url, "POST", "/large", pieces=[bytes(20_000)]))
    assert begun.get(timeout=LONG) == "/large"
    peers = [worker.accept() for _ in asked]  # they are all connected
    assert begun.empty()
    goes_on.set()
    for peer in peers:
        peer.message()
        peer.send(answer())
    assert [body_of(one.answer()) for one in asked] == [b"ok"] * 3
    assert begun.get(timeout=LONG) == "/small-2"


def test_threads_never_share_a_connection(transport: Transport, worker: RawWorker) -> None:
    threads, each = 8, 40

    def play(peer: Peer) -> None:
        # An answer says whom it is for; two requests at once on one connection would cross.
        while True:
            try:
                received = peer.message()
            except EOFError:
                return
            assert not peer._pending
            peer.send(answer(received.target.encode()))

    def ask(thread: int) -> int:
        right = 0
        for number in range(each):
            target = f"/{thread}/{number}"
            got = transport.send_once(OutboundRequest("GET", worker.url, target, []), PATIENT, Lifeline())
            right += body_of(got) == target.encode()
        return right

    with ThreadPoolExecutor(2 * threads) as pool:
        asking = [pool.submit(ask, thread) for thread in range(threads)]
        playing = []
        while not all(task.done() for task in asking):
            if not worker_is_called(worker):
                continue
            playing.append(pool.submit(play, worker.accept()))
        assert [task.result(LONG) for task in asking] == [each] * threads
        transport.close()
        for game in playing:
            game.result(LONG)
    assert len(playing) <= threads


def worker_is_called(worker: RawWorker) -> bool:
    """Whether a connection waits to be accepted. Comes back soon, so that the caller can look at other things."""
    return bool(urllib3.util.wait.wait_for_read(worker._listener, SHORT / 20))


# A worker that hangs up


def hang_up_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the look at a kept connection before its use, as if the far end's FIN came just behind it."""

    def counted(connection: Any) -> bool:
        connection._counted = counters(connection.sock)
        return True

    monkeypatch.setattr("vespa_client.outbound.connection.Connection.is_usable", counted)


@pytest.mark.parametrize("pieces", [None, [b"x" * 100], [b"x" * 1_000_000]], ids=["no body", "a small body", "a large body"])
def test_a_kept_connection_that_had_gone_is_stale_and_nothing_ran(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes] | None
) -> None:
    kept(transport, worker).close()
    hang_up_unseen(monkeypatch)
    problem = Asked(transport, worker.url, "POST", pieces=pieces).failure()
    assert isinstance(problem, HungUp)
    assert problem.stale
    assert not problem.may_have_run


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't count what arrived")
@pytest.mark.parametrize("pieces", [None, [b"x" * 100], [b"x" * 1_000_000]], ids=["no body", "a small body", "a large body"])
def test_a_kept_connection_that_goes_as_the_request_leaves_is_stale_and_nothing_ran(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes] | None
) -> None:
    peer = kept(transport, worker)

    look = connection_module.Connection.is_usable

    def look_and_end(connection: Any) -> bool:
        assert look(connection)
        peer.close()
        assert urllib3.util.wait.wait_for_read(connection.sock, LONG)
        return True

    monkeypatch.setattr("vespa_client.outbound.connection.Connection.is_usable", look_and_end)
    problem = Asked(transport, worker.url, "POST", pieces=pieces).failure()
    assert isinstance(problem, HungUp)
    assert problem.stale
    assert not problem.may_have_run


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_kept_connection_that_goes_with_the_request_is_not_stale(transport: Transport, worker: RawWorker, how: str) -> None:
    peer = kept(transport, worker)
    asked = Asked(transport, worker.url, "POST", pieces=[b"{}"])
    peer.message()
    getattr(peer, how)()
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert not problem.stale
    assert problem.may_have_run


def test_where_the_system_does_not_tell_what_arrived_the_time_does(
    transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.outbound.connection.counters", lambda sock: None)
    peer = kept(transport, worker)
    asked = Asked(transport, worker.url, "POST", pieces=[b"{}"])
    peer.message()
    assert peer.is_silent(SHORT)  # far longer than a message takes to go there and back
    peer.close()
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert problem.may_have_run


def test_a_worker_that_takes_the_request_and_resets_at_once_may_have_run_it(transport: Transport, worker: RawWorker) -> None:
    peer = kept(transport, worker)
    asked = Asked(transport, worker.url, "POST", pieces=[b"{}"])
    peer.message()
    # Its system has acknowledged nothing yet, and the reset doesn't either.
    peer.reset(acknowledged=False)
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert not problem.stale
    assert problem.may_have_run


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_new_connection_that_goes_without_an_answer_may_have_run_the_request(
    transport: Transport, worker: RawWorker, how: str
) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[b"{}"])
    peer, _ = worker.request()
    getattr(peer, how)()
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert not problem.stale
    assert problem.may_have_run
    assert "hung up" in str(problem)


# No connection


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection reset"),
        (BrokenPipeError(errno.EPIPE, "x"), "connection closed"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to it"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError("Tunnel connection failed: 403 Forbidden"), "the outbound proxy refused the way there (403 Forbidden)"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "its name can't be resolved (no network, or a DNS problem)"),
        (TimeoutError("timed out"), "it took too long"),
        (TimeoutError("no connection within 5 s"), "no connection within 5 s"),
        (urllib3.exceptions.SSLError(ConnectionResetError(errno.ECONNRESET, "x")), "SSLError"),
        (ValueError("0x7f00 <object at>"), "ValueError"),
    ],
)
def test_a_reason_is_for_people(problem: Exception, reason: str) -> None:
    assert reason_for(problem) == reason


def test_a_refused_connection_has_run_nothing(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        problem = Asked(transport, url).failure()
    assert isinstance(problem, ConnectFailed)
    assert str(problem) == "connection refused"
    assert not problem.may_have_run


@pytest.mark.parametrize("url", ["http://nowhere.invalid", "http://a..b", "http://" + "x" * 64 + ".invalid"])
def test_a_host_without_an_address_is_said_to_be_one(transport: Transport, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, *rest: object) -> list[object]:
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    problem = Asked(transport, url).failure()
    assert isinstance(problem, ConnectFailed)
    assert "name" in str(problem)
    assert not problem.may_have_run


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that neither takes nor refuses connections: a listener whose backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            waiting.append(one)
        # The last one is left hanging, or there is no such thing as a full backlog on this system.
        if urllib3.util.wait.wait_for_write(waiting[-1], SHORT / 2):
            pytest.skip("this system's backlog can't be filled")
        yield f"http://127.0.0.1:{address[1]}"
        for one in waiting:
            one.close()


def test_a_connection_that_does_not_come_about_ends_in_time(transport: Transport, black_hole: str) -> None:
    problem = Asked(transport, black_hole, limits=TimeLimits(SHORT, LONG, LONG)).failure()
    assert isinstance(problem, ConnectFailed)
    assert str(problem) == f"no connection within {SHORT:g} s"
    assert not problem.may_have_run


def test_a_client_that_leaves_ends_the_connecting(transport: Transport, black_hole: str) -> None:
    asked = Asked(transport, black_hole, limits=TimeLimits(1000.0, LONG, LONG))
    asked.lifeline.cut()
    assert isinstance(asked.failure(), ClientGone)


def test_each_address_of_a_host_is_tried(transport: Transport, worker: RawWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(worker.address.partition(":")[2])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = (socket.AF_INET, socket.SOCK_STREAM, 0, "", taken.getsockname())
        alive = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *asked: [dead, alive])
        asked = Asked(transport, f"http://two.example:{port}")
        peer, received = worker.request()
        assert received.one("Host") == f"two.example:{port}"
        peer.send(answer(b"ok"))
        assert body_of(asked.answer()) == b"ok"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_an_ipv6_address_is_reached(transport: Transport) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 on loopback")
    with listener:
        address = f"[::1]:{listener.getsockname()[1]}"
        asked = Asked(transport, f"http://{address}")
        with Peer(listener.accept()[0]) as peer:
            assert peer.message().one("Host") == address
            peer.send(answer(b"ok"))
            assert body_of(asked.answer()) == b"ok"


# Time limits


def test_a_worker_that_does_not_answer_is_late(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, limits=TimeLimits(LONG, SHORT, LONG))
    peer, _ = worker.request()
    problem = asked.failure()
    assert isinstance(problem, AnswerLate)
    assert str(problem) == f"no answer came within {SHORT:g} s"
    assert problem.may_have_run
    peer.wait_gone()


def test_a_head_that_drips_is_late_all_the_same(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, limits=TimeLimits(LONG, SHORT, LONG))
    peer, _ = worker.request()
    gone = threading.Event()

    def drip() -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nX: ")
        while not gone.wait(SHORT / 10):
            peer.send(b"x")

    with background(drip):
        try:
            problem = asked.failure()
        finally:
            gone.set()
    assert isinstance(problem, AnswerLate)


@pytest.mark.parametrize(
    "begun",
    [
        CHUNKED_HEAD + chunk(b"x"),
        CHUNKED_HEAD + b"5\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\nx",
    ],
    ids=["between chunks", "in a chunk", "length", "close"],
)
def test_a_body_that_falls_silent_is_late(transport: Transport, worker: RawWorker, begun: bytes) -> None:
    asked = Asked(transport, worker.url, limits=TimeLimits(LONG, LONG, SHORT))
    peer, _ = worker.request()
    peer.send(begun)
    pieces = asked.answer().iter_content(chunk_size=None)
    assert next(pieces) == b"x"
    with pytest.raises(AnswerLate, match="silent"):
        next(pieces)
    peer.wait_gone()


def test_an_answer_may_take_longer_than_a_silence_may(transport: Transport, worker: RawWorker) -> None:
    silence = 4 * SHORT
    asked = Asked(transport, worker.url, limits=TimeLimits(LONG, LONG, silence))
    peer, _ = worker.request()
    peer.send(CHUNKED_HEAD)
    pieces = asked.answer().iter_content(chunk_size=None)
    started = time.monotonic()
    while time.monotonic() - started < silence * 1.2:
        assert peer.is_silent(silence / 4)
        peer.send(chunk(b"x"))
        assert next(pieces) == b"x"
    peer.send(chunk(b""))
    assert list(pieces) == []


# Answers that are none

HEADS_THAT_ARE_NONE = {
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a page without a head": b"<html></html>\r\n\r\n",
    "http/0.9": b"hello\r\n\r\n",
    "http/2": b"HTTP/2 200\r\n\r\n",
    "a settings frame of http/2": bytes.fromhex("000012040000000000") + b"\r\n\r\n",
    "an alert of tls": bytes.fromhex("15030100020246") + b"\r\n\r\n",
    "a handshake of tls": bytes.fromhex("160301007a0200007603"),
    "lines that end in lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "one line that ends in lf": b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n",
    "a bare cr in a value": b"HTTP/1.1 200 OK\r\nX: y\rContent-Length: 0\r\n\r\n",
    "a folded value": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "a nul in a value": b"HTTP/1.1 200 OK\r\nX: y\0\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "two lengths in one": b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxx",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxx",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding nobody knows": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in http/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a head of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**20 + b"\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD // 5),
    "a thousand lines": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("name", HEADS_THAT_ARE_NONE)
def test_what_is_no_answer_is_broken_and_its_connection_closed(transport: Transport, worker: RawWorker, name: str) -> None:
    asked = Asked(transport, worker.url)
    peer, _ = worker.request()
    with background(lambda: send_as_far_as_it_goes(peer, HEADS_THAT_ARE_NONE[name])):
        problem = asked.failure()
    assert isinstance(problem, AnswerBroken)
    assert problem.may_have_run
    peer.wait_gone()


def send_as_far_as_it_goes(peer: Peer, data: bytes) -> None:
    try:
        peer.send(data)
    except (BrokenPipeError, ConnectionResetError):
        return


def test_an_answer_that_ends_in_its_head_is_broken(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url)
    peer, _ = worker.request()
    peer.send(b"HTTP/1.1 200 OK\r\nX: y\r\n")
    peer.close()
    assert isinstance(asked.failure(), AnswerBroken)


BODIES_THAT_BREAK = {
    "inside a chunk": CHUNKED_HEAD + b"5\r\nab",
    "between chunks": CHUNKED_HEAD + chunk(b"ab"),
    "before the last line": CHUNKED_HEAD + chunk(b"ab") + b"0\r\n",
    "inside a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("name", BODIES_THAT_BREAK)
def test_half_a_body_never_looks_whole(transport: Transport, worker: RawWorker, name: str, how: str) -> None:
    got, peer = served(transport, worker, BODIES_THAT_BREAK[name])
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"ab"
    getattr(peer, how)()
    with pytest.raises(AnswerBroken, match="broke off"):
        list(pieces)


def test_a_body_up_to_the_end_of_the_connection_is_broken_by_a_reset_alone(transport: Transport, worker: RawWorker) -> None:
    got, peer = served(transport, worker, b"HTTP/1.1 200 OK\r\n\r\nab")
    peer.close()
    assert body_of(got) == b"ab"
    got, peer = served(transport, worker, b"HTTP/1.1 200 OK\r\n\r\nab")
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"ab"
    peer.reset()
    with pytest.raises(AnswerBroken):
        next(pieces)


def test_what_came_before_the_break_is_passed_on(transport: Transport, worker: RawWorker) -> None:
    got, _ = served(transport, worker, CHUNKED_HEAD + chunk(b"ab") + b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
    assert got.raw.arrived()
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"ab"
    with pytest.raises(AnswerBroken):
        next(pieces)


def test_a_status_line_inside_the_chunks_is_seen_though_the_socket_stays_open(transport: Transport, worker: RawWorker) -> None:
    got, peer = served(transport, worker, CHUNKED_HEAD + chunk(b"ab"))
    pieces = got.iter_content(chunk_size=None)
    assert next(pieces) == b"ab"
    peer.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(AnswerBroken, match=r"broke off: in place of .* head of another answer, '500 Internal Server Error'$"):
        next(pieces)
    peer.wait_gone()


# Answers that come early

LARGE = bytes(1 << 26)


def test_an_answer_that_comes_while_the_body_is_being_sent_is_read(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[LARGE])
    peer = worker.accept()
    peer.head()
    peer.send(answer(b"too large", "413 Content Too Large"))
    peer.close()  # on unread bytes: a reset
    got = asked.answer()
    assert (got.status_code, body_of(got)) == (413, b"too large")


def test_a_worker_that_answers_and_takes_no_more_is_heard(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[LARGE], limits=TimeLimits(LONG, LONG, SHORT))
    peer = worker.accept()
    peer.head()
    peer.send(answer(b"enough", "400 Bad Request"))
    got = asked.answer()
    assert (got.status_code, body_of(got)) == (400, b"enough")
    # What is left of the body would be taken for the next request.
    with background(lambda: peer.ending()):
        pass


def test_a_worker_that_stops_taking_the_request_has_not_run_it(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[LARGE], limits=TimeLimits(LONG, LONG, SHORT))
    peer = worker.accept()
    peer.head()
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert not problem.stale
    assert not problem.may_have_run


def test_a_worker_that_hangs_up_on_half_the_request_has_not_run_it(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[LARGE])
    peer = worker.accept()
    peer.head()
    peer.reset()
    problem = asked.failure()
    assert isinstance(problem, HungUp)
    assert not problem.may_have_run


# Clients that leave


def test_nothing_is_begun_for_a_client_that_has_left(transport: Transport, worker: RawWorker) -> None:
    lifeline = Lifeline()
    lifeline.cut()
    assert isinstance(Asked(transport, worker.url, lifeline=lifeline).failure(), ClientGone)


def test_a_client_that_leaves_ends_the_wait_for_an_answer(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url)
    peer, _ = worker.request()
    asked.lifeline.cut()
    peer.wait_gone()
    assert isinstance(asked.failure(), ClientGone)


def test_a_client_that_leaves_ends_the_sending(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, worker.url, "POST", pieces=[LARGE])
    peer = worker.accept()
    peer.head()
    asked.lifeline.cut()
    assert isinstance(asked.failure(), ClientGone)


@pytest.mark.parametrize("head", [CHUNKED_HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ids=["chunked", "length"])
def test_a_client_that_leaves_ends_the_body(transport: Transport, worker: RawWorker, head: bytes) -> None:
    asked = Asked(transport, worker.url)
    peer, _ = worker.request()
    peer.send(head)
    got = asked.answer()
    with background(asked.lifeline.cut), pytest.raises(AnswerBroken):
        body_of(got)
    peer.wait_gone()


def test_a_client_that_leaves_after_its_answer_disturbs_nobody(transport: Transport, worker: RawWorker) -> None:
    first = Asked(transport, worker.url)
    peer, _ = worker.request()
    peer.send(answer(b"ok"))
    body_of(first.answer())
    second = Asked(transport, worker.url)
    peer.message()
    first.lifeline.cut()  # its connection serves the second request by now
    peer.send(answer(b"ok"))
    assert body_of(second.answer()) == b"ok"


def test_a_client_that_leaves_ends_the_wait_for_an_outbound_proxy(authority: Authority, worker: RawWorker) -> None:
    context = ssl.create_default_context(cadata=authority.der)
    behind = Transport(lambda: context, OutboundProxies({"https": worker.url}))
    asked = Asked(behind, "https://203.0.113.7:41234", limits=TimeLimits(1000.0, LONG, LONG))
    peer = worker.accept()
    assert peer.head()[0].startswith("CONNECT 203.0.113.7:41234 ")
    asked.lifeline.cut()
    assert isinstance(asked.failure(), ClientGone)
    behind.close()


# TLS


def secure(worker: RawWorker) -> str:
    return worker.url.replace("http:", "https:")


def wrap(peer_socket: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    peer_socket.settimeout(LONG)
    return context.wrap_socket(peer_socket, server_side=True)


def test_tls_is_spoken_and_its_connection_kept(transport: Transport, worker: RawWorker, authority: Authority) -> None:
    asked = Asked(transport, secure(worker), "POST", pieces=[b"{}"])
    with wrap(worker._listener.accept()[0], authority.server()) as sock, Peer(sock) as peer:
        for number in itertools.count():
            assert peer.message().body == b"{}"
            peer.send(answer(b"%d" % number))
            assert body_of(asked.answer()) == b"%d" % number
            if number:
                break
            asked = Asked(transport, secure(worker), "POST", pieces=[b"{}"])
    assert worker.was_left_alone()


def test_a_certificate_that_is_not_trusted_is_refused(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, secure(worker))
    with worker._listener.accept()[0] as sock, pytest.raises(ssl.SSLError):
        wrap(sock, Authority("another root").server())
    problem = asked.failure()
    assert isinstance(problem, CertificateRefused)
    assert not problem.may_have_run


def test_an_end_that_tls_did_not_announce_is_no_end(transport: Transport, worker: RawWorker, authority: Authority) -> None:
    for announced in (True, False):
        asked = Asked(transport, secure(worker))
        with wrap(worker._listener.accept()[0], authority.server()) as sock:
            with Peer(sock) as peer:
                peer.message()
                peer.send(b"HTTP/1.1 200 OK\r\n\r\nab")
                pieces = asked.answer().iter_content(chunk_size=None)
                assert next(pieces) == b"ab"
                if announced:
                    with background(lambda sock=sock: announce_the_end(sock)):  # type: ignore[misc]
                        assert list(pieces) == []
                    continue
            with pytest.raises(AnswerBroken):
                next(pieces)


def announce_the_end(sock: ssl.SSLSocket) -> None:
    with contextlib.suppress(OSError):  # the other side closes without a word, as it may
        sock.unwrap()


def test_a_handshake_that_does_not_come_about_ends_in_time(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, secure(worker), limits=TimeLimits(SHORT, LONG, LONG))
    with worker.accept() as peer:
        peer.exactly(5)
        problem = asked.failure()
    assert isinstance(problem, ConnectFailed)
    assert not problem.may_have_run


def test_a_client_that_leaves_ends_the_handshake(transport: Transport, worker: RawWorker) -> None:
    asked = Asked(transport, secure(worker), limits=TimeLimits(1000.0, LONG, LONG))
    with worker.accept() as peer:
        peer.exactly(5)  # the handshake has begun
        asked.lifeline.cut()
        assert isinstance(asked.failure(), ClientGone)


def test_an_interim_answer_leaves_the_answer_its_time(transport: Transport, worker: RawWorker) -> None:
    peer = kept(transport, worker)
    limits = TimeLimits(connect=SHORT, first_byte=LONG, idle=LONG)
    asked = Asked(transport, worker.url, limits=limits)
    peer.message()
    peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert peer.is_silent(SHORT * 2)
    peer.send(answer(b"second"))
    assert body_of(asked.answer()) == b"second"


def test_the_manager_of_an_outbound_proxy_is_whole_before_it_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two threads that meet the proxy at once: here the second comes while the first makes the manager.
    url = "http://proxy.test:3128"
    transport = Transport(ssl.create_default_context, OutboundProxies({}))
    make, met = urllib3.ProxyManager, []

    def slow(*args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        monkeypatch.setattr("urllib3.ProxyManager", make)
        met.append(transport.proxy_manager_for(url))
        return make(*args, **kwargs)

    monkeypatch.setattr("urllib3.ProxyManager", slow)
    with contextlib.closing(transport):
        assert transport.proxy_manager_for(url) is met[0]
        assert isinstance(met[0].connection_from_host("worker.test", 80), Pool)
