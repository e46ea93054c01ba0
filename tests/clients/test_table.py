"""The README's table of clients is that of the tests there are."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.clients import COLUMNS, README, ROOT, Cells, with_table
from tests.support.programs import environment

_COLLECT = """
import json, pytest
from tests.support.clients import Recorder, WHERE

recorder = Recorder()
assert pytest.main([*WHERE, "-m", "", "--collect-only", "-q"], plugins=[recorder]) == 0
print()
print(json.dumps([[*cell, file] for cell, file in recorder.cells.items()]))
"""


@pytest.fixture(scope="module")
def cells() -> Cells:
    """As pytest finds them, in a process of its own."""
    command = [sys.executable, "-c", _COLLECT]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(PYTHONWARNINGS="default"), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return {(client, column): file for client, column, file in found}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="pydantic-ai needs Python 3.11, and is in the table")
def test_the_table_is_that_of_the_tests(cells: Cells) -> None:
    readme = README.read_text(encoding="utf-8")
    assert with_table(readme, cells) == readme, "python -m tests.support.clients runs the tests and writes it"


def test_each_client_is_asked_for_all_that_it_can_do(cells: Cells) -> None:
    """Only a model's list is none of every client's business, and agents have no answer but a streamed one."""
    for client in {client for client, _ in cells}:
        lacks = {column for column in COLUMNS if (client, column) not in cells}
        assert lacks <= {"models", "plain"}, client
