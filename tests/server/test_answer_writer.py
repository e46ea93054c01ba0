"""An answer on a socket: what goes in front of an event of the proxy's own."""

from __future__ import annotations

import socket

import pytest

from vespa_client.errors import WorkerAnswerBroken
from vespa_client.net.timed_socket import TimedSocket
from vespa_client.server.answer_writer import AnswerWriter, is_event_stream

EVENTS = [("Content-Type", "text/event-stream")]


@pytest.mark.parametrize(
    ("sent", "gap"),
    [
        ([], b""),
        ([b"data: 1\n\n"], b""),
        ([b"data: 1\r\n\r\n"], b""),
        ([b"data: 1\r\r"], b""),
        ([b"data: 1\n\r\n"], b""),
        ([b"data: 1\r\n\n"], b""),
        ([b"data: 1\r\n\r"], b""),
        ([b"data: 1\n", b"\n"], b""),
        ([b"data: 1\r\n", b"\r", b"\n"], b""),
        ([b"data: 1\n"], b"\n"),
        ([b"data: 1\r\n"], b"\n"),
        ([b"data: 1\n\n", b": a comment\n"], b"\n"),
        ([b"data: 1"], b"\n\n"),
        ([b"d"], b"\n\n"),
        ([b"data: 1\r"], b"\n\n"),
    ],
)
def test_an_error_event_is_the_next_event_and_no_empty_one_goes_before_it(sent: list[bytes], gap: bytes) -> None:
    near, far = socket.socketpair()
    with near, far:
        writer = AnswerWriter(TimedSocket(near), minor=0)
        writer.begin(200, "OK", EVENTS, None)
        for piece in sent:
            writer.write(piece)
        problem = WorkerAnswerBroken("It broke off.")
        writer.fail(problem)
        body = far.recv(65536).partition(b"\r\n\r\n")[2]
    assert body == b"".join(sent) + gap + problem.event()


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream ;x=y"])
def test_an_event_stream_is_known_by_its_type(kind: str) -> None:
    assert is_event_stream([("content-TYPE", kind)])


@pytest.mark.parametrize("kind", ["", "text/event-streams", "text/plain; a=text/event-stream", "application/x-ndjson"])
def test_and_by_nothing_else(kind: str) -> None:
    assert not is_event_stream([("Content-Type", kind)])
