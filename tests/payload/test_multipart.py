"""Multipart bodies: hostile ones, those that HTTP libraries make, and both of them with a few bytes changed."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.errors import BadRequest
from vespa_client.payload.multipart import MAX_PART_HEAD, Part, parse_multipart

from .hostile_multipart import CONTENT_TYPE, LEGAL, REFUSED, Legal, Refused
from .received import Received, received

__all__ = ["received"]

many = settings(max_examples=300)

# What no library writes so that it can be told from something else: an escape that was one already, and backslashes.
plain_names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=30).filter(
    lambda name: not re.search("%(?:22|[01][0-9A-F])", name)
)
texts_of_forms = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
contents = st.binary(max_size=200) | st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n\r\n", b'{"a": 1}'])
forms = st.dictionaries(plain_names, st.tuples(plain_names, contents), min_size=1, max_size=5)


def told(parts: list[Part]) -> list[tuple[str, str | None, bytes]]:
    return [(part.name, part.filename, bytes(part.content)) for part in parts]


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_hostile_body_is_refused_and_told_why(case: Refused, kind: type[bytes]) -> None:
    with pytest.raises(BadRequest, match=re.escape(case.says)) as caught:
        parse_multipart(case.content_type, kind(case.body))
    assert caught.value.status == 400
    assert len(caught.value.message) < 300
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("case", LEGAL, ids=[case.name for case in LEGAL])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_legal_body_is_read(case: Legal, kind: type[bytes]) -> None:
    assert told(parse_multipart(case.content_type, kind(case.body))) == case.parts


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [case.name for case in (*REFUSED, *LEGAL)]
    assert len(REFUSED) > 80
    assert len(set(names)) == len(names)


def test_the_part_at_fault_is_named() -> None:
    body = LEGAL[0].body.replace(b"--B--\r\n", b"") + b"--B\r\nContent-Disposition: form-data\r\n\r\n\r\n--B--"
    with pytest.raises(BadRequest, match="in part 2, its Content-Disposition has no name"):
        parse_multipart(CONTENT_TYPE, body)


def test_no_content_is_copied() -> None:
    body = bytearray(LEGAL[0].body)
    [part] = parse_multipart(CONTENT_TYPE, body)
    body[body.index(b"\r\n1\r\n") + 2] = ord("2")
    assert bytes(part.content) == b"2"


def seconds(content_type: str, body: bytes) -> float:
    """How long reading or refusing the body takes, at its fastest."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        with contextlib.suppress(BadRequest):
            parse_multipart(content_type, body)
        times.append(time.perf_counter() - begin)
    return min(times)


