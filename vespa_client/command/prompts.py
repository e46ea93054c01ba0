"""The questions of the interactive set-up (seed.md, "Interactive Mode")."""

from __future__ import annotations

import errno
import getpass
import socket
import sys

from ..account.account_keys import AccountKey
from ..account.console import Endpoint, find_endpoint
from ..account.lookup import find_account, open_console
from ..errors import AuthenticationError, ConfigurationError, NoEndpoints
from ..journal.printable import printable
from ..settings.table import Settings, replaced
from .screen import RULE, say, show_error

__all__ = ["interactive_setup", "offer_port"]

_KEY_TRIES = 3


def interactive_setup(settings: Settings, *, ask_port: bool) -> Settings:
    """Ask for what is missing: account key, endpoint, port.

    Returns the settings with the answers. Raises :class:`VespaError`, EOFError at the end of the input, and
    KeyboardInterrupt.
    """
    say(f"{RULE}\n  Vespa Client - Interactive Setup\n{RULE}\n")
    account, endpoints = _account(settings)
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    endpoint = _choose(endpoints) if settings.endpoint is None else find_endpoint(endpoints, settings.endpoint)
    port = _ask_port(settings) if ask_port else settings.port
    say(f"Fetching endpoint API key for '{printable(endpoint.name)}'...")
    if endpoint.api_key is None:
        raise ConfigurationError(
            f"The console has no key for {endpoint.name!r}.", hint="Copy it from https://console.vast.ai/endpoints."
        )
    say("Successfully retrieved endpoint API key\n")
    return replaced(settings, endpoint=endpoint.name, account_key=account.key, api_key=endpoint.api_key, port=port)


def offer_port(host: str, port: int) -> int:
    """The next port from ``port`` on that is free on ``host``, or one after the usual one where none follows; else 0."""
    candidates = (*range(port, min(port + 200, 65536)), *range(8010, 8210))
    return next((free for free in candidates if is_free(host, free)), 0)


def is_free(host: str, port: int) -> bool:
    """Whether a listener would get the port. Another program can still be faster."""
    hosts = ["127.0.0.1", "::1"] if host in ("127.0.0.1", "localhost") else [host.strip("[]")]
    return all(_can_bind(name, port) for name in hosts)


def _account(settings: Settings) -> tuple[AccountKey, list[Endpoint]]:
    """The account key that is known already, or else the one that is typed."""
    try:
        known = _look_up(settings)
    except (ConfigurationError, AuthenticationError) as problem:
        if settings.account_key:
            raise
        if isinstance(problem, AuthenticationError):
            show_error(problem)
            say()
    else:
        say(f"Using the account API key from {known[0].source}.\n\nFetching your endpoints...\n")
        return known
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
        return find_account(settings, console)


def _ask(prompt: str) -> str:
    """What is typed behind the prompt. Raises EOFError at the end of the input, and where the terminal has gone."""
    say(prompt, end="")
    try:
        return input().strip()
    except OSError:
        raise EOFError from None


def _ask_key() -> str:
    while True:
        key = getpass.getpass("Enter account API key: ").strip()
        if key:
            return key
        say("The key is empty; paste it and press Enter (it is not shown).")


def _choose(endpoints: list[Endpoint]) -> Endpoint:
    say(f"Available endpoints ({len(endpoints)}):")
    for number, endpoint in enumerate(endpoints, 1):
        say(f"  {number}. {printable(endpoint.name)}")
    say()
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
            port = replaced(settings, port=answer).port if answer else settings.port
        except ConfigurationError as problem:
            say(problem.message)
            continue
        if port == 0 or is_free(settings.host, port):
            say()
            return port
        say(f"Port {port} is taken by another program; {offer_port(settings.host, port + 1)} is free.")


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as problem:
        # No IPv6 on this machine, or a host that is none, is no other program on the port.
        return problem.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True
