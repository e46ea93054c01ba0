"""Answers that end before they are whole: the client sees it, whichever way they were framed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from http.client import HTTPConnection, IncompleteRead

import pytest
import requests

from vespa_client import VastClient

from ..support.programs import environment, running
from ..support.raw_worker import (
    CHUNKED,
    EVENT_STREAM,
    UNTIL_CLOSE,
    Peer,
    RawWorker,
    answer,
    asked,
    background,
    chunk,
    connect,
    get,
    only_worker,
    post,
    raw_client,
    swap,
)
from ..support.waiting import LONG, SHORT, wait_until

worker, client = only_worker, raw_client


def test_a_chunked_body_that_is_cut_has_no_last_chunk(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + chunk(b"half"))
    client.head()
    peer.close()
    assert client.ending()[0] == chunk(b"half")


def test_a_chunk_that_is_cut_is_passed_on_as_far_as_it_came(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(CHUNKED + b"ff\r\nhalf")
    client.head()
    assert client.exactly(9) == chunk(b"half")
    peer.close()
    assert client.ending()[0] == b""


def test_a_length_that_is_cut_is_cut_for_the_client_too(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    assert ("Content-Length", "100") in client.head()[1]
    assert client.exactly(4) == b"half"
    peer.close()
    assert client.ending()[0] == b""


@pytest.mark.parametrize("head", [CHUNKED + b"4\r\n", UNTIL_CLOSE], ids=["chunked", "close"])
def test_a_reset_is_no_end(client: Peer, worker: RawWorker, head: bytes) -> None:
    peer = asked(client, worker)
    peer.send(head + b"half")
    client.head()
    assert client.exactly(9) == chunk(b"half")
    peer.reset()
    assert b"0\r\n\r\n" not in client.ending()[0]


def test_a_status_line_inside_the_chunked_body_breaks_it_though_the_socket_stays_open(client: Peer, worker: RawWorker) -> None:
    # What the official worker writes when its backend breaks in mid-stream.
    peer = asked(client, worker)
    peer.send(CHUNKED + chunk(b"half"))
    client.head()
    assert client.exactly(9) == chunk(b"half")
    peer.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    assert client.ending()[0] == b""
    peer.wait_gone()


@pytest.mark.parametrize("broken", ["closed", "reset", "status line", "no number"])
def test_a_broken_event_stream_says_so_in_an_event_of_its_own(client: Peer, worker: RawWorker, broken: str) -> None:
    peer = asked(client, worker)
    peer.send(EVENT_STREAM + chunk(b'data: 1\n\ndata: {"unfini'))
    client.head()
    client.until(b"unfini\r\n")
    if broken == "closed":
        peer.close()
    elif broken == "reset":
        peer.reset()
    else:
        peer.send(b"HTTP/1.1 500 Oops\r\n\r\n" if broken == "status line" else b"xyz\r\n")
    size = int(client.until(b"\r\n"), 16)
    blank, event, data, *ends = client.exactly(size).split(b"\n")[1:]
    assert (blank, event, ends) == (b"", b"event: error", [b"", b""])
    error = json.loads(data.removeprefix(b"data: "))["error"]
    assert error["code"] == "worker_answer_broken"
    assert worker.address in error["message"]
    assert client.ending()[0] == b"\r\n"


def test_a_packed_event_stream_is_not_given_a_plain_event(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(EVENT_STREAM.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer") + chunk(b"\x1f\x8b"))
    client.head()
    assert client.exactly(7) == chunk(b"\x1f\x8b")
    peer.close()
    assert client.ending()[0] == b""


def test_an_event_stream_with_a_length_is_not_made_longer_or_complete(client: Peer, worker: RawWorker) -> None:
    peer = asked(client, worker)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\ndata: 1\n\n")
    client.head()
    assert client.exactly(9) == b"data: 1\n\n"
    peer.close()
    assert client.ending()[0] == b""


@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream"])
def test_what_would_end_by_close_ends_in_a_reset(proxy: VastClient, worker: RawWorker, content_type: str) -> None:
    with connect(proxy.url) as client:
        peer = asked(client, worker, post(version="1.0"))
        peer.send(CHUNKED.replace(b"text/plain", content_type.encode()) + chunk(b"half"))
        client.head()
        assert client.exactly(4) == b"half"
        peer.close()
        data, was_reset = client.ending()
        assert was_reset
        assert (b"event: error" in data) == (content_type == "text/event-stream")


def test_an_answer_that_breaks_before_its_first_byte_is_a_clean_error(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, post(), CHUNKED + b"no number\r\n")
    assert (received.status, received.one("x-vespa-error")) == (502, "worker_answer_broken")
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


NONSENSE = [
    b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
]


def test_what_can_not_be_read_as_one_answer_is_a_clean_error(client: Peer, worker: RawWorker) -> None:
    for nonsense in NONSENSE:
        _, received = swap(client, worker, post(), nonsense)
        assert (received.status, received.one("x-vespa-error")) == (502, "worker_answer_broken")
        assert worker.address in received.error["message"]


def test_an_answer_that_falls_silent_is_cut(start_proxy: Callable[..., VastClient], worker: RawWorker) -> None:
    with connect(start_proxy(idle_timeout=SHORT).url) as client:
        peer = asked(client, worker)
        peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
        data, _ = client.ending()
        assert b'"code": "worker_timeout"' in data
        assert not data.endswith(b"0\r\n\r\n")
        peer.wait_gone()


def test_bytes_behind_an_answer_are_nobodys(client: Peer, worker: RawWorker) -> None:
    client.send(post())
    peer, _ = worker.request()
    peer.send(answer(b"mine") + answer(b"smuggled"))
    assert client.message().body == b"mine"
    peer.wait_gone()
    assert swap(client, worker, post(), answer(b"next"))[1].body == b"next"


# A program that passes each line on before it reads the next.
_READS_LINES = """
import asyncio, os, sys, aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.post(os.environ["TARGET"], json={}) as response:
        try:
            async for line in response.content:
                sys.stdout.write(line.decode())
                await asyncio.sleep(0.002)
        except aiohttp.ClientPayloadError:
            print("BROKEN")

