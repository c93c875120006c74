"""Compare the resources that Loam asks for with what a finished run has used.

    python benchmarks/needs.py results/demo config/demo.yaml

One line a rule: the largest job's memory and processor time, and how many times as much was expected and is asked for.
"""

import csv
import sys
from pathlib import Path

from loam import config
from loam.runtime import plan, resources


def main(results: Path, *configfiles: str) -> None:
    """Print the table."""
    cfg = config.load(plan.merged([plan.DEFAULT, *map(Path, configfiles)]))
    print(
        "| rule | memory [MB] | asked for [MB] | processor time [s] | expected [s] |\n|---|---|---|---|---|"
    )
    for name, (memory_mb, seconds) in used(results / "benchmarks").items():
        request = resources.resources_for(name, cfg)
        note = "" if memory_mb + resources.STARTER_MB < request.memory_mb else " **too little**"
        print(
            f"| {name} | {memory_mb:.0f} | {request.memory_mb}{note} | {seconds:.1f} | {request.core_seconds:.1f} |"
        )


def used(folder: Path) -> dict[str, tuple[float, float]]:
    """Most memory [MB] and processor time [s] of any job of a rule."""
    out: dict[str, tuple[float, float]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        name = path.stem if path.parent == folder else path.parent.name
        with path.open() as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        if name in resources.NEEDS and row["max_rss"] not in ("NA", "-"):
            before = out.get(name, (0.0, 0.0))
            out[name] = (
                max(before[0], float(row["max_rss"])),
                max(before[1], float(row["cpu_time"])),
            )
    return out


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
