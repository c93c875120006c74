"""NDVI of MODIS composites and Sentinel-2 scenes: scaling, clouds, offsets, days."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers .rio)

from loam.core.errors import LoamError
from loam.sources.ndvi import first_look, modis_day, ndvi_of, read_ndvi


def test_modis_is_scaled_masked_and_joined(tmp_path, box, layer, ndvi_source) -> None:
    coarse = box.pad(16).zoom_out(4)
    raw = np.full(coarse.shape, 6000, np.int16)
    raw[3, 3] = -3000  # fill
    quality = np.zeros(coarse.shape, np.int16)
    quality[4, 4] = 3  # cloud
    half = coarse.shape[1] // 2
    for part, columns in (("h12v10", slice(None, half)), ("h13v10", slice(half, None))):
        for name, values in (
            ("250m_16_days_NDVI", raw),
            ("250m_16_days_pixel_reliability", quality),
        ):
            layer(values[:, columns], on=coarse[:, columns]).rio.to_raster(
                tmp_path / f"MOD13Q1.A2020033.{part}.061.{name}.tif"
            )
    looks = read_ndvi([tmp_path], ndvi_source(), box)
    # Day 33 is 2 February; its looks reach 15 days further.
    assert str(looks["time"].values[0])[:10] == "2020-02-17"
    at = {
        (round(float(x)), round(float(y))): None
        for x, y in [(coarse.transform * (3.5, 3.5)), (coarse.transform * (4.5, 4.5))]
    }
    for x, y in at:
        assert np.isnan(looks["ndvi"].sel(x=x, y=y, method="nearest")).all()
    known = looks["ndvi"].values[np.isfinite(looks["ndvi"].values)]
    assert known.size > 10
    np.testing.assert_allclose(known, 0.6, rtol=1e-6)


def test_the_ratio_is_of_what_is_clear_and_has_both_bands() -> None:
    red, infrared = np.array([0.15, 0.05, 0.16]), np.array([0.4, 0.3, np.nan])
    clear = np.array([True, True, True])
    np.testing.assert_allclose(
        ndvi_of(red, infrared, clear), [2500 / 5500, 2500 / 3500, np.nan], rtol=1e-6
    )
    assert np.isnan(ndvi_of(red, infrared, ~clear)).all()


@pytest.fixture
def scenes(tmp_path, box, layer):
    """Bands of two days; on the first, half is under a cloud."""

    def write(day: str, red: float, infrared: float, folder: str = "", skip: str = ""):
        fine, coarse = box.zoom_out(0.5), box
        classes = np.full(coarse.shape, 4, np.uint8)
        classes[:, :8] = 9 if day == "20200105" else 4
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for band, values, on, size in (
            ("B04", np.full(fine.shape, red, np.uint16), fine, "10m"),
            ("B08", np.full(fine.shape, infrared, np.uint16), fine, "10m"),
            ("SCL", classes, coarse, "20m"),
        ):
            if band != skip:
                layer(values, on=on).rio.to_raster(place / f"T18SUJ_{day}T155901_{band}_{size}.tif")

    return write


def test_sentinel2_is_averaged_where_it_is_clear(tmp_path, box, scenes, ndvi_source) -> None:
    scenes("20200105", 500, 3000)
    scenes("20200110", 1000, 3000)
    looks = read_ndvi([tmp_path], ndvi_source(kind="sentinel2", resolution_m=40), box)
    assert [str(day)[:10] for day in looks["time"].values] == ["2020-01-05", "2020-01-10"]
    assert looks["ndvi"].shape == (2, 6, 8)
    assert np.isnan(looks["ndvi"].values[0, :, :4]).all()
    np.testing.assert_allclose(looks["ndvi"].values[0, :, 4:], 2500 / 3500, rtol=1e-5)
    np.testing.assert_allclose(looks["ndvi"].values[1], 0.5, rtol=1e-5)


def test_newer_processing_has_an_offset(tmp_path, box, scenes, ndvi_source) -> None:
    scenes("20230110", 1500, 4000)
    late = read_ndvi([tmp_path], ndvi_source(kind="sentinel2", resolution_m=40), box)
    np.testing.assert_allclose(late["ndvi"].values, 2500 / 3500, rtol=1e-5)
    old = tmp_path / "old"
    scenes("20230110", 1500, 4000, folder="old")
    named = old / "S2A_MSIL2A_20230110T155901_N0214_R097_T18SUJ_20230110T200000.SAFE"
    named.mkdir()
    for path in old.glob("*.tif"):
        path.rename(named / path.name)
    before = read_ndvi([old], ndvi_source(kind="sentinel2", resolution_m=40), box)
    np.testing.assert_allclose(before["ndvi"].values, 2500 / 5500, rtol=1e-5)


def test_what_is_missing_is_named(tmp_path, box, scenes, ndvi_source, layer) -> None:
    scenes("20200110", 1000, 3000, skip="SCL")
    with pytest.raises(LoamError, match="band SCL of 2020-01-10 is missing"):
        first_look([tmp_path], ndvi_source(kind="sentinel2"), box)
    layer(np.zeros(box.shape, np.float32)).rio.to_raster(tmp_path / "x.tif")
    with pytest.raises(LoamError, match="holds no band B04, B08 or SCL"):
        first_look([tmp_path / "x.tif"], ndvi_source(kind="sentinel2"), box)
    with pytest.raises(LoamError, match="its name tells no day"):
        first_look([tmp_path / "x.tif"], ndvi_source(), box)


@pytest.mark.parametrize(
    ("digits", "kind", "expected"),
    [
        (6000, "int16", 0.6),
        (0.6, "float32", 0.6),
        (-3000, "int16", None),
        (-0.3, "float32", None),
        (60_000_000, "int32", LoamError),
    ],
)
def test_modis_is_read_scaled_or_not(
    tmp_path, box, layer, ndvi_source, digits: float, kind: str, expected: Any
) -> None:
    layer(np.full(box.shape, digits, kind)).rio.to_raster(
        tmp_path / "MOD13Q1.A2020033.h12v10.061.250m_16_days_NDVI.tif"
    )
    if expected is LoamError:
        with pytest.raises(LoamError, match="are no NDVI of MODIS"):
            read_ndvi([tmp_path], ndvi_source(), box)
    elif expected is None:
        assert np.isnan(read_ndvi([tmp_path], ndvi_source(), box)["ndvi"]).all()
    else:
        got = read_ndvi([tmp_path], ndvi_source(), box)["ndvi"].values
        np.testing.assert_allclose(got[np.isfinite(got)], expected, rtol=1e-6)
        assert np.isfinite(got).sum() == np.prod(box.shape)


@pytest.mark.parametrize(
    "name",
    [
        "doy2020033",
        "doy2020033000000_aid0001",
        ".A2020033.h12",
        "_2020_02_02",
        "_2020-02-02",
        "_20200202",
    ],
)
def test_names_of_composites_tell_their_day(name: str) -> None:
    assert str(modis_day(Path(f"MOD13Q1.061__250m_16_days_NDVI_{name}.tif")))[:10] == "2020-02-02"


def test_every_scene_of_a_day_has_its_own_baseline(tmp_path, box, layer, ndvi_source) -> None:
    """An old tile beside one that was processed again, and one that declares scale and offset itself."""
    thirds = [np.s_[:, :6], np.s_[:, 6:11], np.s_[:, 11:]]
    for tile, baseline, columns, (add, scale) in zip(
        ("T32UNA", "T32UPA", "T32UQA"),
        ("N0214", "N0500", "N0500"),
        thirds,
        ((0, None), (1000, None), (1000, 1e-4)),
        strict=True,
    ):
        folder = (
            tmp_path / f"S2A_MSIL2A_20200601T102031_{baseline}_R065_{tile}_20200601T132811.SAFE"
        )
        folder.mkdir()
        for band, value in (("B04", 1000 + add), ("B08", 4000 + add), ("SCL", 4)):
            path = folder / f"{tile}_20200601T102031_{band}_20m.tif"
            layer(np.full(box.shape, value, np.uint16)[columns], on=box[columns]).rio.to_raster(
                path
            )
            if scale and band != "SCL":
                with rasterio.open(path, "r+") as file:
                    file.scales, file.offsets = (scale,), (-0.1,)
    got = read_ndvi([tmp_path], ndvi_source(kind="sentinel2", resolution_m=20), box)["ndvi"]
    np.testing.assert_allclose(got.values[np.isfinite(got.values)], 0.6, rtol=1e-5)
    assert np.isfinite(got.sel(x=slice(*box.boundingbox[::2])).values).all()


@pytest.mark.parametrize("name", ["MOD13Q1_NDVI.tif", "NDVI_doy2020400000000_aid.tif"])
def test_a_name_without_a_day_is_refused(name: str) -> None:
    with pytest.raises(LoamError, match="tells no day"):
        modis_day(Path(name))


@pytest.mark.parametrize(
    ("kind", "good", "fill", "scale"),
    [
        ("int16", 6000, -3000, 1),
        ("int16", 6000, -3000, 1e-4),
        ("float32", 6000, -3000, 1),
        ("float32", 0.6, -0.3, 1),
        ("float64", 0.6, -3000, 1),
        ("int32", 600, -300, 1e-3),
        ("int16", 6000, -3000, 10000),
    ],
)
def test_ndvi_is_the_same_however_it_was_scaled(
    tmp_path, box, layer, ndvi_source, kind: str, good: float, fill: float, scale: float
) -> None:
    """The provider's whole numbers, with GDAL's scale or without; and NDVI itself, as Earth Engine and users write it."""
    wide = box.pad(4)
    values = np.full(tuple(wide.shape), good, kind)
    values[6:8, 6:8] = fill  # not declared
    layer(values, on=wide).rio.to_raster(tmp_path / "MOD13Q1_NDVI_20200202.tif")
    with rasterio.open(tmp_path / "MOD13Q1_NDVI_20200202.tif", "r+") as file:
        file.scales = (scale,)
    ndvi = first_look([tmp_path], ndvi_source(), box)
    np.testing.assert_allclose(ndvi.values[np.isfinite(ndvi.values)], 0.6, rtol=1e-5)
    assert (
        int(
            np.isnan(
                ndvi.sel(
                    x=slice(*box.boundingbox[::2]), y=slice(box.boundingbox[3], box.boundingbox[1])
                )
            ).sum()
        )
        == 4
    )


def test_looks_that_reach_differently_far_share_one_grid(tmp_path, box, layer, ndvi_source) -> None:
    """On the second day one of the tiles is missing."""
    wide = box.pad(4)
    for day, columns in (("20200202", slice(None)), ("20200218", slice(None, 14))):
        part = wide[:, columns]
        layer(np.full(tuple(part.shape), 6000, np.int16), on=part).rio.to_raster(
            tmp_path / f"MOD13Q1_NDVI_{day}.tif"
        )
    for paths in (
        [tmp_path],
        [tmp_path / "MOD13Q1_NDVI_20200218.tif", tmp_path / "MOD13Q1_NDVI_20200202.tif"],
    ):
        ndvi = read_ndvi(paths, ndvi_source(), box)["ndvi"].sel(
            y=slice(box.boundingbox[3], box.boundingbox[1])
        )
        assert bool(np.isfinite(ndvi[0].sel(x=slice(*box.boundingbox[::2]))).all())
        assert 0 < float(np.isnan(ndvi[1]).mean()) < 1


def test_every_tile_of_a_day_has_the_offset_of_its_own_baseline_and_its_own_finest_bands(
    tmp_path, box, layer, ndvi_source
) -> None:
    wide = box.pad(10)
    for tile, baseline, add, columns, size in (
        ("T18SUJ", "N0214", 0, slice(0, 18), "20m"),
        ("T18SVJ", "N0500", 1000, slice(18, None), "10m"),
    ):
        part = wide[:, columns] if size == "20m" else wide[:, columns].zoom_out(0.5)
        folder = (
            tmp_path / f"S2A_MSIL2A_20200601T102031_{baseline}_R065_{tile}_20200601T132811.SAFE"
        )
        folder.mkdir()
        for band, value in (("B04", 1000 + add), ("B08", 4000 + add), ("SCL", 4)):
            on = wide[:, columns] if band == "SCL" else part
            name = f"{tile}_20200601T102031_{band}_{'20m' if band == 'SCL' else size}.tif"
            layer(np.full(tuple(on.shape), value, np.uint16), on=on).rio.to_raster(folder / name)
    values = read_ndvi([tmp_path], ndvi_source(kind="sentinel2", resolution_m=20), box)[
        "ndvi"
    ].values
    np.testing.assert_allclose(values, 0.6, rtol=1e-5)  # everywhere: neither tile was left out
