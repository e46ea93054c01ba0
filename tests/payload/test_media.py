"""What a file is called for a worker, and how long a sound lasts."""

from __future__ import annotations

import base64
import io
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.payload.media import START, FileBrief, audio_seconds, fitting_filename

AUDIO = frozenset({"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "ogg", "wav", "webm"})
IMAGE = frozenset({"jpeg", "jpg", "png", "webp"})
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def wav(seconds: float, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(int(seconds * rate) * channels * width))
    return file.getvalue()


def brief(content: bytes) -> FileBrief:
    return FileBrief(content[:START], len(content))


@pytest.mark.parametrize(
    ("name", "content_type", "start", "extensions", "expected"),
    [
        ("a.mp3", "audio/wav", b"RIFF\0\0\0\0WAVE", AUDIO, "a.mp3"),
        ("a.MP3", "", b"", AUDIO, "a.MP3"),
        # A browser's recording, an SDK's bytes, a messenger's voice.
        ("blob", "audio/webm", b"", AUDIO, "blob.webm"),
        ("upload", "application/octet-stream", b"ID3\x04", AUDIO, "upload.mp3"),
        ("upload", "application/octet-stream", PNG, IMAGE, "upload.png"),
        ("voice.oga", "audio/ogg", b"OggS", AUDIO, "voice.oga.ogg"),
        ("voice.opus", "application/octet-stream", b"OggS", AUDIO, "voice.opus.ogg"),
        ("a.", "audio/x-wav", b"", AUDIO, "a..wav"),
        (None, "audio/mp4", b"", AUDIO, "file.mp4"),
        ("", "image/jpeg", b"", IMAGE, "file.jpg"),
        ("a", "", b"\0\0\0\x18ftypM4A ", AUDIO, "a.mp4"),
        ("a", "", b"\0\0\0\x18ftypqt  ", frozenset({"mov", "mp4"}), "a.mov"),
        ("a", "", b"RIFF\n\n\n\nWEBPVP8 ", IMAGE, "a.webp"),
        ("a", "", b"\xff\xd8\xff\xe0", IMAGE, "a.jpg"),
        ("a", "audio/x-flac", b"", AUDIO, "a.flac"),
        # What it says it is isn't taken here, what it is is.
        ("a", "text/plain", b"fLaC", AUDIO, "a.flac"),
        # Nothing helps: the worker will say so.
        ("a.txt", "text/plain", b"Hello", AUDIO, "a.txt"),
        ("a.png", "image/png", PNG, AUDIO, "a.png"),
        (None, "", b"", AUDIO, None),
        ("", "", b"", AUDIO, None),
        ("a.tar.gz", "", b"OggS", frozenset(), "a.tar.gz"),
    ],
)
def test_a_name_fits_what_a_file_is(
    name: str | None, content_type: str, start: bytes, extensions: frozenset[str], expected: str | None
) -> None:
    assert fitting_filename(name, "file", content_type, start, extensions) == expected


@pytest.mark.parametrize("content", [wav(7.5), wav(7.5, 48_000, 2), wav(7.5, 8_000, 1, 1)])
def test_a_wav_says_how_long_it_is(content: bytes) -> None:
    assert audio_seconds(brief(content), "a.mp3") == pytest.approx(7.5)
    with wave.open(io.BytesIO(content)) as reader:
        assert audio_seconds(brief(content), "") == pytest.approx(reader.getnframes() / reader.getframerate())


def test_a_wav_with_other_chunks_before_its_data_says_so_too() -> None:
    content = wav(3)
    notes = b"LIST" + (5).to_bytes(4, "little") + b"notes\0"
    content = content[:36] + notes + content[36:]
    assert audio_seconds(brief(content), "") == pytest.approx(3)


def test_a_wav_that_was_streamed_is_as_long_as_it_came() -> None:
    content = wav(3)
    assert content[36:40] == b"data"
    streamed = content[:40] + b"\xff\xff\xff\xff" + content[44:]
    assert audio_seconds(brief(streamed), "") == pytest.approx(3)


def test_a_wav_whose_data_is_far_behind_is_estimated_by_its_own_rate() -> None:
    content = wav(3, 48_000)
    content = content[:36] + b"LIST" + (START).to_bytes(4, "little") + bytes(START) + content[36:]
    assert audio_seconds(brief(content), "") == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("a.mp3", 2), ("a.m4a", 2), ("a", 2), ("", 2), ("a.wav", 1), ("a.flac", 32 / 12), ("a.ogg", 4), ("a.WEBM", 4)],
)
def test_another_sound_is_estimated_from_its_size(name: str, seconds: float) -> None:
    assert audio_seconds(brief(bytes(32_000)), name) == pytest.approx(seconds)


def test_a_file_is_known_from_its_base64() -> None:
    content = wav(3)
    text = base64.b64encode(content).decode()
    for url in (text, "data:audio/wav;base64," + text, "DATA:audio/wav;base64," + text):
        found = FileBrief.from_base64(url)
        assert found.start == content[: len(found.start)]
        assert len(found.start) >= START // 2
        assert audio_seconds(found, "") == pytest.approx(3, rel=0.01)


wavs = st.binary(max_size=99).map(lambda rest: b"RIFF" + rest[:4].ljust(4) + b"WAVE" + rest)


@settings(max_examples=300)
@given(wavs | st.binary(max_size=60), st.text())
def test_no_bytes_are_too_odd(content: bytes, text: str) -> None:
    assert 0 <= audio_seconds(brief(content), text) <= len(content)
    assert FileBrief.from_base64(text).size >= 0
    fitting_filename(text, "file", text, content, AUDIO)
