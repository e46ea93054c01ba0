"""The envelope and the signed query: not a byte of the client's is lost, and numbers keep the text that was signed."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vespa_client.errors import BadRequest, UnsupportedBody
from vespa_client.http1.heads import parse_request_head
from vespa_client.payload.envelope import AUTH_FIELDS, BODY_METHODS, JSONNumber, json_text, sign_target, wrap
from vespa_client.payload.json_body import check_body
from vespa_client.sandbox.autoscaler import signed_text
from vespa_client.sandbox.signing import SigningKey

some = settings(max_examples=100)

KEY = SigningKey()

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
spaces = st.text(" \t\r\n", max_size=3)
# Texts that are JSON numbers, in forms that a rebuilt body or query would change.
number_texts = st.sampled_from(
    ["0", "-0", "0.0", "-0.0", "1", "500", "500.0", "500.00", "5e2", "5E+2", "0.1e-7", "1.10", "123456789012345678901234567890"]
) | st.builds("{}.{}".format, st.integers(0, 10**6), st.integers(0, 10**6))


@st.composite
def assignments(draw: st.DrawFn) -> dict[str, Any]:
    """What the autoscaler answers, signed as it does, and read as the proxy reads it."""
    numbers = {name: draw(number_texts) for name in ("cost", "reqnum", "request_idx")}
    endpoint = draw(st.text(min_size=1, max_size=20))
    url = draw(st.sampled_from(["https://203.0.113.7:41234", "http://127.0.0.1:1/", "https://[::1]:2?a=b&c#d"]))
    text = ", ".join(f'"{name}": {number}' for name, number in numbers.items())
    text = f'{{{text}, "endpoint": {json.dumps(endpoint)}, "url": {json.dumps(url)}}}'
    signature = KEY.sign(signed_text(json.loads(text), "vespa"))
    return {
        **json.loads(text, parse_int=JSONNumber, parse_float=JSONNumber),
        "signature": signature,
        "__request_id": "not sent",
    }


def is_genuine(auth_data: dict[str, Any]) -> bool:
    """Whether a worker would find the signature good, which covers each number's text as Python writes it."""
    return KEY.verify(signed_text(auth_data, "vespa"), auth_data["signature"])


# The body


@some
@given(json_values, spaces, spaces, st.booleans(), assignments())
@example({"big": 10**400, "small": 1e-320}, "", "", True, {**dict.fromkeys(AUTH_FIELDS, JSONNumber("1")), "signature": "x"})
def test_the_payload_is_in_the_envelope_byte_for_byte(
    value: Any, before: str, after: str, ascii_only: bool, assignment: dict[str, Any]
) -> None:
    body = before + json.dumps(value, ensure_ascii=ascii_only) + after
    try:
        raw = body.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which UTF-8 has no bytes for
        return
    payload = check_body(raw, "application/json").json
    envelope = wrap([payload], assignment)
    sent = b"".join(envelope)
    assert envelope[1] is payload
    assert payload == raw
    assert sent == envelope[0] + raw + envelope[-1]
    assert json.loads(sent)["payload"] == json.loads(raw)
    assert list(json.loads(sent)) == ["auth_data", "payload"]


@some
@given(assignments())
def test_a_worker_finds_the_signature_good_in_the_envelope(assignment: dict[str, Any]) -> None:
    auth_data = json.loads(b"".join(wrap([b"{}"], assignment)))["auth_data"]
    assert sorted(auth_data) == sorted(AUTH_FIELDS)
    assert is_genuine(auth_data)


@some
@given(assignments())
def test_numbers_in_the_envelope_keep_their_text(assignment: dict[str, Any]) -> None:
    auth_data = json.loads(b"".join(wrap([b"1"], assignment)), parse_int=JSONNumber, parse_float=JSONNumber)["auth_data"]
    assert auth_data == {name: assignment[name] for name in AUTH_FIELDS}


def test_a_signature_over_500_is_not_one_over_500_point_0() -> None:
    # Guards the tests above: without the number's text, a worker would say no.
    fields = {"cost": 500.0, "endpoint": "e", "reqnum": 1, "request_idx": 2, "url": "u"}
    fields["signature"] = KEY.sign(signed_text(fields, "vespa"))
    assert is_genuine(fields)
    assert not is_genuine({**fields, "cost": 500})


