"""What may stand where a message has a token: what leniency has been fooled by, and its neighbours. Pure.

From RFC 9110, 9112 and 3986, and from what has been published of request smuggling and response splitting.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["ODD_TOKENS", "Change", "around", "beyond_ascii", "controls", "each"]

Change = Callable[[bytes, Random], bytes]


def _is(text: bytes) -> Change:
    return lambda old, source: text


def each(*texts: bytes) -> list[Change]:
    return [_is(text) for text in texts]


def around(*texts: bytes) -> list[Change]:
    """In front of it, or behind."""
    return [
        change
        for text in texts
        for change in (lambda old, source, text=text: text + old, lambda old, source, text=text: old + text)
    ]


def inside(text: bytes) -> Change:
    def change(old: bytes, source: Random) -> bytes:
        place = source.randrange(len(old) + 1)
        return old[:place] + text + old[place:]

    return change


def _size(by: int) -> Change:
    def change(old: bytes, source: Random) -> bytes:
        try:
            return b"%x" % max(int(old, 16) + by, 0)
        except ValueError:
            return old

    return change


controls = [inside(bytes([byte])) for byte in (0, 1, 8, 9, 10, 11, 12, 13, 27, 31, 127)]
beyond_ascii = [inside(text) for text in (b"\x80", b"\x85", b"\xa0", b"\xad", b"\xff", "é".encode(), b" ")]

_TARGETS = [
    *each(b"*", b"", b"/", b"//", b"?", b"/?", b"/#", b"localhost", b"localhost:80", b"http:", b"http://", b"http:///"),
    *each(b"/_vespa/", b"/_vespa", b"/_vespa/x?y", b"/%5Fvespa/", b"/./_vespa/", b"//_vespa/", b"/_vespa;/", b"/_VESPA/"),
    *around(b"http://localhost", b"HTTP://LOCALHOST:1", b"http://[::1]", b"http://[::1", b"http://[v1.a]", b"//evil.example"),
    *around(b"@evil.example", b"http://u:p@localhost", b"http://localhost:99999", b"http://", b"https://a", b"ftp://a", b"\\"),
    *around(
        b"/../..", b"/.", b"#f", b"?", b"?a=[1]", b";x=1", b"%", b"%2", b"%zz", b"%00", b"%0d%0a", b"%2F..%2f", b" ", b"/a:b@c"
    ),
    *around(
        b"http://a%20b", b"http://a b", b"http://a?b", b"mailto:", b"/" + b"a" * 5000, b"/" + b"%61" * 25_000, b"http://x?"
    ),
    *[inside(bytes([byte])) for byte in b'"<>\\^`{|}[]#% '],
    *controls,
    *beyond_ascii,
    lambda old, source: old.upper(),
    lambda old, source: old.replace(b"/", b"\\"),
    lambda old, source: old + b"?serverless_cost=9&serverless_endpoint=x&serverless_reqnum=1",
]

ODD_TOKENS: dict[str, list[Change]] = {
    "method": [
        *each(b"", b"get", b"CONNECT", b"TRACE", b"PRI", b"OPTIONS", b"HEAD", b"GET", b"POST", b"DELETE", b"_", b"X" * 300),
        *each(b"G ET", b"G\tET", b"(GET)", b"GET/", b"GET:", b"G\xc3\x89T", b'"GET"', b"GET,POST", b"!#$%&'*+-.^_`|~09aZ"),
        *around(b" ", b"\t", b"\r\n", b"\n", b"\x00", b"\x0b", b"\xef\xbb\xbf"),
        *controls,
    ],
    "sp": each(b"", b"  ", b"\t", b" \t", b"\x0b", b"\x0c", b"\r", b"\n", b"\r\n", b"\xa0", b"\x00", b" / ", b"   ", b"\x85"),
    "target": _TARGETS,
    "version": [
        *each(
            b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/2", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/1.10"
        ),
        *each(
            b"http/1.1", b"HTTP/1,1", b"HTTP/11", b"HTTP/1.", b"HTTP/.1", b"HTTP/1", b"HTTP/", b"HTTP", b"", b"ICY", b"SIP/2.0"
        ),
        *each(b"HTTPS/1.1", b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/1. 1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/-1.1", b"HTTP/+1.1"),
        *around(b" ", b"\t", b"x", b"\x00", b"\r", b" HTTP/1.1", b"\xef\xbc\x91"),
        *controls,
    ],
    "status": [
        *each(
            b"", b"0", b"20", b"2000", b"099", b"2OO", b"+200", b"-200", b"200.", b"2e2", b"0200", b"999", b"600", b"000", b"1"
        ),
        *each(b"100", b"101", b"102", b"103", b"199", b"204", b"205", b"206", b"304", b"301", b"307", b"400", b"401", b"404"),
        *each(
            b"408", b"410", b"416", b"421", b"426", b"429", b"500", b"502", b"503", b"504", b"511", b"599", b"\xef\xbc\x92" * 3
        ),
        *around(b" ", b"\t", b"\x00"),
    ],
    "reason": [
        *each(
            b"", b" ", b"OK " * 2000, b"\r\nX-Injected: 1", b"\nX-Injected: 1", b"\rX-Injected: 1", b"\xc3\xa9\xff", b"200 OK"
        ),
        *each(b"OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned"),
        *controls,
    ],
    "name": [
        *each(
            b"", b" ", b"Host", b"Content-Length", b"Transfer-Encoding", b"Content_Length", b"Transfer_Encoding", b"Connection"
        ),
        *around(
            b" ", b"\t", b"\x00", b"\r\n", b"\n", b"\r", b":", b"\xa0", b"\x0b", b"(", b"@", b",", b"/", b"\xc3\xa9", b"\x85"
        ),
        lambda old, source: old.lower(),
        lambda old, source: old.upper(),
        lambda old, source: old.replace(b"-", b"_"),
        lambda old, source: old.replace(b"-", b"\xad"),
        lambda old, source: old.replace(b"K", b"\xe2\x84\xaa"),
        lambda old, source: b"x" * 70_000,
        *controls,
    ],
    "colon": each(
        b"", b" :", b"\t:", b"::", b": :", b"=", b";", b"\r\n:", b":\r\n ", b"\x00:", b":\x00", b"\xa0:", b":\r", b":\n", b" : "
    ),
    "ows": each(
        b"", b"\t", b" " * 500, b" \t ", b"\r\n ", b"\r\n\t", b"\x0b", b"\x0c", b"\xa0", b"\x00", b"\r", b"\n", b"\r\n", b"\x85"
    ),
    "eol": [
        *each(
            b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\r\n\r\n", b"", b"\r\n ", b"\r\n\t", b"\x85", b"\x0b\r\n", b"\x00\r\n"
        ),
        *each(b" \r\n", b"\r \n", b"\r\n \r\n", b"\xe2\x80\xa8", b"\r\n\r", b"\r\n\n", b"\t\r\n", b"\\r\\n", b"\x0c"),
    ],
    "size": [
        *[_size(by) for by in (-2, -1, 1, 2, 16, 1 << 12)],
        *each(
            b"",
            b"0",
            b"-1",
            b"FFFFFFFF",
            b"FFFFFFFFFFFFFFFF",
            b"FFFFFFFFFFFFFFFFF",
            b"100000000",
            b"10000000000000005",
            b"g",
            b"7FFFFFFF",
        ),
        *around(
            b"0x",
            b"+",
            b"-",
            b" ",
            b"\t",
            b"_",
            b"0_",
            b"0" * 10,
            b"0" * 14,
            b"0" * 20,
            b";",
            b",",
            b".",
            b"\x00",
            b"\xd9\xa5",
            b"h",
        ),
        *around(b"\r\n", b"\n", b"\r"),
        *controls,
    ],
    "ext": [
        *each(
            b";",
            b";a",
            b";a=",
            b";=b",
            b";a=b;",
            b'; a = "b"',
            b';a="',
            b';a="b\\""',
            b";a b",
            b";a;;b",
            b" ;a",
            b"\t;a",
            b" ",
            b";a ",
        ),
        *each(
            b";a\n",
            b";a\r",
            b";\x00",
            b";a=\x01",
            b';a="\r\n"',
            b";a\n0\r\n\r\n",
            b";a\r\r\n",
            b",a",
            b":a",
            b"a",
            b";\xff",
            b"\x0b;a",
        ),
        *each(b";a=" + b"b" * 4000, b";a=" + b"b" * 5000, b";a=" + b"b" * 70_000, b"\xa0", b'="x"', b";a='b c'"),
    ],
    "data": [
        lambda old, source: old[:-1],
        lambda old, source: old[1:],
        lambda old, source: old + b"x",
        lambda old, source: old + b"\r\n",
        lambda old, source: b"\r\n" + old,
        lambda old, source: b"",
        inside(b"\r\n0\r\n\r\n"),
    ],
    "body": [
        lambda old, source: old[:-1],
        lambda old, source: old + b"x",
        lambda old, source: old + b"\r\n",
        lambda old, source: b"",
        lambda old, source: old * 2,
        lambda old, source: old + b"y" * 120_000,
        lambda old, source: b"[" * 100_000 + old,
        lambda old, source: b"5\r\nhello\r\n0\r\n\r\n" + old,
        inside(b"\x00"),
        inside(b"\xff"),
        inside(b"\r\n\r\n"),
    ],
    "garbage": each(b"\x00"),
}
