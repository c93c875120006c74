"""Command `plan`: jobs, core-hours, GPU-hours, memory and disk of a configuration, before anything runs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loam import config
from loam.config.yaml_file import merged
from loam.core.shipped import shipped
from loam.runtime import resources


@dataclass(frozen=True)
class Total:
    """Of all jobs of a rule, or of a run."""

    jobs: int
    core_hours: float
    gpu_hours: float
    memory_mb: int  # of the largest job
    minutes: int  # of the longest job
    disk_gb: float


def plan(configfile: list[Path]) -> None:
    """Print what a run needs, rule by rule and in all, and how that grows with area and years.

    Args:
        configfile: as for `snakemake --configfile`: later ones override earlier ones, all override config/default.yaml.
    """
    print("\n".join(lines(config.load(merged([shipped("config/default.yaml"), *configfile])))))


def lines(cfg: config.Config) -> list[str]:
    """The plan as text."""
    size = resources.size_of(cfg)
    rows = by_rule(cfg, size)
    head = f"{cfg.run}: {size.megapixels:.2f} million pixels, {size.dates:.0f} acquisitions"
    table = [_row("rule", "jobs", "core-hours", "GPU-hours", "memory MB", "minutes", "disk GB")]
    table += [_row(name, *_cells(row)) for name, row in rows.items()]
    larger = replace(size, megapixels=2 * size.megapixels)
    longer = replace(size, dates=2 * size.dates, quarters=2 * size.quarters)
    sums = {"in all": size, "twice the area": larger, "twice the years": longer}
    table += [
        _row(name, *_cells(total(by_rule(cfg, each).values()))) for name, each in sums.items()
    ]
    starts = sum(row.jobs for row in rows.values()) * resources.SLURM_START_S / 3600
    return [
        head,
        "",
        *table,
        "",
        "memory and minutes: what the largest job of a rule asks Slurm for; core-hours: expected, of a core of the machine in",
        f"docs/performance.md; starting as many jobs through Slurm one by one adds {starts:.1f} h. GPU-hours are upper bounds: what a GPU",
        "saves has not been measured, so a job is taken to hold its GPU as long as the cores would need.",
    ]


def by_rule(cfg: config.Config, size: resources.Size) -> dict[str, Total]:
    """What each rule's jobs need together."""
    out = {}
    for name, count in resources.jobs(cfg, size).items():
        one = resources.resources_for(name, cfg, size)
        hours = count * one.core_seconds / 3600
        held = hours / resources.speedup(one.threads) * one.gpus
        out[name] = Total(
            count, hours, held, one.memory_mb, one.minutes, count * one.disk_mb / 1000
        )
    return out


def total(rows: Any) -> Total:
    """Sums of all rules; memory and minutes of the largest job."""
    rows = list(rows)
    return Total(
        sum(row.jobs for row in rows),
        sum(row.core_hours for row in rows),
        sum(row.gpu_hours for row in rows),
        max(row.memory_mb for row in rows),
        max(row.minutes for row in rows),
        sum(row.disk_gb for row in rows),
    )


def _cells(row: Total) -> tuple[str, ...]:
    gpu = f"{row.gpu_hours:.1f}" if row.gpu_hours else "-"
    return (
        str(row.jobs),
        f"{row.core_hours:.2f}",
        gpu,
        str(row.memory_mb),
        str(row.minutes),
        f"{row.disk_gb:.2f}",
    )


def _row(name: str, *cells: str) -> str:
    return f"{name:20}" + "".join(f"{cell:>12}" for cell in cells)
