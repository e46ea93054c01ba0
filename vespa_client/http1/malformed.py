"""What is no HTTP/1.1 message."""

from __future__ import annotations

from .fields import ReceivedFields

__all__ = ["AnswerMalformed", "MessageError", "RequestMalformed"]


class MessageError(ValueError):
    """The bytes are no HTTP/1.1 message. ``str()`` is a clause that says why, to stand in a sentence.

    ``status`` is the answer that suits a client that sent them; ``decoded`` is what a body brought before the fault.
    """

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status
        self.decoded = b""

    @property
    def sentence(self) -> str:
        """The clause as a sentence of its own."""
        clause = str(self)
        return f"{clause[:1].upper()}{clause[1:]}."


class RequestMalformed(MessageError):
    """A client's request is none. ``fields`` are those of a head in which only the target is at fault."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem, status)
        self.fields = ReceivedFields([])


class AnswerMalformed(MessageError):
    """A far side's answer is none."""
