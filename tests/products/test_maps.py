"""Daily maps: a sound COG, lasting flags, the ensemble's uncertainty."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import yaml
from odc.geo.geobox import GeoBox

from loam import __version__
from loam.config.moisture import Signal
from loam.core.ensemble import ensemble
from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.core.grid import empty_like_grid
from loam.core.raster import open_dataset, write_cog, write_zarr
from loam.products.drawing import SSM_STOPS
from loam.products.maps import map_of, write_maps

DEFAULT = Path(__file__).parents[2] / "config" / "default.yaml"


@pytest.fixture(scope="module")
def signal() -> Signal:
    return Signal(**yaml.safe_load(DEFAULT.read_text())["moisture"]["signal"])


@pytest.fixture(scope="module")
def maps(
    folder: Path, style: Path, signal: Signal, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    out = [tmp_path_factory.mktemp("maps") / f"{day}.tif" for day in ("2022-01-09", "2022-01-21")]
    members = [folder / f"learning/sequence/{member}.zarr" for member in (0, 1)]
    write_maps(
        members,
        folder / "calibration.json",
        folder / "ssm.zarr",
        folder / "weather.zarr",
        style,
        out,
        signal,
    )
    return out


def bands(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with rasterio.open(path) as data:
        ssm, uncertainty, flags = data.read()
    return ssm, uncertainty, flags.astype(int)


def test_the_file_is_a_cog_with_units_crs_nodata_and_tags(maps: list[Path], signal: Signal) -> None:
    with rasterio.open(maps[0]) as data:
        assert data.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert data.descriptions == ("ssm", "ssm_uncertainty", "flags")
        assert data.units == ("1", "1", "1")
        assert data.dtypes == ("float32",) * 3 and np.isnan(data.nodata)
        assert data.crs.to_epsg() == 32618 and data.res == (20, 20)
        assert data.bounds == (330000, 4290000, 331200, 4290800)
        assert all(data.overviews(band) == [2] for band in (1, 2, 3))
        tags = data.tags()
        assert tags["date"] == "2022-01-09" and tags["software"] == f"Loam {__version__}"
        assert tags["effective_resolution"].startswith(f"{signal.label_support_m:g} m")
        assert "64 frozen" in tags["flag_meanings"]
        assert str(int(Flag.FROZEN)) in data.tags(3)["flag_masks"]


def test_large_maps_have_overviews_down_to_one_block(tmp_path: Path) -> None:
    box = GeoBox.from_bbox((0, 0, 20 * 1100, 20 * 600), "EPSG:32618", resolution=20)
    fields = map_of(
        np.full((600, 1100), 0.5), np.full((600, 1100), 0.1), np.full((600, 1100), 1024)
    )
    import xarray as xr

    data = xr.Dataset(fields, coords=empty_like_grid(box)).odc.assign_crs(box.crs)
    write_cog(data, tmp_path / "large.tif", {"title": "large"})
    with rasterio.open(tmp_path / "large.tif") as written:
        assert written.overviews(1) == [2, 4, 8]
        assert written.block_shapes[0] == (256, 256)
        assert (written.read(3, out_shape=(75, 137)) == 1024).all()


def test_only_water_is_missing(maps: list[Path]) -> None:
    ssm, uncertainty, flags = bands(maps[0])
    water = np.zeros(ssm.shape, dtype=bool)
    water[0:4] = True
    np.testing.assert_array_equal(np.isnan(ssm), water)
    np.testing.assert_array_equal(np.isnan(uncertainty), water)
    np.testing.assert_array_equal((flags & Flag.WATER) != 0, water)
    assert np.nanmin(ssm) == 0 and np.nanmax(ssm) == 1


def test_the_map_is_the_ensemble_of_its_day(maps: list[Path], folder: Path) -> None:
    ssm, uncertainty, _ = bands(maps[1])
    frames = [
        open_dataset(folder / f"learning/sequence/{member}.zarr")
        .sel(time="2022-01-21")
        .squeeze()
        .load()
        for member in (0, 1)
    ]
    first, second = (frame["ssm"].values for frame in frames)
    variance = (
        frames[0]["ssm_uncertainty"].values ** 2 + frames[1]["ssm_uncertainty"].values ** 2
    ) / 2 + ((first - second) / 2) ** 2
    np.testing.assert_allclose(ssm[4:], np.clip((first + second) / 2, 0, 1)[4:], rtol=1e-5)
    np.testing.assert_allclose(uncertainty[4:], 1.25 * np.sqrt(variance)[4:], rtol=1e-5)


def test_an_ensemble_of_one_is_its_member() -> None:
    mean, sigma = ensemble(np.array([[0.3, 0.4]]), np.array([[0.1, 0.2]]))
    np.testing.assert_allclose((mean, sigma), ([0.3, 0.4], [0.1, 0.2]))


def test_flags_that_last_come_back_as_bits(maps: list[Path]) -> None:
    flags = bands(maps[0])[2]
    wanted = {
        0: Flag.WATER,
        4: Flag.FOREST | Flag.BUILT_UP,
        8: 0,
        12: Flag.LOW_SENSITIVITY,
        16: Flag.INCIDENCE,
        20: Flag.NO_OBSERVATION,
        24: Flag.TOO_FEW_DATES,
        28: 0,
    }
    for row, bits in wanted.items():
        assert (flags[row : row + 4] == int(bits)).all(), row


def test_frost_is_that_of_the_day_and_place(maps: list[Path]) -> None:
    assert (bands(maps[0])[2] & Flag.FROZEN == 0).all()
    frozen = (bands(maps[1])[2] & Flag.FROZEN) != 0
    # From 10 at 329500 to -30 degC at 332500 m: 0 degC is reached at 330250 m, the centre of the thirteenth pixel.
    assert not frozen[:, :12].any() and frozen[:, 13:].all()


def test_the_style_goes_beside_the_map_and_has_the_figures_colours(
    maps: list[Path], style: Path
) -> None:
    beside = maps[0].with_suffix(".qml")
    assert beside.read_bytes() == style.read_bytes()
    renderer = ElementTree.parse(beside).getroot().find("pipe/rasterrenderer")
    assert (
        renderer is not None
        and renderer.get("type") == "singlebandpseudocolor"
        and renderer.get("band") == "1"
    )
    items = renderer.findall(".//item")
    assert [item.get("color", "").upper() for item in items] == list(SSM_STOPS)
    assert [float(item.get("value", "")) for item in items] == [0, 0.2, 0.4, 0.6, 0.8, 1]


def test_a_day_that_was_not_predicted_is_one_clear_line(
    folder: Path, style: Path, signal: Signal, tmp_path: Path
) -> None:
    member = folder / "learning/sequence/0.zarr"
    with pytest.raises(LoamError, match=r"0\.zarr: has no prediction for 2022-01-10"):
        write_maps(
            [member],
            folder / "calibration.json",
            folder / "ssm.zarr",
            folder / "weather.zarr",
            style,
            [tmp_path / "2022-01-10.tif"],
            signal,
        )


def test_a_map_without_a_single_value_is_refused_and_the_earlier_one_stays(
    folder: Path, style: Path, signal: Signal, tmp_path: Path
) -> None:
    member = open_dataset(folder / "learning/sequence/0.zarr").load()
    member["ssm"][:] = np.nan
    write_zarr(member.odc.assign_crs(member.odc.crs), tmp_path / "0.zarr")
    earlier = tmp_path / "2022-01-09.tif"
    earlier.write_text("earlier")
    with pytest.raises(
        LoamError, match=r"0\.zarr: no pixel has a prediction on 2022-01-09; remove it"
    ):
        write_maps(
            [tmp_path / "0.zarr"],
            folder / "calibration.json",
            folder / "ssm.zarr",
            folder / "weather.zarr",
            style,
            [earlier],
            signal,
        )
    assert earlier.read_text() == "earlier"
