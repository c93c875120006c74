"""The one exception a user may meet: a single line with the place, the value and the remedy."""


class LoamError(Exception):
    """Bad input or setting. The message is one line: file or key, value, remedy."""
