"""The pieces of an upload's JSON: what they cost, and how they go into the envelope."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

import urllib3

from vespa_client.payload.envelope import wrap
from vespa_client.payload.json_body import check_body
from vespa_client.payload.upload import payload_of_upload

from .test_upload import SPEECH, parsed, uploaded


def test_the_pieces_go_into_the_envelope_as_they_are() -> None:
    assignment: Mapping[str, Any] = dict.fromkeys(("cost", "endpoint", "reqnum", "request_idx", "signature", "url"), "x")
    payload = uploaded(SPEECH, ("file", ("a.mp3", os.urandom(5 << 20))), ("model", "m"))
    before, _, after = wrap(b"", assignment)
    sent = b"".join([before, *payload.pieces, after])
    whole = b"".join(payload.pieces)
    assert sent == b"".join(wrap(whole, assignment))
    assert check_body(whole, "application/json").json is whole
    assert json.loads(sent)["payload"]["model"] == "m"


def test_a_file_is_held_once_more_and_no_second_time() -> None:
    body, content_type = urllib3.encode_multipart_formdata({"file": ("a.mp3", os.urandom(16 << 20))})
    tracemalloc.start()
    try:
        payload = payload_of_upload(SPEECH, content_type, body)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert payload
    assert held < 1.4 * len(body)
    assert peak < 1.5 * len(body)


def test_what_is_returned_holds_nothing_of_the_body() -> None:
    body, content_type = urllib3.encode_multipart_formdata({"file": ("a.mp3", b"1" * 10_000), "model": "m"})
    view = bytearray(body)
    payload = payload_of_upload(SPEECH, content_type, view)
    view.clear()  # a BufferError where something still looks at it
    assert parsed(payload)["model"] == "m"


def test_it_takes_time_by_the_size_alone() -> None:
    def seconds(size: int) -> float:
        body, content_type = urllib3.encode_multipart_formdata({"file": ("a.mp3", bytes(size))})
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            payload_of_upload(SPEECH, content_type, body)
            times.append(time.perf_counter() - begin)
        return min(times)

    assert seconds(16 << 20) < 8 * 16 * seconds(1 << 20)
