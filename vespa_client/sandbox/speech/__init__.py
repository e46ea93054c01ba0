"""What the built-in model says: pure, without a socket or a clock. Begin with ``prompt``.

::

    a request's body ──► prompt ──► script, or improvise ──► parts of a reply
                         chat_prompt, messages_prompt       schema_sample, pattern_sample
"""

__all__: list[str] = []
