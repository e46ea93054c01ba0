"""The second wall: no secret gets through the logger, whoever logs it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from vespa_client import VastClient
from vespa_client.redaction import Redaction
from vespa_client.sandbox import Sandbox


def test_secrets_and_signatures_are_blotted_out() -> None:
    redaction = Redaction(["account-key-1", None, "abc"])
    redaction.add("key-no-2")
    text = 'account-key-1 abc key-no-2 {"signature": "c2lnbmF0dXJlLW9mLXRoaXM="} serverless_signature=c2lnbmF0dXJlLW9m%3D&x'
    clean = redaction.clean(text)
    assert clean == '[secret] abc [secret] {"signature": "[secret]"} serverless_signature=[secret]&x'


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
