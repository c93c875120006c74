"""Fields seen by two tracks, and small areas in files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from helpers import days, splits_text
from odc.geo.geobox import GeoBox
from radar_scene import Seen, Site, see

from loam.core.raster import write_zarr


@pytest.fixture(scope="session")
def bare() -> Seen:
    """200 dates of bare fields in two tracks at 100 looks: what the bars of the references are set for."""
    rng = np.random.default_rng(20)
    return see(rng.uniform(0, 1, (200, 48, 48)).astype(np.float32), rng)


@pytest.fixture
def site(tmp_path: Path, load: Callable, layer: Callable) -> Callable[..., Site]:
    """Write a stack, weather and splits, and hand out what the steps need."""

    def make(
        bands: dict[str, np.ndarray],
        tracks: np.ndarray,
        box: GeoBox,
        times: np.ndarray,
        train: int,
        temperature: np.ndarray | None = None,
        platforms: np.ndarray | None = None,
        extra: dict[str, Path] | None = None,
        **settings: Any,
    ) -> Site:
        units = {"vv": "1", "vh": "1", "incidence": "degree", "mask": "1"}
        layers = {
            name: layer(values, times, on=box, units=units[name], long_name=name)
            for name, values in bands.items()
        }
        satellites = ["S1A"] * len(times) if platforms is None else platforms
        stack = xr.Dataset(layers).assign_coords(
            track=("time", tracks), platform=("time", satellites)
        )
        daily = days(str(times[0])[:10], int((times[-1] - times[0]) / np.timedelta64(1, "D")) + 1)
        coarse = box.zoom_out(max(box.shape) / 2)
        series = {
            "temperature": np.full(len(daily), 12.0) if temperature is None else temperature,
            "precipitation": np.zeros(len(daily)),
        }
        cells = {
            name: np.broadcast_to(values[:, None, None], (len(daily), *coarse.shape))
            for name, values in series.items()
        }
        weather = xr.Dataset(
            {
                name: layer(v.astype(np.float32), daily, on=coarse, units="1", long_name=name)
                for name, v in cells.items()
            }
        )
        write_zarr(weather.odc.assign_crs(box.crs), tmp_path / "weather.zarr")
        parts = {
            "train": [str(time)[:19] for time in times[:train]],
            "test": [str(time)[:19] for time in times[train:]],
        }
        (tmp_path / "splits.json").write_text(splits_text(**parts))
        made = Site(tmp_path, load(**settings), stack, extra or {})
        made.write(stack)
        return made

    return make
