"""The README: its examples run, its tables are current, and what it names is there.

How its code blocks are tried. Each runs by itself, in a home of its own, with a sandbox in Vast.ai's place and a proxy in
front of it that serves what the examples call ``localhost:8010``:

- ``bash`` runs at a terminal. Questions are answered, a proxy that starts is asked for something and then stopped with Ctrl-C.
- ``python`` and ``javascript`` run as programs, which have to end well and complain of nothing.
- ``text`` right behind one of these is what it shows, line for line. Elsewhere it is a picture and not tried.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
import typing
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vespa_client
from vespa_client import VastClient
from vespa_client.command.arguments import build_parser
from vespa_client.errors import VespaError
from vespa_client.journal.record import PHASES, RETRY_KINDS
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.model import Model
from vespa_client.server.capture.summary import Summary
from vespa_client.server.pages.status import Status
from vespa_client.settings.table import settings_table
from vespa_client.tracing.conventions import OPERATIONS

from ..support import javascript
from ..support.programs import signals_as_usual
from ..support.reference import README, with_tables

node_modules = javascript.node_modules

ROOT = README.parent
TEXT = README.read_text(encoding="utf-8")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_RUN = ("bash", "python", "javascript")
_SECONDS = 45
# What a command or an SDK says where something isn't as it should be.
_COMPLAINT = re.compile(r"Traceback|WARNING|ERROR|command not found")


@dataclass(frozen=True)
class Block:
    """A code block. ``shows`` is the text block right behind it."""

    language: str
    code: str
    shows: str
    name: str


def _blocks() -> Iterator[Block]:
    for found in _BLOCK.finditer(TEXT):
        headings = re.findall(r"^#+ (.*)$", TEXT[: found.start()], re.MULTILINE)
        line = TEXT.count("\n", 0, found.start()) + 1
        yield Block(found[1], found[2], found[3] or "", f"{headings[-1]}, line {line}")


BLOCKS = list(_blocks())


def _of(language: str) -> Any:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=[block.name for block in found])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """In Vast.ai's place: an account with the README's endpoints."""
    with Sandbox(endpoints=("my-endpoint", "my-other-endpoint"), token_delay=0.0, worker_kind="vespa") as running:
        yield running


@dataclass(frozen=True)
class Reader:
    """Somebody who does what the README says, in a clone of the repository."""

    sandbox: Sandbox
    proxy: VastClient
    backend: Model
    clone: Path
    environment: dict[str, str]

    def types(self, code: str) -> str:
        """The code as this reader types it: with a real key, and with the ports of this test's own servers."""
        mine = {
            "YOUR_ACCOUNT_KEY": self.sandbox.account_key,
            "YOUR_ENDPOINT_KEY": self.sandbox.endpoints[0].api_key,
            "localhost:8010": "localhost:" + self.proxy.url.rpartition(":")[2],
            "localhost:11434": self.backend.url.partition("://")[2],
            "--port 8011": "--port 0",
        }
        for word, replacement in mine.items():
            code = code.replace(word, replacement)
        return code


@pytest.fixture
def reader(sandbox: Sandbox, start_proxy: Callable[..., VastClient], own_home: Path, tmp_path: Path) -> Iterator[Reader]:
    """A clone whose commands take the sandbox for Vast.ai, and any free port for 8010."""
    patched = f"""\
from vespa_client.settings.table import INSTANCES, Instance, settings_table
INSTANCES["prod"] = Instance({sandbox.console_url!r}, {sandbox.autoscaler_url!r})
settings_table()["port"].default = 0
"""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(patched)
    clone = tmp_path / "clone"
    (clone / "scripts").mkdir(parents=True)
    python = f'exec "{sys.executable}" -P' if sys.version_info >= (3, 11) else f'exec "{sys.executable}"'
    for name, command in {"run": f'{python} -m vespa_client "$@"', "test": f'exec test -x "{ROOT}/scripts/test"'}.items():
        script = clone / "scripts" / name
        script.write_text(f'#!/bin/sh\n[ -x "{ROOT}/scripts/{name}" ] || exit 9\n{command}\n')
        script.chmod(0o755)
    # Without it, curl ends well whatever the status is.
    (own_home / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    paths = [tmp_path / "site", ROOT]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONIOENCODING": "utf-8"}
    environment.pop("PYTHONWARNINGS", None)
    backend = Model(0.0)
    backend.start()
    yield Reader(sandbox, start_proxy(), backend, clone, environment)
    backend.stop()


@_of("bash")
def test_a_shell_block_works_and_shows_what_the_readme_says(block: Block, reader: Reader) -> None:
    if "curl" in block.code and shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    output = _at_terminal(reader, reader.types(block.code))
    assert not _COMPLAINT.search(output), output
    _assert_shows(output, block.shows)


@_of("python")
def test_a_python_block_works_and_shows_what_the_readme_says(block: Block, reader: Reader) -> None:
    _assert_shows(_run(reader, [sys.executable, "-c", reader.types(block.code)]), block.shows)


@pytest.mark.timeout(300)
@_of("javascript")
def test_a_javascript_block_works_and_shows_what_the_readme_says(block: Block, reader: Reader, node_modules: Path) -> None:
    (reader.clone / "node_modules").symlink_to(node_modules / "node_modules")
    (reader.clone / "block.mjs").write_text(reader.types(block.code), encoding="utf-8")
    _assert_shows(_run(reader, ["node", "block.mjs"]), block.shows)


def test_every_block_is_run_or_a_picture() -> None:
    assert TEXT.count("\n```") == sum(4 if block.shows else 2 for block in BLOCKS)
    assert {block.language for block in BLOCKS} == {*_RUN, "text"}


def test_the_tables_are_those_of_the_code() -> None:
    assert with_tables(TEXT) == TEXT, "the tables are out of date: run python -m tests.support.reference"


def test_flags_in_the_text_are_flags_of_the_command() -> None:
    known = {option for action in build_parser()._actions for option in action.option_strings}
    of_docker = {"--add-host", "--interval"}
    of_curl = {"--silent", "--show-error", "--fail", "--retry", "--retry-delay", "--retry-all-errors"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT)) <= known | of_docker | of_curl


