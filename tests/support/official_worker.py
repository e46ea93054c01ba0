"""The official worker (``vastai``) in front of the sandbox's model, in a process of its own.

A test takes the fixture ``official``; this file is also the program that it runs. The two speak JSON, a line each way,
over the program's standard input and output, so that the tests' own process holds none of its sockets. The program ends
when its input does, however the tests end.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vespa_client import VastClient

ROOT = Path(__file__).resolve().parents[2]
ENDPOINTS = ("my-endpoint", "production-endpoint", "endpoint1", "endpoint2")
ROUTES = ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/echo")
"""What it serves as JSON: the two routes that it always has, and two as operators add them."""
READY_SECONDS = 60.0
TRIES = 3
EXIT_FAILED = 3


class OfficialWorker:
    """The running program: its addresses and keys, and what can be asked of its model."""

    def __init__(self) -> None:
        """Returns when the worker is ready."""
        for _ in range(TRIES):
            if self._start():
                return
        raise RuntimeError(f"The official worker did not start:\n{self._said()}")

    def _start(self) -> bool:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.official_worker"],
            cwd=ROOT,
            env=_clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        atexit.register(self.stop)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            return False
        facts = json.loads(line)
        self.console_url: str = facts["console_url"]
        self.autoscaler_url: str = facts["autoscaler_url"]
        self.worker_url: str = facts["worker_url"]
        self.account_key: str = facts["account_key"]
        self.endpoint_keys: dict[str, str] = facts["endpoint_keys"]
        return True

    def proxy(self, **settings: Any) -> VastClient:
        """A proxy in front of this worker, still to be started. Keywords are settings."""
        return VastClient(
            ENDPOINTS[0],
            account_key=self.account_key,
            console_url=self.console_url,
            autoscaler_url=self.autoscaler_url,
            port=0,
            **settings,
        )

    def slow_down(self, token_delay: float) -> None:
        """From now on the model pauses that long before each token, in seconds."""
        self._ask("slow_down", token_delay=token_delay)

    def answer_with(self, status: int, body: str = "", path: str = "/v1/chat/completions") -> None:
        """The model's next answer on that path."""
        self._ask("answer_with", status=status, body=body, path=path)

    def break_off(self, *pieces: str, path: str = "/v1/chat/completions") -> None:
        """The model's next answer on that path: these pieces of an event stream, and then its connection ends."""
        self._ask("break_off", pieces=pieces, path=path)

    def wait_for(self, outcome: str, path: str = "/v1/chat/completions", seconds: float = 10.0) -> None:
        """Wait until the latest request on that path is ``running``, ``answered``, ``cancelled`` or ``broken``.

        AssertionError where that isn't so within the time.
        """
        self._ask("wait_for", outcome=outcome, path=path, seconds=seconds)

    def wait_for_report(self, status: str) -> None:
        """Wait until the worker has told the autoscaler that a request ended like this: ``Success``, ``Cancelled`` …"""
        self._ask("wait_for_report", status=status)

    def follow(self, script: Sequence[Any] | None) -> None:
        """From now on the model says what the script (``vespa_client/sandbox/speech/script.py``) has it say."""
        self._ask("follow", script=script)

    def wait_for_hold(self, name: str, seconds: float = 10.0) -> None:
        """Wait until the model has come to that hold of its script. AssertionError where it doesn't within the time."""
        self._ask("wait_for_hold", name=name, seconds=seconds)

    def forge_next(self) -> None:
        """The next assignment's signature is not the autoscaler's."""
        self._ask("forge_next")

    def payloads(self, path: str = "/v1/chat/completions") -> list[Any]:
        """What the model was asked on that path since :meth:`reset`."""
        found: list[Any] = self._ask("payloads", path=path)
        return found

    def forms(self, path: str) -> list[list[tuple[str, str | None, bytes]]]:
        """Name, filename and content of each field that the model was sent on that path, request by request."""
        asked = self._ask("forms", path=path)
        return [[(name, filename, base64.b64decode(content)) for name, filename, content in form] for form in asked]

    def costs(self) -> list[Any]:
        """The costs of the calls of /route/ since :meth:`reset`."""
        found: list[Any] = self._ask("costs")
        return found

    def reset(self) -> None:
        """Forget scripts and records; no pauses."""
        self._ask("reset")

    def stop(self) -> None:
        """End the program. Harmless twice."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._log.close()

    def _ask(self, what: str, **how: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        print(json.dumps([what, how]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The official worker has ended:\n{self._said()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-5000:]


# Once for all test files: it takes some seconds to be ready.
_running = functools.cache(OfficialWorker)


@pytest.fixture
def official() -> OfficialWorker:
    """The official worker, as if it had just started."""
    worker = _running()
    worker.reset()
    return worker


@pytest.fixture
def official_proxy(official: OfficialWorker) -> Iterator[VastClient]:
    """A proxy in front of the official worker."""
    # What the proxy would answer itself goes all the way here.
    with official.proxy(pass_route=("/",)) as client:
        yield client


def _clean_environment() -> dict[str, str]:
    names = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "USERPROFILE", "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


class _Program:
    """The other side: sandbox and worker in this process, and the answers to what the tests ask."""

    def __init__(self) -> None:
        from vespa_client.sandbox import Sandbox

        self.sandbox = Sandbox(endpoints=ENDPOINTS, token_delay=0.0).start()
        # The sandbox's own worker has no part in this.
        self.sandbox.autoscaler.workers.clear()
        self.directory = Path(tempfile.mkdtemp(prefix="official-worker-"))

    def run_worker(self) -> None:
        """Serve until the process ends."""
        port, http_port = _free_ports(2)
        log = self.directory / "model.log"
        log.write_text("the model is loaded\n")
        os.chdir(self.directory)
        os.environ.update(
            {
                "WORKER_PORT": str(port),
                "WORKER_HTTP_PORT": str(http_port),
                f"VAST_TCP_PORT_{port}": str(port),
                "PUBLIC_IPADDR": "127.0.0.1",
                "CONTAINER_ID": "1",
                "MASTER_TOKEN": "x",
                "USE_SSL": "false",
                "REPORT_ADDR": self.sandbox.autoscaler_url,
                "HOME": str(self.directory),
            }
        )
        from vastai.serverless.server.worker import (
            BenchmarkConfig,
            HandlerConfig,
            LogActionConfig,
            Worker,
            WorkerConfig,
        )

        from ..payload.worker_uploads import PAYLOADS

        benchmark = BenchmarkConfig(dataset=[{"prompt": "Hello", "max_tokens": 4}], runs=1, concurrency=1)
        config = WorkerConfig(
            model_server_url="http://127.0.0.1",
            model_server_port=int(self.sandbox.model.url.rpartition(":")[2]),
            model_log_file=str(log),
            # Without one, it waits 10 s before it calls itself ready.
            model_healthcheck_url="/v1/models",
            handlers=[
                HandlerConfig(
                    route=route,
                    allow_parallel_requests=True,
                    max_queue_time=600.0,
                    benchmark_config=benchmark if route == ROUTES[0] else None,
                    payload_class=PAYLOADS.get(route),
                )
                for route in (*ROUTES, *PAYLOADS)
            ],
            log_action_config=LogActionConfig(on_load=["the model is loaded"]),
        )
        Worker(config).run(host="127.0.0.1")

    def answer(self, questions: Iterator[str], tell: Callable[[Any], None]) -> None:
        """Say when the worker is ready, then answer each question."""
        self.sandbox.autoscaler.wait_for(self._reports, READY_SECONDS)
        if not self.sandbox.autoscaler.workers:
            self.end(EXIT_FAILED)
        tell(
            {
                "console_url": self.sandbox.console_url,
                "autoscaler_url": self.sandbox.autoscaler_url,
                "worker_url": self.sandbox.autoscaler.workers[0][0],
                "account_key": self.sandbox.account_key,
                "endpoint_keys": {endpoint.name: endpoint.api_key for endpoint in self.sandbox.endpoints},
            }
        )
        for question in questions:
            what, how = json.loads(question)
            try:
                tell({"value": getattr(self, "do_" + what)(**how)})
            except TimeoutError as problem:
                tell({"error": str(problem)})

    def end(self, code: int = 0) -> None:
        """End the process: the worker has no end of its own."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os._exit(code)

    def _reports(self, requests: list[Any]) -> bool:
        """Whether the worker is ready, or has said that it never will be."""
        reports = [json.loads(request.body) for request in requests if request.path == "/worker_status/"]
        return bool(self.sandbox.autoscaler.workers) or any(report["error_msg"] for report in reports)

    def do_slow_down(self, token_delay: float) -> None:
        self.sandbox.model.token_delay = token_delay

    def do_answer_with(self, status: int, body: str, path: str) -> None:
        headers = {"Content-Type": "application/json"} if body else {}
        self.sandbox.model.answer_with(status, body, headers, path=path)

    def do_break_off(self, pieces: list[str], path: str) -> None:
        from vespa_client.sandbox.messages import HangUp

        def body(request: Any) -> Iterator[bytes]:
            yield from (piece.encode() for piece in pieces)
            raise HangUp

        self.sandbox.model.answer_with(200, body, {"Content-Type": "text/event-stream"}, path=path)

    def do_wait_for(self, outcome: str, path: str, seconds: float) -> None:
        def is_so(requests: list[Any]) -> bool:
            ours = [request for request in requests if request.path == path]
            return bool(ours) and (ours[-1].outcome or "running") == outcome

        self.sandbox.model.wait_for(is_so, seconds)

    def do_wait_for_report(self, status: str) -> None:
        def is_told(requests: list[Any]) -> bool:
            reports = [json.loads(request.body) for request in requests if request.path == "/delete_requests/"]
            return any(ended["status"] == status for report in reports for ended in report["requests"])

        self.sandbox.autoscaler.wait_for(is_told, 10.0)

    def do_follow(self, script: list[Any] | None) -> None:
        from vespa_client.sandbox.speech.script import Script

        self.sandbox.model.script = None if script is None else Script(script)

    def do_wait_for_hold(self, name: str, seconds: float) -> None:
        self.sandbox.model.holds.wait_until_reached(name, seconds)

    def do_forge_next(self) -> None:
        from vespa_client.sandbox.component import json_answer

        assignment = self.sandbox.autoscaler.assign(ENDPOINTS[0], 1.0)
        assert assignment
        assignment["signature"] = "Zm9yZ2Vk"
        self.sandbox.autoscaler.answer_by(lambda request: json_answer(200, assignment))

    def do_payloads(self, path: str) -> list[Any]:
        return [json.loads(request.body) for request in self.sandbox.model.requests if request.path == path]

    def do_forms(self, path: str) -> list[Any]:
        from ..payload.worker_uploads import form_of_body

        forms = []
        for request in self.sandbox.model.requests:
            if request.path == path:
                form = form_of_body(request.header("Content-Type") or "", request.body)
                forms.append([(name, filename, base64.b64encode(content).decode()) for name, filename, content in form])
        return forms

    def do_costs(self) -> list[Any]:
        return [request.payload["cost"] for request in self.sandbox.autoscaler.routes]

    def do_reset(self) -> None:
        self.sandbox.model.token_delay = 0.0
        self.sandbox.model.script = None
        self.sandbox.model.holds.clear()
        for component in (self.sandbox.model, self.sandbox.autoscaler, self.sandbox.console):
            component.clear_script()
            component.clear_requests()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. Somebody may be faster than the worker; then the program is started anew."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def main() -> None:
    """The program."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what else is printed in this process is not for the tests

    def tell(value: Any) -> None:
        print(json.dumps(value), file=answers, flush=True)

    program = _Program()

    def serve_tests() -> None:
        code = EXIT_FAILED
        try:
            program.answer(iter(sys.stdin.readline, ""), tell)
            code = 0
        finally:
            program.end(code)

    threading.Thread(target=serve_tests, daemon=True).start()
    # Whoever ends the tests' whole group ends this too; its directory is to go with it.
    signal.signal(signal.SIGTERM, lambda number, frame: program.end(EXIT_FAILED))
    try:
        program.run_worker()
    finally:
        program.end(EXIT_FAILED)


if __name__ == "__main__":
    main()