@pytest.mark.parametrize("content", [b"-", b"\r\n--", b"\r\n--B", b"\n", b"x--Boundar"], ids=repr)
def test_a_search_takes_time_by_the_size_alone(content: bytes) -> None:
    def body(size: int) -> bytes:
        return urllib3.encode_multipart_formdata({"a": content * (size // len(content))}, "Boundary")[0]

    kind = "multipart/form-data; boundary=Boundary"
    assert seconds(kind, body(16 << 20)) < 8 * 16 * seconds(kind, body(1 << 20))


@pytest.mark.parametrize("value", [b"\\", b'\\"', b'\\";', b'";a="', b'\\\\"', b'\\"x'], ids=repr)
@pytest.mark.parametrize("end", [b"", b'"', b'" x'], ids=repr)
def test_no_quoting_takes_long(value: bytes, end: bytes) -> None:
    """Were each way tried to read a head, time would double with each byte."""

    def body(size: int) -> bytes:
        disposition = b'Content-Disposition: form-data; name="' + value * (size // len(value)) + end
        return b"--B\r\n" + disposition + b"\r\n\r\n1\r\n--B--\r\n"

    assert MAX_PART_HEAD > 8000
    assert seconds(CONTENT_TYPE, body(8000)) < 100 * seconds(CONTENT_TYPE, body(400))


# What libraries write


@many
@given(forms)
def test_what_urllib3_encodes_comes_back_whole(form: dict[str, tuple[str, bytes]]) -> None:
    body, content_type = urllib3.encode_multipart_formdata(form)
    assert told(parse_multipart(content_type, body)) == [(name, *file) for name, file in form.items()]


@many
@given(st.lists(st.tuples(plain_names, texts_of_forms), max_size=5), forms)
def test_what_requests_encodes_comes_back_whole(texts: list[tuple[str, str]], files: dict[str, tuple[str, bytes]]) -> None:
    request = requests.Request("POST", "http://localhost/", data=texts, files=files).prepare()
    assert isinstance(request.body, bytes)
    expected = [(name, None, text.encode()) for name, text in texts] + [(name, *file) for name, file in files.items()]
    assert told(parse_multipart(request.headers["Content-Type"], request.body)) == expected


@many
@given(st.dictionaries(plain_names, texts_of_forms, max_size=5), forms)
def test_what_httpx_encodes_comes_back_whole(texts: dict[str, str], files: dict[str, tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://localhost/", data=texts, files=files)
    expected = [(name, None, text.encode()) for name, text in texts.items()]
    expected += [(name, *file) for name, file in files.items()]
    assert told(parse_multipart(request.headers["Content-Type"], request.read())) == expected


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\\", '\\"', "a\tb", "a\r\nb", "ü", "a;b", "a%b", "=", "'", " a "])
def test_odd_names_come_back_whole_from_each_library(name: str) -> None:
    file = {name: (name, b"1")}
    body, content_type = urllib3.encode_multipart_formdata(file)
    from_httpx = httpx.Request("POST", "http://localhost/", files=file)
    assert told(parse_multipart(from_httpx.headers["Content-Type"], from_httpx.read())) == [(name, name, b"1")]
    assert told(parse_multipart(content_type, body)) == [(name, name, b"1")]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on this machine")
def test_what_curl_sends_comes_back_whole(received: Received, tmp_path: Path) -> None:
    file = tmp_path / 'a "b" ü.wav'
    file.write_bytes(bytes(range(256)))
    escaped = str(file).replace('"', '\\"')
    for extra in ([], ["--form-escape"]):
        form = ["-F", f'file=@"{escaped}"', "-F", "model=whisper-1", "-F", "timestamp_granularities[]=word"]
        subprocess.run(["curl", "-sSf", "-o", "-", "--noproxy", "*", *extra, *form, received.url], check=True, timeout=30)
        assert told(parse_multipart(received.content_type, received.body)) == [
            ("file", file.name, bytes(range(256))),
            ("model", None, b"whisper-1"),
            ("timestamp_granularities[]", None, b"word"),
        ]


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not on this machine")
def test_what_node_sends_comes_back_whole(received: Received) -> None:
    script = f"""
        const form = new FormData();
        form.append("file", new Blob(["sound"], {{type: "audio/webm"}}));
        form.append("file", new File(["more"], 'a"b\\\\ü.wav'));
        form.append("größe\\n", "1");
        await fetch({json.dumps(received.url)}, {{method: "POST", body: form}});
    """
    subprocess.run(["node", "--input-type=module", "-e", script], check=True, timeout=30)
    parts = parse_multipart(received.content_type, received.body)
    assert told(parts) == [("file", "blob", b"sound"), ("file", 'a"b\\ü.wav', b"more"), ("größe\r\n", None, b"1")]
    assert [part.content_type for part in parts] == ["audio/webm", "application/octet-stream", ""]


# Mutations

good_bodies = st.sampled_from([(case.content_type, case.body) for case in LEGAL if len(case.body) < 2000])
scraps = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"--B", b"--B--", b"\r\n--B\r\n", b'"', b"\\", b";", b":", b"\0", b"\xff", b""]
)


@settings(max_examples=1500)
@given(good_bodies, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), scraps | st.binary(max_size=3)), max_size=4))
def test_a_changed_body_is_refused_or_read_whole(good: tuple[str, bytes], edits: list[tuple[float, int, bytes]]) -> None:
    content_type, body = good
    for place, dropped, inserted in edits:
        at = int(place * len(body))
        body = body[:at] + inserted + body[at + dropped :]
    try:
        parts = parse_multipart(content_type, body)
    except BadRequest as refusal:
        assert refusal.status == 400
        return
    # Whole: what is between the delimiters, and nothing beside.
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    assert boundary
    delimiter = rb"(?:\A(?:\r\n)?|\r\n)--%s(?:--)?[ \t]*(?:\r\n|\Z)" % re.escape(boundary[1].encode())
    before, *between, behind = re.split(delimiter, body)
    assert before == behind == b""
    assert [bytes(part.content) for part in parts] == [segment.partition(b"\r\n\r\n")[2] for segment in between]


@many
@given(st.text(max_size=60), st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(content_type: str, body: bytes) -> None:
    for kind in (content_type, f"multipart/form-data; boundary={content_type}"):
        try:
            parse_multipart(kind, body)
        except BadRequest as refusal:
            assert refusal.status == 400


def test_what_is_no_text_is_told_so() -> None:
    for content in (b"\xff", b"a\0b", b"\x1b[31m"):
        part = Part("größe", None, "", memoryview(content))
        with pytest.raises(BadRequest, match=r"'größe' is no UTF-8 text. .*|'größe' is no UTF-8 text"):
            part.text()
    assert Part("a", None, "", memoryview("a\tb\r\nü".encode())).text() == "a\tb\r\nü"


def test_a_stream_is_read_as_bytes_are() -> None:
    body, content_type = urllib3.encode_multipart_formdata({"a": ("b", io.BytesIO(b"1").read())})
    assert told(parse_multipart(content_type, bytearray(body))) == [("a", "b", b"1")]