def test_names_in_the_text_are_names_of_the_package() -> None:
    known = {*settings_table(), *dir(vespa_client), *(kind.code for kind in _subclasses(VespaError)), "vespa_client"}
    known |= {*of_status(Status), *of_status(Summary), *PHASES, *RETRY_KINDS, *OPERATIONS, "request_id"}
    named = re.findall(r"`([a-z]+(?:_[a-z]+)+)(?==\S+`|`)", TEXT)
    assert named
    assert set(named) <= known


def of_status(kind: type) -> set[str]:
    """The names of the fields, and of those of what stands in them."""
    names = set()
    for name, declared in typing.get_type_hints(kind).items():
        names.add(name)
        for inner in (declared, *typing.get_args(declared)):
            names |= of_status(inner) if dataclasses.is_dataclass(inner) else set()
    return names


def test_each_field_of_the_status_is_told_of() -> None:
    told = set(re.findall(r"`([a-z_0-9]+)`", TEXT))
    assert of_status(Status) | of_status(Summary) <= told


def test_each_attribute_of_a_span_is_told_of() -> None:
    source = (ROOT / "vespa_client/tracing/conventions.py").read_text(encoding="utf-8")
    attributes = set(re.findall(r'"((?:gen_ai|server|http|url|error|vespa)\.[a-z_.]+)":', source))
    assert attributes
    assert attributes <= set(re.findall(r"`([a-z_.]+)`", TEXT))


def test_links_within_the_repository_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", TEXT)
    assert targets
    assert [target for target in targets if target not in anchors and not (ROOT / target).is_file()] == []


def _at_terminal(reader: Reader, script: str) -> str:
    """Run a script of bash at a terminal, as a person would, and return what was on the screen."""
    pexpect = pytest.importorskip("pexpect", reason="there is no pexpect, which needs pseudo-terminals")
    fdpexpect = pytest.importorskip("pexpect.fdpexpect")
    terminal, its_end = os.openpty()
    # A session's first process gets the terminal it opens for its own, and so Ctrl-C from it. pexpect.spawn would do the same
    # by fork(), which may hang in a process with threads.
    command = ["sh", "-c", 'exec bash -euo pipefail -c "$1" <>"$0" >&0 2>&0', os.ttyname(its_end), script]
    with signals_as_usual():
        process = subprocess.Popen(
            command,
            cwd=reader.clone,
            env=reader.environment,
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            start_new_session=True,
        )
    os.close(its_end)
    screen = io.StringIO()
    child = fdpexpect.fdspawn(terminal, encoding="utf-8", timeout=_SECONDS)
    child.logfile_read = screen
    answers = {"Enter account API key: $": reader.sandbox.account_key, r"Select endpoint \[1-2\]: $": "1", r"port \[0\]: $": ""}
    try:
        events = [pexpect.EOF, r"Listening on: (http://\S+)[^$]*?not-used\"\)\s", *answers]
        while event := child.expect(events):
            if event == 1:
                # Whose routes each worker has, the official one's too.
                url = f"{child.match[1]}/v1/completions"
                with urllib.request.urlopen(url, b'{"prompt": "Hello!"}', timeout=_SECONDS) as answer:
                    assert answer.status == 200
                child.send("\x03")
            else:
                child.sendline(list(answers.values())[event - 2])
        assert process.wait(_SECONDS) == 0, screen.getvalue()
    finally:
        process.kill()
        process.wait()
        child.close()
    return screen.getvalue()


def _run(reader: Reader, command: list[str]) -> str:
    """Run a program, which has to end well and in silence on standard error, and return what it printed."""
    ended = subprocess.run(
        command,
        cwd=reader.clone,
        env=reader.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout


def _assert_shows(output: str, expected: str) -> None:
    """Each line of the text is in the output, in that order. Ports are as free ones came."""
    said = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:8010", output).replace("port [0]", "port [8010]")
    assert said.strip(), "the example shows nothing"
    place = 0
    for line in filter(None, map(str.strip, expected.splitlines())):
        found = said.find(line, place)
        assert found >= 0, f"{line!r} is not in what it shows from here on:\n{said[place:]}"
        place = found + len(line)


def _subclasses(kind: type[VespaError]) -> set[type[VespaError]]:
    return {found for direct in kind.__subclasses__() for found in {direct, *_subclasses(direct)}}
