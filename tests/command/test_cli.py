"""The command line: its flags, what it lists, what it says where something is wrong, and the exit codes."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import MARKED, NAMES, NO_ACCOUNT, PATIENCE, Process, command, in_process, run
from tests.support.outbound_proxy import OutboundProxy
from tests.support.programs import environment
from vespa_client import __version__
from vespa_client.command import arguments, cli
from vespa_client.sandbox import Endpoint, Sandbox
from vespa_client.settings.table import Settings, settings_table


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """seed.md's account: three endpoints."""
    with Sandbox(endpoints=NAMES, token_delay=0.0, worker_kind="vespa") as sandbox:
        yield sandbox


def list_into(output: int, account: Sandbox) -> subprocess.CompletedProcess[bytes]:
    """``--list`` as a process whose standard output is that descriptor."""
    line = command(account, "--list", "--account-key", account.account_key)
    return subprocess.run(line, env=environment(), stdout=output, stderr=subprocess.PIPE, timeout=PATIENCE)


class TestList:
    def test_it_is_the_one_of_the_seed(self, account: Sandbox) -> None:
        code, out, err = run(command(account, "--list", "--account-key", account.account_key))
        assert (code, err) == (0, "")
        assert out == "Available endpoints (3):\n  • my-llm-endpoint\n  • my-comfyui-endpoint\n  • test-endpoint\n"

    @pytest.mark.parametrize("source", ["environment", "old file", "new file"])
    def test_the_key_may_come_from_elsewhere(
        self,
        account: Sandbox,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        own_home: Path,
        source: str,
    ) -> None:
        if source == "environment":
            monkeypatch.setenv("VAST_ACCOUNT_KEY", account.account_key)
        else:
            path = own_home / (".vast_api_key" if source == "old file" else ".config/vastai/vast_api_key")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(account.account_key + "\n")
            path.chmod(0o600)
        code, out, err = in_process(capsys, command(account, "--list"))
        assert (code, err) == (0, "")
        assert out.startswith("Available endpoints (3):\n")

    def test_a_wrong_key_is_answered_as_in_the_seed(self, account: Sandbox) -> None:
        code, out, err = run(command(account, "--list", "--account-key", MARKED))
        assert (code, out) == (1, "")
        assert err.startswith(NO_ACCOUNT)
        assert MARKED not in err

    def test_an_endpoint_key_is_the_wrong_kind(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        key = account.endpoints[0].api_key
        code, out, err = in_process(capsys, command(account, "--list", "--account-key", key))
        assert (code, out) == (1, "")
        assert err.startswith(NO_ACCOUNT)
        assert key not in err

    def test_without_a_key_the_ways_to_give_one_are_said(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = in_process(capsys, command(account, "--list"))
        assert (code, out) == (2, "")
        assert err.startswith("ERROR: No account API key was given.\n\nHINT: ")
        assert "VAST_ACCOUNT_KEY" in err
        assert account.console.requests == []

    def test_no_endpoints(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Sandbox(endpoints=()) as account:
            code, out, err = in_process(capsys, command(account, "--list", "--account-key", account.account_key))
        assert (code, out) == (1, "")
        assert err.startswith("ERROR: No endpoints found on this account.\n\nHINT: ")
        assert "--instance alpha" in err

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (401, "Two Factor Authentication required", "two-factor"),
            (429, "API requests too frequent", "429"),
            (500, "", "answered 500"),
            (200, "<html>", "no list of endpoints"),
        ],
    )
    def test_trouble_with_the_console_is_said(
        self, account: Sandbox, capsys: pytest.CaptureFixture[str], status: int, body: str, said: str
    ) -> None:
        account.console.answer_with(status, body)
        code, out, err = in_process(capsys, command(account, "--list", "--account-key", account.account_key))
        assert (code, out) == (1, "")
        assert err.startswith("ERROR: ")
        assert said in err
        assert "\n\nHINT: " in err

    def test_no_network(self, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--list", "--account-key", MARKED, "--console-url", "http://console.invalid"]
        code, out, err = in_process(capsys, command(None, *arguments))
        assert (code, out) == (1, "")
        assert "can't be reached: its name can't be resolved" in err
        assert MARKED not in err

    def test_a_reader_that_leaves_is_no_trouble(self, account: Sandbox) -> None:
        read, write = os.pipe()
        os.close(read)
        try:
            done = list_into(write, account)
        finally:
            os.close(write)
        assert (done.returncode, done.stderr) == (1, b"")

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a disk that is always full")
    def test_a_full_disk_is_said_in_a_line(self, account: Sandbox) -> None:
        with Path("/dev/full").open("wb") as full:
            done = list_into(full.fileno(), account)
        assert (done.returncode, done.stderr) == (1, b"ERROR: the output can't be written: No space left on device.\n")

    def test_a_terminal_without_bullets_still_lists(self, account: Sandbox) -> None:
        env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        code, out, err = run(command(account, "--list", "--account-key", account.account_key), env)
        assert (code, err) == (0, "")
        assert "my-llm-endpoint\n" in out

    def test_the_sandbox_has_a_list_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = in_process(capsys, command(None, "--list", "--sandbox"))
        assert (code, err) == (0, "")
        assert out.startswith("Available endpoints (2):\n")

    @pytest.mark.parametrize(("instance", "console"), [("prod", "console"), ("alpha", "alpha"), ("candidate", "candidate")])
    def test_the_instance_names_the_console(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, instance: str, console: str
    ) -> None:
        with OutboundProxy(refuse=lambda host, port: "403 Forbidden") as company:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{company.port}")
            arguments = ["--list", "--account-key", MARKED, "--instance", instance]
            code, _, err = in_process(capsys, command(None, *arguments))
        assert code == 1
        assert [asked.target for asked in company.asked] == [f"{console}.vast.ai:443"]
        assert "the outbound proxy refused the way there" in err

    def test_an_explicit_console_wins_over_the_instances(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--list", "--account-key", account.account_key, "--instance", "alpha"]
        assert in_process(capsys, command(account, *arguments))[0] == 0
        assert account.console.requests[0].query == "autoscaler_instance=alpha"


class TestFailures:
    def test_an_unknown_endpoint_lists_the_names_and_suggests_the_near_one(
        self, account: Sandbox, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--endpoint", "my-llm-endpont", "--account-key", account.account_key, "--port", "0"]
        code, out, err = in_process(capsys, command(account, *arguments))
        assert (code, out) == (1, "")
        assert err == (
            "ERROR: Endpoint 'my-llm-endpont' not found.\n\nHINT: Did you mean 'my-llm-endpoint'? "
            "Your endpoints: my-llm-endpoint, my-comfyui-endpoint, test-endpoint\n"
        )

    @pytest.mark.parametrize(
        ("given", "missing", "ways"),
        [
            ([], "the endpoint's name and an API key", ["--endpoint", "VAST_ENDPOINT", "--account-key", "~/.vast_api_key"]),
            (["--endpoint", "e"], "an API key", ["--account-key", "VAST_ACCOUNT_KEY", "--api-key", "VAST_API_KEY"]),
        ],
    )
    def test_without_a_terminal_nothing_is_asked_and_what_is_missing_is_said(
        self, account: Sandbox, given: list[str], missing: str, ways: list[str]
    ) -> None:
        code, out, err = run(command(account, *given))
        assert (code, out) == (2, "")
        assert err.startswith(f"ERROR: Missing: {missing}.\n\nHINT: ")
        for way in ways:
            assert way in err
        assert MARKED not in err
        assert account.console.requests == []

    @pytest.mark.parametrize("source", ["flag", "environment", "endpoint key's variable", "file"])
    def test_with_an_account_key_at_hand_the_only_endpoint_is_taken(
        self, monkeypatch: pytest.MonkeyPatch, own_home: Path, source: str
    ) -> None:
        with Sandbox(endpoints=("the-only-one",)) as account:
            if source in ("environment", "endpoint key's variable"):
                monkeypatch.setenv("VAST_ACCOUNT_KEY" if source == "environment" else "VAST_API_KEY", account.account_key)
            elif source == "file":
                (own_home / ".vast_api_key").write_text(account.account_key)
                (own_home / ".vast_api_key").chmod(0o600)
            given = ["--account-key", account.account_key] if source == "flag" else []
            with Process(command(account, *given, "--port", "0")) as it:
                it.listening()
                it.process.terminate()
                _, out, err = it.end()
        assert "Starting proxy for: the-only-one" in out
        assert "The account's only endpoint is taken: the-only-one" in err

    def test_with_an_account_key_at_hand_several_endpoints_are_listed(
        self, account: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", None)
        code, out, err = in_process(capsys, command(account, "--account-key", account.account_key))
        assert (code, out) == (2, "")
        assert err == (
            "ERROR: No endpoint was named, and the account has 3.\n\nHINT: Name one with --endpoint or VAST_ENDPOINT. "
            "Your endpoints: my-llm-endpoint, my-comfyui-endpoint, test-endpoint\n"
        )

    def test_an_endpoint_key_alone_needs_the_endpoints_name(self, account: Sandbox) -> None:
        code, out, err = run(command(account, "--api-key", account.endpoints[0].api_key))
        assert (code, out) == (2, "")
        assert err.startswith("ERROR: No endpoint was named.\n\nHINT: Name one with --endpoint or VAST_ENDPOINT")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--prot", "8010"], "unknown flag: --prot. Did you mean --port?"),
            (["--sanbox"], "unknown flag: --sanbox. Did you mean --sandbox?"),
            (["--sanbox-backend=http://localhost:1"], "unknown flag: --sanbox-backend. Did you mean --sandbox-backend?"),
            (["--account_key", "k"], "unknown flag: --account_key. Did you mean --account-key?"),
            (["--lst", "--endpont", "e"], "unknown flag: --lst, --endpont. Did you mean --list and --endpoint?"),
            (["list"], "every value needs its flag in front of it. Did you mean --list?"),
            (["sandbox", "port=8010"], "every value needs its flag in front of it. Did you mean --sandbox and --port?"),
            (["lst"], "every value needs its flag in front of it"),
            (["-port", "8010"], "every value needs its flag in front of it. Did you mean --port?"),
            (["--nothing-like-it"], "unknown flag: --nothing-like-it"),
            (["--sandbox-backend", "localhost:11434"], "it takes an address such as http://localhost:11434, without"),
            (["--autoscaler-url", "run.vast.ai"], "it takes an address such as https://run.vast.ai, without"),
            (["--console-url", "console.vast.ai"], "it takes an address such as https://console.vast.ai, without"),
            (["--port"], "expected one argument"),
            (["--port", "http"], "--port 'http': a port is a number"),
            (["--instance", "production"], "choose one of prod, alpha, candidate"),
            (["--wait", "soon"], "--wait 'soon': it takes a number of seconds"),
            (["--console-url", "console.vast.ai"], "--console-url 'console.vast.ai': it takes an address"),
            (["my-endpoint"], "every value needs its flag in front of it"),
            (["--list", "--account-key", "two words"], "--account-key: a key is one word"),
        ],
    )
    def test_wrong_usage_is_said_in_a_line(self, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
        code, out, err = in_process(capsys, command(None, *arguments))
        assert (code, out) == (2, "")
        assert err.startswith("ERROR: ")
        assert said in err.splitlines()[0]

    @pytest.mark.parametrize(
        "arguments",
        [
            [f"--acount-key={MARKED}"],
            ["--acount-key", MARKED],
            ["--acount-key", f"-{MARKED}"],
            ["--account-key", f"-{MARKED}"],
            [MARKED],
            [f"-{MARKED}"],
            ["--account-key", f"{MARKED} {MARKED}"],
            [f"--list={MARKED}"],
            [f"--list={MARKED}\n{MARKED}"],
            [f"--debug={MARKED}"],
            [f"-h{MARKED}"],
            ["--autoscaler-url", f"https://me:{MARKED}@h"],
        ],
    )
    def test_wrong_usage_shows_no_key(self, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        code, out, err = in_process(capsys, command(None, *arguments))
        # A newer Python's argparse shows the help before it looks at what is behind -h.
        assert code == 2 or (code == 0 and arguments[0].startswith("-h"))
        assert MARKED not in out + err

    @pytest.mark.skipif(sys.platform != "linux", reason="Linux alone shows a process where its arguments are")
    def test_keys_that_were_given_as_arguments_leave_the_list_of_processes(self, account: Sandbox) -> None:
        keys = ["--account-key", account.account_key, f"--proxy-key={MARKED}", "--api-key", "a"]
        with Process(command(account, "--endpoint", "my-llm-endpoint", "--port", "0", *keys)) as process:
            process.wait_for('api_key="the proxy key"')
            shown = Path(f"/proc/{process.process.pid}/cmdline").read_text().split("\0")
            process.process.terminate()
            assert process.end()[0] == 0
        blotted = ["--account-key", "x" * len(account.account_key), f"--proxy-key={'x' * len(MARKED)}", "--api-key", "x"]
        assert shown == [*command(account, "--endpoint", "my-llm-endpoint", "--port", "0", *blotted), ""]

    @pytest.mark.skipif(sys.platform != "linux", reason="Linux alone shows a process where its arguments are")
    def test_a_key_that_was_given_twice_leaves_it_twice(self, account: Sandbox) -> None:
        key, name = account.account_key, ["--endpoint", "my-llm-endpoint", "--port", "0"]
        first, joined = f"{MARKED}-first", f"{MARKED}-joined"
        keys = [
            "--account-key",
            first,
            f"--account-key={joined}",
            "--account-key",
            key,
            f"--proxy-key={MARKED}",
            "--proxy-key",
            "off",
        ]
        with Process(command(account, *name, *keys)) as process:
            process.listening()
            shown = Path(f"/proc/{process.process.pid}/cmdline").read_text()
            process.process.terminate()
            assert process.end()[0] == 0
        for secret in (first, joined, key, MARKED):
            assert secret not in shown
        assert shown.count("--account-key") == 3 and "my-llm-endpoint" in shown

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have no arguments that are no text")
    @pytest.mark.parametrize("flag", ["--account-key", "--api-key", "--proxy-key"])
    def test_a_key_that_is_no_text_is_wrong_usage(self, account: Sandbox, flag: str) -> None:
        for given in ([flag, f"{MARKED}\udcff"], [f"{flag}=\udce9{MARKED}"]):
            code, out, err = run(command(account, "--endpoint", "my-llm-endpoint", *given))
            assert (code, out) == (2, "")
            assert err.startswith(f"ERROR: {flag}: a key is one word")
            assert MARKED not in err

    def test_an_endpoints_name_forges_no_line(self, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        sandbox.console.endpoints = [Endpoint(1, "one\n\nHINT: forged\r\nERROR: forged", "k")]
        for name in ("one", "one HINT: forged ERROR: forge"):
            arguments = ["--endpoint", name, "--account-key", sandbox.account_key, "--port", "0"]
            code, out, err = in_process(capsys, command(sandbox, *arguments))
            assert (code, out) == (1, "")
            error, empty, hint = err.splitlines()
            assert (error, empty) == (f"ERROR: Endpoint {name!r} not found.", "")
            assert hint.endswith("Your endpoints: one\\n\\nHINT: forged\\r\\nERROR: forged")

    def test_an_endpoints_name_moves_no_cursor(self, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        sandbox.console.endpoints = [Endpoint(1, "one\x1b[2J\ntwo\u202e", "k")]
        code, out, _ = in_process(capsys, command(sandbox, "--list", "--account-key", sandbox.account_key))
        assert (code, out) == (0, "Available endpoints (1):\n  • one\\x1b[2J\\ntwo\\u202e\n")
        arguments = ["--endpoint", "one", "--account-key", sandbox.account_key, "--port", "0"]
        code, _, err = in_process(capsys, command(sandbox, *arguments))
        assert code == 1
        assert "Your endpoints: one\\x1b[2J" in err and "\x1b" not in err and "\u202e" not in err

    def test_a_prefix_of_a_flag_is_not_taken_for_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert in_process(capsys, command(None, "--acc", MARKED))[0] == 2

    def test_a_key_file_that_cannot_be_used_is_said(
        self, account: Sandbox, capsys: pytest.CaptureFixture[str], own_home: Path
    ) -> None:
        (own_home / ".vast_api_key").mkdir()
        code, out, err = in_process(capsys, command(account, "--list"))
        assert (code, out) == (1, "")
        assert "can't be read" in err
        assert "HINT: " in err

    def test_a_ca_file_that_cannot_be_used_is_said(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--list", "--account-key", MARKED, "--ca-file", "absent.pem"]
        code, out, err = in_process(capsys, command(account, *arguments))
        assert (code, out) == (2, "")
        assert "--ca-file 'absent.pem' can't be used: No such file or directory." in err

    def test_a_host_that_is_none_is_said(self, account: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ["--endpoint", "my-llm-endpoint", "--account-key", account.account_key, "--host", "nowhere.invalid"]
        code, out, err = in_process(capsys, command(account, *arguments))
        assert (code, out) == (2, "")
        assert "--host 'nowhere.invalid' can't be listened on" in err

    @pytest.mark.parametrize("level", [logging.NOTSET, logging.ERROR])
    def test_the_callers_logging_is_left_as_it_was(
        self, account: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, level: int
    ) -> None:
        caplog.set_level(level, "vespa_client")
        logger = logging.getLogger("vespa_client")
        before = (logger.level, list(logger.handlers))
        in_process(capsys, command(account, "--list", "--account-key", account.account_key, "--debug"))
        assert (logger.level, list(logger.handlers)) == before


class TestFlags:
    SAMPLES = {  # noqa: RUF012
        "log_format": ("json", "json"),
        "log_file": (os.devnull, os.devnull),
        "endpoint": ("my-llm", "my-llm"),
        "api_key": ("k1", "k1"),
        "account_key": ("k2", "k2"),
        "port": ("8080", 8080),
        "host": ("0.0.0.0", "0.0.0.0"),
        "autoscaler_url": ("http://127.0.0.1:1/", "http://127.0.0.1:1"),
        "console_url": ("http://127.0.0.1:2", "http://127.0.0.1:2"),
        "instance": ("alpha", "alpha"),
        "ca_file": ("company.pem", "company.pem"),
        "sandbox_backend": ("http://localhost:11434", "http://localhost:11434"),
        "sandbox_worker": ("vespa", "vespa"),
        "sandbox_scenario": ("cold", "cold"),
        "sandbox_script": ("script.json", "script.json"),
        "proxy_key": ("k3", "k3"),
        "cost": ("auto", "auto"),
        "multipart": ("json", "json"),
        "translate": ("never", "never"),
        "models": ("worker", "worker"),
    }
    REPEATED = {"cors_origin": ("https://one.example", "app://two"), "pass_route": ("/v1/files", "/health")}  # noqa: RUF012

    @pytest.mark.parametrize("name", list(settings_table()))
    def test_each_setting_has_its_flag(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        seen: list[Settings] = []
        monkeypatch.setattr(cli, "_serve", lambda settings, totals, signals: seen.append(settings) or 0)
        setting = settings_table()[name]
        flag = "--" + name.replace("_", "-")
        if setting.is_switch:
            arguments, expected = [flag], True
        elif setting.repeatable:
            expected = self.REPEATED.get(name, ("X-One", "X-Two"))
            arguments = [flag, expected[0], flag, expected[1]]
        else:
            text, expected = self.SAMPLES.get(name, ("17", 17))
            arguments = [flag, text]
        complete = [] if name in ("endpoint", "api_key") else ["--endpoint", "e", "--api-key", "k"]
        if name == "endpoint":
            complete = ["--api-key", "k"]
        elif name == "api_key":
            complete = ["--endpoint", "e"]
        assert cli.main([*complete, *arguments]) == 0
        assert getattr(seen[0], name) == expected

    def test_help_shows_every_setting_with_its_default_and_its_variable(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = in_process(capsys, command(None, "--help"))
        assert (code, err) == (0, "")
        flat = " ".join(out.split())
        for name, setting in settings_table().items():
            default = setting.default
            assert f"--{name.replace('_', '-')}" in flat
            assert " ".join(setting.help.split()) in flat, name
            if setting.env:
                assert f"or set {setting.env}" in flat
            if default not in (None, False, ()):
                shown = f"{default:g}" if isinstance(default, float) else str(default)
                assert f"default: {shown}" in flat, name
        for flag in ("--list", "--version", "--help"):
            assert flag in flat

    @pytest.mark.parametrize("columns", [60, 80, 200])
    def test_help_has_its_lines_where_argparse_would_break_them(self, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        ours = arguments.build_parser().format_help()
        monkeypatch.delattr(arguments._HelpFormatter, "_split_lines")
        assert ours == arguments.build_parser().format_help()

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert in_process(capsys, command(None, "--version")) == (0, f"vespa_client {__version__}\n", "")

    def test_the_installed_command_is_the_same_program(self) -> None:
        installed = shutil.which("vespa-client", path=str(Path(sys.executable).parent))
        if installed is None:
            pytest.skip("the package is not installed here")
        assert run([installed, "--version"]) == (0, f"vespa_client {__version__}\n", "")
        ours = run([sys.executable, "-m", "vespa_client", "--help"])[1]
        assert run([installed, "--help"])[1].split() == ours.replace("python -m vespa_client", "vespa-client").split()
