"""The command line while it serves: what it shows and logs, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.support.command_line import MARKED, NAMES, PATIENCE, RULE, Process, command, in_process, started, taken_port
from tests.support.outbound_proxy import OutboundProxy
from tests.support.programs import environment
from tests.support.waiting import LONG
from vespa_client.sandbox import Answer, Request, Sandbox

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX's signals and terminals")


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """seed.md's account: three endpoints."""
    with Sandbox(endpoints=NAMES, token_delay=0.0, worker_kind="vespa") as sandbox:
        yield sandbox


class TestServing:
    def test_the_block_of_the_start_is_the_one_of_the_seed(self, account: Sandbox) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port", "0"]
        with Process(command(account, *arguments)) as it:
            url = it.listening()
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
            it.process.terminate()
            code, out, err = it.end()
        assert out.replace(url.rpartition(":")[2], "PORT") == started("my-llm-endpoint")
        if os.name == "posix":
            assert code == 0
        assert [line for line in err.splitlines() if "#" in line and "GET /v1/models -> 200" in line]

    def test_each_request_has_one_line_in_the_log(self, account: Sandbox) -> None:
        arguments = ["--endpoint", "test-endpoint", "--account-key", account.account_key, "--port", "0"]
        # By one connection, whose requests end one after the other.
        with Process(command(account, *arguments)) as it, requests.Session() as session:
            url = it.listening()
            for path in ("/v1/models", "/echo/two?token=of-the-query", "/no/such/page"):
                session.get(url + path, timeout=LONG)
            session.post(f"{url}/v1/chat/completions", data="not JSON", timeout=LONG)
            it.process.terminate()
            _, _, err = it.end()
        lines = [line for line in err.splitlines() if " -> " in line]
        assert [re.sub(r".*#\d+ (\S+ \S+ -> \d+),.*", r"\1", line) for line in lines] == [
            "GET /v1/models -> 200",
            "GET /echo/two -> 200",
            "GET /no/such/page -> 404",
            "POST /v1/chat/completions -> 400",
        ]
        assert "of-the-query" not in err

    def test_debug_says_more_and_no_key(self, account: Sandbox) -> None:
        keys = ["--account-key", account.account_key, "--api-key", MARKED]
        arguments = ["--endpoint", "my-llm-endpoint", *keys, "--port", "0", "--retries", "0", "--debug"]
        with Process(command(account, *arguments)) as it:
            url = it.listening()
            body = {"model": "x", "messages": [{"role": "user", "content": "hello"}], "stream": True}
            client_key = {"Authorization": "Bearer of-the-client-0815"}
            answer = requests.post(f"{url}/v1/chat/completions", json=body, headers=client_key, timeout=LONG)
            assert answer.status_code == 200
            requests.get(f"{url}/v1/models", headers=client_key, timeout=LONG)
            account.worker.stop()
            requests.get(f"{url}/v1/models", headers=client_key, timeout=LONG)
            it.process.terminate()
            _, out, err = it.end()
        assert " DEBUG " in err
        assert "sent to http://127.0.0.1" in err
        signatures = [str(request.auth_data["signature"]) for request in account.worker.requests if request.auth_data]
        assert len(signatures) == 2
        secrets = [MARKED, account.account_key, "0815", *(endpoint.api_key for endpoint in account.endpoints)]
        secrets += [*signatures, *map(quote, signatures), *(quote(item, safe="") for item in signatures)]
        for secret in secrets:
            assert secret not in out + err

    def test_a_file_that_others_can_read_is_warned_of_once(self, account: Sandbox, own_home: Path) -> None:
        if os.name != "posix":
            pytest.skip("file modes are POSIX's")
        path = own_home / ".vast_api_key"
        path.write_text(account.account_key)
        path.chmod(0o644)
        with Process(command(account, "--endpoint", "my-llm-endpoint", "--port", "0")) as it:
            it.listening()
            it.process.terminate()
            _, _, err = it.end()
        assert err.count(f"chmod 600 {path}") == 1
        assert account.account_key not in err

    def test_everything_may_come_from_the_environment(self, account: Sandbox) -> None:
        env = environment(VAST_ACCOUNT_KEY=account.account_key, VAST_ENDPOINT="my-llm-endpoint")
        with Process(command(account, "--port", "0"), env) as it:
            url = it.listening()
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200

    def test_an_endpoint_key_alone_needs_no_console(self, account: Sandbox) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--api-key", account.endpoints[0].api_key, "--port", "0"]
        with Process(command(account, *arguments)) as it:
            url = it.listening()
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
        assert account.console.requests == []

    @posix
    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
    def test_what_asks_it_to_end_ends_it_with_0(self, account: Sandbox, name: str) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port", "0"]
        with Process(command(account, *arguments)) as it:
            it.listening()
            it.process.send_signal(getattr(signal, name))
            code, _, err = it.end()
        assert code == 0
        assert "Stopping" in err

    @posix
    def test_a_hang_up_of_the_terminal_is_outlived_where_nohup_asks_for_it(self, account: Sandbox) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port", "0"]
        ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
        with Process([*ignoring, *command(account, *arguments)]) as it:
            url = it.listening()
            it.process.send_signal(signal.SIGHUP)
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
            it.process.terminate()
            assert it.end()[0] == 0

    @posix
    def test_a_request_in_progress_may_finish_when_it_is_asked_to_end(self, account: Sandbox) -> None:
        arrived, go_on = threading.Event(), threading.Event()

        def slow(request: Request) -> Answer:
            arrived.set()
            assert go_on.wait(PATIENCE)
            return Answer(200, b"whole", [("Content-Type", "text/plain")])

        account.worker.answer_by(slow)
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port", "0"]
        answers: list[bytes] = []
        with Process(command(account, *arguments, "--drain", "30")) as it:
            url = it.listening()
            asking = threading.Thread(target=lambda: answers.append(requests.get(f"{url}/slow", timeout=PATIENCE).content))
            asking.start()
            try:
                assert arrived.wait(PATIENCE)
                it.process.terminate()
                it.wait_for("Stopping")
            finally:
                go_on.set()
                asking.join()
            assert it.end()[0] == 0
        assert answers == [b"whole"]

    def test_a_taken_port_is_said_and_a_free_one_offered(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        with taken_port() as taken:
            port = taken.getsockname()[1]
            arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port", str(port)]
            code, out, err = in_process(capsys, command(account, *arguments))
        assert (code, out) == (1, "")
        said = re.match(rf"ERROR: Port {port} is taken: .*127\.0\.0\.1:{port}\.\n\nHINT: Use --port (\d+), which is free", err)
        assert said, err
        assert port < int(said[1]) <= 65535

    def test_a_second_proxy_on_the_port_is_told(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--port"]
        with Process(command(account, *arguments, "0")) as it:
            url = it.listening()
            port = url.rpartition(":")[2]
            code, _, err = in_process(capsys, command(account, *arguments, port))
            assert code == 1
            assert f"Port {port} is taken: a proxy of vespa_client's listens there already." in err
            assert "\n\nHINT: Use that one, or --port " in err and "another program" not in err
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200

    @pytest.mark.parametrize(
        ("instance", "autoscaler"), [("prod", "run"), ("alpha", "run-alpha"), ("candidate", "run-candidate")]
    )
    def test_the_instance_names_the_autoscaler(self, instance: str, autoscaler: str) -> None:
        with OutboundProxy(refuse=lambda host, port: "403 Forbidden") as company:
            env = environment(HTTPS_PROXY=f"http://127.0.0.1:{company.port}")
            arguments = ["--endpoint", "e", "--api-key", MARKED, "--port", "0", "--wait", "0", "--instance", instance]
            with Process(command(None, *arguments), env) as it:
                answer = requests.get(f"{it.listening()}/v1/things", timeout=LONG)
                it.process.terminate()
                it.end()
        assert answer.status_code == 503
        console = f"{instance.replace('prod', 'console')}.vast.ai:443"
        assert {asked.target for asked in company.asked} - {console} == {f"{autoscaler}.vast.ai:443"}


class TestSandbox:
    def test_it_runs_without_an_account(self) -> None:
        env = environment(VAST_ENDPOINT="of-somebodys-account", VAST_API_KEY=MARKED)
        with Process(command(None, "--sandbox", "--sandbox-worker", "vespa", "--port", "0"), env) as it:
            url = it.listening()
            assert requests.get(f"{url}/v1/models", timeout=LONG).status_code == 200
            body = {"model": "x", "messages": [{"role": "user", "content": "hello"}], "stream": True}
            with requests.post(f"{url}/v1/chat/completions", json=body, stream=True, timeout=LONG) as answer:
                lines = [line for line in answer.iter_lines() if line]
            assert lines[-1] == b"data: [DONE]"
            assert json.loads(lines[0].removeprefix(b"data: "))["object"] == "chat.completion.chunk"
            it.process.terminate()
            _, out, err = it.end()
        assert "stand-in" in out
        assert MARKED not in out + err

    def test_a_backend_of_ones_own_is_put_behind_it(self, account: Sandbox) -> None:
        with Process(command(None, "--sandbox-backend", account.model.url, "--port", "0")) as it:
            url = it.listening()
            assert requests.post(f"{url}/v1/completions", json={"prompt": "x"}, timeout=LONG).status_code == 200
        assert f"\n  Backend: {account.model.url}\n{RULE}\n" in it.out
        assert "WARNING" not in it.err
        assert [request.path for request in account.model.requests] == ["/v1/completions"]

    def test_a_script_is_followed(self, tmp_path: Path) -> None:
        script = tmp_path / "script.json"
        script.write_text('["As the script says."]', "utf-8")
        with Process(command(None, "--sandbox-script", str(script), "--port", "0")) as it:
            answer = requests.post(f"{it.listening()}/v1/completions", json={"prompt": "x"}, timeout=LONG).json()
        assert answer["choices"][0]["text"] == "As the script says."

    def test_a_script_that_is_none_is_told_in_one_sentence(self, tmp_path: Path) -> None:
        script = tmp_path / "script.json"
        script.write_text('[{"txt": "x"}]', "utf-8")
        with Process(command(None, "--sandbox-script", str(script), "--port", "0")) as it:
            code, _, err = it.end()
        assert code == 2
        assert "turns[0]" in err and "Traceback" not in err

    def test_a_backend_that_does_not_answer_is_told_of_at_the_start(self) -> None:
        with taken_port() as probe:
            port = probe.getsockname()[1]
        backend = f"http://127.0.0.1:{port}"
        with Process(command(None, "--sandbox-backend", backend, "--port", "0")) as it:
            it.listening()
            it.process.terminate()
            assert it.end()[0] == 0
        assert f"WARNING Nothing answers at the sandbox's backend {backend} yet: Connection refused." in it.err
        assert f"  Backend: {backend}\n" in it.out
