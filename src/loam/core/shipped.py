"""Files that come with Loam: the default settings, their schema and the styles of maps."""

from pathlib import Path

from loam.core.errors import LoamError

CHECKOUT = Path(__file__).parents[3]
INSTALLED = Path(__file__).parents[1] / "shipped"  # where a wheel puts them


def shipped(name: str) -> Path:
    """Path of a file that comes with Loam.

    Args:
        name: relative to the repository, `config/default.yaml`.

    Raises:
        LoamError: it is not there.
    """
    for folder in (INSTALLED, CHECKOUT):
        if (folder / name).is_file():
            return folder / name
    msg = f"{INSTALLED / name}: does not exist; install Loam again"
    raise LoamError(msg)
