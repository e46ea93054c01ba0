"""One setting: how it is given, and checked."""

from __future__ import annotations

from ..errors import ConfigurationError
from .values import switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


__all__ = ["Setting"]


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

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.flag = "--" + name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the flag stands alone, without a value."""
        return self.parse is switch

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
