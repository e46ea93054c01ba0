"""What SDKs and programs post, turned into JSON, and taken by the official worker's code: its backend gets the same form."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import requests
from vastai.serverless.server.lib.data_types import JsonDataException

from vespa_client.payload.upload import payload_of_upload
from vespa_client.payload.upload_routes import takes_upload

from ..support import javascript
from .received import Received, received
from .worker_uploads import Form, form_of_body, form_of_worker, safe

__all__ = ["node_modules", "received"]

node_modules = javascript.node_modules

# OpenAI's own service drops translations and variations; engines go on to serve them.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

SPEECH, EDIT, VIDEO = "/v1/audio/transcriptions", "/v1/images/edits", "/v1/videos/sync"
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(256))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def json_of(received: Received) -> Any:
    """The JSON that the worker gets."""
    assert takes_upload(received.path, received.content_type)
    payload = payload_of_upload(received.path, received.content_type, received.body)
    assert payload
    return json.loads(b"".join(payload.pieces))


def backend_form(received: Received) -> Form:
    """The form that the backend gets from the official worker."""
    return sorted(form_of_worker(received.path, json_of(received)))


def client_form(received: Received) -> Form:
    """The form that the client has sent, with the one name that the worker knows for images, and safe names for files."""
    form = form_of_body(received.content_type, received.body)
    return sorted((name.replace("image[]", "image"), filename and safe(filename), content) for name, filename, content in form)


@pytest.fixture
def sdk(received: Received) -> Any:
    with openai.OpenAI(base_url=f"{received.url}/v1", api_key="x", max_retries=0, timeout=30) as client:
        yield client


def transcribe(sdk: openai.OpenAI) -> None:
    sdk.audio.transcriptions.create(
        model="whisper-1",
        file=("größe.wav", WAV),
        language="de",
        prompt='Eine "Größe"',
        response_format="verbose_json",
        temperature=0.25,
        timestamp_granularities=["word", "segment"],
        include=["logprobs"],
        chunking_strategy={"type": "server_vad", "threshold": 0.5},
        extra_body={"seed": 7, "vllm_xargs": {"a": 1}},
    )


def translate(sdk: openai.OpenAI) -> None:
    sdk.audio.translations.create(model="whisper-1", file=("a.mp3", b"ID3..."), temperature=0)


def edit_one(sdk: openai.OpenAI) -> None:
    sdk.images.edit(
        model="m", image=("a.png", PNG), mask=("m.png", PNG), prompt="A cat", n=2, size="512x512", output_compression=50
    )


def edit_several(sdk: openai.OpenAI) -> None:
    sdk.images.edit(model="m", image=[("a.png", PNG), ("b.jpg", b"\xff\xd8\xff.")], prompt="ü" * 100, partial_images=1)


@pytest.mark.parametrize("call", [transcribe, translate, edit_one, edit_several])
def test_the_backend_gets_what_the_openai_sdk_sent(
    call: Callable[[openai.OpenAI], None], sdk: openai.OpenAI, received: Received
) -> None:
    call(sdk)
    assert backend_form(received) == client_form(received)


def test_numbers_and_booleans_are_such_in_between(sdk: openai.OpenAI, received: Received) -> None:
    transcribe(sdk)
    form = json_of(received)
    assert (form["temperature"], form["seed"]) == (0.25, 7)
    assert form["timestamp_granularities[]"] == ["word", "segment"]
    edit_one(sdk)
    form = json_of(received)
    assert (form["n"], form["output_compression"]) == (2, 50)
    with sdk.images.with_streaming_response.edit(model="m", image=PNG, prompt="p", stream=True) as answer:
        answer.read()
    payload = payload_of_upload(received.path, received.content_type, received.body)
    assert payload and payload.streams


def test_bytes_without_a_name_get_one_that_the_worker_knows(sdk: openai.OpenAI, received: Received) -> None:
    sdk.audio.transcriptions.create(model="m", file=WAV)
    assert ("file", "upload.wav", WAV) in backend_form(received)
    sdk.images.edit(model="m", image=io.BytesIO(PNG), prompt="p")
    assert ("image", "upload.png", PNG) in backend_form(received)


def test_a_variation_has_the_fields_of_an_edit(sdk: openai.OpenAI, received: Received) -> None:
    sdk.images.create_variation(image=("a.png", PNG), n=2, size="512x512")
    form = json_of(received)
    assert received.path == "/v1/images/variations"
    assert (form["filename"], form["n"], form["size"]) == ("a.png", 2, "512x512")


VIDEO_TEXTS = {
    "prompt": "a cat",
    "width": "832",
    "num_frames": "33",
    "guidance_scale": "4.5",
    "image_reference": '[{"image_url": "https://x/a.png"}]',
    "video_reference": '{"video_url": "https://x/a.mp4"}',
}


@pytest.mark.parametrize("library", [requests, httpx])
def test_the_backend_gets_the_video_that_was_asked_for(library: Any, received: Received) -> None:
    files = [
        ("input_reference", ("a.png", PNG)),
        ("input_references", ("b.png", PNG)),
        ("input_references", ("c.wav", WAV)),
        ("source_audio", ("d.wav", WAV)),
        ("video_noise_mask", ("e.json", b"{}")),
    ]
    library.post(received.url + VIDEO, data=VIDEO_TEXTS, files=files, timeout=30)
    assert json_of(received)["num_frames"] == 33
    assert backend_form(received) == client_form(received)


@pytest.mark.parametrize(
    ("path", "files"),
    [
        (SPEECH, {"file": ("a.txt", b"Hello")}),
        (SPEECH, {"file": ("a.wav", b"")}),
        (SPEECH, {"model": (None, b"m")}),
        (EDIT, {"image": ("a.gif", b"GIF89a")}),
    ],
)
def test_what_the_worker_refuses_is_the_workers_to_refuse(path: str, files: Any, received: Received) -> None:
    requests.post(received.url + path, files=files, timeout=30)
    with pytest.raises(JsonDataException):
        backend_form(received)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on this machine")
def test_the_backend_gets_what_curl_sent(received: Received, tmp_path: Path) -> None:
    sound = tmp_path / "a sound.wav"
    sound.write_bytes(WAV)
    form = ["-F", f"file=@{sound}", "-F", "model=m", "-F", "stream=true", "-F", "timestamp_granularities[]=word"]
    subprocess.run(["curl", "-sSf", "-o", "-", "--noproxy", "*", *form, received.url + SPEECH], check=True, timeout=30)
    assert json_of(received)["stream"] is True
    assert backend_form(received) == client_form(received)


def test_the_backend_gets_what_the_javascript_sdk_sent(node_modules: Path, received: Received) -> None:
    script = textwrap.dedent("""
        import OpenAI, { toFile } from "openai";
        const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "x", maxRetries: 0 });
        await client.images.edit({
            model: "m",
            prompt: "p",
            n: 2,
            image: [await toFile(Buffer.from("1"), "a.png"), await toFile(Buffer.from("2"), "ü.png", { type: "image/png" })],
        });
    """)
    program = node_modules / "upload.mjs"
    program.write_text(script)
    environment = {**javascript.ENVIRONMENT, "NO_PROXY": "127.0.0.1"}
    subprocess.run(["node", str(program), received.url], check=True, timeout=60, env=environment)
    assert json_of(received)["filename"] == ["a.png", "ü.png"]
    assert backend_form(received) == client_form(received)
