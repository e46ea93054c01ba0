"""What can be told of a media file without decoding it: the extension it should have, and how long a sound lasts."""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["START", "FileBrief", "audio_seconds", "fitting_filename"]

START = 4096
"""How many of a file's first bytes tell what it is."""

_SUBTYPES = {
    "flac": "flac",
    "jpeg": "jpg",
    "jpg": "jpg",
    "json": "json",
    "m4a": "m4a",
    "mp3": "mp3",
    "mp4": "mp4",
    "mpeg": "mp3",
    "ogg": "ogg",
    "opus": "ogg",
    "png": "png",
    "quicktime": "mov",
    "vnd.wave": "wav",
    "wav": "wav",
    "wave": "wav",
    "webm": "webm",
    "webp": "webp",
}
_MAGIC = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "wav"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"fLaC"), "flac"),
    (re.compile(rb"OggS"), "ogg"),
    (re.compile(rb"\x1a\x45\xdf\xa3"), "webm"),
    (re.compile(rb"....ftypqt", re.DOTALL), "mov"),
    (re.compile(rb"....ftyp", re.DOTALL), "mp4"),
    (re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"), "mp3"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
)

# Of what can't be told from its head, the official worker takes its extension's usual rate, in bytes a second.
_BYTES_A_SECOND = {"wav": 32_000, "flac": 12_000, "ogg": 8_000, "webm": 8_000}
_USUAL_BYTES_A_SECOND = 16_000


class FileBrief(NamedTuple):
    """A file's first bytes, at most :data:`START`, and its size in bytes."""

    start: bytes
    size: int

    @classmethod
    def from_base64(cls, text: str) -> FileBrief:
        """Of a file as base64, or as a ``data:`` URL of base64; an empty one where it is neither."""
        begin = text.find(",") + 1 if text[:5].lower() == "data:" else 0
        try:
            start = binascii.a2b_base64(text[begin : begin + START])
        except ValueError:
            return cls(b"", 0)
        return cls(start, (len(text) - begin) * 3 // 4)


def fitting_filename(name: str | None, field: str, content_type: str, start: bytes, extensions: Collection[str]) -> str | None:
    """The name for a file of that type and those first bytes, given to the worker, whose extension decides its type.

    A name whose extension is none of ``extensions`` gets one that fits: a browser's recording is called ``blob``, an SDK's
    bytes are ``upload``, and an ``.opus`` is an Ogg file. Without a name, it is called by its form field. Where nothing
    tells what it is, the name stays as it came.
    """
    if name and _extension(name) in extensions:
        return name
    subtype = content_type.partition("/")[2]
    candidates = [_SUBTYPES.get(subtype.removeprefix("x-"))]
    candidates += [extension for magic, extension in _MAGIC if magic.match(start)]
    fitting = next((candidate for candidate in candidates if candidate in extensions), None)
    return f"{name or field}.{fitting}" if fitting else name or None


def audio_seconds(file: FileBrief, filename: str) -> float:
    """How long the sound lasts: a WAV's head tells, of another file it is estimated from its size."""
    rate, size = _wav_rate_and_size(file)
    return size / (rate or _BYTES_A_SECOND.get(_extension(filename), _USUAL_BYTES_A_SECOND))


def _wav_rate_and_size(file: FileBrief) -> tuple[int, int]:
    """Bytes a second of a WAV, or 0, and how many bytes of the file are sound (RIFF, WAVE: "fmt " before "data")."""
    start, position, rate = file.start, 12, 0
    if not _MAGIC[0][0].match(start):
        return 0, file.size
    while position + 8 <= len(start):
        name, size = start[position : position + 4], int.from_bytes(start[position + 4 : position + 8], "little")
        position += 8
        if name == b"fmt " and position + 14 <= len(start):
            _, _, frames, _, frame_size = struct.unpack_from("<HHIIH", start, position)
            rate = frames * frame_size
        elif name == b"data":
            # A WAV that was streamed says that it is as large as can be.
            return rate, min(size, file.size - position)
        position += size + size % 2
    return rate, file.size


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""
