"""What can be said of a client's request before anybody is asked to carry it out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vespa_client.errors import BadRequest, BodyTooLarge, MethodNotAllowed, UnsupportedBody
from vespa_client.http1.fields import ReceivedFields
from vespa_client.http1.framing import CHUNKED, NO_BODY, Framing
from vespa_client.http1.heads import RequestHead
from vespa_client.payload.cost import read_cost
from vespa_client.payload.worker_request import WorkerRequest
from vespa_client.server.request_head import METHODS, check_head, is_own_page
from vespa_client.settings.table import Settings

MAX_BODY = 1000
SETTINGS = Settings(max_body=MAX_BODY)


def head(method: str = "POST", target: str = "/v1/x", *fields: tuple[str, str]) -> RequestHead:
    return RequestHead(method, target, 1, ReceivedFields([*fields]))


# The cost


def test_without_a_header_the_cost_is_one() -> None:
    assert read_cost(ReceivedFields([("Accept", "5")])) == "1.0"


@pytest.mark.parametrize("text", ["0", "1", "500", "500.0", "0.5", "1e3", "1E+3", "12.50e-2", "0.0", "123456789012345678901"])
def test_the_cost_keeps_its_text(text: str) -> None:
    assert read_cost(ReceivedFields([("a", "b"), ("x-SERVERLESS-cost", text)])) == text


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "-1",
            "-0",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "0x10",
            "1_000",
            "1,5",
            "1 2",
            "NaN",
            "nan",
            "inf",
            "Infinity",
            "1e400",
        ],
        *["five", "null", "true", '"1"', "[1]", "\u0661", "\u00b2", "1\u00a0", "9" * 101, "1\r\nX: y"],
    ],
)
def test_what_is_no_number_from_0_on_is_a_400(text: str) -> None:
    with pytest.raises(BadRequest) as problem:
        read_cost(ReceivedFields([("X-Serverless-Cost", text)]))
    assert problem.value.status == 400
    assert "X-Serverless-Cost" in problem.value.message


def test_two_costs_are_a_400() -> None:
    with pytest.raises(BadRequest):
        read_cost(ReceivedFields([("X-Serverless-Cost", "1"), ("x-serverless-cost", "1")]))


@settings(max_examples=200)
@given(st.text("0123456789+-.eE_, xnaif", max_size=8))
def test_a_cost_is_taken_if_json_has_such_a_number(text: str) -> None:
    try:
        value = json.loads(text, parse_constant=lambda name: None)
        good = text == text.strip() and not text.startswith("-") and isinstance(value, int | float) and value < float("inf")
    except ValueError:
        good = False
    if good:
        assert read_cost(ReceivedFields([("X-Serverless-Cost", text)])) == text
    else:
        with pytest.raises(BadRequest):
            read_cost(ReceivedFields([("X-Serverless-Cost", text)]))


# The head


@pytest.mark.parametrize("method", METHODS)
def test_a_head_that_is_good_gives_the_cost(method: str) -> None:
    assert check_head(head(method, "/v1/x", ("X-Serverless-Cost", "7")), NO_BODY, SETTINGS) == "7"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "Post", "GETT"])
def test_a_method_that_no_worker_knows_is_a_405_with_those_they_do(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as problem:
        check_head(head(method), NO_BODY, SETTINGS)
    assert problem.value.status == 405
    assert tuple(problem.value.allow) == METHODS


@pytest.mark.parametrize("path", ["/_vespa", "/_vespa/", "/_vespa/status", "/_vespa/a/b", "/_vespa//"])
@pytest.mark.parametrize("query", ["", "?", "?a=/b"])
def test_the_proxys_own_pages_never_reach_the_endpoint(path: str, query: str) -> None:
    assert is_own_page(head(target=path + query).path)


@pytest.mark.parametrize("target", ["/", "/_vespas", "/_vesp", "/v1/_vespa/", "/?/_vespa/", "//_vespa/", "/_VESPA/", "*"])
def test_every_other_path_belongs_to_the_backend(target: str) -> None:
    assert check_head(head("OPTIONS", target), NO_BODY, SETTINGS) == "1.0"


@pytest.mark.parametrize(("length", "good"), [(0, True), (MAX_BODY, True), (MAX_BODY + 1, False), (10**17, False)])
def test_a_body_that_says_it_is_too_large_is_not_waited_for(length: int, good: bool) -> None:
    if good:
        check_head(head(), Framing("length", length), SETTINGS)
        return
    with pytest.raises(BodyTooLarge) as problem:
        check_head(head(), Framing("length", length), SETTINGS)
    assert problem.value.status == 413
    assert "--max-body" in problem.value.hint


def test_a_chunked_body_says_nothing_yet() -> None:
    check_head(head(), CHUNKED, Settings(max_body=0))


def test_a_bad_cost_is_said_before_the_body_is_read() -> None:
    with pytest.raises(BadRequest):
        check_head(head("POST", "/", ("X-Serverless-Cost", "lots")), CHUNKED, SETTINGS)


# The whole


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_request_with_a_body_has_it_as_its_payload(method: str) -> None:
    fields = [("Content-Type", "text/plain"), ("A", "1"), ("A", "2")]
    asked = WorkerRequest.read(head(method, "/v1/x?y", *fields), "2.50", bytearray(b' {"a": 1.0} '))
    assert asked == WorkerRequest(method, "/v1/x?y", fields, "2.50", (b' {"a": 1.0} ',), streams=False)
    assert WorkerRequest.read(head(method), "1.0", b"").payload == (b"{}",)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_for_the_query_has_no_payload_and_may_not_bring_one(method: str) -> None:
    assert WorkerRequest.read(head(method), "1.0", b"").payload == ()
    with pytest.raises(BadRequest) as problem:
        WorkerRequest.read(head(method), "1.0", b"{}")
    assert method in problem.value.message


def test_a_request_knows_whether_it_asks_for_a_stream() -> None:
    assert WorkerRequest.read(head(), "1", b'{"stream": true}').streams
    assert not WorkerRequest.read(head(), "1", b'{"stream": false}').streams
    assert not WorkerRequest.read(head("GET"), "1", b"").streams


def test_the_types_of_the_head_say_what_kind_of_error_a_body_is() -> None:
    with pytest.raises(UnsupportedBody):
        WorkerRequest.read(head("POST", "/", ("content-TYPE", "multipart/form-data; boundary=b")), "1", b"--b")
    with pytest.raises(UnsupportedBody):
        WorkerRequest.read(head("POST", "/", ("CONTENT-encoding", "gzip")), "1", b"{}")
    with pytest.raises(BadRequest):
        WorkerRequest.read(head("POST", "/"), "1", b"--b")


# What is streamed

STREAM = b'{"stream": true}'


@pytest.mark.parametrize(
    ("target", "body", "accept", "streams"),
    [
        ("/v1/chat/completions", STREAM, "application/json", True),
        ("/v1/x", STREAM, "", True),
        ("/v1/x", b"{}", "text/event-stream", False),
        ("/v1/x", b'{"stream": false}', "", False),
        ("/generate", STREAM, "*/*", True),
        ("/generate_stream", b"{}", "", True),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", b"{}", "", True),
        ("/v1beta/models/m:streamGenerateContent?a=b&alt=sse", b"{}", "", True),
        ("/v1beta/models/m:streamGenerateContent", b"{}", "", False),
        ("/api/chat", STREAM, "", False),
        ("/api/generate/", STREAM, "*/*", False),
        ("/ollama/api/pull", STREAM, "", False),
        ("/api/v1/chat/completions", STREAM, "", True),
        ("/v1/x", STREAM, "application/x-ndjson", False),
        ("/v1/x", STREAM, "application/jsonl, */*", False),
        ("/v1/x", STREAM, "application/x-ndjson, text/event-stream", True),
    ],
)
def test_an_event_stream_is_expected_where_one_was_asked_for(target: str, body: bytes, accept: str, streams: bool) -> None:
    asked = WorkerRequest.read(head("POST", target, ("Accept", accept)), "1", body)
    assert asked.streams is streams


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_a_body_is_for_no_stream(method: str) -> None:
    assert not WorkerRequest.read(head(method, "/v1/x?alt=sse"), "1", b"").streams


def test_an_uncoded_answer_is_asked_for_once_and_nothing_else_changes() -> None:
    fields = [("accept-encoding", "gzip"), ("A", "1"), ("Accept-Encoding", "br"), ("B", "2")]
    asked = WorkerRequest.read(head("POST", "/v1/x", *fields), "1", STREAM)
    assert asked.uncoded() == asked._replace(fields=[("A", "1"), ("B", "2"), ("Accept-Encoding", "identity")])


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("my-model", "my-model"),
        ("mod\u00e8le", "mod\u00e8le"),
        (r"mod\u00e8le", "mod\u00e8le"),
        ("mod\u00e8le-\U0001f600", "mod\u00e8le-\U0001f600"),
        (r"mod\u00e8le-\ud83d\ude00", "mod\u00e8le-\U0001f600"),
        (r"\u2028 \u00e9 and " + "\u00e8", "\u2028 \u00e9 and \u00e8"),
    ],
)
def test_a_model_s_name_is_what_it_means(written: str, model: str) -> None:
    body = f'{{"model": "{written}"}}'.encode()
    assert WorkerRequest.read(head(), "1.0", body).model == model
