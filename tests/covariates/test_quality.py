"""The report and the pictures of covariates, from what the steps write."""

import json

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.core.errors import LoamError
from loam.core.raster import open_dataset, write_zarr
from loam.covariates.quality import report_covariates
from loam.covariates.static import as_channels
from loam.covariates.weather import LONG_NAMES
from loam.products.covariates_figure import draw_covariates, pixel_m, title_of


@pytest.fixture
def written(tmp_path, box, layer):
    """Static, weather and NDVI as they are written, after a change of the weather."""

    def write(**weather):
        slope = np.full(box.shape, 12.0)
        slope[:3] = np.nan
        layers = {
            "elevation": layer(
                np.linspace(10, 90, slope.size).reshape(box.shape), units="m", source="dem"
            ),
            "slope": layer(slope, units="degree", source="dem"),
        }
        filled = np.zeros(box.shape, bool)
        filled[:, 0] = True
        write_zarr(as_channels(layers, filled, box), tmp_path / "static.zarr")
        coarse = box.zoom_out(4)
        three = days("2020-01-01", 3)
        data = xr.Dataset(
            {
                name: layer(
                    np.full((3, *coarse.shape), weather.get(name, 5.0), np.float32),
                    three,
                    on=coarse,
                    units=units,
                    long_name=text,
                )
                for name, (units, text) in LONG_NAMES.items()
            }
        )
        data["precipitation"].attrs |= {"leave_one_out_rmse": 1.5, "stations": 7}
        write_zarr(
            data.odc.assign_crs(box.crs).assign_attrs(source="stations", days="as they are"),
            tmp_path / "weather.zarr",
        )
        look = layer(
            np.full((2, *coarse.shape), 0.6),
            days("2020-01-01", 2, 16),
            on=coarse,
            units="1",
            long_name="NDVI",
        )
        age = layer(
            np.zeros((2, *coarse.shape)),
            days("2020-01-01", 2, 16),
            on=coarse,
            units="day",
            long_name="age",
        )
        write_zarr(
            xr.Dataset({"ndvi": look, "age": age}).odc.assign_crs(box.crs), tmp_path / "ndvi.zarr"
        )
        return [tmp_path / f"{name}.zarr" for name in ("static", "weather", "ndvi")]

    return write


def test_the_report_tells_range_gaps_units_and_source(written, tmp_path) -> None:
    report_covariates(written(), tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    assert set(told) == {"elevation", "slope", *LONG_NAMES, "ndvi", "age"}
    assert told["elevation"]["lowest"] == 10
    assert told["elevation"]["highest"] == 90
    assert told["elevation"]["filled_share"] == pytest.approx(1 / 16)
    assert told["slope"]["missing_share"] == pytest.approx(0.25)
    rain = told["precipitation"]
    assert (rain["units"], rain["source"], rain["first_day"], rain["last_day"]) == (
        "mm",
        "stations",
        "2020-01-01",
        "2020-01-03",
    )
    assert (rain["leave_one_out_rmse"], rain["stations"], rain["cells"]) == (1.5, 7, [3, 4])


@pytest.mark.parametrize(
    ("name", "value"), [("precipitation", -3.4e38), ("humidity", 130.0), ("temperature", 290.0)]
)
def test_what_cannot_be_is_named(written, tmp_path, name: str, value: float) -> None:
    with pytest.raises(
        LoamError,
        match=rf"weather.zarr: {name} reaches from .* check units and nodata of its source",
    ):
        report_covariates(written(**{name: value}), tmp_path / "report.json")


def test_every_covariate_is_drawn(written, tmp_path) -> None:
    paths = written()
    report_covariates(paths, tmp_path / "report.json")
    draw_covariates(tmp_path / "report.json", paths, tmp_path / "covariates.png")
    from PIL import Image

    with Image.open(tmp_path / "covariates.png") as picture:
        width, height = picture.size
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    assert width > height > 800  # nine panels, four beside each other
    assert len(colours) > 200
    told = json.loads((tmp_path / "report.json").read_text())
    assert title_of("slope", told["slope"]) == "slope (dem)\n12 to 12, 25.0 % missing"


def test_a_lone_cell_of_weather_is_drawn_over_time_and_degrees_are_metres(
    written, tmp_path, layer, box
) -> None:
    static, weather, _ = written()
    lone = open_dataset(weather).isel(y=slice(0, 1), x=slice(0, 1)).load()
    write_zarr(lone.odc.assign_crs(box.crs), tmp_path / "lone/weather.zarr")
    few = [static, tmp_path / "lone/weather.zarr"]
    report_covariates(few, tmp_path / "report.json")
    draw_covariates(tmp_path / "report.json", few, tmp_path / "covariates.png")
    assert (tmp_path / "covariates.png").stat().st_size > 20_000
    assert pixel_m(layer(np.zeros(box.shape))) == (20, 20)
    degrees = layer(np.zeros((60, 80))[: box.shape[0], : box.shape[1]]).odc.reproject(
        "EPSG:4326", resampling="nearest", dst_nodata=np.nan
    )
    degrees = degrees.rename({"latitude": "y", "longitude": "x"})
    assert pixel_m(degrees)[0] == pytest.approx(20, rel=0.3)
