"""URL-encoded forms."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.errors import BadRequest
from vespa_client.payload.form import parse_form
from vespa_client.payload.multipart import MAX_PARTS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=200)
@given(st.lists(st.tuples(texts.filter(bool), texts), max_size=8))
def test_what_urlencode_writes_comes_back_whole(fields: list[tuple[str, str]]) -> None:
    parts = parse_form(urlencode(fields).encode())
    assert [(part.name, part.filename, str(part.content, "utf-8")) for part in parts] == [(n, None, v) for n, v in fields]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"&&a=1&", [("a", b"1")]),
        (b"a", [("a", b"")]),
        (b"a=1=2", [("a", b"1=2")]),
        (b"a+b=c+d%2B", [("a b", b"c d+")]),
        ("größe=ü".encode(), [("größe", "ü".encode())]),
        (b"a=%ff%00", [("a", b"\xff\0")]),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_form_is_read(body: bytes, fields: list[tuple[str, bytes]], kind: type[bytes]) -> None:
    assert [(part.name, bytes(part.content)) for part in parse_form(kind(body))] == fields


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"a=100%", "percent sign at byte 5"),
        (b"a=%zz", "percent sign at byte 2"),
        (b"a=%%41", "percent sign at byte 2"),
        (b"=1", "a value has no name"),
        (b"%ff=1", "name of a field is not UTF-8"),
        (b"a=1&" * MAX_PARTS + b"a=1", "more than 512 fields"),
    ],
    ids=range(6),
)
def test_a_malformed_form_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(says)):
        parse_form(body)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text("a=&%+0", max_size=30).map(str.encode))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    try:
        parts = parse_form(body)
    except BadRequest:
        return
    assert all(part.name for part in parts)
