"""The notation of ``tests/hostile``: what a file stands for, and what is no file of it."""

from __future__ import annotations

import pytest

from ..support.hostile_cases import KEYS, NOTHING, REFUSED, SERVED, Upstream, bytes_of, read_case

HEAD = "what: a thing\nsource: RFC 9112, 3\nexpect: 400\n"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("GET / HTTP/1.1\\r\\n\nHost: x\\r\\n\n\\r\\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a\nb", b"ab"),
        ("\\t\\0\\\\\\x00\\xff\\x20", b"\t\0\\\0\xff "),
        ("\\\\r\\\\n", b"\\r\\n"),
        ("{3*ab}{}{2*\\r\\n}", b"ababab{}\r\n\r\n"),
        ('{"a": [1, {"b": 2}]}', b'{"a": [1, {"b": 2}]}'),
        ("{0*a}{1*\\\\}", b"\\"),
    ],
)
def test_lines_stand_for_bytes(text: str, data: bytes) -> None:
    assert bytes_of(text) == data


@pytest.mark.parametrize("text", ["a ", "a\t", "a\tb", "caf\u00e9", "\\", "\\a", "\\x", "\\x1", "\\X41", "\\x4G", "a\\\nr"])
def test_what_could_be_changed_unseen_or_stands_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"escape|printable"):
        bytes_of(text)


def test_a_refused_case_closes_unless_it_says_otherwise() -> None:
    case = read_case("group/name", HEAD + "then: waits\nh11: takes lines\nknown defect: it waits\n\nGET\\n\n")
    assert (case.name, case.what, case.source, case.data) == ("group/name", "a thing", "RFC 9112, 3", b"GET\n")
    assert case.answers == [(400, "bad_request")]
    assert (case.then, case.h11, case.known_defect) == ("waits", "takes lines", "it waits")
    assert not (case.connection_stays or case.is_served or case.whole_only or case.upstream)
    assert read_case("group/name", HEAD + "connection: stays\n\nGET").connection_stays


def test_an_answer_has_its_code_and_may_be_none() -> None:
    for said, answers in [
        ("431", [(431, "bad_request")]),
        ("421 unknown_host", [(421, "unknown_host")]),
        ("200, 204", [(200, ""), (204, "")]),
        ("nothing", [(NOTHING, "")]),
    ]:
        assert read_case("group/name", HEAD.replace("400", said) + "\nGET").answers == answers


def test_a_served_case_says_what_arrives() -> None:
    lines = [
        "arrives: POST /a",
        "payload: {}\\r\\n",
        "passes: X-A: b\\xff",
        "passes: X-B:",
        "stays: TE, Expect",
        "arrives: GET /b?",
        "connection: closes",
    ]
    case = read_case("served/name", HEAD.replace("400", "200, 200") + "\n".join(lines) + "\n\nGET")
    assert case.is_served
    assert not case.connection_stays
    assert case.upstream == [
        Upstream("POST", "/a", b"{}\r\n", [("X-A", "b\xff"), ("X-B", "")], ["te", "expect"]),
        Upstream("GET", "/b?"),
    ]
    assert case.methods == ["POST", "GET"]


@pytest.mark.parametrize(
    "text",
    ["", "GET", HEAD, HEAD + "\n", HEAD + "who: me\n\nGET", "what: x\n\nGET", HEAD + "then\n\nGET", HEAD + "then: \n\nGET"],
)
def test_what_lacks_something_is_no_case(text: str) -> None:
    with pytest.raises(ValueError, match="group/name"):
        read_case("group/name", text)


def test_every_key_is_used() -> None:
    used = {"what", "source", "expect"}
    for case in (*REFUSED, *SERVED):
        used |= {"connection"} if case.connection_stays is not case.is_served else set()
        used |= {"sent"} if case.whole_only else set()
        used |= {"then"} if case.then else set()
        used |= {"h11"} if case.h11 else set()
        for one in case.upstream:
            used |= {"arrives"} | ({"payload"} if one.payload is not None else set())
            used |= ({"passes"} if one.passes else set()) | ({"stays"} if one.stays else set())
    assert set(KEYS) - {"known defect"} == used
