"""A form with files, turned into the JSON that the official worker takes on the routes that have files (protocol.md).

The worker makes a form of it again for its backend: numbers and booleans become text, a list becomes a field that
repeats, an object becomes JSON. So a field keeps its name as the client wrote it, ``timestamp_granularities[]`` too.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import BadRequest, FileTooLarge, TooManyFiles
from .envelope import JSONNumber, json_text
from .form import parse_form
from .json_body import check_body
from .media import START, FileBrief, fitting_filename
from .multipart import Part, parse_multipart, short
from .upload_routes import MAX_UPLOAD, UPLOAD_ROUTES, FileField, media_type, upload_too_large

__all__ = ["MAX_FILE", "MAX_FILES", "UploadPayload", "payload_of_upload"]

MAX_FILE = 25 * 1024 * 1024
MAX_FILES = 16
"""What the official worker bears, in bytes of a file, and in files: more is refused there with a 422."""

# What the routes' other fields are, where they aren't text, in OpenAI's API and in the engines that worker serves.
_NUMBERS = frozenset(
    {
        "boundary_ratio",
        "flow_shift",
        "fps",
        "frequency_penalty",
        "guidance_scale",
        "guidance_scale_2",
        "height",
        "length_penalty",
        "max_completion_tokens",
        "min_p",
        "n",
        "num_frames",
        "num_inference_steps",
        "num_outputs_per_prompt",
        "output_compression",
        "partial_images",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "strength",
        "temperature",
        "top_k",
        "top_p",
        "true_cfg_scale",
        "width",
    }
)
_BOOLEANS = frozenset(
    {
        "stream",
        "stream_continuous_usage_stats",
        "stream_include_usage",
        "use_beam_search",
    }
)
_OBJECTS = frozenset(
    {
        "audio_reference",
        "chunking_strategy",
        "extra_params",
        "image_reference",
        "lora",
        "video_reference",
        "vllm_xargs",
    }
)
_LISTS = frozenset(
    {
        "include",
        "known_speaker_names",
        "known_speaker_references",
        "timestamp_granularities",
        "url",
    }
)

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# image[], image[0] and image.0: so do SDKs write the members of a list.
_MEMBER = re.compile(r"(.+?)(?:\[[0-9]*\]|\.[0-9]+)")
# Three bytes are four characters; a mebibyte of those holds other threads up for half a millisecond.
_ENCODED_AT_ONCE = 3 << 18


class UploadPayload(NamedTuple):
    """A form as JSON, in pieces to be sent one after the other, and whether it says ``"stream": true``.

    ``values`` are what the JSON says, with a :class:`~.media.FileBrief` for each file: what its cost is estimated from.
    """

    pieces: tuple[bytes, ...]
    streams: bool
    values: Mapping[str, Any]


class _JSONText(JSONNumber):
    """Any JSON as its text, which :func:`json_text` leaves as it is."""

    __slots__ = ()


def payload_of_upload(
    path: str, content_type: str, body: bytes | bytearray, *, general_rule: bool = False
) -> UploadPayload | None:
    """The JSON for a body for which :func:`takes_upload` is true; None where it is JSON already, as ``curl -d`` sends it.

    A part with a filename is a file, and stands in the JSON as base64. On a route that is known to have files, each other
    field has the type that the route gives it. A file in a field that isn't known takes ``general_rule``: it becomes
    ``<field>``, its name ``<field>_filename``, and both are lists where it comes several times.

    Raises :class:`BadRequest`, and :class:`UploadTooLarge`, :class:`FileTooLarge` and :class:`TooManyFiles`.
    """
    if bytes(body[:64]).lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        return None
    if len(body) > MAX_UPLOAD:
        raise upload_too_large()
    is_multipart = media_type(content_type).startswith("multipart/")
    parts = parse_multipart(content_type, body) if is_multipart else parse_form(body)
    values = _values([part for part in parts if not _says_nothing(part)], UPLOAD_ROUTES.get(path, {}), general_rule)
    briefs = {name: _brief(value) for name, value in values.items()}
    return UploadPayload(tuple(_pieces(values)), values.get("stream") is True, briefs)


def _says_nothing(part: Part) -> bool:
    """Whether the part is what a browser sends for an input without a file, or the charset, which can only be UTF-8."""
    if part.name != "_charset_" or part.filename is not None:
        return part.filename == "" and not part.content
    if part.text().lower() != "utf-8":
        raise BadRequest(f"The form's _charset_ is {short(part.text())}.", hint="Send text as UTF-8.")
    return True


def _values(parts: Iterable[Part], fields: Mapping[str, FileField], general_rule: bool) -> dict[str, Any]:
    """What the form says, by the names it has in the JSON; a file is the view of its bytes."""
    values: dict[str, Any] = {}
    files = 0
    for name, group in _by_name(parts, fields).items():
        named = {part.filename is not None for part in group}
        if len(named) > 1:
            raise BadRequest(f"The form's field {short(name)} is a file once and a text another time.")
        if named == {False}:
            members = {name: _text_value(name, group, fields)}
        else:
            members = _file_members(name, _file_field(name, fields, general_rule), group)
            files += len(group)
        for member, value in members.items():
            if member in values:
                raise BadRequest(f"The form says {short(member)} twice: as a field, and as the name of a file.")
            values[member] = value
    if files > MAX_FILES:
        raise TooManyFiles(f"The form has {files} files, and a request can have {MAX_FILES}.")
    return values


def _by_name(parts: Iterable[Part], fields: Mapping[str, FileField]) -> dict[str, list[Part]]:
    groups: dict[str, list[Part]] = {}
    for part in parts:
        if len(part.content) > MAX_FILE:
            raise FileTooLarge(f"The form's field {short(part.name)} is larger than {MAX_FILE >> 20} MiB.")
        member = _MEMBER.fullmatch(part.name)
        name = member[1] if member and member[1] in fields else part.name
        groups.setdefault(name, []).append(part)
    return groups


def _file_field(name: str, fields: Mapping[str, FileField], general_rule: bool) -> FileField:
    if name in fields:
        return fields[name]
    if not general_rule:
        known = " and ".join(filter(None, (", ".join([*fields][:-1]), [*fields][-1])))
        raise BadRequest(
            f"The form's field {short(name)} is a file, and this route has files in {known} alone.",
            hint="Start the proxy with --multipart json if your worker takes it as base64 all the same.",
        )
    return FileField(f"{name}_filename", frozenset(), repeats=True)


def _file_members(name: str, field: FileField, parts: Sequence[Part]) -> dict[str, Any]:
    if len(parts) > 1 and not field.repeats:
        raise BadRequest(f"The form's field {short(name)} holds one file, and came {len(parts)} times.")
    filenames = [
        fitting_filename(part.filename, name, part.content_type, bytes(part.content[:START]), field.extensions)
        for part in parts
    ]
    is_list = len(parts) > 1 or name.endswith("[]")
    members: dict[str, Any] = {name: [part.content for part in parts] if is_list else parts[0].content}
    if any(filenames):
        members[field.name_field] = filenames if is_list else filenames[0]
    return members


def _text_value(name: str, parts: Sequence[Part], fields: Mapping[str, FileField]) -> Any:
    values = [_typed(name.removesuffix("[]"), part) if fields else _untyped(name, part) for part in parts]
    if name.endswith("[]") or (len(values) > 1 and _may_repeat(name, fields)):
        return values
    if len(values) > 1:
        raise BadRequest(f"The form's field {short(name)} came {len(values)} times, and holds one value.")
    return values[0]


def _may_repeat(name: str, fields: Mapping[str, FileField]) -> bool:
    return not fields or name in _LISTS or (name in fields and fields[name].repeats)


def _typed(name: str, part: Part) -> Any:
    """The value as the routes know it; as it came where it isn't what they know, for the backend to say so."""
    text = part.text()
    if name in _NUMBERS and _NUMBER.fullmatch(text):
        return JSONNumber(text)
    if name in _BOOLEANS and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if name in _OBJECTS and text.lstrip(" \t\r\n").startswith(("{", "[")):
        return _as_json(name, part)
    return _untyped(name, part)


