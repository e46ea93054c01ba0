"""The proxy in front of the official worker (protocol.md, "Workers"): what SDKs see of it, and what it sees of them."""

from __future__ import annotations

import asyncio
import json
import time

import openai
import pytest
import requests
from openai.types.chat import ChatCompletionMessageParam

from vespa_client import VastClient

from ..support.official_worker import OfficialWorker, official, official_proxy
from ..support.programs import line_of, running
from ..support.waiting import LONG

__all__ = ["official", "official_proxy"]

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]
ANSWER = "I am the sandbox's stand-in, not a real model. You said: Hello!"
UNAMBIGUOUS = b'{"messages": [{"role": "user", "content": "Hello!"}]}'


def sdk(proxy: VastClient) -> openai.OpenAI:
    """The OpenAI SDK, which would hide a failure behind its own retries."""
    return openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="not-used", max_retries=0, timeout=LONG)


def chat(proxy: VastClient) -> requests.Response:
    return requests.post(f"{proxy.url}/v1/chat/completions", data=UNAMBIGUOUS, timeout=LONG)


def error_of(answer: requests.Response) -> dict[str, str]:
    """Our error in an answer, whose headers must all be about it too."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Vespa-Error"]
    error: dict[str, str] = answer.json()["error"]
    return error


def test_the_openai_sdk_gets_an_answer(official_proxy: VastClient) -> None:
    with sdk(official_proxy) as client:
        answer = client.chat.completions.create(model="sandbox", messages=HELLO)
    assert answer.choices[0].message.content == ANSWER
    assert answer.usage is not None and answer.usage.total_tokens > 0


def test_the_openai_sdk_gets_a_stream_as_it_is_made(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.slow_down(0.05)
    with sdk(official_proxy) as client:
        stream = client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
        # Had the worker's answer been held back to its end, it would have ended by now.
        with pytest.raises(AssertionError, match="in vain"):
            official.wait_for("answered", seconds=0.05)
        official.slow_down(0.0)
        rest = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert f"{first.choices[0].delta.content}{rest}" == ANSWER


def test_the_async_openai_sdk_gets_streams_side_by_side(official_proxy: VastClient) -> None:
    async def text_of(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_texts() -> list[str]:
        base_url = f"{official_proxy.url}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="not-used", max_retries=0, timeout=LONG) as client:
            return await asyncio.gather(*(text_of(client) for _ in range(8)))

    assert asyncio.run(all_texts()) == [ANSWER] * 8


def test_the_backend_gets_the_payload_alone(official: OfficialWorker, official_proxy: VastClient) -> None:
    lab = {"text": "żółw 🐢", "number": 12345678901234567890, "deep": [[{}], None, True]}
    payload = {"messages": HELLO, "lab": lab}
    answer = requests.post(f"{official_proxy.url}/v1/chat/completions", json=payload, timeout=LONG)
    assert answer.status_code == 200
    assert official.payloads() == [payload]


def test_the_cost_reaches_the_autoscaler(official: OfficialWorker, official_proxy: VastClient) -> None:
    headers = {"X-Serverless-Cost": "500"}
    answer = requests.post(f"{official_proxy.url}/v1/completions", json={"prompt": "Hi"}, headers=headers, timeout=LONG)
    assert answer.status_code == 200
    assert official.costs() == [500]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
def test_a_route_that_the_worker_lacks_is_named(official_proxy: VastClient, method: str) -> None:
    answer = requests.request(method, f"{official_proxy.url}/v1/models", timeout=LONG)
    assert (answer.status_code, answer.headers["X-Vespa-Error"]) == (404, "worker_failed")
    assert f"no route {method} /v1/models" in error_of(answer)["message"]
    assert "give the model's name" in error_of(answer)["hint"]


def test_a_method_that_the_worker_lacks_is_named(official_proxy: VastClient) -> None:
    answer = requests.get(f"{official_proxy.url}/v1/completions", timeout=LONG)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "takes no GET at /v1/completions" in error_of(answer)["message"]


def test_a_page_that_the_worker_lacks_is_its_own_error(official_proxy: VastClient) -> None:
    answer = requests.get(f"{official_proxy.url}/page", timeout=LONG)
    assert (answer.status_code, answer.text) == (404, "404: Not Found")
    assert "X-Vespa-Error" not in answer.headers


def test_the_openai_sdk_shows_which_route_the_worker_lacks(official_proxy: VastClient) -> None:
    with sdk(official_proxy) as client, pytest.raises(openai.NotFoundError, match=r"no route GET /v1/models.*404"):
        client.models.list()


def test_a_failure_without_a_body_is_explained(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.answer_with(500)
    answer = chat(official_proxy)
    assert answer.status_code == 500
    error = error_of(answer)
    assert "500" in error["message"] and "model server" in error["hint"]


def test_the_openai_sdk_shows_what_we_say_of_a_failure_without_a_body(
    official: OfficialWorker, official_proxy: VastClient
) -> None:
    official.answer_with(500)
    with sdk(official_proxy) as client, pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="sandbox", messages=HELLO)
    assert "The worker answered 500 without saying why." in str(caught.value)
    assert "The model server behind the worker failed." in str(caught.value)


def test_a_failure_with_a_body_passes_untouched(official: OfficialWorker, official_proxy: VastClient) -> None:
    body = json.dumps({"error": {"message": "out of memory", "type": "server_error"}})
    official.answer_with(500, body)
    answer = chat(official_proxy)
    assert (answer.status_code, answer.text) == (500, body)
    assert "X-Vespa-Error" not in answer.headers


def test_a_failure_is_sent_to_the_backend_once(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.answer_with(500)
    chat(official_proxy)
    assert len(official.payloads()) == 1
    assert len(official.costs()) == 1


def test_the_model_s_own_refusal_reaches_the_openai_sdk(official_proxy: VastClient) -> None:
    with sdk(official_proxy) as client, pytest.raises(openai.BadRequestError, match="at least one message"):
        client.chat.completions.create(model="sandbox", messages=[])


@pytest.mark.parametrize("payload", ["[1]", '"text"', "17", "null"])
def test_a_payload_that_is_no_object_is_the_worker_s_422(official_proxy: VastClient, payload: str) -> None:
    answer = requests.post(f"{official_proxy.url}/v1/chat/completions", data=payload, timeout=LONG)
    assert answer.status_code == 422
    assert answer.json() == {"payload": {"data": "payload must be a dictionary"}}


def test_a_wrong_signature_is_an_error_that_we_explain(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.forge_next()
    answer = chat(official_proxy)
    assert answer.status_code == 401
    assert "signature" in error_of(answer)["hint"]


def test_hanging_up_inside_a_stream_reaches_the_worker(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.slow_down(30.0)
    with sdk(official_proxy) as client:
        stream = client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        assert next(iter(stream)).choices[0].delta.role == "assistant"
        stream.close()
        # Asked of the worker: it leaves its own connection to the backend to Python's garbage collection.
        official.wait_for_report("Cancelled")


def test_hanging_up_before_the_answer_ends_the_generation(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.slow_down(30.0)

    async def give_up() -> None:
        base_url = f"{official_proxy.url}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key="not-used", max_retries=0, timeout=LONG) as client:
            asking = asyncio.ensure_future(client.chat.completions.create(model="sandbox", messages=HELLO))
            await asyncio.to_thread(official.wait_for, "running")
            asking.cancel()
            await asyncio.wait([asking])

    asyncio.run(give_up())
    official.wait_for("cancelled")


def test_a_stream_that_the_backend_breaks_off_does_not_look_whole(official: OfficialWorker, official_proxy: VastClient) -> None:
    official.break_off('data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n')
    with sdk(official_proxy) as client:
        stream = client.chat.completions.create(model="sandbox", messages=HELLO, stream=True)
        assert next(iter(stream)).choices[0].delta.content == "Hel"
        with pytest.raises(openai.APIError, match=r"its answer broke off: .* another answer, '500 Internal Server Error'"):
            list(stream)


def test_sessions_are_requests_like_any_other(official_proxy: VastClient) -> None:
    created = requests.post(f"{official_proxy.url}/session/create", json={"lifetime": 30.0}, timeout=LONG)
    assert created.status_code == 201
    session = created.json()["session_id"]
    # Both want the session beside the envelope, where a client of the proxy can't put it; the answer is the worker's.
    for page in ("get", "end"):
        answer = requests.post(f"{official_proxy.url}/session/{page}", json={"session_id": session}, timeout=LONG)
        assert (answer.status_code, answer.json()) == (422, {"error": "missing session_id"})


def test_it_ends_with_the_tests_even_if_they_are_killed() -> None:
    source = "import tests.support.official_worker as w; print(w.OfficialWorker().worker_url, flush=True); input()"
    with running(source) as tests:
        url = line_of(tests)
        assert requests.post(f"{url}/v1/completions", json={}, timeout=LONG).status_code == 422
        tests.kill()
    deadline = time.monotonic() + LONG
    with pytest.raises(requests.ConnectionError):
        while time.monotonic() < deadline:
            requests.post(f"{url}/v1/completions", json={}, timeout=LONG)
