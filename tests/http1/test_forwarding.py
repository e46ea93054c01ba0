"""Which headers cross the proxy: all that belong to the message, in their order; none of the connection's, no secret."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.http1.fields import Fields, field_value
from vespa_client.http1.forwarding import COST_HEADER, ERROR_HEADER, answer_fields, describes_body, held_back
from vespa_client.http1.forwarding import worker_fields as fields_for_a_worker

some = settings(max_examples=200)

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]
SECRETS = [
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
    "X-Api-Key",
    "Api-Key",
    "x-goog-api-key",
    "Private-Token",
    "X-Authorization",
    "Set-Cookie2",
]
OF_THE_REQUEST = ["Host", "Content-Length", "Expect", "X-Serverless-Cost"]
END_TO_END = [
    "Accept",
    "Accept-Encoding",
    "Cache-Control",
    "OpenAI-Organization",
    "User-Agent",
    "X-Stainless-Lang",
    "anthropic-version",
    "traceparent",
    "TE2",
    "via",
]

spellings = st.sampled_from([str.lower, str.upper, str.title, str])
names = st.sampled_from(HOP_BY_HOP + SECRETS + OF_THE_REQUEST + END_TO_END + ["Content-Type", "ETag"])
field_lists = st.lists(
    st.tuples(st.builds(lambda name, spell: spell(name), names, spellings), st.text("abc, =", max_size=8)), max_size=20
)


def worker_fields(fields: Fields, forwarded: set[str] | None = None, *, envelope: bool) -> Fields:
    return fields_for_a_worker(fields, frozenset(forwarded or ()), envelope=envelope)


def named_by_connection(fields: Fields) -> set[str]:
    listed = [item.strip().lower() for name, value in fields if name.lower() == "connection" for item in value.split(",")]
    return set(listed) - {"", "content-type", "content-encoding"}


def lower(listed: list[str]) -> set[str]:
    return {name.lower() for name in listed}


@some
@given(field_lists)
def test_a_worker_gets_every_other_header_in_order_and_as_often_as_it_was_sent(fields: Fields) -> None:
    dropped = lower(HOP_BY_HOP + SECRETS + OF_THE_REQUEST) | named_by_connection(fields)
    assert worker_fields(fields, envelope=False) == [field for field in fields if field[0].lower() not in dropped]


@some
@given(field_lists)
def test_a_client_gets_every_other_header_in_order_and_as_often_as_it_was_sent(fields: Fields) -> None:
    dropped = lower(HOP_BY_HOP) | named_by_connection(fields) | {"content-length", ERROR_HEADER.lower(), "proxy-authorization"}
    assert answer_fields(fields) == [field for field in fields if field[0].lower() not in dropped]


# The official worker would read the envelope's UTF-8 by such a charset.
TYPES = ["text/plain", "application/json;charset=latin-1", "application/vnd.x+json", "multipart/form-data; boundary=x", ""]


@some
@given(field_lists, st.lists(st.sampled_from(TYPES), max_size=2))
def test_an_envelope_is_json_whatever_the_client_called_its_own(fields: Fields, kinds: list[str]) -> None:
    others = [(name, value) for name, value in fields if name.lower() not in ("content-type", "etag")]
    given = [*others, *(("Content-Type", kind) for kind in kinds)]
    assert worker_fields(given, envelope=True) == [*worker_fields(others, envelope=False), ("Content-Type", "application/json")]


OF_THE_BODY = [
    "Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "Content-Encoding", "Content-Language", "Content-Range",
    "Content-Location", "Content-Disposition", "Content-ID", "Content-Transfer-Encoding", "content_type", "Content_Encoding",
    "x-amz-content-sha256", "X-Amz-Checksum-CRC32", "X-Goog-Hash", "Last-Modified",
    "x-ms-content-sha256", "X-Content-SHA256", "x-ms-blob-content-md5", "X-Content-Digest", "X-Goog-Content-SHA256",
    "X-Amz-Decoded-Content-Length",
]  # fmt: skip
ASKED_OF_THE_ANSWER = [
    "X-Content-Type-Options",
    "Want-Content-Digest",
    "Want-Repr-Digest",
    "Want-Digest",
    "Accept-Language",
    "Range",
    "If-None-Match",
]


@pytest.mark.parametrize("name", OF_THE_BODY)
def test_what_was_said_of_the_clients_body_does_not_hold_for_the_envelope(name: str) -> None:
    fields = [(name, "a"), (name.upper(), "b"), ("Accept", "*/*")]
    assert worker_fields(fields, envelope=True) == [("Accept", "*/*"), ("Content-Type", "application/json")]
    assert worker_fields(fields, envelope=False) == fields
    assert describes_body(name)


@pytest.mark.parametrize("name", ASKED_OF_THE_ANSWER)
def test_what_is_asked_of_the_answer_is_not_about_the_body(name: str) -> None:
    assert worker_fields([(name, "a")], envelope=True)[0] == (name, "a")
    assert not describes_body(name)


def test_a_policy_of_content_is_not_about_the_body() -> None:
    assert not describes_body("Content-Security-Policy")
    assert not describes_body("content-security-policy-report-only")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_goes_to_no_worker_unless_it_is_named(name: str) -> None:
    fields = [(name, "a"), (name.upper(), "b"), ("Accept", "*/*")]
    assert worker_fields(fields, envelope=False) == [("Accept", "*/*")]
    assert worker_fields(fields, {name.lower()}, envelope=False) == fields
    others = {secret.lower() for secret in SECRETS} - {name.lower()}
    assert worker_fields(fields, others, envelope=False) == [("Accept", "*/*")]


def test_what_is_held_back_is_named_once_as_it_was_sent() -> None:
    fields = [("X-Goog-Api-Key", "a"), ("Accept", "*/*"), ("x-goog-api-key", "b"), ("COOKIE", "c"), ("Proxy-Authenticate", "d")]
    fields += [("Connection", "X-Hop-Token"), ("X-Hop-Token", "e"), ("Authorization", "f")]
    assert sorted(held_back(fields, frozenset({"authorization"}))) == ["COOKIE", "x-goog-api-key"]


@pytest.mark.parametrize("name", [*HOP_BY_HOP, *OF_THE_REQUEST])
def test_what_belongs_to_the_connection_cannot_be_let_through(name: str) -> None:
    assert worker_fields([(name, "x")], {name.lower()}, envelope=False) == []


@pytest.mark.parametrize("take", [answer_fields, lambda fields: worker_fields(fields, envelope=False)])
def test_headers_named_by_connection_end_with_it(take: object) -> None:
    fields = [("X-Hop", "1"), ("Connection", "close, X-Hop"), ("connection", "x-other"), ("X-OTHER", "2"), ("X-End", "3")]
    assert callable(take)
    assert take(fields) == [("X-End", "3")]


def test_connection_cannot_name_what_says_how_to_read_the_body() -> None:
    fields = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
        ("Connection", "Content-Type, content-encoding"),
    ]
    assert answer_fields(fields) == fields[:2]
    assert worker_fields(fields, envelope=False) == fields[:2]


def test_a_worker_cannot_pass_its_answer_off_as_the_proxys_own() -> None:
    assert answer_fields([(ERROR_HEADER.upper(), "no_worker_ready"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]) == [
        ("Set-Cookie", "a"),
        ("Set-Cookie", "b"),
    ]


def test_the_first_value_of_a_name_counts() -> None:
    fields = [("A", "1"), ("b", "2"), ("B", "3")]
    assert field_value(fields, "b") == "2"
    assert field_value(fields, "c") == ""
    assert COST_HEADER.lower() == COST_HEADER
