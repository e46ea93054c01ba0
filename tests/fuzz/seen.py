"""What a client got, read strictly: by h11 as a client, and head by head by the grammar of :mod:`.heads`. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import h11

from .heads import Fields, Incomplete, Malformed, head_end, members_of, read_lines, values_of

__all__ = ["Answer", "NotHTTP", "StreamEnd", "are_open", "read_answers"]

StreamEnd = Literal["end", "reset", "late"]
_REQUEST_ID = "x-vespa-request-id"
_LARGEST_EVENT = 1 << 22
# What Python's http.client reads of one head: it counts the empty line as its hundredth.
_MOST_LINES = 99


class NotHTTP(Exception):
    """The client's side of the proxy sent what is no answer."""


@dataclass
class Answer:
    """``whole`` says that the body came to its end by its own framing."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    whole: bool
    raw_head: bytes

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends behind it."""
        return "close" in members_of(self.fields, "connection")

    @property
    def own_error(self) -> str:
        """The code of an error of the proxy's own, or nothing."""
        return next(iter(values_of(self.fields, "x-vespa-error")), "")

    def one(self, name: str) -> str | None:
        """The only value of that header. Raises :class:`NotHTTP` where it came several times."""
        values = values_of(self.fields, name)
        if len(values) > 1:
            raise NotHTTP(f"{name} came {len(values)} times")
        return values[0] if values else None

    def check_own_error(self) -> None:
        """An error of the proxy's own is JSON, in the shape that SDKs know. Raises :class:`NotHTTP`."""
        if not self.body:
            return
        try:
            code = json.loads(self.body)["error"]["code"]
        except (ValueError, KeyError, TypeError):
            raise NotHTTP("an error of the proxy's own has not its shape") from None
        if code != self.own_error:
            raise NotHTTP("an error of the proxy's own has two codes")

    def __str__(self) -> str:
        whole = "" if self.whole else ", not whole"
        return f"{self.status} {self.own_error} {self.fields} {self.body[:200]!r} ({len(self.body)} bytes{whole})"


def read_answers(data: bytes, end: StreamEnd, methods: list[str]) -> list[Answer]:
    """All answers of one connection; ``methods`` are those of the requests, as far as they are known.

    Interim answers are passed over. Raises :class:`NotHTTP` for bytes that no answer accounts for.
    """
    answers: list[Answer] = []
    while data:
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        answer, data = _read_one(data, end, method)
        if answer is not None:
            # What is no request may have been enough of one to be taken for HEAD.
            answer.whole |= len(answers) >= len(methods) and not answer.body and end == "end"
            answers.append(answer)
    return answers


def are_open(data: bytes, methods: list[str], count: int) -> bool:
    """Whether that many whole answers came, and none of them says that the connection ends."""
    try:
        answers = read_answers(data, "late", methods)
    except NotHTTP:
        return True
    whole = [answer for answer in answers if answer.whole]
    return len(whole) >= count and not any(answer.closes for answer in whole)


def _read_one(data: bytes, end: StreamEnd, method: str) -> tuple[Answer | None, bytes]:
    try:
        place = head_end(data, 0)
        start, fields, _ = read_lines(data[:place])
    except Incomplete:
        if end == "end":
            raise NotHTTP(f"half a head came: {data[:200]!r}") from None
        return None, b""
    except Malformed as problem:
        raise NotHTTP(f"{problem.args[0]}: {data[:200]!r}") from None
    if len(fields) > _MOST_LINES:
        raise NotHTTP(f"{len(fields)} header lines are more than clients read")
    version, _, rest = start.decode("latin-1").partition(" ")
    status, space, reason = rest.partition(" ")
    if version != "HTTP/1.1" or not space or len(status) != 3 or not status.isdecimal():
        raise NotHTTP(f"no status line: {start[:200]!r}")
    if status[0] == "1":
        if status != "100":
            raise NotHTTP(f"an interim answer came that nobody asked for: {status}")
        return None, data[place + 4 :]
    _check_framing(fields, int(status), method)
    body, whole, left = _body_by_h11(data, end, method)
    if method == "HEAD" and left and "close" in members_of(fields, "connection") and not left.startswith(b"HTTP/"):
        # What is refused for its head may not have been looked at for its method.
        body, whole, left = _body_by_h11(data, end, "GET")
    # Each answer may have its number, which says no more.
    fields = [field for field in fields if field[0].lower() != _REQUEST_ID]
    return Answer(int(status), reason, fields, body, whole, data[: place + 4]), left


def _check_framing(fields: Fields, status: int, method: str) -> None:
    codings, lengths = values_of(fields, "transfer-encoding"), values_of(fields, "content-length")
    if len(codings) + len(lengths) > 1 or codings not in ([], ["chunked"]) or not all(one.isdecimal() for one in lengths):
        raise NotHTTP(f"an answer is framed in two ways: {fields}")
    if (status == 204 and (codings or lengths)) or (codings and (method == "HEAD" or status == 304)):
        raise NotHTTP(f"an answer without a body is framed: {fields}")
    if any(len(values_of(fields, name)) > 1 for name in ("x-vespa-error", _REQUEST_ID, "connection")):
        raise NotHTTP(f"a header of the proxy's own came twice: {fields}")


def _body_by_h11(data: bytes, end: StreamEnd, method: str) -> tuple[bytes, bool, bytes]:
    """The first answer's body, whether it is whole, and what follows."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_EVENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "localhost")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    body = bytearray()
    told_end = False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body), True, bytes(connection.trailing_data[0])
            elif event is h11.NEED_DATA:
                if told_end or end != "end":
                    return bytes(body), False, b""
                told_end = True
                connection.receive_data(b"")
            elif not isinstance(event, h11.Response):
                raise NotHTTP(f"h11 says {event}")
    except h11.RemoteProtocolError as problem:
        if told_end:
            return bytes(body), False, b""
        raise NotHTTP(f"h11 refuses the answer: {problem}; {data[:200]!r}") from None
