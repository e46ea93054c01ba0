"""The endpoint key in use: fetched, fetched again when it has been changed, and not more often than it should."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import pytest
import requests

from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.account.endpoint_key import EndpointKey
from vespa_client.account.lookup import open_console
from vespa_client.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleBusy,
    ConsoleError,
    EndpointNotFound,
    NetworkError,
    TwoFactorRequired,
    VespaError,
)
from vespa_client.sandbox import Sandbox
from vespa_client.settings.table import resolve

MARKED = "marked-key-0123456789"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_key(sandbox: Sandbox, clock: Clock) -> Any:
    """Makes endpoint keys for the sandbox's console; keywords are settings."""
    with ExitStack() as resources:

        def make(**given: str | None) -> EndpointKey:
            known: dict[str, str | None] = {
                "endpoint": sandbox.endpoints[0].name,
                "account_key": sandbox.account_key,
                "console_url": sandbox.console_url,
                **given,
            }
            settings = resolve(known)
            return EndpointKey(settings, resources.enter_context(open_console(settings)), clock)

        yield make


MakeKey = Callable[..., EndpointKey]


def asked(sandbox: Sandbox) -> int:
    """How often the console was asked."""
    return len(sandbox.console.requests)


def test_the_key_is_fetched_once(sandbox: Sandbox, make_key: MakeKey) -> None:
    endpoint_key = make_key()
    assert [endpoint_key.key() for _ in range(3)] == [sandbox.endpoints[0].api_key] * 3
    assert asked(sandbox) == 1


def test_a_key_that_was_given_is_not_fetched(sandbox: Sandbox, make_key: MakeKey) -> None:
    assert make_key(api_key=MARKED).key() == MARKED
    assert asked(sandbox) == 0


def test_a_failed_fetch_is_made_again(sandbox: Sandbox, make_key: MakeKey) -> None:
    sandbox.console.answer_with(500)
    endpoint_key = make_key()
    with pytest.raises(ConsoleError):
        endpoint_key.key()
    assert endpoint_key.key() == sandbox.endpoints[0].api_key


def test_an_unknown_endpoint_has_no_key(make_key: MakeKey) -> None:
    with pytest.raises(EndpointNotFound):
        make_key(endpoint="absent").key()


def test_without_an_account_there_is_no_key(make_key: MakeKey) -> None:
    with pytest.raises(ConfigurationError):
        make_key(account_key=None).key()


