"""A client that leaves ends, at once, what was done for it: at each stage, in each way. One that only seems to does not."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import h11
import openai
import pytest
import urllib3

from vespa_client import VastClient
from vespa_client.sandbox import Request, Sandbox
from vespa_client.sandbox.messages import Answer

from ..support.faults import Log, proxy_log
from ..support.programs import environment, running
from ..support.raw_worker import Message, Peer, RawWorker, answer, background, chunk, connect, only_worker, post, raw_client
from ..support.waiting import LONG, SHORT

HEARD_WITHIN = 2.0
"""Seconds: twenty times what the proxy takes to hear a client leave."""
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
LARGE = post(b'"' + b"x" * (16 << 20) + b'"')

worker, client, log = only_worker, raw_client, proxy_log


class Scene(NamedTuple):
    """What the stages below play in."""

    proxy: VastClient
    worker: RawWorker
    sandbox: Sandbox
    log: Log


@pytest.fixture
def scene(proxy: VastClient, worker: RawWorker, sandbox: Sandbox, log: Log) -> Scene:
    """The only worker, and a proxy in front of it."""
    return Scene(proxy, worker, sandbox, log)


# The stages. Each sends a request, waits until the proxy works for it, and yields what waits for the end of that work.

Send = Callable[[bytes], None]
Ended = Callable[[], object]
Stage = Callable[[Scene, Send], contextlib.AbstractContextManager[Ended]]


@contextlib.contextmanager
def polling(scene: Scene, send: Send) -> Iterator[Ended]:
    scene.sandbox.autoscaler.cold()
    send(post())
    scene.log.wait_for("Waiting for a worker")
    yield lambda: None
    # It is over: what comes now is not for this client any more.
    scene.sandbox.autoscaler.warm()
    assert scene.worker.was_left_alone()


@contextlib.contextmanager
def asking_the_autoscaler(scene: Scene, send: Send) -> Iterator[Ended]:
    def never(request: Request) -> Answer:
        request.pause(LONG)
        raise AssertionError("the proxy did not hang up")

    autoscaler = scene.sandbox.autoscaler
    autoscaler.answer_by(never)
    send(post())
    autoscaler.wait_for(lambda requests: len(requests) == 1)
    yield lambda: autoscaler.wait_for(lambda requests: requests[0].outcome == "cancelled", HEARD_WITHIN)


@contextlib.contextmanager
def connecting(scene: Scene, send: Send) -> Iterator[Ended]:
    # A full queue of connections: the system answers none of the packets that ask for one more.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, socket.create_connection(hole.getsockname()):
        scene.sandbox.autoscaler.workers[:] = [f"http://127.0.0.1:{hole.getsockname()[1]}"]
        send(post())
        scene.log.wait_for("sent to")
        yield lambda: None


@contextlib.contextmanager
def sending(scene: Scene, send: Send) -> Iterator[Ended]:
    with background(lambda: send(LARGE)):
        peer = scene.worker.accept()
        peer.head()
    yield peer.ending


@contextlib.contextmanager
def waiting_for_the_head(scene: Scene, send: Send) -> Iterator[Ended]:
    send(post())
    peer, _ = scene.worker.request()
    yield lambda: peer.wait_gone(HEARD_WITHIN)


@contextlib.contextmanager
def in_a_silence(scene: Scene, send: Send, head: bytes = EVENTS) -> Iterator[Ended]:
    send(post())
    peer, _ = scene.worker.request()
    peer.send(head + chunk(b"data: 1\n\n"))
    yield lambda: peer.wait_gone(HEARD_WITHIN)


@contextlib.contextmanager
def in_a_silence_of_a_length(scene: Scene, send: Send) -> Iterator[Ended]:
    with in_a_silence(scene, send, WITH_LENGTH) as ended:
        yield ended


@contextlib.contextmanager
def in_a_silence_before_the_close(scene: Scene, send: Send) -> Iterator[Ended]:
    with in_a_silence(scene, send, UNTIL_CLOSE) as ended:
        yield ended


@contextlib.contextmanager
def streaming(scene: Scene, send: Send) -> Iterator[Ended]:
    send(post())
    peer, _ = scene.worker.request()
    peer.send(EVENTS)

    def pour() -> None:
        with pytest.raises(ConnectionError):
            while True:
                peer.send(chunk(b"data: 1\n\n"))

    with background(pour) as pouring:
        yield lambda: pouring.result(HEARD_WITHIN)


STAGES = [
    polling,
    asking_the_autoscaler,
    connecting,
    sending,
    waiting_for_the_head,
    in_a_silence,
    in_a_silence_of_a_length,
    in_a_silence_before_the_close,
    streaming,
]
at_each_stage = pytest.mark.parametrize("stage", STAGES, ids=[stage.__name__ for stage in STAGES])


@at_each_stage
@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_client_that_leaves_is_heard(scene: Scene, client: Peer, stage: Stage, way: str) -> None:
    with stage(scene, client.send) as ended:
        client.close() if way == "close" else client.reset()
        ended()
        assert scene.log.wait_for("#1 POST /v1/x", HEARD_WITHIN).endswith(", left")


PROGRAM = """
import socket, sys
client = socket.create_connection({address!r})
client.sendall(sys.stdin.buffer.read())
while client.recv(1):
    pass
