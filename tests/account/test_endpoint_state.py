"""Whether an endpoint can have workers: what the console says of it, and how seldom it is asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.account.test_endpoint_key import MARKED, Clock, asked, clock
from tests.support.waiting import LONG
from vespa_client.account.endpoint_key import EndpointKey
from vespa_client.account.endpoint_state import EndpointState
from vespa_client.account.lookup import open_console
from vespa_client.errors import EndpointStopped
from vespa_client.sandbox import Answer, Request, Sandbox
from vespa_client.settings.table import resolve

__all__ = ["clock"]


@pytest.fixture
def make_state(sandbox: Sandbox, clock: Clock) -> Any:
    """Makes what is asked for the sandbox's endpoint's state; keywords are settings."""
    with ExitStack() as resources:

        def make(**given: str | None) -> EndpointState:
            known: dict[str, str | None] = {
                "endpoint": sandbox.endpoints[0].name,
                "account_key": sandbox.account_key,
                "console_url": sandbox.console_url,
                **given,
            }
            settings = resolve(known)
            return EndpointState(settings, resources.enter_context(open_console(settings)), clock)

        yield make


MakeState = Callable[..., EndpointState]


@pytest.mark.parametrize("state", ["stopped", "Stopped "])
def test_a_stopped_endpoint_is_said_and_looked_at_once_a_minute(
    sandbox: Sandbox, make_state: MakeState, clock: Clock, state: str
) -> None:
    sandbox.endpoints[0].state = state
    watched = make_state(api_key=MARKED)
    for _ in range(3):
        with pytest.raises(EndpointStopped, match="is stopped"):
            watched.check()
    assert asked(sandbox) == 1
    sandbox.endpoints[0].state = "active"
    clock.forward(61)
    watched.check()
    assert asked(sandbox) == 2


def test_a_suspended_endpoint_has_workers_and_is_told_of_once(
    sandbox: Sandbox, make_state: MakeState, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sandbox.endpoints[0].state = "suspended"
    watched = make_state(api_key=MARKED)
    for _ in range(3):
        watched.check()
        clock.forward(61)
    assert caplog.text.count("suspended: its workers go on") == 1


@pytest.mark.parametrize("state", ["active", "running", "suspended", "a word of tomorrow", ""])
def test_any_other_state_is_no_reason_to_give_up(sandbox: Sandbox, make_state: MakeState, state: str) -> None:
    sandbox.endpoints[0].state = state
    make_state().check()


def test_a_state_that_cannot_be_had_is_no_reason_to_give_up(sandbox: Sandbox, make_state: MakeState) -> None:
    sandbox.console.answer_with(429, "too many", times=None)
    make_state(api_key=MARKED).check()
    make_state(api_key=MARKED, account_key=None).check()


def test_a_slow_look_at_the_state_holds_up_nobody_who_needs_the_key(sandbox: Sandbox, make_state: MakeState) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def slow(request: Request) -> Answer | None:
        arrived.set()
        assert go_on.wait(LONG)
        return None

    sandbox.console.answer_by(slow)
    watched = make_state(api_key=MARKED)
    looking = threading.Thread(target=watched.check)
    looking.start()
    try:
        assert arrived.wait(LONG)
        assert EndpointKey(watched._settings, watched._console).key() == MARKED
    finally:
        go_on.set()
        looking.join()
