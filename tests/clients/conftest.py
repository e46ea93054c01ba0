"""The two sites, and a proxy in front of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.official_worker import official
from vespa_client import VastClient

from .site import OfficialSite, SandboxSite, Site

__all__ = ["official"]


# The sandbox's worker is held to the official one's answers (tests/sandbox/test_worker.py): the second look is CI's.
@pytest.fixture(params=["official", pytest.param("sandbox", marks=pytest.mark.heavy)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Where the client's requests end up."""
    if request.param == "official":
        yield OfficialSite(request.getfixturevalue("official"))
    else:
        with SandboxSite.opened() as sandbox:
            yield sandbox


@pytest.fixture
def proxy(site: Site) -> Iterator[VastClient]:
    """What the client is pointed at."""
    with site.proxy() as client:
        yield client
