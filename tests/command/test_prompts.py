"""The interactive set-up under a real terminal: the texts of seed.md, and each wrong answer asked again."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.command_line import (
    MARKED,
    NAMES,
    NO_ACCOUNT,
    PATIENCE,
    RULE,
    Process,
    Terminal,
    command,
    started,
    taken_port,
)
from tests.support.seed import free_ports
from tests.support.waiting import LONG
from vespa_client import VastClient
from vespa_client.sandbox import Endpoint, Request, Sandbox

BANNER = f"""\
{RULE}
  Vespa Client - Interactive Setup
{RULE}

"""
ASKS_FOR_THE_KEY = """\
First, we need your Vast.ai account API key.
(Get it from: https://console.vast.ai/account)

Enter account API key: """
ENDPOINTS = """\
Fetching your endpoints...

Available endpoints (3):
  1. my-llm-endpoint
  2. my-comfyui-endpoint
  3. test-endpoint

Select endpoint [1-3]: """


def fetched(name: str) -> str:
    return f"Fetching endpoint API key for '{name}'...\nSuccessfully retrieved endpoint API key\n\n"


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """seed.md's account: three endpoints."""
    with Sandbox(endpoints=NAMES, token_delay=0.0, worker_kind="vespa") as sandbox:
        yield sandbox


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    """Opens terminals. The program runs in another directory than the project's."""
    if os.name != "posix":
        pytest.skip("pseudo terminals are POSIX's")
    with contextlib.ExitStack() as opened:

        def open_one(sandbox: Sandbox | None, *arguments: str) -> Terminal:
            one = Terminal(command(sandbox, *arguments), tmp_path)
            opened.callback(one.child.close, force=True)
            return one

        yield open_one


class TestInteractiveSetUp:
    def test_it_is_the_one_of_the_seed(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account)
        it.type_key(account.account_key)
        it.expect("Select endpoint [1-3]: ")
        it.type("1")
        it.expect("Local proxy port [8010]: ")
        it.type("0")
        url = it.listening()
        assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
        it.expect("GET    /v1/models")
        assert it.interrupt() == 0
        shown = it.screen.replace(url.rpartition(":")[2], "PORT")
        setup, _, rest = shown.partition('api_key="not-used")\n\n')
        assert setup + 'api_key="not-used")\n\n' == (
            BANNER
            + ASKS_FOR_THE_KEY
            + "\n\n"
            + ENDPOINTS
            + "1\n\nLocal proxy port [8010]: 0\n\n"
            + fetched("my-llm-endpoint")
            + started("my-llm-endpoint")
        )
        assert rest.count("GET    /v1/models") == 1
        assert "Stopping" in rest
        assert account.account_key not in it.screen
        assert all(endpoint.api_key not in it.screen for endpoint in account.endpoints)

    def test_a_wrong_key_is_asked_again(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account)
        it.type_key(MARKED)
        it.expect("ERROR: 401 Unauthorized")
        it.expect("HINT: 401 Unauthorized usually means:")
        it.type_key("two words " + MARKED)
        it.expect("one word")
        it.type_key(account.account_key)
        it.expect("Available endpoints (3):")
        assert it.leave() == 130
        assert MARKED not in it.screen
        assert account.account_key not in it.screen

    def test_an_empty_key_is_asked_again_and_three_wrong_ones_are_enough(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account)
        it.type_key("")
        it.expect("The key is empty")
        for _ in range(3):
            it.type_key(MARKED)
            it.expect("ERROR: 401 Unauthorized")
        assert it.end() == 1
        assert NO_ACCOUNT in it.screen
        # It was typed, and for the account.
        assert "--account-key" not in it.screen and "not account API key" not in it.screen

    def test_wrong_choices_are_asked_again(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account, "--account-key", account.account_key)
        for wrong in ("0", "4", "-1", "1.0", "second", "", "99999999999999999999"):
            it.expect("Select endpoint [1-3]: ")
            it.type(wrong)
            it.expect("Please type a number from 1 to 3")
        it.type("2")
        it.expect("Local proxy port [8010]: ")
        it.type("0")
        it.expect("Starting proxy for: my-comfyui-endpoint")
        it.listening()
        assert it.interrupt() == 0

    def test_an_endpoint_may_be_chosen_by_its_name(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account, "--account-key", account.account_key, "--port", "0")
        it.expect("Select endpoint [1-3]: ")
        it.type("test-endpoint")
        it.expect("Starting proxy for: test-endpoint")
        it.listening()
        assert it.interrupt() == 0
        assert "Local proxy port" not in it.screen

    def test_a_taken_port_is_asked_again_with_a_free_one_offered(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account, "--account-key", account.account_key)
        it.expect("Select endpoint [1-3]: ")
        it.type("3")
        with taken_port() as taken:
            port = taken.getsockname()[1]
            for wrong in ("http", "65536", "-1"):
                it.expect("Local proxy port [8010]: ")
                it.type(wrong)
                it.expect("a port is a number from 0 to 65535")
            it.expect("Local proxy port [8010]: ")
            it.type(str(port))
            it.child.expect(rf"Port {port} is taken by another program; (\d+) is free\.")
            free = it.child.match[1]
            assert int(free) > port
            it.expect("Local proxy port [8010]: ")
            it.type(free)
            assert it.listening() == f"http://127.0.0.1:{free}"
        assert it.interrupt() == 0

    def test_a_port_of_a_proxy_like_this_one_is_said_to_be(self, account: Sandbox, terminal: Any) -> None:
        with VastClient(sandbox=True, port=0) as other:
            port = other.url.rpartition(":")[2]
            it = terminal(account, "--account-key", account.account_key)
            it.expect("Select endpoint [1-3]: ")
            it.type("3")
            it.expect("Local proxy port [8010]: ")
            it.type("abc")
            it.expect("'abc': a port is a number from 0 to 65535 (0 takes any free one).")
            it.expect("Local proxy port [8010]: ")
            it.type(port)
            it.expect(f"Port {port} is taken by another proxy of vespa_client's; ")
            it.expect("Local proxy port [8010]: ")
            assert it.leave() == 130
        assert "--port" not in it.screen

    def test_a_host_that_is_none_is_no_taken_port(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account, "--account-key", account.account_key, "--host", "nowhere.invalid")
        it.expect("Select endpoint [1-3]: ")
        it.type("1")
        it.expect("Local proxy port [8010]: ")
        it.type("")
        assert it.end() == 2
        assert "--host 'nowhere.invalid' can't be listened on" in it.screen

    def test_one_endpoint_only_is_shown_all_the_same(self, terminal: Any) -> None:
        with Sandbox(endpoints=("the-only-one",)) as account:
            it = terminal(account, "--port", "0")
            it.type_key(account.account_key)
            it.expect("Available endpoints (1):\r\n  1. the-only-one\r\n\r\nSelect endpoint [1-1]: ")
            it.type("1")
            it.expect("Starting proxy for: the-only-one")
            it.listening()
            assert it.interrupt() == 0

    def test_with_a_key_at_hand_the_only_endpoint_is_taken_without_a_question(self, terminal: Any) -> None:
        with Sandbox(endpoints=("the-only-one",)) as account:
            [port] = free_ports(1)
            it = terminal(account, "--account-key", account.account_key, "--port", str(port))
            it.expect("Available endpoints (1):\r\n  1. the-only-one\r\n\r\nIt is the only one, and is taken.\r\n")
            it.expect("Starting proxy for: the-only-one")
            it.listening()
            it.expect("Next time, without questions:")
            assert it.interrupt() == 0
        assert "Select endpoint" not in it.screen and "Local proxy port" not in it.screen

    def test_an_endpoints_name_moves_no_cursor_and_forges_no_line(self, account: Sandbox, terminal: Any) -> None:
        account.console.endpoints = [Endpoint(1, "one\x1b[2J\n  2. forged\u202e", "key-of-the-endpoint")]
        shown = "one\\x1b[2J\\n  2. forged\\u202e"
        it = terminal(account, "--port", "0")
        it.type_key(account.account_key)
        it.expect(f"Available endpoints (1):\r\n  1. {shown}\r\n\r\nSelect endpoint [1-1]: ")
        it.type("1")
        it.expect(f"Fetching endpoint API key for '{shown}'...\r\n")
        it.expect(f"Starting proxy for: {shown}\r\n")
        it.listening()
        it.expect("[y/N]: ")
        assert it.interrupt() == 0
        assert "\x1b" not in it.screen and "\u202e" not in it.screen

    def test_no_endpoint_at_all_is_said(self, terminal: Any) -> None:
        with Sandbox(endpoints=()) as account:
            it = terminal(account)
            it.type_key(account.account_key)
            assert it.end() == 1
        assert "ERROR: No endpoints found on this account." in it.screen
        assert "https://console.vast.ai/endpoints" in it.screen

    def test_a_known_key_is_not_asked_for(self, account: Sandbox, terminal: Any, own_home: Path) -> None:
        path = own_home / ".vast_api_key"
        path.write_text(account.account_key)
        path.chmod(0o600)
        it = terminal(account)
        it.expect(f"Using the account API key from {path}.")
        it.expect("Select endpoint [1-3]: ")
        assert it.leave() == 130
        assert "First, we need" not in it.screen

    def test_a_named_endpoint_is_not_asked_for(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account, "--endpoint", "test-endpoint", "--port", "0")
        it.type_key(account.account_key)
        it.expect("Starting proxy for: test-endpoint")
        it.listening()
        assert it.interrupt() == 0
        assert "Select endpoint" not in it.screen

    def test_an_endpoint_key_is_not_taken_for_the_accounts(
        self, account: Sandbox, terminal: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VAST_API_KEY", account.endpoints[0].api_key)
        it = terminal(account)
        it.expect("ERROR: 401 Unauthorized")
        it.type_key(account.account_key)
        it.expect("Select endpoint [1-3]: ")
        assert it.leave() == 130

    def test_an_account_key_in_vast_api_key_is_used_as_one(
        self, account: Sandbox, terminal: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VAST_API_KEY", account.account_key)
        it = terminal(account, "--port", "0")
        it.expect("Using the account API key from --api-key or VAST_API_KEY.")
        it.expect("Select endpoint [1-3]: ")
        it.type("1")
        url = it.listening()
        assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
        assert it.interrupt() == 0

    @pytest.mark.parametrize("prompt", ["key", "endpoint", "port"])
    @pytest.mark.parametrize("way", ["ctrl-c", "end of input"])
    def test_each_question_can_be_left(self, account: Sandbox, terminal: Any, prompt: str, way: str) -> None:
        it = terminal(account, *(() if prompt == "key" else ("--account-key", account.account_key)))
        if prompt == "key":
            it.expect("Enter account API key: ")
            assert it.child.waitnoecho(PATIENCE)
        else:
            it.expect("Select endpoint [1-3]: ")
            if prompt == "port":
                it.type("1")
                it.expect("Local proxy port [8010]: ")
        if way == "ctrl-c":
            assert it.leave() == 130
            assert "Interrupted." in it.screen
        else:
            it.child.sendeof()
            assert it.end() == 1
            assert "The input ended before the set-up was complete." in it.screen

    def test_ctrl_c_while_the_console_is_asked_ends_it(self, account: Sandbox, terminal: Any) -> None:
        arrived, go_on = threading.Event(), threading.Event()

        def slow(request: Request) -> None:
            arrived.set()
            go_on.wait(LONG)

        account.console.answer_by(slow)
        it = terminal(account, "--list", "--account-key", account.account_key)
        try:
            assert arrived.wait(PATIENCE)
            assert it.leave() == 130
        finally:
            go_on.set()


class TestNextTime:
    def type_all(self, it: Any, account: Sandbox, endpoint: str = "1") -> str:
        it.type_key(account.account_key)
        it.expect("Select endpoint [1-3]: ")
        it.type(endpoint)
        it.expect("Local proxy port [8010]: ")
        it.type("0")
        url: str = it.listening()
        it.expect("Next time, without questions:\r\n    ")
        return url

    @pytest.mark.parametrize("answer", ["y", "yes", "Y"])
    def test_the_key_is_kept_and_the_command_works(self, account: Sandbox, terminal: Any, own_home: Path, answer: str) -> None:
        it = terminal(account)
        self.type_all(it, account)
        it.child.expect(r"(python -m vespa_client [^\r]+)\r\n")
        shown = it.child.match[1]
        path = own_home / ".vast_api_key"
        assert not path.exists()
        it.expect("readable by you alone? [y/N]: ")
        it.type(answer)
        it.expect(f"Kept in {path}.")
        assert it.interrupt() == 0
        assert path.read_text() == f"{account.account_key}\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert account.account_key not in it.screen
        with Process([sys.executable, *shlex.split(shown)[1:]]) as again:
            assert requests.get(f"{again.listening()}/v1/models", timeout=LONG).status_code == 200

    @pytest.mark.parametrize("answer", ["", "n", "no", "perhaps"])
    def test_anything_else_keeps_nothing(self, account: Sandbox, terminal: Any, own_home: Path, answer: str) -> None:
        it = terminal(account)
        self.type_all(it, account)
        it.expect("[y/N]: ")
        it.type(answer)
        it.expect("Not kept.")
        it.expect("VAST_ACCOUNT_KEY")
        assert it.interrupt() == 0
        assert not (own_home / ".vast_api_key").exists()

    def test_it_serves_while_it_asks_and_ends_without_an_answer(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account)
        url = self.type_all(it, account)
        it.expect("[y/N]: ")
        assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
        it.child.expect(r"GET +/v1/models [^\n]*200")
        assert it.interrupt() == 0
        assert "Stopping" in it.screen

    def test_the_end_of_the_input_is_a_no_and_not_the_end(self, account: Sandbox, terminal: Any) -> None:
        it = terminal(account)
        url = self.type_all(it, account)
        it.expect("[y/N]: ")
        it.child.sendeof()
        it.expect("Not kept.")
        assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
        assert it.interrupt() == 0

    def test_a_home_that_takes_nothing_is_said(self, account: Sandbox, terminal: Any, own_home: Path) -> None:
        it = terminal(account)
        self.type_all(it, account)
        it.expect("[y/N]: ")
        own_home.chmod(0o777)  # where anybody could put another key in its place
        it.type("y")
        it.expect("It can't be kept: ")
        assert it.interrupt() == 0
        own_home.chmod(0o700)

    def test_a_known_key_is_not_offered_to_be_kept(self, account: Sandbox, terminal: Any) -> None:
        flags = ["--drain", "1.5", "--forward-header", "X-Key"]
        it = terminal(account, "--account-key", account.account_key, "--port", "0", *flags)
        it.expect("Select endpoint [1-3]: ")
        it.type("2")
        it.listening()
        it.expect("vespa_client --endpoint my-comfyui-endpoint --account-key YOUR_ACCOUNT_KEY --port 0 ")
        it.expect("--drain 1.5 --forward-header X-Key --pass-route /\r\n")
        assert it.interrupt() == 0
        assert "[y/N]" not in it.screen
        assert account.account_key not in it.screen
