"""Forms with files, and the JSON that they become."""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.errors import BadRequest, FileTooLarge, TooManyFiles, UploadTooLarge
from vespa_client.payload.media import FileBrief
from vespa_client.payload.upload import MAX_FILE, MAX_FILES, UploadPayload, payload_of_upload
from vespa_client.payload.upload_routes import MAX_UPLOAD, UPLOAD_ROUTES, takes_upload

SPEECH, EDIT, VIDEO, OTHER = "/v1/audio/transcriptions", "/v1/images/edits", "/v1/videos/sync", "/predict"
PNG = b"\x89PNG\r\n\x1a\n"
FORM = "application/x-www-form-urlencoded"

Field = tuple[str, Any]


def uploaded(path: str, *fields: Field, general_rule: bool = False) -> UploadPayload:
    """The payload of a form in multipart, as urllib3 writes it: a value is a text, or a filename, a content and a type."""
    body, content_type = urllib3.encode_multipart_formdata(fields)
    assert takes_upload(path, content_type, general_rule=general_rule)
    payload = payload_of_upload(path, content_type, bytearray(body), general_rule=general_rule)
    assert payload
    return payload


def parsed(payload: UploadPayload | None) -> Any:
    assert payload
    return json.loads(b"".join(payload.pieces))


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# What becomes of fields


def test_a_transcription() -> None:
    payload = uploaded(
        SPEECH,
        ("file", ("größe.mp3", b"sound")),
        ("model", "whisper-1"),
        ("temperature", "0.20"),
        ("seed", "12345678901234567890"),
        ("stream", "True"),
        ("language", "123"),
        ("prompt", 'a "quoted"\r\nprompt'),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("include[]", "logprobs"),
        ("chunking_strategy", '{"type": "server_vad", "threshold": 1.50}'),
        ("something_new", "1"),
    )
    assert b"".join(payload.pieces).decode() == (
        '{"file": "c291bmQ=", "filename": "gr\\u00f6\\u00dfe.mp3", "model": "whisper-1", "temperature": 0.20, '
        '"seed": 12345678901234567890, "stream": true, "language": "123", "prompt": "a \\"quoted\\"\\r\\nprompt", '
        '"timestamp_granularities[]": ["word", "segment"], "include[]": ["logprobs"], '
        '"chunking_strategy": {"type": "server_vad", "threshold": 1.50}, "something_new": "1"}'
    )
    assert payload.streams
    assert payload.values["file"] == FileBrief(b"sound", 5)
    assert payload.values["filename"] == "größe.mp3"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "1e-3", 1e-3),
        ("temperature", "hot", "hot"),
        ("temperature", "", ""),
        ("temperature", "NaN", "NaN"),
        ("temperature", "0x1", "0x1"),
        ("temperature", "01", "01"),
        ("temperature", "1 ", "1 "),
        ("stream", "false", False),
        ("stream", "1", "1"),
        ("stream", "", ""),
        ("chunking_strategy", "auto", "auto"),
        ("chunking_strategy", ' ["a"]', ["a"]),
        ("chunking_strategy[type]", "server_vad", "server_vad"),
        ("known_speaker_names[]", "Anna", ["Anna"]),
        ("timestamp_granularities", "word", "word"),
        ("model", "5", "5"),
    ],
)
def test_a_field_has_the_type_that_the_route_knows(name: str, text: str, value: Any) -> None:
    assert parsed(uploaded(SPEECH, (name, text))) == {name: value}


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]", "image.0"])
def test_one_image_and_its_mask(name: str) -> None:
    form = parsed(uploaded(EDIT, (name, ("a.png", PNG)), ("mask", ("m.png", b"m")), ("prompt", "p"), ("n", "2")))
    assert form == {
        "image": b64(PNG),
        "filename": "a.png",
        "mask": b64(b"m"),
        "mask_filename": "m.png",
        "prompt": "p",
        "n": 2,
    }


