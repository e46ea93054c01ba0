"""What is looked up with an account key: the account's endpoints, and an endpoint's key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import AuthenticationError, ConfigurationError, ConsoleError
from ..journal.redaction import redacted
from ..net.real_threads import require_real_threads
from ..outbound.proxies import OutboundProxies
from ..outbound.transport import Transport
from ..outbound.trust import Trust
from ..settings.shells import KEY_FILE
from ..settings.table import Settings, resolve
from .account_keys import AccountKey, account_keys
from .console import Console, Endpoint, find_endpoint

__all__ = ["fetch_endpoint_key", "find_account", "list_endpoints", "make_console", "open_console"]


def list_endpoints(
    account_key: str | None = None,
    *,
    instance: str = "prod",
    console_url: str | None = None,
    ca_file: str | None = None,
) -> list[Endpoint]:
    """The endpoints of an account, in the console's order.

    ``account_key`` comes from the environment or the key files where it isn't given. Raises
    :class:`ConfigurationError`, :class:`AuthenticationError`, :class:`ConsoleError`, :class:`NetworkError`.
    """
    settings = resolve({"account_key": account_key, "instance": instance, "console_url": console_url, "ca_file": ca_file})
    with open_console(settings) as console:
        return find_account(settings, console)[1]


def fetch_endpoint_key(
    account_key: str | None = None,
    endpoint_name: str | None = None,
    instance: str = "prod",
    *,
    console_url: str | None = None,
    ca_file: str | None = None,
) -> str:
    """The key of one endpoint of the account. Arguments and errors as in :func:`list_endpoints`, and
    :class:`EndpointNotFound`, :class:`NoEndpoints`.
    """
    name = endpoint_name or resolve({}).endpoint
    if name is None:
        raise ConfigurationError("No endpoint was named.", hint="Give endpoint_name, or set VAST_ENDPOINT.")
    endpoints = list_endpoints(account_key, instance=instance, console_url=console_url, ca_file=ca_file)
    key = find_endpoint(endpoints, name).api_key
    if key is None:
        raise ConsoleError(f"The console has no key for the endpoint {name!r}.")
    return key


@contextlib.contextmanager
def open_console(settings: Settings) -> Iterator[Console]:
    """The console of these settings; its connections are closed at the end of the block."""
    require_real_threads()
    proxies = OutboundProxies()
    console, transport, _ = make_console(settings, proxies)
    with contextlib.closing(transport), redacted([settings.api_key, settings.account_key, *proxies.passwords]):
        yield console


def make_console(settings: Settings, proxies: OutboundProxies) -> tuple[Console, Transport, Trust]:
    """The console of these settings, and what it is reached by and trusted with. The transport is to be closed at the end."""
    trust = Trust(settings.console, lambda lifeline: console.root_certificate(lifeline), settings.ca_file)
    transport = Transport(lambda: trust.public, proxies)
    console = Console(settings.console, settings.instance, transport)
    return console, transport, trust


def find_account(settings: Settings, console: Console) -> tuple[AccountKey, list[Endpoint]]:
    """The account key that works, and the account's endpoints.

    Raises :class:`ConfigurationError` where there is no key at all, :class:`KeyFileUnusable`,
    :class:`AuthenticationError` where none is an account's, and what else :meth:`Console.endpoints` raises.
    """
    refused: AuthenticationError | None = None
    for candidate in account_keys(settings, warn=True):
        try:
            return candidate, console.endpoints(candidate.key)
        except AuthenticationError as problem:
            refused = problem
    if refused is not None:
        raise refused
    raise ConfigurationError(
        "No account API key was given.",
        hint=f"Give one with --account-key, VAST_ACCOUNT_KEY or the file {KEY_FILE} "
        "(get it from https://console.vast.ai/account).",
    )
