"""Content codings, undone as their bytes arrive."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.codings import ContentDecoder, codings_of
from vespa_client.http1.malformed import MessageError


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:]),
    "deflate": zlib.compress,
    "deflate, bare": raw_deflate,
}


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(list(PACK)), st.integers(1, 50))
def test_what_was_packed_comes_out_in_whatever_pieces_it_comes(data: bytes, way: str, step: int) -> None:
    packed = PACK[way](data)
    decoder = ContentDecoder([way.partition(",")[0]])
    got = b""
    for start in range(0, len(packed), step):
        got += b"".join(decoder.decode(packed[start : start + step]))
    assert got == data
    assert decoder.is_whole


@pytest.mark.parametrize("way", PACK)
def test_what_stops_half_way_is_not_whole(way: str) -> None:
    decoder = ContentDecoder([way.partition(",")[0]])
    assert decoder.is_whole
    list(decoder.decode(PACK[way](b"some text, some text")[:-2]))
    assert not decoder.is_whole


def test_an_event_comes_out_as_soon_as_it_has_come() -> None:
    packer = zlib.compressobj(wbits=31)
    decoder = ContentDecoder(["gzip"])
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        packed = packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.decode(packed)) == event


def test_a_bomb_comes_out_in_small_pieces() -> None:
    sizes = [len(piece) for piece in ContentDecoder(["gzip"]).decode(gzip.compress(bytes(50_000_000)))]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 65536


@pytest.mark.parametrize("codings", [["br"], ["zstd"], ["compress"], ["gzip", "gzip"], ["gzip", "br"], []])
def test_a_coding_that_can_not_be_undone_is_refused(codings: list[str]) -> None:
    with pytest.raises(MessageError, match="can't be undone"):
        ContentDecoder(codings)


@pytest.mark.parametrize("data", [b"plain text", b"\x1f\x8b\x08 and so on", gzip.compress(b"a", mtime=0) + b"behind"])
def test_what_is_not_in_its_coding_is_malformed(data: bytes) -> None:
    with pytest.raises(MessageError, match="not in the coding"):
        list(ContentDecoder(["gzip"]).decode(data))


def test_the_codings_of_all_lines_count_and_identity_is_none() -> None:
    assert codings_of([("content-encoding", "Identity"), ("A", "b")]) == []
    assert codings_of([("Content-Encoding", "GZIP, identity"), ("content-encoding", "br")]) == ["gzip", "br"]
