"""SSURGO's tables: horizons into components into map units."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from loam.core.errors import LoamError
from loam.core.tables import numbers, read_table

KEY_RASTER = "nearest"  # keys have no values between them
# Table: columns that it must have (Soil Survey Staff, SSURGO table column descriptions).
TABLES = {
    "component": ("mukey", "cokey", "comppct_r"),
    "chorizon": ("cokey", "hzdept_r", "hzdepb_r", "sandtotal_r", "claytotal_r"),
    "muaggatt": ("mukey", "hydgrpdcd"),
}
# Column of chorizon: (Loam's name, factor to its units)
COLUMNS = {
    "sandtotal_r": ("sand", 1.0),
    "silttotal_r": ("silt", 1.0),
    "claytotal_r": ("clay", 1.0),
    "om_r": ("organic", 1.0),
    "dbthirdbar_r": ("bulk_density", 1.0),
    "ksat_r": ("ksat", 86.4),  # from µm/s to mm/day
    "wsatiated_r": ("theta_s", 0.01),
}
# ASSUME: a dual group, as A/D, is that of the undrained soil: drains are not in the map.
GROUPS = {"A": 1.0, "B": 2.0, "C": 3.0, "D": 4.0, "A/D": 4.0, "B/D": 4.0, "C/D": 4.0}


KEYS = ("mukey", "cokey")
WANTED = {
    "component": TABLES["component"],
    "chorizon": tuple(dict.fromkeys((*TABLES["chorizon"], *COLUMNS))),
    "muaggatt": TABLES["muaggatt"],
}


def survey_tables(
    paths: Sequence[Path], mukeys: np.ndarray, source: Path
) -> dict[str, pd.DataFrame]:
    """Tables of the map units of an area, of one survey area or of several, each with its own files of the same names.

    Args:
        paths: CSV files; those that are no table of SSURGO are passed over.
        mukeys: map unit keys of the area; rows of others are left out.
        source: for messages.

    Returns:
        `component`, `chorizon` and maybe `muaggatt`, keys as whole numbers in text, columns in lower case.

    Raises:
        LoamError: a table or column is missing, a field is no number, or two files tell different things of one key.
    """
    files = {name: [path for path in paths if path.stem.lower() == name] for name in TABLES}
    for name in ("component", "chorizon"):
        if not files[name]:
            msg = f"{source}: table {name}.csv is missing; export it from the geodatabase beside the raster of map unit keys"
            raise LoamError(msg)
    wanted = {str(int(key)) for key in mukeys}
    component = _joined(files["component"], "component", "mukey", wanted, "cokey")
    tables = {
        "component": component,
        "chorizon": _joined(files["chorizon"], "chorizon", "cokey", {*component["cokey"]}, None),
    }
    if files["muaggatt"]:
        tables["muaggatt"] = _joined(files["muaggatt"], "muaggatt", "mukey", wanted, "mukey")
    return tables


def _joined(
    paths: Sequence[Path], name: str, key: str, wanted: set[str], unique: str | None
) -> pd.DataFrame:
    """One table of several files: what two have alike counts once."""
    parts = [(path, _rows(path, name, key, wanted)) for path in paths]
    first_of: dict[str, tuple[Path, pd.DataFrame]] = {}
    kept = []
    for path, rows in parts:
        fresh = []
        for value, group in rows.groupby(unique or key, sort=False):
            known = first_of.setdefault(str(value), (path, group))
            if known[0] == path and known[1] is group:
                fresh.append(group)
            elif not known[1].reset_index(drop=True).equals(group.reset_index(drop=True)):
                msg = f"{path}: {unique or key} {value} is told otherwise in {known[0]}; keep the survey of one date"
                raise LoamError(msg)
        kept += fresh
    return pd.concat(kept, ignore_index=True) if kept else parts[0][1]


def _rows(path: Path, name: str, key: str, wanted: set[str]) -> pd.DataFrame:
    """Rows of one file whose key is wanted, numbers as numbers."""
    table = read_table(path, WANTED[name], f"the table {name} of SSURGO", only=True)
    frame = table.frame
    for column in TABLES[name]:
        if column not in frame:
            msg = f"{path}: {name}.csv has no column {column}; export the table whole"
            raise LoamError(msg)
    frame = frame[[column for column in WANTED[name] if column in frame]]
    for column in KEYS:
        if column in frame:
            frame = frame.assign(**{column: _keys(frame[column], path, whole=column == "mukey")})
    frame = frame[frame[key].isin(wanted)].drop_duplicates()
    alone = {"component": "cokey", "muaggatt": "mukey"}.get(name)
    if alone is not None and (twice := frame[frame[alone].duplicated()]).size:
        msg = f"{path}: {alone} {twice[alone].iloc[0]} is there twice with different values (line {twice.index[0]}); export the table again"
        raise LoamError(msg)
    figures = [str(column) for column in frame if column not in {*KEYS, "hydgrpdcd"}]
    return frame.assign(
        **{column: numbers(frame[column], path, table.decimal) for column in figures}
    )


def _keys(values: pd.Series, path: Path, *, whole: bool) -> pd.Series:
    """Keys as text, without what spreadsheets add: `100,001` and `100001.0` are 100001."""
    plain = values.str.replace(
        r"^(\d{1,3})((?:,\d{3})+)$", lambda m: m[0].replace(",", ""), regex=True
    ).str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    wrong = ~plain.str.fullmatch(r"\d+") if whole else plain == ""
    if wrong.any():
        line, value = plain.index[wrong][0], values[wrong].iloc[0]
        msg = f"{path}: column {values.name} has '{value[:30]}' in line {line}, which is no key of SSURGO; export the table as plain text"
        raise LoamError(msg)
    return plain


def map_unit_properties(tables: Mapping[str, pd.DataFrame], depth_cm: float) -> pd.DataFrame:
    """Properties of the topsoil by map unit key, ascending.

    Horizons count by their thickness within the topsoil, components by their share; each property over those that have it.

    Args:
        tables: as of `survey_tables`.
        depth_cm: thickness of the topsoil [cm].
    """
    horizons = tables["chorizon"]
    thick = np.minimum(horizons["hzdepb_r"], depth_cm) - horizons["hzdept_r"].clip(lower=0)
    horizons = horizons.assign(thick=thick)[thick > 0].merge(
        tables["component"][["cokey", "mukey", "comppct_r"]], on="cokey"
    )
    horizons["mukey"] = horizons["mukey"].astype("int64")
    weight = horizons["thick"] * horizons["comppct_r"]
    found = {
        ours: _weighted_by_key(horizons[column] * factor, weight, horizons["mukey"])
        for column, (ours, factor) in COLUMNS.items()
        if column in horizons
    }
    properties = pd.DataFrame(found).sort_index()
    if "muaggatt" in tables:
        strange = sorted({*tables["muaggatt"]["hydgrpdcd"]} - {*GROUPS, ""})
        if strange:
            logging.getLogger(__name__).warning(
                "hydgrpdcd of muaggatt.csv has %s, which is no hydrologic group and not used",
                strange,
            )
        groups = (
            tables["muaggatt"]
            .assign(mukey=tables["muaggatt"]["mukey"].astype("int64"))
            .set_index("mukey")["hydgrpdcd"]
        )
        properties["hydrologic_group"] = groups.map(GROUPS).reindex(properties.index)
    return properties


def _weighted_by_key(values: pd.Series, weight: pd.Series, keys: pd.Series) -> pd.Series:
    known = values.notna()
    total = (values * weight).where(known).groupby(keys).sum()
    return total / weight.where(known).groupby(keys).sum().replace(0, np.nan)
