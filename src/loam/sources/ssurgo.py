"""SSURGO's tables: horizons into components into map units."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from loam.errors import LoamError

KEY_RASTER = "nearest"  # keys have no values between them
# Table: columns that it must have (Soil Survey Staff, SSURGO table column descriptions).
TABLES = {
    "component": ("mukey", "cokey", "comppct_r"),
    "chorizon": ("cokey", "hzdept_r", "hzdepb_r", "sandtotal_r", "claytotal_r"),
    "muaggatt": ("mukey", "hydgrpdcd"),
}
# Column of chorizon: (Loam's name, factor to its units)
COLUMNS = {
    "sandtotal_r": ("sand", 1.0), "silttotal_r": ("silt", 1.0), "claytotal_r": ("clay", 1.0), "om_r": ("organic", 1.0),
    "dbthirdbar_r": ("bulk_density", 1.0), "ksat_r": ("ksat", 86.4),  # from µm/s to mm/day
    "wsatiated_r": ("theta_s", 0.01),
}  # fmt: skip
# ASSUME: a dual group, as A/D, is that of the undrained soil: drains are not in the map.
GROUPS = {"A": 1.0, "B": 2.0, "C": 3.0, "D": 4.0, "A/D": 4.0, "B/D": 4.0, "C/D": 4.0}


def map_unit_properties(tables: Mapping[str, pd.DataFrame], depth_cm: float, path: Path) -> pd.DataFrame:
    """Properties of the topsoil by map unit key, ascending.

    Horizons count by their thickness within the topsoil, components by their share; each property over those that have it.

    Args:
        tables: `component`, `chorizon`, and maybe `muaggatt`, as of SSURGO.
        depth_cm: thickness of the topsoil [cm].
        path: the source, for messages.

    Raises:
        LoamError: a table or column is missing.
    """
    for name in ("component", "chorizon"):
        _require_columns(tables, name, path)
    horizons = tables["chorizon"].rename(columns=str.lower)
    thick = np.minimum(horizons["hzdepb_r"], depth_cm) - horizons["hzdept_r"].clip(lower=0)
    horizons = horizons.assign(thick=thick)[thick > 0].merge(
        tables["component"].rename(columns=str.lower)[["cokey", "mukey", "comppct_r"]], on="cokey"
    )
    weight = horizons["thick"] * horizons["comppct_r"]
    found = {
        ours: _weighted_by_key(horizons[column] * factor, weight, horizons["mukey"])
        for column, (ours, factor) in COLUMNS.items()
        if column in horizons
    }
    properties = pd.DataFrame(found).sort_index()
    if "muaggatt" in tables:
        _require_columns(tables, "muaggatt", path)
        groups = tables["muaggatt"].rename(columns=str.lower).drop_duplicates("mukey").set_index("mukey")["hydgrpdcd"]
        properties["hydrologic_group"] = groups.map(GROUPS).reindex(properties.index)
    return properties


def _weighted_by_key(values: pd.Series, weight: pd.Series, keys: pd.Series) -> pd.Series:
    known = values.notna()
    total = (values * weight).where(known).groupby(keys).sum()
    return total / weight.where(known).groupby(keys).sum().replace(0, np.nan)


def _require_columns(tables: Mapping[str, pd.DataFrame], name: str, path: Path) -> None:
    if name not in tables:
        msg = f"{path}: table {name}.csv is missing; export it from the geodatabase beside the raster of map unit keys"
        raise LoamError(msg)
    have = {str(column).lower() for column in tables[name].columns}
    for column in TABLES[name]:
        if column not in have:
            msg = f"{path}: {name}.csv has no column {column}; export the table whole"
            raise LoamError(msg)
