"""The steps on files: blocks, clusters, one acquisition at a time, no leak, planted faults."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox
from radar_scene import TRACKS, VV, Site, see

from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.moisture import blocks, change
from loam.moisture.cluster import slurm_cluster

COUNT, TRAIN = 120, 90
TIMES = days("2021-01-01T06:00", COUNT, step=6)
LAYERS = (
    "dry",
    "wet",
    "sensitivity",
    "dry_error",
    "wet_error",
    "sensitivity_error",
    "beta",
    "dates",
    "vh_reference",
)


@pytest.fixture(scope="session")
def wide() -> GeoBox:
    """140 x 150 pixels: two chunks of references each way."""
    return GeoBox.from_bbox((330000, 4290000, 333000, 4292800), "EPSG:32618", resolution=20)


@pytest.fixture(scope="session")
def scene(wide: GeoBox):
    """A field of known moisture, in linear power of 4.4 looks a pixel of 20 m."""
    rng = np.random.default_rng(30)
    common = rng.uniform(0, 1, (COUNT, 1, 1))
    moisture = np.clip(common + rng.normal(0, 0.02, (COUNT, 1, wide.shape.x)), 0, 1) * np.ones(
        (1, wide.shape.y, 1)
    )
    return see(moisture.astype(np.float32), rng, looks=4.4)


def bands(scene) -> dict[str, np.ndarray]:
    return {"vv": 10 ** (scene.level / 10), "vh": 10 ** (scene.vh / 10), "incidence": scene.angle}


@pytest.fixture
def here(site: Callable, scene, wide: GeoBox) -> Site:
    return site(
        bands(scene), scene.tracks, wide, TIMES, TRAIN, moisture={"references": {"min_dates": 30}}
    )


def same(one: xr.Dataset, other: xr.Dataset, names: tuple[str, ...]) -> None:
    for name in names:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


def test_files_carry_what_products_need(here: Site, wide: GeoBox) -> None:
    references, ssm = here.fit(), here.detect()
    assert references["track"].values.tolist() == list(TRACKS)
    assert ssm["ssm"].attrs["effective_resolution"] == "100 m"
    assert ssm.odc.geobox == references.odc.geobox == wide
    assert all(
        {"units", "long_name"} <= set(data[name].attrs)
        for data in (references, ssm)
        for name in data.data_vars
    )
    np.testing.assert_array_equal(ssm["time"], TIMES)
    ok = (ssm["flags"].values & int(Flag.LOW_SENSITIVITY | Flag.TOO_FEW_DATES)) == 0
    assert ok.mean() > 0.9
    label, noise = ssm["ssm"].values[ok], ssm["ssm_uncertainty"].values[ok]
    # The attribute counts usable labels, which leave out a few more for snow and water.
    assert ssm.attrs["label_noise_ceiling_r2"] == pytest.approx(
        1 - np.mean(noise**2.0) / np.var(label), abs=0.02
    )


def test_blocks_and_threads_change_nothing(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four blocks with their halos against one."""
    references, ssm = here.fit(), here.detect()
    monkeypatch.setattr(blocks, "block_edge", None)
    for module in ("references", "change"):
        monkeypatch.setattr(f"loam.moisture.{module}.block_edge", lambda *_: 128)
    monkeypatch.setattr(change, "SSM_CHUNK_PX", 128)
    same(references, here.fit("references_in_blocks.zarr"), LAYERS)
    same(ssm, here.detect("ssm_in_blocks.zarr"), ("ssm", "ssm_uncertainty", "flags"))


def test_a_distributed_cluster_gives_the_same(here: Site) -> None:
    from distributed import LocalCluster

    references, ssm = here.fit(), here.detect()
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        compute = here.cfg.moisture.compute.model_copy(
            update={"scheduler": "distributed", "address": cluster.scheduler_address}
        )
        same(references, here.fit("references_of_cluster.zarr", compute), LAYERS)
        same(ssm, here.detect("ssm_of_cluster.zarr", compute), ("ssm", "ssm_uncertainty", "flags"))


