"""Step `unpack_labels`: labels once per run in the form that patches are read from."""

from pathlib import Path

import numpy as np
import xarray as xr

from loam.core.flags import usable_labels
from loam.core.labels import LAYERS, VALUES, Labels
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import SPLITS, Splits

# What training may see. No label of a test is in its folder.
SEEN_BY_TRAINING = ("train", "validate")
# Values that are unpacked at once: 64 MB of each variable.
BLOCK_VALUES = 16_000_000


def unpack_labels(ssm: Path, splits: Path, training: Path, everything: Path) -> None:
    """Unpack the usable labels into two folders: those that training may see, and all.

    Args:
        ssm: labels.
        splits: splits of the run.
        training: folder to write: labels of the splits in `SEEN_BY_TRAINING`, on their dates; NaN elsewhere.
        everything: folder to write: labels of all dates and splits, for prediction and probes.
    """
    content = Splits.read(splits)
    with atomic_write(training) as seen, atomic_write(everything) as whole:
        unpack(ssm, content, seen, SEEN_BY_TRAINING)
        unpack(ssm, content, whole)


def unpack(ssm: Path, splits: Splits, folder: Path, seen: tuple[str, ...] = ()) -> Labels:
    """Unpack `ssm.zarr` into a folder, a few dates at a time.

    Args:
        ssm: `ssm.zarr`. A value under a flag that makes it unusable becomes NaN.
        splits: of the run.
        folder: made, and filled with 8 byte a pixel and date.
        seen: acquisitions on dates of these splits alone, and NaN in blocks of others; all where none is named.
    """
    data = open_dataset(ssm)[[*LAYERS, "flags"]]
    data = data if data.indexes["time"].is_monotonic_increasing else data.sortby("time")
    if seen:
        wanted = splits.times(*seen)
        data = data.isel(time=np.isin(data["time"].values.astype("datetime64[s]"), wanted))
    times = data["time"].values
    folder.mkdir(parents=True, exist_ok=True)
    labels = Labels(
        data.odc.geobox, times, folder / VALUES, splits.of_units(times), splits.block_px
    )
    labels.allocate()
    _fill(data, labels, np.isin(np.arange(len(SPLITS)), [SPLITS.index(each) for each in seen]))
    labels.describe()
    return labels


def _fill(data: xr.Dataset, labels: Labels, seen: np.ndarray) -> None:
    """Fill the labels' file, a range of dates and rows at a time; `seen`: by split, none: all."""
    shape = tuple(data["ssm"].shape)
    if not shape[0]:
        return
    chunk_dates, chunk_rows = (data["ssm"].encoding.get("chunks") or shape)[:2]
    rows = max(chunk_rows, BLOCK_VALUES // (chunk_dates * shape[2]) // chunk_rows * chunk_rows)
    columns = np.arange(shape[2]) // labels.block_px
    for first in range(0, shape[0], chunk_dates):
        for row in range(0, shape[1], rows):
            where = (slice(first, first + chunk_dates), slice(row, row + rows))
            part = data.isel(time=where[0], y=where[1]).load()
            # Mapped for each part again: what is written counts as memory as long as it is mapped.
            out = labels.mapped("r+")
            flags = part["flags"].values
            hidden = np.zeros(flags.shape, dtype=bool)
            if seen.any():
                blocks = np.arange(row, row + flags.shape[1]) // labels.block_px
                hidden = ~seen[labels.units[where[0]]][:, blocks][:, :, columns]
            for layer, name in enumerate(LAYERS):
                values = usable_labels(part[name].values, flags)
                values[hidden] = np.nan
                out[where[0], layer, where[1]] = values
            del out