asyncio.run(main())
"""


@pytest.mark.parametrize("head", [EVENT_STREAM, CHUNKED])
def test_what_came_before_a_break_is_read_by_clients_that_drop_their_buffers(
    proxy: VastClient, worker: RawWorker, head: bytes
) -> None:
    """aiohttp's does, which Open WebUI and LiteLLM's proxy are built on: an error that is told is to be heard."""
    with running(_READS_LINES, environment(TARGET=f"{proxy.url}/v1/x", PYTHONWARNINGS="ignore")) as program:
        peer, _ = worker.request()
        peer.send(head + chunk(b"data: one\n\n") + chunk(b"data: two\n\n"))
        peer.close()
        seen = program.communicate(timeout=LONG)[0]
    assert seen.startswith("data: one\n\ndata: two\n\n")
    assert seen.endswith("BROKEN\n")
    assert ("event: error" in seen and "worker_answer_broken" in seen) == (head == EVENT_STREAM)


def test_an_answer_that_is_about_to_break_takes_no_place_from_others(
    start_proxy: Callable[..., VastClient], worker: RawWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespa_client.server.handler._HEARD_SECONDS", 2.0)
    proxy = start_proxy(max_connections=1)

    def is_served() -> bool:
        with connect(proxy.url) as second:
            second.send(get("/_vespa/none", "Connection: close"))
            return second.message().status == 404

    with connect(proxy.url) as first:
        first.send(post())
        peer, _ = worker.request()
        peer.send(EVENT_STREAM)
        peer.close()
        first.until(b"worker_answer_broken")
        first.until(b"\n\n\r\n")
        wait_until(is_served)
        assert first.is_silent(SHORT / 10)  # its break is still to come
        assert first.rest() == b""


def test_requests_sees_that_a_chunked_answer_broke_off(proxy: VastClient, worker: RawWorker) -> None:
    with requests.Session() as session:
        with background(lambda: session.post(f"{proxy.url}/v1/x", json={}, stream=True, timeout=LONG)) as asking:
            peer, _ = worker.request()
            peer.send(CHUNKED + chunk(b"half"))
            response = asking.result()
        pieces = response.iter_content(chunk_size=None)
        assert next(pieces) == b"half"
        peer.close()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(pieces)


def test_http_client_sees_that_an_answer_fell_short_of_its_length(proxy: VastClient, worker: RawWorker) -> None:
    with contextlib.closing(HTTPConnection(proxy.url.removeprefix("http://"), timeout=LONG)) as connection:
        connection.request("POST", "/v1/x", b"{}")
        peer, _ = worker.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        with connection.getresponse() as response:
            assert response.read(4) == b"half"
            peer.close()
            with pytest.raises(IncompleteRead):
                response.read()
