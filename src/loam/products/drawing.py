"""What all figures share: colours, axes in kilometres, and how a figure is saved."""

from pathlib import Path
from typing import Any

import numpy as np

from loam.core.raster import atomic_write

DPI = 120
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
# Colour-blind safe (Okabe and Ito 2008), dark enough for thin lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
BASELINE_COLOURS = {
    "climatology": "#D4D4D4",
    "persistence": "#B0B0B0",
    "antecedent": "#8C8C8C",
    "boosting": "#636363",
    "boosting_antecedent": "#333333",
}
PROBE_COLOURS = {
    "date_only": "#5B3A8C",
    "pixel_season": "#8E73B5",
    "shuffled_weather": "#B9A6D3",
    "shuffled_space": "#DCD2EA",
}
LABEL_COLOUR, TRUTH_COLOUR, RAIN_COLOUR = "#6B6B6B", "#000000", "#56B4E9"
# Dry brown to wet blue, as in resources/styles/ssm.qml.
SSM_STOPS = ("#8C510A", "#D8B365", "#F5EBC8", "#8CC5E3", "#2C7FB8", "#08306B")
SPLIT_TITLES = {
    "random": "random (lenient)",
    "temporal": "other dates",
    "spatial": "other places",
    "spatiotemporal": "other dates and places (headline)",
}


def new_figure(
    rows: int, columns: int, size: tuple[float, float], layout: str = "constrained", **options: Any
) -> tuple[Any, np.ndarray]:
    """Figure of `size` [inch] and its axes `(rows, columns)`, drawn without a display.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        size: width and height [inch].
        layout: engine of matplotlib that places the axes.
        options: further arguments of `pyplot.subplots`.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout=layout, **options)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG and forget it."""
    from matplotlib import pyplot as plt

    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=DPI, facecolor="white", format="png")
    plt.close(figure)


def ssm_colours() -> Any:
    """Colour map of soil moisture; no data is light grey."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ssm", SSM_STOPS).with_extremes(bad="#DDDDDD")


def missing_grey(name: str) -> Any:
    """A named colour map of matplotlib with light grey where there is no data."""
    import matplotlib as mpl

    return mpl.colormaps[name].with_extremes(bad="#DDDDDD")


def show_map(
    axes: Any, values: np.ndarray, resolution_m: tuple[float, float], title: str, **options: Any
) -> Any:
    """Draw `(y, x)` values with axes in kilometres from the south-west corner, and return the image.

    Args:
        axes: where to draw.
        values: row 0 in the north.
        resolution_m: pixel size in y and x [m].
        title: of the panel.
        options: of matplotlib's `imshow`.
    """
    height, width = (
        size * step / 1000 for size, step in zip(values.shape, resolution_m, strict=True)
    )
    image = axes.imshow(values, extent=(0, width, 0, height), interpolation="nearest", **options)
    axes.set_title(title)
    axes.set_xlabel("east [km]")
    axes.set_ylabel("north [km]")
    return image


def map_figure(
    count: int, shape: tuple[int, int], most_columns: int
) -> tuple[Any, list[tuple[Any, Any]]]:
    """Figure with room for some maps of the same shape.

    Args:
        count: number of maps.
        shape: their `(y, x)` pixels, for the panels' proportions.
        most_columns: maps beside each other.

    Returns:
        The figure, and for every map its axes and the axes below for its colour bar or legend.
    """
    columns = min(count, most_columns)
    rows = -(-count // columns)
    width, below = 4.2, 1.15
    height = float(np.clip(width * shape[0] / shape[1], 1.5, 9))
    size = (width * columns + 0.4, (height + below) * rows + 0.4)
    figure, axes = new_figure(2 * rows, columns, size, height_ratios=[height, below] * rows)
    pairs = [
        (axes[2 * row, column], axes[2 * row + 1, column])
        for row in range(rows)
        for column in range(columns)
    ]
    for panel, under in pairs:
        under.set_axis_off()
        panel.set_axis_off()
    for panel, _ in pairs[:count]:
        panel.set_axis_on()
    return figure, pairs[:count]


def colour_bar(image: Any, below: Any, label: str) -> None:
    """Colour bar in the axes below a map."""
    from matplotlib.ticker import MaxNLocator

    place = below.inset_axes((0.04, 0.72, 0.92, 0.2))
    below.figure.colorbar(
        image, cax=place, label=label, orientation="horizontal", ticks=MaxNLocator(6)
    )
