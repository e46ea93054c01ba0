"""Which routes are refused before anything is routed, and what is said of them."""

from __future__ import annotations

import pytest

from vespa_client.errors import RouteNotServed
from vespa_client.server.local.unsupported import check_route

REFUSED = (
    "/v1/files",
    "/v1/files/file-1/content",
    "/v1/uploads",
    "/v1/batches",
    "/v1/messages/batches",
    "/v1/messages/batches/b/results",
    "/v1/realtime",
    "/v1/realtime/sessions",
    "/v1/assistants",
    "/v1/threads/t/runs",
    "/v1/conversations",
    "/v1/responses/resp_1",
    "/v1/responses/resp_1/cancel",
    "/v1/responses/resp_1/input_items",
    "/v1/responses/compact",
    "/v1/chat/completions/chatcmpl-1",
    "/v1/chat/completions/chatcmpl-1/messages",
    "/v1/vector_stores",
    "/v1/containers",
    "/v1/fine_tuning/jobs",
    "/v1/evals",
    "/v1/videos",
    "/v1/videos/v/content",
)
SERVED = (
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/chat/completions",
    # The official worker's operators can opt in to these.
    "/v1/chat/completions/batch",
    "/v1/audio/speech/batch",
    "/v1/videos/sync",
    "/v1/filesystem",
    "/files",
    "/generate/sync",
    "/",
    "*",
)


@pytest.mark.parametrize("path", REFUSED)
def test_what_would_have_to_be_kept_is_refused(path: str) -> None:
    with pytest.raises(RouteNotServed) as caught:
        check_route(path)
    problem = caught.value
    assert problem.status == 501
    assert path in problem.message
    assert f"--pass-route {path}" in (problem.hint or "")
    assert problem.is_final, "SDKs try a 501 again unless told not to"


@pytest.mark.parametrize("path", SERVED)
def test_what_a_worker_may_have_is_left_to_it(path: str) -> None:
    check_route(path)
