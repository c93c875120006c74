"""Flattened scenes against known ground: the twin's radiometry and geometry share no code with the processing."""

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from sar.ground import CLEAN, FLATTEN, Ground, decibel, mean_of, places, relief_of, write_orbit_file
from scipy.ndimage import center_of_mass

from loam.config import Config
from loam.config.base import Grid
from loam.config.sar import Flatten, Heights
from loam.config.sources import Dem
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.sar.annotation import read_annotation
from loam.sar.backends import digest, flatten_scenes
from loam.sar.flatten import flatten_pass
from loam.sar.heights import Terrain, prepare_heights, read_terrain
from loam.sar.kernels import LAYOVER, SHADOW
from loam.sar.product import read_product
from loam.sar.safe import Safe
from loam.sar.scenes import passes
from loam.twin.echo import Target
from loam.twin.safe import Options
from loam.twin.sight import look_around

Write = Callable[..., list[Path]]
PRECISE = "S1A_OPER_AUX_POEORB_OPOD_20220121T081604_V20211231T225942_20220102T005942.EOF"


def flattened(
    paths: list[Path],
    terrain: Terrain,
    cfg: Flatten = FLATTEN,
    polarisations: tuple[str, ...] = ("vv",),
    threads: int = 1,
) -> xr.Dataset:
    (slices,) = passes([read_product(path) for path in paths])
    return flatten_pass(slices, polarisations, None, terrain, cfg, threads)


@pytest.fixture(scope="module")
def scene(product: Path, hills: Ground) -> xr.Dataset:
    """Flatten the product of the hills."""
    return flattened([product], hills.terrain, polarisations=("vv", "vh"))


def trend(values_db: np.ndarray, angle_deg: np.ndarray) -> float:
    return float(np.polyfit(angle_deg.ravel(), values_db.ravel(), 1)[0])


def ellipsoid_corrected(product: Path, ground: Ground) -> xr.Dataset:
    """The same image on a flat DEM: gamma nought of the ellipsoid, not flattened (and displaced by relief)."""
    level = np.full_like(ground.terrain.heights_m, ground.terrain.heights_m.mean())
    return flattened([product], replace(ground.terrain, heights_m=level))


def test_flat_gamma0_comes_out_flat(scene: xr.Dataset, product: Path, hills: Ground) -> None:
    """Bars: trend 0.02 dB/degree, 5 x 5 means 0.3 dB; without flattening several times worse."""
    truth = look_around(hills.view.relief, hills.view.frame.orbit, hills.box).incidence_deg
    vv, raw = scene["vv"].values, ellipsoid_corrected(product, hills)["vv"].values
    found = trend(decibel(vv / 0.1), truth), decibel(mean_of(vv, 5) / 0.1).std()
    without = trend(decibel(raw / 0.1), truth), decibel(mean_of(raw, 5) / 0.1).std()
    print(
        f"\nflat: trend {found[0]:.4f} dB/degree, 5 x 5 means {found[1]:.4f} dB; not flattened {without[0]:.3f}, {without[1]:.2f}"
    )
    assert abs(found[0]) <= 0.02
    assert found[1] <= 0.3
    assert abs(without[0]) > 5 * abs(found[0])
    assert without[1] > 5 * found[1]
    np.testing.assert_allclose(vv.mean(), 0.1, rtol=0.01)
    np.testing.assert_allclose(scene["vh"].values.mean(), 0.02, rtol=0.02)


def test_the_local_incidence_angle_is_the_analytic_one(scene: xr.Dataset, hills: Ground) -> None:
    truth = look_around(hills.view.relief, hills.view.frame.orbit, hills.box).incidence_deg
    error = scene["incidence"].values - truth
    print(
        f"\nlocal incidence: RMSE {np.sqrt((error**2).mean()):.4f} degree over {truth.min():.0f} to {truth.max():.0f}"
    )
    assert np.sqrt((error**2).mean()) <= 0.1


