"""Pictures of the daily maps."""

from pathlib import Path
from typing import Any

import numpy as np

from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.products.drawing import colour_bar, map_figure, missing_grey, save, show_map, ssm_colours

# A pixel with several flags shows the first of these.
FLAG_COLOURS = {
    Flag.WATER: "#4A90C2",
    Flag.BUILT_UP: "#555555",
    Flag.FOREST: "#1B7837",
    Flag.FROZEN: "#B8E3F5",
    Flag.WET_SNOW: "#7FCDBB",
    Flag.STANDING_WATER: "#08519C",
    Flag.DENSE_VEGETATION: "#A6D96A",
    Flag.LAYOVER_SHADOW: "#762A83",
    Flag.INCIDENCE: "#C2A5CF",
    Flag.NO_OBSERVATION: "#F0E442",
    Flag.TOO_FEW_DATES: "#E69F00",
    Flag.LOW_SENSITIVITY: "#D55E00",
}
CLEAR_COLOUR = "#F4F1EA"


def draw_maps(maps: list[Path], out: list[Path]) -> None:
    """Draw every map as a PNG: soil moisture, its uncertainty, its flags.

    Args:
        maps: maps of `write_maps`.
        out: PNG to write for each.
    """
    most = max(1e-3, max(_typical_most(path) for path in maps))
    for source, target in zip(maps, out, strict=True):
        draw_map(source, target, most)


def draw_map(source: Path, target: Path, most_uncertain: float) -> None:
    """Draw one map.

    Args:
        source: GeoTIFF of `write_maps`.
        target: PNG to write.
        most_uncertain: upper end of the uncertainty's colours [1], the same for all days so that they compare.
    """
    ssm, uncertainty, flags, resolution_m, day = _read(source)
    figure, panels = map_figure(3, (ssm.shape[0], ssm.shape[1]), 3)
    image = show_map(
        panels[0][0], ssm, resolution_m, "soil moisture", cmap=ssm_colours(), vmin=0, vmax=1
    )
    colour_bar(image, panels[0][1], "relative soil moisture [1], 0 dry, 1 wet")
    options = {"cmap": missing_grey("magma_r"), "vmin": 0, "vmax": most_uncertain}
    image = show_map(panels[1][0], uncertainty, resolution_m, "uncertainty (1 sigma)", **options)
    colour_bar(image, panels[1][1], "1 sigma of soil moisture [1]")
    _draw_flags(*panels[2], flags, resolution_m)
    figure.suptitle(f"Surface soil moisture, {day}", fontsize=13)
    save(figure, target)


def flag_classes(flags: np.ndarray) -> np.ndarray:
    """Which of `FLAG_COLOURS` a pixel shows: 0 for none, else 1 + its place; int8 of the same shape.

    Args:
        flags: bits of `Flag`, any shape.
    """
    out = np.zeros(flags.shape, dtype=np.int8)
    for place, flag in reversed(list(enumerate(FLAG_COLOURS, start=1))):
        out[(flags & int(flag)) != 0] = place
    return out


def _draw_flags(
    axes: Any, below: Any, flags: np.ndarray, resolution_m: tuple[float, float]
) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    classes = flag_classes(flags)
    colours = [CLEAR_COLOUR, *FLAG_COLOURS.values()]
    norm = BoundaryNorm(np.arange(len(colours) + 1) - 0.5, len(colours))
    show_map(
        axes,
        classes,
        resolution_m,
        "flags (of several, the first in the list)",
        cmap=ListedColormap(colours),
        norm=norm,
    )
    names = ["none", *(str(flag.name).lower().replace("_", " ") for flag in FLAG_COLOURS)]
    share = np.bincount(classes.ravel(), minlength=len(names)) / classes.size
    shown = [index for index in range(len(names)) if share[index] > 0]
    patches = [
        Patch(
            facecolor=colours[index],
            edgecolor="#999999",
            label=f"{names[index]} {_percent(share[index])}",
        )
        for index in shown
    ]
    below.legend(handles=patches, loc="upper center", ncols=2, fontsize=8.5, borderaxespad=0)


def _percent(share: float) -> str:
    return "< 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")


def _typical_most(path: Path) -> float:
    uncertainty = _read(path)[1]
    known = uncertainty[np.isfinite(uncertainty)]
    return float(np.percentile(known, 99)) if known.size else 0.0


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float], str]:
    """SSM, uncertainty, flags `(y, x)`, pixel size in y and x [m], and date of a map."""
    import rasterio

    try:
        with rasterio.open(path) as bands:
            ssm, uncertainty, flags = bands.read()
            return (
                ssm,
                uncertainty,
                flags.astype(np.int32),
                bands.res[::-1],
                bands.tags().get("date", path.stem),
            )
    except (rasterio.errors.RasterioError, ValueError) as error:
        msg = f"{path}: is no map of three bands ({error}); remove it and run write-maps again"
        raise LoamError(msg) from None
