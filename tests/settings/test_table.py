"""Each setting: what it takes, what it says to what it can't take, and where its value comes from."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest

from vespa_client.errors import ConfigurationError
from vespa_client.settings.keywords import SettingKeywords
from vespa_client.settings.table import INSTANCES, Settings, replaced, resolve, settings_table

NOTHING: Mapping[str, str] = {}
MARKED = "marked-key-0123456789"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("endpoint", "my-llm", "my-llm"),
        ("endpoint", "with spaces and ümlauts", "with spaces and ümlauts"),
        ("api_key", " abc123\n", "abc123"),
        ("account_key", "abc123", "abc123"),
        ("port", "8010", 8010),
        ("port", 0, 0),
        ("port", "65535", 65535),
        ("host", "0.0.0.0", "0.0.0.0"),
        ("autoscaler_url", "https://run.vast.ai/", "https://run.vast.ai"),
        ("console_url", "http://127.0.0.1:9100/base/", "http://127.0.0.1:9100/base"),
        ("console_url", "http://[::1]:9100", "http://[::1]:9100"),
        ("instance", "alpha", "alpha"),
        ("ca_file", "~/company.pem", "~/company.pem"),
        ("wait", "0", 0.0),
        ("wait", "1.5", 1.5),
        ("wait", 30, 30.0),
        ("retries", "0", 0),
        ("retries", 7, 7),
        ("timeout", "1e3", 1000.0),
        ("timeout", "1000000", 1e6),
        ("timeout", "0.001", 0.001),
        ("drain", "0", 0.0),
        ("heartbeat", "0", 0.0),
        ("allow_host", "host.docker.internal", ("host.docker.internal",)),
        (
            "allow_host",
            ["::1", "[::1]", "2001:DB8::7", "::ffff:192.0.2.7"],
            ("::1", "[::1]", "2001:DB8::7", "::ffff:192.0.2.7"),
        ),
        ("allow_host", ["[::]", "0.0.0.0", "fd00:0:0:0:0:0:0:1"], ("[::]", "0.0.0.0", "fd00:0:0:0:0:0:0:1")),
        ("max_body", "100", 100),
        ("max_body", 2**20, 2**20),
        ("max_body", "4k", 4096),
        ("max_body", "512M", 512 * 2**20),
        ("max_body", "1GiB", 2**30),
        ("max_body", "1GB", 2**30),
        ("forward_header", "X-Api-Key", ("X-Api-Key",)),
        ("allow_redirect", "files.example.com", ("files.example.com",)),
        ("allow_redirect", ["files.example.com:8443", "[::1]:80", "::1"], ("files.example.com:8443", "[::1]:80", "::1")),
        ("forward_header", ["Cookie", "X-Api-Key"], ("Cookie", "X-Api-Key")),
        ("sandbox", True, True),
        ("sandbox", False, False),
        ("debug", "1", True),
        ("debug", "off", False),
    ],
)
def test_a_value_is_read(name: str, text: Any, value: Any) -> None:
    found = getattr(Settings(**{name: text}), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("endpoint", "", "it is empty"),
        ("endpoint", " \t", "it is empty"),
        ("host", "", "it is empty"),
        ("port", "http", "from 0 to 65535"),
        ("port", "65536", "from 0 to 65535"),
        ("port", "-1", "from 0 to 65535"),
        ("port", "80.0", "from 0 to 65535"),
        ("port", "٨٠", "from 0 to 65535"),
        ("port", True, "from 0 to 65535"),
        ("port", None, "from 0 to 65535"),
        ("wait", "soon", "number of seconds"),
        ("wait", "-1", "number of seconds"),
        ("wait", "inf", "number of seconds"),
        ("wait", math.nan, "number of seconds"),
        ("wait", "1e7", "from 0 to 1000000"),
        ("timeout", "1e7", "from 0 to 1000000"),
        ("timeout", "1000000.5", "from 0 to 1000000"),
        *((name, "0", "no time at all") for name in ("timeout", "idle_timeout", "connect_timeout")),
        *((name, "0.0", "no time at all") for name in ("client_idle_timeout", "head_timeout", "body_timeout")),
        ("allow_host", "name:8010", "without a port"),
        ("allow_host", "127.0.0.1:8010", "without a port"),
        ("allow_host", "[::1]:8010", "without a port"),
        ("allow_host", "http://name", "without a port"),
        ("retries", "1.5", "whole number"),
        ("retries", "-1", "whole number"),
        ("max_body", "1T", "number of bytes"),
        ("max_body", "-5", "number of bytes"),
        ("max_body", "", "number of bytes"),
        ("console_url", "console.vast.ai", "address such as"),
        ("console_url", "ftp://console.vast.ai", "address such as"),
        ("console_url", "https://user:pw@console.vast.ai", "without a log-in"),
        ("console_url", "https://console.vast.ai/?a=1", "a query"),
        ("console_url", "https://console.vast.ai/#x", "address such as"),
        ("console_url", "https://console vast.ai", "spaces"),
        ("console_url", "https://console.vast.ai:0", "address such as"),
        ("console_url", "https://console.vast.ai:http", "address such as"),
        ("console_url", "https://", "address such as"),
        ("console_url", "https://[::1", "address such as"),
        ("autoscaler_url", "https://run.vast.ai\r\nX: y", "address such as"),
        ("sandbox_backend", "localhost:11434", "address such as"),
        ("instance", "production", "prod, alpha, candidate"),
        ("forward_header", "X Api", "name of a header"),
        ("allow_redirect", "https://files.example.com", "host's name"),
        ("allow_redirect", "files.example.com:x", "host's name"),
        ("allow_redirect", "files.example.com/x", "host's name"),
        ("allow_redirect", "", "host's name"),
        ("forward_header", "", "name of a header"),
        ("forward_header", ["Cookie", "X:Y"], "name of a header"),
    ],
)
def test_a_value_that_cannot_work_is_said_with_its_flag(name: str, text: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{name: text})
    assert caught.value.message.startswith("--" + name.replace("_", "-"))
    assert said in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["api_key", "account_key"])
@pytest.mark.parametrize("key", [f"two {MARKED}", f"{MARKED}\x00", f"{MARKED}ü", f"{MARKED}\nX-Header: y"])
def test_a_key_that_cannot_work_is_refused_and_not_shown(name: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{name: key})
    assert "one word" in caught.value.message
    assert caught.value.message.endswith("pasted along?).")
    assert MARKED not in repr(caught.value) + str(caught.value) + caught.value.hint


@pytest.mark.parametrize("name", ["autoscaler_url", "console_url", "sandbox_backend"])
@pytest.mark.parametrize("url", [f"https://me:{MARKED}@h", f"https://{MARKED}@h/", f"me:{MARKED}@h", f"https://me:{MARKED}@[h"])
def test_a_log_in_of_an_address_is_refused_and_not_shown(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match="without a log-in") as caught:
        Settings(**{name: url})
    assert MARKED not in repr(caught.value) + str(caught.value) + caught.value.hint


def test_the_message_shows_what_was_given() -> None:
    with pytest.raises(ConfigurationError, match=r"--port 'http': a port is a number from 0 to 65535"):
        Settings(port="http")  # type: ignore[arg-type]


def test_keys_are_not_in_a_repr() -> None:
    settings = Settings(endpoint="shown", api_key=MARKED + "1", account_key=MARKED + "2")
    assert MARKED not in repr(settings)
    assert MARKED not in str(settings)
    assert "shown" in repr(settings)


def test_the_instance_sets_console_and_autoscaler() -> None:
    found = {name: (Settings(instance=name).console, Settings(instance=name).autoscaler) for name in INSTANCES}
    assert found == {
        "prod": ("https://console.vast.ai", "https://run.vast.ai"),
        "alpha": ("https://alpha.vast.ai", "https://run-alpha.vast.ai"),
        "candidate": ("https://candidate.vast.ai", "https://run-candidate.vast.ai"),
    }
    assert Settings().instance == "prod"


@pytest.mark.parametrize("instance", list(INSTANCES))
def test_an_explicit_url_wins_over_the_instance(instance: str) -> None:
    settings = Settings(instance=instance, console_url="http://127.0.0.1:1")
    assert settings.console == "http://127.0.0.1:1"
    assert settings.autoscaler == INSTANCES[instance].autoscaler_url
    settings = Settings(instance=instance, autoscaler_url="http://127.0.0.1:2")
    assert settings.console == INSTANCES[instance].console_url
    assert settings.autoscaler == "http://127.0.0.1:2"


def test_a_backend_for_the_sandbox_means_the_sandbox() -> None:
    assert Settings(sandbox_backend="http://127.0.0.1:11434").sandbox


def test_what_is_given_wins_over_the_environment() -> None:
    environ = {"VAST_ENDPOINT": "of the environment", "VAST_API_KEY": "env1", "VAST_ACCOUNT_KEY": "env2"}
    given = resolve({"endpoint": "given", "api_key": "given1", "account_key": "given2"}, environ)
    assert (given.endpoint, given.api_key, given.account_key) == ("given", "given1", "given2")
    found = resolve({}, environ)
    assert (found.endpoint, found.api_key, found.account_key) == ("of the environment", "env1", "env2")


def test_an_endpoint_key_of_the_environment_does_not_join_an_account_key_that_was_given() -> None:
    environ = {"VAST_API_KEY": "env1", "VAST_ACCOUNT_KEY": "env2"}
    settings = resolve({"account_key": "given"}, environ)
    assert (settings.api_key, settings.account_key) == (None, "given")
    settings = resolve({"api_key": "given"}, environ)
    assert (settings.api_key, settings.account_key) == ("given", "env2")


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_a_blank_variable_is_as_good_as_none(blank: str) -> None:
    settings = resolve({}, {"VAST_API_KEY": blank, "VAST_ACCOUNT_KEY": blank, "VAST_ENDPOINT": blank})
    assert settings == Settings()


def test_a_variables_surroundings_are_stripped() -> None:
    settings = resolve({}, {"VAST_ENDPOINT": " my-llm\n", "VAST_API_KEY": "\tkey\r\n"})
    assert (settings.endpoint, settings.api_key) == ("my-llm", "key")


def test_none_and_no_items_are_as_good_as_not_given() -> None:
    assert resolve({"port": None, "forward_header": ()}, NOTHING) == Settings()


def test_the_environment_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_ENDPOINT", "set later")
    assert resolve({}).endpoint == "set later"


def test_a_broken_variable_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve({}, {"VAST_API_KEY": f"not one {MARKED}"})
    assert caught.value.message.startswith("VAST_API_KEY: ")
    assert MARKED not in str(caught.value)


def test_an_unknown_setting_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        resolve({"prot": 8010}, NOTHING)


def test_replaced_checks_as_well() -> None:
    assert replaced(Settings(), port="1234").port == 1234
    with pytest.raises(ConfigurationError):
        replaced(Settings(), port="http")


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]
    settings = Settings()
    with pytest.raises(AttributeError):
        del settings.port
    assert settings.port == 8010


def test_every_setting_has_a_help_text_and_a_default_that_it_takes() -> None:
    for name, setting in settings_table().items():
        default = setting.default
        assert setting.help, name
        assert setting.group, name
        assert setting.is_switch or setting.metavar, name
        if default is not None and default != ():
            assert getattr(Settings(), name) == setting.parse(str(default)), name
        assert not (setting.secret and default), name


def test_keys_and_only_keys_are_secret() -> None:
    secret = {name for name, setting in settings_table().items() if setting.secret}
    assert secret == {"api_key", "account_key", "proxy_key"}


def test_the_keywords_for_type_checkers_are_the_settings() -> None:
    keywords = get_type_hints(SettingKeywords)
    fields = get_type_hints(Settings)
    # api_key may be positional, so that it can't be among the keywords as well.
    assert list(keywords) == [name for name in fields if name != "api_key"]
    for name, annotation in keywords.items():
        assert fields[name] == annotation, name


@pytest.mark.parametrize("name", ["port", "retries", "max_body", "wait", "debug"])
def test_a_number_is_never_none(name: str) -> None:
    assert type(None) not in typing.get_args(get_type_hints(Settings)[name])
