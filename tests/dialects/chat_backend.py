"""What a chat completions backend writes, put together by hand, and a server that translates in front of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from vespa_client.dialects import Dialect, Identity, Translation
from vespa_client.errors import AnswerNotUnderstood, Untranslatable

IDENTITY = Identity("token", 1_700_000_000)
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
USAGE_CHUNK = {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}

Backend = Callable[[dict[str, Any]], "bytes | tuple[int, bytes] | Iterable[bytes]"]
"""Given a chat completions request: a plain answer, or an error's status and body, or the pieces of a stream, which an OSError
breaks off."""


def completion(message: dict[str, Any], finish_reason: str = "stop", **choice: Any) -> bytes:
    """A plain answer."""
    said = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish_reason, **choice}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "backend-model", "choices": [said], "usage": USAGE}
    return json.dumps(answer).encode()


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **choice: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    said = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason, **choice}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "backend-model", "choices": [said]}


def call_chunk(index: int, arguments: str, id: str | None = None, name: str | None = None) -> dict[str, Any]:
    """A chunk with more of a tool call, or its beginning."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    call = {"index": index, "function": function} | ({"id": id, "type": "function"} if id else {})
    return chunk({"tool_calls": [call]})


def events_of(*chunks: dict[str, Any]) -> list[bytes]:
    """The chunks as server-sent events."""
    return [b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks]


def stream_of(*chunks: dict[str, Any]) -> bytes:
    """A whole stream of these chunks, with its mark at the end."""
    return b"".join(events_of(*chunks)) + b"data: [DONE]\n\n"


@contextmanager
def translating(
    dialects: dict[str, Dialect], backend: Backend, local: dict[str, Callable[[bytes], bytes]] | None = None
) -> Iterator[str]:
    """The URL of a server that gives each path its dialect, and is in front of ``backend``.

    ``local`` are the paths that it answers by itself; all others are a 404.
    """

    counter = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            path = self.path.partition("?")[0]
            if local and path in local:
                self._answer(200, local[path](body))
                return
            dialect = dialects.get(path)
            if dialect is None:
                self._answer(404, b"{}")
                return
            try:
                # Claude Code takes two messages of one id for one.
                translation = dialect.translate(body, IDENTITY._replace(token=f"token{next(counter)}"))
            except Untranslatable as fault:
                self._answer(400, dialect.error(400, fault.code, f"{fault.message} {fault.hint}", fault.param))
                return
            if translation.immediate is not None:
                self._answer(200, translation.immediate)
                return
            said = backend(json.loads(translation.body))
            if isinstance(said, bytes):
                self._answer(200, translation.answer(said))
            elif isinstance(said, tuple):
                self._answer(said[0], dialect.worker_error(*said))
            else:
                self._stream(translation, said)

        do_POST = do_GET

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, translation: Translation, pieces: Iterable[bytes]) -> None:
            translator = translation.stream()
            self.send_response(200)
            self.send_header("Content-Type", translator.content_type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in pieces:
                    self._write(translator.ping() + translator.feed(piece))
                self._write(translator.end())
            except AnswerNotUnderstood as fault:
                self._write(fault.translated + translator.fail(fault.status, fault.code, fault.message))
            except OSError:
                self._write(translator.fail(502, "worker_answer_broken", "The worker hung up."))
            self.wfile.write(b"0\r\n\r\n")

        def _write(self, data: bytes) -> None:
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="translating", args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
