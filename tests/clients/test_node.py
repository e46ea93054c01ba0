"""The SDKs for JavaScript, under Node. What each does is in ``node/``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.javascript import ENVIRONMENT, installed_by_npm
from vespa_client import VastClient

from .conversation import ANSWER, ERROR_TEXT, TOOL_ANSWER
from .site import Site

NODE = Path(__file__).parent / "node"
OPENAI = ("openai.js", "openai")
ANTHROPIC = ("anthropic.js", "@anthropic-ai/sdk")
VERCEL = [("ai.js", f"@ai-sdk/{way}") for way in ("openai", "anthropic", "openai-compatible")]

# npm's installation is behind the first one.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

Run = Callable[[str], Any]


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """A directory with the SDKs, and with the programs that use them."""
    directory = installed_by_npm(request, NODE / "package.json")
    for program in NODE.glob("*.js"):
        shutil.copy(program, directory)
    return directory


@pytest.fixture
def run(request: pytest.FixtureRequest, packages: Path, proxy: VastClient, tmp_path: Path) -> Run:
    """Runs a function of the client's program, and returns what that returned."""
    program, client = request.param

    def run(function: str) -> Any:
        told = {"PROXY_URL": proxy.url, "CLIENT": client, "HOME": str(tmp_path)}
        command = ["node", "main.js", program, function]
        done = subprocess.run(command, cwd=packages, env={**ENVIRONMENT, **told}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def clients(*programs: tuple[str, str]) -> pytest.MarkDecorator:
    def named(client: str) -> str:
        return f"`ai` with `{client}` (Node)" if client.startswith("@ai-sdk/") else f"`{client}` (Node)"

    rows = [pytest.param(one, marks=pytest.mark.client(named(one[1])), id=one[1].lstrip("@")) for one in programs]
    return pytest.mark.parametrize("run", rows, indirect=True)


every_client = clients(OPENAI, ANTHROPIC, *VERCEL)


@every_client
def test_plain(run: Run) -> None:
    assert run("plain") == ANSWER


@every_client
def test_streamed(run: Run) -> None:
    assert run("streamed") == ANSWER


@every_client
def test_tools(run: Run) -> None:
    assert run("withTools") == TOOL_ANSWER


@every_client
def test_error(run: Run) -> None:
    error = run("failing")
    assert error["status"] == 403
    assert ERROR_TEXT in error["message"]


@every_client
def test_cancel(run: Run, site: Site) -> None:
    assert run("cancelled")
    site.wait_until_cancelled()


# Vercel's SDK has no call for it.
@clients(OPENAI, ANTHROPIC)
def test_models(run: Run, site: Site) -> None:
    assert run("models") == ["my-endpoint"]
    assert not site.costs()