def test_a_cluster_that_is_not_there_is_one_clear_line(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loam.moisture.cluster.PATIENCE_S", 1)
    compute = here.cfg.moisture.compute.model_copy(
        update={"scheduler": "distributed", "address": "tcp://127.0.0.1:9"}
    )
    with pytest.raises(
        LoamError,
        match=r"moisture.compute.address = 'tcp://127.0.0.1:9': no dask scheduler answers",
    ):
        here.fit(compute=compute)
    assert not (here.folder / "references.zarr").exists()


def test_slurm_workers_ask_for_what_the_section_says(cfg) -> None:
    compute = cfg.moisture.compute.model_copy(
        update={"workers": 0, "memory_mb": 3000, "partition": "short", "walltime": "0:30:00"}
    )
    with slurm_cluster(compute) as cluster:
        script = cluster.job_script()
    for line in (
        "#SBATCH -p short",
        "#SBATCH -t 0:30:00",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=3G",
    ):
        assert line in script


def test_no_test_date_reaches_a_reference(here: Site) -> None:
    """Noise, gaps and another angle on every date that does not train change no reference, bit for bit."""
    before = here.fit()
    spoilt, rng = here.stack.copy(deep=True), np.random.default_rng(0)
    for name in ("vv", "vh", "incidence"):
        spoilt[name].values[TRAIN:] = rng.random(spoilt[name].shape[1:]) * 60
    spoilt["vv"].values[TRAIN + 3 :] = np.nan
    here.write(spoilt)
    after = here.fit("again.zarr")
    assert set(before.data_vars) == set(after.data_vars)
    same(before, after, tuple(map(str, before.data_vars)))


def test_without_weather_labels_are_those_of_a_mild_climate(here: Site) -> None:
    """The site never freezes: a step that knows no weather gives the same values, and flags nothing as frozen."""
    mild = here.fit(), here.detect()
    here.has_weather = False
    unknown = here.fit("references.zarr"), here.detect()
    for one, other in zip(mild, unknown, strict=True):
        for name in one.data_vars:
            np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)
    assert not (unknown[1]["flags"].values & int(Flag.FROZEN)).any()


