"""Each example of the description that the project began with (seed.md), against the sandbox and against the official worker.

``seed.py`` says what is changed in an example before it runs.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox

from ..support import seed
from ..support.official_worker import OfficialWorker, official
from ..support.programs import environment
from ..support.seed import Site
from ..support.waiting import LONG

__all__ = ["official"]

pexpect = pytest.importorskip("pexpect", reason="there is no terminal to run the examples in")

ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!"
LISTENING = r"Listening on: (http://[\d.]+:\d+)"
THREE = ("my-llm-endpoint", "my-comfyui-endpoint", "test-endpoint")
# What starts a proxy, and how many, one after the other.
STARTS = {
    "2_account_key_one_command.sh": 1,
    "3_endpoint_key_if_you_have_it.sh": 1,
    "401_unauthorized.sh": 1,
    "after_with_vespa_client.sh": 1,
    "command_line_with_account_key.sh": 3,
    "connection_refused.sh": 1,
    "environment_variables.sh": 1,
    "file_based_vastai_cli_compatible.sh": 1,
    "production_setup.sh": 1,
}


class Asked:
    """What the sandbox was asked, in the words of :class:`OfficialWorker`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def costs(self) -> list[Any]:
        return [request.payload["cost"] for request in self._sandbox.autoscaler.routes]

    def payloads(self, path: str) -> list[Any]:
        return [request.payload for request in self._sandbox.worker.requests if request.path == path]


@contextmanager
def sandbox_site(*names: str) -> Iterator[tuple[Sandbox, Site]]:
    with Sandbox(endpoints=names, token_delay=0.0) as sandbox:
        keys = {endpoint.name: endpoint.api_key for endpoint in sandbox.endpoints}
        where = (sandbox.console_url, sandbox.autoscaler_url, sandbox.account_key)
        yield sandbox, Site("sandbox", *where, keys, Asked(sandbox))


