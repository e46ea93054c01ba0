"""The questions of the interactive set-up (seed.md, "Interactive Mode")."""

from __future__ import annotations

import getpass
from typing import Any, NamedTuple

from ..account.account_keys import AccountKey
from ..account.console import find_endpoint
from ..account.endpoint import Endpoint
from ..account.lookup import find_account, open_console
from ..errors import AuthenticationError, ConfigurationError, NoEndpoints
from ..journal.printable import printable
from ..settings.table import Settings, replaced, settings_table
from .ports import is_free, is_one_of_ours, offer_port
from .screen import RULE, say, show_error

__all__ = ["Answers", "interactive_setup"]

_KEY_TRIES = 3


class Answers(NamedTuple):
    """What came of the questions: settings that are complete, and the account key if it was typed."""

    settings: Settings
    typed_key: str | None

    def __repr__(self) -> str:
        return f"Answers({self.settings!r})"


def interactive_setup(settings: Settings, *, ask_port: bool) -> Answers:
    """Ask for what is missing: account key, endpoint, port. With a key at hand and one endpoint, that is nothing.

    Raises :class:`VespaError`, EOFError at the end of the input, and KeyboardInterrupt.
    """
    say(f"{RULE}\n  Vespa Client - Interactive Setup\n{RULE}\n")
    known = _known_account(settings)
    account, endpoints = known or _typed_account(settings)
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    if settings.endpoint is not None:
        endpoint = find_endpoint(endpoints, settings.endpoint)
    elif known and len(endpoints) == 1:
        [endpoint] = endpoints
        _show(endpoints)
        say("It is the only one, and is taken.\n")
        ask_port = False
    else:
        endpoint = _choose(endpoints)
    port = _ask_port(settings) if ask_port else settings.port
    say(f"Fetching endpoint API key for '{printable(endpoint.name)}'...")
    if endpoint.api_key is None:
        raise ConfigurationError(
            f"The console has no key for {endpoint.name!r}.", hint="Copy it from https://console.vast.ai/endpoints."
        )
    say("Successfully retrieved endpoint API key\n")
    complete = replaced(settings, endpoint=endpoint.name, account_key=account.key, api_key=endpoint.api_key, port=port)
    return Answers(complete, None if known else account.key)


def _known_account(settings: Settings) -> tuple[AccountKey, list[Endpoint]] | None:
    """The account whose key is known already; None where there is none that works."""
    try:
        known = _look_up(settings)
    except (ConfigurationError, AuthenticationError) as problem:
        if settings.account_key:
            raise
        if isinstance(problem, AuthenticationError):
            show_error(problem)
            say()
        return None
    say(f"Using the account API key from {known[0].source}.\n\nFetching your endpoints...\n")
    return known


def _typed_account(settings: Settings) -> tuple[AccountKey, list[Endpoint]]:
    say("First, we need your Vast.ai account API key.\n(Get it from: https://console.vast.ai/account)\n")
    for tries_left in reversed(range(_KEY_TRIES)):
        try:
            candidate = replaced(settings, account_key=_ask_key(), api_key=None)
            say("\nFetching your endpoints...\n")
            return _look_up(candidate)
        except (AuthenticationError, ConfigurationError) as problem:
            if not tries_left:
                raise
            show_error(problem)
            say()
    raise AssertionError("unreachable")


def _look_up(settings: Settings) -> tuple[AccountKey, list[Endpoint]]:
    with open_console(settings) as console:
        return find_account(settings, console, for_itself=True)


def _ask(prompt: str) -> str:
    """What is typed behind the prompt. Raises EOFError at the end of the input, and where the terminal has gone."""
    say(prompt, end="")
    try:
        return input().strip()
    except OSError:
        raise EOFError from None


def _ask_key() -> str:
    """Raises :class:`ConfigurationError` for what can't be a key."""
    while True:
        typed = getpass.getpass("Enter account API key: ").strip()
        if typed:
            key: str = _parsed("account_key", typed, "That is no key")
            return key
        say("The key is empty; paste it and press Enter (it is not shown).")


def _parsed(name: str, typed: str, complaint: str) -> Any:
    """The value of a setting that was typed, of which no flag is to be spoken. Raises :class:`ConfigurationError`."""
    try:
        return settings_table()[name].parse(typed)
    except ValueError as problem:
        raise ConfigurationError(f"{complaint}: {problem}.") from None


def _show(endpoints: list[Endpoint]) -> None:
    say(f"Available endpoints ({len(endpoints)}):")
    for number, endpoint in enumerate(endpoints, 1):
        say(f"  {number}. {printable(endpoint.name)}")
    say()


def _choose(endpoints: list[Endpoint]) -> Endpoint:
    _show(endpoints)
    while True:
        answer = _ask(f"Select endpoint [1-{len(endpoints)}]: ")
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(endpoints):
            say()
            return endpoints[int(answer) - 1]
        named = [endpoint for endpoint in endpoints if endpoint.name == answer]
        if named:
            say()
            return named[0]
        say(f"Please type a number from 1 to {len(endpoints)}, or a name from the list.")


def _ask_port(settings: Settings) -> int:
    while True:
        answer = _ask(f"Local proxy port [{settings.port}]: ")
        try:
            port: int = _parsed("port", answer, repr(answer)) if answer else settings.port
        except ConfigurationError as problem:
            say(problem.message)
            continue
        if port == 0 or is_free(settings.host, port):
            say()
            return port
        holder = "another proxy of vespa_client's" if is_one_of_ours(settings.host, port) else "another program"
        say(f"Port {port} is taken by {holder}; {offer_port(settings.host, port + 1)} is free.")
