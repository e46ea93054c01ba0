"""What every test gets: a home of its own, no environment of the caller's, and a look for what it left behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No file and no variable of the person who runs the tests takes part in them."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("VAST_", "VESPA_", "XDG_", "OPENAI_", "ANTHROPIC_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return home


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test after which more threads or sockets are open than before."""
    threads, sockets = set(threading.enumerate()), open_sockets()
    yield
    deadline = time.monotonic() + 3
    while True:
        left_threads = [thread.name for thread in threading.enumerate() if thread not in threads]
        left_sockets = open_sockets() - sockets
        if not left_threads and not left_sockets:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: threads {left_threads}, sockets {sorted(left_sockets)}")
        gc.collect()
        time.sleep(0.01)


def open_sockets() -> set[str]:
    """This process's sockets, by inode. Empty where the system has no /proc."""
    found = set()
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Vast.ai on loopback, its model without pauses."""
    with Sandbox(token_delay=0.0, worker_kind="vespa") as running:
        yield running


@pytest.fixture
def start_proxy(sandbox: Sandbox) -> Iterator[Callable[..., VastClient]]:
    """Starts proxies in front of the sandbox; keywords are settings. They are stopped at the end."""
    started: list[VastClient] = []

    def start(**settings: object) -> VastClient:
        given: dict[str, object] = {
            "endpoint": sandbox.endpoints[0].name,
            "account_key": sandbox.account_key,
            "console_url": sandbox.console_url,
            "autoscaler_url": sandbox.autoscaler_url,
            "port": 0,
            # What the proxy would answer itself goes all the way in most tests.
            "pass_route": ("/",),
            **settings,
        }
        client = VastClient(**given)  # type: ignore[arg-type]
        started.append(client)
        return client.start()

    yield start
    for client in started:
        client.stop()


@pytest.fixture
def proxy(start_proxy: Callable[..., VastClient]) -> VastClient:
    """A proxy in front of the sandbox."""
    return start_proxy()
