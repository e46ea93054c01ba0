"""A real Prometheus, where the system has one (Debian's package ``prometheus``)."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from .waiting import LONG, wait_until

__all__ = ["Prometheus", "needs_prometheus"]

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="prometheus and promtool are not installed (Debian: apt-get install prometheus)",
)

_CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["prometheus-alerts.yml"]
scrape_configs:
  - job_name: vespa-client
    metrics_path: /_vespa/metrics
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """Runs in a directory, and scrapes the proxy at ``url``."""

    def __init__(self, directory: Path, url: str) -> None:
        (directory / "prometheus.yml").write_text(_CONFIGURATION.format(target=urlsplit(url).netloc), encoding="utf-8")
        self._directory = directory
        self._api = ""
        self._log = directory / "prometheus.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    "--config.file=prometheus.yml",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        self._api = f"http://127.0.0.1:{port}/api/v1/"
        wait_until(self._is_up, seconds=30)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(LONG)

    def get(self, path: str, **parameters: str) -> Any:
        """The ``data`` of an answer of its API."""
        answer = requests.get(self._api + path, params=parameters, timeout=LONG).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, query: str) -> list[Any]:
        """The result of a query now."""
        result: list[Any] = self.get("query", query=query)["result"]
        return result

    @staticmethod
    def names_in(query: str) -> set[str]:
        """The words of a query, metrics' names among them."""
        return set(re.findall(r"[a-z_]{4,}", query))

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text("utf-8")
        try:
            return requests.get(self._api + "status/runtimeinfo", timeout=LONG).status_code == 200
        except (requests.ConnectionError, json.JSONDecodeError):
            return False
