"""A worker's bare 404 and 405: which texts say no more than that, and what is said of the path instead."""

from __future__ import annotations

import gzip
import json

import pytest

from vespa_client import VastClient
from vespa_client.routing.missing_routes import is_about_a_route, is_bare, no_such_route

from ..support.faults import Log, proxy_log
from ..support.raw_worker import EVENT_STREAM, Peer, RawWorker, answer, chunk, connect, get, only_worker, post, raw_client, swap

worker, client, log = only_worker, raw_client, proxy_log

PATH = "/v1/messages"
NGINX = (
    "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
    "<hr><center>nginx/1.18.0 (Ubuntu)</center>\r\n</body>\r\n</html>\r\n"
)
BARE = {
    "aiohttp, 404": "404: Not Found",
    "aiohttp, 405": "405: Method Not Allowed",
    "Starlette, 404": "Not Found",
    "Starlette, 405": "Method Not Allowed",
    "Go": "404 page not found\n",
    "Gin, 405": "405 method not allowed",
    "nginx": NGINX,
    "nginx, padded": NGINX + "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n" * 6,
    "nginx, 405": NGINX.replace("404 Not Found", "405 Not Allowed").replace(" (Ubuntu)", ""),
    "openresty": NGINX.replace("nginx/1.18.0 (Ubuntu)", "openresty"),
    "Apache": '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>404 Not Found</title>\n</head><body>\n'
    "<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n<hr>\n"
    "<address>Apache/2.4.57 (Debian) Server at 127.0.0.1 Port 80</address>\n</body></html>\n",
    "Apache, older": f"<h1>Not Found</h1><p>The requested URL {PATH} was not found on this server.</p>",
    "Werkzeug, 404": "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again.</p>\n",
    "Werkzeug, 405": "<!doctype html>\n<html lang=en>\n<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n"
    "<p>The method is not allowed for the requested URL.</p>\n",
    "Express": f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
    f"<pre>Cannot POST {PATH}</pre>\n</body>\n</html>\n",
    "Tornado": "<html><title>404: Not Found</title><body>404: Not Found</body></html>",
    "Django": '\n<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  <h1>Not Found</h1>'
    "<p>The requested resource was not found on this server.</p>\n</body>\n</html>\n",
    "HAProxy": "<html><body><h1>404 Not Found</h1>\nThe resource could not be found.\n</body></html>\n",
    "http.server": '<!DOCTYPE HTML>\n<html lang="en"><head><style type="text/css">body {font: x}</style>'
    "<title>Error response</title></head><body><h1>Error response</h1><p>Error code: 404</p><p>Message: "
    "File not found.</p><p>Error code explanation: 404 - Nothing matches the given URI.</p></body></html>",
    "llama.cpp": "File Not Found",
    "lighttpd": "<h1>404 Not Found</h1>",
    "spaces": "  \n",
}
WORDS = {
    "a model": "model 'llama3' not found, try pulling it first",
    "a model, with the status": "404: the model sandbox was not found",
    "a reason": "404 Not Found: LoRA adapter is missing",
    "a deployment": "Deployment not found",
    "a word alone": "no",
    "a page": "<html><title>404</title><body>" + "<p>Welcome to our GPU cloud.</p>" * 3 + "</body></html>",
    "JSON of FastAPI": '{"detail":"Not Found"}',
    "JSON of OpenAI's kind": '{"error": {"message": "Not Found", "code": 404}}',
    "a JSON text": '"Not Found"',
    "a list": '["Not Found"]',
    "much": "404: Not Found " * 300,
    "another alphabet": "404: \u043d\u0435\u0442",
}


@pytest.mark.parametrize("text", BARE.values(), ids=BARE)
def test_a_text_that_says_no_more_than_its_status_is_bare(text: str) -> None:
    assert is_bare(text, PATH)


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_a_text_with_a_word_of_its_own_is_not(text: str) -> None:
    assert not is_bare(text, PATH)


