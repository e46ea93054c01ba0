"""Where keys come from, and which one wins: flags, environment, files."""

from __future__ import annotations

import concurrent.futures
import logging
import os
from pathlib import Path

import pytest

from vespa_client import VastClient, list_endpoints
from vespa_client.account.account_keys import AccountKey, account_keys, key_files
from vespa_client.account.lookup import find_account, open_console
from vespa_client.errors import AuthenticationError, ConfigurationError, ConsoleBusy, KeyFileUnusable
from vespa_client.sandbox import Sandbox
from vespa_client.settings.table import Settings, resolve

MARKED = "marked-key-0123456789"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def write_key(path: Path, text: str = MARKED, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def found_keys(**given: str) -> list[tuple[str, bool]]:
    return [(item.key, item.certain) for item in account_keys(resolve(given))]


def test_a_flag_wins_over_everything(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_ACCOUNT_KEY", "of-the-environment")
    monkeypatch.setenv("VAST_API_KEY", "api-of-the-environment")
    write_key(own_home / ".vast_api_key", "of-the-file")
    assert found_keys(account_key="of-the-flag") == [("of-the-flag", True)]


def test_the_environment_wins_over_files(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_ACCOUNT_KEY", "of-the-environment")
    write_key(own_home / ".vast_api_key", "of-the-file")
    assert found_keys() == [("of-the-environment", True)]


def test_the_old_file_wins_over_the_new_one(own_home: Path) -> None:
    write_key(own_home / ".config" / "vastai" / "vast_api_key", "of-the-new-file")
    assert found_keys() == [("of-the-new-file", True)]
    write_key(own_home / ".vast_api_key", "of-the-old-file")
    assert found_keys() == [("of-the-old-file", True)]


def test_the_new_file_is_where_xdg_says(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_key(own_home / ".config" / "vastai" / "vast_api_key", "elsewhere")
    write_key(tmp_path / "vastai" / "vast_api_key", "where-xdg-says")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert found_keys() == [("where-xdg-says", True)]
    assert key_files() == [own_home / ".vast_api_key", tmp_path / "vastai" / "vast_api_key"]


def test_without_any_source_there_is_no_key() -> None:
    assert found_keys() == []


def test_an_api_key_is_tried_as_an_accounts_before_the_file(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAST_API_KEY", "perhaps")
    write_key(own_home / ".vast_api_key", "of-the-file")
    assert found_keys() == [("perhaps", False), ("of-the-file", True)]
    assert found_keys(api_key="given") == [("given", False), ("of-the-file", True)]


def find(sandbox: Sandbox, **given: str) -> AccountKey:
    settings = resolve({"console_url": sandbox.console_url, **given})
    with open_console(settings) as console:
        return find_account(settings, console)[0]


def test_an_account_key_in_the_place_of_the_endpoint_key_is_used_as_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAST_API_KEY", sandbox.account_key)
    account = find(sandbox)
    assert account.key == sandbox.account_key
    assert account.source == "--api-key or VAST_API_KEY"
    assert [item.name for item in list_endpoints(console_url=sandbox.console_url)] == ["sandbox-llm", "sandbox-echo"]


def test_an_endpoint_key_in_its_own_place_leaves_the_account_to_the_file(
    sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAST_API_KEY", sandbox.endpoints[0].api_key)
    path = write_key(own_home / ".vast_api_key", sandbox.account_key)
    assert find(sandbox).source == str(path)
    assert len(sandbox.console.requests) == 2


def test_a_key_that_was_given_as_the_accounts_is_the_only_one_tried(sandbox: Sandbox, own_home: Path) -> None:
    write_key(own_home / ".vast_api_key", sandbox.account_key)
    with pytest.raises(AuthenticationError):
        find(sandbox, account_key=MARKED)
    assert len(sandbox.console.requests) == 1


def test_a_busy_console_is_no_reason_to_try_another_key(
    sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAST_API_KEY", "perhaps")
    write_key(own_home / ".vast_api_key", sandbox.account_key)
    sandbox.console.answer_with(429, "too many")
    with pytest.raises(ConsoleBusy):
        find(sandbox)
    assert len(sandbox.console.requests) == 1


def test_without_a_key_the_ways_to_give_one_are_said(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find(sandbox)
    assert "No account API key" in caught.value.message
    for way in ("--account-key", "VAST_ACCOUNT_KEY", "~/.vast_api_key", "https://console.vast.ai/account"):
        assert way in caught.value.hint
    assert sandbox.console.requests == []


def test_an_endpoint_key_alone_opens_no_account(sandbox: Sandbox) -> None:
    with pytest.raises(AuthenticationError) as caught:
        find(sandbox, api_key=sandbox.endpoints[0].api_key)
    assert sandbox.endpoints[0].api_key not in str(caught.value) + caught.value.hint


def test_the_proxy_starts_with_the_file_alone(sandbox: Sandbox, own_home: Path) -> None:
    """seed.md, "Production Setup"."""
    write_key(own_home / ".vast_api_key", sandbox.account_key + "\n")
    with VastClient("sandbox-llm", port=0, console_url=sandbox.console_url, autoscaler_url=sandbox.autoscaler_url) as client:
        assert client.is_running


@pytest.mark.parametrize("text", [MARKED, MARKED + "\n", f"  {MARKED}\r\n", f"\n{MARKED}\n\n"])
def test_what_surrounds_the_key_in_a_file_does_not_count(own_home: Path, text: str) -> None:
    write_key(own_home / ".vast_api_key", text)
    assert found_keys() == [(MARKED, True)]


@pytest.mark.parametrize("text", ["", "\n", "  \n\t"])
def test_an_empty_file_is_passed_over_with_a_warning(own_home: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    path = write_key(own_home / ".vast_api_key", text)
    write_key(own_home / ".config" / "vastai" / "vast_api_key", "of-the-new-file")
    assert [item.key for item in account_keys(Settings(), warn=True)] == ["of-the-new-file"]
    assert [record.getMessage() for record in caplog.records] == [f"The key file {path} is empty."]


@pytest.mark.parametrize("text", [f"{MARKED} and more", f"{MARKED}\nsecond-line\n", f'{{"key": "{MARKED}"}}'])
def test_a_file_with_more_than_a_key_is_said(own_home: Path, text: str) -> None:
    path = write_key(own_home / ".vast_api_key", text)
    with pytest.raises(KeyFileUnusable) as caught:
        found_keys()
    assert f"The key file {path} holds more than one word." == caught.value.message
    assert "one line" in caught.value.hint
    assert MARKED not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("data", [b"\xff\xfe\x00k\x00", "schlüssel".encode(), b"\x7fELF\x00\x01", f"{MARKED}\x00more".encode()])
def test_a_file_that_is_no_text_is_said(own_home: Path, data: bytes) -> None:
    path = own_home / ".vast_api_key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusable, match="not plain text") as caught:
        found_keys()
    assert MARKED not in str(caught.value) + caught.value.hint


def test_a_directory_in_the_files_place_is_said(own_home: Path) -> None:
    path = own_home / ".vast_api_key"
    path.mkdir()
    with pytest.raises(KeyFileUnusable) as caught:
        found_keys()
    assert str(path) in caught.value.message
    assert "can't be read" in caught.value.message
    assert "in another way" in caught.value.hint


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_said(own_home: Path) -> None:
    path = write_key(own_home / ".vast_api_key", mode=0o000)
    with pytest.raises(KeyFileUnusable) as caught:
        found_keys()
    assert "Permission denied" in caught.value.message
    assert f"chmod 600 {path}" in caught.value.hint


def test_a_refusal_of_the_system_is_said(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_key(own_home / ".vast_api_key")

    def refuse(*args: object, **kwargs: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(KeyFileUnusable) as caught:
        found_keys()
    assert caught.value.message == f"The key file {path} can't be read: Permission denied."


def test_a_file_in_the_configurations_directorys_place_is_no_harm(own_home: Path) -> None:
    (own_home / ".config").write_text("a file")
    assert found_keys() == []


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_used_with_a_warning(
    own_home: Path, caplog: pytest.LogCaptureFixture, sandbox: Sandbox, mode: int
) -> None:
    path = write_key(own_home / ".vast_api_key", sandbox.account_key, mode)
    assert find(sandbox).key == sandbox.account_key
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"chmod 600 {path}" in record.getMessage()
    assert sandbox.account_key not in record.getMessage()


@posix
def test_a_file_of_ones_own_needs_no_warning(own_home: Path, caplog: pytest.LogCaptureFixture, sandbox: Sandbox) -> None:
    write_key(own_home / ".vast_api_key", sandbox.account_key)
    find(sandbox)
    assert caplog.records == []


def test_looking_for_keys_without_using_them_warns_of_nothing(own_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_key(own_home / ".vast_api_key", mode=0o666)
    write_key(own_home / ".config" / "vastai" / "vast_api_key", "")
    assert found_keys() == [(MARKED, True)]
    assert caplog.records == []


def test_a_key_is_not_in_a_repr(own_home: Path) -> None:
    write_key(own_home / ".vast_api_key")
    (found,) = account_keys(Settings())
    assert found.key == MARKED
    assert MARKED not in repr(found)
    assert ".vast_api_key" in repr(found)


MARKS = {
    "utf-8": b"\xef\xbb\xbf" + MARKED.encode(),
    "utf-16-le": b"\xff\xfe" + MARKED.encode("utf-16-le"),
    "utf-16-be": b"\xfe\xff" + MARKED.encode("utf-16-be"),
    "utf-32-le": b"\xff\xfe\x00\x00" + MARKED.encode("utf-32-le"),
    "utf-32-be": b"\x00\x00\xfe\xff" + MARKED.encode("utf-32-be"),
}


class TestFilesOfWindows:
    @pytest.mark.parametrize("encoding", MARKS)
    @pytest.mark.parametrize("end", ["", "\n", "\r\n", " \r\n\r\n"])
    def test_a_mark_and_the_lines_ends_do_not_count(self, own_home: Path, encoding: str, end: str) -> None:
        (own_home / ".vast_api_key").write_bytes(MARKS[encoding] + end.encode(encoding))
        assert found_keys() == [(MARKED, True)]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("end", ["", "\n", "\r\n", " \r\n\r\n"])
    def test_without_a_mark_its_first_character_tells(self, own_home: Path, encoding: str, end: str) -> None:
        (own_home / ".vast_api_key").write_bytes((MARKED + end).encode(encoding))
        assert found_keys() == [(MARKED, True)]

    @pytest.mark.parametrize("filler", ["\0", "\0\0\0", "\x1a", "\x1a\0\0", "\r\n\x1a", "\n\0\0"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
    def test_what_fills_it_up_does_not_count(self, own_home: Path, encoding: str, filler: str) -> None:
        (own_home / ".vast_api_key").write_bytes((MARKED + filler).encode(encoding))
        assert found_keys() == [(MARKED, True)]

    @pytest.mark.parametrize("quote", ['"', "'"])
    def test_the_quotes_of_cmd_do_not_count(self, own_home: Path, monkeypatch: pytest.MonkeyPatch, quote: str) -> None:
        write_key(own_home / ".vast_api_key", f"{quote}{MARKED}{quote} \r\n")
        assert found_keys() == [(MARKED, True)]
        monkeypatch.setenv("VAST_API_KEY", f"{quote}an-endpoints-key{quote}")
        monkeypatch.setenv("VAST_ACCOUNT_KEY", f"{quote}an-accounts-key{quote} ")
        assert found_keys() == [("an-accounts-key", True)]
        assert resolve({}).api_key == "an-endpoints-key"

    @pytest.mark.parametrize("data", [b"\xff\xfe", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\0\0", b"\x1a"])
    def test_a_mark_alone_is_an_empty_file(self, own_home: Path, data: bytes) -> None:
        (own_home / ".vast_api_key").write_bytes(data)
        assert found_keys() == []

    @pytest.mark.parametrize("data", [b"\xff\xfek", b"\xef\xbb\xbfk\xff", "schlüssel".encode("utf-16")])
    def test_what_is_no_text_under_its_mark_is_said(self, own_home: Path, data: bytes) -> None:
        (own_home / ".vast_api_key").write_bytes(data)
        with pytest.raises(KeyFileUnusable, match="not plain text"):
            found_keys()


@posix
class TestFilesThatAreReadOnce:
    def test_a_pipe_is_read_once_and_remembered(self, sandbox: Sandbox, own_home: Path) -> None:
        pipe = own_home / ".vast_api_key"
        os.mkfifo(pipe)
        with concurrent.futures.ThreadPoolExecutor(1) as writer:
            writing = writer.submit(pipe.write_text, sandbox.account_key + "\n")
            settings = resolve({"console_url": sandbox.console_url})
            for _ in range(3):
                assert next(account_keys(settings, warn=True)).key == sandbox.account_key
            writing.result()
        with VastClient(
            "sandbox-llm", port=0, console_url=sandbox.console_url, autoscaler_url=sandbox.autoscaler_url
        ) as client:
            assert client.is_running

    def test_a_file_is_read_anew(self, own_home: Path) -> None:
        write_key(own_home / ".vast_api_key", "first")
        assert found_keys() == [("first", True)]
        write_key(own_home / ".vast_api_key", "second")
        assert found_keys() == [("second", True)]


class TestHomes:
    def test_without_a_home_there_are_no_files(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def none(*args: object) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", none)
        assert key_files() == []
        assert found_keys() == []
        assert found_keys(account_key="given") == [("given", True)]
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        assert key_files() == [tmp_path / "vastai" / "vast_api_key"]
        write_key(key_files()[0], "of-the-file")
        assert found_keys() == [("of-the-file", True)]

    @pytest.mark.parametrize("place", ["absent", "file", "/dev/null", "absent/deeper"])
    def test_a_home_that_is_none_holds_no_key(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / place))
        monkeypatch.setenv("USERPROFILE", str(tmp_path / place))
        assert found_keys() == []

    @posix
    def test_a_home_that_may_not_be_looked_into_holds_no_key(
        self, own_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "vespa_client")

        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied")

        write_key(own_home / ".vast_api_key")
        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr("os.access", lambda path, mode: False)
        assert found_keys() == []
        assert "can't be looked for: Permission denied" in caplog.text


class TestHintsForWindows:
    @pytest.fixture(autouse=True)
    def on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vespa_client.settings.shells.is_windows", lambda: True)

    def test_a_file_with_too_much_is_written_anew_without_chmod(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = tmp_path / "Jane Doe's"
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("USERPROFILE", str(home))
        write_key(home / ".vast_api_key", "two words")
        with pytest.raises(KeyFileUnusable) as caught:
            found_keys()
        assert caught.value.hint.endswith(f'Write it anew: echo your-account-key > "{home / ".vast_api_key"}"')
        assert "chmod" not in caught.value.hint

    def test_a_directory_in_the_files_place_is_said_without_chmod(self, own_home: Path) -> None:
        (own_home / ".vast_api_key").mkdir()
        with pytest.raises(KeyFileUnusable) as caught:
            found_keys()
        assert caught.value.hint == "Make it yours and readable, or give the key in another way."