@pytest.mark.parametrize("names", [("image", "image"), ("image[]", "image[]"), ("image[0]", "image[1]"), ("image", "image[]")])
def test_several_images(names: tuple[str, str]) -> None:
    form = parsed(uploaded(EDIT, (names[0], ("a.png", b"1")), ("prompt", "p"), (names[1], ("b.jpg", b"2"))))
    assert form == {"image": [b64(b"1"), b64(b"2")], "filename": ["a.png", "b.jpg"], "prompt": "p"}


def test_an_image_without_a_name_among_others_has_none() -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="image"; filename=""\r\n\r\n1\r\n'
        b'--B\r\nContent-Disposition: form-data; name="image"; filename="b.png"\r\n\r\n2\r\n--B--\r\n'
    )
    form = parsed(payload_of_upload(EDIT, "multipart/form-data; boundary=B", body))
    assert form == {"image": [b64(b"1"), b64(b"2")], "filename": [None, "b.png"]}


def test_a_url_in_place_of_an_image_stays_a_text() -> None:
    assert parsed(uploaded(EDIT, ("image", "data:image/png;base64,AAAA"))) == {"image": "data:image/png;base64,AAAA"}
    assert parsed(uploaded(EDIT, ("url[]", "https://x/a.png"))) == {"url[]": ["https://x/a.png"]}
    assert parsed(uploaded(EDIT, ("url", "https://x/a.png"))) == {"url": "https://x/a.png"}


def test_a_file_gets_a_name_that_a_worker_knows() -> None:
    form = parsed(uploaded(SPEECH, ("file", ("blob", b"...", "audio/webm"))))
    assert form["filename"] == "blob.webm"
    form = parsed(uploaded(EDIT, ("image[]", ("upload", PNG)), ("image[]", ("upload", b"\xff\xd8\xff"))))
    assert form["filename"] == ["upload.png", "upload.jpg"]


def test_a_video() -> None:
    form = parsed(
        uploaded(
            VIDEO,
            ("prompt", "a cat"),
            ("num_frames", "33"),
            ("seconds", "4"),
            ("input_reference", ("cat.png", PNG)),
            ("input_references", ("a.png", b"1")),
            ("input_references", ("b.wav", b"2")),
            ("image_reference", '[{"image_url": "https://x/a.png"}]'),
            ("video_noise_mask", ("m.json", b"{}")),
        )
    )
    assert form == {
        "prompt": "a cat",
        "num_frames": 33,
        "seconds": "4",
        "input_reference": b64(PNG),
        "input_reference_filename": "cat.png",
        "input_references": [b64(b"1"), b64(b"2")],
        "input_references_filename": ["a.png", "b.wav"],
        "image_reference": [{"image_url": "https://x/a.png"}],
        "video_noise_mask": b64(b"{}"),
        "video_noise_mask_filename": "m.json",
    }


def test_what_a_browser_sends_for_an_input_left_empty_is_left_out() -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="mask"; filename=""\r\nContent-Type: a/b\r\n\r\n\r\n--B--'
    assert parsed(payload_of_upload(EDIT, "multipart/form-data; boundary=B", body)) == {}


def test_the_charset_field_can_only_say_utf8() -> None:
    assert parsed(uploaded(SPEECH, ("_charset_", "UTF-8"), ("model", "ü"))) == {"model": "ü"}
    with pytest.raises(BadRequest, match="_charset_ is 'iso-8859-1'"):
        uploaded(SPEECH, ("_charset_", "iso-8859-1"))


@pytest.mark.parametrize("length", [0, 1, 2, 3, (3 << 18) - 1, 3 << 18, (3 << 18) + 1, 3 << 19])
def test_base64_in_pieces_is_base64(length: int) -> None:
    content = os.urandom(length)
    payload = uploaded(SPEECH, ("file", ("a.mp3", content)))
    assert base64.b64decode(parsed(payload)["file"], validate=True) == content
    assert max(map(len, payload.pieces)) <= 1 << 20


# The general rule


def test_another_route_is_left_alone_without_the_general_rule() -> None:
    assert not takes_upload(OTHER, "multipart/form-data; boundary=B")
    assert not takes_upload("/v1/chat/completions", FORM)
    assert takes_upload(OTHER, "multipart/form-data; boundary=B", general_rule=True)


