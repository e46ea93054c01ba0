"""How the official OpenAI worker takes an upload (protocol.md), as payload classes for the ``vastai`` package.

That worker's template isn't on PyPI; the package it builds on is, and makes the backend's form out of what these say.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from vastai.serverless.server.lib.backend import Backend
from vastai.serverless.server.lib.data_types import ApiPayload, JsonDataException

__all__ = ["PAYLOADS", "Form", "form_of_body", "form_of_worker", "safe"]

Form = list[tuple[str, str | None, bytes]]
"""Name, filename and content of each field."""

AUDIO = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "ogg", "wav", "webm")
IMAGE = ("png", "jpg", "jpeg", "webp")
VIDEO = ("mp4", "mov", "webm")
# Field, name's field, name without one, extensions, whether it repeats.
FIELDS: Mapping[str, list[tuple[str, str, str, tuple[str, ...], bool]]] = {
    "/v1/audio/transcriptions": [("file", "filename", "audio.wav", AUDIO, False)],
    "/v1/audio/translations": [("file", "filename", "audio.wav", AUDIO, False)],
    "/v1/images/edits": [
        ("image", "filename", "image.png", IMAGE, True),
        ("mask", "mask_filename", "image.png", IMAGE, False),
    ],
    "/v1/videos/sync": [
        ("input_reference", "input_reference_filename", "image.png", IMAGE + VIDEO, False),
        ("input_references", "input_references_filename", "image.png", IMAGE + VIDEO + AUDIO, True),
        ("control_reference", "control_reference_filename", "image.png", IMAGE + VIDEO, False),
        ("source_video", "source_video_filename", "video.mp4", VIDEO, False),
        ("source_audio", "source_audio_filename", "audio.wav", AUDIO, False),
        ("video_noise_mask", "video_noise_mask_filename", "mask.json", ("json",), False),
        ("audio_noise_mask", "audio_noise_mask_filename", "mask.json", ("json",), False),
    ],
}
OBJECTS = ("image_reference", "video_reference", "audio_reference")


class _Upload(ApiPayload):
    """What all the routes with files do."""

    path = ""

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form

    @classmethod
    def for_test(cls) -> _Upload:
        """No benchmark is run."""
        raise NotImplementedError

    def generate_payload_json(self) -> dict[str, Any]:
        """The backend gets a form."""
        raise NotImplementedError

    def generate_payload_multipart(self) -> dict[str, Any]:
        """What the form is made of."""
        return self.form

    def count_workload(self) -> float:
        """As without a formula."""
        return 100.0

    @classmethod
    def from_json_msg(cls, json_msg: Any) -> _Upload:
        """Raises JsonDataException, a 422, where a field isn't what it has to be."""
        if not isinstance(json_msg, dict):
            raise JsonDataException({"payload": "must be an object"})
        fields = dict(json_msg)
        if cls.path == "/v1/videos/sync":
            for name in OBJECTS:
                if not isinstance(fields.get(name, {}), (dict, list)):
                    raise JsonDataException({name: "must be an object"})
                if isinstance(fields.get(name), list):
                    fields[name] = json.dumps(fields[name])
        form: dict[str, Any] = {}
        for name, name_field, default, extensions, repeats in FIELDS[cls.path]:
            value, filename = fields.pop(name, None), fields.pop(name_field, None)
            if value is None:
                continue
            if isinstance(value, list) and not repeats:
                raise JsonDataException({name: "one file"})
            values = value if isinstance(value, list) else [value]
            names = filename if isinstance(filename, list) else [filename]
            names += [None] * (len(values) - len(names))
            form[name] = [_part(name, *one, default, extensions) for one in zip(values, names, strict=True)]
        if cls.path.startswith("/v1/audio/") and "file" not in form:
            raise JsonDataException({"file": "missing"})
        return cls({**form, **fields})


def safe(filename: str) -> str:
    """The name that the backend sees."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", filename)


def _part(field: str, value: Any, filename: Any, default: str, extensions: tuple[str, ...]) -> tuple[str, bytes, str]:
    if not isinstance(value, str):
        raise JsonDataException({field: "must be base64"})
    name = safe(filename or default)
    if name.rpartition(".")[2].lower() not in extensions:
        raise JsonDataException({field: f"the type of {name!r} is unknown"})
    content = base64.b64decode(value, validate=True)
    if not content:
        raise JsonDataException({field: "empty"})
    return name, content, "application/octet-stream"


PAYLOADS: Mapping[str, type[_Upload]] = {
    path: type("Upload", (_Upload,), {"path": path, "__doc__": f"A body for {path}."}) for path in FIELDS
}


def form_of_worker(path: str, json_msg: Any) -> Form:
    """What the backend gets for that JSON, by the official worker's own code. Raises JsonDataException."""
    fields = PAYLOADS[path].from_json_msg(json_msg).generate_payload_multipart()

    async def written() -> tuple[str, bytes]:
        form = Backend._Backend__build_form_data(fields)()
        return form.content_type, await form.as_bytes()

    return form_of_body(*asyncio.run(written()))


def form_of_body(content_type: str, body: bytes) -> Form:
    """A multipart body, as the standard library's parser of mails reads it."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    assert message.is_multipart()
    form = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str) and isinstance(content, bytes)
        form.append((name, part.get_filename(), content))
    return form
