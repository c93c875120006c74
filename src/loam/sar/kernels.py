"""The loops over facets and pixels that arrays cannot express without holding everything at once, compiled by numba.

Arguments are arrays and numbers as the callers in `terrain` describe them; `fields` are the polynomials of a `View`,
`place` turns rows, columns and heights into its coordinates, `numbers`, `record_s`, `start_m`, `coefficients` are an `ImageGrid`.
"""

import numpy as np
from numba import njit

from loam.core.flags import Mask

# Fields of `View.fields`, in order; METRIC and the five after it.
TIME, RANGE, UP, EAST, NORTH, METRIC = range(6)
SPEED = METRIC + 6
LAYOVER, SHADOW = int(Mask.LAYOVER), int(Mask.SHADOW)  # numba knows no flags


@njit(cache=True, nogil=True)
def row_of(fields, y):
    """Polynomials of one row of the map: `(field, x, height)` from `(field, y, x, height)` at y in [-1, 1]."""
    count, degree = fields.shape[0], fields.shape[1]
    row = fields[:, degree - 1].copy()
    for power in range(degree - 2, -1, -1):
        for field in range(count):
            for i in range(fields.shape[2]):
                for k in range(fields.shape[3]):
                    row[field, i, k] = row[field, i, k] * y + fields[field, power, i, k]
    return row


@njit(cache=True, nogil=True)
def value_of(row, field, x, h):
    """A field at x and height, both in [-1, 1], of a row's polynomials.

    Args:
        row: polynomials of `row_of` `(field, x, height)`.
        field: number of the field.
        x: in [-1, 1].
        h: height, in [-1, 1].
    """
    total = 0.0
    for k in range(row.shape[2] - 1, -1, -1):
        part = row[field, row.shape[1] - 1, k]
        for i in range(row.shape[1] - 2, -1, -1):
            part = part * x + row[field, i, k]
        total = total * h + part
    return total


@njit(cache=True, nogil=True)
def ground_range(time, distance, record_s, start_m, coefficients):
    """Ground range [m] and its derivative by slant range [1], linear in time between records.

    Args:
        time: of the line [s].
        distance: slant range [m].
        record_s: times of its ground-range records [s] `(record)`.
        start_m: slant range from which each record counts [m] `(record)`.
        coefficients: of each record's polynomial `(record, power)`.
    """
    count = record_s.size
    if count == 1:
        return _polynomial(coefficients[0], distance - start_m[0])
    after = 1
    while after < count - 1 and record_s[after] < time:
        after += 1
    before = after - 1
    share = min(max((time - record_s[before]) / (record_s[after] - record_s[before]), 0.0), 1.0)
    first, first_slope = _polynomial(coefficients[before], distance - start_m[before])
    second, second_slope = _polynomial(coefficients[after], distance - start_m[after])
    return first + share * (second - first), first_slope + share * (second_slope - first_slope)


@njit(cache=True, nogil=True)
def _polynomial(coefficients, x):
    value, slope = 0.0, 0.0
    for power in range(coefficients.size - 1, -1, -1):
        slope = slope * x + value
        value = value * x + coefficients[power]
    return value, slope


@njit(cache=True, nogil=True)
def positions(heights, rows, columns, place, fields, numbers, record_s, start_m, coefficients):
    """Lines and pixels of rows and columns of corners at given heights.

    Args:
        heights: of corners of facets [m] `(y, x)`.
        rows: rows of the corners, counted from the view's first.
        columns: their columns.
        place: what turns rows, columns and heights into the coordinates of the fields, see `View`.
        fields: polynomials of a `View` `(field, y, x, height)`.
        numbers: time of the first line [s], time between lines [s], and spacing of pixels [m] of an `ImageGrid`.
        record_s: times of its ground-range records [s] `(record)`.
        start_m: slant range from which each record counts [m] `(record)`.
        coefficients: of each record's polynomial `(record, power)`.
    """
    lines, pixels = np.empty(heights.size), np.empty(heights.size)
    n = 0
    for i in range(rows.size):
        row = row_of(fields, place[2] - rows[i] * place[3])
        for j in range(columns.size):
            x, h = place[0] + columns[j] * place[1], (heights[i, j] - place[4]) / place[5]
            time = value_of(row, TIME, x, h)
            ground, _ = ground_range(
                time, value_of(row, RANGE, x, h), record_s, start_m, coefficients
            )
            lines[n], pixels[n] = (time - numbers[0]) / numbers[1], ground / numbers[2]
            n += 1
    return lines, pixels


