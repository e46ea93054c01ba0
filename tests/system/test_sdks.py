"""Each SDK, library and tool that people call the proxy with, as its own users would, in front of the sandbox."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
import requests
from anthropic.types import MessageParam
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai.types.chat import ChatCompletionMessageParam

from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.sandbox.messages import HangUp

from ..support import javascript
from ..support.javascript import ENVIRONMENT, JS
from ..support.waiting import LONG

node_modules = javascript.node_modules

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]
HELLO_CLAUDE: list[MessageParam] = [{"role": "user", "content": "Hello!"}]
ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!"
BODY: dict[str, Any] = {"model": "sandbox", "messages": HELLO}
COST_ERROR = "X-Serverless-Cost takes one number, 0 or more."
COST_HINT = "Send the workload in the units of your endpoint"
EVENT_STREAM = {"Content-Type": "text/event-stream"}
WRONG_COST = {"X-Serverless-Cost": "much"}

StartProxy = Callable[..., VastClient]


@pytest.fixture
def client(proxy: VastClient) -> Iterator[openai.OpenAI]:
    """The OpenAI SDK, without retries that would hide a failure."""
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


@asynccontextmanager
async def async_client(proxy: VastClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG) as client:
        yield client


def events(text: str) -> list[dict[str, Any]]:
    """The events of an OpenAI stream, which must have ended with its mark."""
    lines = [line for line in text.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def half_a_stream(last: bytes = b"") -> Callable[[object], Iterator[bytes]]:
    """The body of a worker that hangs up after one event and these bytes."""

    def body(request: object) -> Iterator[bytes]:
        yield b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n' + last
        raise HangUp

    return body


def said(text: str) -> str:
    """What the model said on a stream."""
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events(text))


class TestOpenAI:
    def test_plain(self, client: openai.OpenAI) -> None:
        answer = client.chat.completions.create(model="sandbox", messages=HELLO)
        assert answer.choices[0].message.content == ANSWER

    def test_streamed_with_usage(self, client: openai.OpenAI) -> None:
        chunks = list(
            client.chat.completions.create(model="sandbox", messages=HELLO, stream=True, stream_options={"include_usage": True})
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
        usage = chunks[-1].usage
        assert usage is not None and usage.completion_tokens > 1
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens

    def test_the_first_token_comes_before_the_last_is_made(self, sandbox: Sandbox, client: openai.OpenAI) -> None:
        sandbox.model.token_delay = 30.0
        with client.chat.completions.create(model="sandbox", messages=HELLO, stream=True) as stream:
            assert next(iter(stream)).choices[0].delta.role == "assistant"
            assert sandbox.model.active == 1
        sandbox.model.wait_for(lambda asked: asked[-1].outcome == "cancelled")

    def test_async_plain_and_streamed(self, proxy: VastClient) -> None:
        async def both() -> tuple[str | None, str]:
            async with async_client(proxy) as client:
                plain = await client.chat.completions.create(model="sandbox", messages=HELLO)
                stream = await client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
                return plain.choices[0].message.content, "".join([c.choices[0].delta.content or "" async for c in stream])

        assert asyncio.run(both()) == (ANSWER, ANSWER)

    def test_completions(self, client: openai.OpenAI) -> None:
        answer = client.completions.create(model="sandbox", prompt="Hello!", max_tokens=3)
        assert ANSWER.startswith(answer.choices[0].text)
        assert answer.choices[0].finish_reason == "length"

    def test_embeddings(self, client: openai.OpenAI) -> None:
        # The SDK asks for base64 unless told otherwise.
        near, same, far = client.embeddings.create(model="sandbox", input=["a cat", "a cat", "tax law"]).data
        assert near.embedding == same.embedding != far.embedding

    def test_models(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()] == ["sandbox"]
        assert client.models.retrieve("sandbox").id == "sandbox"

    def test_the_key_stays_here(self, sandbox: Sandbox, proxy: VastClient) -> None:
        with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="sk-secret", max_retries=0, timeout=LONG) as client:
            client.models.list()
        assert "sk-secret" not in str(sandbox.worker.requests[-1].headers)

    def test_a_stream_that_breaks_raises(self, sandbox: Sandbox, client: openai.OpenAI) -> None:
        sandbox.worker.answer_with(200, half_a_stream(), EVENT_STREAM)
        stream = client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        assert next(iter(stream)).choices[0].delta.content == "Hel"
        with pytest.raises(openai.APIError, match="was lost inside its answer") as caught:
            list(stream)
        assert "send the request again" in str(caught.value)

    def test_a_stream_that_breaks_inside_an_event_raises(self, sandbox: Sandbox, client: openai.OpenAI) -> None:
        sandbox.worker.answer_with(200, half_a_stream(b'data: {"choi'), EVENT_STREAM)
        stream = client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        assert next(iter(stream)).choices[0].delta.content == "Hel"
        # What the SDK has read of the event is no JSON, whatever comes behind it.
        with pytest.raises((openai.APIError, ValueError)):
            list(stream)


def shows(caught: pytest.ExceptionInfo[openai.APIStatusError], message: str, hint: str) -> bool:
    """Whether the SDK's exception has what we said."""
    body = caught.value.body
    assert isinstance(body, dict)
    assert message in str(caught.value)
    assert hint in str(caught.value)
    assert caught.value.response.headers["X-Vespa-Error"] == body["code"] == caught.value.code
    return True


