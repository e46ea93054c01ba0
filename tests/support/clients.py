"""The README's table of clients, made by the tests that have the marker ``client``.

``python -m tests.support.clients`` runs them, heavy ones too, and writes into the README what has passed. A cell is all the
tests of that client whose name is ``test_`` and the column's; its mark leads to their file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

__all__ = ["COLUMNS", "ROOT", "Cells", "Recorder", "cell_of", "with_table"]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
WHERE = ("tests/clients", "tests/system/test_agents.py")
"""Where such tests are: nothing else has to be read for the table."""
COLUMNS = ("plain", "streamed", "tools", "error", "cancel", "models")

Cells = dict[tuple[str, str], str]
"""The file of the tests of a client (its row) and a column, relative to the project's directory."""


def cell_of(item: pytest.Item) -> tuple[str, str] | None:
    """The client and the column that a test is about; None for a test that is in no cell."""
    mark = item.get_closest_marker("client")
    column = getattr(item, "originalname", item.name).removeprefix("test_")
    return (mark.args[0], column) if mark and column in COLUMNS else None


class Recorder:
    """A plugin of pytest that notes the cells that it collects, and those in which a test didn't pass."""

    def __init__(self) -> None:
        self.cells: Cells = {}
        self.failed: set[tuple[str, str]] = set()
        self._of: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is in a cell."""
        for item in items:
            cell = cell_of(item)
            if cell:
                self._of[item.nodeid] = cell
                self.cells[cell] = item.path.relative_to(ROOT).as_posix()
        items[:] = [item for item in items if item.nodeid in self._of]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that was skipped has shown nothing."""
        if not report.passed:
            self.failed.add(self._of[report.nodeid])


def with_table(readme: str, cells: Cells) -> str:
    """The README's text with its table of clients made anew."""
    place = re.compile(r"(<!-- clients: .*? -->\n).*?(<!-- end of clients -->)", re.DOTALL)
    assert len(place.findall(readme)) == 1, "the README has to have one place for its clients"
    return place.sub(lambda found: f"{found[1]}\n{_table(cells)}\n\n{found[2]}", readme)


def _table(cells: Cells) -> str:
    lines = [["Client", *COLUMNS], ["---", *[":-:"] * len(COLUMNS)]]
    for client in _in_order({client for client, _ in cells}):
        lines.append([client, *(_mark(cells.get((client, column))) for column in COLUMNS)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mark(file: str | None) -> str:
    return f"[✓]({file})" if file else "-"


def _in_order(clients: Iterable[str]) -> list[str]:
    """Programs, then what is for Python, then what is for Node; each by its name."""
    return sorted(clients, key=lambda client: (2 * ("(Node)" in client) + ("(Python)" in client), client.lower()))


def main() -> int:
    """Run the tests and write the table. Returns 1, and writes nothing, if one of them fails."""
    recorder = Recorder()
    code = pytest.main([*WHERE, "-m", "", "--rootdir", str(ROOT)], plugins=[recorder])
    if code or recorder.failed:
        print(f"Nothing is written. Not passed: {sorted(recorder.failed)}", file=sys.stderr)
        return 1
    README.write_text(with_table(README.read_text(encoding="utf-8"), recorder.cells), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