@njit(cache=True, nogil=True, error_model="numpy")
def illuminate(
    area,
    heights,
    shadow,
    per_pixel,
    place,
    fields,
    origin,
    numbers,
    record_s,
    start_m,
    coefficients,
):
    """Add every facet's lit area to the cells around its place in the image.

    Args:
        area: simulated image; areas are added `(line, pixel)`.
        heights: of corners of facets [m] `(y, x)`.
        shadow: bits of layover and shadow of every pixel `(y, x)`.
        per_pixel: facets along the edge of a pixel.
        place: what turns rows, columns and heights into the coordinates of the fields, see `View`.
        fields: polynomials of a `View` `(field, y, x, height)`.
        origin: first line and first pixel of the window, and edge of a cell [pixel].
        numbers: time of the first line [s], time between lines [s], and spacing of pixels [m] of an `ImageGrid`.
        record_s: times of its ground-range records [s] `(record)`.
        start_m: slant range from which each record counts [m] `(record)`.
        coefficients: of each record's polynomial `(record, power)`.
    """
    step = place[6]
    scale = step * step / (numbers[2] * numbers[1] * origin[2] ** 2)
    for i in range(heights.shape[0] - 1):
        row = row_of(fields, place[2] - (i + 0.5) * place[3])
        for j in range(heights.shape[1] - 1):
            if shadow[i // per_pixel, j // per_pixel] & SHADOW:
                continue
            h, slope_x, slope_y = _facet(heights, i, j, step)
            x, h = place[0] + (j + 0.5) * place[1], (h - place[4]) / place[5]
            lit = (
                value_of(row, UP, x, h)
                + slope_x * value_of(row, EAST, x, h)
                + slope_y * value_of(row, NORTH, x, h)
            )
            if lit <= 0:
                continue
            time = value_of(row, TIME, x, h)
            ground, slope = ground_range(
                time, value_of(row, RANGE, x, h), record_s, start_m, coefficients
            )
            line = ((time - numbers[0]) / numbers[1] - origin[0]) / origin[2]
            pixel = (ground / numbers[2] - origin[1]) / origin[2]
            _spread(area, line, pixel, lit * slope * scale / value_of(row, SPEED, x, h))


@njit(cache=True, nogil=True)
def _facet(heights, i, j, step):
    """Mean height of a facet and its slopes to the east and to the north."""
    a, b, c, d = heights[i, j], heights[i, j + 1], heights[i + 1, j], heights[i + 1, j + 1]
    return 0.25 * (a + b + c + d), 0.5 * (b + d - a - c) / step, 0.5 * (a + b - c - d) / step


@njit(cache=True, nogil=True)
def _spread(area, line, pixel, weight):
    i, j = int(np.floor(line)), int(np.floor(pixel))
    if i < 0 or j < 0 or i + 1 >= area.shape[0] or j + 1 >= area.shape[1]:
        return
    down, right = line - i, pixel - j
    area[i, j] += (1 - down) * (1 - right) * weight
    area[i, j + 1] += (1 - down) * right * weight
    area[i + 1, j] += down * (1 - right) * weight
    area[i + 1, j + 1] += down * right * weight


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    seen,
    expected,
    beta,
    area,
    heights,
    per_pixel,
    place,
    fields,
    origin,
    numbers,
    record_s,
    start_m,
    coefficients,
):
    """Add image and simulated image at every facet to the sums of its pixel.

    Args:
        seen: sums of the image, added to `(channel, y, x)`.
        expected: sums of the simulated image, added to `(channel, y, x)`.
        beta: image `(channel, line, pixel)`.
        area: simulated image, in cells `(line, pixel)`.
        heights: of corners of facets [m] `(y, x)`.
        per_pixel: facets along the edge of a pixel.
        place: what turns rows, columns and heights into the coordinates of the fields, see `View`.
        fields: polynomials of a `View` `(field, y, x, height)`.
        origin: first line and first pixel of the window, and edge of a cell [pixel].
        numbers: time of the first line [s], time between lines [s], and spacing of pixels [m] of an `ImageGrid`.
        record_s: times of its ground-range records [s] `(record)`.
        start_m: slant range from which each record counts [m] `(record)`.
        coefficients: of each record's polynomial `(record, power)`.
    """
    for i in range(seen.shape[1] * per_pixel):
        row = row_of(fields, place[2] - (i + 0.5) * place[3])
        for j in range(seen.shape[2] * per_pixel):
            h, _, _ = _facet(heights, i, j, place[6])
            x, h = place[0] + (j + 0.5) * place[1], (h - place[4]) / place[5]
            time = value_of(row, TIME, x, h)
            ground, _ = ground_range(
                time, value_of(row, RANGE, x, h), record_s, start_m, coefficients
            )
            line, pixel = (
                (time - numbers[0]) / numbers[1] - origin[0],
                ground / numbers[2] - origin[1],
            )
            model = _between(area, line / origin[2], pixel / origin[2])
            for channel in range(beta.shape[0]):
                power = _between(beta[channel], line, pixel)
                if np.isfinite(power) and np.isfinite(model):
                    seen[channel, i // per_pixel, j // per_pixel] += power
                    expected[channel, i // per_pixel, j // per_pixel] += model


@njit(cache=True, nogil=True)
def _between(image, line, pixel):
    """Bilinear value of an image, NaN outside."""
    i, j = int(np.floor(line)), int(np.floor(pixel))
    if i < 0 or j < 0 or i + 1 >= image.shape[0] or j + 1 >= image.shape[1]:
        return np.nan
    down, right = line - i, pixel - j
    above = image[i, j] * (1 - right) + image[i, j + 1] * right
    return above * (1 - down) + (image[i + 1, j] * (1 - right) + image[i + 1, j + 1] * right) * down


@njit(cache=True, nogil=True, error_model="numpy")
def incidence(angle, heights, per_pixel, place, fields):
    """Local incidence angle of every pixel [degree].

    Args:
        angle: filled `(y, x)` [degree].
        heights: of corners of facets [m] `(y, x)`.
        per_pixel: facets along the edge of a pixel.
        place: what turns rows, columns and heights into the coordinates of the fields, see `View`.
        fields: polynomials of a `View` `(field, y, x, height)`.
    """
    step = place[6] * per_pixel
    for i in range(angle.shape[0]):
        row = row_of(fields, place[2] - (i + 0.5) * per_pixel * place[3])
        for j in range(angle.shape[1]):
            h, east, north = _pixel(heights, i * per_pixel, j * per_pixel, per_pixel, step)
            x, h = place[0] + (j + 0.5) * per_pixel * place[1], (h - place[4]) / place[5]
            lit = (
                value_of(row, UP, x, h)
                + east * value_of(row, EAST, x, h)
                + north * value_of(row, NORTH, x, h)
            )
            size = value_of(row, METRIC, x, h)
            size += east * east * value_of(row, METRIC + 1, x, h) + north * north * value_of(
                row, METRIC + 2, x, h
            )
            size += 2 * (
                east * value_of(row, METRIC + 3, x, h) + north * value_of(row, METRIC + 4, x, h)
            )
            size += 2 * east * north * value_of(row, METRIC + 5, x, h)
            angle[i, j] = np.rad2deg(np.arccos(min(max(lit / np.sqrt(size), -1.0), 1.0)))


@njit(cache=True, nogil=True)
def _pixel(heights, i, j, per_pixel, step):
    """Mean height of a pixel and its mean slopes to the east and to the north, from the corners on its rim."""
    east = north = total = 0.0
    for k in range(per_pixel + 1):
        weight = 0.5 if k in (0, per_pixel) else 1.0
        east += weight * (heights[i + k, j + per_pixel] - heights[i + k, j])
        north += weight * (heights[i, j + k] - heights[i + per_pixel, j + k])
        total += weight * (
            heights[i + k, j]
            + heights[i + k, j + per_pixel]
            + heights[i, j + k]
            + heights[i + per_pixel, j + k]
        )
    return total / (4 * per_pixel), east / (per_pixel * step), north / (per_pixel * step)


@njit(cache=True, nogil=True, error_model="numpy")
def occlude(bits, heights, lowest, highest, per_pixel, place, fields):
    """Bits of layover and shadow of every pixel.

    Args:
        bits: filled `(y, x)`.
        heights: of the middles of pixels [m] `(y, x)`.
        lowest: of all heights [m].
        highest: of all heights [m].
        per_pixel: facets along the edge of a pixel.
        place: what turns rows, columns and heights into the coordinates of the fields, see `View`.
        fields: polynomials of a `View` `(field, y, x, height)`.
    """
    step = place[6] * per_pixel
    for i in range(bits.shape[0]):
        row = row_of(fields, place[2] - (i + 0.5) * per_pixel * place[3])
        for j in range(bits.shape[1]):
            z = heights[i, j]
            x, h = place[0] + (j + 0.5) * per_pixel * place[1], (z - place[4]) / place[5]
            # On flat ground N is a; b and c tell how tilting it east and north turns it away from the satellite.
            up, east, north = (
                value_of(row, UP, x, h),
                -value_of(row, EAST, x, h),
                -value_of(row, NORTH, x, h),
            )
            flat = np.hypot(east, north)
            tangent = flat / up
            bits[i, j] = _along(
                heights, i, j, z, -north / flat, east / flat, step, tangent, lowest, highest
            )


@njit(cache=True, nogil=True)
def _along(heights, i, j, z, down, right, step, tangent, lowest, highest):
    """Look from a pixel towards the satellite (down rows, right columns) and away from it."""
    found = 0
    reach = max((highest - z) * tangent, max(z - lowest, highest - z) / tangent) / step
    for k in range(1, int(reach) + 2):
        nearer = _between(heights, i + k * down, j + k * right)
        if nearer <= z - k * step * tangent:
            found |= LAYOVER
        if nearer > z + k * step / tangent:
            found |= SHADOW
        farther = _between(heights, i - k * down, j - k * right)
        if farther >= z + k * step * tangent:
            found |= LAYOVER
    return found
