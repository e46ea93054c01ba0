"""The JavaScript OpenAI SDK, from npm: for Node, and for the pages of a browser."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

JS = Path(__file__).parent / "js"
ENVIRONMENT = dict(os.environ)
"""npm's settings are the person's own; own_home takes them away from the tests."""

_INSTALL = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest) -> Path:
    """A directory in which Node finds the JavaScript SDK."""
    return installed_by_npm(request, JS / "package.json")


def installed_by_npm(request: pytest.FixtureRequest, wanted: Path) -> Path:
    """A directory with what that ``package.json`` names: kept with pytest's cache, since npm needs a while and a network."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("Node or npm is not installed")
    name = f"{wanted.parent.name}-npm"
    cache = getattr(request.config, "cache", None)
    parent = Path(cache.mkdir(name) if cache else request.getfixturevalue("tmp_path_factory").mktemp(name))
    kept = parent / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    if not kept.exists():
        fresh = Path(tempfile.mkdtemp(dir=parent))
        shutil.copy(wanted, fresh)
        done = subprocess.run([npm, *_INSTALL], cwd=fresh, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"npm could not install what {wanted} names: {done.stderr.strip()[-500:]}")
        try:
            # In one step, so that what was broken off is begun anew.
            fresh.rename(kept)
        except OSError:
            shutil.rmtree(fresh)
            assert kept.exists(), "another test process has been faster, or nobody has"
    return kept
