"""Every setting, once. Flags, environment names, the library's keywords, the help and the README's table come from here.

--help has to load this, so that it does without the modules that take long: dataclasses, typing, urllib.parse.
"""

from __future__ import annotations

import os

from . import values as to
from .setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Unpack

    from .keywords import SettingKeywords

__all__ = [
    "INSTANCES",
    "NO_PROXY_KEY",
    "Instance",
    "Settings",
    "replaced",
    "resolve",
    "settings_table",
]


class Instance:
    """One of Vast.ai's installations (protocol.md, "Console")."""

    def __init__(self, console_url: str, autoscaler_url: str) -> None:
        self.console_url = console_url
        self.autoscaler_url = autoscaler_url


INSTANCES = {
    "prod": Instance("https://console.vast.ai", "https://run.vast.ai"),
    "alpha": Instance("https://alpha.vast.ai", "https://run-alpha.vast.ai"),
    "candidate": Instance("https://candidate.vast.ai", "https://run-candidate.vast.ai"),
}


NO_PROXY_KEY = "off"
"""The ``proxy_key`` that says: ask nobody for one."""


_CONSOLE_URL = to.url_like(INSTANCES["prod"].console_url)
_AUTOSCALER_URL = to.url_like(INSTANCES["prod"].autoscaler_url)


def _setting(default: Any, help: str, parse: Callable[[str], Any] = to.text, **how: Any) -> Any:
    """A :class:`Setting`, whose name an instance has for the value."""
    return Setting(default, help, parse, **how)