@pytest.mark.parametrize(
    "path",
    ["/v1/x", "/v1", "/V1/models", "/v1beta/models/m:generateContent", "/chat/completions", "/api/chat", "/generate/sync",
     "/v1/v1/messages", "/openai/v1/completions", "/v1/chat/completions/", "/tokenize"],
)  # fmt: skip
def test_what_sdks_ask_for_is_about_a_route(path: str) -> None:
    assert is_about_a_route(404, path) and is_about_a_route(405, path)
    assert not is_about_a_route(400, path) and not is_about_a_route(500, path)


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/index.html", "/models.html", "/my/page", "/v/1", "/view", "/queue"])
def test_a_page_is_not(path: str) -> None:
    assert not is_about_a_route(404, path)


MISTAKES = [
    ("/v1/v1/messages", "/v1 stands in it twice", "take it off"),
    ("/v1/v1/chat/completions", "twice", "take it off"),
    ("/v1//v1/models", "twice", "take it off"),
    ("/chat/completions", "/v1 is missing", "end with /v1"),
    ("/completions", "/v1 is missing", "end with /v1"),
    ("/models", "/v1 is missing", "end with /v1"),
    ("/models/llama", "/v1 is missing", "end with /v1"),
    ("/messages", "/v1 is missing", "end with /v1"),
    ("/responses", "/v1 is missing", "end with /v1"),
    ("//chat/completions", "/v1 is missing", "end with /v1"),
    ("/v1/chat/completions/chat/completions", "behind another", "/v1/chat/completions"),
    ("/v1/chat/completions/v1/chat/completions", "behind another", "adds /v1/chat/completions"),
    ("/v1/completions/chat/completions", "behind another", "/v1/completions"),
    ("/v1/messages/v1/messages", "behind another", "the port alone"),
    ("/v1/chat/completions/models", "behind another", "adds /models"),
    ("/chat/completions/chat/completions", "behind another", "/chat/completions"),
    ("/v1/chat/completions//chat/completions", "behind another", "/v1/chat/completions"),
    ("/v1//chat/completions", "two slashes", "ends in a slash"),
    ("/openai/deployments/gpt/chat/completions", "Azure", "plain OpenAI client"),
    ("/openai/v1/chat/completions", "/openai stands in front", "right behind the port"),
    ("/api/v1/models", "/api stands in front", "right behind the port"),
    ("/v1/chat/completions/", "ends in a slash", "/v1/chat/completions."),
]


@pytest.mark.parametrize(("path", "mistake", "advice"), MISTAKES)
def test_what_is_off_about_a_path_is_named(path: str, mistake: str, advice: str) -> None:
    for status in (404, 405):
        problem = no_such_route(status, "POST", path, retried=False)
        assert path in problem.message and mistake in problem.message and str(status) in problem.message
        assert advice in problem.hint
        assert (problem.status, problem.code) == (status, "worker_failed")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/v1/models", "give the model's name"),
        ("POST", "/v1/messages", "where it was added"),
        ("POST", "/v1/messages/count_tokens", "where it was added"),
        ("POST", "/v1/responses", "where it was added"),
        ("GET", "/v1/chat/completions", "POST alone"),
        ("POST", "/v1/embeddings", "own configuration"),
        ("POST", "/v1/threads/abc/messages", "where it was added"),
        ("POST", "/tokenize", "own configuration"),
    ],
)
def test_a_path_that_is_well_written_is_told_which_there_usually_are(method: str, path: str, said: str) -> None:
    problem = no_such_route(404, method, path, retried=False)
    assert f"{method} {path}" in problem.message
    assert "/v1/completions and /v1/chat/completions" in problem.hint and said in problem.hint


def test_a_method_that_a_route_does_not_take_is_named() -> None:
    assert "takes no GET at /v1/completions (405)" in no_such_route(405, "GET", "/v1/completions", retried=False).message


def test_a_long_path_is_cut() -> None:
    assert len(no_such_route(404, "POST", "/v1/" + "x" * 5000, retried=False).message) < 300


# Over the proxy


