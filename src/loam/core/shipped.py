"""Files that come with Loam: the default settings, their schema and the styles of maps."""

from pathlib import Path

from loam.core.errors import LoamError

CHECKOUT = Path(__file__).parents[3]
PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = PACKAGE / "shipped"  # where a wheel puts them


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


def package_alone(folder: Path) -> Path:
    """A folder that holds this package and no other, for the search path of other environments.

    Where Loam is installed, it lies among all packages of its environment, which must not mix with those of another.

    Args:
        folder: made, with a link to the package in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link, package = folder / PACKAGE.name, PACKAGE
    if not (link.is_symlink() and link.resolve() == package):
        link.unlink(missing_ok=True)
        link.symlink_to(package, target_is_directory=True)
    return folder.resolve()