"""


@at_each_stage
def test_a_client_whose_process_is_killed_is_heard(scene: Scene, stage: Stage) -> None:
    host, _, port = scene.proxy.url.removeprefix("http://").partition(":")
    with running(PROGRAM.format(address=(host, int(port)))) as program:

        def send(data: bytes) -> None:
            assert program.stdin
            with program.stdin as stdin:
                stdin.write(data.decode("ascii"))

        with stage(scene, send) as ended:
            program.kill()
            ended()
            assert scene.log.wait_for("#1 POST /v1/x", HEARD_WITHIN).endswith(", left")


@pytest.mark.parametrize("head", [b"", EVENTS], ids=["before the head", "in a silence"])
def test_leaving_reaches_the_worker_within_100_ms(proxy: VastClient, worker: RawWorker, head: bytes) -> None:
    # The best of many, since the machine may be busy with something else.
    fastest = LONG
    for _ in range(10):
        with connect(proxy.url) as client:
            client.send(post())
            peer, _ = worker.request()
            if head:
                peer.send(head + chunk(b"data: 1\n\n"))
                client.until(b"data: 1\n\n\r\n")
            started = time.monotonic()
            client.close()
            peer.wait_gone(HEARD_WITHIN)
            fastest = min(fastest, time.monotonic() - started)
    assert fastest < 0.1


def test_a_client_that_leaves_in_the_middle_of_much_hangs_the_worker_up(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()

    def pour() -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                peer.send(bytes(1 << 16))

    with background(pour):
        client.head()
        client.exactly(1 << 20)
        client.close()


def test_a_client_that_stays_is_not_troubled_by_one_that_leaves(proxy: VastClient, worker: RawWorker) -> None:
    with connect(proxy.url) as stays, connect(proxy.url) as leaves:
        stays.send(post())
        kept, _ = worker.request()
        leaves.send(post())
        dropped, _ = worker.request()
        leaves.close()
        dropped.wait_gone(HEARD_WITHIN)
        kept.send(answer(b"served"))
        assert stays.message().body == b"served"


def test_a_client_that_has_sent_its_next_request_already_is_served_both(client: Peer, worker: RawWorker) -> None:
    client.send(post(b'"one"') + post(b'"two"'))
    peer, one = worker.request()
    assert client.is_silent(SHORT)
    peer.send(answer(b"1"))
    assert client.message().body == b"1"
    two = peer.message()
    peer.send(answer(b"2"))
    assert client.message().body == b"2"
    assert (one.payload, two.payload) == (b'"one"', b'"two"')


# A client that has ended its sending alone.


def final(client: Peer) -> Message:
    """The answer behind the interim ones, which ask whether the client still reads."""
    start, fields = client.head()
    while start == "HTTP/1.1 100 Continue":
        assert fields == []
        start, fields = client.head()
    body = client.exactly(int(dict(fields)["Content-Length"]))
    return Message(start, fields, body, body)


@pytest.mark.parametrize("cold", [True, False], ids=["while it polls", "before the head"])
def test_a_half_closed_client_is_asked_whether_it_reads_and_gets_its_answer(scene: Scene, client: Peer, cold: bool) -> None:
    if cold:
        scene.sandbox.autoscaler.cold()
    client.send(post())
    client.end_of_sending()
    assert client.head() == ("HTTP/1.1 100 Continue", [])
    scene.sandbox.autoscaler.warm()
    peer, _ = scene.worker.request()
    peer.send(answer(b"served"))
    assert final(client).body == b"served"
    assert client.rest() == b""
    assert "left" not in scene.log.wait_for("#1 POST /v1/x -> 200")


BODIES = {
    "NDJSON": (b"application/x-ndjson", [b'{"n": 0}\n', b'{"n": 1}\n', b'{"n": 2}\n']),
    "events": (b"text/event-stream", [b"data: 1\n\n", b"da", b"ta: 2\n\n"]),
    "plain": (b"text/plain", [b"one", b"two", b"three"]),
    "gzip": (b"text/plain\r\nContent-Encoding: gzip", [b"\x1f\x8b\x08", b"\x00\x01", b"\x02"]),
}


@pytest.fixture
def asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silence of five seconds goes by in a moment."""
    monkeypatch.setattr("vespa_client.server.hangup._PROBE_SECONDS", 0.01)
    monkeypatch.setattr("vespa_client.server.answer_writer._ZERO_PAUSE", 0.01)


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are on another machine, whose sockets can't be looked up."""
    monkeypatch.setattr("vespa_client.server.hangup.has_closed", lambda sock: False)


