"""SECURITY.md's table: each threat has tests that stand behind it, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
TEST = re.compile(r"`(test_\w+)(?:::(\w+))?`")


def names_of_tests_in(module: str) -> set[str]:
    """The names of the tests in the modules of that name; empty where there is none."""
    found = (ROOT / "tests").rglob(f"{module}.py")
    nodes = [node for path in found for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_behind_each_threat_stand_tests_that_exist() -> None:
    threats = [row for row in ROWS if row[0] != "Threat"]
    assert len(threats) >= 20
    missing = []
    for threat, defence, *behind in threats:
        named = TEST.findall(" ".join(behind))
        assert defence and named, threat
        for module, name in named:
            known = names_of_tests_in(module)
            if not known or (name and name not in known):
                missing.append(f"{module}::{name}")
    assert missing == []


def test_it_says_what_is_not_defended_and_how_to_report() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings == ["What is defended", "What is not", "How to report a hole"]
