"""Keys are money: everything happens at --debug with keys that are known, and then every byte that came out is searched."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.command_line import Process, command
from tests.support.outbound_proxy import OutboundProxy
from tests.support.programs import environment
from tests.support.raw_worker import connect
from tests.support.waiting import LONG
from vespa_client import AuthenticationError, VastClient
from vespa_client.payload.envelope import AUTH_FIELDS, wrap
from vespa_client.routing.autoscaler import Assignment
from vespa_client.sandbox import Sandbox

PROXY_KEY = "marked-proxy-key-77aa"
PASSWORD = "marked-password-4711"
CLIENTS_SECRET = "marked-clients-secret-90"
GUESS = "marked-wrong-guess-55"
QUERY_SECRET = "marked-query-secret-33"
CLIENT = {"Authorization": f"Bearer {PROXY_KEY}", "X-Api-Key": CLIENTS_SECRET, "Cookie": f"session={CLIENTS_SECRET}"}


class Told:
    """All that was said to whoever may read it, by where it was said."""

    def __init__(self) -> None:
        self.places: dict[str, list[str]] = {}

    def add(self, place: str, text: str | bytes) -> None:
        self.places.setdefault(place, []).append(text if isinstance(text, str) else text.decode("latin-1"))

    def answer(self, answer: requests.Response) -> requests.Response:
        self.add("answers", f"{answer.status_code} {answer.reason} {answer.headers} {answer.text}")
        return answer

    def files(self, directory: Path) -> None:
        for path in directory.rglob("*"):
            self.add("files", str(path))
            if path.is_file():
                self.add("files", path.read_bytes())

    def leaks(self, secrets: dict[str, str], places: set[str]) -> list[str]:
        """Which secret stands where; a part of one that is long enough to help a guesser counts."""
        return [
            f"{name} in {place}"
            for place in places
            for name, secret in secrets.items()
            for text in self.places.get(place, [])
            if secret[:12] in text or secret[-12:] in text
        ]


def everything_happens(url: str, sandbox: Sandbox, told: Told) -> None:
    """Requests that end in each way there is."""

    def ask(method: str, path: str, **how: object) -> requests.Response:
        headers = {**CLIENT, **how.pop("headers", {})}  # type: ignore[dict-item]
        return told.answer(requests.request(method, url + path, headers=headers, timeout=LONG, **how))  # type: ignore[arg-type]

    def complete(**headers: str) -> requests.Response:
        return ask("POST", "/v1/completions", json={"prompt": CLIENTS_SECRET}, headers=headers)

    assert complete().status_code == 200
    assert ask("GET", f"/v1/models?api_key={QUERY_SECRET}").status_code == 200
    assert complete(Authorization=f"Bearer {GUESS}").status_code == 401
    assert complete(Host="evil.example").status_code == 421
    assert complete(**{"X-Serverless-Cost": "a lot"}).status_code == 400
    assert ask("POST", "/v1/completions", data=f'{{"prompt": "{CLIENTS_SECRET}').status_code == 400
    with connect(url) as raw:
        raw.send(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer {PROXY_KEY}\r\n\r\n".encode())
        told.add("answers", raw.rest())

    sandbox.console.rotate_key(sandbox.endpoints[0].name)
    assert complete().status_code == 200
    for echo in (sandbox.account_key, sandbox.endpoints[0].api_key):
        sandbox.autoscaler.answer_with(200, f"no JSON, but {echo}")
        sandbox.autoscaler.answer_with(500, echo)
        assert complete().status_code == 200
        sandbox.autoscaler.answer_with(400, {"error": echo})
        assert complete().status_code == 404
    worker = sandbox.worker.url
    sandbox.autoscaler.workers[:] = [worker.replace("127.0.0.1", "worker.test")]
    assert complete().status_code == 200
    sandbox.autoscaler.workers[:] = ["http://127.0.0.1:1"]
    complete()
    sandbox.autoscaler.workers[:] = [worker]
    sandbox.worker.answer_with(401)
    complete()
    sandbox.worker.hang_up()
    complete()
    sandbox.console.rotate_key(sandbox.endpoints[0].name)
    sandbox.console.answer_with(500, f"The console failed over {sandbox.account_key}")
    assert complete().status_code == 502


@contextlib.contextmanager
def program(sandbox: Sandbox, told: Told, directory: Path) -> Iterator[str]:
    """The command line with keys from wherever they can come; its URL."""
    name = sandbox.endpoints[0].name
    arguments = ["--endpoint", name, "--account-key", sandbox.account_key, "--port", "0", "--debug"]
    limits = ["--wait", "3", "--retries", "1", "--timeout", "5", "--drain", "0"]
    with OutboundProxy() as company:
        variables = {
            "HTTP_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{company.port}",
            "VESPA_PROXY_KEY": PROXY_KEY,
            "TMPDIR": str(directory),
        }
        with Process(command(sandbox, *arguments, *limits), environment(**variables)) as process:
            process.wait_for('api_key="the proxy key"')
            found = re.search(r"Listening on: (http://\S+)", process.out)
            assert found
            if sys.platform == "linux":
                told.add("process list", Path(f"/proc/{process.process.pid}/cmdline").read_bytes())
            yield found[1]
            process.process.terminate()
            code, out, err = process.end()
            assert code == 0
            told.add("output", out + err)
        assert any(asked.field("proxy-authorization") for asked in company.asked)


def test_no_secret_comes_out_anywhere(sandbox: Sandbox, own_home: Path, tmp_path: Path) -> None:
    told = Told()
    endpoint_keys = [sandbox.endpoints[0].api_key]
    with program(sandbox, told, tmp_path) as url:
        everything_happens(url, sandbox, told)
    endpoint_keys.append(sandbox.endpoints[0].api_key)
    told.files(own_home)
    told.files(tmp_path)
    for request in sandbox.worker.requests:
        told.add("workers", f"{request.headers}")
    signatures = {
        f"signature {number}": request.auth_data["signature"]
        for number, request in enumerate(sandbox.worker.requests)
        if request.auth_data
    }
    assert len(signatures) >= 3
    keys = {
        "the account key": sandbox.account_key,
        **{f"endpoint key {number}": key for number, key in enumerate(endpoint_keys)},
        "the proxy key": PROXY_KEY,
        "the outbound proxy's password": PASSWORD,
        "the client's secret": CLIENTS_SECRET,
    }
    assert told.places["output"][0].count("DEBUG") > 10
    everywhere = {"output", "files", "process list", "workers"}
    # A model may say in its answer what it was asked, and that is the client's own affair.
    own = {name: key for name, key in keys.items() if name != "the client's secret"}
    assert told.leaks(keys, everywhere) + told.leaks(own, {"answers"}) == []
    assert told.leaks(signatures, {"output", "files", "process list", "answers"}) == []
    assert told.leaks({"a wrong key": GUESS, "a query": QUERY_SECRET}, {"output", "files"}) == []


def test_not_even_the_libraries_below_log_a_secret(
    start_proxy: Callable[..., VastClient], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = start_proxy(proxy_key=PROXY_KEY)
    keys = [sandbox.account_key, sandbox.endpoints[0].api_key, PROXY_KEY, CLIENTS_SECRET, QUERY_SECRET]
    with connect(client.url) as raw:
        lines = "".join(f"{name}: {value}\r\n" for name, value in CLIENT.items())
        raw.send(f"GET /v1/models?key={QUERY_SECRET} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        assert raw.message().status == 200
    assert {"vespa_client", "urllib3.connectionpool"} <= {record.name for record in caplog.records}
    assert [key for key in keys if key in caplog.text] == []


def shapes(thing: object) -> list[str]:
    return [repr(thing), str(thing), f"{thing!a}"]


def test_no_object_shows_a_key(sandbox: Sandbox, start_proxy: Callable[..., VastClient]) -> None:
    client = start_proxy(proxy_key=PROXY_KEY)
    seen = shapes(client) + shapes(client._settings)
    with pytest.raises(AuthenticationError) as caught:
        VastClient("x", account_key=GUESS, console_url=sandbox.console_url, port=0).start()
    seen += [*traceback.format_exception(caught.value), *shapes(caught.value), *shapes(vars(caught.value))]
    for key in (sandbox.endpoints[0].api_key, sandbox.account_key, PROXY_KEY, GUESS):
        assert all(key not in shape for shape in seen)


def test_no_assignment_shows_its_signature() -> None:
    assignment = Assignment("http://127.0.0.1:1", {"signature": "marked-signature-12", "url": "http://127.0.0.1:1"})
    seen = [*shapes(assignment), *shapes([assignment]), *shapes({"a": assignment})]
    assert all("http://127.0.0.1:1" in shape and "marked-signature" not in shape for shape in seen)


def test_no_envelope_shows_its_signature() -> None:
    envelope = wrap([b"{}"], dict.fromkeys(AUTH_FIELDS, "marked-signature-12"))
    assert all("marked-signature" not in shape for shape in (*shapes(envelope), *shapes([envelope])))
