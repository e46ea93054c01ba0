"""The account API: endpoints and their keys, and every way in which the console can fail."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vespa_client import Endpoint, fetch_endpoint_key, list_endpoints
from vespa_client.account.console import find_endpoint
from vespa_client.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleBusy,
    ConsoleError,
    EndpointNotFound,
    NetworkError,
    NoEndpoints,
    TwoFactorRequired,
    VespaError,
)
from vespa_client.sandbox import HangUp, Sandbox

MARKED = "marked-key-0123456789"
ROW = {"id": 7, "endpoint_name": "my-llm", "api_key": MARKED, "user_id": 1, "endpoint_state": "active"}


def endpoints_of(sandbox: Sandbox, account_key: str | None = None) -> list[Endpoint]:
    return list_endpoints(account_key or sandbox.account_key, console_url=sandbox.console_url)


def test_the_endpoints_come_in_the_consoles_order_with_state_and_key() -> None:
    with Sandbox(endpoints=("zebra", "aardvark", "moth")) as sandbox:
        sandbox.endpoints[1].state = "stopped"
        found = endpoints_of(sandbox)
        assert [(item.id, item.name, item.state) for item in found] == [
            (1, "zebra", "active"),
            (2, "aardvark", "stopped"),
            (3, "moth", "active"),
        ]
        assert [item.api_key for item in found] == [item.api_key for item in sandbox.endpoints]


def test_the_request_is_the_documented_one(sandbox: Sandbox) -> None:
    list_endpoints(sandbox.account_key, instance="alpha", console_url=sandbox.console_url)
    (request,) = sandbox.console.requests
    assert (request.method, request.target) == ("GET", "/api/v0/endptjobs/?autoscaler_instance=alpha")
    assert request.header("authorization") == f"Bearer {sandbox.account_key}"


def test_a_console_below_a_path_is_asked_there(sandbox: Sandbox) -> None:
    sandbox.console.answer_with(200, {"success": True, "results": []}, path="/mirror/api/v0/endptjobs/")
    assert list_endpoints(sandbox.account_key, console_url=sandbox.console_url + "/mirror/") == []


def test_the_endpoint_key_is_found_by_name(sandbox: Sandbox) -> None:
    for endpoint in sandbox.endpoints:
        key = fetch_endpoint_key(sandbox.account_key, endpoint.name, console_url=sandbox.console_url)
        assert key == endpoint.api_key


def test_seeds_call_works_as_written_there(sandbox: Sandbox) -> None:
    """seed.md: account_key, endpoint_name and instance by keyword."""
    key = fetch_endpoint_key(
        account_key=sandbox.account_key,
        endpoint_name=sandbox.endpoints[1].name,
        instance="prod",
        console_url=sandbox.console_url,
    )
    assert key == sandbox.endpoints[1].api_key


def test_the_endpoints_name_may_come_from_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_ENDPOINT", sandbox.endpoints[1].name)
    monkeypatch.setenv("VAST_ACCOUNT_KEY", sandbox.account_key)
    assert fetch_endpoint_key(console_url=sandbox.console_url) == sandbox.endpoints[1].api_key


def test_without_a_name_there_is_no_key(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="No endpoint was named"):
        fetch_endpoint_key(sandbox.account_key, console_url=sandbox.console_url)
    assert sandbox.console.requests == []


def failure(sandbox: Sandbox, status: int, body: Any, headers: dict[str, str] | None = None) -> VespaError:
    """What comes of that answer of the console."""
    sandbox.console.answer_with(status, body, headers or {})
    with pytest.raises(VespaError) as caught:
        endpoints_of(sandbox)
    assert sandbox.account_key not in str(caught.value) + repr(caught.value) + caught.value.hint
    assert caught.value.hint
    return caught.value


def test_a_wrong_key_is_a_401_with_a_hint_for_accounts(sandbox: Sandbox) -> None:
    with pytest.raises(AuthenticationError) as caught:
        endpoints_of(sandbox, MARKED)
    problem = caught.value
    assert type(problem) is AuthenticationError
    assert (problem.message, problem.status, problem.code) == ("401 Unauthorized", 401, "authentication_failed")
    assert "an account API key is required here" in problem.hint and "not account API key" not in problem.hint
    assert sandbox.console_url in problem.hint
    assert MARKED not in problem.hint + str(problem) + repr(problem)


def test_a_403_is_said_as_what_it_is(sandbox: Sandbox) -> None:
    problem = failure(sandbox, 403, {"success": False, "msg": "forbidden"})
    assert isinstance(problem, AuthenticationError)
    assert problem.message == "403 Forbidden"
    assert "401" not in problem.hint.replace(sandbox.console_url, "")
    assert "lack the right" in problem.hint


@pytest.mark.parametrize(
    "text", ["Two Factor Authentication required", "two-factor authentication is needed", "2FA required", "please: TWO FACTOR"]
)
@pytest.mark.parametrize("status", [401, 403])
def test_a_second_factor_is_no_wrong_key(sandbox: Sandbox, status: int, text: str) -> None:
    problem = failure(sandbox, status, {"success": False, "error": "auth_error", "msg": text})
    assert isinstance(problem, TwoFactorRequired)
    assert "two-factor" in problem.message
    assert "not wrong" in problem.hint


@pytest.mark.parametrize("body", ["API requests too frequent: endpoint threshold=1.5", "", {"error": "slow down"}])
def test_a_429_asks_for_patience(sandbox: Sandbox, body: Any) -> None:
    problem = failure(sandbox, 429, body, {"Content-Type": "text/plain"})
    assert isinstance(problem, ConsoleBusy)
    assert problem.status == 503
    assert "429" in problem.message
    assert "Wait a minute" in problem.hint


@pytest.mark.parametrize("status", [301, 404, 500, 502, 503])
def test_another_status_is_said(sandbox: Sandbox, status: int) -> None:
    problem = failure(sandbox, status, "<html>trouble</html>", {"Location": "https://elsewhere.invalid/"})
    assert type(problem) is ConsoleError
    assert str(status) in problem.message
    assert len(sandbox.console.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(sandbox: Sandbox) -> None:
    failure(sandbox, 302, b"", {"Location": f"{sandbox.autoscaler_url}/steal"})
    assert sandbox.autoscaler.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in to the network</html>",
        b"\xff\xfe\x00garbage",
        b'{"success": true, "results": [',
        b"null",
        b"[]",
        b'"results"',
        b'{"success": true}',
        b'{"success": true, "results": null}',
        b'{"success": true, "results": 5}',
        b'{"success": true, "results": ["my-llm"]}',
        b'{"success": true, "results": [{"id": 7}]}',
        b'{"success": true, "results": [{"endpoint_name": "my-llm"}]}',
        b'{"success": true, "results": [{"id": "x", "endpoint_name": "my-llm"}]}',
        b'{"success": true, "results": [{"id": 7, "endpoint_name": null}]}',
        b'{"success": true, "results": [{"id": 7, "endpoint_name": "my-llm", "api_key": "two\\r\\nlines"}]}',
        b'{"success": true, "results": [{"id": 7, "endpoint_name": "my-llm", "api_key": 5}]}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[-70:].decode("latin-1") or "empty",
)
def test_an_answer_that_is_no_list_of_endpoints_is_said(sandbox: Sandbox, body: bytes) -> None:
    problem = failure(sandbox, 200, body, {"Content-Type": "application/json"})
    assert type(problem) is ConsoleError
    assert "no list of endpoints" in problem.message
    assert "--console-url" in problem.hint


@pytest.mark.parametrize("results", [{"results": []}, {"results": None}, {}])
def test_success_false_is_a_failure(sandbox: Sandbox, results: dict[str, Any]) -> None:
    problem = failure(sandbox, 200, {"success": False, "msg": "no", **results})
    assert type(problem) is ConsoleError
    assert "failed" in problem.message


def test_the_content_type_does_not_matter(sandbox: Sandbox) -> None:
    sandbox.console.answer_with(200, json.dumps({"success": True, "results": [ROW]}), {"Content-Type": "text/html"})
    assert endpoints_of(sandbox) == [Endpoint(7, "my-llm", "active", MARKED)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"endpoint_state": None}, Endpoint(7, "my-llm", "", MARKED)),
        ({"endpoint_state": "a word of tomorrow"}, Endpoint(7, "my-llm", "a word of tomorrow", MARKED)),
        ({"api_key": None}, Endpoint(7, "my-llm", "active", None)),
        ({"api_key": ""}, Endpoint(7, "my-llm", "active", None)),
        ({"something": ["new"]}, Endpoint(7, "my-llm", "active", MARKED)),
    ],
)
def test_what_is_missing_or_new_in_a_row_does_no_harm(sandbox: Sandbox, change: dict[str, Any], expected: Endpoint) -> None:
    sandbox.console.answer_with(200, {"success": True, "results": [{**ROW, **change}]})
    assert endpoints_of(sandbox) == [expected]


def test_an_endpoint_without_a_key_is_said(sandbox: Sandbox) -> None:
    sandbox.console.answer_with(200, {"success": True, "results": [{**ROW, "api_key": None}]})
    with pytest.raises(ConsoleError, match="no key for the endpoint 'my-llm'"):
        fetch_endpoint_key(sandbox.account_key, "my-llm", console_url=sandbox.console_url)


def test_a_port_that_refuses_is_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(NetworkError) as caught:
        list_endpoints(MARKED, console_url=f"http://127.0.0.1:{port}")
    assert f"http://127.0.0.1:{port}" in caught.value.message
    assert "connection refused" in caught.value.message
    assert "--console-url" in caught.value.hint


def test_a_name_that_leads_nowhere_is_no_network() -> None:
    with pytest.raises(NetworkError) as caught:
        list_endpoints(MARKED, console_url="http://console.invalid")
    assert "its name can't be resolved" in caught.value.message
    assert MARKED not in repr(caught.value)


@pytest.mark.parametrize("name", ["x" * 64, "a..b"])
def test_a_name_that_is_none_is_no_network(name: str) -> None:
    with pytest.raises(NetworkError):
        list_endpoints(MARKED, console_url=f"http://{name}.invalid")


def test_a_console_that_speaks_no_http_is_said() -> None:
    with Speaking(b"SSH-2.0-OpenSSH_9.9\r\n\r\n") as url, pytest.raises(NetworkError, match="not HTTP"):
        list_endpoints(MARKED, console_url=url)


@pytest.mark.parametrize("reset", [False, True])
def test_a_console_that_hangs_up_is_said(sandbox: Sandbox, reset: bool) -> None:
    sandbox.console.hang_up(reset=reset)
    with pytest.raises(NetworkError):
        endpoints_of(sandbox)


@pytest.mark.parametrize("reset", [False, True])
def test_a_console_that_hangs_up_in_its_answer_is_said(sandbox: Sandbox, reset: bool) -> None:
    def pieces(request: object) -> Iterator[bytes]:
        yield b'{"success": true, "results": ['
        raise HangUp(reset)

    sandbox.console.answer_with(200, pieces)
    with pytest.raises(NetworkError, match="broke off"):
        endpoints_of(sandbox)


def test_no_key_is_in_a_record_or_a_repr(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = endpoints_of(sandbox)
    with pytest.raises(EndpointNotFound):
        fetch_endpoint_key(sandbox.account_key, "absent", console_url=sandbox.console_url)
    shown = "\n".join([repr(found), *(record.getMessage() for record in caplog.records)])
    assert "sandbox-llm" in shown
    for key in (sandbox.account_key, *(item.api_key for item in sandbox.endpoints)):
        assert key not in shown


def endpoint(name: str, state: str = "active", number: int = 1) -> Endpoint:
    return Endpoint(number, name, state, MARKED)


@pytest.mark.parametrize(
    ("typed", "near"),
    [("my-lm", "my-llm"), ("MY-LLM", "my-llm"), ("my-comfyui-endpoin", "my-comfyui-endpoint"), ("zzz", None)],
)
def test_an_unknown_name_suggests_the_near_one_and_lists_all(typed: str, near: str | None) -> None:
    with pytest.raises(EndpointNotFound) as caught:
        find_endpoint([endpoint("my-llm"), endpoint("my-comfyui-endpoint"), endpoint("my-llm")], typed)
    assert caught.value.message == f"Endpoint {typed!r} not found."
    assert caught.value.hint.endswith("Your endpoints: my-llm, my-comfyui-endpoint")
    assert ("Did you mean" in caught.value.hint) is (near is not None)
    if near:
        assert f"Did you mean {near!r}?" in caught.value.hint


def test_an_account_without_endpoints_is_said() -> None:
    with pytest.raises(NoEndpoints) as caught:
        find_endpoint([], "my-llm")
    assert "No endpoints found" in caught.value.message
    assert "https://console.vast.ai/endpoints" in caught.value.hint
    assert "--instance alpha" in caught.value.hint


def test_of_two_endpoints_of_a_name_the_active_one_is_meant() -> None:
    found = find_endpoint([endpoint("a", "stopped", 1), endpoint("a", "active", 2), endpoint("a", "active", 3)], "a")
    assert found.id == 2
    assert find_endpoint([endpoint("a", "stopped", 1), endpoint("a", "suspended", 2)], "a").id == 2
    assert find_endpoint([endpoint("a", "stopped", 1), endpoint("a", "stopped", 2)], "a").id == 1


class Speaking:
    """A listener that says the same to everybody. Its value in a with statement is its URL."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *ignored: object) -> None:
        self._thread.join()
        self._listener.close()

    def _speak(self) -> None:
        client = self._listener.accept()[0]
        with client:
            client.recv(65536)
            client.sendall(self._words)
            client.shutdown(socket.SHUT_WR)
            client.recv(1)


