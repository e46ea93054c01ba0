"""What spares a person the set-up the next time: the command that needs no questions, and a key that is kept."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any

from ..account.account_keys import account_keys, keep_key, key_files
from ..settings.setting import Setting
from ..settings.shells import KEY_FILE, command_line
from ..settings.table import NO_PROXY_KEY, resolve, settings_table
from .arguments import program
from .process import StopSignals
from .prompts import Answers
from .screen import say

__all__ = ["command_without_questions", "offer_to_keep_key", "spare_the_next_time"]

_STEP = 1.0


def spare_the_next_time(answers: Answers, signals: StopSignals) -> None:
    """Show the command that needs no questions, and offer to keep a key that was typed."""
    command = command_without_questions(answers)
    if command.isprintable():  # a name from elsewhere can have what nobody types
        say(f"  Next time, without questions:\n    {command}\n")
    if answers.typed_key is not None:
        offer_to_keep_key(answers.typed_key, signals)


def command_without_questions(answers: Answers) -> str:
    """The command that starts this proxy again. A key that isn't found without its flag has a word in its place."""
    words = program().split()
    # It was typed, and is about to be kept, or else to come from the environment.
    found = {"api_key"} if answers.typed_key is None else {"api_key", "account_key"}
    for name, setting in settings_table().items():
        value = getattr(answers.settings, name)
        if name in found or value == setting.checked(setting.default) or (setting.secret and _is_found(name)):
            continue
        for item in value if setting.repeatable else [value]:
            words += _flag(setting, f"YOUR_{name.upper()}" if setting.secret and item != NO_PROXY_KEY else item)
    return command_line(words)


def offer_to_keep_key(key: str, signals: StopSignals) -> None:
    """Ask whether the key is to be kept in the key file, while the proxy serves already. No answer is a no."""
    files = key_files()
    if not files:
        return
    replaces = ", in place of what is there" if files[0].exists() else ""
    question = f"  Keep the account API key in {KEY_FILE}{replaces},\n  readable by you alone? [y/N]: "
    wanted = "  Without questions, it is looked for in VAST_ACCOUNT_KEY.\n"
    if _ask_meanwhile(question, signals).lower() not in ("y", "yes"):
        say(f"\n  Not kept.\n{wanted}")
        return
    try:
        say(f"\n  Kept in {keep_key(key)}.\n")
    except OSError as problem:
        say(f"\n  It can't be kept: {problem.strerror or problem}.\n{wanted}")


def _flag(setting: Setting, value: Any) -> list[str]:
    if setting.is_switch:
        return [setting.flag]
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return [f"{setting.flag}={shown}"] if shown.startswith("-") else [setting.flag, shown]


def _is_found(name: str) -> bool:
    """Whether the environment or a key file has that key."""
    without_flags = resolve({})
    if name == "account_key":
        return next(account_keys(without_flags), None) is not None
    return getattr(without_flags, name) is not None


def _ask_meanwhile(prompt: str, signals: StopSignals) -> str:
    """The line that is typed, however late; empty at the end of the input. Raises KeyboardInterrupt when asked to stop."""
    say(prompt, end="")
    try:
        while not _may_read():
            signals.check()
        return sys.stdin.readline().strip()
    except (OSError, ValueError):
        return ""


def _may_read() -> bool:
    """Whether a line is there, and for us: a process in the background that reads from its terminal is stopped."""
    if sys.platform == "win32":
        return True
    # In steps: a signal that comes just before a wait without an end would not be heard.
    ready = select.select([sys.stdin], [], [], _STEP)[0]
    if ready and os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        time.sleep(_STEP)
        return False
    return bool(ready)
