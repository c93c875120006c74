"""Days: which one a time stamp belongs to, hours into days, and calendars without a 31 December."""

from pathlib import Path

import numpy as np
import xarray as xr

from loam.core.errors import LoamError

DAY = np.timedelta64(1, "D")
KNOWN_SHARE = (
    0.75  # ASSUME: three quarters of a day's hours speak for its mean and extremes; a sum needs all
)
HOUR_NS = 3_600_000_000_000
DAILY_H = 23  # values so far apart [h] are daily
FEWEST_WET = 3  # days and cells with a total, before the next day's first step says anything
# Of the largest total, and [m]: an accumulation falls by so much where it is packed.
ROUNDING_SHARE, ROUNDING_M = (
    1e-3,
    2e-5,
)


def step_hours(times: np.ndarray) -> float:
    """Usual distance of two time stamps [h]; a day where there is only one."""
    if times.size < 2:
        return 24.0
    return (
        float(np.median(np.diff(np.sort(times).astype("datetime64[ns]").astype(np.int64))))
        / HOUR_NS
    )


def deaccumulated(values: xr.DataArray, path: Path) -> xr.DataArray:
    """Totals of each step, stamped at its start, from totals since 00 UTC stamped at their end.

    Where there is one value a day, it is the whole day's and stands at the next day's 00:00.

    Args:
        values: `(time, …)`, in order of time.
        path: the source, for messages.

    Returns:
        As many steps, or one less where the first one's hour before is not there. Where another's is missing, NaN.

    Raises:
        LoamError: totals fall within a day: they are none.
    """
    times = values["time"].values.astype("datetime64[ns]")
    hours = step_hours(times)
    step = np.timedelta64(round(hours * HOUR_NS), "ns")
    shifted = values.assign_coords(time=times - step)
    if hours > DAILY_H:
        return shifted
    # The first step after 00 UTC.
    since_midnight = (times - step).astype("datetime64[D]") == (times - step)
    previous = values.shift(time=1)
    follows = np.concatenate([[False], np.diff(times) == step])
    known = values.copy(data=np.where(_along(follows, values), (values - previous).values, np.nan))
    out = np.where(_along(since_midnight, values), values.values, known.values)
    # Packing to 16 bits makes an accumulation fall by its last digit now and then: no rain flows back.
    fallen = out < -np.maximum(
        ROUNDING_SHARE * float(np.nanmax(np.abs(values.values), initial=0)), ROUNDING_M
    )
    if fallen.any():
        when = str(times[fallen.reshape(times.size, -1).any(axis=1)][0])[:16]
        msg = (
            f"{path}: {values.name} falls within the day ({when}), so that it is not accumulated since 00 UTC as ERA5-Land's totals are; "
            "ERA5's are those of each hour: bring ERA5-Land, or read it as kind netcdf with sources.weather.stamp: end"
        )
        raise LoamError(msg)
    _require_new_days(values, since_midnight, follows, path)
    # What came before the first value is not in the file.
    begun = slice(0 if since_midnight[0] else 1, None)
    return shifted.copy(data=np.where(out < 0, np.maximum(out, 0), out)).isel(time=begun)


def _require_new_days(
    values: xr.DataArray, since_midnight: np.ndarray, follows: np.ndarray, path: Path
) -> None:
    """Stop where totals do not begin again at 00 UTC: the first step of a day holds no more than a part of a usual day's total."""
    first = np.flatnonzero(since_midnight & follows)
    before, after = values.values[first - 1], values.values[first]
    wet = np.isfinite(after) & (before > 0)
    if wet.sum() < FEWEST_WET or (after[wet] >= before[wet]).mean() < 0.5:
        return
    msg = (
        f"{path}: {values.name} does not begin again at 00 UTC, as ERA5-Land's totals do; if these are totals of each hour, as ERA5's are,"
        " read them as kind netcdf with sources.weather.stamp: end"
    )
    raise LoamError(msg)


