"""Which acquisitions and blocks train, validate, calibrate and test."""

import logging
from pathlib import Path

import numpy as np

from loam.config.moisture import Signal
from loam.config.samples import SplitSettings
from loam.config.sar import Speckle
from loam.core.errors import LoamError
from loam.core.grid import support_pixels
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import SPLITS, TESTS, Splits, speckle_reach_px

SCHEMES = {
    "random": "training dates and blocks, units drawn at random: the lenient test that is usual",
    "temporal": "later dates, blocks that trained",
    "spatial": "dates that trained, other blocks",
    "spatiotemporal": "later dates and other blocks: the honest headline",
}


def make_splits(
    stack: Path, out: Path, cfg: SplitSettings, signal: Signal, speckle: Speckle
) -> None:
    """Write `splits.json`: one training split, and four tests of it from lenient to honest.

    Args:
        stack: backscatter, of `stack_scenes` or `import_cube`.
        out: JSON file to write.
        cfg: section `samples.splits`.
        signal: section `moisture.signal`.
        speckle: section `sar.speckle`.
    """
    data = open_dataset(stack)
    reach = reach_of_labels(abs(data.odc.geobox.resolution.x), signal, speckle)
    splits = build_splits(data["time"].values, (data.sizes["y"], data.sizes["x"]), cfg, reach)
    with atomic_write(out) as partial:
        partial.write_text(
            splits.as_json(schemes=SCHEMES, units=count_units(splits, data["time"].values))
        )


def reach_of_labels(pixel_m: float, signal: Signal, speckle: Speckle) -> int:
    """How far apart two labels of one date can be and still share speckle [pixel], on a grid of `pixel_m` [m]."""
    window = 1 if speckle.images == "none" else speckle.window_px
    return speckle_reach_px(
        support_pixels(signal.label_support_m, pixel_m), window, signal.speckle_cell_m / pixel_m
    )


def build_splits(
    times: np.ndarray, shape: tuple[int, int], cfg: SplitSettings, reach_px: int
) -> Splits:
    """Dates by time with gaps, blocks and random units by a seeded draw.

    Args:
        times: acquisition times `(time)`, in order.
        shape: rows and columns of the grid.
        cfg: section `samples.splits`.
        reach_px: how far labels share speckle: the buffer, where the settings name none [pixel].

    Raises:
        LoamError: too few dates to fill training, validation and test.
    """
    rng = np.random.default_rng(cfg.seed)
    dates = split_dates(times, cfg)
    test_blocks, block_shape = _draw_blocks(shape, cfg, rng)
    return Splits(
        dates={split: tuple(texts) for split, texts in dates.items()},
        block_px=cfg.block_px,
        block_shape=block_shape,
        test_blocks=test_blocks,
        buffer_px=reach_px if cfg.buffer_px is None else cfg.buffer_px,
        random_units=_draw_units(dates["train"], test_blocks, block_shape, cfg.random_share, rng),
    )


def count_units(splits: Splits, times: np.ndarray) -> dict[str, int]:
    """Number of units, blocks of a date, in every split; a test without any is told in the log.

    Args:
        splits: of a run.
        times: its acquisitions `(time)`.
    """
    counts = np.bincount(splits.of_units(times).ravel(), minlength=len(SPLITS))
    units = {split: int(count) for split, count in zip(SPLITS, counts, strict=True)}
    for split in TESTS:
        if not units[split]:
            logging.getLogger(__name__).warning(
                "split %s is empty; its scores will be missing", split
            )
    return units


def split_dates(times: np.ndarray, cfg: SplitSettings) -> dict[str, list[str]]:
    """Splits of the acquisitions in order of time: train, gap, validate, calibrate, gap, test.

    Raises:
        LoamError: one of train, validate, test has no date left.
    """
    seconds = times.astype("datetime64[s]")
    ends = np.round(
        np.cumsum([cfg.train_share, cfg.validate_share, cfg.calibrate_share]) * len(seconds)
    ).astype(int)
    train, validate, calibrate, test = np.split(seconds, ends)
    gap = np.timedelta64(cfg.gap_days, "D")
    later = np.concatenate([validate, calibrate])
    if train.size and test.size:
        in_gap = (later <= train[-1] + gap) & (cfg.gap_days > 0) | (later >= test[0] - gap) & (
            cfg.gap_days > 0
        )
        validate, calibrate = (
            part[~np.isin(part, later[in_gap])] for part in (validate, calibrate)
        )
    parts = {"train": train, "validate": validate, "calibrate": calibrate, "test": test}
    for name in ("train", "validate", "test"):
        if not parts[name].size:
            msg = (
                f"samples.splits: no date is left for '{name}' of {len(seconds)} acquisitions "
                f"(gap_days = {cfg.gap_days}); lower gap_days, raise {name}_share, or lengthen the period"
            )
            raise LoamError(msg)
    kept = np.concatenate(list(parts.values()))
    named = parts | {"gap": seconds[~np.isin(seconds, kept)]}
    return {name: [str(time) for time in part] for name, part in named.items()}


def _draw_blocks(
    shape: tuple[int, int], cfg: SplitSettings, rng: np.random.Generator
) -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
    """Blocks that only test; at least one block trains."""
    rows, columns = (-(-size // cfg.block_px) for size in shape)
    count = min(max(1, round(cfg.test_block_share * rows * columns)), rows * columns - 1)
    chosen = np.sort(rng.permutation(rows * columns)[:count])
    blocks = tuple((int(index // columns), int(index % columns)) for index in chosen)
    return blocks, (rows, columns)


def _draw_units(
    dates: list[str],
    test_blocks: tuple[tuple[int, int], ...],
    block_shape: tuple[int, int],
    share: float,
    rng: np.random.Generator,
) -> tuple[tuple[str, int, int], ...]:
    """Pairs of a training date and a training block that only test."""
    tests = set(test_blocks)
    units = [
        (date, row, column)
        for date in dates
        for row, column in np.ndindex(block_shape)
        if (row, column) not in tests
    ]
    chosen = np.sort(rng.permutation(len(units))[: round(share * len(units))])
    return tuple(units[index] for index in chosen)
