"""Requests for hypothesis: those of ``tests/hostile`` with changes, and such as are put together of odd parts."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from .hostile_cases import REFUSED, SERVED

__all__ = ["changed_requests", "composed_requests", "requests_with_an_odd_part"]

_MOST = 1500
_legal = st.sampled_from([case.data for case in SERVED if len(case.data) <= _MOST and not case.h11])
_hostile = st.sampled_from([case.data for case in REFUSED if len(case.data) <= _MOST])

_PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\xa0",
    b":",
    b";",
    b",",
    b"+",
    b"0",
    b"00",
    b"2",
    b"x",
]
_LINES = [
    b"Content-Length: 0\r\n",
    b"Content-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Host: localhost\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"X-A: b\r\n",
    b" folded\r\n",
    b"0\r\n\r\n",
    b"2\r\n{}\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@st.composite
def changed_requests(draw: st.DrawFn) -> bytes:
    """Something legal, another case behind it or not, with one change or two."""
    data = bytearray(draw(_legal))
    if draw(st.booleans()):
        data += draw(_legal | _hostile)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(data)))
        line = data.rfind(b"\n", 0, place) + 1
        end = data.find(b"\n", place) + 1 or len(data)
        what = draw(st.sampled_from(["put", "put a line", "take", "change", "take a line", "double a line"]))
        if what == "put":
            data[place:place] = draw(st.sampled_from(_PIECES))
        elif what == "put a line":
            data[line:line] = draw(st.sampled_from(_LINES))
        elif what == "take":
            del data[place : place + draw(st.integers(1, 3))]
        elif what == "change":
            data[place : place + 1] = draw(st.sampled_from(_PIECES))
        elif what == "take a line":
            del data[line:end]
        else:
            data[line:line] = data[line:end]
    return bytes(data)


# Each part of a request as it ought to be, and behind that what it might be instead.
_PARTS: dict[str, tuple[bytes, ...]] = {
    "target": (b"/odd", b"//odd", b"/a/../b", b"http://localhost/odd", b"http://evil.example/", b"@odd", b"*", b"/%z", b"/ b"),
    "version": (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.1\0", b"HTTP/1", b""),
    "line end": (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\0\r\n"),
    "host": (b"localhost", b"evil.example", b"", b"localhost, x", b"LOCALHOST:1", b"localhost\r\nHost: localhost"),
    "value": (b"b", b"", b"\0", b"\x01", b"\x0b", b"\x7f", b"b\rContent-Length: 0", b"b\nContent-Length: 0", b"b\r\n c"),
    "colon": (b": ", b":", b" : ", b"\t:", b":\t", b":\x0b", b":\xa0", b"", b":\r\n ", b"\n:", b"\0:"),
    "field end": (b"\r\n", b"\n", b"\r", b"\r\r\n", b" \r\n", b"\x0c\r\n", b"\0\r\n", b"\r\n \r\n", b"\r\n:\r\n", b"\r\n\rX: "),
    "length": (
        b"%d", b"+%d", b"-%d", b"0x%d", b"0_%d", b"00%d", b"%d, %d", b"%d,", b"%d 0", b"\x0b%d", b"\xa0%d", b"%d\0", b"%d;",
        b"", b"%d\r\nContent-Length: %d", b"%d\r\nContent-Length: 0", b"%d\r\nTransfer-Encoding: chunked", b"%d.0", b"%d\xb2",
    ),
    "coding": (
        b"chunked", b"CHUNKED", b"xchunked", b"chunked, chunked", b"identity, chunked", b"chunked, identity", b"chunked;a=b",
        b'"chunked"', b"chunked,", b"\x0bchunked", b"chunked\x0c", b"\xa0chunked", b"\0chunked", b"identity", b"", b"chun\rked",
        b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: x", b"chunked\r\nContent-Length: 2",
    ),
    "size": (b"%x", b"%X", b"000%x", b"0x%x", b"+%x", b"-%x", b"0_%x", b" %x", b"%x ", b"%xg", b"%x,%x", b"", b"1%016x"),
    "extension": (b"", b";", b";a=b", b';a="b"', b";a\nb", b";a\rb", b";a\0b", b" x", b"a=b"),
    "size end": (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n\r\n", b"\0\r\n"),
    "data end": (b"\r\n", b"\n", b"\r", b"", b"XX", b"\r\r\n", b"\r\n\r\n", b"\n\r", b"\rX", b"X\n"),
    "last size": (b"0", b"00", b"-0", b"+0", b"0x0", b"0;a", b"0 ", b""),
    "trailers": (
        b"\r\n", b"X-A: 1\r\n\r\n", b"X-A : 1\r\n\r\n", b"X-A\r\n\r\n", b"X-A: 1\n\r\n", b" a\r\n\r\n", b"\n", b"XX", b"\r\r\n",
    ),
}  # fmt: skip
_OF_CHUNKS = ("coding", "size", "extension", "size end", "data end", "last size", "trailers")
_ODD = [(part, odd) for part, (_, *all_odd) in _PARTS.items() for odd in all_odd]


def _compose(odd: Mapping[str, bytes], body: bytes, *, chunked: bool) -> bytes:
    """A request of which these parts are odd, and a good one behind it."""
    part = {name: odd.get(name, usual) for name, (usual, *_) in _PARTS.items()}

    def field(name: bytes, value: bytes) -> bytes:
        return name + part["colon"] + value + part["field end"]

    framing = (
        field(b"Transfer-Encoding", part["coding"]) if chunked else field(b"Content-Length", _of(part["length"], len(body)))
    )
    data = b"POST " + part["target"] + b" " + part["version"] + part["line end"] + field(b"Host", part["host"])
    data += field(b"X-A", part["value"]) + framing + b"\r\n"
    if chunked:
        for piece in (body[:1], body[1:]):
            data += _of(part["size"], len(piece)) + part["extension"] + part["size end"] + piece + part["data end"]
        body = part["last size"] + part["size end"] + part["trailers"]
    return data + body + b"GET /behind HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _of(form: bytes, size: int) -> bytes:
    return form % ((size,) * form.count(b"%"))


def requests_with_an_odd_part() -> list[bytes]:
    """A request for each part that can be odd, in each way that it can be."""
    found = [_compose({}, b"{}", chunked=chunked) for chunked in (False, True)]
    for name, odd in _ODD:
        of_both = (True,) if name in _OF_CHUNKS else (False,) if name == "length" else (False, True)
        found += [_compose({name: odd}, b"{}", chunked=chunked) for chunked in of_both]
    return found


composed_requests = st.builds(
    lambda odd, body, chunked: _compose(dict(odd), body, chunked=chunked),
    st.lists(st.sampled_from(_ODD), min_size=2, max_size=3, unique_by=lambda choice: choice[0]),
    st.sampled_from([b"{}", b"[1, 2]", b'{"a": 1}\r\n\r\n', b'["0\\r\\n\\r\\n"]']),
    st.booleans(),
)
"""Requests of two or three odd parts."""
