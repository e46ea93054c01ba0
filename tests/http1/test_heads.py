"""Heads and framing (RFC 9112): what is taken goes round unchanged, and what could be read in two ways is refused."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.fields import Fields, ReceivedFields, list_items
from vespa_client.http1.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, keeps_alive, request_framing, response_framing
from vespa_client.http1.heads import (
    MAX_ANSWER_FIELDS,
    MAX_FIELDS,
    RequestHead,
    ResponseHead,
    parse_request_head,
    parse_response_head,
    request_hosts,
)
from vespa_client.http1.malformed import MessageError

some = settings(max_examples=200)

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE = "".join(chr(code) for code in range(256) if code == 9 or (code >= 32 and code != 127))

names = st.text(TOKEN, min_size=1, max_size=20)
values = st.text(VALUE, max_size=40).map(lambda text: text.strip(" \t"))
field_lists = st.lists(st.tuples(names, values), max_size=20)
escapes = st.builds("%{:02{}}".format, st.integers(0, 255), st.sampled_from("xX"))
targets = st.lists(st.sampled_from("abcZ09-._~!$&'()*+,;=:@/?") | escapes, max_size=40).map(lambda parts: "/" + "".join(parts))
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "brew"]) | names


def block(start: str, fields: Fields) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in fields)]).encode("latin-1")


def request(*lines: str, start: str = "POST /v1 HTTP/1.1") -> RequestHead:
    return parse_request_head("\r\n".join([start, "Host: x", *lines]).encode("latin-1"))


def response(*lines: str, start: str = "HTTP/1.1 200 OK") -> ResponseHead:
    return parse_response_head("\r\n".join([start, *lines]).encode("latin-1"))


# What is taken


@some
@given(methods, targets, st.sampled_from([0, 1]), field_lists)
def test_a_request_head_keeps_its_method_its_target_and_each_field(
    method: str, target: str, minor: int, fields: Fields
) -> None:
    head = parse_request_head(block(f"{method} {target} HTTP/1.{minor}", fields))
    assert head == RequestHead(method, target, minor, fields)


@some
@given(st.integers(100, 999), values, st.sampled_from([0, 1]), field_lists)
def test_a_response_head_keeps_its_status_its_reason_and_each_field(
    status: int, reason: str, minor: int, fields: Fields
) -> None:
    head = parse_response_head(block(f"HTTP/1.{minor} {status} {reason}", fields))
    assert head == ResponseHead(minor, status, reason, fields)


@some
@given(methods, targets, field_lists)
def test_h11_reads_the_same_from_a_request_head(method: str, target: str, fields: Fields) -> None:
    framing = ("content-length", "transfer-encoding", "host", "expect")
    fields = [("Host", "x"), *((name, value) for name, value in fields if name.lower() not in framing)]
    raw = block(f"{method} {target} HTTP/1.1", fields)
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(raw + b"\r\n\r\n")
    theirs = peer.next_event()
    assert isinstance(theirs, h11.Request)
    ours = parse_request_head(raw)
    assert (ours.method.encode(), ours.target.encode()) == (theirs.method, theirs.target)
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in ours.fields]
    assert encoded == list(theirs.headers.raw_items())


@some
@given(st.binary(max_size=200))
def test_bytes_at_random_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    for parse in (parse_request_head, parse_response_head):
        try:
            head = parse(data)
        except MessageError as problem:
            assert 400 <= problem.status < 600
        else:
            assert "\n" not in "".join(name + value for name, value in head.fields)


@some
@given(methods, targets, field_lists, st.data())
def test_what_h11_refuses_in_a_changed_request_head_is_refused_here(
    method: str, target: str, fields: Fields, data: st.DataObject
) -> None:
    raw = bytearray(block(f"{method} {target} HTTP/1.1", [("Host", "x"), *fields[:3]]))
    for _ in range(data.draw(st.integers(1, 2))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b"\0\x01\t\n\r :;,\x7f\x80\xffA0HTP/1.,%"))
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(bytes(raw) + b"\r\n\r\n")
    try:
        peer.next_event()
    except h11.RemoteProtocolError as refusal:
        if "Host" in str(refusal):  # who may ask is the server's question, not the grammar's
            return
        with pytest.raises(MessageError):
            request_framing(parse_request_head(bytes(raw)))


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ("http://example.com/v1/models?a=1", "/v1/models?a=1"),
        ("HTTP://example.com:8010/%2e%2E//x;y", "/%2e%2E//x;y"),
        ("https://[::1]:1/", "/"),
        ("http://example.com", "/"),
        ("http://example.com?a=1", "/?a=1"),
        ("/http://example.com/", "/http://example.com/"),
        ("//example.com/a/../b", "//example.com/a/../b"),
        ("/?", "/?"),
        ("/a?b?c/d", "/a?b?c/d"),
        ("/%00", "/%00"),
    ],
)
def test_a_target_in_absolute_form_is_served_as_a_path_and_any_other_stays_as_sent(sent: str, understood: str) -> None:
    assert request(start=f"GET {sent} HTTP/1.1").target == understood


def test_options_may_ask_about_the_whole_server() -> None:
    assert request(start="OPTIONS * HTTP/1.1").target == "*"


def test_a_later_minor_version_is_read_as_1_1() -> None:
    assert request(start="GET / HTTP/1.7").minor == 1
    assert response(start="HTTP/1.9 200 OK").minor == 1


def test_spaces_around_a_value_are_not_part_of_it() -> None:
    assert request("A:b", "C: \t d e \t", "F:", "G: \t ").fields[1:] == [("A", "b"), ("C", "d e"), ("F", ""), ("G", "")]


def test_a_reason_may_be_missing_or_empty() -> None:
    assert response(start="HTTP/1.1 200").reason == response(start="HTTP/1.1 200 ").reason == ""


# What is refused

BAD_REQUEST_LINES = [
    "",
    " ",
    "GET",
    "GET /",
    "GET / ",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    " GET / HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET\t/\tHTTP/1.1",
    "GET / HTTP/1.1\0",
    "GET / HTTP/1.1\n",
    "GET / HTTP/1.1\nX: y",
    "GET / HTTP/1.1\rX: y",
    "GET / http/1.1",
    "GET / HTTP/1",
    "GET / HTTP/1.",
    "GET / HTTP/.1",
    "GET / HTTP/1.10",
    "GET / HTTP/01.1",
    "GET / HTTP/1.1.1",
    "GET / HTTP/1,1",
    "GET / HTTP/+1.1",
    "GET / HTTP/\u00b9.1",
    "GET / HTTPS/1.1",
    "GET / ICAP/1.0",
    "/ HTTP/1.1",
    "G\u00cbT / HTTP/1.1",
    "GE(T / HTTP/1.1",
    "GE:T / HTTP/1.1",
    "GET\0 / HTTP/1.1",
]


@pytest.mark.parametrize("line", BAD_REQUEST_LINES)
def test_a_request_line_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(MessageError) as problem:
        request(start=line)
    assert problem.value.status == 400


@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"])
def test_another_major_version_is_a_505(version: str) -> None:
    with pytest.raises(MessageError) as problem:
        request(start=f"GET / {version}")
    assert problem.value.status == 505


def test_the_preface_of_http_2_is_told_what_is_spoken_here() -> None:
    with pytest.raises(MessageError, match=r"speaks HTTP/1\.1") as problem:
        parse_request_head(b"PRI * HTTP/2.0")
    assert problem.value.status == 400


def test_a_tls_handshake_is_told_that_this_port_speaks_http() -> None:
    with pytest.raises(MessageError, match="http://"):
        parse_request_head(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


BAD_TARGETS = [
    "*",
    "v1/models",
    "example.com:443",
    "?a=1",
    "#",
    "/a#b",
    "/a b",
    "/a\tb",
    "/\u00e9",
    "/\x80",
    "/caf\xc3\xa9\xff",
    "/\xc3",
    "/\xc0\xaf",
    "/\xe0\x80\xaf",
    "/\xed\xa0\x80",
    "/\xf4\x90\x80\x80",
    "/\xc2\x80",
    "/\xc2\x85",
    "/\xc2\x9f",
    "/\x7f",
    "/a\0",
    "/%",
    "/%2",
    "/%zz",
    "/%2g",
    "/a%",
    "/?q=%",
    "/\\",
    '/"',
    "/<script>",
    "/a<",
    "/a>",
    '/a?b="c"',
    "/a?b=\\",
    "/[%zz]",
    "[1]",
    "|",
    "ftp://example.com/",
    "file:///etc/passwd",
    "http:/example.com",
    "http:///",
    "http://user@example.com/",
    "http://example.com/a#b",
    "http://example.com/%zz",
    "http://exa mple.com/",
    "http://[1]/",
    "http://exa|mple.com/",
    "http://caf\xc3\xa9.example/",
]


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(MessageError) as problem:
        request(start=f"GET {target} HTTP/1.1")
    assert problem.value.status == 400


@pytest.mark.parametrize("target", ["/%", "/?q=100%", "/%zz", "/[%2]", "/?q=100%&b=c"])
def test_a_percent_sign_by_itself_is_refused_with_how_to_write_it(target: str) -> None:
    with pytest.raises(MessageError, match="is written %25"):
        request(start=f"GET {target} HTTP/1.1")


LEFT_BARE = [
    ("/[1]", "/%5B1%5D"),
    ("/a]", "/a%5D"),
    ("/a?b[]=1&b[]=2", "/a?b%5B%5D=1&b%5B%5D=2"),
    ("/a?b[%5B]=%5d", "/a?b%5B%5B%5D=%5d"),
    ("/^", "/%5E"),
    ("/`", "/%60"),
    ("/{x}?{y}", "/%7Bx%7D?%7By%7D"),
    ("/|?a|b", "/%7C?a%7Cb"),
    ("/caf\xc3\xa9", "/caf%C3%A9"),
    ("/?q=\xe2\x82\xac+%e2%82%AC", "/?q=%E2%82%AC+%e2%82%AC"),
    ("/\xf0\x9f\x98\x80", "/%F0%9F%98%80"),
    ("/a\xc2\xa0b", "/a%C2%A0b"),
    ("/..//[a]/./", "/..//%5Ba%5D/./"),
    ("http://x/[1]", "/%5B1%5D"),
    ("http://[::1]:80/[1]", "/%5B1%5D"),
    ("http://x?[1]", "/?%5B1%5D"),
]


@pytest.mark.parametrize(("sent", "understood"), LEFT_BARE)
def test_what_url_clients_leave_bare_is_percent_encoded_and_nothing_else_is_touched(sent: str, understood: str) -> None:
    assert request(start=f"GET {sent} HTTP/1.1").target == understood


@given(st.text(st.characters(min_codepoint=0x21, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_text_in_a_target_means_the_same_behind_it_or_is_refused(text: str) -> None:
    sent = "/" + text
    try:
        target = request(start=f"GET {sent.encode().decode('latin-1')} HTTP/1.1").target
    except MessageError:
        assert set(sent) & set('"#<>\\%')
    else:
        assert target.isascii()
        assert unquote(target) == unquote(sent)


@pytest.mark.parametrize("method", ["CONNECT", "GET"])
def test_nobody_tunnels_through_here(method: str) -> None:
    with pytest.raises(MessageError):
        request(start=f"{method} example.com:443 HTTP/1.1")


@pytest.mark.parametrize("host", ["", "a b", "user@localhost", "localhost:80:80", "localhost/x", "[::1", "localhost,evil"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(MessageError, match="host"):
        request_hosts(RequestHead("GET", "/", 1, ReceivedFields([("Host", host)])))


def test_a_host_is_named_once_and_may_be_missing_in_http_1_0() -> None:
    for fields in ([], [("Host", "localhost"), ("host", "localhost")]):
        with pytest.raises(MessageError, match="once"):
            request_hosts(RequestHead("GET", "/", 1, ReceivedFields(fields)))
    assert request_hosts(RequestHead("GET", "/", 0, ReceivedFields([]))) == []


def test_the_host_of_a_target_in_absolute_form_is_one_as_well() -> None:
    head = request(start="GET http://[::1]:8010/v1 HTTP/1.1")
    assert request_hosts(head) == ["x", "[::1]"]


BAD_LINES = [
    "",
    "X",
    ": y",
    "X : y",
    "X\t: y",
    " X: y",
    "\tX: y",
    " folded",
    "\tfolded",
    "X: y\0",
    "X: y\x01",
    "X: y\x08",
    "X: y\x0b",
    "X: y\x0c",
    "X: y\x1b[2J",
    "X: y\x7f",
    "X: y\r",
    "X: y\rZ: z",
    "X: y\n",
    "X: y\nZ: z",
    "X\n: y",
    "X\0: y",
    "X Y: z",
    "(X): y",
    "X/Y: z",
    "X@Y: z",
    "X[]: y",
    "X\u00e9: y",
    "\u00ef\u00bb\u00bfX: y",
    "=?utf-8?q?X?=: y",
    '"X": y',
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_is_no_field_is_refused_on_both_sides(line: str) -> None:
    for lines in ([line], ["A: b", line], [line, "A: b"]):
        with pytest.raises(MessageError):
            request(*lines)
        with pytest.raises(MessageError):
            response(*lines)


def test_more_lines_than_a_head_may_have_are_a_431() -> None:
    lines = [f"X-{number}: y" for number in range(MAX_FIELDS - 1)]
    assert len(request(*lines).fields) == MAX_FIELDS
    with pytest.raises(MessageError) as problem:
        request(*lines, "one: more")
    assert problem.value.status == 431


def test_an_answer_leaves_room_for_the_proxys_own_lines() -> None:
    lines = [f"X-{number}: y" for number in range(MAX_ANSWER_FIELDS)]
    assert len(response(*lines).fields) == MAX_ANSWER_FIELDS
    with pytest.raises(MessageError, match=f"more than {MAX_ANSWER_FIELDS} lines"):
        response(*lines, "one: more")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1\t200 OK",
        "HTTP/2 200",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\0",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 OK\nX: y",
        "HTTP/1.1 200 \x1b[2J",
        "ICY 200 OK",
        "SSH-2.0-OpenSSH_9.6",
        "<html>",
    ],
)
def test_a_status_line_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(MessageError):
        response(start=line)


# How a request's body ends


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        ([], NO_BODY),
        (["Content-Length: 0"], Framing("length", 0)),
        (["content-LENGTH:7"], Framing("length", 7)),
        (["Content-Length: 007"], Framing("length", 7)),
        (["Content-Length: 999999999999999999"], Framing("length", 999_999_999_999_999_999)),
        (["Transfer-Encoding: chunked"], CHUNKED),
        (["transfer-encoding: \t CHUNKED "], CHUNKED),
    ],
)
def test_a_request_has_one_end(lines: Sequence[str], framing: Framing) -> None:
    assert request_framing(request(*lines)) == framing


AMBIGUOUS_REQUESTS = [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 0", "Transfer-Encoding: chunked"],
    ["Content-Length: 5", "Transfer-Encoding: identity"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 6"],
    ["Content-Length: 5", "content-length: 5"],
    ["Content-Length: 5, 5"],
    ["Content-Length: 5,"],
    ["Content-Length: "],
    ["Content-Length: +5"],
    ["Content-Length: -5"],
    ["Content-Length: -0"],
    ["Content-Length: 0x5"],
    ["Content-Length: 5_0"],
    ["Content-Length: 5 0"],
    ["Content-Length: 5.0"],
    ["Content-Length: 5e3"],
    ["Content-Length: 5;"],
    ["Content-Length: '5'"],
    ["Content-Length: five"],
    ["Content-Length: \u00b2"],
    ["Content-Length: \u00a05"],
    ["Content-Length: 1000000000000000000"],
    ["Content-Length: 18446744073709551617"],
    ["Content-Length: " + "9" * 5000],
    ["Transfer-Encoding: "],
    ["Transfer-Encoding: identity"],
    ["Transfer-Encoding: gzip"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: chunked, gzip"],
    ["Transfer-Encoding: chunked, chunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ["Transfer-Encoding: ,chunked"],
    ["Transfer-Encoding: chunked,"],
    ["Transfer-Encoding: chunked;q=1"],
    ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunked x"],
    ["Transfer-Encoding: 'chunked'"],
    ["Transfer-Encoding: chunked\u00a0"],
    ["Transfer-Encoding: c\u00adhunked"],
]


@pytest.mark.parametrize("lines", AMBIGUOUS_REQUESTS)
def test_a_request_that_could_end_in_two_places_is_refused(lines: Sequence[str]) -> None:
    with pytest.raises(MessageError) as problem:
        request_framing(request(*lines))
    assert problem.value.status == 400


def test_http_1_0_has_no_chunks() -> None:
    with pytest.raises(MessageError):
        request_framing(request("Transfer-Encoding: chunked", start="POST / HTTP/1.0"))


# How an answer's body ends


@pytest.mark.parametrize("status", [204, 304, 100, 199])
def test_some_answers_have_no_body_whatever_they_say(status: int) -> None:
    head = response("Content-Length: 5", "Transfer-Encoding: chunked", start=f"HTTP/1.1 {status} x")
    assert response_framing(head, "GET") == NO_BODY


def test_an_answer_to_head_has_no_body() -> None:
    assert response_framing(response("Content-Length: 5"), "HEAD") == NO_BODY


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        ([], UNTIL_CLOSE),
        (["Content-Length: 0"], Framing("length", 0)),
        (["Content-Length: 5"], Framing("length", 5)),
        # RFC 9110, 8.6: copies that agree may be taken for one.
        (["Content-Length: 5", "Content-Length: 5"], Framing("length", 5)),
        (["Transfer-Encoding: Chunked"], CHUNKED),
    ],
)
def test_an_answer_has_one_end(lines: Sequence[str], framing: Framing) -> None:
    assert response_framing(response(*lines), "POST") == framing


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Content-Length: 05"],
        ["Content-Length: 5, 6"],
        ["Content-Length: +5"],
        ["Content-Length: -1"],
        ["Content-Length: "],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: "],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, chunked"],
    ],
)
def test_an_answer_that_could_end_in_two_places_is_refused(lines: Sequence[str]) -> None:
    with pytest.raises(MessageError):
        response_framing(response(*lines), "POST")


def test_an_answer_in_http_1_0_has_no_chunks() -> None:
    with pytest.raises(MessageError):
        response_framing(response("Transfer-Encoding: chunked", start="HTTP/1.0 200 OK"), "POST")


# Connections


@pytest.mark.parametrize(
    ("minor", "value", "kept"),
    [
        (1, None, True),
        (1, "close", False),
        (1, "Close", False),
        (1, "keep-alive", True),
        (1, "keep-alive, close", False),
        (1, "x-close", True),
        (0, None, False),
        (0, "keep-alive", True),
        (0, "x, Keep-Alive", True),
        (0, "keep-alive, close", False),
    ],
)
def test_who_keeps_the_connection(minor: int, value: str | None, kept: bool) -> None:
    assert keeps_alive(minor, ReceivedFields([("X", "close")] if value is None else [("connection", value)])) is kept


def test_a_list_goes_over_all_its_lines_and_has_no_empty_members() -> None:
    fields = [("Connection", "a, ,b ,"), ("Other", "c"), ("CONNECTION", "\t d,,"), ("connection", "")]
    assert list_items(fields, "connection") == ["a", "b", "d"]