@pytest.mark.parametrize(
    ("content_type", "takes"),
    [
        ("multipart/form-data; boundary=B", True),
        ("Multipart/Form-Data;boundary=B", True),
        ("multipart/form-data", True),
        (FORM, True),
        (f"{FORM}; charset=utf-8", True),
        ("multipart/mixed; boundary=B", False),
        ("application/json", False),
        ("audio/mpeg", False),
        ("", False),
    ],
)
def test_which_types_are_forms(content_type: str, takes: bool) -> None:
    for path in UPLOAD_ROUTES:
        assert takes_upload(path, content_type) is takes
    assert not takes_upload(SPEECH, content_type, "gzip")
    assert takes_upload(SPEECH, content_type, " Identity ") is takes


def test_the_general_rule() -> None:
    form = parsed(
        uploaded(
            OTHER,
            ("scan", ("a.tiff", b"1")),
            ("page", ("1.txt", b"2")),
            ("page", ("2.txt", b"3")),
            ("extra[]", ("x", b"4")),
            ("n", "1"),
            ("tag", "a"),
            ("tag", "b"),
            ("options", ("options.json", b"{}")),
            general_rule=True,
        )
    )
    assert form == {
        "scan": b64(b"1"),
        "scan_filename": "a.tiff",
        "page": [b64(b"2"), b64(b"3")],
        "page_filename": ["1.txt", "2.txt"],
        "extra[]": [b64(b"4")],
        "extra[]_filename": ["x"],
        "n": "1",
        "tag": ["a", "b"],
        "options": b64(b"{}"),
        "options_filename": "options.json",
    }


def test_a_part_that_says_it_is_json_is_json() -> None:
    head = b'--B\r\nContent-Disposition: form-data; name="options"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n'
    body = head + '\ufeff{"a": [1.0, "ü"]}'.encode() + b"\r\n--B--\r\n"
    payload = payload_of_upload(OTHER, "multipart/form-data; boundary=B", body, general_rule=True)
    assert payload
    assert b"".join(payload.pieces).decode() == '{"options": {"a": [1.0, "ü"]}}'
    with pytest.raises(BadRequest, match="field 'options' is not JSON"):
        payload_of_upload(OTHER, "multipart/form-data; boundary=B", head + b"{\r\n--B--\r\n", general_rule=True)


def test_a_route_with_files_takes_more_of_them_by_the_general_rule() -> None:
    fields = ("image", ("a.png", PNG)), ("markup", ("m.svg", b"<svg/>"))
    with pytest.raises(BadRequest, match="'markup' is a file, and this route has files in image and mask alone"):
        uploaded(EDIT, *fields)
    form = parsed(uploaded(EDIT, *fields, general_rule=True))
    assert (form["markup"], form["markup_filename"]) == (b64(b"<svg/>"), "m.svg")


# What is refused


