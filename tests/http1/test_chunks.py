"""The chunked coding (RFC 9112, 7.1): the same however it is cut, and refused where two could read it in two ways."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.chunks import ChunkedDecoder, encode_chunk, last_chunk
from vespa_client.http1.heads import MAX_HEAD
from vespa_client.http1.malformed import MessageError

some = settings(max_examples=200)

bodies = st.lists(st.binary(min_size=1, max_size=30), max_size=6)
extensions = st.sampled_from([b"", b";x", b";x=y", b' ; x="y z"', b"\t;\xc3\xa9"])
trailers = st.lists(st.sampled_from([b"X: y", b"Y:", b"Z: a\tb\xff"]), max_size=3)
cuts = st.lists(st.integers(0, 400), max_size=8)


def encode(pieces: Sequence[bytes], extension: bytes = b"", trailer: Sequence[bytes] = (), upper: bool = False) -> bytes:
    form = b"%X" if upper else b"%x"
    chunks = [form % len(piece) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces]
    return b"".join([*chunks, b"000", extension, b"\r\n", *(line + b"\r\n" for line in trailer), b"\r\n"])


def pieces_of(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def decode(parts: Sequence[bytes]) -> tuple[bytes, bytes] | str:
    """The body and the rest; ``refused`` or ``unfinished`` where there is no such thing."""
    decoder, body = ChunkedDecoder(), b""
    for number, part in enumerate(parts):
        try:
            body += decoder.feed(part)
        except MessageError:
            return "refused"
        if decoder.done:
            return body, decoder.rest + b"".join(parts[number + 1 :])
    return "unfinished"


@some
@given(bodies, extensions, trailers, st.booleans(), st.binary(max_size=20), cuts)
def test_a_chunked_body_is_the_same_however_it_is_cut(
    pieces: list[bytes], extension: bytes, trailer: list[bytes], upper: bool, after: bytes, places: list[int]
) -> None:
    wire = encode(pieces, extension, trailer, upper) + after
    assert decode(pieces_of(wire, places)) == (b"".join(pieces), after)
    assert decode([bytes([byte]) for byte in wire]) == (b"".join(pieces), after)


@some
@given(bodies, st.binary(max_size=10), cuts, st.data())
def test_a_damaged_chunked_body_comes_to_the_same_however_it_is_cut(
    pieces: list[bytes], after: bytes, places: list[int], data: st.DataObject
) -> None:
    wire = bytearray(encode(pieces) + after)
    wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    whole = decode([bytes(wire)])
    assert decode(pieces_of(bytes(wire), places)) == whole
    assert decode([bytes([byte]) for byte in wire]) == whole


@some
@given(bodies, cuts)
def test_h11_decodes_the_same_from_a_chunked_body(pieces: list[bytes], places: list[int]) -> None:
    peer = h11.Connection(h11.CLIENT)
    peer.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    peer.send(h11.EndOfMessage())
    peer.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + encode(pieces))
    theirs = b""
    while not isinstance(event := peer.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Data):
            theirs += event.data
    assert decode(pieces_of(encode(pieces), places)) == (theirs, b"")


@some
@given(bodies)
def test_what_is_encoded_here_is_decoded_here(pieces: list[bytes]) -> None:
    wire = b"".join(map(encode_chunk, pieces)) + last_chunk
    assert decode([wire]) == (b"".join(pieces), b"")


def test_each_byte_comes_out_as_soon_as_it_is_here() -> None:
    decoder = ChunkedDecoder()
    assert [decoder.feed(bytes([byte])) for byte in b"3\r\nabc\r\n"] == [b"", b"", b"", b"a", b"b", b"c", b"", b""]
    assert not decoder.done
    assert decoder.feed(b"2;x\r\nde") == b"de"


def test_what_came_before_the_malformed_bytes_is_not_lost() -> None:
    for wire in (b"3\r\nabc\r\n2\r\nde\r\nHTTP/1.1 500", b"5\r\nabcdeXX"):
        with pytest.raises(MessageError) as problem:
            ChunkedDecoder().feed(wire + b"\r\n")
        assert problem.value.decoded == b"abcde"


def test_a_chunk_that_is_huge_holds_nothing_back() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"FFFFFFFFFFFFFFFF\r\n") == b""
    assert decoder.feed(b"x" * 100_000) == b"x" * 100_000


BAD_CHUNKS = [
    b"\r\n",
    b"\n",
    b"x\r\n",
    b"g\r\n",
    b" 3\r\nabc\r\n",
    b"+3\r\nabc\r\n",
    b"-3\r\nabc\r\n",
    b"0x3\r\nabc\r\n",
    b"3_0\r\nabc\r\n",
    b"3 \r\nabc\r\n",
    b"3 0\r\nabc\r\n",
    b"3.\r\nabc\r\n",
    b"3\nabc\r\n",
    b"3\rabc\r\n",
    b"3;a\nb\r\nabc\r\n",
    b"3;a\rb\r\nabc\r\n",
    b"3;a\0\r\nabc\r\n",
    b"3;\x7f\r\nabc\r\n",
    b"3\r\nabc\n",
    b"3\r\nabcd\r\n",
    b"3\r\nabc\r\r\n",
    b"3\r\nabc\rx0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nab\r\n0\r\n\r\n",
    b"00000000000000003\r\nabc\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"\xd9\xa3\r\nabc\r\n",
    b"3\r\nabc\r\n0\n\n",
    b"0\r\n\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX: y\rZ: z\r\n\r\n",
    b"0\r\nX: \0\r\n\r\n",
    # What the official worker writes into its chunked body when its backend breaks (protocol.md).
    b"3\r\nabc\r\nHTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("wire", BAD_CHUNKS)
def test_a_chunked_body_of_another_form_is_refused_however_it_is_cut(wire: bytes) -> None:
    assert decode([wire]) == "refused"
    assert decode([bytes([byte]) for byte in wire]) == "refused"
    for place in range(1, len(wire)):
        assert decode([wire[:place], wire[place:]]) == "refused"


def test_a_line_without_an_end_is_not_waited_for_for_ever() -> None:
    assert decode([b"3;" + b"x" * 5000]) == "refused"
    assert decode([b"3;" + b"x" * 5000 + b"\r\nabc\r\n"]) == "refused"
    assert decode([b"3"] + [b";xxxxxxx"] * 5000) == "refused"


def test_trailers_have_a_limit_too() -> None:
    trailer = b"X: " + b"y" * 1000 + b"\r\n"
    few, many = b"0\r\n" + trailer * 10 + b"\r\n", b"0\r\n" + trailer * (MAX_HEAD // len(trailer) + 1) + b"\r\n"
    assert decode([few]) == (b"", b"")
    assert decode([many]) == decode(pieces_of(many, list(range(0, len(many), 777)))) == "refused"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"HTTP/1.1 500 Internal Server Error", "came the head of another answer, '500 Internal Server Error'"),
        (b"HTTP/1.0 502", "came the head of another answer, '502'"),
        (b"HTTP/1.1 500 \x1b[2J" + b"x" * 999, "came the head of another answer, '500 '"),
        (b"HTTP/2 500 x", "not a hexadecimal number"),
        (b"GET / HTTP/1.1", "not a hexadecimal number"),
        (b"five", "not a hexadecimal number"),
    ],
)
def test_what_stands_where_a_chunk_should_begin_is_said(line: bytes, said: str) -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(encode_chunk(b"half")) == b"half"
    with pytest.raises(MessageError, match=said):
        decoder.feed(line + b"\r\nContent-Length: 0\r\n\r\n")
