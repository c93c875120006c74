"""Step `unpack_labels`: labels once per run in the form that patches are read from."""

from pathlib import Path

from loam.core.labels import unpack
from loam.core.raster import atomic_write
from loam.core.splits import Splits

# What training may see. No label of a test is in its folder.
SEEN_BY_TRAINING = ("train", "validate")


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
