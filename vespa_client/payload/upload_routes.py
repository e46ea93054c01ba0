"""Which routes take a form with files, and which of its fields hold them (protocol.md). Pure.

By itself, since each request is looked at; what makes JSON of a form is loaded with the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import UploadTooLarge

__all__ = ["MAX_UPLOAD", "UPLOAD_ROUTES", "FileField", "media_type", "takes_upload", "upload_too_large"]

MAX_UPLOAD = 64 * 1024 * 1024
"""What the official worker bears, in bytes of a request: more is refused there with a 422."""

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

_AUDIO = frozenset({"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "ogg", "wav", "webm"})
_IMAGE = frozenset({"jpeg", "jpg", "png", "webp"})
_VIDEO = frozenset({"mov", "mp4", "webm"})
_JSON = frozenset({"json"})


class FileField(NamedTuple):
    """A field that holds files: the field for their names, the extensions it takes, and whether it may come several times."""

    name_field: str
    extensions: frozenset[str]
    repeats: bool = False


_SPOKEN = {"file": FileField("filename", _AUDIO)}
_EDITED = {"image": FileField("filename", _IMAGE, repeats=True), "mask": FileField("mask_filename", _IMAGE)}

UPLOAD_ROUTES: Mapping[str, Mapping[str, FileField]] = {
    "/v1/audio/transcriptions": _SPOKEN,
    "/v1/audio/translations": _SPOKEN,
    "/v1/images/edits": _EDITED,
    "/v1/images/variations": _EDITED,
    "/v1/videos/sync": {
        "input_reference": FileField("input_reference_filename", _IMAGE | _VIDEO),
        "input_references": FileField("input_references_filename", _IMAGE | _VIDEO | _AUDIO, repeats=True),
        "control_reference": FileField("control_reference_filename", _IMAGE | _VIDEO),
        "source_video": FileField("source_video_filename", _VIDEO),
        "source_audio": FileField("source_audio_filename", _AUDIO),
        "video_noise_mask": FileField("video_noise_mask_filename", _JSON),
        "audio_noise_mask": FileField("audio_noise_mask_filename", _JSON),
    },
}
"""The routes that are known to take files, and their fields that hold them."""


def takes_upload(path: str, content_type: str, content_encoding: str = "", *, general_rule: bool = False) -> bool:
    """Whether a body of this type is a form that is turned into JSON, unless it turns out to be JSON already.

    ``path`` is without its query. On routes that aren't known to have files, it takes ``general_rule``.
    """
    if not (general_rule or path in UPLOAD_ROUTES) or content_encoding.strip(" \t").lower() not in ("", "identity"):
        return False
    return media_type(content_type) in _FORMS


def media_type(content_type: str) -> str:
    """The type and subtype of a ``Content-Type`` in lower case, without its parameters."""
    return content_type.partition(";")[0].strip(" \t").lower()


def upload_too_large() -> UploadTooLarge:
    """The error for a form above :data:`MAX_UPLOAD`."""
    return UploadTooLarge(f"A form with its files is larger than {MAX_UPLOAD >> 20} MiB.")
