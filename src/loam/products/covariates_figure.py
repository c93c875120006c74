"""Pictures of all covariates: a map each, with range, missing share and source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.products.drawing import colour_bar, map_figure, missing_grey, save, show_map
from loam.raster import open_dataset

COLUMNS = 4
LARGEST_PX = 800  # of a panel: more would not be seen
COLOURS = {
    "elevation": "terrain", "northness": "RdBu", "eastness": "RdBu", "curvature": "RdBu", "precipitation": "Blues",
    "wetness_index": "Blues", "ndvi": "YlGn", "temperature": "inferno",
}  # fmt: skip


def draw_covariates(quality: Path, static: Path, weather: Path, ndvi: Path | None, out: Path) -> None:
    """Draw every covariate: what does not change as it is, what does as its mean over time."""
    told = json.loads(quality.read_text())
    terrain = open_dataset(static)["static"].load()
    maps = {str(name): terrain.sel(channel=name) for name in terrain["channel"].values}
    for path in (weather, ndvi):
        if path is not None:
            maps |= {str(name): values.mean("time") for name, values in open_dataset(path).items()}
    rows, columns = maps["elevation"].shape
    figure, panels = map_figure(len(maps), (rows, columns), COLUMNS)
    for (panel, below), (name, values) in zip(panels, maps.items(), strict=True):
        draw_one(panel, below, name, values, told[name])
    save(figure, out)


def draw_one(panel: Any, below: Any, name: str, values: xr.DataArray, told: dict[str, Any]) -> None:
    """Draw one map, its colours over the middle 98 % of its values."""
    step = max(1, max(values.shape) // LARGEST_PX)
    shown = values.values[::step, ::step]
    known = shown[np.isfinite(shown)]
    low, high = (float(each) for each in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    pixel = [abs(float(values[axis][1] - values[axis][0])) * step if values.sizes[axis] > 1 else 1.0 for axis in ("y", "x")]
    colours = missing_grey(COLOURS.get(name, "viridis"))
    image = show_map(panel, shown, (pixel[0], pixel[1]), title_of(name, told), cmap=colours, vmin=low, vmax=max(high, low + 1e-9))
    image.axes.set_xlabel("")
    colour_bar(image, below, f"{name} [{told['units']}]")


def title_of(name: str, told: dict[str, Any]) -> str:
    """Title of a panel: name, source, range and missing share."""
    source = f" ({told['source']})" if told.get("source") else ""
    extent = "nothing known" if told["lowest"] is None else f"{told['lowest']:.3g} to {told['highest']:.3g}"
    return f"{name}{source}\n{extent}, {100 * told['missing_share']:.1f} % missing"