def test_layover_and_shadow_are_those_of_ray_tracing(mountains: Ground, write: Write) -> None:
    """Bars: 95 % of true pixels flagged, 3 % false."""
    scene = flattened(write(mountains, mountains.constant(vv=0.1)), mountains.terrain)
    truth = look_around(mountains.view.relief, mountains.view.frame.orbit, mountains.box)
    for name, true, bit in (("layover", truth.layover, LAYOVER), ("shadow", truth.shadow, SHADOW)):
        flagged = (scene["mask"].values & bit) > 0
        hit, false = flagged[true].mean(), flagged[~true].mean()
        print(f"\n{name}: {true.mean():.1%} of the area, {hit:.3f} found, {false:.4f} false")
        assert true.mean() > 0.01
        assert hit >= 0.95
        assert false <= 0.03
    good = (scene["mask"].values == 0) & (truth.incidence_deg < 70)
    assert abs(trend(decibel(scene["vv"].values[good] / 0.1), truth.incidence_deg[good])) <= 0.02


def test_point_targets_lie_where_they_are(hills: Ground, write: Write) -> None:
    """Bars on relief of 300 m and more: RMSE 0.25 pixel, at most 0.5."""
    assert relief_of(hills.terrain) >= 300
    spots = places(np.random.default_rng(2), hills.box, 12)
    options = replace(CLEAN, targets=tuple(Target(x, y, 1e7) for x, y in spots))
    # Ground far below the noise floor, to see the targets alone: without noise it would count as border.
    cfg = Flatten(thermal_noise=False, border_noise=False, block_px=512)
    vv = flattened(write(hills, hills.constant(vv=1e-4), options), hills.terrain, cfg)["vv"].values
    errors = []
    for x, y in spots:
        column, row = ~hills.box.affine * (x, y)
        i, j = int(row), int(column)
        patch = vv[i - 2 : i + 3, j - 2 : j + 3]
        found = center_of_mass(patch - np.median(vv))
        errors.append((i - 2 + found[0] + 0.5 - row, j - 2 + found[1] + 0.5 - column))
    distance = np.hypot(*np.array(errors).T)
    print(
        f"\npoint targets: RMSE {np.sqrt((distance**2).mean()):.3f} pixel, max {distance.max():.3f}"
    )
    assert np.sqrt((distance**2).mean()) <= 0.25
    assert distance.max() <= 0.5


@pytest.mark.parametrize("ipf", ["003.40", "002.72"])
def test_noise_is_taken_away_whole(hills: Ground, write: Write, ipf: str) -> None:
    """VH near the floor, -24 dB: bias at most 0.1 dB after averaging, at least 0.5 dB if noise stays."""
    vh = 10**-2.4
    paths = write(hills, hills.constant(vv=0.1, vh=vh), Options(ipf=ipf))
    biases = {}
    for remove in (True, False):
        cfg = Flatten(thermal_noise=remove, border_noise=True, block_px=512)
        power = flattened(paths, hills.terrain, cfg, ("vv", "vh"))["vh"].values
        biases[remove] = float(decibel(power.mean() / vh))
        if remove:
            spread = decibel(mean_of(power, 10) / vh)  # 100 pixels of some 5 looks: 500 looks
    print(
        f"\nVH at -24 dB, IPF {ipf}: bias {biases[True]:.3f} dB, with noise {biases[False]:.2f} dB; of 10 x 10 means {spread.mean():.3f}"
    )
    assert abs(biases[True]) <= 0.1
    assert abs(spread.mean()) <= 0.1
    assert biases[False] >= 0.5


def test_blocks_threads_and_cropping_change_nothing(
    product: Path, hills: Ground, scene: xr.Dataset
) -> None:
    for size, threads in ((64, 2), (100, 1)):
        other = flattened(
            [product],
            hills.terrain,
            Flatten(thermal_noise=False, border_noise=True, block_px=size),
            ("vv", "vh"),
            threads,
        )
        for name in ("vv", "vh", "incidence"):
            np.testing.assert_allclose(other[name].values, scene[name].values, rtol=1e-5)
        np.testing.assert_array_equal(other["mask"].values, scene["mask"].values)
    part, terrain = hills.box[32:96, 40:80], hills.terrain
    n, margin = terrain.per_pixel, terrain.margin_px
    heights = terrain.heights_m[
        32 * n : (96 + 2 * margin) * n + 1, 40 * n : (80 + 2 * margin) * n + 1
    ]
    cropped = flattened([product], Terrain(part, n, margin, heights))
    np.testing.assert_allclose(cropped["vv"].values, scene["vv"].values[32:96, 40:80], rtol=1e-5)