def test_a_new_acquisition_needs_no_old_one(here: Site) -> None:
    """With the chunks of all earlier dates removed the new one comes out the same."""
    here.fit()
    whole = here.detect()
    last = str(TIMES[-1])[:19].replace("-", "").replace(":", "")
    for name in ("vv", "vh", "incidence"):
        for chunk in range((COUNT - 1) // 32):
            shutil.rmtree(here.folder / "stack.zarr" / name / "c" / str(chunk))
    new = here.detect(f"{last}.zarr", step="detect_acquisition")
    assert new.sizes["time"] == 1
    same(whole.isel(time=[-1]), new, ("ssm", "ssm_uncertainty", "flags", "time"))
    with pytest.raises(
        LoamError, match=r"stack.zarr: has no acquisition at 20300101T000000; its last one is 2022"
    ):
        here.detect("20300101T000000.zarr", step="detect_acquisition")


def test_a_track_never_seen_in_training_is_flagged_not_guessed(here: Site) -> None:
    late, tracks = np.arange(COUNT) >= TRAIN, here.stack["track"].values
    here.write(
        here.stack.assign_coords(track=("time", np.where(late & (tracks == "D106"), "D33", tracks)))
    )
    here.fit()
    ssm = here.detect()
    new = ssm["track"].values == "D33"
    assert np.isnan(ssm["ssm"].values[new]).all()
    assert ((ssm["flags"].values[new] & int(Flag.TOO_FEW_DATES)) > 0).all()
    assert np.isfinite(ssm["ssm"].values[~new]).mean() > 0.99


def test_a_track_with_too_few_dates_is_warned_of_with_counts(
    here: Site, caplog: pytest.LogCaptureFixture
) -> None:
    few = np.where((np.arange(COUNT) % 10 == 0), "D33", "A004")
    here.write(here.stack.assign_coords(track=("time", few)))
    with caplog.at_level("WARNING"):
        references = here.fit()
    assert [record.getMessage() for record in caplog.records] == [
        "track D33: 9 training dates, fewer than moisture.references.min_dates = 30; its pixels are flagged too_few_dates"
    ]
    assert (references["flags"].sel(track="D33") == Flag.TOO_FEW_DATES).all()
    assert (references["flags"].sel(track="A004") == 0).all()


def test_dates_too_cold_for_any_fit_stop_the_step(site: Callable, scene, wide: GeoBox) -> None:
    cold = site(
        bands(scene),
        scene.tracks,
        wide,
        TIMES,
        TRAIN,
        temperature=np.full(6 * (COUNT - 1) + 1, -5.0),
    )
    with pytest.raises(
        LoamError,
        match=r"moisture.signal.frozen_below_degc = 0: all 90 training dates are colder; lower it",
    ):
        cold.fit()


def test_a_satellites_offset_is_removed_and_one_unknown_is_flagged(
    site: Callable, scene, wide: GeoBox
) -> None:
    """A strip of steady ground shows the offset of 0.8 dB that moist ground hides."""
    platforms, rng = np.array(["S1A", "S1C"])[np.arange(COUNT) // 2 % 2], np.random.default_rng(5)
    raw = bands(scene)
    raw["vv"][:, :, :60] = 0.1 * rng.gamma(4.4, 1 / 4.4, raw["vv"][:, :, :60].shape)
    plain = site(raw, scene.tracks, wide, TIMES, TRAIN, platforms=platforms)
    before = plain.fit()
    assert before["platform_offset"].values.tolist() == [0, 0]
    shifted = raw["vv"] * np.where(platforms == "S1C", 10**0.08, 1.0)[:, None, None]
    offset = site(raw | {"vv": shifted}, scene.tracks, wide, TIMES, TRAIN, platforms=platforms)
    after = offset.fit()
    assert float(after["platform_offset"].sel(platform="S1C")) == pytest.approx(0.8, abs=0.05)
    np.testing.assert_allclose(after["dry"], before["dry"], atol=0.15)
    late = np.where(np.arange(COUNT) >= TRAIN, "S1D", platforms)
    offset.write(offset.stack.assign_coords(platform=("time", late)))
    flags = offset.detect()["flags"].values
    assert ((flags[TRAIN:] & int(Flag.UNKNOWN_PLATFORM)) > 0).all()
    assert ((flags[:TRAIN] & int(Flag.UNKNOWN_PLATFORM)) == 0).all()


def test_memory_sets_the_blocks_and_too_little_is_one_clear_line(here: Site) -> None:
    assert blocks.block_edge(2000, 2, 100 * 30, (8192, 8192), 128) == 384
    assert blocks.block_edge(8000, 2, 100 * 30, (8192, 8192), 128) > 1000
    compute = here.cfg.moisture.compute.model_copy(update={"memory_mb": 500})
    with pytest.raises(
        LoamError,
        match=r"moisture.compute.memory_mb = 500: too little for 2 blocks of 128 pixels; set at least \d+",
    ):
        here.fit(compute=compute)


def found_and_false(flags: np.ndarray, bit: Flag, planted: np.ndarray) -> tuple[float, float]:
    hit = (flags & int(bit)) != 0
    return float(hit[planted].mean()), float(hit[~planted].mean())


def test_planted_faults_are_found(site: Callable, scene, wide: GeoBox, tmp_path: Path) -> None:
    """Frost, wet snow, water on the map, standing water, forest-like ground without range, layover and shadow."""
    import pandas as pd

    from loam.twin.weather import MARYLAND, simulate_weather

    daily = pd.date_range("2021-01-01", periods=6 * (COUNT - 1) + 1, unit="ns")
    weather = simulate_weather(
        daily,
        np.array([4292000.0, 4290000.0]),
        np.array([330000.0, 333000.0]),
        38.8,
        MARYLAND,
        np.random.default_rng(2),
    )
    temperature = weather["temperature"].values.mean(axis=(1, 2)) - 273.15
    at = temperature[::6][:COUNT]
    frozen = (at < 0)[:, None, None] & np.ones(wide.shape, bool)
    recent = np.array([temperature[max(0, 6 * i - 20) : 6 * i + 1].min() < 0 for i in range(COUNT)])
    raw, rng = bands(scene), np.random.default_rng(3)
    rows, columns = np.indices(wide.shape)
    snow = (recent & (at > 2) & (rng.random(COUNT) < 0.3))[:, None, None] & (rows < 60)
    flood = (rng.random(COUNT) < 0.04)[:, None, None] & (rows > 110) & ~frozen & ~snow
    flat = (columns > 120) & np.ones((COUNT, 1, 1), bool)
    still = 10 ** (
        (np.float32(VV.water) + 10 * np.log10(rng.gamma(4.4, 1 / 4.4, raw["vv"].shape))) / 10
    )
    steady = 10 ** ((-8.5 + 10 * np.log10(rng.gamma(4.4, 1 / 4.4, raw["vv"].shape))) / 10)
    vv = np.where(flat, steady, raw["vv"] * 10 ** (-0.3 * frozen) * 10 ** (-0.3 * snow))
    raw |= {
        "vv": np.where(flood, still, vv),
        "vh": raw["vh"] * 10 ** (-0.3 * frozen) * 10 ** (-0.45 * snow),
    }
    mask = np.where((columns < 10) & (np.arange(COUNT) % 2 == 0)[:, None, None], 4, 0).astype(
        np.uint8
    )
    water = (columns > 60) & (columns < 75)
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "width": wide.shape.x,
        "height": wide.shape.y,
    }
    with rasterio.open(
        tmp_path / "landcover.tif", "w", **profile, crs=str(wide.crs), transform=wide.transform
    ) as file:
        file.write(np.where(water, 80, 40).astype(np.uint8), 1)
    here = site(
        raw | {"mask": mask},
        scene.tracks,
        wide,
        TIMES,
        TRAIN,
        temperature=temperature,
        extra={"landcover": tmp_path / "landcover.tif"},
        sources={"landcover": {"path": "landcover.tif"}},
    )
    here.fit()
    flags = here.detect()["flags"].values
    inside = np.zeros(wide.shape, bool)  # away from planted edges, which a support of 100 m blurs
    inside[3:-3, 13:-3] = True  # and from shadow, where one track has no references
    for edge in (60, 110):
        inside[edge - 3 : edge + 4] = False
    inside[:, 117:124] = False
    soil = inside & ~water & (columns < 117)
    results = {
        Flag.FROZEN: found_and_false(flags[:, inside], Flag.FROZEN, frozen[:, inside]),
        Flag.WATER: found_and_false(
            flags[:, inside], Flag.WATER, np.broadcast_to(water, flags.shape)[:, inside]
        ),
        Flag.LOW_SENSITIVITY: found_and_false(
            flags[:, inside], Flag.LOW_SENSITIVITY, flat[:, inside]
        ),
        Flag.WET_SNOW: found_and_false(flags[:, soil], Flag.WET_SNOW, snow[:, soil]),
        Flag.STANDING_WATER: found_and_false(flags[:, soil], Flag.STANDING_WATER, flood[:, soil]),
        Flag.LAYOVER_SHADOW: found_and_false(flags, Flag.LAYOVER_SHADOW, mask > 0),
    }
    for flag, (found, false) in results.items():
        print(f"{flag.name}: {found:.3f} found, {false:.3f} false")
        assert found >= 0.95, flag
        assert false <= 0.03, flag