class TestErrorsOfTheOpenAISDK:
    def test_400(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="sandbox", messages=HELLO, extra_headers=WRONG_COST)
        assert shows(caught, COST_ERROR, COST_HINT)

    def test_401(self, start_proxy: StartProxy) -> None:
        proxy = start_proxy(account_key=None, api_key="wrong")
        with (
            openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", timeout=LONG) as client,
            pytest.raises(openai.AuthenticationError) as caught,
        ):
            client.chat.completions.create(model="sandbox", messages=HELLO)
        assert shows(caught, "401 Unauthorized", "Endpoint API key is required, not account API key")

    def test_404_of_the_proxy(self, proxy: VastClient) -> None:
        with (
            openai.OpenAI(base_url=f"{proxy.url}/_vespa/v1", api_key="not-used", timeout=LONG) as client,
            pytest.raises(openai.NotFoundError) as caught,
        ):
            client.models.list()
        assert shows(caught, "The proxy has no page /_vespa/v1/models.", "never reach your endpoint")

    def test_404_of_the_backend(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match="The sandbox's model has no /v1/files") as caught:
            client.files.list()
        assert "X-Vespa-Error" not in caught.value.response.headers

    def test_503_is_not_asked_for_again(self, sandbox: Sandbox, start_proxy: StartProxy) -> None:
        proxy = start_proxy(wait=0.0)
        sandbox.autoscaler.cold(status="0 of 2 workers ready: 2 loading")
        with (
            openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", timeout=LONG) as client,
            pytest.raises(openai.InternalServerError) as caught,
        ):
            client.chat.completions.create(model="sandbox", messages=HELLO)
        assert shows(caught, "0 of 2 workers ready: 2 loading", "wait longer with --wait SECONDS")
        assert caught.value.status_code == 503
        assert len(sandbox.autoscaler.routes) == 1

    def test_async(self, proxy: VastClient) -> None:
        async def fail() -> None:
            async with async_client(proxy) as client:
                await client.chat.completions.create(model="sandbox", messages=HELLO, extra_headers=WRONG_COST)

        with pytest.raises(openai.BadRequestError) as caught:
            asyncio.run(fail())
        assert shows(caught, COST_ERROR, COST_HINT)