@pytest.mark.parametrize("resolution_m", [5, 10, 30, 60, 100])
def test_the_grid_may_be_finer_or_coarser_than_the_image(
    product: Path, hills: Ground, tmp_path: Path, resolution_m: float
) -> None:
    """Flat gamma nought stays flat, whatever the pixel, and blocks join."""
    edge = 600 if resolution_m < 20 else 2400
    grid = Grid(
        aoi=(330000, 4290000, 330000 + edge, 4290000 + edge),
        crs="EPSG:32618",
        resolution_m=resolution_m,
    )
    source, heights = Dem(path="dem.tif", geoid="ellipsoid"), Heights(facet_m=10, margin_m=1000)
    prepare_heights(hills.dem, None, tmp_path / "heights.tif", source, grid, heights)
    terrain = read_terrain(tmp_path / "heights.tif", target_grid(grid, None))
    vv = flattened([product], terrain)["vv"].values
    assert abs(decibel(vv.mean() / 0.1)) < 0.05
    assert decibel(vv / 0.1).std() < 0.1
    parts = flattened(
        [product], terrain, FLATTEN.model_copy(update={"block_px": 64 if resolution_m < 20 else 16})
    )
    np.testing.assert_allclose(parts["vv"].values, vv, rtol=1e-5)


def test_damage_deep_in_an_image_leaves_out_its_pass_alone(
    product: Path, hills: Ground, write: Write, cfg: Config, tmp_path: Path
) -> None:
    """Nothing shows it before the image is read; the others of the quarter are not held up."""
    (other,) = write(hills, hills.constant(vv=0.1), when=datetime(2022, 1, 13, 22, 50))
    bad = Path(shutil.copytree(other, tmp_path / other.name))
    (image,) = bad.glob("measurement/*.tiff")
    content = bytearray(image.read_bytes())
    content[len(content) // 3 : 2 * len(content) // 3] = bytes(
        2 * len(content) // 3 - len(content) // 3
    )
    image.write_bytes(content)
    heights = hills.dem.with_name("heights.tif")
    flatten_scenes(
        [product, bad],
        [],
        heights,
        tmp_path / "out",
        ("vv",),
        hills.grid,
        FLATTEN,
        "loam",
        cfg.sar.snap,
        1,
    )
    assert len(list((tmp_path / "out").glob("*.tif"))) == 1
    assert "the vv image cannot be read" in (tmp_path / "out/rejected.csv").read_text()
    with pytest.raises(LoamError, match="the vv image cannot be read"):
        flatten_scenes(
            [bad],
            [],
            heights,
            tmp_path / "none",
            ("vv",),
            hills.grid,
            FLATTEN,
            "loam",
            cfg.sar.snap,
            1,
        )


def test_two_slices_of_a_pass_join_without_a_seam(
    hills: Ground, write: Write, scene: xr.Dataset
) -> None:
    paths = write(hills, hills.constant(vv=0.1), replace(CLEAN, slices=2))
    assert len(paths) == 2
    joined = flattened(paths, hills.terrain)
    np.testing.assert_allclose(decibel(mean_of(joined["vv"].values, 4) / 0.1), 0, atol=0.3)
    alone = flattened(paths[:1], hills.terrain)
    assert 0.2 < float(np.isnan(alone["vv"].values).mean()) < 0.8  # the seam does cross the area
    assert np.array_equal(np.isnan(alone["vv"].values), (alone["mask"].values & 1) > 0)


def test_border_noise_is_left_out(hills: Ground, write: Write) -> None:
    paths = write(hills, hills.constant(vv=0.1), Options(ipf="002.72", border_px=200))
    kept = flattened(
        paths, hills.terrain, Flatten(thermal_noise=True, border_noise=False, block_px=512)
    )["vv"].values
    left_out = flattened(
        paths, hills.terrain, Flatten(thermal_noise=True, border_noise=True, block_px=512)
    )["vv"].values
    assert (
        decibel(np.maximum(kept, 1e-6)) < -16
    ).mean() > 0.02  # the border does reach into the area
    assert np.isnan(left_out).mean() > 0.02
    inner = left_out[np.isfinite(left_out)]
    assert (inner < 0.02).mean() < 0.002
    assert np.isfinite(left_out).mean() > 0.5


