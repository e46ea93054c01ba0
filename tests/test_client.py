"""What a program that uses the package as a library may rely on."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import signal
import threading
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

import vespa_client
from vespa_client import (
    AsyncVastClient,
    AuthenticationError,
    ConfigurationError,
    EndpointNotFound,
    Exchange,
    PortTaken,
    Status,
    VastClient,
    fetch_endpoint_key,
    list_endpoints,
)
from vespa_client.sandbox import Sandbox
from vespa_client.settings.keywords import SettingKeywords
from vespa_client.settings.table import Settings, settings_table

from .support.programs import environment, line_of, running
from .support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]

posix_signals = pytest.mark.skipif(os.name != "posix", reason="a program can't send Ctrl-C to another one here")


def make(sandbox: Sandbox, *arguments: Any, **settings: Any) -> VastClient:
    """A client of the sandbox that has not been started."""
    return VastClient(*arguments, **addresses(sandbox), **settings)


def addresses(sandbox: Sandbox) -> dict[str, Any]:
    return {"console_url": sandbox.console_url, "autoscaler_url": sandbox.autoscaler_url, "port": 0}


def account(sandbox: Sandbox) -> dict[str, Any]:
    return {"endpoint_name": sandbox.endpoints[0].name, "account_key": sandbox.account_key}


def answers(client: VastClient | AsyncVastClient) -> bool:
    """Whether a request gets through the proxy to the model and back."""
    return requests.get(f"{client.url}/v1/models", timeout=LONG).status_code == 200


@contextmanager
def open_stream(client: VastClient) -> Iterator[Iterator[bytes]]:
    """What is left of an answer of which the first bytes have come."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with requests.post(f"{client.url}/v1/chat/completions", json=body, stream=True, timeout=LONG) as answer:
        pieces = answer.iter_content(1)
        next(pieces)
        yield pieces


def hold_console(sandbox: Sandbox) -> threading.Event:
    """Keeps the console's next answer back until the event is set."""
    release = threading.Event()

    def wait(request: object) -> None:
        release.wait(LONG)

    sandbox.console.answer_by(wait)
    return release