@pytest.mark.parametrize("framing", ["length", "chunked", "pieces", "close", "gzip"])
def test_a_bare_answer_is_given_our_words_under_its_own_status(client: Peer, worker: RawWorker, log: Log, framing: str) -> None:
    body = gzip.compress(NGINX.encode()) if framing == "gzip" else NGINX.encode()
    head = b"HTTP/1.1 404 Nothing Here\r\nServer: nginx\r\nContent-Type: text/html\r\nETag: x\r\nContent-MD5: x\r\n"
    sent = {
        "length": head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "gzip": head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        "chunked": head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + chunk(b""),
        "pieces": head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunk(bytes([byte])) for byte in body) + chunk(b""),
        "close": head + b"\r\n" + body,
    }[framing]
    _, received = swap(client, worker, post(b"{}", "/v1/v1/messages?beta=true"), sent)
    assert received.start == "HTTP/1.1 404 Nothing Here"
    assert received.one("server") == "nginx"
    assert received.one("content-type") == "application/json"
    assert [received.one(name) for name in ("content-encoding", "etag", "content-md5")] == [None] * 3
    assert received.one("x-vespa-error") == received.error["code"] == "worker_failed"
    assert received.error["type"] == "not_found_error"
    assert "POST /v1/v1/messages (404): /v1 stands in it twice" in received.error["message"]
    line = log.wait_for("#1 POST")
    assert "/v1 stands in it twice" in line and " -> 404" in line
    assert "take it off the base URL" in log.wait_for("#1 HINT:")


@pytest.mark.parametrize(
    ("request_bytes", "answer_bytes"),
    [
        (post(), answer(WORDS["a model"].encode(), "404 Not Found")),
        (post(), answer(WORDS["JSON of FastAPI"].encode(), "404 Not Found", "Content-Type: application/json")),
        (post(), answer(b"404: Not Found", "404 Not Found", "Content-Type: application/problem+json")),
        (post(), answer(b"x" * 100_000, "404 Not Found")),
        (post(), answer(b"404: Not Found" + b" " * 5000, "404 Not Found")),
        (post(), answer(b"400: Bad Request", "400 Bad Request")),
        (post(), answer(b"404: Not Found", "500 Internal Server Error")),
        (post(), answer(b"404: Not Found", "200 OK")),
        (post(), answer(b"\x0b\x02\x80", "404 Not Found", "Content-Encoding: br")),
        (post(), answer(b"404: Not Found", "404 Not Found", "Content-Encoding: gzip")),
        (get("/favicon.ico"), answer(b"404: Not Found", "404 Not Found")),
    ],
    ids=["words", "JSON", "called JSON", "long", "padded", "400", "500", "200", "br", "no gzip", "no SDK's route"],
)
def test_any_other_answer_passes_untouched(client: Peer, worker: RawWorker, request_bytes: bytes, answer_bytes: bytes) -> None:
    _, received = swap(client, worker, request_bytes, answer_bytes)
    assert received.body == answer_bytes.partition(b"\r\n\r\n")[2]
    assert received.one("x-vespa-error") is None


def test_an_empty_one_is_told_the_same(client: Peer, worker: RawWorker) -> None:
    _, received = swap(client, worker, post(b"{}", "/chat/completions"), answer(b"", "404 Not Found"))
    assert "/v1 is missing" in received.error["message"]


def test_the_answer_to_head_stays_as_it_is(client: Peer, worker: RawWorker) -> None:
    told = b"HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\nContent-Type: text/plain\r\n\r\n"
    _, received = swap(client, worker, get("/v1/models", method="HEAD"), told, bodiless=True)
    assert (received.status, received.one("content-length"), received.one("x-vespa-error")) == (404, "14", None)


def test_behind_a_heartbeat_it_is_told_as_an_event(start_proxy: object, worker: RawWorker) -> None:
    assert callable(start_proxy)
    proxy: VastClient = start_proxy(heartbeat=0.03)
    with connect(proxy.url) as client:
        client.send(post(b'{"stream": true}', "/v1/v1/messages"))
        peer, _ = worker.request()
        client.until(b"ping")
        peer.send(answer(b"404: Not Found", "404 Not Found", "Content-Type: text/plain; charset=utf-8"))
        data, _ = client.ending()
    error = json.loads(data.partition(b"event: error\ndata: ")[2].partition(b"\n\n")[0])["error"]
    assert error["code"] == "worker_failed" and "/v1 stands in it twice" in error["message"]


def test_a_stream_that_is_a_404_is_not_waited_for(client: Peer, worker: RawWorker) -> None:
    # What is longer than such a page goes on as it comes.
    client.send(post())
    peer, _ = worker.request()
    peer.send(EVENT_STREAM.replace(b"200 OK", b"404 Not Found") + chunk(b"x" * 5000))
    assert client.head()[0] == "HTTP/1.1 404 Not Found"
    client.until(b"x" * 5000)
