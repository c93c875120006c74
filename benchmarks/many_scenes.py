"""How long Snakemake plans a run of many scenes that have been found: `python benchmarks/many_scenes.py [scenes]`.

The products are empty folders with a manifest and every other source an empty file, since planning opens none of them.
"""

import csv
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
COLUMNS = [
    "scene",
    "platform",
    "time",
    "relative_orbit",
    "pass",
    "track",
    "quarter",
    "polarisations",
    "products",
    "orbit_file",
    "checksum",
]
TRACKS, REPEAT_DAYS = 20, 12
CONFIG = """\
area: many
run: many
period: {{start: 2015-01-01, end: {end}}}
grid: {{aoi: [0, 0, 100000, 100000], crs: EPSG:32618}}
sources:
  backscatter: {{path: scenes}}
  weather: {{path: weather.nc}}
  dem: {{path: dem.tif, geoid: ellipsoid}}
  ndvi: {{path: null}}
  landcover: {{path: null}}
  soil: {{path: null}}
"""


def main(scenes: int = 3000) -> None:
    """Plan once with all scenes to be flattened."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        end = make(place, scenes)
        (place / "many.yaml").write_text(CONFIG.format(end=end))
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "-n",
            "--quiet",
            "rules",
            "--snakefile",
            str(REPOSITORY / "Snakefile"),
        ]
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, "--configfile", "many.yaml", "--cores", "2"],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    counts = dict(
        line.split()
        for line in (done.stdout + done.stderr).splitlines()
        if len(line.split()) == 2 and line.split()[1].isdigit()
    )
    print(
        f"| {scenes} scenes | {counts['flatten_scenes']} batches | {counts['total']} jobs | {seconds:.1f} s |"
    )


def make(place: Path, scenes: int) -> str:
    """Lay out a folder of products and the table that names them; return the last day."""
    for name in ("weather.nc", "dem.tif"):
        (place / name).touch()
    rows, day = [], datetime(2015, 1, 1)
    for number in range(scenes):
        track, step = f"A{number % TRACKS + 1:03d}", number // TRACKS
        day = datetime(2015, 1, 1) + timedelta(days=REPEAT_DAYS * step, hours=number % TRACKS)
        name = f"S1A_{day:%Y%m%dT%H%M%S}_{track}"
        product = place / f"scenes/{name}.SAFE"
        product.mkdir(parents=True)
        (product / "manifest.safe").touch()
        quarter = f"{day.year}q{(day.month + 2) // 3}"
        values = (
            name,
            "S1A",
            f"{day:%Y-%m-%dT%H:%M:%S}Z",
            track[1:],
            "ascending",
            track,
            quarter,
            "vv vh",
            f"scenes/{product.name}",
            "",
            "0",
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    table = place / "resources/many/scenes.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (table.parent / "rejected.csv").write_text("product,reason\n")
    return f"{day + timedelta(days=1):%Y-%m-%d}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