class Settings:
    """What one proxy was told. Every field is a flag of the command line and a keyword of :class:`VastClient`.

    Not to be changed. Raises :class:`ConfigurationError` where a value can't work, TypeError for a name that is none.
    """

    endpoint: str | None = _setting(
        None, "Vast.ai endpoint name", metavar="ENDPOINT", env="VAST_ENDPOINT", group="Endpoint and keys"
    )
    api_key: str | None = _setting(
        None, "endpoint API key", to.vast_key, metavar="KEY", env="VAST_API_KEY", secret=True, group="Endpoint and keys"
    )
    account_key: str | None = _setting(
        None,
        "account API key: auto-fetches the endpoint key; ~/.vast_api_key is read too",
        to.vast_key,
        metavar="KEY",
        env="VAST_ACCOUNT_KEY",
        secret=True,
        group="Endpoint and keys",
    )
    # 8010 keeps clear of 8000 and 8080, where people's own development servers are.
    port: int = _setting(8010, "local proxy port; 0 takes any free one", to.port, metavar="PORT")
    # Loopback, both families: beyond it, everybody on the network could spend the account's money.
    host: str = _setting(
        "127.0.0.1", "local proxy host; the default answers on ::1 too, where the machine has it", metavar="HOST"
    )
    autoscaler_url: str | None = _setting(
        None,
        "autoscaler URL (default: that of the instance)",
        _AUTOSCALER_URL,
        metavar="URL",
        group="Vast.ai",
    )
    console_url: str | None = _setting(
        None,
        "console URL (default: that of the instance)",
        _CONSOLE_URL,
        metavar="URL",
        group="Vast.ai",
    )
    instance: str = _setting(
        "prod",
        "Vast.ai instance: sets console and autoscaler",
        metavar="INSTANCE",
        choices=tuple(INSTANCES),
        group="Vast.ai",
    )
    ca_file: str | None = _setting(
        None,
        "PEM file with further trusted roots, such as that of a company's TLS interception",
        metavar="PATH",
        group="Vast.ai",
    )
    allow_host: tuple[str, ...] = _setting(
        (),
        "a further name that clients may call the proxy by, such as host.docker.internal (repeatable)",
        to.host_name,
        metavar="NAME",
        repeatable=True,
    )
    cors_origin: tuple[str, ...] = _setting(
        (),
        "a web page's origin that may ask, such as https://*.example.com; those on this machine may anyway (repeatable)",
        to.origin,
        metavar="ORIGIN",
        repeatable=True,
    )
    # Made where the host is beyond loopback and none is given.
    proxy_key: str | None = _setting(
        None,
        "a key that clients have to give as their api_key; one is made for a --host beyond this machine, unless 'off'",
        to.key,
        metavar="KEY",
        env="VESPA_PROXY_KEY",
        secret=True,
    )
    # A cold start takes from tens of seconds to many minutes; the OpenAI SDK's own limit is 600 s as well.
    wait: float = _setting(600.0, "seconds to wait for a worker while none is ready", to.seconds, metavar="SECONDS")
    # Four workers in a row that can't be reached are no longer bad luck.
    retries: int = _setting(3, "how often a request that can't have run is given to another worker", to.count, metavar="N")
    connect_timeout: float = _setting(10.0, "seconds to connect to a worker", to.time_limit, metavar="SECONDS")
    # A long answer that isn't streamed is silent until it is complete.
    timeout: float = _setting(
        600.0, "seconds to wait for the first byte of a worker's answer", to.time_limit, metavar="SECONDS"
    )
    # What a stopping proxy lets finish.
    drain: float = _setting(
        10.0, "seconds that requests in progress get to finish when the proxy stops", to.seconds, metavar="SECONDS"
    )
    idle_timeout: float = _setting(300.0, "seconds of silence inside an answer", to.time_limit, metavar="SECONDS")
    # Many gateways give a silent connection up after 60 s, Node's fetch after 300. A heartbeat spends the status of an answer
    # that is still to come, so that there is none before it is due.
    heartbeat: float = _setting(
        55.0,
        "seconds between signs of life on an event stream whose answer is still to come; 0 for none",
        to.seconds,
        metavar="SECONDS",
    )
    # Longer than the pause between two requests of a person's app; shorter than that of what forgot to close.
    client_idle_timeout: float = _setting(
        75.0, "seconds a client's connection is kept without a request", to.time_limit, metavar="SECONDS"
    )
    head_timeout: float = _setting(20.0, "seconds a client has to send a request's head", to.time_limit, metavar="SECONDS")
    body_timeout: float = _setting(60.0, "seconds of silence inside a client's body", to.time_limit, metavar="SECONDS")
    # Each takes a thread of about 60 kB and two open files.
    max_connections: int = _setting(4096, "clients' connections at a time; more get a 503", to.count, metavar="N")
    max_body: int = _setting("1G", "largest request body in bytes; K, M and G are understood", to.size, metavar="SIZE")
    forward_header: tuple[str, ...] = _setting(
        (),
        "let a header through to the worker that is held back as a possible secret, by the words in its name (repeatable)",
        to.header_name,
        metavar="NAME",
        repeatable=True,
    )
    # What Vast.ai counts for a request that says nothing is the endpoint's to interpret; the description says 1.
    cost: str = _setting(
        "1.0",
        "workload of a request without X-Serverless-Cost; 'auto' estimates it from the body",
        to.cost,
        metavar="N|auto",
        group="SDKs and apps",
    )
    multipart: str = _setting(
        "known",
        "forms with files become the JSON that workers take: on the routes known to have files, or on all with 'json'",
        metavar="known|json",
        choices=("known", "json"),
        group="SDKs and apps",
    )
    translate: str = _setting(
        "auto",
        "answer OpenAI Responses, Anthropic Messages and Ollama chats through chat completions: where the worker lacks the "
        "route, always, or never",
        metavar="auto|always|never",
        choices=("auto", "always", "never"),
        group="SDKs and apps",
    )
    drop_hosted_tools: bool = _setting(
        False,
        "leave tools out that only OpenAI or Anthropic can run, instead of refusing the request",
        to.switch,
        group="SDKs and apps",
    )
    model: tuple[str, ...] = _setting(
        (),
        "a model for GET /v1/models, with its context's tokens behind a colon if you like (repeatable)",
        to.model,
        metavar="NAME[:TOKENS]",
        repeatable=True,
        group="SDKs and apps",
    )
    models: str = _setting(
        "auto",
        "who answers GET /v1/models: the proxy, without waking a worker, or the worker",
        metavar="auto|worker",
        choices=("auto", "worker"),
        group="SDKs and apps",
    )
    pass_health: bool = _setting(
        False,
        "send GET /health, /healthz and /ping to the worker, which may wake one",
        to.switch,
        group="SDKs and apps",
    )
    pass_route: tuple[str, ...] = _setting(
        (),
        "send this path, and those below it, to the worker where the proxy would answer itself (repeatable)",
        to.path,
        metavar="PATH",
        repeatable=True,
        group="SDKs and apps",
    )
    allow_redirect: tuple[str, ...] = _setting(
        (),
        "a host that a worker may redirect your clients to, past the proxy, with their key and prompt (repeatable)",
        to.host,
        metavar="HOST",
        repeatable=True,
    )
    require_tls: bool = _setting(
        False, "refuse workers without TLS, to whom prompts would cross the internet in the clear", to.switch, group="Vast.ai"
    )
    sandbox: bool = _setting(
        False, "run against a Vast.ai on loopback, with a built-in model; no account needed", to.switch, group="Sandbox"
    )
    sandbox_backend: str | None = _setting(
        None,
        "put your own model server (Ollama, llama.cpp, vLLM) behind its worker",
        to.url_like("http://localhost:11434"),
        metavar="URL",
        group="Sandbox",
    )
    sandbox_worker: str | None = _setting(
        None, "its worker (default: the official pyworker)", metavar="KIND", choices=("pyworker", "vespa"), group="Sandbox"
    )
    sandbox_scenario: str | None = _setting(
        None, "its state (default: warm)", metavar="NAME", choices=("warm", "cold", "slow", "busy", "broken"), group="Sandbox"
    )
    sandbox_script: str | None = _setting(
        None, "JSON file that says what its model answers, turn by turn", metavar="PATH", group="Sandbox"
    )
    # Each takes up to 2 MiB.
    capture: int = _setting(
        0,
        "keep the last N requests and answers with their bodies, to 1 MiB each, in memory alone, for /_vespa/",
        to.count,
        metavar="N",
        group="Log",
    )
    debug: bool = _setting(False, "log each decision", to.switch, group="Log")
    log_format: str = _setting(
        "text",
        "how the log of the command line looks; json: one object a line",
        metavar="FORMAT",
        choices=("text", "json"),
        group="Log",
    )
    quiet: bool = _setting(False, "show warnings and errors alone; a log file has all lines still", to.switch, group="Log")
    log_file: str | None = _setting(
        None, "write the log to this file too; it may be rotated while it is written", metavar="PATH", group="Log"
    )

    def __init__(self, **given: Unpack[SettingKeywords]) -> None:
        table = settings_table()
        unknown = sorted(set(given) - set(table))
        if unknown:
            from difflib import get_close_matches

            near = [found for name in unknown for found in get_close_matches(name, table, 1)]
            meant = f"; did you mean {', '.join(near)}?" if near else ""
            raise TypeError(f"there is no setting {', '.join(unknown)}{meant}")
        values = {name: setting.default for name, setting in table.items()} | given
        checked = {name: table[name].checked(value) for name, value in values.items()}
        checked["sandbox"] |= any(name.startswith("sandbox_") and value is not None for name, value in checked.items())
        vars(self).update(checked)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings don't change; make others with replaced(…, {name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("settings don't change")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if isinstance(other, Settings) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        shown = (f"{name}={vars(self)[name]!r}" for name, setting in settings_table().items() if not setting.secret)
        return f"Settings({', '.join(shown)})"

    @property
    def console(self) -> str:
        """The console's address, without a slash at the end."""
        return self.console_url or INSTANCES[self.instance].console_url

    @property
    def autoscaler(self) -> str:
        """The autoscaler's address, without a slash at the end."""
        return self.autoscaler_url or INSTANCES[self.instance].autoscaler_url


def resolve(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that were given, and those of the environment behind them. Raises :class:`ConfigurationError`.

    What is None or empty was not given. An endpoint key of the environment does not join an account key that was given
    outright: the person means the account.
    """
    values = {name: value for name, value in given.items() if value is not None and value != ()}
    account_given = "account_key" in values
    for name, setting in settings_table().items():
        overruled = name == "api_key" and account_given
        if setting.env and name not in values and not overruled and environ.get(setting.env, "").strip():
            values[name] = setting.read(setting.env, environ[setting.env].strip())
    return Settings(**values)


def replaced(settings: Settings, **values: Any) -> Settings:
    """The settings with some of them changed. Raises :class:`ConfigurationError`."""
    return Settings(**{**vars(settings), **values})


def settings_table() -> dict[str, Setting]:
    """Every setting by its name, in the order of the help page."""
    return {name: setting for name, setting in vars(Settings).items() if isinstance(setting, Setting)}
