"""What is looked up with an account key: the account's endpoints, and an endpoint's key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import AuthenticationError, ConfigurationError, ConsoleError, NoEndpoints
from ..journal.log import log
from ..journal.printable import printable
from ..journal.redaction import redacted
from ..net.real_threads import require_real_threads
from ..outbound.proxies import OutboundProxies
from ..outbound.transport import Transport
from ..outbound.trust import Trust
from ..settings.shells import KEY_FILE
from ..settings.table import Settings, replaced, resolve
from .account_keys import AccountKey, account_keys
from .console import Console, find_endpoint

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["fetch_endpoint_key", "find_account", "list_endpoints", "make_console", "open_console", "with_an_endpoint"]


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
        return find_account(settings, console, for_itself=True)[1]


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


def with_an_endpoint(settings: Settings) -> Settings:
    """The settings, with the account's only endpoint where none was named and an account key is at hand.

    Raises :class:`ConfigurationError` that names the account's endpoints where there are several, and what
    :func:`find_account` raises.
    """
    if settings.endpoint is not None:
        return settings
    unnamed = ConfigurationError(
        "No endpoint was named.", hint="Name one with --endpoint or VAST_ENDPOINT; --list shows those of your account."
    )
    candidates = list(account_keys(settings))
    if not candidates:
        raise unnamed
    try:
        with open_console(settings) as console:
            account, endpoints = find_account(settings, console, for_itself=True)
    except AuthenticationError:
        # An endpoint's key, in its own place, opens no account.
        if any(candidate.certain for candidate in candidates):
            raise
        raise unnamed from None
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    if len(endpoints) > 1:
        names = ", ".join(printable(endpoint.name) for endpoint in endpoints)
        raise ConfigurationError(
            f"No endpoint was named, and the account has {len(endpoints)}.",
            hint=f"Name one with --endpoint or VAST_ENDPOINT. Your endpoints: {names}",
        )
    [only] = endpoints
    log.info("The account's only endpoint is taken: %s", only.name)
    return replaced(settings, endpoint=only.name, account_key=account.key, api_key=only.api_key)


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


def _no_account(problem: AuthenticationError, key: AccountKey, console: Console, *, is_outright: bool) -> AuthenticationError:
    """What is said of a key that was to be an account's."""
    if problem.message != "401 Unauthorized":
        return problem
    return AuthenticationError(
        problem.message,
        hint="401 Unauthorized usually means:\n"
        "  - The key is an endpoint's own; an account API key is required here\n"
        "  - It was deleted, or a part of it was lost when it was copied\n"
        "  - Get one from https://console.vast.ai/account\n"
        f"  - It was the console ({console.url}) that refused the key" + ("" if is_outright else f" from {key.source}"),
    )


def find_account(settings: Settings, console: Console, *, for_itself: bool = False) -> tuple[AccountKey, list[Endpoint]]:
    """The account key that works, and the account's endpoints. ``for_itself``: the account is what was asked for, and not an
    endpoint's key.

    Raises :class:`ConfigurationError` where there is no key at all, :class:`KeyFileUnusable`,
    :class:`AuthenticationError` where none is an account's, and what else :meth:`Console.endpoints` raises.
    """
    refused: AuthenticationError | None = None
    for candidate in account_keys(settings, warn=True):
        try:
            return candidate, console.endpoints(candidate.key)
        except AuthenticationError as problem:
            refused = problem
            if for_itself and type(problem) is AuthenticationError:
                refused = _no_account(problem, candidate, console, is_outright=settings.account_key is not None)
    if refused is not None:
        raise refused
    raise ConfigurationError(
        "No account API key was given.",
        hint=f"Give one with --account-key, VAST_ACCOUNT_KEY or the file {KEY_FILE} "
        "(get it from https://console.vast.ai/account).",
    )