ODD_ROWS = [
    None,
    5,
    "my-llm",
    [],
    {},
    {**ROW, "endpoint_name": None},
    {**ROW, "endpoint_name": ""},
    {**ROW, "endpoint_name": " "},
    {**ROW, "endpoint_name": 5},
    {**ROW, "endpoint_name": ["my-llm"]},
    {**ROW, "api_key": "two\r\nlines"},
    {**ROW, "api_key": "schlüssel"},
    {**ROW, "api_key": 5},
    {**ROW, "api_key": 0},
    {**ROW, "api_key": []},
    {**ROW, "api_key": {"key": MARKED}},
    {**ROW, "id": None},
    {**ROW, "id": "x"},
    {**ROW, "id": True},
    {**ROW, "id": float("inf")},
    {**ROW, "endpoint_state": {"word": "active"}},
    {**ROW, "endpoint_state": 5},
    {**ROW, "endpoint_state": False},
    {"id": 7},
    {"endpoint_name": "my-llm"},
]


@pytest.mark.parametrize("row", ODD_ROWS, ids=repr)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_odd_row_costs_itself_and_not_the_list(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, row: Any, place: int
) -> None:
    caplog.set_level(logging.DEBUG, "vespa_client")
    rows: list[Any] = [{**ROW, "endpoint_name": "first"}, {**ROW, "endpoint_name": "second"}]
    rows.insert(place, row)
    sandbox.console.answer_with(200, {"success": True, "results": rows})
    assert [endpoint.name for endpoint in endpoints_of(sandbox)] == ["first", "second"]
    [line] = [record for record in caplog.records if "passed over" in record.getMessage()]
    assert line.levelno == logging.DEBUG
    assert line.getMessage().startswith(f"Row {place + 1} of the console's list of endpoints is passed over: ")
    assert MARKED not in caplog.text and "two" not in line.getMessage()


def test_a_list_without_a_row_is_an_empty_one(sandbox: Sandbox) -> None:
    sandbox.console.answer_with(200, {"success": True, "results": []})
    assert endpoints_of(sandbox) == []


@pytest.mark.parametrize("rows", ["abc", {"0": ROW}, {}, "", False])
def test_results_that_are_no_list_are_none(sandbox: Sandbox, rows: Any) -> None:
    problem = failure(sandbox, 200, {"success": True, "results": rows})
    assert "no list of endpoints" in problem.message
