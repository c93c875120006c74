"""The one exception a user may meet: a single line with the place, the value and the remedy."""


class LoamError(Exception):
    """Bad input or setting. The message is one line: file or key, value, remedy."""

    def __init__(self, message: str) -> None:
        """Keep the message, on one line whatever a file's name or a library's words bring into it."""
        super().__init__(
            message
            if message.isprintable()
            else "".join(sign if sign.isprintable() else " " for sign in message).strip()
        )


def brief(error: Exception) -> str:
    """First line of a library's message, short enough for one of ours."""
    return (
        str(error).partition("\n")[0].partition(": [")[0].partition(" in any of")[0][:100]
        or type(error).__name__
    )