def test_a_changed_key_is_fetched_again(
    sandbox: Sandbox, make_key: MakeKey, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vespa_client")
    endpoint_key = make_key()
    old = endpoint_key.key()
    new = sandbox.console.rotate_key(sandbox.endpoints[0].name)
    clock.forward(3)
    assert endpoint_key.renew(old) == new
    assert endpoint_key.key() == new
    assert asked(sandbox) == 2
    assert "has changed; the new one is in use" in caplog.text


def test_who_comes_later_with_the_old_key_is_given_the_new_one(sandbox: Sandbox, make_key: MakeKey, clock: Clock) -> None:
    endpoint_key = make_key()
    old = endpoint_key.key()
    new = sandbox.console.rotate_key(sandbox.endpoints[0].name)
    clock.forward(3)
    endpoint_key.renew(old)
    clock.forward(1000)
    assert endpoint_key.renew(old) == new
    assert asked(sandbox) == 2


def test_all_who_wait_share_one_fetch(sandbox: Sandbox, make_key: MakeKey, clock: Clock) -> None:
    endpoint_key = make_key()
    old = endpoint_key.key()
    new = sandbox.console.rotate_key(sandbox.endpoints[0].name)
    clock.forward(3)
    found: list[str] = []
    together = threading.Barrier(16)

    def run() -> None:
        together.wait()
        found.append(endpoint_key.renew(old))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [new] * 16
    assert asked(sandbox) == 2


def test_a_key_of_a_moment_ago_may_not_have_reached_the_autoscaler_yet(
    sandbox: Sandbox, make_key: MakeKey, clock: Clock
) -> None:
    endpoint_key = make_key()
    key = endpoint_key.key()
    assert endpoint_key.renew(key) == key
    clock.forward(1.9)
    assert endpoint_key.renew(key) == key
    assert asked(sandbox) == 1
    clock.forward(0.2)
    with pytest.raises(AuthenticationError):
        endpoint_key.renew(key)
    assert asked(sandbox) == 2


def test_a_given_key_is_not_new_to_the_autoscaler(
    sandbox: Sandbox, make_key: MakeKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vespa_client")
    assert make_key(api_key=MARKED).renew(MARKED) == sandbox.endpoints[0].api_key
    assert asked(sandbox) == 1
    # It was the wrong one from the start, for all that is known.
    assert "was fetched with the account key, and is in use" in caplog.text
    assert "changed" not in caplog.text


def test_a_key_that_stays_refused_is_asked_for_in_growing_pauses(
    sandbox: Sandbox, make_key: MakeKey, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    endpoint_key = make_key()
    key = endpoint_key.key()
    clock.forward(10)
    fetched: list[float] = []
    begin = clock.now
    while clock.now < begin + 2000:
        before = asked(sandbox)
        with pytest.raises(AuthenticationError, match="401 Unauthorized"):
            endpoint_key.renew(key)
        if asked(sandbox) > before:
            fetched.append(clock.now - begin)
        clock.forward(1)
    assert fetched == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515, 1815]


def test_the_pauses_have_jitter(sandbox: Sandbox, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        ranges.append((low, high))
        return 1.0

    monkeypatch.setattr("random.uniform", uniform)
    endpoint_key = make_key(api_key=MARKED, account_key="wrong")
    with pytest.raises(AuthenticationError):
        endpoint_key.renew(MARKED)
    ((low, high),) = ranges
    assert low < 1.0 < high


def test_after_a_success_the_pauses_begin_anew(
    sandbox: Sandbox, make_key: MakeKey, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    endpoint_key = make_key(api_key=MARKED)
    sandbox.console.answer_with(500, times=3)
    for pause in (5, 10, 20):
        with pytest.raises(ConsoleError):
            endpoint_key.renew(MARKED)
        clock.forward(pause)
    key = endpoint_key.renew(MARKED)
    clock.forward(3)
    with pytest.raises(AuthenticationError):
        endpoint_key.renew(key)
    clock.forward(5)
    before = asked(sandbox)
    with pytest.raises(AuthenticationError):
        endpoint_key.renew(key)
    assert asked(sandbox) == before + 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "no", AuthenticationError),
        (403, "no", AuthenticationError),
        (401, "Two Factor Authentication", TwoFactorRequired),
        (429, "too many", ConsoleBusy),
        (500, "", ConsoleError),
        (200, "rubbish", ConsoleError),
        (200, '{"success": true, "results": [{"id": 1, "endpoint_name": "another"}]}', EndpointNotFound),
        (200, '{"success": true, "results": [{"id": 1, "endpoint_name": "sandbox-llm"}]}', ConsoleError),
    ],
)
def test_a_failed_renewal_says_why_and_says_the_same_until_the_next_one(
    sandbox: Sandbox, make_key: MakeKey, clock: Clock, status: int, body: str, kind: type[VespaError]
) -> None:
    endpoint_key = make_key(api_key=MARKED)
    sandbox.console.answer_with(status, body)
    said = []
    for _ in range(3):
        with pytest.raises(VespaError) as caught:
            endpoint_key.renew(MARKED)
        assert type(caught.value) is kind
        assert MARKED not in str(caught.value) + repr(caught.value) + caught.value.hint
        said.append((caught.value.message, caught.value.hint, caught.value.status))
        clock.forward(1)
    assert asked(sandbox) == 1
    assert len(set(said)) == 1
    clock.forward(5)
    assert endpoint_key.renew(MARKED) == sandbox.endpoints[0].api_key


def test_a_renewal_without_a_console_says_so(sandbox: Sandbox, make_key: MakeKey) -> None:
    endpoint_key = make_key(api_key=MARKED)
    sandbox.console.stop()
    for _ in range(2):
        with pytest.raises(NetworkError, match="connection refused"):
            endpoint_key.renew(MARKED)


def test_a_wrong_endpoint_key_without_an_account_is_a_401(sandbox: Sandbox, make_key: MakeKey) -> None:
    endpoint_key = make_key(api_key=MARKED, account_key=None)
    with pytest.raises(AuthenticationError) as caught:
        endpoint_key.renew(MARKED)
    assert caught.value.message == "401 Unauthorized"
    assert "--account-key" in caught.value.hint
    assert "autoscaler" in caught.value.hint
    # It was tried as an account's.
    assert asked(sandbox) == 1


def test_an_account_key_in_the_endpoint_keys_place_is_used_as_one(
    sandbox: Sandbox, make_key: MakeKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vespa_client")
    endpoint_key = make_key(api_key=sandbox.account_key, account_key=None)
    assert endpoint_key.key() == sandbox.account_key
    assert endpoint_key.renew(sandbox.account_key) == sandbox.endpoints[0].api_key
    messages = [record.getMessage() for record in caplog.records]
    assert "The key from --api-key or VAST_API_KEY is an account key, and is used as one." in messages
    assert "was fetched with the account key" in messages[-1]
    assert sandbox.account_key not in "\n".join(messages)


def ask(client: VastClient) -> requests.Response:
    return requests.get(f"{client.url}/v1/models", timeout=LONG)


def test_a_rotated_key_is_renewed_under_a_clients_request(sandbox: Sandbox, start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy()
    assert ask(client).status_code == 200
    sandbox.console.rotate_key(sandbox.endpoints[0].name)
    assert ask(client).status_code == 200
    assert asked(sandbox) == 2


def test_many_clients_share_the_renewal(sandbox: Sandbox, start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(api_key=MARKED)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(client).status_code)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 12
    assert asked(sandbox) == 1


def test_a_wrong_key_reaches_the_sdk_as_its_own_error_with_our_hint(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient]
) -> None:
    client = start_proxy(api_key=MARKED, account_key=None)
    with (
        openai.OpenAI(base_url=f"{client.url}/v1", api_key="not-used") as sdk,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        sdk.models.list()
    shown = str(caught.value)
    assert "401 Unauthorized" in shown
    assert "Use --account-key to auto-fetch the correct key" in shown
    assert MARKED not in shown + str(caught.value.body)
    assert caught.value.code == "authentication_failed"
    assert caught.value.response.headers["x-vespa-error"] == "authentication_failed"
    assert sandbox.worker.requests == []


def test_a_wrong_key_does_not_have_the_console_asked_at_each_request(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient]
) -> None:
    client = start_proxy(api_key=MARKED, account_key=None)
    assert [ask(client).status_code for _ in range(4)] == [401] * 4
    assert asked(sandbox) == 1


def test_a_busy_console_is_not_said_to_be_a_wrong_key(sandbox: Sandbox, start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(api_key=MARKED)
    sandbox.console.answer_with(429, "too many", times=None)
    answers = [ask(client) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503] * 2
    assert {answer.headers["X-Vespa-Error"] for answer in answers} == {"console_busy"}


def test_no_key_and_no_signature_is_logged_or_shown(
    sandbox: Sandbox, start_proxy: Callable[..., VastClient], caplog: pytest.LogCaptureFixture, own_home: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    client = start_proxy(debug=True, api_key=MARKED)
    secret_header = {"Authorization": "Bearer of-the-client-0815"}
    shown = [repr(client)]
    for url in ("/v1/models", "/v1/models?token=in-the-query-0815", "/no/such/page"):
        shown.append(requests.get(client.url + url, headers=secret_header, timeout=LONG).text)
    body = {"model": "x", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    requests.post(f"{client.url}/v1/chat/completions", json=body, headers=secret_header, timeout=LONG)
    old = [endpoint.api_key for endpoint in sandbox.endpoints]
    sandbox.console.rotate_key(sandbox.endpoints[0].name)
    requests.get(f"{client.url}/v1/models", headers=secret_header, timeout=LONG)
    sandbox.worker.stop()
    shown.append(requests.get(f"{client.url}/v1/models", timeout=LONG).text)
    client.stop()
    shown.append(repr(client))
    auth = [request.auth_data for request in sandbox.worker.requests]
    signatures = [str(item["signature"]) for item in auth if item]
    assert len(signatures) >= 4
    secrets = [MARKED, sandbox.account_key, *old, *(endpoint.api_key for endpoint in sandbox.endpoints)]
    secrets += [*signatures, *map(quote, signatures), *(quote(item, safe="") for item in signatures), "0815"]
    # Of the whole process: urllib3's records too. What the test's own requests log is not the package's.
    ours = [record for record in caplog.records if record.threadName != threading.main_thread().name]
    logged = "\n".join(f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in ours)
    assert "/v1/models" in logged
    for secret in secrets:
        assert secret not in logged
        assert all(secret not in text for text in shown)