def test_an_empty_body_is_an_empty_object() -> None:
    assert check_body(b"", "").json == b"{}"


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b"0", b"-1.5e9", b'"x"', b"true", b"false", b"null", b" {} ", b"\r\n\t[ 1 , 2 ]\n"]
)
def test_any_json_value_may_be_the_payload(raw: bytes) -> None:
    assert check_body(raw, "").json == raw


def test_a_byte_order_mark_is_no_part_of_the_payload() -> None:
    assert check_body(codecs.BOM_UTF8 + b'{"a": 1}', "").json == b'{"a": 1}'
    with pytest.raises(BadRequest):
        check_body(codecs.BOM_UTF8 * 2 + b"{}", "")
    with pytest.raises(BadRequest):
        check_body(codecs.BOM_UTF8, "")


@pytest.mark.parametrize(
    ("raw", "streams"),
    [
        (b'{"stream": true}', True),
        (b'{"stream":true,"model":"\xc3\xa9"}', True),
        (b'{"stream": false}', False),
        (b'{"stream": "true"}', False),
        (b'{"stream": 1}', False),
        (b'{"options": {"stream": true}}', False),
        (b'[{"stream": true}]', False),
        (b'"stream"', False),
        (b"", False),
    ],
)
def test_a_payload_streams_if_it_says_so_at_its_top(raw: bytes, streams: bool) -> None:
    assert check_body(raw, "").streams is streams


def test_a_body_is_not_copied() -> None:
    body = bytearray(b'{"image": "' + b"A" * 1000 + b'"}')
    assert check_body(body, "application/json").json is body


# What JSON is


