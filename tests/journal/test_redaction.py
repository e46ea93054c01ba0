"""The second wall: no secret gets through the logger, whoever logs it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
import requests

from vespa_client import VastClient, list_endpoints
from vespa_client.journal.redaction import Redaction
from vespa_client.sandbox import Request, Sandbox

from ..support.waiting import LONG


def test_secrets_and_signatures_are_blotted_out() -> None:
    redaction = Redaction(["account-key-1", None, "abc"])
    redaction.add("key-no-2")
    text = 'account-key-1 abc key-no-2 {"signature": "c2lnbmF0dXJlLW9mLXRoaXM="} serverless_signature=c2lnbmF0dXJlLW9m%3D&x'
    clean = redaction.clean(text)
    assert clean == '[secret] abc [secret] {"signature": "[secret]"} serverless_signature=[secret]&x'


@pytest.mark.parametrize("secrets", [["key-no-1", "key-no-1-and-more"], ["key-no-1-and-more", "key-no-1"]])
def test_of_two_secrets_of_which_one_begins_with_the_other_nothing_stays(secrets: list[str]) -> None:
    redaction = Redaction(secrets[:1])
    redaction.add(secrets[1])
    assert redaction.clean("it is key-no-1-and-more, or key-no-1") == "it is [secret], or [secret]"


@pytest.mark.parametrize("secret", ['key"with"quotes', "key'with'quotes", "key\\with\\strokes", "key'with\"all\\three"])
def test_a_secret_is_known_as_json_and_as_a_repr(secret: str) -> None:
    redaction = Redaction([secret])
    for shown in (secret, json.dumps({"a": secret}), repr(secret), f"{[secret]}", f"{json.dumps(secret)!s}"):
        clean = redaction.clean(shown)
        assert "[secret]" in clean
        assert "key" not in clean and "with" not in clean


def test_the_sandboxs_records_go_through_the_filter(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(request: Request) -> None:
        raise ValueError(f"over {request.header('authorization')}")

    client = start_proxy(wait=0)
    sandbox.autoscaler.answer_by(stumble)
    requests.get(f"{client.url}/v1/models", timeout=LONG)
    assert "over Bearer [secret]" in caplog.text
    assert sandbox.endpoints[0].api_key not in caplog.text


def test_a_list_of_endpoints_is_fetched_behind_the_filter(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("vespa_client")
    before = list(log.filters)

    def tell(request: Request) -> None:
        log.warning("here it is: %s", request.header("authorization"))

    sandbox.console.answer_by(tell)
    assert list_endpoints(sandbox.account_key, console_url=sandbox.console_url)
    assert "here it is: Bearer [secret]" in caplog.text
    assert sandbox.account_key not in caplog.text
    assert log.filters == before


def test_a_running_proxys_keys_cant_be_logged(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    start_proxy(proxy_key="key-of-the-proxy")
    secrets = [sandbox.account_key, sandbox.endpoints[0].api_key, "key-of-the-proxy"]
    log = logging.getLogger("vespa_client")
    for secret in secrets:
        log.warning("here it is: %s", secret)
        try:
            raise ValueError(secret)
        except ValueError:
            log.exception("and in a traceback")
    assert all(secret not in caplog.text for secret in secrets)
    assert caplog.text.count("[secret]") >= 2 * len(secrets)


def test_the_filter_goes_with_the_proxy(start_proxy: Callable[..., VastClient]) -> None:
    log = logging.getLogger("vespa_client")
    before = list(log.filters)
    start_proxy().stop()
    assert log.filters == before