def _untyped(name: str, part: Part) -> Any:
    return _as_json(name, part) if part.content_type == "application/json" else part.text()


def _as_json(name: str, part: Part) -> _JSONText:
    try:
        checked = check_body(bytes(part.content), part.content_type)
    except BadRequest as problem:
        raise BadRequest(f"The form's field {short(name)} is not JSON.", hint=problem.message) from problem
    return _JSONText(checked.json.decode())


def _pieces(values: Mapping[str, Any]) -> Iterator[bytes]:
    texts: list[str] = []
    for token in _tokens(values):
        if isinstance(token, str):
            texts.append(token)
            continue
        yield "".join(texts).encode()
        texts.clear()
        for start in range(0, len(token), _ENCODED_AT_ONCE):
            yield binascii.b2a_base64(token[start : start + _ENCODED_AT_ONCE], newline=False)
    yield "".join(texts).encode()


def _tokens(value: Any) -> Iterator[str | memoryview]:
    """The value as JSON, cut where a file is to stand as base64."""
    if isinstance(value, memoryview):
        yield '"'
        yield value
        yield '"'
    elif isinstance(value, dict):
        yield "{"
        for number, (name, member) in enumerate(value.items()):
            yield f"{', ' if number else ''}{json_text(name)}: "
            yield from _tokens(member)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, member in enumerate(value):
            yield ", " if number else ""
            yield from _tokens(member)
        yield "]"
    else:
        yield json_text(value)


def _brief(value: Any) -> Any:
    if isinstance(value, list):
        return [_brief(member) for member in value]
    return FileBrief(bytes(value[:START]), len(value)) if isinstance(value, memoryview) else value
