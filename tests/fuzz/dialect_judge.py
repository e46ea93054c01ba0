"""What a client got in its dialect, against what the worker's chat completion was. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .conversation import Seen
from .dialect_case import WORDS, DialectCase
from .finding import Finding
from .lanes import Play
from .seen import Answer, NotHTTP, read_answers

__all__ = ["judge_dialect"]

_STATUSES = frozenset({200, 400, 401, 404, 405, 413, 415, 422, 429, 500, 501, 502, 503, 504})
# No error of the proxy's own, or what it says where a worker's says nothing.
_OURS_OF_AN_ERROR = frozenset({"", "worker_failed"})
_ENDS = frozenset({"response.completed", "response.incomplete", "message_stop", "done"})
_FAILURES = frozenset({"response.failed", "error"})


class _Broken(Exception):
    """A promise that was not kept, and how."""


def judge_dialect(case: DialectCase, runs: Sequence[Play], seen: Seen) -> tuple[str, str, Finding | None]:
    """What became of the case, in a word and in more of them, and the first promise that was not kept."""
    answers: list[Answer] = []
    try:
        try:
            answers = read_answers(seen.data, seen.end, ["POST"])
        except NotHTTP as problem:
            raise _Broken("the client gets answers and nothing else", problem.args[0]) from None
        if seen.end == "late":
            raise _Broken("nothing hangs", f"there is no end after {seen.seconds:.1f} s")
        if len(answers) != 1:
            raise _Broken("a client gets one answer a request", f"there are {len(answers)}")
        return *_judge(case, answers[0]), None
    except _Broken as broken:
        promise, what = broken.args
        details: list[tuple[str, object]] = [("kinds", ", ".join(case.kinds)), ("sent", case.request)]
        for play in runs:
            details += [("the worker got", play.arrival.raw), ("it sent", play.script.data), ("then", play.script.end)]
        details.append(("got", f"{len(seen.data)} bytes, then {seen.end} after {seen.seconds:.3f} s"))
        details += [("answer", answer) for answer in answers] + [("body", answer.body) for answer in answers]
        return "finding", promise, Finding(f"t{case.number}", promise, what, details)


def _judge(case: DialectCase, answer: Answer) -> tuple[str, str]:
    if answer.status not in _STATUSES or (answer.status == 500 and answer.own_error not in _OURS_OF_AN_ERROR):
        raise _Broken("nothing fails inside the proxy", f"{answer.status} {answer.own_error}")
    if case.is_good and answer.status == 400 and answer.own_error not in _OURS_OF_AN_ERROR:
        raise _Broken("a request that is right is served", answer.own_error)
    kind = answer.one("content-type") or ""
    if answer.status != 200:
        if not answer.whole:
            raise _Broken("an error is whole", f"{answer.status}")
        _check_error(case, _json(answer.body))
        if case.is_good and case.expected == "whole" and not case.path.endswith("count_tokens"):
            raise _Broken("an answer that is right is passed on", f"{answer.status} {answer.own_error}")
        return "error", f"{answer.status} {answer.own_error}".strip()
    if kind.startswith("application/json"):
        if not answer.whole:
            raise _Broken("a plain answer is whole", kind)
        _check_plain(case, _json(answer.body))
        return "plain", "whole"
    is_whole = _check_stream(case, answer)
    return "stream", "whole" if is_whole else "broken"


def _check_error(case: DialectCase, value: Any) -> None:
    error = value.get("error") if isinstance(value, dict) else None
    if case.path.startswith("/api/"):
        is_right = isinstance(error, str) and bool(error)
    else:
        is_right = isinstance(error, dict) and isinstance(error.get("message"), str) and isinstance(error.get("type"), str)
        is_right = is_right and (value.get("type") == "error" or not case.path.startswith("/v1/messages"))
    if not is_right:
        raise _Broken("an error has the dialect's shape", str(value)[:500])


def _check_plain(case: DialectCase, value: Any) -> None:
    if not isinstance(value, dict):
        raise _Broken("a plain answer is an object", str(value)[:500])
    if case.path.endswith("count_tokens"):
        if not isinstance(value.get("input_tokens"), int):
            raise _Broken("tokens are counted", str(value)[:500])
        return
    if case.path.startswith("/api/") and value.get("done_reason") in ("load", "unload"):
        return
    wanted = {"/v1/responses": ("object", "response"), "/v1/messages": ("type", "message")}.get(case.path, ("done", True))
    if value.get(wanted[0]) != wanted[1]:
        raise _Broken("a plain answer has the dialect's shape", str(value)[:500])
    if case.expected == "broken":
        raise _Broken("half an answer never looks whole", str(value)[:500])
    if case.is_good and case.expected == "whole" and WORDS not in json.dumps(value):
        raise _Broken("what was said comes out", str(value)[:500])


def _check_stream(case: DialectCase, answer: Answer) -> bool:
    """Whether it is whole."""
    kinds = _kinds_of_lines(answer.body) if case.path.startswith("/api/") else _kinds_of_events(answer.body)
    ends, failures = [kind for kind in kinds if kind in _ENDS], [kind for kind in kinds if kind in _FAILURES]
    if answer.whole and (len(ends) != 1 or kinds[-1] not in _ENDS or failures):
        raise _Broken("a stream that is whole has come to its end", f"{kinds[-5:]}")
    if not answer.whole and (ends or not failures or kinds[-1] not in _FAILURES):
        raise _Broken("a stream that breaks off says so", f"{kinds[-5:]}")
    if answer.whole and case.expected == "broken":
        raise _Broken("half an answer never looks whole", f"{kinds[-5:]}")
    if not answer.whole and case.expected == "whole" and case.is_good:
        raise _Broken("an answer that is right is passed on", f"{kinds[-5:]}")
    return answer.whole


def _kinds_of_events(body: bytes) -> list[str]:
    if not body.endswith(b"\n\n"):
        raise _Broken("each event is whole", repr(body[-200:]))
    kinds, sequence = [], 0
    for block in body[:-2].decode("utf-8").split("\n\n"):
        name, _, data = block.partition("\ndata: ")
        value = _json(data.encode())
        if not isinstance(value, dict) or name != f"event: {value.get('type')}":
            raise _Broken("each event says its type", block[:300])
        if "sequence_number" in value:
            if value["sequence_number"] != sequence:
                raise _Broken("events are numbered through", block[:300])
            sequence += 1
        kinds.append(str(value["type"]))
    return kinds


def _kinds_of_lines(body: bytes) -> list[str]:
    if not body.endswith(b"\n"):
        raise _Broken("each line is whole", repr(body[-200:]))
    kinds = []
    for line in body.splitlines():
        value = _json(line)
        if not isinstance(value, dict):
            raise _Broken("each line is an object", repr(line[:300]))
        kinds.append("error" if "error" in value else "done" if value.get("done") is True else "piece")
    return kinds


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise _Broken("what is JSON can be read", repr(data[:300])) from None
