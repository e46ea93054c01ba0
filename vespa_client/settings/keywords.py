"""The keywords of :class:`VastClient`, for type checkers."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["SettingKeywords"]


class SettingKeywords(TypedDict, total=False):
    """The names and types of :class:`Settings`, but for ``api_key``, which may be positional.

    A test holds the two against each other.
    """

    endpoint: str | None
    account_key: str | None
    port: int
    host: str
    autoscaler_url: str | None
    console_url: str | None
    instance: str
    ca_file: str | None
    allow_host: tuple[str, ...]
    cors_origin: tuple[str, ...]
    proxy_key: str | None
    wait: float
    retries: int
    connect_timeout: float
    timeout: float
    drain: float
    idle_timeout: float
    heartbeat: float
    client_idle_timeout: float
    head_timeout: float
    body_timeout: float
    max_connections: int
    max_body: int
    forward_header: tuple[str, ...]
    cost: str
    multipart: str
    translate: str
    drop_hosted_tools: bool
    model: tuple[str, ...]
    models: str
    pass_health: bool
    pass_route: tuple[str, ...]
    allow_redirect: tuple[str, ...]
    require_tls: bool
    sandbox: bool
    sandbox_backend: str | None
    sandbox_worker: str | None
    sandbox_scenario: str | None
    sandbox_script: str | None
    capture: int
    debug: bool
    log_format: str
    quiet: bool
    log_file: str | None
