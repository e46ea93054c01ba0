"""The console: the account's endpoints and their keys, and the root certificate (protocol.md, "Console", "TLS")."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from .component import Component, json_answer
from .messages import Answer, Request

__all__ = ["Console", "Endpoint", "bearer_key", "make_key", "same_key"]


def make_key() -> str:
    """A key as long as Vast.ai's: 64 hexadecimal digits."""
    return secrets.token_hex(32)


def bearer_key(request: Request) -> str:
    """The key in ``Authorization: Bearer KEY``; empty if there is none."""
    scheme, _, key = (request.header("authorization") or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def same_key(given: str, key: str) -> bool:
    """Whether the key that was given is this one."""
    return secrets.compare_digest(given.encode(), key.encode())


@dataclass
class Endpoint:
    """A serverless endpoint of the sandbox's account. ``state`` and ``api_key`` may be changed while it runs."""

    id: int
    name: str
    api_key: str = field(default_factory=make_key, repr=False)
    state: str = "active"


class Console(Component):
    """``GET /api/v0/endptjobs/`` for the account key, and ``GET /static/jvastai_root.cer``."""

    name = "console"
    scripted_path = "/api/v0/endptjobs/"

    def __init__(self, account_key: str, endpoints: Sequence[Endpoint]) -> None:
        super().__init__()
        self.account_key = account_key
        self.endpoints = list(endpoints)
        self.root_certificate: bytes | None = None
        """The root that signed the workers' certificates, PEM or DER. None, a 404, where workers speak plain HTTP."""

    def rotate_key(self, name: str) -> str:
        """Give the endpoint a new key, which is returned. The autoscaler refuses the old one from now on."""
        endpoint = next(endpoint for endpoint in self.endpoints if endpoint.name == name)
        endpoint.api_key = make_key()
        return endpoint.api_key

    def respond(self, request: Request) -> Answer:
        if request.path == "/static/jvastai_root.cer" and request.method in ("GET", "HEAD"):
            if self.root_certificate is None:
                return Answer(404)
            return Answer(200, self.root_certificate, [("Content-Type", "application/x-x509-ca-cert")])
        if request.path != "/api/v0/endptjobs/":
            return json_answer(404, {"success": False, "error": "not_found", "msg": "No such page."})
        if request.method != "GET":
            return json_answer(405, {"success": False, "error": "bad_method", "msg": "GET alone."})
        if not same_key(bearer_key(request), self.account_key):
            return json_answer(401, {"success": False, "error": "auth_error", "msg": "Invalid user key"})
        results = [
            {
                "id": endpoint.id,
                "endpoint_name": endpoint.name,
                "api_key": endpoint.api_key,
                "user_id": 1,
                "endpoint_state": endpoint.state,
            }
            for endpoint in self.endpoints
        ]
        return json_answer(200, {"success": True, "results": results})