@pytest.mark.parametrize(
    ("path", "fields", "says"),
    [
        (SPEECH, [("file", ("a.mp3", b"1")), ("file", ("b.mp3", b"2"))], "'file' holds one file, and came 2 times"),
        (VIDEO, [("source_video", ("a.mp4", b"1"))] * 2, "'source_video' holds one file"),
        (EDIT, [("mask", ("a.png", b"1"))] * 2, "'mask' holds one file"),
        (SPEECH, [("model", "a"), ("model", "b")], "'model' came 2 times, and holds one value"),
        (EDIT, [("image", ("a.png", b"1")), ("image", "data:")], "'image' is a file once and a text another time"),
        (SPEECH, [("model", ("a.txt", b"1"))], "'model' is a file, and this route has files in file alone"),
        (SPEECH, [("file", ("a.mp3", b"1")), ("filename", "b.mp3")], "form says 'filename' twice"),
        (SPEECH, [("filename", "b.mp3"), ("file", ("a.mp3", b"1"))], "form says 'filename' twice"),
        (SPEECH, [("model", b"\xff")], "'model' is no UTF-8 text"),
        (SPEECH, [("model", "a\0b")], "'model' is no UTF-8 text"),
        (SPEECH, [("vllm_xargs", "{")], "'vllm_xargs' is not JSON"),
        (SPEECH, [("vllm_xargs", "[" * 100_000)], "'vllm_xargs' is not JSON"),
        (VIDEO, [("image_reference", '{"a": NaN}')], "'image_reference' is not JSON"),
    ],
)
def test_what_a_route_has_no_place_for_is_refused(path: str, fields: list[Field], says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        uploaded(path, *fields)
    assert caught.value.status == 400


def test_a_text_where_a_file_belongs_is_told_how_to_become_one() -> None:
    with pytest.raises(BadRequest, match="'file' is no UTF-8 text") as caught:
        uploaded(SPEECH, ("file", b"\xff\xfb\x90"))
    assert caught.value.hint == "Send bytes as a file, with a filename."


def test_each_limit_has_an_error_of_its_own() -> None:
    largest = bytes(MAX_FILE)
    with pytest.raises(FileTooLarge, match="'image' is larger than 25 MiB") as file:
        uploaded(EDIT, ("image", ("a.png", largest + b"1")))
    with pytest.raises(UploadTooLarge, match="larger than 64 MiB") as upload:
        payload_of_upload(EDIT, "multipart/form-data; boundary=B", bytes(MAX_UPLOAD + 1))
    with pytest.raises(TooManyFiles, match="has 17 files, and a request can have 16") as files:
        uploaded(EDIT, *[("image", ("a.png", b"1"))] * (MAX_FILES + 1))
    errors = [caught.value for caught in (file, upload, files)]
    assert [error.status for error in errors] == [413] * 3
    assert [error.code for error in errors] == ["file_too_large", "upload_too_large", "too_many_files"]
    assert len(parsed(uploaded(EDIT, *[("image", ("a.png", b"1"))] * MAX_FILES))["image"]) == MAX_FILES
    assert uploaded(EDIT, ("image", ("a.png", largest))).values["image"].size == MAX_FILE


# URL-encoded forms


def test_a_url_encoded_form_has_the_same_types() -> None:
    body = urlencode([("prompt", "ü&"), ("n", "2"), ("stream", "true"), ("url[]", "https://x/a.png")]).encode()
    payload = payload_of_upload(EDIT, FORM, body)
    assert payload and payload.streams
    assert parsed(payload) == {"prompt": "ü&", "n": 2, "stream": True, "url[]": ["https://x/a.png"]}
    assert parsed(payload_of_upload(OTHER, FORM, b"a=1&b=x&b=y", general_rule=True)) == {"a": "1", "b": ["x", "y"]}
    assert parsed(payload_of_upload(EDIT, FORM, b"")) == {}


@pytest.mark.parametrize("body", [b'{"model": "a"}', b' \r\n\t{"a": 1}', b"[1]", b'{"a": '])
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=B"])
def test_json_by_the_wrong_name_stays_json(body: bytes, content_type: str) -> None:
    """``curl -d`` calls its JSON a form."""
    assert payload_of_upload(SPEECH, content_type, body) is None


names = st.sampled_from(["file", "image", "image[]", "mask", "model", "n", "stream", "lora", "filename", "a[]", "source_video"])
texts = st.sampled_from(["", "1", "true", "{}", "{", "[1]", "ü", "\0"]) | st.text(st.characters(exclude_categories=["Cs"]))
values = texts | st.tuples(texts, st.binary(max_size=20))


@settings(max_examples=500)
@given(st.sampled_from([*UPLOAD_ROUTES, OTHER]), st.lists(st.tuples(names, values), max_size=6), st.booleans())
def test_any_form_is_refused_or_whole(path: str, fields: list[Field], general_rule: bool) -> None:
    body, content_type = urllib3.encode_multipart_formdata(fields)
    if not takes_upload(path, content_type, general_rule=general_rule):
        return
    try:
        payload = payload_of_upload(path, content_type, body, general_rule=general_rule)
    except BadRequest as refusal:
        assert refusal.status in (400, 413)
        return
    form = parsed(payload)
    assert isinstance(form, dict)
    text = json.dumps(form)
    for _, value in fields:
        if isinstance(value, tuple) and (value[0] or value[1]):
            assert b64(value[1]) in text