def test_border_noise_goes_even_where_the_noise_table_is_no_use(
    hills: Ground, write: Write
) -> None:
    (product,) = write(hills, hills.constant(vv=0.1), Options(ipf="002.72", border_px=200))
    (path,) = product.glob("annotation/calibration/noise-*.xml")
    path.write_text(
        re.sub(
            r"(<noiseLut[^>]*>)[^<]*",
            lambda match: match[1] + re.sub(r"\S+", "1e-4", match[0][len(match[1]) :]),
            path.read_text(),
        )
    )
    kept, left_out = (
        flattened(
            [product],
            hills.terrain,
            Flatten(thermal_noise=False, border_noise=border, block_px=512),
        )["vv"].values
        for border in (False, True)
    )
    assert (kept < 0.01).mean() > 0.01
    assert (left_out[np.isfinite(left_out)] < 0.01).mean() < 0.002
    assert np.isfinite(left_out).mean() > 0.5


def test_a_zip_gives_what_its_folder_gives(
    product: Path, hills: Ground, scene: xr.Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "product.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(product.rglob("*")):
            archive.write(file, f"{product.name}/{file.relative_to(product)}")
    xr.testing.assert_identical(flattened([path], hills.terrain, polarisations=("vv", "vh")), scene)


def test_an_orbit_file_moves_the_image(
    product: Path, hills: Ground, scene: xr.Dataset, tmp_path: Path
) -> None:
    """The annotation's own vectors as an orbit file change nothing; 50 m along track they do; another satellite's are refused."""
    (slices,) = passes([read_product(product)])
    vectors = read_annotation(Safe(product), "vv").orbit
    for shift, same in ((0.0, True), (50.0, False)):
        ahead = vectors.velocity_ms / np.linalg.norm(vectors.velocity_ms, axis=1, keepdims=True)
        path = write_orbit_file(
            tmp_path / PRECISE, replace(vectors, position_m=vectors.position_m + shift * ahead)
        )
        found = flatten_pass(slices, ("vv",), path, hills.terrain, FLATTEN, 1)
        assert found.attrs["orbit"] == "precise"
        assert np.allclose(found["vv"], scene["vv"], rtol=1e-4) == same
    with pytest.raises(LoamError, match="is an orbit of Sentinel-1B, the scene is of S1A"):
        flatten_pass(
            slices,
            ("vv",),
            write_orbit_file(tmp_path / PRECISE, vectors, "Sentinel-1B"),
            hills.terrain,
            FLATTEN,
            1,
        )


def test_without_snap_its_backend_says_what_to_do(
    product: Path, hills: Ground, cfg: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    heights = hills.dem.with_name("heights.tif")
    with pytest.raises(LoamError, match="no gpt is on PATH; install SNAP"):
        flatten_scenes(
            [product],
            [],
            heights,
            tmp_path / "out",
            ("vv",),
            hills.grid,
            FLATTEN,
            "snap",
            cfg.sar.snap,
            1,
        )


def test_vv_is_enough_where_only_vv_is_asked_for(hills: Ground, write: Write) -> None:
    paths = write(hills, hills.constant(vv=0.1))
    assert set(flattened(paths, hills.terrain).data_vars) == {"vv", "incidence", "mask"}
    with pytest.raises(LoamError, match=r"calibration-\*-vh-\*.xml is missing"):
        flattened(paths, hills.terrain, polarisations=("vv", "vh"))


def test_the_step_writes_a_file_per_pass_with_units_and_history(
    product: Path, hills: Ground, scene: xr.Dataset, cfg: Config, tmp_path: Path
) -> None:
    heights = hills.dem.with_name("heights.tif")
    assert read_terrain(heights, hills.box).margin_px == hills.terrain.margin_px
    time = read_product(product).start
    flatten_scenes(
        [product],
        [],
        heights,
        tmp_path / "A004_2022q1",
        ("vv", "vh"),
        hills.grid,
        FLATTEN,
        "loam",
        cfg.sar.snap,
        threads=2,
    )
    (path,) = (tmp_path / "A004_2022q1").iterdir()
    assert (
        path.name
        == f"S1A_{str(time.astype('datetime64[s]')).replace('-', '').replace(':', '')}_A004.tif"
    )
    with rasterio.open(path) as file:
        assert file.descriptions == ("vv", "vh", "incidence", "mask")
        assert file.units == ("1", "1", "degree", "1")
        assert file.crs == hills.box.crs
        assert file.transform == hills.box.transform
        assert file.tags()["orbit"] == "annotation"
        assert file.tags()["digest"] == digest(scene)
        np.testing.assert_array_equal(file.read(1), scene["vv"].values)