def _along(mask: np.ndarray, values: xr.DataArray) -> np.ndarray:
    return mask.reshape(-1, *[1] * (values.ndim - 1))


def by_day(values: xr.DataArray, how: str, day_ends_utc_h: float) -> xr.DataArray:
    """Whole days from several values a day; days with less than all their hours are left out.

    Args:
        values: `(time, …)`, each time the start of what the value covers.
        how: sum, mean, min or max; a missing value leaves no sum, and a quarter missing no mean.
        day_ends_utc_h: hour at which a day ends [h, UTC]; what falls after it counts for the next day.
    """
    hours = step_hours(values["time"].values)
    late = np.timedelta64(round((24 - day_ends_utc_h) * HOUR_NS), "ns")
    day = (
        (values["time"].values.astype("datetime64[ns]") + late)
        .astype("datetime64[D]")
        .astype("datetime64[ns]")
    )
    starts = (
        np.flatnonzero(np.concatenate([[True], day[1:] != day[:-1]]))
        if day.size
        else np.array([], int)
    )
    counts = np.diff(np.append(starts, day.size))
    totals = _reduced(values.values, starts, counts, how)
    coords = {"time": day[starts]} | {name: values[name] for name in values.dims if name != "time"}
    whole = xr.DataArray(totals, dims=values.dims, coords=coords, attrs=values.attrs)
    return whole.isel(time=counts >= round(24 / hours))


def _reduced(values: np.ndarray, starts: np.ndarray, counts: np.ndarray, how: str) -> np.ndarray:
    """Sums are of all values of a day; means and extremes of those that are known, if few are not."""
    if how == "sum":
        return np.add.reduceat(values, starts, axis=0)
    known = np.isfinite(values)
    count = np.add.reduceat(known.astype(np.float32), starts, axis=0)
    neutral, reduce = {
        "mean": (0.0, np.add),
        "min": (np.inf, np.minimum),
        "max": (-np.inf, np.maximum),
    }[how]
    totals = reduce.reduceat(np.where(known, values, neutral), starts, axis=0)
    enough = count >= KNOWN_SHARE * counts.reshape(-1, *[1] * (values.ndim - 1))
    return np.where(enough, totals / np.maximum(count, 1) if how == "mean" else totals, np.nan)


def starting(values: xr.DataArray, stamp: str) -> xr.DataArray:
    """Values stamped at the start of what they cover, from ones stamped at 'start' (or 'own_day') or 'end'."""
    if stamp != "end":
        return values
    step = np.timedelta64(round(step_hours(values["time"].values) * HOUR_NS), "ns")
    return values.assign_coords(time=values["time"].values.astype("datetime64[ns]") - step)


def with_last_days_of_leap_years(values: xr.DataArray) -> xr.DataArray:
    """Fill 31 December of leap years, which 365-day calendars leave out, with the mean of the days around it.

    At the end of the series it is as the day before.

    Args:
        values: daily `(time, …)`; only days right after a 30 December of a leap year are filled.
    """
    # ASSUME: the mean of its neighbours, for rain too: it keeps the expected total, where a copy would double a storm.
    days = values["time"].values.astype("datetime64[D]")
    values = values.assign_coords(time=days.astype("datetime64[ns]"))
    added = []
    for index, day in enumerate(days):
        last = day + DAY
        month_day = str(day)[5:]
        if month_day != "12-30" or not _is_leap(day) or last in days:
            continue
        around = (
            values.isel(time=[index, index + 1])
            if index + 1 < days.size and days[index + 1] == last + DAY
            else values.isel(time=[index])
        )
        added.append(
            around.mean("time", keep_attrs=True).expand_dims(time=[last.astype("datetime64[ns]")])
        )
    return (
        xr.concat([values, *added], "time").sortby("time").assign_attrs(values.attrs)
        if added
        else values
    )


def _is_leap(day: np.datetime64) -> bool:
    year = day.astype("datetime64[Y]")
    return int(((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")) / DAY) == 366
