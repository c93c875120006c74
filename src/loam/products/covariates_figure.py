"""Pictures of all covariates: a map each, with range, missing share and source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.features import COVARIATES, covariate_files
from loam.core.raster import open_dataset
from loam.products.drawing import colour_bar, map_figure, missing_grey, save, show_map

COLUMNS = 4
LARGEST_PX = 800  # of a panel: more would not be seen
FEWEST_CELLS = 4  # of a map
DEGREE_M = 111_320.0
COLOURS = {
    "elevation": "terrain",
    "northness": "RdBu",
    "eastness": "RdBu",
    "curvature": "RdBu",
    "precipitation": "Blues",
    "wetness_index": "Blues",
    "ndvi": "YlGn",
    "temperature": "inferno",
}


def draw_covariates(quality: Path, covariates: list[Path], out: Path) -> None:
    """Draw every covariate: what does not change as it is, what does as its mean over time, or over time where it has few cells.

    Args:
        quality: report of the covariates (JSON), of `report_covariates`.
        covariates: files of `open_covariates`.
        out: PNG to write.
    """
    told = json.loads(quality.read_text())
    files = covariate_files(covariates)
    terrain = open_dataset(files["static"])["static"].load()
    fields = {str(name): terrain.sel(channel=name) for name in terrain["channel"].values}
    for name in [name for name in COVARIATES[1:] if name in files]:
        found = open_dataset(files[name])
        fields |= {str(name): values.load() for name, values in found.items()}
    rows, columns = fields["elevation"].shape
    figure, panels = map_figure(len(fields), (rows, columns), COLUMNS)
    for (panel, below), (name, values) in zip(panels, fields.items(), strict=True):
        draw = (
            draw_series if "time" in values.dims and values[0].size < FEWEST_CELLS else draw_field
        )
        draw(panel, below, name, values, told[name])
        panel.set_title(title_of(name, told[name]))
    save(figure, out)


def draw_series(
    panel: Any, below: Any, name: str, values: xr.DataArray, told: dict[str, Any]
) -> None:
    """Draw the mean of a few cells over time: as a map they would say nothing.

    Args:
        panel: axes to draw on.
        below: axes for a colour bar; not used.
        name: of the covariate.
        values: `(time, y, x)`.
        told: its entry in the report of the covariates.
    """
    panel.plot(values["time"].values, values.mean(("y", "x")).values, linewidth=0.8)
    panel.set_ylabel(f"{name} [{told['units']}]")
    panel.tick_params(axis="x", rotation=30)


def draw_field(
    panel: Any, below: Any, name: str, values: xr.DataArray, told: dict[str, Any]
) -> None:
    """Draw one map, its colours over the middle 98 % of its values, about zero where the sign matters.

    Args:
        panel: axes to draw on.
        below: axes for the colour bar.
        name: of the covariate.
        values: `(y, x)`, or `(time, y, x)`, of which the mean is drawn.
        told: its entry in the report of the covariates.
    """
    step = max(1, max(values.shape[-2:]) // LARGEST_PX)
    shown = (values.mean("time") if "time" in values.dims else values).values[::step, ::step]
    known = shown[np.isfinite(shown)]
    low, high = (
        (float(each) for each in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    )
    if COLOURS.get(name) == "RdBu":
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    height, width = pixel_m(values)
    colours, high = missing_grey(COLOURS.get(name, "viridis")), max(high, low + 1e-3)
    image = show_map(
        panel, shown, (height * step, width * step), "", cmap=colours, vmin=low, vmax=high
    )
    panel.set_xlabel("")
    colour_bar(image, below, f"{name} [{told['units']}]")


def pixel_m(values: xr.DataArray) -> tuple[float, float]:
    """Pixel size in y and x [m], of degrees at the middle of the map."""
    north, east = (
        abs(float(values[axis][-1] - values[axis][0])) / max(values.sizes[axis] - 1, 1)
        for axis in ("y", "x")
    )
    if values.odc.crs is None or values.odc.crs.projected:
        return north, east
    middle = float(values["y"].mean())
    return north * DEGREE_M, east * DEGREE_M * float(np.cos(np.radians(middle)))


def title_of(name: str, told: dict[str, Any]) -> str:
    """Title of a panel: name, source, range and missing share."""
    source = f" ({told['source']})" if told.get("source") else ""
    extent = (
        "nothing known"
        if told["lowest"] is None
        else f"{told['lowest']:.3g} to {told['highest']:.3g}"
    )
    return f"{name}{source}\n{extent}, {100 * told['missing_share']:.1f} % missing"
