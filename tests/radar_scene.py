"""Ground whose dry and wet backscatter are known, seen by the twin's radar; and the files that steps read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.config import Config
from loam.config.moisture import Compute
from loam.core.raster import write_zarr
from loam.moisture.backscatter import speckle_variance
from loam.twin import radar
from loam.twin.landscape import CROP

VV, VH = radar.CHANNELS["vv"], radar.CHANNELS["vh"]
TRACKS = ("A004", "D106")


@dataclass(frozen=True)
class Seen:
    """What two tracks saw of a field, `(time, y, x)`, and what is true of it."""

    level: np.ndarray  # [dB]
    vh: np.ndarray  # [dB]
    angle: np.ndarray  # [degree]
    tracks: np.ndarray  # (time)
    moisture: np.ndarray  # [1]
    dry: np.ndarray  # at 40 degrees (y, x) [dB]
    wet: np.ndarray
    looks: float
    calibration_db: float

    @property
    def variance(self) -> np.ndarray:
        """u² of the level [dB²]."""
        return speckle_variance(np.ones(self.level.shape), self.looks) + np.float32(
            self.calibration_db**2
        )


def see(
    moisture: np.ndarray,
    rng: np.random.Generator,
    looks: float = 100,
    calibration_db: float = 0.1,
    ndvi: np.ndarray | None = None,
    angles_deg: tuple[float, float] = (33.0, 43.0),
    brightness_db: float = 0.0,
) -> Seen:
    """Look at a field of known moisture `(time, y, x)` in turns from two tracks, with the twin's own radar."""
    shape = moisture.shape[1:]
    tracks = np.array(TRACKS)[np.arange(len(moisture)) % 2]
    local = {
        name: (angle + rng.normal(0, 2, shape)).astype(np.float32)
        for name, angle in zip(TRACKS, angles_deg, strict=True)
    }
    brightness, relative = (
        rng.normal(brightness_db, 1, shape).astype(np.float32),
        rng.uniform(0.72, 1.28, shape).astype(np.float32),
    )
    surface = radar.Surface(np.full(shape, CROP), brightness, relative)
    angle = np.stack([local[name] for name in tracks])
    bands = []
    for channel in (VV, VH):
        images = []
        for index in range(len(moisture)):
            plants = np.zeros(shape) if ndvi is None else ndvi[index]
            scene = radar.Scene(moisture[index], plants, np.zeros(shape, bool), 3.0)
            clean = radar.backscatter_db(scene, angle[index], surface, channel)
            images.append(
                clean
                + 10 * np.log10(rng.gamma(looks, 1 / looks, shape))
                + rng.normal(0, calibration_db)
            )
        bands.append(np.stack(images).astype(np.float32))
    dry = VV.dry + surface.brightness_db
    return Seen(
        *bands,
        angle,
        tracks,
        moisture,
        dry,
        dry + VV.sensitivity * surface.sensitivity,
        looks,
        calibration_db,
    )


@dataclass
class Site:
    """A small area in files, and the steps' arguments for it."""

    folder: Path
    cfg: Config
    stack: xr.Dataset
    extra: dict[str, Path] = field(default_factory=dict)
    has_weather: bool = True

    def arguments(self, *names: str) -> dict[str, Any]:
        """Arguments that steps share: files by name, and settings."""
        moisture = self.cfg.moisture
        paths = {
            "stack": "stack.zarr",
            "splits": "splits.json",
            "weather": "weather.zarr",
            "references": "references.zarr",
        }
        files: dict[str, Path | None] = {name: self.folder / paths[name] for name in names}
        if "weather" in files and not self.has_weather:
            files["weather"] = None
        return files | {
            "ndvi": self.extra.get("ndvi"),
            "landcover": self.extra.get("landcover"),
            "signal": moisture.signal,
            "vegetation": moisture.vegetation,
            "compute": moisture.compute,
            "classes": self.cfg.sources.landcover,
            "threads": 2,
        }

    def fit(self, out: str = "references.zarr", compute: Compute | None = None) -> xr.Dataset:
        """Run `fit-references`."""
        from loam.core.raster import open_dataset
        from loam.moisture.references import fit_references

        arguments = self.arguments("stack", "splits", "weather") | (
            {"compute": compute} if compute else {}
        )
        del arguments["classes"]
        fit_references(out=self.folder / out, cfg=self.cfg.moisture.references, **arguments)
        return open_dataset(self.folder / out).load()

    def detect(
        self, out: str = "ssm.zarr", compute: Compute | None = None, step: str = "detect_change"
    ) -> xr.Dataset:
        """Run `detect-change`, or `detect-acquisition`."""
        from loam.core.raster import open_dataset
        from loam.moisture import change

        changed = {"compute": compute} if compute else {}
        getattr(change, step)(
            out=self.folder / out,
            cfg=self.cfg.moisture.change,
            **self.arguments("stack", "references", "weather") | changed,
        )
        return open_dataset(self.folder / out).load()

    def write(self, stack: xr.Dataset, chunk: int = 32) -> None:
        """Write another stack in place of the one there."""
        self.stack = stack
        write_zarr(
            stack.odc.assign_crs("EPSG:32618"),
            self.folder / "stack.zarr",
            {"time": chunk, "y": 64, "x": 64},
        )
