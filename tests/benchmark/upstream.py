"""A cheap stand-in for Vast.ai: autoscaler and workers in one process, and on one port where nothing else is asked for.

``python -m tests.benchmark.upstream PORT`` prints the ports it listens on as a JSON list, the first one without TLS, and ends
with its standard input. On each of them:

- ``POST /route/``: an assignment, always ready, of the worker that was named last (at the start, this very port);
- ``POST`` with ``"stream": true``: an event stream as the payload's ``lab`` says, each event with the moment of its sending;
- any other ``POST``: a short completion;
- ``GET /bytes/N``: N bytes;
- ``GET`` of anything else: a short list of models.

On the first one also: ``PUT /_benchmark/worker`` names the worker that is assigned from now on, ``GET /_benchmark/counts``
tells what has come so far, and ``GET /static/jvastai_root.cer`` is the console's, so that nobody asks the real one.

How streams and bodies are written and read decides what "a share of direct" means: whoever makes this cheaper makes every
proxy look worse, and breaks the comparison with earlier figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from pathlib import Path

from .files import raise_file_limit
from .messages import LAST_CHUNK

__all__ = ["Upstream"]

_COMPLETION = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hello " * 20}, "finish_reason": "stop"},
        ],
    }
).encode()
_MODELS = b'{"object":"list","data":[{"id":"lab","object":"model"}]}'
_EVENT = b'data: {"i":%d,"t":%.6f,"choices":[{"delta":{"content":"' + b"x" * 120 + b'"}}]}\n\n'
_DONE = b"e\r\ndata: [DONE]\n\n\r\n" + LAST_CHUNK
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_BLOCK = bytes(1 << 18)
_LARGEST_STREAM_REQUEST = 100_000
_BACKLOG = 4096


class Upstream:
    """The stand-in. ``certificate`` is that of the ports behind the first."""

    def __init__(self, certificate: bytes = b"") -> None:
        self._certificate = certificate
        self._assignment = b""
        self._control_port = 0
        self._connections: Counter[int] = Counter()
        self._routes = 0

    async def listen(self, port: int, more: int, context: ssl.SSLContext | None) -> list[int]:
        """Serve on that port and on ``more`` free ones, those with TLS if there is a context for it. Returns the ports."""
        ports: list[int] = []
        for number in range(1 + more):
            server = await asyncio.start_server(
                self._serve,
                "127.0.0.1",
                0 if number else port,
                limit=1 << 20,
                backlog=_BACKLOG,
                ssl=context if number else None,
            )
            ports.append(server.sockets[0].getsockname()[1])
        self._control_port = ports[0]
        self._name_worker(f"http://127.0.0.1:{ports[0]}")
        return ports

    def _name_worker(self, url: str) -> None:
        assignment = {
            "url": url,
            "cost": 1.0,
            "endpoint": "lab",
            "reqnum": 1,
            "request_idx": 7,
            "signature": "c2ln",
            "status": "",
        }
        self._assignment = _answer(json.dumps(assignment).encode())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        self._connections[port] += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                start, *lines = head.decode("latin-1").split("\r\n")
                method, target, _ = start.split(" ", 2)
                fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await _body(reader, fields)
                path = target.partition("?")[0]
                if path == "/route/":
                    self._routes += 1
                    writer.write(self._assignment)
                elif path.startswith("/bytes/"):
                    await _send_bytes(writer, int(path.rpartition("/")[2]))
                elif port == self._control_port and path.startswith(("/_benchmark/", "/static/")):
                    writer.write(self._control(path, body))
                elif method == "GET":
                    writer.write(_answer(_MODELS))
                elif len(body) < _LARGEST_STREAM_REQUEST and (b'"stream": true' in body or b'"stream":true' in body):
                    sent = json.loads(body)
                    lab = sent.get("payload", sent).get("lab", {})
                    await _stream(writer, int(lab.get("events", 100)), float(lab.get("rate", 0)))
                else:
                    writer.write(_answer(_COMPLETION))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, ValueError):
            pass  # the other side has ended it
        finally:
            writer.close()

    def _control(self, path: str, body: bytes) -> bytes:
        if path == "/_benchmark/worker":
            self._name_worker(body.decode())
            return _answer(b"{}")
        if path == "/_benchmark/counts":
            return _answer(json.dumps({"connections": self._connections, "routes": self._routes}).encode())
        return _answer(self._certificate, b"application/x-x509-ca-cert")


def _answer(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if length := int(fields.get("content-length", 0)):
        return await reader.readexactly(length)
    body = b""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    return body


async def _stream(writer: asyncio.StreamWriter, events: int, rate: float) -> None:
    writer.write(_STREAM_HEAD)
    begin = time.monotonic()
    for number in range(events):
        event = _EVENT % (number, time.monotonic())
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        if rate:
            await asyncio.sleep(max(0.0, begin + (number + 1) / rate - time.monotonic()))
        elif number % 16 == 0:
            await writer.drain()
    writer.write(_DONE)


async def _send_bytes(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size)
    while size > 0:
        writer.write(_BLOCK[:size])
        size -= len(_BLOCK)
        await writer.drain()


async def _run(port: int, more: int, certificate: Path | None, key: Path | None) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    upstream = Upstream(certificate.read_bytes() if certificate else b"")
    ports = await upstream.listen(port, more, context)
    print(json.dumps(ports), flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    await over.wait()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.upstream")
    parser.add_argument("port", type=int)
    parser.add_argument("--more", type=int, default=0, help="so many further ports")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    arguments = parser.parse_args()
    raise_file_limit()
    asyncio.run(_run(arguments.port, arguments.more, arguments.certificate, arguments.key))


if __name__ == "__main__":
    main()
