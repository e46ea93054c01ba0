"""``--capture``: what is kept, as it was, in every form; how little of it, and who may read it."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.server.capture.captured import MOST_BYTES
from vespa_client.server.capture.secrets import target_without_secrets

from ...support.raw_worker import EVENT_STREAM, RawWorker, answer, asked, chunk, connect, only_worker, post
from ...support.waiting import LONG, wait_until

StartProxy = Callable[..., VastClient]

worker = only_worker

KEY = "sk-a-key-of-the-client-s"


@pytest.fixture
def capturing(start_proxy: StartProxy) -> VastClient:
    return start_proxy(capture=3)


def get(client: VastClient, page: str, **fields: str) -> requests.Response:
    return requests.get(f"{client.url}/_vespa/captured{page}", headers=fields, timeout=LONG)


def ask(client: VastClient, body: Any = None, path: str = "/v1/completions", **fields: str) -> requests.Response:
    given = requests.post(f"{client.url}{path}", json=body or {"prompt": "Caf\u00e9 'quoted'"}, headers=fields, timeout=LONG)
    wait_until(lambda: not client.status().in_progress)
    return given


def entry(client: VastClient, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = get(client, f"/{number}").json()
    return found


def test_nothing_is_kept_unless_it_was_asked_for(proxy: VastClient) -> None:
    ask(proxy)
    for page in ("", ".har", "/1", "/1.har", "/1.curl"):
        refused = get(proxy, page)
        assert (refused.status_code, refused.json()["error"]["message"].split(".")[0]) == (404, "Nothing is captured")
    assert proxy.status().proxy.capture == 0


def test_a_request_and_its_answer_are_kept_as_they_were(capturing: VastClient) -> None:
    given = ask(capturing)
    kept = entry(capturing)
    assert json.loads(kept["request"]["postData"]["text"]) == {"prompt": "Café 'quoted'"}
    assert (kept["request"]["method"], kept["request"]["url"]) == ("POST", f"{capturing.url}/v1/completions")
    assert kept["response"]["content"]["text"] == given.text
    assert (kept["response"]["status"], kept["response"]["content"]["mimeType"]) == (200, given.headers["Content-Type"])
    sent = {header["name"]: header["value"] for header in kept["response"]["headers"]}
    assert sent["X-Vespa-Request-Id"] == given.headers["X-Vespa-Request-Id"]
    assert kept["_exchange"]["number"] == 1 and kept["comment"] == "answered"
    assert capturing.status().proxy.capture == 3


def test_the_last_ones_alone_are_kept(capturing: VastClient) -> None:
    for number in range(5):
        ask(capturing, {"prompt": str(number)})
    listed = get(capturing, "").json()
    assert listed["most"] == 3
    assert listed["entries"][0].keys() >= {
        "id",
        "method",
        "target",
        "started",
        "seconds",
        "phase",
        "status",
        "outcome",
        "failed",
    }
    assert "prompt" not in str(listed)
    assert [one["number"] for one in listed["entries"]] == [5, 4, 3]
    assert get(capturing, "/1").status_code == 404


def test_a_stream_s_pieces_have_their_times_and_are_seen_meanwhile(capturing: VastClient, worker: RawWorker) -> None:
    with connect(capturing.url) as client:
        peer = asked(client, worker, post(b'{"stream": true}', "/v1/chat/completions"))
        with peer:
            peer.send(EVENT_STREAM + chunk(b"data: 1\n\n"))
            client.until(b"data: 1\n\n")
            assert entry(capturing)["response"]["content"]["text"] == "data: 1\n\n"
            peer.send(chunk(b"data: 2\n\n") + chunk(b""))
            client.until(b"0\r\n\r\n")
    wait_until(lambda: not capturing.status().in_progress)
    kept = entry(capturing)
    assert kept["response"]["content"]["text"] == "data: 1\n\ndata: 2\n\n"
    assert [size for _, size in kept["_pieces"]] == [9, 9]
    times = [moment for moment, _ in kept["_pieces"]]
    assert 0 < times[0] <= times[1] <= kept["_exchange"]["seconds"]


def test_what_is_large_is_kept_in_part(capturing: VastClient, worker: RawWorker) -> None:
    body = json.dumps({"prompt": "x" * (MOST_BYTES + 5)}).encode()
    with connect(capturing.url) as client:
        peer = asked(client, worker, post(body))
        with peer:
            peer.send(answer(b"y" * (MOST_BYTES + 7)))
            client.message()
    wait_until(lambda: not capturing.status().in_progress)
    kept = entry(capturing)
    assert (kept["request"]["bodySize"], len(kept["request"]["postData"]["text"])) == (len(body), MOST_BYTES)
    assert (kept["response"]["bodySize"], len(kept["response"]["content"]["text"])) == (MOST_BYTES + 7, MOST_BYTES)
    assert "first" in kept["response"]["content"]["comment"] and "first" in kept["request"]["postData"]["comment"]
    assert get(capturing, "/1.curl").text.startswith("# The first ")
    [line] = get(capturing, "").json()["entries"]
    assert (line["request_size"], line["request_kept"]) == (len(body), MOST_BYTES)
    assert (line["answer_size"], line["answer_kept"]) == (MOST_BYTES + 7, MOST_BYTES)


def test_a_text_that_is_cut_inside_a_character_is_text_still(capturing: VastClient, worker: RawWorker) -> None:
    body = json.dumps({"a": "é" * MOST_BYTES}, ensure_ascii=False).encode()
    said = "€" * MOST_BYTES
    with connect(capturing.url) as client:
        with asked(client, worker, post(body)) as peer:
            peer.send(answer(said.encode()))
        client.message()
    wait_until(lambda: not capturing.status().in_progress)
    kept = entry(capturing)
    assert body[MOST_BYTES - 1 : MOST_BYTES + 1] == "é".encode()
    assert kept["request"]["postData"]["text"] == body[: MOST_BYTES - 1].decode()
    assert kept["response"]["content"]["text"] == said[: MOST_BYTES // 3] and "encoding" not in kept["response"]["content"]


def test_what_is_no_text_and_what_is_packed(capturing: VastClient, worker: RawWorker) -> None:
    packed = gzip.compress(b'{"a": 1}')
    for number, (sent, *lines) in enumerate(
        [(b"\xff\xfe\x00", "Content-Type: audio/x"), (packed, "Content-Encoding: gzip")], 1
    ):
        with connect(capturing.url) as client:
            peer = asked(client, worker)
            with peer:
                peer.send(answer(sent, "200 OK", *lines))
                client.message()
        wait_until(lambda number=number: get(capturing, f"/{number}").status_code == 200)
    content = entry(capturing, 1)["response"]["content"]
    assert (content["encoding"], content["text"]) == ("base64", "//4A")
    assert entry(capturing, 2)["response"]["content"]["text"] == '{"a": 1}'


def test_a_bomb_is_not_unpacked(capturing: VastClient, worker: RawWorker) -> None:
    bomb = gzip.compress(bytes(200 * MOST_BYTES))
    with connect(capturing.url) as client:
        peer = asked(client, worker)
        with peer:
            peer.send(answer(bomb, "200 OK", "Content-Encoding: gzip"))
            client.message()
    wait_until(lambda: not capturing.status().in_progress)
    assert entry(capturing)["response"]["content"]["size"] == MOST_BYTES


def test_no_key_is_kept(start_proxy: StartProxy, sandbox: Sandbox) -> None:
    client = start_proxy(capture=3, proxy_key="the-proxy-s-own-key")
    with_key = {"Authorization": "Bearer the-proxy-s-own-key"}
    from_there = {
        "Referer": f"http://localhost/?a=b&token={KEY}",
        "Sec-WebSocket-Protocol": f"realtime, insecure-api-key.{KEY}",
    }
    fields = {**with_key, **from_there, "X-Goog-Api-Key": KEY, "Cookie": f"id={KEY}"}
    sandbox.worker.answer_with(200, b"{}", [("Set-Cookie", f"id={KEY}"), ("Content-Location", f"/x?a=b&access_token={KEY}")])
    requests.post(f"{client.url}/v1/completions?api_key={KEY}&n=1", json={"prompt": "Hi"}, headers=fields, timeout=LONG)
    wait_until(lambda: not client.status().in_progress)
    assert get(client, "").status_code == 401
    secrets = [KEY, "the-proxy-s-own-key", sandbox.account_key, *(endpoint.api_key for endpoint in sandbox.endpoints)]
    for page in ("", ".har", "/1", "/1.har", "/1.curl"):
        shown = get(client, page, **with_key)
        assert shown.status_code == 200
        assert not [secret for secret in secrets if secret in shown.text], page
    kept = get(client, "/1", **with_key).json()
    assert "n=1" in kept["request"]["url"]
    assert {"name": "Referer", "value": "http://localhost/?a=b&token=MASKED"} in kept["request"]["headers"]
    assert {"name": "Content-Location", "value": "/x?a=b&access_token=MASKED"} in kept["response"]["headers"]
    assert "-H 'Authorization: Bearer YOUR_PROXY_KEY'" in get(client, "/1.curl", **with_key).text


@pytest.mark.parametrize("name", ["key", "api_key", "api_%6Bey", "%74oken"])
def test_a_parameter_that_is_a_key_is_masked_however_it_is_written(name: str) -> None:
    assert target_without_secrets(f"/x?a=b&{name}={KEY}&n=1") == f"/x?a=b&{name}=MASKED&n=1"


def test_no_other_page_may_read_them(capturing: VastClient) -> None:
    ask(capturing)
    port = capturing.url.rpartition(":")[2]
    for origin in ("http://localhost:3000", "https://elsewhere.example", "null", "app://one"):
        assert get(capturing, "/1", Origin=origin).status_code == 403
    assert get(capturing, "/1", **{"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert get(capturing, "/1", Origin=f"http://127.0.0.1:{port}", **{"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_the_archive_has_what_har_demands(capturing: VastClient) -> None:
    before = time.time()
    ask(capturing, path="/v1/completions?n=1&empty=")
    requests.post(f"{capturing.url}/v1/x", data="no json", timeout=LONG)
    wait_until(lambda: not capturing.status().in_progress)
    answer = get(capturing, ".har")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="vespa.har"'
    log = answer.json()["log"]
    assert (log["version"], log["creator"]["name"]) == ("1.2", "vespa_client")
    first, second = log["entries"]
    assert first["startedDateTime"] <= second["startedDateTime"]
    assert first["request"]["queryString"] == [{"name": "n", "value": "1"}, {"name": "empty", "value": ""}]
    for one in log["entries"]:
        assert one.keys() >= {"startedDateTime", "time", "request", "response", "cache", "timings"}
        assert one["request"].keys() >= {
            "method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize",
        }  # fmt: skip
        assert one["response"].keys() >= {
            "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize",
        }  # fmt: skip
        known = {name: value for name, value in one["timings"].items() if value != -1}
        assert sum(known.values()) == pytest.approx(one["time"], abs=1.0)
    assert second["response"]["status"] == 400 and "bad_request" in second["response"]["content"]["text"]
    assert first["startedDateTime"] > time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before - 60))


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("sh")), reason="curl and a shell are not here")
@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "It\'s \\"so\\"; $HOME `id` \xc3\xa9\\n"}',
        b'{"file": "\\u0000 \xef\xbf\xbf"}',
        b'{"prompt": "%b"}' % (b"it's long " * 20_000),
    ],
)
def test_the_curl_command_sends_it_again(capturing: VastClient, worker: RawWorker, body: bytes, tmp_path: Path) -> None:
    fields = {"X-Odd": "it's $(here)", "X-Empty": "", "Content-Type": "application/json"}
    sent = []
    with connect(capturing.url) as client:
        client.send(post(body, "/v1/./x?a=b&c=%20", *(f"{name}: {value}" for name, value in fields.items())))
        peer, request = worker.request()
        with peer:
            peer.send(answer())
        client.message()
        sent.append(request)
    wait_until(lambda: not capturing.status().in_progress)
    script = tmp_path / "again.sh"
    script.write_bytes(get(capturing, "/1.curl").content)
    with subprocess.Popen(["sh", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as again:
        peer, request = worker.request()
        with peer:
            peer.send(answer(b"once more"))
        assert again.communicate(timeout=LONG)[0] == b"once more"
    assert request.payload == sent[0].payload == body
    assert request.start == sent[0].start
    assert (request.one("x-odd"), request.one("x-empty")) == (fields["X-Odd"], "")


def test_a_body_is_no_file_s_name(capturing: VastClient) -> None:
    requests.post(f"{capturing.url}/v1/x", data="@/etc/hostname", timeout=LONG)
    wait_until(lambda: not capturing.status().in_progress)
    assert get(capturing, "/1.curl").text.endswith(" --data-raw @/etc/hostname\n")


def test_head_waits_for_no_body(capturing: VastClient) -> None:
    requests.head(f"{capturing.url}/v1/models", timeout=LONG)
    wait_until(lambda: not capturing.status().in_progress)
    assert get(capturing, "/1.curl").text.startswith("curl -N --head http://")
