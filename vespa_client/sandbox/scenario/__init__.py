"""What the sandbox is like: warm, cold, slow, busy or broken. ``course`` describes each; ``fleet`` are the workers of it."""

__all__: list[str] = []
