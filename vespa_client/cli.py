"""The command line. Only this file, :mod:`.screen` and :mod:`.prompts` print, and only this one exits.

What a command needs beyond its arguments is imported by that command, since --help must not wait for requests to load.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import os
import re
import sys

from . import __version__
from .errors import ConfigurationError, NoEndpoints, PortTaken, VespaError
from .printable import printable
from .screen import RULE, endpoint_list, show_error
from .settings import Setting, Settings, resolve, settings_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, NoReturn

    from .client import VastClient

__all__ = ["build_parser", "main"]

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130

# Open files beside those of connections: listeners, kept connections, the log.
_SPARE_FILES = 256

_INTRODUCTION = """\
A local HTTP proxy for Vast.ai serverless endpoints: any SDK finds your endpoint at http://localhost:8010.

  asks for what it needs        %(prog)s
  starts with what it is told   %(prog)s --endpoint NAME --account-key KEY
  shows your endpoints          %(prog)s --list
  needs no account              %(prog)s --sandbox
"""
_KEYS = """\
Keys are looked for in this order: flags, environment, ~/.vast_api_key, and the file of the vastai command. Give them by
file or environment where you can: other users of the machine can see a command's arguments.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    _write_utf8()
    try:
        arguments = _parse(argv)
        if argv is None:
            _hide_secrets()
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


def build_parser() -> argparse.ArgumentParser:
    """The parser, made from the settings' own declarations."""
    parser = _Parser(
        prog=_program(),
        usage="%(prog)s [flags]",
        description=_INTRODUCTION,
        epilog=_KEYS,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    groups: dict[str, Any] = {}
    for setting in settings_table().values():
        group = groups.setdefault(setting.group, None) or parser.add_argument_group(setting.group)
        groups[setting.group] = group
        options: dict[str, Any] = {"help": _help(setting), "default": None}
        if setting.is_switch:
            options |= {"action": "store_const", "const": True}
        else:
            options |= {"metavar": setting.metavar or "|".join(setting.choices)}
            if setting.repeatable:
                options |= {"action": "append"}
        group.add_argument(setting.flag, **options)
    parser.add_argument("--list", action="store_true", help="list available endpoints (requires account key)")
    parser.add_argument("--version", action="version", version=f"vespa_client {__version__}")
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        # Without the values: a misspelt --account-key has a key behind it.
        flags = [flag[0] for word in unknown if (flag := re.match(r"--[a-z][a-z-]*(?==|$)", word))]
        parser.error(f"unknown flag: {', '.join(flags)}" if flags else "every value needs its flag in front of it")
    return arguments


def _hide_secrets() -> None:
    """Keys that were given twice, of which the last one counts, are hidden as well."""
    flags = [setting.flag for setting in settings_table().values() if setting.secret]
    behind = [value for flag, value in itertools.pairwise(sys.argv) if flag in flags]
    joined = [word.partition("=")[2] for word in sys.argv if word.partition("=")[0] in flags]
    secrets = [secret for secret in (*behind, *joined) if secret]
    if secrets:
        from .process_list import blot_out

        blot_out(secrets)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse would ask shutil, which takes as long to load as argparse itself.
        super().__init__(prog, width=_columns() - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # A key that was put behind the wrong flag.
        message = re.sub(r"ignored explicit argument .*", "it takes no value", message, flags=re.DOTALL)
        # One line and the way to the help: the whole usage would bury what was wrong.
        print(f"ERROR: {message}\n\nHINT: {self.prog} --help shows what there is.", file=sys.stderr)
        raise SystemExit(USAGE)


def _run(arguments: argparse.Namespace) -> int:
    settings = resolve({name: value for name, value in vars(arguments).items() if name != "list"})
    with _logging(settings.debug):
        if arguments.list:
            return _list(settings)
        if not settings.sandbox and _is_incomplete(settings):
            if not sys.stdin.isatty():
                raise _what_is_missing(settings)
            from .prompts import interactive_setup

            settings = interactive_setup(settings, ask_port=arguments.port is None)
        return _serve(settings)


def _list(settings: Settings) -> int:
    from .client import open_console, settings_in_use
    from .credentials import find_account

    with settings_in_use(settings) as in_use, open_console(in_use) as console:
        endpoints = find_account(in_use, console)[1]
    if not endpoints:
        raise NoEndpoints("No endpoints found on this account.")
    print(endpoint_list([endpoint.name for endpoint in endpoints]), flush=True)
    return OK


def _serve(settings: Settings) -> int:
    import time

    from .client import VastClient

    _raise_file_limit(2 * settings.max_connections + _SPARE_FILES)
    client = VastClient.from_settings(settings)
    try:
        client.start()
    except PortTaken as problem:
        from .prompts import offer_port

        free = offer_port(settings.host, settings.port + 1)
        problem.hint = f"Use --port {free}, which is free, or stop that program." if free else "Use another --port."
        raise
    try:
        with _stop_signals():
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
    from .credentials import account_keys

    return settings.endpoint is None or (settings.api_key is None and next(account_keys(settings), None) is None)


def _what_is_missing(settings: Settings) -> ConfigurationError:
    from .credentials import account_keys

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


def _columns() -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def _program() -> str:
    installed = sys.argv[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") == "vespa-client"
    return "vespa-client" if installed else "python -m vespa_client"


def _help(setting: Setting) -> str:
    notes = []
    default = setting.default
    if default not in (None, False, ()):
        notes.append(f"default: {default:g}" if isinstance(default, float) else f"default: {default}")
    if setting.env:
        notes.append(f"or set {setting.env}")
    return f"{setting.help} ({'; '.join(notes)})" if notes else setting.help


@contextlib.contextmanager
def _logging(debug: bool) -> Iterator[None]:
    import logging

    from .log import LogLines, log

    handler = logging.StreamHandler()
    handler.setFormatter(LogLines())
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    # What no line of ours shows needn't be looked up for each (Python's logging HOWTO, "Optimization").
    unused = {
        "logThreads": False,
        "logProcesses": False,
        "logMultiprocessing": False,
        "logAsyncioTasks": False,
        "_srcfile": None,
    }
    before = {name: getattr(logging, name) for name in unused if hasattr(logging, name)}
    vars(logging).update({name: unused[name] for name in before})
    try:
        yield
    finally:
        vars(logging).update(before)
        log.removeHandler(handler)
        log.setLevel(level)


@contextlib.contextmanager
def _stop_signals() -> Iterator[None]:
    """What asks a process to end does what Ctrl-C does. What the caller had ignored stays so, as nohup wants it."""
    import signal

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise_file_limit(wanted: int) -> None:
    """Let this process have ``wanted`` open files: macOS starts programs with 256. Windows has no such limit."""
    if sys.platform == "win32":
        return
    import resource

    from .log import log

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    possible = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < possible:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
            soft = possible
    if soft != unlimited and soft < wanted:
        log.warning("Only %d files may be open at a time, enough for %d connections.", soft, (soft - _SPARE_FILES) // 2)


def _write_utf8() -> None:
    # A console or a pipe with an old code page can't show the bullet of the endpoint list.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
