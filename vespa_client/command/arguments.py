"""The command line's flags and its help, made from the settings' own declarations."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import sys

from ..settings.setting import Setting
from ..settings.table import settings_table
from ..version import __version__
from .screen import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

__all__ = ["USAGE", "build_parser", "keys_in", "parse", "program"]

USAGE = 2
"""The exit code for wrong usage."""

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


def build_parser() -> argparse.ArgumentParser:
    """The parser, made from the settings' own declarations."""
    parser = _Parser(
        prog=program(),
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


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line. What can't be understood ends the program, as argparse has it."""
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        # Without the values: a misspelt --account-key has a key behind it.
        flags = [flag[0] for word in unknown if (flag := re.match(r"--[a-z][a-z_-]*(?==|$)", word))]
        near = _near_flags(parser, unknown)
        said = f"unknown flag: {', '.join(flags)}" if flags else "every value needs its flag in front of it"
        parser.error(f"{said}. Did you mean {' and '.join(near)}?" if near else said)
    return arguments


def _near_flags(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """The flags that were meant, as far as can be guessed. Of the words themselves, nothing is shown: one may be a key."""
    import difflib

    known = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
    if not any(word.startswith("-") for word in words):
        return [flag for word in words if (flag := "--" + word.partition("=")[0].lower()) in known]
    typed = ["--" + word.partition("=")[0].lstrip("-").replace("_", "-").lower() for word in words if word.startswith("-")]
    found = [difflib.get_close_matches(flag, known, 1, cutoff=0.75) for flag in typed]
    return list(dict.fromkeys(flag for flags in found for flag in flags))


def keys_in(words: Sequence[str]) -> list[str]:
    """The keys among a command line's words: also those given twice, of which the last one counts."""
    flags = [setting.flag for setting in settings_table().values() if setting.secret]
    behind = [value for flag, value in itertools.pairwise(words) if flag in flags]
    joined = [word.partition("=")[2] for word in words if word.partition("=")[0] in flags]
    return [key for key in (*behind, *joined) if key]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # A key that was put behind the wrong flag.
        message = re.sub(r"ignored explicit argument .*", "it takes no value", message, flags=re.DOTALL)
        # One line and the way to the help: the whole usage would bury what was wrong.
        tell(f"ERROR: {message}\n\nHINT: {self.prog} --help shows what there is.")
        raise SystemExit(USAGE)

    def _print_message(self, message: str, file: Any = None) -> None:
        # Its reader may have left, which argparse bears by itself since Python 3.11.
        with contextlib.suppress(OSError):
            super()._print_message(message, file)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse would ask shutil, which takes as long to load as argparse itself.
        super().__init__(prog, width=_columns() - 2)

    def _split_lines(self, text: str, width: int) -> list[str]:
        # argparse would ask textwrap, which takes half as long.
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if len(longer) > width and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def _columns() -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def program() -> str:
    """How this program is called here."""
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