@pytest.mark.usefixtures("asked_often")
@pytest.mark.parametrize("kind", BODIES)
def test_a_half_closed_client_is_asked_by_zeros_that_change_no_byte(scene: Scene, client: Peer, kind: str) -> None:
    content_type, pieces = BODIES[kind]
    client.send(post())
    peer, _ = scene.worker.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: " + content_type + b"\r\n\r\n")
    client.until(b"chunked\r\n\r\n")
    client.end_of_sending()
    wire = b""
    for piece in (*pieces, b""):
        assert client.exactly(2) == b"00"
        peer.send(chunk(piece))
        asked = client.until(chunk(piece))
        # Readers take 16 digits of a size, and many no more.
        assert set(asked.removesuffix(chunk(piece))) <= {ord("0")}
        assert len(asked.partition(b"\r\n")[0]) <= 12
        wire += b"00" + asked
    assert client.rest() == b""
    assert [body_read_by(reader, wire) for reader in READERS] == [b"".join(pieces)] * len(READERS)
    assert "left" not in scene.log.wait_for("#1 POST /v1/x -> 200")


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def body_read_by(reader: str, wire: bytes) -> bytes:
    """A chunked body, as that library reads it. Raises what the library does where it isn't whole."""
    if reader == "h11":
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(CHUNKED_HEAD + wire)
        connection.receive_data(b"")
        body = b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
        return body
    near, far = socket.socketpair()
    with near, far:
        far.sendall(CHUNKED_HEAD + wire)
        far.shutdown(socket.SHUT_WR)
        with contextlib.closing(http.client.HTTPResponse(near)) as answer:
            answer.begin()
            if reader == "http.client":
                return answer.read()
            return b"".join(urllib3.HTTPResponse(answer, headers=dict(answer.headers), preload_content=False).stream())


READERS = ("h11", "http.client", "urllib3")


@pytest.mark.usefixtures("asked_often")
@pytest.mark.parametrize("reader", READERS)
def test_a_break_behind_such_a_zero_is_a_break(scene: Scene, client: Peer, reader: str) -> None:
    client.send(post())
    peer, _ = scene.worker.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"half"))
    client.until(chunk(b"half"))
    client.end_of_sending()
    assert client.exactly(1) == b"0"
    peer.reset()
    wire = b"0" + client.rest()
    with pytest.raises((h11.RemoteProtocolError, http.client.IncompleteRead, urllib3.exceptions.ProtocolError)):
        body_read_by(reader, chunk(b"half") + wire)


