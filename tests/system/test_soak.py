"""Twenty seconds of scripts/soak: nothing is lost while workers die, keys change and the autoscaler stumbles."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from ..soak.soak import Soak

SECONDS = 20.0


@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="what a process holds is told by Linux's /proc")
def test_nothing_is_lost_and_nothing_grows_while_all_behind_the_proxy_fails() -> None:
    # The seed is drawn anew for each run; the table tells it.
    table = Soak(SECONDS, secrets.randbelow(2**32), clients=16).run()
    assert not table.breaches, "\n".join(["", str(table), *table.breaches])