def strictly(raw: bytes) -> bool:
    """Whether ``json.loads`` takes it: UTF-8 (RFC 8259, 8.1) without NaN and Infinity, numbers of any length."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(raw.decode("utf-8"), parse_constant=refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def ours(raw: bytes) -> bool:
    try:
        return check_body(raw, "").json == raw
    except BadRequest:
        return False


fragments = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u00e9", b"\\ud800", b"1", b"-", b"0", b".", b"e5"])
    | st.sampled_from([b"true", b"null", b"NaN", b"Infinity", b"-Infinity", b" ", b"\n", b"\t", b"\0", b"\x0c", b"\xc2\xa0"])
    | st.sampled_from([b'"a"', b'{"a":1}', b"[1]", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xff", b"\xed\xa0\x80", b"\xc0\x80"]),
    min_size=1,
    max_size=8,
).map(b"".join)


@settings(max_examples=300)
@given(fragments | st.binary(min_size=1, max_size=20))
@example(b'"\xed\xa0\x80"')
@example(b'"\xc0\xaf"')
@example(b'"\xf5\x80\x80\x80"')
@example(b"\xe2\x80\x82{}")
@example("\u0661".encode())
@example(b"[1,]")
@example(b"{'a': 1}")
@example(b"{a: 1}")
@example(b'{"a": 1,}')
@example(b"01")
@example(b"1.")
@example(b".5")
@example(b"+1")
@example(b"1e400")
@example(b'"\x7f"')
@example(b'"\x1f"')
@example(b'"\t"')
@example(b"// x\n1")
@example("\ufffe{}".encode("utf-16"))
def test_what_json_loads_takes_is_taken_and_nothing_else(raw: bytes) -> None:
    assert ours(raw) is strictly(raw)


@some
@given(json_values, st.data())
def test_what_json_loads_refuses_in_a_damaged_body_is_refused(value: Any, data: st.DataObject) -> None:
    raw = bytearray(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert ours(bytes(raw)) is strictly(bytes(raw))


@pytest.mark.parametrize("digits", [5_000, 200_000])
@pytest.mark.parametrize("form", ["{}", "-{}", "[{}]", '{{"n": {}.5}}', "{}e-7"])
def test_a_number_may_be_longer_than_python_likes(digits: int, form: str) -> None:
    raw = form.format("9" * digits).encode()
    assert check_body(raw, "").json == raw


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_nested_too_deeply_is_a_bad_request(opening: bytes) -> None:
    with pytest.raises(BadRequest):
        check_body(opening * 200_000, "")
    with pytest.raises(BadRequest, match="nested too deeply"):
        check_body(b"[" * 200_000 + b"]" * 200_000, "")


def test_a_body_nested_as_people_nest_is_taken() -> None:
    raw = b"[" * 200 + b"]" * 200
    assert check_body(raw, "").json == raw


@pytest.mark.parametrize("name", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_constant_that_is_no_json_is_named(name: bytes) -> None:
    with pytest.raises(BadRequest, match=name.decode()):
        check_body(b'{"temperature": ' + name + b"}", "application/json")


# Where it broke


def place_of(raw: bytes, content_type: str = "application/json") -> tuple[int, int, int]:
    with pytest.raises(BadRequest) as problem:
        check_body(raw, content_type)
    found = re.search(r"at byte (\d+) \(line (\d+), column (\d+)\)", problem.value.message)
    assert found, problem.value.message
    return int(found[1]), int(found[2]), int(found[3])


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"x", (0, 1, 1)),
        (b'{"a" 1}', (5, 1, 6)),
        (b'{"a": 1}}', (8, 1, 9)),
        (b'{\n  "a": x}', (9, 2, 8)),
        ('{"ä": x}'.encode(), (7, 1, 8)),
        ('{"😀": x}'.encode(), (9, 1, 10)),
        ('{"é":\n\n"é" x}'.encode(), (13, 3, 6)),
    ],
)
def test_an_error_names_the_byte_at_which_the_body_stops_being_json(raw: bytes, place: tuple[int, int, int]) -> None:
    assert place_of(raw) == place


@some
@given(st.lists(st.sampled_from(["a", "é", "😀", "\\n", "\\u00e9"]), max_size=30), st.integers(0, 3))
def test_the_byte_is_the_right_one_whatever_is_before_it(text: list[str], lines: int) -> None:
    before = "[" + "\n" * lines + '"' + "".join(text) + '", '
    assert place_of((before + "oops]").encode())[:2] == (len(before.encode()), lines + 1)


def utf8_place(raw: bytes) -> int:
    with pytest.raises(BadRequest) as problem:
        check_body(raw, "")
    found = re.search(r"not UTF-8 near byte (\d+)", problem.value.message)
    assert found, problem.value.message
    return int(found[1])


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"])
@pytest.mark.parametrize("before", [b"", b"abc", "äöü€😀".encode()])
def test_an_error_names_the_byte_that_is_no_utf_8(bad: bytes, before: bytes) -> None:
    assert utf8_place(b'"' + before + bad + b'"') == 1 + len(before)


@pytest.mark.parametrize("offset", [-3, -2, -1, 0, 1])
@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_characters_across_the_steps_of_a_large_body_are_whole_and_errors_still_near(offset: int, character: str) -> None:
    size = (1 << 20) + offset
    raw = b'"' + b"a" * (size - 1) + character.encode() * 10 + b'"'
    assert check_body(raw, "").json == raw
    broken = raw[: size + len(character.encode()) - 1] + b'"'
    assert abs(utf8_place(broken) - size) <= 3


# What isn't JSON


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=x",
        "image/png",
        "audio/wav",
        "VIDEO/mp4",
        "application/octet-stream",
        "application/pdf;a=b",
    ],
)
def test_a_body_that_was_not_meant_to_be_json_is_a_415(content_type: str) -> None:
    with pytest.raises(UnsupportedBody) as problem:
        check_body(b"\x89PNG\r\n", content_type)
    assert problem.value.status == 415
    assert "base64" in problem.value.hint


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense"]
)
def test_a_body_that_was_meant_to_be_json_is_a_400(content_type: str) -> None:
    with pytest.raises(BadRequest) as problem:
        check_body(b"a=b", content_type)
    assert problem.value.status == 400


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "image/png", "application/x-www-form-urlencoded", "text/plain"]
)
def test_json_is_taken_whatever_its_type_says(content_type: str) -> None:
    assert check_body(b'{"a": 1}', content_type).json == b'{"a": 1}'


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "zstd"])
def test_a_compressed_body_is_a_415(coding: str) -> None:
    with pytest.raises(UnsupportedBody, match="Content-Encoding"):
        check_body(b"{}", "application/json", coding)


@pytest.mark.parametrize("coding", ["", " ", "identity", "Identity "])
def test_no_coding_is_no_coding(coding: str) -> None:
    assert check_body(b"{}", "application/json", coding).json == b"{}"


# The query

query_parts = st.text("abcXYZ019-._~!$'()*+,;:@/?&=", max_size=30) | st.sampled_from(
    ["a=1&a=2", "a=%20&b=+", "a", "a=", "=a", "&&", "a=1&", "?", "q=%c3%A9&x=%2F%2f"]
)


@some
@given(st.text("abc/.-", max_size=10), st.none() | query_parts, assignments())
def test_the_query_stays_as_it_was_written_and_the_assignment_comes_behind_it(
    path: str, query: str | None, assignment: dict[str, Any]
) -> None:
    target = "/" + path + ("" if query is None else "?" + query)
    signed = sign_target(target, assignment)
    assert signed.startswith(target)
    added = signed[len(target) :].removeprefix("?" if query is None else "&")
    assert [name for name, _ in parse_qsl(added, keep_blank_values=True)] == [f"serverless_{name}" for name in AUTH_FIELDS]
    before = parse_qsl(query or "", keep_blank_values=True)
    pairs = parse_qsl(signed.partition("?")[2], keep_blank_values=True)
    assert pairs[: len(before)] == before
    # Nothing of the assignment opens another parameter, a fragment or another path.
    assert re.fullmatch(r"[A-Za-z0-9._~%=&-]*", added)
    assert parse_request_head(f"GET {signed} HTTP/1.1".encode("latin-1")).target == signed


@some
@given(query_parts, assignments())
def test_a_worker_finds_the_signature_good_in_the_query(query: str, assignment: dict[str, Any]) -> None:
    signed = sign_target("/v1/models?" + query, assignment)
    given_back = {
        name.removeprefix("serverless_"): value
        for name, value in parse_qsl(signed.partition("?")[2], keep_blank_values=True)
        if name.startswith("serverless_")
    }
    for name in ("cost", "reqnum", "request_idx"):
        assert given_back[name] == assignment[name]
        given_back[name] = json.loads(given_back[name])
    assert is_genuine(given_back)


@pytest.mark.parametrize(
    ("target", "begins"),
    [("/a", "/a?s"), ("/a?", "/a?s"), ("/a?b", "/a?b&s"), ("/a?b&", "/a?b&s"), ("/a?b?", "/a?b?&s"), ("/?&", "/?&s")],
)
def test_the_assignment_is_joined_with_one_sign(target: str, begins: str) -> None:
    assignment = dict.fromkeys(AUTH_FIELDS, "x")
    assert sign_target(target, assignment).startswith(begins + "erverless_cost=x&")


def test_the_text_of_a_number_needs_its_escapes_in_a_query() -> None:
    assignment = {**dict.fromkeys(AUTH_FIELDS, "x"), "cost": JSONNumber("1e+2"), "signature": "a+b/c=="}
    signed = sign_target("/", assignment)
    assert "serverless_cost=1e%2B2&" in signed
    assert "serverless_signature=a%2Bb%2Fc%3D%3D&" in signed


# JSON text


@some
@given(json_values)
def test_json_text_is_what_was_parsed(value: Any) -> None:
    assert json.loads(json_text(value)) == value
    text = json.dumps(value)
    assert json_text(json.loads(text, parse_int=JSONNumber, parse_float=JSONNumber)) == text


def test_numbers_deep_inside_keep_their_text_too() -> None:
    text = '{"a": [1.0, {"b": 1e5, "c": [-0]}], "d": "1.0", "e": null, "f": true}'
    assert json_text(json.loads(text, parse_int=JSONNumber, parse_float=JSONNumber)) == text


def test_the_methods_whose_body_is_wrapped() -> None:
    assert {"POST", "PUT", "PATCH"} == BODY_METHODS
