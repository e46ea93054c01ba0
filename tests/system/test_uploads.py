"""Forms with files, and what requests are worth, through the official worker: what its backend and the autoscaler get."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import requests

from ..payload.test_media import wav
from ..support.official_worker import OfficialWorker, official
from ..support.waiting import LONG

__all__ = ["official"]

SPEECH, EDIT = "/v1/audio/transcriptions", "/v1/images/edits"
CHAT, COMPLETIONS, ECHO = "/v1/chat/completions", "/v1/completions", "/echo"
SOUND = wav(30.0)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HELLO: Any = [{"role": "user", "content": "Hello!"}]
MEBIBYTE = 1 << 20


@contextmanager
def openai_sdk(official: OfficialWorker, **settings: Any) -> Iterator[openai.OpenAI]:
    with (
        official.proxy(**settings) as proxy,
        openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client,
    ):
        yield client


def by_name(form: list[tuple[str, str | None, bytes]]) -> dict[str, list[tuple[str | None, bytes]]]:
    fields: dict[str, list[tuple[str | None, bytes]]] = {}
    for name, filename, content in form:
        fields.setdefault(name, []).append((filename, content))
    return fields


def test_a_transcription(official: OfficialWorker) -> None:
    official.answer_with(200, json.dumps({"text": "Good morning."}), path=SPEECH)
    with openai_sdk(official) as sdk:
        answer = sdk.audio.transcriptions.create(
            model="whisper-1", file=("morning.wav", SOUND), temperature=0.5, timestamp_granularities=["word"]
        )
    assert answer.text == "Good morning."
    (form,) = official.forms(SPEECH)
    fields = by_name(form)
    assert fields["file"] == [("morning.wav", SOUND)]
    assert fields["model"] == [(None, b"whisper-1")]
    assert fields["temperature"] == [(None, b"0.5")]
    assert fields["timestamp_granularities[]"] == [(None, b"word")]


def test_an_edited_image(official: OfficialWorker) -> None:
    picture = base64.b64encode(PNG).decode()
    official.answer_with(200, json.dumps({"created": 1, "data": [{"b64_json": picture}]}), path=EDIT)
    with openai_sdk(official) as sdk:
        answer = sdk.images.edit(
            model="m", image=[("a.png", PNG), ("b.png", PNG[::-1])], mask=("m.png", PNG), prompt="A cat", n=1
        )
    assert answer.data and answer.data[0].b64_json == picture
    fields = by_name(official.forms(EDIT)[0])
    assert fields["image"] == [("a.png", PNG), ("b.png", PNG[::-1])]
    assert fields["mask"] == [("m.png", PNG)]
    assert (fields["prompt"], fields["n"]) == ([(None, b"A cat")], [(None, b"1")])


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_with_a_form(official: OfficialWorker, tmp_path: Path) -> None:
    file = tmp_path / "a sound.wav"
    file.write_bytes(SOUND)
    official.answer_with(200, json.dumps({"text": "Good morning."}), path=SPEECH)
    with official.proxy() as proxy:
        command = ["curl", "-sS", "--noproxy", "*", f"{proxy.url}{SPEECH}", "-F", f"file=@{file}", "-F", "model=whisper-1"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONG).stdout
    assert json.loads(said) == {"text": "Good morning."}
    assert by_name(official.forms(SPEECH)[0])["file"] == [("a_sound.wav", SOUND)]


def test_what_the_worker_says_of_a_file_reaches_the_client(official: OfficialWorker) -> None:
    with openai_sdk(official) as sdk, pytest.raises(openai.UnprocessableEntityError) as caught:
        sdk.audio.transcriptions.create(model="whisper-1", file=("notes.txt", b"Good morning."))
    assert caught.value.body == {"payload": {"file": "the type of 'notes.txt' is unknown"}}


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("file_too_large", [("file", ("a.wav", bytes(25 * MEBIBYTE + 1)))]),
        ("upload_too_large", [("image", (f"{n}.png", bytes(22 * MEBIBYTE))) for n in range(3)]),
        ("too_many_files", [("image", (f"{n}.png", PNG)) for n in range(17)]),
    ],
)
def test_limits(official: OfficialWorker, code: str, files: Any) -> None:
    path = SPEECH if files[0][0] == "file" else EDIT
    with official.proxy() as proxy:
        answer = requests.post(f"{proxy.url}{path}", files=files, data={"model": "m"}, timeout=LONG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, code)
    assert not official.costs()


def test_other_routes_take_forms_where_that_is_asked_for(official: OfficialWorker) -> None:
    files = [("picture", ("a.png", PNG)), ("sound", ("b.wav", b"1")), ("sound", ("c.wav", b"2"))]
    with official.proxy() as proxy:
        refused = requests.post(f"{proxy.url}{ECHO}", files=files, timeout=LONG)
        assert (refused.status_code, refused.json()["error"]["code"]) == (415, "unsupported_body")
        assert "--multipart json" in refused.json()["error"]["hint"]
    assert not official.costs()
    with official.proxy(multipart="json") as proxy:
        answer = requests.post(f"{proxy.url}{ECHO}", files=files, data={"size": "large"}, timeout=LONG)
    assert answer.json()["payload"] == {
        "size": "large",
        "picture": base64.b64encode(PNG).decode(),
        "picture_filename": "a.png",
        "sound": ["MQ==", "Mg=="],
        "sound_filename": ["b.wav", "c.wav"],
    }


class TestCosts:
    """As the autoscaler hears them; the formulas are the official worker's (``payload/cost_estimate.py``)."""

    def test_without_a_word_it_is_one(self, official: OfficialWorker) -> None:
        with openai_sdk(official) as sdk:
            sdk.chat.completions.create(model="m", messages=HELLO, max_tokens=70)
        assert official.costs() == [1]

    def test_an_estimate(self, official: OfficialWorker) -> None:
        official.answer_with(200, json.dumps({"text": "Good morning."}), path=SPEECH)
        with openai_sdk(official, cost="auto") as sdk:
            sdk.chat.completions.create(model="m", messages=HELLO, max_tokens=70)
            sdk.completions.create(model="m", prompt="Hello!", max_tokens=30)
            sdk.embeddings.create(model="m", input="x" * 600)
            # As long as that of the worker's benchmark, which counts as 500.
            sdk.audio.transcriptions.create(model="m", file=("a.wav", SOUND))
        assert official.costs() == [70, 30, 500, pytest.approx(500, rel=0.01)]

    def test_the_header_wins(self, official: OfficialWorker) -> None:
        with openai_sdk(official, cost="auto") as sdk:
            sdk.chat.completions.create(model="m", messages=HELLO, max_tokens=70, extra_headers={"X-Serverless-Cost": "7.5"})
        assert official.costs() == [7.5]

    def test_a_number_of_ones_own(self, official: OfficialWorker) -> None:
        with openai_sdk(official, cost="42") as sdk:
            sdk.chat.completions.create(model="m", messages=HELLO, max_tokens=70)
        assert official.costs() == [42]

    def test_a_translated_request_counts_as_what_it_becomes(self, official: OfficialWorker) -> None:
        with openai_sdk(official, cost="auto", translate="always") as sdk:
            sdk.responses.create(model="m", input="Hello!", max_output_tokens=70)
            sdk.responses.create(model="m", input="Hello!")
            with anthropic.Anthropic(
                base_url=str(sdk.base_url).removesuffix("/v1/"), api_key="not-used", max_retries=0, timeout=LONG
            ) as claude:
                claude.messages.create(model="m", messages=HELLO, max_tokens=90)
        assert official.costs() == [70, 100, 90]
        (first, second, third) = official.payloads(CHAT)
        assert [first.get("max_tokens") or first.get("max_completion_tokens"), third["max_tokens"]] == [70, 90]
        assert not {"max_tokens", "max_completion_tokens"} & second.keys()

    def test_a_header_goes_with_a_request_that_is_translated_at_the_second_try(self, official: OfficialWorker) -> None:
        with openai_sdk(official, cost="auto") as sdk:
            sdk.responses.create(model="m", input="Hello!", extra_headers={"X-Serverless-Cost": "7.5"})
        assert official.costs() == [7.5, 7.5]