@pytest.fixture(params=["sandbox", "official"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The examples' endpoints, with one worker or the other behind them."""
    if request.param == "sandbox":
        with sandbox_site(*seed.NAMES) as (_, site):
            yield site
    else:
        worker: OfficialWorker = request.getfixturevalue("official")
        where = (worker.console_url, worker.autoscaler_url, worker.account_key)
        yield Site("official", *where, worker.endpoint_keys, worker)


@pytest.fixture
def port(site: Site) -> Iterator[int]:
    """Where a proxy listens that serves the examples which expect one."""
    where: dict[str, Any] = {"console_url": site.console_url, "autoscaler_url": site.autoscaler_url}
    with VastClient("my-endpoint", account_key=site.account_key, port=0, **where) as client:
        yield int(client.url.rpartition(":")[2])


def run(source: str, directory: Path) -> str:
    """Runs a Python example to its end, which has to be a good one. Returns what it printed."""
    file = directory / "example.py"
    file.write_text(source, encoding="utf-8")
    # The examples leave connections for the interpreter to close, of which a strict one would warn.
    env = environment(PYTHONWARNINGS="ignore")
    done = subprocess.run(
        [sys.executable, str(file)], env=env, cwd=directory, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@contextmanager
def terminal(script: str, **env: str) -> Iterator[Any]:
    """Runs a bash example in a terminal. Hanging up ends what still runs in it."""
    child = pexpect.spawn(
        "bash",
        ["-e", "-c", script],
        env=environment(**env),
        encoding="utf-8",
        timeout=LONG * 2,
        dimensions=(50, 300),
    )
    try:
        yield child
    finally:
        child.close(force=True)


def chat(url: str) -> str:
    """An answer through a proxy."""
    answer = requests.post(f"{url}/v1/chat/completions", json=seed.BODY, timeout=LONG)
    assert answer.ok, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def type_answers(child: Any, site: Site, port: int) -> None:
    """What a person types into the interactive set-up."""
    child.expect("Enter account API key: ")
    child.sendline(site.account_key)
    child.expect(r"Select endpoint \[1-\d\]: ")
    child.sendline("1")
    child.expect(r"Local proxy port \[8010\]: ")
    child.sendline(str(port))


def end(child: Any) -> str:
    """Waits for the script's end, which has to be a good one. Returns what came since the last look."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    text: str = child.before.replace("\r\n", "\n")
    return text


class TestCommandLine:
    @pytest.mark.parametrize("name", STARTS)
    def test_a_proxy_starts_and_serves(self, site: Site, name: str) -> None:
        ports = seed.free_ports(3)
        env = {"VAST_ENDPOINT": "my-endpoint", "VAST_ACCOUNT_KEY": site.account_key} if name.startswith("after") else {}
        with terminal(seed.shell(name, site, ports, flags=f"--port {ports[0]}"), **env) as child:
            for _ in range(STARTS[name]):
                child.expect(LISTENING)
                assert chat(child.match[1]) == ANSWER
                child.sendintr()
                child.expect("Stopping")
            end(child)
        assert len(site.payloads("/v1/chat/completions")) == STARTS[name]

    @pytest.mark.parametrize("name", ["1_interactive_mode_easiest.sh", "interactive_mode.sh"])
    def test_interactive(self, site: Site, name: str) -> None:
        [port] = seed.free_ports(1)
        with terminal(seed.shell(name, site, [])) as child:
            type_answers(child, site, port)
            child.expect(LISTENING)
            assert child.match[1] == f"http://127.0.0.1:{port}"
            assert chat(child.match[1]) == ANSWER
            child.sendintr()
            end(child)

    def test_interactive_looks_as_shown(self) -> None:
        shown = seed.text_of("interactive_mode.txt")
        [port] = seed.free_ports(1)
        with sandbox_site(*THREE) as (_, site), terminal(seed.shell("interactive_mode.sh", site, [])) as child:
            seen = []
            child.logfile_read = type("Log", (), {"write": lambda self, text: seen.append(text), "flush": lambda self: 0})()
            type_answers(child, site, port)
            child.expect(LISTENING)
            child.sendintr()
            end(child)
        text = "".join(seen).replace("\r\n", "\n").replace(f"{port}", "8010")
        assert site.account_key not in text
        # The stars stand for a key that isn't shown, the port was typed here, and there is more behind the block.
        expected = shown.replace(" ****", " ").replace("Local proxy port [8010]:", "Local proxy port [8010]: 8010")
        assert lines(text)[: len(lines(expected))] == lines(expected)

    @pytest.mark.parametrize("name", ["endpoint_discovery.sh", "list_endpoints.sh"])
    def test_the_list_looks_as_shown(self, name: str) -> None:
        shown = seed.text_of("list_endpoints.txt")
        with sandbox_site(*THREE) as (_, site), terminal(seed.shell(name, site, [])) as child:
            text = end(child)
        # A key file that others can read is warned of in between.
        seen = "\n".join(line for line in text.splitlines() if "WARNING" not in line) + "\n"
        assert seen == shown * (3 if name == "list_endpoints.sh" else 1)

    def test_the_help_has_every_flag_that_is_shown(self, site: Site) -> None:
        command, _, shown = seed.shell("cli_arguments.sh", site, []).partition("\n")
        with terminal(command, COLUMNS="200") as child:
            text = end(child)
        flags = re.findall(r"^  (--[\w-]+)", shown, re.MULTILINE)
        assert len(flags) == 9
        for flag in flags:
            assert re.search(rf"^  {flag}\b", text, re.MULTILINE), flag

    def test_a_wrong_key_is_answered_as_shown(self, site: Site) -> None:
        command = seed.shell("401_unauthorized.sh", site, []).replace(site.account_key, "wrong")
        with terminal(command) as child:
            child.expect(pexpect.EOF)
            child.close()
        assert child.exitstatus == 1
        assert child.before.replace("\r\n", "\n").startswith(seed.text_of("helpful_error_messages.txt"))

    def test_the_key_file_is_secured(self, site: Site, own_home: Path) -> None:
        with terminal(seed.shell("no_vast_api_key_file.sh", site, [])) as child:
            end(child)
        file = own_home / ".vast_api_key"
        assert file.read_text() == f"{site.account_key}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_quick_test(self, site: Site) -> None:
        [port] = seed.free_ports(1)
        start, another, rest = seed.shell("quick_test.sh", site, [port]).partition("# In another terminal")
        assert another
        with terminal(start) as proxy:
            type_answers(proxy, site, port)
            proxy.expect(LISTENING)
            with terminal(another + rest) as child:
                text = end(child)
            proxy.sendintr()
            end(proxy)
        if site.kind == "sandbox":
            assert '"id": "sandbox"' in text
        else:
            # The official worker knows POST alone (protocol.md, "Workers").
            assert "The worker has no route GET /v1/models, and answered 404." in text
        assert "You said: Hello" in text and "You said: Long story" in text
        assert text.endswith("data: [DONE]\n\n")
        assert [payload["prompt"] for payload in site.payloads("/v1/completions")] == ["Hello", "Long story", "test"]
        assert site.costs() == [1, 1, 500, 1]

    def test_multiple_endpoints(self, site: Site) -> None:
        ports = seed.free_ports(2)
        start, use, rest = seed.shell("multiple_endpoints.sh", site, ports).partition("# App can use both")
        assert use
        with terminal(f"{start}\nwait") as proxies:
            for _ in ports:
                proxies.expect(LISTENING)
            with terminal(use + rest) as child:
                assert end(child).count("You said: Hello") == 2
        # The terminal was closed, and both have to end with it.
        wait_until_free(ports)
        assert len(site.payloads("/v1/completions")) == 2


class TestPrograms:
    def test_with_openai_sdk(self, site: Site, port: int, tmp_path: Path) -> None:
        assert run(seed.python("with_openai_sdk.py", site, [port]), tmp_path) == ANSWER
        [payload] = site.payloads("/v1/chat/completions")
        assert payload["model"] == "llama-2-7b" and payload["stream"] is True

    def test_with_requests(self, site: Site, port: int, tmp_path: Path) -> None:
        answer = ast.literal_eval(run(seed.python("with_requests.py", site, [port]), tmp_path))
        assert answer["choices"][0]["message"]["content"] == ANSWER

    def test_specifying_workload_cost(self, site: Site, port: int, tmp_path: Path) -> None:
        run(seed.python("specifying_workload_cost.py", site, [port]), tmp_path)
        assert site.costs() == [500]
        assert site.payloads("/v1/completions") == [{"prompt": "Write a long story", "max_tokens": 1000}]

    def test_streaming_responses(self, site: Site, port: int, tmp_path: Path) -> None:
        events = run(seed.python("streaming_responses.py", site, [port]), tmp_path).strip().split("\n\n")
        assert events[-1] == "data: [DONE]"
        texts = [json.loads(event.removeprefix("data: "))["choices"][0]["text"] for event in events[:-1]]
        assert "".join(texts).endswith("You said: test")

    def test_python_module_usage(self, site: Site, tmp_path: Path) -> None:
        first, answer = run(seed.python("python_module_usage.py", site, [0]), tmp_path).splitlines()
        assert re.fullmatch(r"Proxy running at: http://127\.0\.0\.1:\d+", first)
        assert answer == "I am the sandbox's stand-in, not a real model. You said: Hello!"

    @pytest.mark.parametrize("site", ["sandbox"], indirect=True)
    def test_auto_fetching_endpoint_key(self, site: Site, tmp_path: Path) -> None:
        # It asks for the models, which the official worker, knowing POST alone, answers with a 404 that isn't JSON.
        first, models = run(seed.python("auto_fetching_endpoint_key.py", site, [0]), tmp_path).splitlines()
        assert re.fullmatch(r"Proxy URL: http://127\.0\.0\.1:\d+", first)
        assert ast.literal_eval(models)["data"][0]["id"] == "sandbox"

    @pytest.mark.skipif(os.name != "posix", reason="a program can't send Ctrl-C to another one here")
    def test_running_forever(self, site: Site, tmp_path: Path) -> None:
        [port] = seed.free_ports(1)
        file = tmp_path / "example.py"
        file.write_text(seed.python("running_forever.py", site, [port]), encoding="utf-8")
        with subprocess.Popen([sys.executable, str(file)], env=environment(), stderr=subprocess.PIPE, text=True) as program:
            try:
                wait_until_listening(port)
                assert chat(f"http://localhost:{port}") == ANSWER
                program.send_signal(signal.SIGINT)
                said = program.communicate(timeout=LONG)[1]
            finally:
                program.kill()
        # How Python ends a program that doesn't catch Ctrl-C.
        assert said.splitlines()[-1] == "KeyboardInterrupt"
        wait_until_free([port])

    def test_with_different_sdks(self, site: Site, port: int, tmp_path: Path) -> None:
        # LangChain has moved its class since.
        source = seed.python("with_different_sdks.py", site, [port])
        run(source.replace("from langchain.llms import", "from langchain_openai import"), tmp_path)
        assert site.payloads("/v1/chat/completions") == [seed.BODY]

    def test_before_manual_routing(self, tmp_path: Path) -> None:
        # What the proxy spares its users; here, it shows that the sandbox can be spoken to without the proxy.
        with sandbox_site("/v1/completions") as (sandbox, site):
            keys = f"endpoint_api_key = {sandbox.endpoints[0].api_key!r}\n"
            text = seed.text_of("before_manual_routing.py").replace("https://run.vast.ai", site.autoscaler_url)
            run(keys + text, tmp_path)
            [request] = sandbox.worker.requests
        assert request.payload == {"prompt": "test", "max_tokens": 100}
        # The worker took it; the example names the endpoint after a path, and sends it to none.
        assert (request.path, request.status) == ("/", 404)

    def test_after_with_vespa_client(self, site: Site, port: int, tmp_path: Path) -> None:
        run(seed.python("after_with_vespa_client.py", site, [port]), tmp_path)
        assert len(site.payloads("/v1/chat/completions")) == 1

    def test_async_context_manager_pattern(self, site: Site, tmp_path: Path) -> None:
        text = run(seed.python("async_context_manager_pattern.py", site, [0]), tmp_path)
        assert re.fullmatch(r"Use: http://127\.0\.0\.1:\d+\n", text)

    def test_custom_headers_pass_through(self, site: Site, port: int, tmp_path: Path) -> None:
        run(seed.python("custom_headers_pass_through.py", site, [port]), tmp_path)
        assert site.costs() == [500]
        assert site.payloads("/v1/completions") == [seed.BODY]

    def test_custom_headers_reach_the_worker(self, tmp_path: Path) -> None:
        with sandbox_site(*seed.NAMES) as (sandbox, site):
            where: dict[str, Any] = {"console_url": site.console_url, "autoscaler_url": site.autoscaler_url}
            with VastClient("my-endpoint", account_key=site.account_key, port=0, **where) as client:
                port = int(client.url.rpartition(":")[2])
                run(seed.python("custom_headers_pass_through.py", site, [port]), tmp_path)
            [request] = sandbox.worker.requests
        assert request.header("X-Custom-Header") == "value"
        assert request.header("X-Serverless-Cost") is None

    def test_workload_estimation(self, site: Site, port: int, tmp_path: Path) -> None:
        known = "import requests\nprompt, max_tokens = 'Write a long story', 1000\n"
        run(known + seed.python("workload_estimation.py", site, [port]), tmp_path)
        # The second header takes the first one's place.
        assert site.costs() == [1]


def lines(text: str) -> list[str]:
    """A terminal's lines, without the blanks at their ends."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def wait_until_listening(port: int) -> None:
    """Until somebody answers on the port."""
    deadline = time.monotonic() + LONG
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/_vespa/nothing", timeout=LONG)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.01)
        else:
            return


def wait_until_free(ports: list[int]) -> None:
    """Until nobody listens on any of the ports."""
    deadline = time.monotonic() + LONG
    while not all(seed.is_free(port) for port in ports):
        assert time.monotonic() < deadline, f"somebody still listens on one of {ports}"
        time.sleep(0.01)
