"""What a search found, as a file: a line of JSON per item, in one order, rewritten only where something changed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from loam.acquire.transfer import Remote
from loam.core.errors import LoamError
from loam.core.raster import atomic_write


@dataclass(frozen=True, order=True)
class Item:
    """A file that a catalogue offers."""

    id: str  # of the granule, product or asset
    address: str
    service: str
    start: str  # of what it shows, UTC
    updated: str  # when the catalogue last changed it, UTC
    bytes: int | None
    checksum: str | None  # 'md5:…' or 'sha256:…'

    def remote(self, licence: str, citation: str) -> Remote:
        """The file as `fetch` takes it.

        Args:
            licence: of the collection.
            citation: of the collection.
        """
        return Remote(self.address, self.service, self.bytes, self.checksum, licence, citation)


def write_manifest(items: Iterable[Item], path: Path) -> bool:
    """Write a manifest; whether it differs from the one that was there. One that does not is left with its time.

    Args:
        items: what the search found, in any order.
        path: file to write (`.jsonl`).
    """
    lines = [json.dumps(asdict(item), sort_keys=True) for item in sorted(set(items), key=_order)]
    text = "".join(line + "\n" for line in lines)
    if path.is_file() and path.read_text() == text:
        return False
    with atomic_write(path) as partial:
        partial.write_text(text)
    return True


def _order(item: Item) -> tuple[str, str, str]:
    return item.start, item.id, item.address


def read_manifest(path: Path) -> list[Item]:
    """Read a manifest.

    Raises:
        LoamError: the file is not one that a search writes.
    """
    try:
        return [Item(**json.loads(line)) for line in path.read_text().splitlines()]
    except (ValueError, TypeError) as error:
        msg = f"{path}: is no manifest ({type(error).__name__}); remove it and run again"
        raise LoamError(msg) from None
