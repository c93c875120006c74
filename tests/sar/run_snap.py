"""Runs the backend `snap` in a Python that has pyroSAR, for the tests: a request per line in, an answer per line out, in JSON."""

import json
import os
import sys
from pathlib import Path
from typing import Any


def mend_old_gdal() -> None:
    """Add what pyroSAR asks of GDAL and Debian 12's has not."""
    from osgeo import gdal, gdal_array, ogr

    if not hasattr(gdal_array, "UseExceptions"):
        gdal_array.UseExceptions = lambda: None
    if not hasattr(ogr.Geometry, "IsClockwise"):
        ogr.Geometry.IsClockwise = is_clockwise
    if not issubclass(
        ogr.DataSource, gdal.Dataset
    ):  # one type in later versions; pyroSAR hands the first where the second belongs
        ogr.Driver.CreateDataSource = lambda driver, name: gdal.GetDriverByName(
            driver.GetName()
        ).Create(name, 0, 0, 0, gdal.GDT_Unknown)


def is_clockwise(ring: Any) -> bool:
    points = ring.GetPoints()
    return (
        sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
        < 0
    )


def identify(product: str) -> dict[str, Any]:
    """What pyroSAR reads from a product."""
    import pyroSAR

    scene = pyroSAR.identify(product)
    names = [
        "sensor",
        "acquisition_mode",
        "product",
        "orbit",
        "start",
        "stop",
        "polarizations",
        "spacing",
        "samples",
        "lines",
    ]
    with scene.bbox() as box:
        extent = box.extent
    return {name: getattr(scene, name) for name in names} | {
        "track": scene.orbitNumber_rel,
        "extent": extent,
        "incidence": scene.meta["incidence"],
    }


def flatten(
    out: str,
    products: list[str],
    box: dict[str, Any],
    cfg: dict[str, Any],
    dem: str,
    scratch: str,
    **others: Any,
) -> dict[str, Any]:
    """The backend itself; the dataset goes into an npz."""
    import numpy as np
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from loam.sar.snap import SnapSettings, flatten_with_snap

    grid = GeoBox(tuple(box["shape"]), Affine(*box["transform"]), box["crs"])
    settings = SnapSettings(**cfg)
    data = flatten_with_snap(
        [Path(path) for path in products],
        grid,
        Path(dem),
        cfg=settings,
        scratch=Path(scratch),
        **others,
    )
    np.savez(out, **{str(name): values.values for name, values in data.data_vars.items()})
    attributes = {str(name): values.attrs for name, values in data.data_vars.items()}
    return {
        "attributes": attributes,
        "orbit": data.attrs["orbit"],
        "on_grid": data.odc.geobox == grid,
    }


def answer(do: str, stub: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    """Do as asked; the stub of SNAP gets its orders through the environment."""
    from loam.core.errors import LoamError

    before = dict(os.environ)
    os.environ.update(stub or {})
    try:
        return {"identify": identify, "flatten": flatten}[do](**request)
    except LoamError as error:
        return {"error": str(error)}
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    mend_old_gdal()
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=answers, flush=True)
