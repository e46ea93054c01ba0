"""Hints that can be typed into the shell at hand."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from vespa_client.settings import shells

WORDS = ["plain", "with blank", "it's", 'a "quote"', "", "$HOME", "a;b", "a&b", "ö", "--flag=x", "http://h:1/p?q=1"]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "is_windows", lambda: True)


@pytest.fixture
def posix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "is_windows", lambda: False)


@pytest.mark.usefixtures("posix")
def test_a_posix_shell_reads_the_words_back() -> None:
    assert shlex.split(shells.command_line(WORDS)) == WORDS
    assert shells.command_line(["vespa-client", "--port", "8011"]) == "vespa-client --port 8011"


@pytest.mark.usefixtures("windows")
def test_windows_gets_double_quotes_alone() -> None:
    assert shells.command_line(["with blank", "C:\\Users\\me", "a&b", "plain"]) == '"with blank" C:\\Users\\me "a&b" plain'
    assert shells.command_line(["a,b", "@file", "%a%", "--flag=x"]) == '"a,b" "@file" "%a%" --flag=x'
    assert "'" not in shells.command_line([word for word in WORDS if word != "it's"])


@pytest.mark.usefixtures("posix")
def test_a_key_file_is_written_and_protected() -> None:
    path = PurePosixPath("/home/a b/.vast_api_key")
    shown = "'/home/a b/.vast_api_key'"
    assert shells.how_to_write_key(path) == f"echo your-account-key > {shown}; chmod 600 {shown}"
    assert shells.how_to_protect(path) == f"chmod 600 {shown}"


@pytest.mark.usefixtures("windows")
def test_a_key_file_is_written_on_windows() -> None:
    path = PureWindowsPath("C:\\Users\\a b\\.vast_api_key")
    assert shells.how_to_write_key(path) == 'echo your-account-key > "C:\\Users\\a b\\.vast_api_key"'
    assert shells.how_to_protect(path) == ""
