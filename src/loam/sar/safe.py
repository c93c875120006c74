"""Sentinel-1 products as ESA and its mirrors deliver them: a folder with a manifest or a zip of one, read in place and never unpacked.

The manifest names the product's files. Mirrors (AWS, the Planetary Computer) have given them shorter names and left the manifest as it
was: then a file is known by its folder and the words of its name.
"""

import re
import zipfile
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from loam.core.errors import LoamError
from loam.core.folders import regular_files

MANIFEST = "manifest.safe"
LARGEST_METADATA = 2**26  # of one XML file [byte]; the largest of ESA's have 5 MB
MOST_NAMES = 20_000  # of files in a zip; a product has 30

# What Python's zip reader raises for damage, encryption, and methods it does not know.
UNREADABLE = (
    OSError,
    KeyError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,
)


class Safe:
    """The files of one product, by their names relative to the SAFE folder."""

    def __init__(self, path: Path) -> None:
        """Look into a SAFE folder or a zip.

        Args:
            path: folder with a manifest.safe, or zip of such a folder.

        Raises:
            LoamError: the zip is damaged, names a path outside its folder, or there is no manifest.
        """
        self.path = path
        self._prefix = ""
        if path.is_dir():
            self.names = [
                str(PurePosixPath(file.relative_to(path))) for file in regular_files(path)
            ]
        else:
            self._prefix, self.names = _zip_names(path)
        if MANIFEST not in self.names:
            msg = f"{path}: has no {MANIFEST}; download the product again"
            raise LoamError(msg)

    def read(self, name: str) -> bytes:
        """Content of one file of metadata.

        Raises:
            LoamError: it cannot be read, or is larger than metadata can be.
        """
        try:
            if self.path.is_dir():
                with (self.path / name).open("rb") as file:
                    content = file.read(LARGEST_METADATA + 1)
            else:
                with (
                    zipfile.ZipFile(self.path) as archive,
                    archive.open(self._prefix + name) as member,
                ):
                    content = member.read(LARGEST_METADATA + 1)
        except UNREADABLE as error:
            msg = f"{self.path}: {name} cannot be read ({error}); download the product again"
            raise LoamError(msg) from None
        if len(content) > LARGEST_METADATA:
            msg = f"{self.path}: {name} has more than {LARGEST_METADATA >> 20} MB, which is no metadata of Sentinel-1; remove this product"
            raise LoamError(msg)
        return content

    def xml(self, name: str) -> ElementTree.Element:
        """One file as XML.

        Raises:
            LoamError: it is not XML, or defines entities, as no file of ESA's does.
        """
        content = self.read(name)
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            msg = f"{self.path}: {name} defines entities, which no product of ESA's does; remove it, and look where it came from"
            raise LoamError(msg)
        try:
            return ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            msg = f"{self.path}: {name} is not XML ({error}); download the product again"
            raise LoamError(msg) from None

    @cached_property
    def manifest(self) -> ElementTree.Element:
        """The manifest."""
        return self.xml(MANIFEST)

    @cached_property
    def references(self) -> tuple[str, ...]:
        """Names of the files that the manifest lists.

        Raises:
            LoamError: it lists one outside the product.
        """
        found = []
        for location in self.manifest.iterfind(".//{*}byteStream/{*}fileLocation"):
            name = PurePosixPath(location.get("href", "").replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in str(name):
                msg = f"{self.path}: {MANIFEST} lists '{name}', a path outside the product; remove it, and look where it came from"
                raise LoamError(msg)
            found.append(str(name))
        return tuple(found)

    def find(self, folder: str, start: str, polarisation: str, *suffixes: str) -> str:
        """Name of the one file of a polarisation in a folder of the product: the manifest's, else by the words of its name.

        Args:
            folder: such as annotation/calibration.
            start: of the file's name, such as noise-; may be empty.
            polarisation: vv or vh.
            suffixes: such as .xml, lower case.

        Raises:
            LoamError: it is not there, or several could be it.
        """

        def fits(name: str) -> bool:
            parent, _, file = name.lower().rpartition("/")
            words = re.split(r"[-_.]", file)
            return (
                parent == folder
                and file.startswith(start)
                and polarisation in words
                and file.endswith(suffixes)
            )

        listed = [name for name in self.references if fits(name)]
        for known in (
            sorted({*listed} & {*self.names}),
            [name for name in self.names if fits(name)],
        ):
            if len(known) > 1:
                msg = f"{self.path}: {' and '.join(known[:3])} could all be its {polarisation} file; keep the product's own alone"
                raise LoamError(msg)
            if known:
                return known[0]
        msg = f"{self.path}: {folder}/{start}*-{polarisation}-*{suffixes[0]} is missing; download the product again"
        raise LoamError(msg)

    def raster(self, polarisation: str) -> str:
        """Where GDAL finds the measurement of a polarisation."""
        name = self.find("measurement", "", polarisation, ".tiff", ".tif")
        return (
            str(self.path / name)
            if self.path.is_dir()
            else f"/vsizip/{self.path.absolute()}/{self._prefix}{name}"
        )


def _zip_names(path: Path) -> tuple[str, list[str]]:
    """Prefix of the SAFE folder in the zip, and the names below it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        msg = f"{path}: is no whole zip ({error}); download it again"
        raise LoamError(msg) from None
    if len(names) > MOST_NAMES:
        msg = f"{path}: holds {len(names)} files, a product has some 30; remove this zip, or unpack it"
        raise LoamError(msg)
    _refuse_escapes(path, names)
    if any("\\" in name for name in names) and not any("/" in name for name in names):
        msg = f"{path}: its names have backslashes, as some programs of Windows write them; zip the product again, or unpack it"
        raise LoamError(msg)
    manifests = [name for name in names if PurePosixPath(name).name == MANIFEST]
    if len(manifests) > 1:
        msg = f"{path}: holds {len(manifests)} products; unpack it, or zip each by itself"
        raise LoamError(msg)
    prefix = manifests[0].removesuffix(MANIFEST) if manifests else ""
    return prefix, sorted(
        name.removeprefix(prefix)
        for name in names
        if name.startswith(prefix) and not name.endswith("/")
    )


def _refuse_escapes(path: Path, names: Sequence[str]) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in "".join(parts.parts[:1]):
            msg = f"{path}: holds '{name}', a path outside its folder; refused: remove this zip, and look where it came from"
            raise LoamError(msg)
