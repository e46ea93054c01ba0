"""The README's tables of flags, environment, files and error codes, made from the code they describe.

``python -m tests.support.reference`` writes them into the README, between the comments that name it.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vespa_client import errors
from vespa_client.account.account_keys import key_files
from vespa_client.command.arguments import build_parser
from vespa_client.errors import VespaError
from vespa_client.settings.table import INSTANCES, settings_table

README = Path(__file__).parents[2] / "README.md"


def with_tables(readme: str) -> str:
    """The README's text with its tables made anew."""
    for name, text in {"reference": _reference(), "errors": _errors()}.items():
        place = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert len(place.findall(readme)) == 1, f"the README has to have one place for: {name}"
        readme = place.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", readme)
    return readme


def _reference() -> str:
    return "\n\n".join([*_flags(), *_instances(), *_environment(), *_files()])


def _flags() -> Iterator[str]:
    yield "### Flags"
    rows: dict[str, list[list[str]]] = {}
    for name, setting in settings_table().items():
        default = setting.default
        value = f" {setting.metavar or '|'.join(setting.choices)}" if not setting.is_switch else ""
        choices = f" ({', '.join(f'`{choice}`' for choice in setting.choices)})" if setting.choices else ""
        rows.setdefault(setting.group, []).append(
            [f"`--{name.replace('_', '-')}{value}`", setting.help + choices, _shown(default)]
        )
    for group, of_group in rows.items():
        yield _table([group, "", "Default"], of_group)
    yield _table(["Instead of starting a proxy", ""], [["`--help`", "show all of this"], *_other_flags()])
    yield (
        "Exit codes: 0 after a run that was stopped, 1 for a failure, 2 for wrong usage, 130 where Ctrl-C ended it before it "
        "served, and 143 where SIGTERM did."
    )


def _other_flags() -> Iterator[list[str]]:
    # argparse has no public way to the options of a parser.
    for action in build_parser()._actions:
        if action.dest not in settings_table() and action.dest != "help":
            help_text = "show the version" if action.dest == "version" else str(action.help)
            yield [f"`{action.option_strings[-1]}`", help_text]


def _instances() -> Iterator[str]:
    rows = [[f"`{name}`", instance.console_url, instance.autoscaler_url] for name, instance in INSTANCES.items()]
    yield _table(["Instance", "Console", "Autoscaler"], rows)


def _environment() -> Iterator[str]:
    yield "### Environment"
    settings = [
        [f"`{setting.env}`", f"as `--{name.replace('_', '-')}`: {setting.help}"]
        for name, setting in settings_table().items()
        if setting.env
    ]
    outbound = ["`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`", "an outbound proxy, and the hosts it isn't used for"]
    yield _table(["Variable", ""], [*settings, outbound])
    yield (
        "A `VAST_API_KEY` that turns out to be an account key, as it is for the `vastai` command, is used as one. "
        "An account key given as a flag or a keyword counts for more than `VAST_API_KEY`."
    )


def _files() -> Iterator[str]:
    yield "### Files"
    outside = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    with patch.dict(os.environ, outside, clear=True):
        keys = ["~/" + path.relative_to(Path.home()).as_posix() for path in key_files()]
    kinds = [
        "the account key, in one line",
        "the same, as the `vastai` command writes it (under `$XDG_CONFIG_HOME` if that is set)",
    ]
    rows = [[f"`{path}`", kind] for path, kind in zip(keys, kinds, strict=True)]
    rows.append(
        [
            "`~/.cache/vespa_client/`",
            "Vast.ai's root certificate, yours alone (mode 0600, in a directory of 0700; under `$XDG_CACHE_HOME` if that is "
            "set; macOS: `~/Library/Caches`; Windows: `%LOCALAPPDATA%`); may be deleted",
        ]
    )
    yield _table(["File", ""], rows)


def _errors() -> str:
    rows = []
    for problem in _subclasses(VespaError):
        if "code" in vars(problem):
            # What keeps the proxy from starting has no status of its own.
            status = "at the start" if problem.status == VespaError.status else str(problem.status)
            rows.append([f"`{problem.code}`", status, _summary(problem)])
    return _table(["Code", "Status", ""], rows)


def _subclasses(kind: type[VespaError]) -> Iterator[type[VespaError]]:
    """In the order of the file."""
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, kind)]
    yield from (found for found in classes if found is not kind)


def _summary(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].replace("``", "`").split())


def _shown(default: Any) -> str:
    if default in (None, False, ()):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
