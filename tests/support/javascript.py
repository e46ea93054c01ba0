"""What the tests run under Node and in the pages of a browser, from npm."""

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
def node_modules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which Node finds the JavaScript OpenAI SDK."""
    return installed(JS / "package.json", request, tmp_path_factory)


def installed(package: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which Node finds what that package.json names: kept with pytest's cache, since npm needs a while and a
    network. Skips the test where there is no Node, or no way to npm's registry.
    """
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("Node or npm is not installed")
    cache = getattr(request.config, "cache", None)
    parent = Path(cache.mkdir("node")) if cache else tmp_path_factory.mktemp("node")
    kept = parent / hashlib.sha256(package.read_bytes()).hexdigest()[:16]
    if not kept.exists():
        fresh = Path(tempfile.mkdtemp(dir=parent))
        shutil.copy(package, fresh / "package.json")
        done = subprocess.run([npm, *_INSTALL], cwd=fresh, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(fresh)
            pytest.skip(f"npm could not install {package.parent.name}/{package.name}: {done.stderr.strip()[-500:]}")
        try:
            # In one step, so that what was broken off is begun anew.
            fresh.rename(kept)
        except OSError:
            shutil.rmtree(fresh)
            assert kept.exists(), "another test process has been faster, or nobody has"
    return kept
