"""Every setting, once. Flags, environment names, the library's keywords, the help and the README's table come from here.

--help has to load this, so that it does without the modules that take long: dataclasses, typing, urllib.parse.
"""

from __future__ import annotations

import math
import os
import re

from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from typing_extensions import Unpack

    from .setting_keywords import SettingKeywords

__all__ = [
    "INSTANCES",
    "NO_PROXY_KEY",
    "Instance",
    "Setting",
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


class Setting:
    """How one setting is given: its help text, the placeholder in it, and the check that turns text into its value."""

    def __init__(
        self,
        default: Any,
        help: str,
        parse: Callable[[str], Any],
        *,
        metavar: str | None = None,
        env: str | None = None,
        choices: tuple[str, ...] = (),
        secret: bool = False,
        repeatable: bool = False,
        group: str = "Proxy",
    ) -> None:
        self.default = default
        self.help = help
        self.parse = parse
        self.metavar = metavar
        self.env = env
        self.choices = choices
        self.secret = secret
        self.repeatable = repeatable
        self.group = group

    def __set_name__(self, owner: type[Settings], name: str) -> None:
        self.flag = "--" + name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag stands alone, without a value."""
        return self.parse is _switch

    def checked(self, value: Any) -> Any:
        """The value as it is used. Text is parsed, so that ``port="8010"`` and ``--port 8010`` are one thing.

        Raises :class:`ConfigurationError`.
        """
        if value is None and self.default is None:
            return None
        if self.repeatable:
            return tuple(self.read(self.flag, item) for item in ([value] if isinstance(value, str) else value))
        return self.read(self.flag, value)

    def read(self, source: str, value: Any) -> Any:
        """One value. ``source`` is the flag or the variable, for the message. Raises :class:`ConfigurationError`."""
        try:
            result = self.parse(value if isinstance(value, str) else str(value))
        except ValueError as problem:
            # A log-in in an address is a secret too.
            shown = "" if self.secret or "@" in str(value) else f" {value!r}"
            raise ConfigurationError(f"{source}{shown}: {problem}.") from None
        if self.choices and result not in self.choices:
            raise ConfigurationError(f"{source} {value!r}: choose one of {', '.join(self.choices)}.")
        return result


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    return value


def _key(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("it is empty")
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a key is one word of plain ASCII letters, digits and signs; was something else pasted along?")
    return value


def _port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) > 65535:
        raise ValueError("a port is a number from 0 to 65535 (0 takes any free one)")
    return int(value)


# 11 days. What systems take for a time limit ends at 24 (2^31 milliseconds).
_LONGEST = 1_000_000.0


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (0 <= seconds <= _LONGEST):
        raise ValueError(f"it takes a number of seconds, from 0 to {_LONGEST:.0f}")
    return seconds


def _limit(value: str) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError(f"0 would leave no time at all; where there should be no limit, take {_LONGEST:.0f}")
    return seconds


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError("it takes a whole number, 0 or more")
    return int(value)


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)(?:i?B)?", value, re.IGNORECASE)
    if not match:
        raise ValueError("it takes a number of bytes, such as 1073741824, 512M or 1G")
    return int(match[1]) * _UNITS[match[2].upper()]


def _url(value: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or "@" in parts.netloc or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("it takes an address such as https://run.vast.ai, without a log-in, a query or spaces")
    return value.rstrip("/")


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ValueError("it takes the name of a header, such as X-Api-Key")
    return value


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*", value):
        raise ValueError("it takes a host's name alone, without a port, such as host.docker.internal")
    return value


# Which a browser leaves out (RFC 6454, 6.2).
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def _origin(value: str) -> str:
    origin = value.rstrip("/")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9*._:\[\]-]*", origin):
        raise ValueError("it takes an origin, such as https://app.example.com or http://*.example.com:3000")
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition(":")[0].lower(), ""))


def _switch(value: str) -> bool:
    return value.lower() not in ("", "0", "no", "off", "false")


def _setting(default: Any, help: str, parse: Callable[[str], Any] = _text, **how: Any) -> Any:
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
        None, "endpoint API key", _key, metavar="KEY", env="VAST_API_KEY", secret=True, group="Endpoint and keys"
    )
    account_key: str | None = _setting(
        None,
        "account API key: auto-fetches the endpoint key; ~/.vast_api_key is read too",
        _key,
        metavar="KEY",
        env="VAST_ACCOUNT_KEY",
        secret=True,
        group="Endpoint and keys",
    )
    # 8010 keeps clear of 8000 and 8080, where people's own development servers are.
    port: int = _setting(8010, "local proxy port; 0 takes any free one", _port, metavar="PORT")
    # Loopback, both families: beyond it, everybody on the network could spend the account's money.
    host: str = _setting(
        "127.0.0.1", "local proxy host; the default answers on ::1 too, where the machine has it", metavar="HOST"
    )
    autoscaler_url: str | None = _setting(
        None, "autoscaler URL (default: that of the instance)", _url, metavar="URL", group="Vast.ai"
    )
    console_url: str | None = _setting(
        None, "console URL (default: that of the instance)", _url, metavar="URL", group="Vast.ai"
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
        _host_name,
        metavar="NAME",
        repeatable=True,
    )
    cors_origin: tuple[str, ...] = _setting(
        (),
        "a web page's origin that may ask, such as https://*.example.com; those on this machine may anyway (repeatable)",
        _origin,
        metavar="ORIGIN",
        repeatable=True,
    )
    # Made where the host is beyond loopback and none is given.
    proxy_key: str | None = _setting(
        None,
        "a key that clients have to give as their api_key; one is made for a --host beyond this machine, unless 'off'",
        _key,
        metavar="KEY",
        env="VESPA_PROXY_KEY",
        secret=True,
    )
    # A cold start takes from tens of seconds to many minutes; the OpenAI SDK's own limit is 600 s as well.
    wait: float = _setting(600.0, "seconds to wait for a worker while none is ready", _seconds, metavar="SECONDS")
    # Four workers in a row that can't be reached are no longer bad luck.
    retries: int = _setting(3, "how often a request that can't have run is given to another worker", _count, metavar="N")
    connect_timeout: float = _setting(10.0, "seconds to connect to a worker", _limit, metavar="SECONDS")
    # A long answer that isn't streamed is silent until it is complete.
    timeout: float = _setting(600.0, "seconds to wait for the first byte of a worker's answer", _limit, metavar="SECONDS")
    # What a stopping proxy lets finish.
    drain: float = _setting(
        10.0, "seconds that requests in progress get to finish when the proxy stops", _seconds, metavar="SECONDS"
    )
    idle_timeout: float = _setting(300.0, "seconds of silence inside an answer", _limit, metavar="SECONDS")
    # 0: none. A heartbeat spends the status of an answer that is still to come, so it has to be asked for.
    heartbeat: float = _setting(
        0.0,
        "seconds between comments on an event stream whose answer is still to come; 0 for none",
        _seconds,
        metavar="SECONDS",
    )
    # Longer than the pause between two requests of a person's app; shorter than that of what forgot to close.
    client_idle_timeout: float = _setting(
        75.0, "seconds a client's connection is kept without a request", _limit, metavar="SECONDS"
    )
    head_timeout: float = _setting(20.0, "seconds a client has to send a request's head", _limit, metavar="SECONDS")
    body_timeout: float = _setting(60.0, "seconds of silence inside a client's body", _limit, metavar="SECONDS")
    # Each takes a thread of about 60 kB and two open files.
    max_connections: int = _setting(4096, "clients' connections at a time; more get a 503", _count, metavar="N")
    max_body: int = _setting("1G", "largest request body in bytes; K, M and G are understood", _size, metavar="SIZE")
    forward_header: tuple[str, ...] = _setting(
        (),
        "let a header through to the worker that is held back as a possible secret (repeatable)",
        _header_name,
        metavar="NAME",
        repeatable=True,
    )
    require_tls: bool = _setting(
        False, "refuse workers without TLS, to whom prompts would cross the internet in the clear", _switch, group="Vast.ai"
    )
    sandbox: bool = _setting(
        False, "run against a Vast.ai on loopback, with a built-in model; no account needed", _switch, group="Sandbox"
    )
    sandbox_backend: str | None = _setting(
        None, "put your own model server (Ollama, llama.cpp, vLLM) behind its worker", _url, metavar="URL", group="Sandbox"
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
    debug: bool = _setting(False, "log each decision", _switch)

    def __init__(self, **values: Unpack[SettingKeywords]) -> None:
        table = settings_table()
        unknown = sorted(set(values) - set(table))
        if unknown:
            raise TypeError(f"there is no setting {', '.join(unknown)}")
        given = {name: setting.default for name, setting in table.items()} | values
        checked = {name: table[name].checked(value) for name, value in given.items()}
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
