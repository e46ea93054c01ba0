"""The command line. Only this file, :mod:`.screen` and :mod:`.prompts` print, and only this one exits.

What a command needs beyond its arguments is imported by that command, since --help must not wait for requests to load.
"""

from __future__ import annotations

import errno
import sys

from ..errors import ConfigurationError, NoEndpoints, PortTaken, VespaError
from ..journal.printable import printable
from ..settings.shells import KEY_FILE
from ..settings.table import Settings, resolve
from .arguments import USAGE, keys_in, parse
from .process import StopSignals, let_go_of_output, open_streams, raise_file_limit
from .screen import RULE, endpoint_list, say, show_error, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from ..client import VastClient
    from ..journal.totals import Totals

__all__ = ["main"]

OK, FAILURE = 0, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage, 130 where Ctrl-C ended it before it
    served, and 143 where SIGTERM did.
    """
    signals = StopSignals()
    try:
        with signals:
            open_streams()
            arguments = parse(argv)
            if argv is None and (keys := keys_in(sys.argv)):
                from .own_arguments import blot_out

                blot_out(keys)
            return _run(arguments, signals)
    except VespaError as problem:
        show_error(problem)
        return USAGE if isinstance(problem, ConfigurationError) and not isinstance(problem, PortTaken) else FAILURE
    except EOFError:
        tell("\nThe input ended before the set-up was complete.")
        return FAILURE
    except KeyboardInterrupt:
        tell("\nInterrupted.")
        return signals.exit_code
    finally:
        let_go_of_output()


def _run(arguments: argparse.Namespace, signals: StopSignals) -> int:
    settings = resolve({name: value for name, value in vars(arguments).items() if name != "list"})
    from ..journal.totals import Totals
    from .log.handlers import logging_as_told

    totals = Totals()
    with logging_as_told(settings, totals):
        if arguments.list:
            return _list(settings)
        if settings.sandbox or not _is_incomplete(settings):
            return _serve(settings, totals, signals)
        if sys.stdin.isatty():
            from .next_time import spare_the_next_time
            from .prompts import interactive_setup

            answers = interactive_setup(settings, ask_port=arguments.port is None)
            return _serve(answers.settings, totals, signals, lambda: spare_the_next_time(answers, signals))
        if not _has_account_key(settings):
            raise _what_is_missing(settings)
        return _serve(settings, totals, signals)  # with the account's only endpoint, or an error that lists them


def _list(settings: Settings) -> int:
    import contextlib

    from ..account.lookup import find_account, open_console
    from ..assembly import settings_in_use

    with contextlib.ExitStack() as resources:
        in_use = settings_in_use(settings, resources)
        console = resources.enter_context(open_console(in_use))
        endpoints = find_account(in_use, console, for_itself=True)[1]
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    try:
        # Unlike all else that is shown, this is what was asked for.
        print(endpoint_list([endpoint.name for endpoint in endpoints]), flush=True)
    except OSError as problem:
        if problem.errno != errno.EPIPE:
            tell(f"ERROR: the output can't be written: {problem.strerror}.")
        return FAILURE
    return OK


def _serve(settings: Settings, totals: Totals, signals: StopSignals, once_it_serves: Callable[[], None] = lambda: None) -> int:
    import gc
    import time

    # What is loaded stays. To look for garbage among it takes a twentieth of the start, and 10 ms of some request later on.
    gc.disable()
    from ..client import VastClient

    raise_file_limit(settings.max_connections)
    client = VastClient.from_settings(settings, totals)
    try:
        _start(client, settings)
        signals.check()
        _announce(client, settings)
        gc.freeze()
        gc.enable()
        once_it_serves()
        # In steps: on Windows, a sleep without an end can't be interrupted.
        while True:
            time.sleep(1.0)
            signals.check()
    except KeyboardInterrupt:
        if not client.is_running:
            raise
        say_it = _tell_in_json if settings.log_format == "json" else tell
        say_it("\nStopping; press Ctrl-C again to end at once.")
        cut = client.stop(settings.drain)
        if cut:
            were = "1 request was" if cut == 1 else f"{cut} requests were"
            say_it(f"{were} still running after {settings.drain:g} s and cut.")
    finally:
        gc.unfreeze()
        gc.enable()
        client.stop()
    return OK


def _tell_in_json(text: str) -> None:
    """The same as a line of the log, whose readers take nothing else."""
    from ..journal.log import log

    log.info("%s", text.strip())


def _start(client: VastClient, settings: Settings) -> None:
    try:
        client.start()
    except PortTaken as problem:
        from .ports import is_one_of_ours, offer_port

        free = offer_port(settings.host, settings.port + 1)
        another = f"--port {free}, which is free" if free else "another --port"
        if is_one_of_ours(settings.host, settings.port):
            problem.message = f"Port {settings.port} is taken: a proxy of vespa_client's listens there already."
            problem.hint = f"Use that one, or {another}."
        else:
            problem.hint = f"Use {another}, or stop that program."
        raise


def _announce(client: VastClient, settings: Settings) -> None:
    name = printable(client.endpoint_name or "")
    what = f"{name} (sandbox: a stand-in, no GPU)" if settings.sandbox else name
    backend = f"\n  Backend: {settings.sandbox_backend}" if settings.sandbox_backend else ""
    say(f"{RULE}\n  Starting proxy for: {what}\n  Listening on: {client.url}{backend}\n{RULE}\n")
    if client.proxy_key and not settings.proxy_key:
        say(f"  Other machines can ask: clients need this key: {client.proxy_key}\n")
    if settings.capture:
        say(f"  Capturing the last {settings.capture} exchanges: {client.url}/_vespa/#capture\n")
    key = "the proxy key" if client.proxy_key else "not-used"
    say(f'  OpenAI(base_url="{client.url}/v1", api_key="{key}")\n')


def _is_incomplete(settings: Settings) -> bool:
    return settings.endpoint is None or (settings.api_key is None and not _has_account_key(settings))


def _has_account_key(settings: Settings, *, warn: bool = False) -> bool:
    """Whether a key is at hand that may be an account's."""
    from ..account.account_keys import account_keys

    return next(account_keys(settings, warn=warn), None) is not None


def _what_is_missing(settings: Settings) -> ConfigurationError:
    missing = []
    hints = []
    if settings.endpoint is None:
        missing.append("the endpoint's name")
        hints.append("  - endpoint: --endpoint NAME or VAST_ENDPOINT (--list shows what there is)")
    if not _has_account_key(settings, warn=True):
        missing.append("an API key")
        hints.append(f"  - account key: --account-key KEY, VAST_ACCOUNT_KEY, or the file {KEY_FILE}")
        hints.append("  - or the endpoint's own key: --api-key KEY or VAST_API_KEY")
    hint = "Give it in one of these ways (or run it in a terminal, and it asks; or try --sandbox):\n" + "\n".join(hints)
    return ConfigurationError(f"Missing: {' and '.join(missing)}.", hint=hint)