class TestStartAndStop:
    def test_start_returns_itself_ready(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        assert not client.is_running
        try:
            assert client.start() is client
            assert client.is_running
            assert answers(client)
        finally:
            client.stop()
        assert not client.is_running

    def test_start_twice_is_harmless(self, proxy: VastClient) -> None:
        address, threads = proxy.url, threading.active_count()
        assert proxy.start() is proxy
        assert (proxy.url, threading.active_count()) == (address, threads)
        assert answers(proxy)

    def test_stop_frees_the_port(self, proxy: VastClient) -> None:
        proxy.stop()
        with pytest.raises(requests.ConnectionError):
            answers(proxy)

    def test_stop_twice_and_before_any_start_is_harmless(self, sandbox: Sandbox, proxy: VastClient) -> None:
        assert proxy.stop() == proxy.stop() == 0
        assert make(sandbox, **account(sandbox)).stop() == 0

    def test_it_starts_again(self, proxy: VastClient) -> None:
        for _ in range(3):
            proxy.stop()
            assert answers(proxy.start())

    def test_several_at_a_time(self, sandbox: Sandbox, start_proxy: StartProxy) -> None:
        clients = [start_proxy(endpoint=endpoint.name) for endpoint in sandbox.endpoints] + [start_proxy()]
        assert len({client.url for client in clients}) == 3
        assert all(answers(client) for client in clients)
        asked = [route.payload["endpoint"] for route in sandbox.autoscaler.routes]
        assert asked == [*(endpoint.name for endpoint in sandbox.endpoints), sandbox.endpoints[0].name]

    def test_stopping_one_leaves_the_other_alone(self, start_proxy: StartProxy) -> None:
        first, second = start_proxy(), start_proxy()
        first.stop()
        assert answers(second)

    def test_as_a_context_manager(self, sandbox: Sandbox) -> None:
        with make(sandbox, **account(sandbox)) as client:
            assert answers(client)
        assert not client.is_running

    def test_a_context_that_fails_stops_it(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        with pytest.raises(KeyError), client:
            raise KeyError
        assert not client.is_running

    def test_start_and_stop_from_many_threads(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        threads = [threading.Thread(target=todo) for todo in [client.start, client.stop] * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert answers(client.start())
        client.stop()

    def test_the_port_is_the_one_that_was_asked_for(self, proxy: VastClient, start_proxy: StartProxy) -> None:
        port = int(proxy.url.rpartition(":")[2])
        proxy.stop()
        assert start_proxy(port=port).url == f"http://127.0.0.1:{port}"

    def test_a_taken_port_is_said_and_nothing_is_left_running(self, proxy: VastClient, start_proxy: StartProxy) -> None:
        port = int(proxy.url.rpartition(":")[2])
        with pytest.raises(PortTaken, match=f"Port {port} is taken") as caught:
            start_proxy(port=port)
        assert caught.value.port == port
        assert answers(proxy)

    def test_a_start_that_failed_can_be_repeated(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        sandbox.console.answer_with(500)
        with pytest.raises(vespa_client.ConsoleError):
            client.start()
        assert not client.is_running
        with client:
            assert answers(client)

    def test_no_url_before_the_start(self, sandbox: Sandbox) -> None:
        with pytest.raises(RuntimeError, match="start"):
            _ = make(sandbox, **account(sandbox)).url

    def test_stop_cuts_what_runs_and_says_how_many(self, sandbox: Sandbox, proxy: VastClient) -> None:
        sandbox.model.token_delay = 30.0
        with open_stream(proxy) as rest:
            assert proxy.stop() == 1
            with pytest.raises(requests.RequestException):
                list(rest)

    def test_stop_with_a_drain_lets_what_runs_finish(self, sandbox: Sandbox, proxy: VastClient) -> None:
        release = threading.Event()

        def body(request: object) -> Iterator[bytes]:
            yield b"a"
            release.wait(LONG)
            yield b"b"

        sandbox.worker.answer_with(200, body)
        with requests.get(f"{proxy.url}/", stream=True, timeout=LONG) as answer:
            pieces = answer.iter_content(None)
            assert next(pieces) == b"a"
            cut: list[int] = []
            stopping = threading.Thread(target=lambda: cut.append(proxy.stop(drain=LONG)))
            stopping.start()
            release.set()
            assert b"".join(pieces) == b"b"
            stopping.join(LONG)
        assert cut == [0]

    def test_the_sandbox_starts_and_stops_with_it(self) -> None:
        client = VastClient(sandbox_worker="vespa", port=0)
        for _ in range(2):
            with client:
                assert answers(client)


class TestRunForever:
    def test_off_the_main_thread_until_stop(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        thread = threading.Thread(target=client.run_forever)
        thread.start()
        # The first sign of life that is heard from outside.
        sandbox.console.wait_for(lambda asked: asked and asked[-1].outcome)
        client.start()
        assert answers(client)
        client.stop()
        thread.join(LONG)
        assert not thread.is_alive()

    @posix_signals
    def test_on_the_main_thread_until_ctrl_c(self) -> None:
        source = """
import threading, time, vespa_client
client = vespa_client.VastClient(sandbox_worker="vespa", port=0)
def tell():
    while not client.is_running:
        time.sleep(0.01)
    print(client.url, flush=True)
threading.Thread(target=tell, daemon=True).start()
client.run_forever()
print("running" if client.is_running else "ended", flush=True)
"""
        with running(source) as program:
            assert requests.get(f"{line_of(program)}/v1/models", timeout=LONG).status_code == 200
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=LONG) == ("ended\n", "")
            assert program.returncode == 0


class TestGoodGuest:
    """A host program's signals, logging, output and end stay its own."""

    def test_no_signal_handler_is_set(self, sandbox: Sandbox) -> None:
        numbers = [number for number in signal.valid_signals() if number not in (signal.SIGALRM,)]
        before = [signal.getsignal(number) for number in numbers]
        with make(sandbox, **account(sandbox)) as client:
            assert answers(client)
            assert [signal.getsignal(number) for number in numbers] == before

    def test_the_caller_s_logging_is_left_alone(self, sandbox: Sandbox) -> None:
        names = ["", "requests", "urllib3", "vespa_client", "vespa_client.sandbox"]

        def state() -> list[object]:
            loggers = [logging.getLogger(name) for name in names]
            return [(logger.level, logger.handlers[:], logger.propagate, logger.disabled) for logger in loggers]

        before = state()
        with make(sandbox, **account(sandbox)) as client:
            assert answers(client)
            assert state() == before
        assert state() == before

    def test_nothing_is_printed(self, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
        sandbox.worker.hang_up()
        with make(sandbox, **account(sandbox), retries=0) as client:
            assert requests.get(f"{client.url}/v1/things", timeout=LONG).status_code == 502
            assert requests.get(f"{client.url}/_vespa/nothing", timeout=LONG).status_code == 404
        assert capfd.readouterr() == ("", "")

    def test_a_program_that_never_set_up_logging_sees_nothing(self) -> None:
        source = """
import requests, vespa_client
with vespa_client.VastClient(sandbox=True, port=0) as client:
    print(requests.get(client.url + "/_vespa/nothing").status_code)
"""
        with running(source) as program:
            assert program.communicate(timeout=LONG) == ("404\n", "")

    def test_its_log_says_what_the_caller_wants_to_hear(
        self, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "vespa_client")
        client = start_proxy()
        answers(client)
        client.stop()
        assert any("GET /v1/models -> 200" in message for message in caplog.messages)

    def test_its_log_warns_of_what_failed(
        self, start_proxy: StartProxy, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "vespa_client")
        client = start_proxy()
        sandbox.worker.answer_with(500, b"wrong")
        requests.post(f"{client.url}/v1/x", json={}, timeout=LONG)
        requests.post(f"{client.url}/v1/x", data="no json", timeout=LONG)
        client.stop()
        levels = [record.levelname for record in caplog.records if " -> " in record.getMessage()]
        assert levels == ["WARNING", "INFO"]

    @pytest.mark.parametrize("busy", [False, True])
    def test_a_program_that_forgets_to_stop_it_still_ends(self, busy: bool) -> None:
        source = f"""
import requests, vespa_client
client = vespa_client.VastClient(sandbox=True, port=0).start()
if {busy}:
    body = {{"messages": [{{"role": "user", "content": "A long story, please. " * 100}}], "stream": True}}
    answer = requests.post(client.url + "/v1/chat/completions", json=body, stream=True)
    next(answer.iter_content(1))
print("the end")
"""
        with running(source, environment(PYTHONWARNINGS="ignore")) as program:
            assert program.communicate(timeout=LONG) == ("the end\n", "")
            assert program.returncode == 0


class TestWhatIsSeen:
    def test_the_status_is_that_of_the_page_as_objects(self, proxy: VastClient) -> None:
        answers(proxy)
        wait_until(lambda: bool(proxy.status().recent))
        status = proxy.status()
        assert isinstance(status, Status)
        [exchange] = status.recent
        assert (exchange.path, exchange.status, exchange.outcome) == ("/v1/models", 200, "whole")
        page = requests.get(f"{proxy.url}/_vespa/status", timeout=LONG).json()
        assert page["recent"] == [{**vars(exchange), "retries": []}]
        assert page["endpoint"] == {
            **vars(status.endpoint),
            "key": vars(status.endpoint.key),
            "autoscaler": vars(status.endpoint.autoscaler),
        }

    def test_there_is_none_of_what_doesn_t_run(self, sandbox: Sandbox) -> None:
        with pytest.raises(RuntimeError, match="start"):
            make(sandbox, **account(sandbox)).status()

    def test_each_exchange_that_is_over_is_told(self, proxy: VastClient) -> None:
        heard: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        stop = proxy.on_exchange(heard.put)
        answers(proxy)
        assert heard.get(timeout=LONG).path == "/v1/models"
        stop()
        answers(proxy)
        wait_until(lambda: proxy.status().totals.requests == 2)
        assert heard.empty()

    def test_it_is_told_over_a_stop_and_a_start(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        heard: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        client.on_exchange(heard.put)
        for number in (1, 2):
            with client:
                answers(client)
            assert heard.get(timeout=LONG).number == number

    def test_a_callback_that_fails_costs_nobody_s_request(self, proxy: VastClient, caplog: pytest.LogCaptureFixture) -> None:
        proxy.on_exchange(lambda exchange: 1 / 0)
        assert answers(proxy)
        wait_until(lambda: "ZeroDivisionError" in caplog.text)
        assert answers(proxy)

    def test_the_card_is_right_when_it_is_shown(self, sandbox: Sandbox) -> None:
        client = make(sandbox, **account(sandbox))
        assert "stopped" in client._repr_html_()
        with client:
            answers(client)
            wait_until(lambda: "1 request " in client._repr_html_())
            card = client._repr_html_()
            assert client.url in card and sandbox.endpoints[0].name in card
            assert "ready" in card and "1 request " in card
            assert sandbox.account_key not in card
        assert "stopped" in client._repr_html_()

    def test_the_card_says_what_is_waited_for(self, sandbox: Sandbox, proxy: VastClient) -> None:
        sandbox.autoscaler.cold(status="<b>2 loading</b>")
        asking = threading.Thread(target=answers, args=[proxy])
        asking.start()
        wait_until(lambda: "1 request waits for a worker" in proxy._repr_html_())
        assert "&lt;b&gt;2 loading&lt;/b&gt;" in proxy._repr_html_()
        sandbox.autoscaler.warm()
        asking.join(LONG)


class TestWhatIsGiven:
    def test_name_and_key_may_be_positional(self, sandbox: Sandbox) -> None:
        endpoint = sandbox.endpoints[1]
        with make(sandbox, endpoint.name, endpoint.api_key) as client:
            assert client.endpoint_name == endpoint.name
            assert answers(client)
        assert sandbox.console.requests == []

    def test_an_endpoint_by_the_flag_s_name(self, sandbox: Sandbox) -> None:
        endpoint = sandbox.endpoints[0]
        with make(sandbox, endpoint=endpoint.name, api_key=endpoint.api_key) as client:
            assert client.endpoint_name == endpoint.name

    def test_the_endpoint_twice(self) -> None:
        with pytest.raises(TypeError, match="endpoint_name and endpoint are the same setting"):
            VastClient("a", endpoint="b")

    def test_an_unknown_keyword_is_named(self) -> None:
        with pytest.raises(TypeError, match="prot"):
            VastClient("a", prot=8010)  # type: ignore[call-arg]

    def test_a_value_that_can_t_work_is_said_at_once(self) -> None:
        with pytest.raises(ConfigurationError, match="--port 'http': a port is a number"):
            VastClient("a", port="http")  # type: ignore[arg-type]

    def test_no_endpoint_at_all(self, sandbox: Sandbox) -> None:
        with pytest.raises(ConfigurationError, match="No endpoint was named"):
            make(sandbox, account_key=sandbox.account_key).start()

    def test_no_key_at_all(self, sandbox: Sandbox) -> None:
        with pytest.raises(ConfigurationError, match="key"):
            make(sandbox, sandbox.endpoints[0].name).start()

    def test_nothing_but_the_environment(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAST_ENDPOINT", sandbox.endpoints[1].name)
        monkeypatch.setenv("VAST_ACCOUNT_KEY", sandbox.account_key)
        with make(sandbox) as client:
            assert client.endpoint_name == sandbox.endpoints[1].name
            assert answers(client)

    @pytest.mark.parametrize("kind", ["endpoint", "account"])
    def test_vast_api_key_may_be_either(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        endpoint = sandbox.endpoints[0]
        monkeypatch.setenv("VAST_API_KEY", endpoint.api_key if kind == "endpoint" else sandbox.account_key)
        with make(sandbox, endpoint.name) as client:
            assert answers(client)

    @pytest.mark.parametrize("file", [".vast_api_key", ".config/vastai/vast_api_key"])
    def test_a_key_file(self, sandbox: Sandbox, own_home: Path, file: str) -> None:
        path = own_home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{sandbox.account_key}\n")
        path.chmod(0o600)
        with make(sandbox, sandbox.endpoints[0].name) as client:
            assert answers(client)

    def test_what_is_given_wins_over_the_environment(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("VAST_ENDPOINT", "VAST_ACCOUNT_KEY", "VAST_API_KEY"):
            monkeypatch.setenv(name, "wrong")
        with make(sandbox, **account(sandbox)) as client:
            assert answers(client)

    def test_the_environment_is_read_when_the_client_is_made(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAST_ACCOUNT_KEY", sandbox.account_key)
        client = make(sandbox, sandbox.endpoints[0].name)
        monkeypatch.delenv("VAST_ACCOUNT_KEY")
        with client:
            assert answers(client)

    @pytest.mark.parametrize("name", settings_table())
    def test_every_setting_of_the_command_line_is_a_keyword(self, name: str) -> None:
        # By name where not every text will do, else by type.
        examples: dict[Any, Any] = {
            "host": "localhost",
            "instance": "alpha",
            "autoscaler_url": "http://127.0.0.1:9",
            "console_url": "http://127.0.0.1:9",
            "sandbox_backend": "http://127.0.0.1:9",
            "sandbox_worker": "vespa",
            "sandbox_scenario": "cold",
            "forward_header": ("X-Api-Key",),
            "allow_redirect": ("files.example",),
            "allow_host": ("host.docker.internal",),
            "cors_origin": ("https://app.example",),
            "cost": "auto",
            "multipart": "json",
            "translate": "never",
            "model": ("llama-3:8192",),
            "models": "worker",
            "pass_route": ("/v1/files",),
            "log_format": "json",
            str | None: "something",
            int: 12345,
            float: 12.5,
            bool: True,
        }
        value = examples.get(name, examples.get(typing.get_type_hints(Settings)[name]))
        client = VastClient(**{name: value})
        assert getattr(client._settings, name) == value != settings_table()[name].default

    def test_the_keywords_have_the_settings_names_and_types(self) -> None:
        declared = typing.get_type_hints(Settings)
        # The one that may be positional stands in the signature.
        assert declared.pop("api_key") == (str | None)
        assert typing.get_type_hints(SettingKeywords) == declared


class TestSecrets:
    def test_no_repr_shows_a_key(self, sandbox: Sandbox) -> None:
        endpoint = sandbox.endpoints[0]
        client = make(sandbox, endpoint.name, endpoint.api_key, account_key=sandbox.account_key)
        asynchronous = AsyncVastClient(endpoint.name, endpoint.api_key, **addresses(sandbox))
        listed = list_endpoints(sandbox.account_key, console_url=sandbox.console_url)
        with client:
            shown = [repr(thing) for thing in (client, asynchronous, client._settings, listed)]
        for text in shown:
            assert endpoint.name in text
            assert endpoint.api_key not in text and sandbox.account_key not in text

    def test_no_error_shows_a_key(self, sandbox: Sandbox) -> None:
        key = "not-the-account-s-key"
        with pytest.raises(AuthenticationError) as caught:
            make(sandbox, sandbox.endpoints[0].name, account_key=key).start()
        assert key not in f"{caught.value} {caught.value!r} {caught.value.hint} {vars(caught.value)}"

    def test_no_log_shows_a_key(self, sandbox: Sandbox, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        client = start_proxy()
        answers(client)
        requests.post(f"{client.url}/v1/completions", json={"prompt": "Hi"}, timeout=LONG)
        client.stop()
        signatures = [request.auth_data["signature"] for request in sandbox.worker.requests if request.auth_data]
        assert len(signatures) == 2
        secrets = [sandbox.account_key, *(endpoint.api_key for endpoint in sandbox.endpoints), *signatures]
        assert not [secret for secret in secrets if secret in caplog.text]


class TestAccountFunctions:
    def test_list_endpoints(self, sandbox: Sandbox) -> None:
        listed = list_endpoints(sandbox.account_key, console_url=sandbox.console_url)
        assert [(endpoint.name, endpoint.api_key) for endpoint in listed] == [
            (endpoint.name, endpoint.api_key) for endpoint in sandbox.endpoints
        ]

    def test_fetch_endpoint_key(self, sandbox: Sandbox) -> None:
        endpoint = sandbox.endpoints[1]
        key = fetch_endpoint_key(
            account_key=sandbox.account_key,
            endpoint_name=endpoint.name,
            instance="candidate",
            console_url=sandbox.console_url,
        )
        assert key == endpoint.api_key
        assert sandbox.console.requests[-1].query == "autoscaler_instance=candidate"

    def test_both_from_the_environment(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAST_ACCOUNT_KEY", sandbox.account_key)
        monkeypatch.setenv("VAST_ENDPOINT", sandbox.endpoints[0].name)
        assert fetch_endpoint_key(console_url=sandbox.console_url) == sandbox.endpoints[0].api_key
        assert len(list_endpoints(console_url=sandbox.console_url)) == 2

    def test_an_unknown_endpoint_is_answered_with_the_known_ones(self, sandbox: Sandbox) -> None:
        with pytest.raises(EndpointNotFound, match="'sandbox-lm' not found") as caught:
            fetch_endpoint_key(sandbox.account_key, "sandbox-lm", console_url=sandbox.console_url)
        assert caught.value.hint == "Did you mean 'sandbox-llm'? Your endpoints: sandbox-llm, sandbox-echo"

    def test_a_wrong_key(self, sandbox: Sandbox) -> None:
        with pytest.raises(AuthenticationError, match="401 Unauthorized"):
            list_endpoints("wrong", console_url=sandbox.console_url)


class TestAsync:
    def test_it_can_what_the_other_can(self) -> None:
        def members(kind: type) -> set[str]:
            return {name for name in dir(kind) if not name.startswith("_")}

        assert members(AsyncVastClient) == members(VastClient) - {"from_settings"}

    def test_start_and_stop(self, sandbox: Sandbox) -> None:
        async def program() -> None:
            client = AsyncVastClient(**account(sandbox), **addresses(sandbox))
            assert await client.start() is client
            assert client.is_running and client.endpoint_name == sandbox.endpoints[0].name
            assert await asyncio.to_thread(answers, client)
            assert await client.stop() == 0
            assert not client.is_running

        asyncio.run(program())

    def test_as_a_context_manager(self, sandbox: Sandbox) -> None:
        async def program() -> None:
            async with AsyncVastClient(**account(sandbox), **addresses(sandbox)) as client:
                # As seed.md has it: a call that blocks the loop, while the proxy serves on.
                assert answers(client)
            assert not client.is_running

        asyncio.run(program())

    def test_the_loop_stays_free_while_it_starts(self, sandbox: Sandbox) -> None:
        release = hold_console(sandbox)

        async def program() -> None:
            client = AsyncVastClient(**account(sandbox), **addresses(sandbox))
            starting = asyncio.create_task(client.start())
            await asyncio.to_thread(sandbox.console.wait_for, bool)
            assert not starting.done()
            release.set()
            await starting
            await client.stop()

        asyncio.run(program())

    def test_each_exchange_is_told_by_the_loop(self, sandbox: Sandbox) -> None:
        async def program() -> None:
            heard: asyncio.Queue[tuple[Exchange, threading.Thread]] = asyncio.Queue()
            async with AsyncVastClient(**account(sandbox), **addresses(sandbox)) as client:
                client.on_exchange(lambda exchange: heard.put_nowait((exchange, threading.current_thread())))
                await asyncio.to_thread(answers, client)
                exchange, thread = await asyncio.wait_for(heard.get(), LONG)
                assert (exchange.number, thread) == (1, threading.main_thread())
                assert client.url in client._repr_html_()

        asyncio.run(program())

    def test_run_forever_ends_with_stop(self, sandbox: Sandbox) -> None:
        async def program() -> None:
            client = AsyncVastClient(**account(sandbox), **addresses(sandbox))
            await client.start()
            forever = asyncio.create_task(client.run_forever())
            await asyncio.sleep(0)
            await client.stop()
            await asyncio.wait_for(forever, LONG)

        asyncio.run(program())

    def test_run_forever_cancelled_stops_the_proxy(self, sandbox: Sandbox) -> None:
        async def program() -> AsyncVastClient:
            client = AsyncVastClient(**account(sandbox), **addresses(sandbox))
            await client.start()
            forever = asyncio.create_task(client.run_forever())
            assert await asyncio.to_thread(answers, client)
            forever.cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever
            return client

        assert not asyncio.run(program()).is_running

    def test_run_forever_cancelled_while_it_starts_leaves_nothing(self, sandbox: Sandbox) -> None:
        release = hold_console(sandbox)

        async def program() -> AsyncVastClient:
            client = AsyncVastClient(**account(sandbox), **addresses(sandbox))
            forever = asyncio.create_task(client.run_forever())
            await asyncio.to_thread(sandbox.console.wait_for, bool)
            forever.cancel()
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await forever
            return client

        assert not asyncio.run(program()).is_running

    @posix_signals
    def test_ctrl_c_ends_run_forever(self) -> None:
        source = """
import asyncio, vespa_client
async def main():
    client = vespa_client.AsyncVastClient(sandbox_worker="vespa", port=0)
    await client.start()
    print(client.url, flush=True)
    try:
        await client.run_forever()
    finally:
        print("running" if client.is_running else "ended", flush=True)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""
        with running(source) as program:
            assert requests.get(f"{line_of(program)}/v1/models", timeout=LONG).status_code == 200
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=LONG) == ("ended\n", "")


def test_keys_that_cross_the_network_in_the_clear_are_warned_of(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    key = sandbox.endpoints[0].api_key
    for url, warned in (
        ("http://autoscaler.test:1", True),
        ("http://localhost:1", False),
        ("https://autoscaler.test:1", False),
    ):
        caplog.clear()
        VastClient("lab", key, autoscaler_url=url, console_url=sandbox.console_url, port=0).start().stop()
        assert ("keys cross the network to it in the clear" in caplog.text) is warned
