"""The command line. Only this file, :mod:`.screen` and :mod:`.prompts` print, and only this one exits.

What a command needs beyond its arguments is imported by that command, since --help must not wait for requests to load.
"""

from __future__ import annotations

import errno
import os
import sys

from ..errors import ConfigurationError, NoEndpoints, PortTaken, VespaError
from ..journal.printable import printable
from ..settings.table import Settings, resolve
from .arguments import USAGE, keys_in, parse
from .process import raise_file_limit, stop_signals, write_what_can_be_shown
from .screen import RULE, endpoint_list, show_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..client import VastClient
    from ..journal.totals import Totals

__all__ = ["main"]

OK, FAILURE, INTERRUPTED = 0, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    write_what_can_be_shown()
    try:
        arguments = parse(argv)
        if argv is None and (keys := keys_in(sys.argv)):
            from .own_arguments import blot_out

            blot_out(keys)
        return _run(arguments)
    except VespaError as problem:
        show_error(problem)
        return USAGE if isinstance(problem, ConfigurationError) and not isinstance(problem, PortTaken) else FAILURE
    except EOFError:
        print("\nThe input ended before the set-up was complete.", file=sys.stderr)
        return FAILURE
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except OSError as problem:
        if problem.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        if problem.errno == errno.ENOSPC:
            print(f"ERROR: the output can't be written: {problem.strerror}.", file=sys.stderr)
        # Whoever read the output has left. What is still buffered for them would fail once more at the end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return FAILURE


def _run(arguments: argparse.Namespace) -> int:
    settings = resolve({name: value for name, value in vars(arguments).items() if name != "list"})
    from ..journal.totals import Totals
    from .log.handlers import logging_as_told

    totals = Totals()
    with logging_as_told(settings, totals):
        if arguments.list:
            return _list(settings)
        if not settings.sandbox and _is_incomplete(settings):
            if not sys.stdin.isatty():
                raise _what_is_missing(settings)
            from .prompts import interactive_setup

            settings = interactive_setup(settings, ask_port=arguments.port is None)
        return _serve(settings, totals)


def _list(settings: Settings) -> int:
    from ..account.lookup import find_account, open_console
    from ..assembly import settings_in_use

    with settings_in_use(settings) as in_use, open_console(in_use) as console:
        endpoints = find_account(in_use, console)[1]
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    print(endpoint_list([endpoint.name for endpoint in endpoints]), flush=True)
    return OK


def _serve(settings: Settings, totals: Totals) -> int:
    import time

    from ..client import VastClient

    raise_file_limit(settings.max_connections)
    client = VastClient.from_settings(settings, totals)
    try:
        client.start()
    except PortTaken as problem:
        from .prompts import offer_port

        free = offer_port(settings.host, settings.port + 1)
        problem.hint = f"Use --port {free}, which is free, or stop that program." if free else "Use another --port."
        raise
    try:
        with stop_signals():
            _announce(client, settings)
            # In steps: on Windows, a sleep without an end can't be interrupted.
            while True:
                time.sleep(1.0)
    except KeyboardInterrupt:
        print("\nStopping; press Ctrl-C again to end at once.", file=sys.stderr)
        cut = client.stop(settings.drain)
        if cut:
            were = "1 request was" if cut == 1 else f"{cut} requests were"
            print(f"{were} still running after {settings.drain:g} s and cut.", file=sys.stderr)
    finally:
        client.stop()
    return OK


def _announce(client: VastClient, settings: Settings) -> None:
    name = printable(client.endpoint_name or "")
    what = f"{name} (sandbox: a stand-in, no GPU)" if settings.sandbox else name
    print(f"{RULE}\n  Starting proxy for: {what}\n  Listening on: {client.url}\n{RULE}\n")
    if client.proxy_key and not settings.proxy_key:
        print(f"  Other machines can ask: clients need this key: {client.proxy_key}\n")
    key = "the proxy key" if client.proxy_key else "not-used"
    print(f'  OpenAI(base_url="{client.url}/v1", api_key="{key}")\n', flush=True)


def _is_incomplete(settings: Settings) -> bool:
    from ..account.account_keys import account_keys

    return settings.endpoint is None or (settings.api_key is None and next(account_keys(settings), None) is None)


def _what_is_missing(settings: Settings) -> ConfigurationError:
    from ..account.account_keys import account_keys

    missing = []
    hints = []
    if settings.endpoint is None:
        missing.append("the endpoint's name")
        hints.append("  - endpoint: --endpoint NAME or VAST_ENDPOINT (--list shows what there is)")
    if next(account_keys(settings, warn=True), None) is None:
        missing.append("an API key")
        hints.append("  - account key: --account-key KEY, VAST_ACCOUNT_KEY, or the file ~/.vast_api_key")
        hints.append("  - or the endpoint's own key: --api-key KEY or VAST_API_KEY")
    hint = "Give it in one of these ways (or run it in a terminal, and it asks; or try --sandbox):\n" + "\n".join(hints)
    return ConfigurationError(f"Missing: {' and '.join(missing)}.", hint=hint)