class TestAnthropic:
    @pytest.fixture
    def claude(self, proxy: VastClient) -> Iterator[anthropic.Anthropic]:
        with anthropic.Anthropic(base_url=proxy.url, api_key="not-used", max_retries=0, timeout=LONG) as client:
            yield client

    def test_plain(self, claude: anthropic.Anthropic) -> None:
        answer = claude.messages.create(model="sandbox", max_tokens=100, messages=HELLO_CLAUDE)
        assert answer.content[0].type == "text"
        assert answer.content[0].text == ANSWER
        assert answer.usage.output_tokens > 1

    def test_streamed(self, claude: anthropic.Anthropic) -> None:
        with claude.messages.stream(model="sandbox", max_tokens=100, messages=HELLO_CLAUDE) as stream:
            assert "".join(stream.text_stream) == ANSWER
            assert stream.get_final_message().stop_reason == "end_turn"

    def test_an_error_is_its_own_class_with_our_words(self, claude: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.BadRequestError) as caught:
            claude.messages.create(model="sandbox", max_tokens=100, messages=HELLO_CLAUDE, extra_headers=WRONG_COST)
        assert COST_ERROR in str(caught.value)
        assert COST_HINT in str(caught.value)

    def test_a_stream_that_breaks_raises(self, sandbox: Sandbox, claude: anthropic.Anthropic) -> None:
        def half(request: object) -> Iterator[bytes]:
            yield b'event: ping\ndata: {"type": "ping"}\n\nevent: content_bl'
            raise HangUp

        sandbox.worker.answer_with(200, half, EVENT_STREAM)
        with (
            pytest.raises(anthropic.APIError, match="was lost inside its answer"),
            claude.messages.stream(model="sandbox", max_tokens=100, messages=HELLO_CLAUDE) as stream,
        ):
            stream.until_done()


class TestLangChain:
    def test_plain_and_streamed(self, proxy: VastClient) -> None:
        with httpx.Client() as own:
            model = ChatOpenAI(
                model="sandbox", base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG, http_client=own
            )
            assert model.invoke("Hello!").content == ANSWER
            assert "".join(str(chunk.content) for chunk in model.stream("Hello!")) == ANSWER

    def test_async(self, proxy: VastClient) -> None:
        async def both() -> tuple[Any, str]:
            async with httpx.AsyncClient() as own:
                model = ChatOpenAI(
                    model="sandbox",
                    base_url=f"{proxy.url}/v1",
                    api_key="not-used",
                    max_retries=0,
                    timeout=LONG,
                    http_async_client=own,
                )
                plain = await model.ainvoke("Hello!")
                return plain.content, "".join([str(chunk.content) async for chunk in model.astream("Hello!")])

        assert asyncio.run(both()) == (ANSWER, ANSWER)

    def test_embeddings_as_token_numbers(self, sandbox: Sandbox, proxy: VastClient) -> None:
        with httpx.Client() as own:
            # Else it counts tokens with a table that it would download.
            model = OpenAIEmbeddings(
                model="sandbox",
                base_url=f"{proxy.url}/v1",
                api_key="not-used",
                check_embedding_ctx_length=False,
                http_client=own,
            )
            assert len(model.embed_query("a cat")) == 256


class TestHTTPX:
    def test_plain(self, proxy: VastClient) -> None:
        answer = httpx.post(f"{proxy.url}/v1/chat/completions", json=BODY, timeout=LONG)
        assert answer.json()["choices"][0]["message"]["content"] == ANSWER

    def test_streamed(self, proxy: VastClient) -> None:
        with httpx.stream("POST", f"{proxy.url}/v1/chat/completions", json={**BODY, "stream": True}) as answer:
            assert said("\n".join(answer.iter_lines())) == ANSWER

    def test_async(self, proxy: VastClient) -> None:
        async def both() -> tuple[int, str]:
            async with httpx.AsyncClient(base_url=proxy.url, timeout=LONG) as client:
                listed = await client.get("/v1/models")
                async with client.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as answer:
                    return listed.status_code, "\n".join([line async for line in answer.aiter_lines()])

        status, text = asyncio.run(both())
        assert (status, said(text)) == (200, ANSWER)

    def test_a_body_that_is_made_on_the_way(self, proxy: VastClient) -> None:
        answer = httpx.post(f"{proxy.url}/echo", content=iter([b'{"a":', b" 1.50}"]), timeout=LONG)
        assert answer.text.endswith('"payload": {"a": 1.50}}')


