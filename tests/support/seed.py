"""The examples of the description that the project began with (seed.md), as they were written, and what may be changed in them.

``seed_examples`` holds each code block under the name of its heading. What is changed is what the description itself leaves
to its reader, and what a test must not share with other programs: keys, ``{...}``, ports, an hour's sleep, where Vast.ai is,
and the names that issue 3 gives to the program (``python -m vespa_client``) and to the class (``AsyncVastClient``).
"""

from __future__ import annotations

import random
import re
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parents[1] / "seed_examples"
NAMES = ("my-endpoint", "production-endpoint", "endpoint1", "endpoint2")
"""The endpoints of the examples."""
BODY = {"model": "llama-2-7b", "prompt": "Hello!", "messages": [{"role": "user", "content": "Hello!"}]}
"""What stands for ``{...}``: good for chat and for completions."""


@dataclass(frozen=True)
class Site:
    """A Vast.ai in which an example runs, and what its worker was asked."""

    kind: str
    console_url: str
    autoscaler_url: str
    account_key: str
    endpoint_keys: dict[str, str]
    asked: Any

    def costs(self) -> list[Any]:
        """The workload of each call of /route/."""
        found: list[Any] = self.asked.costs()
        return found

    def payloads(self, path: str) -> list[Any]:
        """What the model was sent to that path."""
        found: list[Any] = self.asked.payloads(path)
        return found


def text_of(name: str) -> str:
    """An example as it was written."""
    return (DIRECTORY / name).read_text(encoding="utf-8")


def shell(name: str, site: Site, ports: Sequence[int], *, flags: str = "") -> str:
    """A bash example, in which ``flags`` stand behind the program's name; the examples' own win over them."""
    where = ["--console-url", site.console_url, "--autoscaler-url", site.autoscaler_url]
    program = shlex.join([sys.executable, "-m", "vespa_client", *where]) + f" {flags}".rstrip()
    text = text_of(name).replace("python client.py", program)
    text = re.sub(r"(--account-key) \w+", rf"\1 {site.account_key}", text)
    text = re.sub(r"(--api-key) \w+", rf"\1 {site.endpoint_keys.get('my-endpoint', '')}", text)
    text = re.sub(r'"your-(?:account-)?key"', f'"{site.account_key}"', text)
    text = text.replace("{...}", '{"prompt": "Hello"}')
    return _with_ports(text, ports)


def python(name: str, site: Site, ports: Sequence[int]) -> str:
    """A Python example. One that makes its own client has it listen on any free port."""
    where = f"console_url={site.console_url!r}"
    text = text_of(name)
    text = text.replace("from client import VastClient", "from vespa_client import AsyncVastClient as VastClient")
    text = text.replace("fetch_endpoint_key(\n", f"fetch_endpoint_key(\n        {where},\n")
    if "port=8010" not in text:
        text = text.replace("VastClient(", "VastClient(port=8010, ")
    text = text.replace("VastClient(", f"VastClient({where}, autoscaler_url={site.autoscaler_url!r}, ")
    text = text.replace('"YOUR_ACCOUNT_KEY"', repr(site.account_key))
    text = re.sub(r'api_key="(?:YOUR_ENDPOINT_KEY|YOUR_KEY|KEY)"', f"api_key={site.endpoint_keys['my-endpoint']!r}", text)
    text = text.replace("asyncio.sleep(3600)", "asyncio.sleep(0.01)")
    text = text.replace("json={...}", f"json={BODY!r}")
    return _with_ports(text, ports)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, outside of those that the system gives to outgoing connections."""
    # Not from the seeded generator, which is the same in each process that runs tests.
    candidates = random.SystemRandom().sample(range(12_000, 32_000), 200)
    return [port for port in candidates if is_free(port)][:count]


def _with_ports(text: str, ports: Sequence[int]) -> str:
    for example, port in zip(("8010", "8011", "8080"), ports, strict=False):
        text = text.replace(example, str(port))
    return text


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of loopback, in either family."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                if sys.platform != "win32":
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError:
            if family == socket.AF_INET:
                return False
    return True