def test_a_half_closed_client_that_goes_later_is_heard_then(
    scene: Scene, client: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.server.hangup._PROBE_SECONDS", 0.1)
    client.send(post())
    peer, _ = scene.worker.request()
    client.end_of_sending()
    assert client.head()[0] == "HTTP/1.1 100 Continue"
    client.close()
    peer.wait_gone(HEARD_WITHIN)
    assert scene.log.wait_for("#1 POST /v1/x").endswith(", left")


@pytest.mark.usefixtures("asked_often", "far_away")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_half_closed_client_gets_its_whole_answer_where_nothing_can_be_asked(
    scene: Scene, client: Peer, version: str
) -> None:
    # In a body of a length every byte would be a part of the answer, and HTTP/1.0 knows no interim answers.
    client.send(post(version=version))
    peer, _ = scene.worker.request()
    if version == "1.1":
        peer.send(WITH_LENGTH + b"x")
        client.until(b"x")
    client.end_of_sending()
    assert client.is_silent(SHORT) and peer.is_silent(SHORT)
    peer.send(b"x" * 999 if version == "1.1" else WITH_LENGTH + b"x" * 1000)
    assert client.rest().endswith(b"x" * 999)
    assert "left" not in scene.log.wait_for("#1 POST /v1/x -> 200")


@pytest.mark.usefixtures("asked_often")
@pytest.mark.parametrize("head", [UNTIL_CLOSE, EVENTS], ids=["plain", "events"])
def test_a_half_closed_http_1_0_client_gets_a_body_up_to_the_close(scene: Scene, client: Peer, head: bytes) -> None:
    client.send(post(version="1.0"))
    client.end_of_sending()
    peer, _ = scene.worker.request()
    pieces = [b"data: 1\n\n", b"data: 2\n\n"]
    peer.send(head)
    client.head()
    for piece in pieces:
        assert client.is_silent(SHORT)
        peer.send(chunk(piece) if head is EVENTS else piece)
        assert client.exactly(len(piece)) == piece
    peer.send(chunk(b"")) if head is EVENTS else peer.close()
    assert client.rest() == b""


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_has_gone_far_away_is_heard_at_the_first_byte(scene: Scene, client: Peer, version: str) -> None:
    client.send(post(version=version))
    peer, _ = scene.worker.request()
    if version == "1.1":
        peer.send(WITH_LENGTH + b"x")
        client.until(b"x")
    client.close()
    assert peer.is_silent(SHORT)
    peer.send((WITH_LENGTH if version == "1.0" else b"") + b"x")
    peer.wait_gone(HEARD_WITHIN)
    assert scene.log.wait_for("#1 POST /v1/x").endswith(", left")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' sockets can't be looked up")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_of_this_machine_that_has_gone_is_heard_without_a_byte(scene: Scene, client: Peer, version: str) -> None:
    client.send(post(version=version))
    peer, _ = scene.worker.request()
    if version == "1.1":
        peer.send(WITH_LENGTH + b"x")
        client.until(b"x")
    client.end_of_sending()
    assert peer.is_silent(SHORT)
    client.close()
    peer.wait_gone(HEARD_WITHIN)
    assert scene.log.wait_for("#1 POST /v1/x").endswith(", left")


def test_what_a_client_that_has_gone_had_asked_besides_is_not_carried_out(scene: Scene, client: Peer) -> None:
    client.send(post(b'"one"') + post(b'"two"'))
    peer, _ = scene.worker.request()
    client.close()
    peer.wait_gone(HEARD_WITHIN)
    scene.log.wait_for("#1 POST /v1/x")
    scene.proxy.stop()
    assert scene.worker.was_left_alone()
    assert not [line for line in scene.log.lines if line.startswith("#2 ")]


# SDKs.


@pytest.mark.parametrize("head", [b"", EVENTS + chunk(b'data: {"choices": []}\n\n')], ids=["before the head", "in a silence"])
def test_the_openai_sdk_leaves_when_its_time_is_over(scene: Scene, head: bytes) -> None:
    def ask() -> None:
        with openai.OpenAI(base_url=f"{scene.proxy.url}/v1", api_key="x", max_retries=0, timeout=2 * SHORT) as client:
            messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]
            # In mid-stream it lets httpx's own error through.
            with pytest.raises(Exception, match=r"(?i)timed out"):
                list(client.chat.completions.create(model="sandbox", messages=messages, stream=True))

    with background(ask):
        peer, _ = scene.worker.request()
        if head:
            peer.send(head)
        peer.wait_gone()
    assert scene.log.wait_for("#1 POST").endswith(", left")


ABORT = """
const aborting = new AbortController();
const asking = fetch(process.env.URL, {
  method: "POST", body: '{"stream": true}', signal: aborting.signal,
}).then(async (answer) => { for await (const piece of answer.body) aborting.abort(); });
process.stdin.once("data", () => aborting.abort());
asking.catch((problem) => { console.log(problem.name); process.stdin.destroy(); });
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not on this machine")
@pytest.mark.parametrize("head", [b"", EVENTS + chunk(b"data: 1\n\n")], ids=["before the head", "in the stream"])
def test_an_abort_controller_in_node_is_heard(scene: Scene, head: bytes) -> None:
    with subprocess.Popen(
        ["node", "--input-type=module", "-e", ABORT],
        env=environment(URL=f"{scene.proxy.url}/v1/x"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as node:
        try:
            peer, _ = scene.worker.request()
            if head:
                peer.send(head)
                peer.wait_gone()
            else:
                assert node.stdin
                node.stdin.write(b"abort\n")
                node.stdin.flush()
                peer.wait_gone()
            out, err = node.communicate(timeout=LONG)
        finally:
            node.kill()
    assert (out.strip(), err) == (b"AbortError", b"")
    assert scene.log.wait_for("#1 POST").endswith(", left")