class TestRequests:
    def test_plain(self, proxy: VastClient) -> None:
        answer = requests.post(f"{proxy.url}/v1/chat/completions", json=BODY, timeout=LONG)
        assert answer.json()["choices"][0]["message"]["content"] == ANSWER

    def test_streamed(self, proxy: VastClient) -> None:
        address = f"{proxy.url}/v1/chat/completions"
        with requests.post(address, json={**BODY, "stream": True}, stream=True, timeout=LONG) as answer:
            assert said("\n".join(answer.iter_lines(decode_unicode=True))) == ANSWER

    def test_one_session_for_many(self, sandbox: Sandbox, proxy: VastClient) -> None:
        with requests.Session() as session:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                answer = session.request(method, f"{proxy.url}/echo/{method}?a=1&a=2", timeout=LONG)
                assert answer.json()["method"] == method
                assert answer.json()["query"] == "a=1&a=2"
            assert session.head(f"{proxy.url}/echo", timeout=LONG).status_code == 200


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
class TestCurl:
    @staticmethod
    def curl(*arguments: str) -> str:
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(LONG), *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def test_get(self, proxy: VastClient) -> None:
        assert json.loads(self.curl(f"{proxy.url}/v1/models"))["data"][0]["id"] == "sandbox"

    def test_post_under_the_type_of_a_form(self, proxy: VastClient) -> None:
        answer = self.curl(f"{proxy.url}/v1/chat/completions", "-d", json.dumps(BODY))
        assert json.loads(answer)["choices"][0]["message"]["content"] == ANSWER

    def test_localhost(self, proxy: VastClient) -> None:
        port = proxy.url.rpartition(":")[2]
        assert "sandbox" in self.curl(f"http://localhost:{port}/v1/models")

    def test_what_it_shows_of_an_error(self, proxy: VastClient) -> None:
        text = self.curl("--include", f"{proxy.url}/v1/completions", "-d", "{'prompt': 'Hello'}")
        head, _, body = text.replace("\r", "").partition("\n\n")
        assert head.startswith("HTTP/1.1 400 Bad Request\n")
        error = json.loads(body)["error"]
        assert "at byte 1 (line 1, column 2)" in error["message"]
        assert "single quotes" in error["hint"]

    def test_a_stream_is_shown_as_it_comes(self, sandbox: Sandbox, proxy: VastClient) -> None:
        sandbox.model.token_delay = 30.0
        asked = json.dumps({**BODY, "stream": True})
        command = ["curl", "--silent", "--no-buffer", f"{proxy.url}/v1/chat/completions", "-d", asked]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            assert curl.stdout
            assert '"role":"assistant"' in curl.stdout.readline()
            curl.terminate()
        sandbox.model.wait_for(lambda asked: asked[-1].outcome == "cancelled")


@pytest.mark.timeout(300)
def test_the_javascript_openai_sdk(node_modules: Path, proxy: VastClient, tmp_path: Path) -> None:
    script = node_modules / "openai_sdk.js"
    shutil.copy(JS / script.name, script)
    port = proxy.url.rpartition(":")[2]
    done = subprocess.run(
        ["node", str(script)],
        # localhost is ::1 first to Node.
        env={**ENVIRONMENT, "BASE_URL": f"http://localhost:{port}/v1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["plain"] == answer["streamed"] == ANSWER
    assert answer["usage"]["completion_tokens"] > 1
    assert answer["models"] == ["sandbox"]
    assert answer["dimensions"] == 256
    error = answer["error"]
    assert (error["name"], error["status"]) == ("BadRequestError", 400)
    assert COST_ERROR in error["message"]
    assert COST_HINT in error["message"]
