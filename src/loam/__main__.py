"""Command line: `python -m loam detect-change --stack … --out … --params '{…}'`. One command per step."""

import argparse
import importlib
import inspect
import json
import logging
import sys
import types
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from loam.errors import LoamError

COMMANDS = {
    "plan": "loam.plan:plan",
    "check-inputs": "loam.sources.check:check_inputs",
    "make-twin": "loam.twin.scene:make_twin",
    "import-cube": "loam.sources.cube:import_cube",
    "find-scenes": "loam.sar.scenes:find_scenes",
    "prepare-heights": "loam.sar.heights:prepare_heights",
    "flatten-scenes": "loam.sar.flatten:flatten_scenes",
    "stack-scenes": "loam.sar.stack:stack_scenes",
    "filter-speckle": "loam.sar.speckle:filter_speckle",
    "import-weather": "loam.sources.weather:import_weather",
    "import-soil": "loam.sources.soil:import_soil",
    "import-ndvi": "loam.sources.ndvi:import_ndvi",
    "mosaic-dem": "loam.sources.dem:mosaic_dem",
    "prepare-static": "loam.covariates.static:prepare_static",
    "prepare-weather": "loam.covariates.weather:prepare_weather",
    "prepare-ndvi": "loam.covariates.vegetation:prepare_ndvi",
    "report-covariates": "loam.covariates.quality:report_covariates",
    "make-splits": "loam.learning.splits:make_splits",
    "fit-references": "loam.moisture.references:fit_references",
    "detect-change": "loam.moisture.change:detect_change",
    "detect-acquisition": "loam.moisture.change:detect_acquisition",
    "volumetric-moisture": "loam.moisture.derived:volumetric_moisture",
    "soil-water-index": "loam.moisture.derived:soil_water_index",
    "sample-patches": "loam.learning.patches:sample_patches",
    "check-splits": "loam.learning.leaks:check_splits",
    "check-device": "loam.learning.device:check_device",
    "train": "loam.learning.training:train",
    "predict": "loam.learning.prediction:predict",
    "predict-date": "loam.learning.prediction:predict_date",
    "calibrate": "loam.learning.calibration:calibrate",
    "collect-samples": "loam.evaluation.samples:collect_samples",
    "probe-model": "loam.learning.probes:probe_model",
    "score": "loam.evaluation.scores:score",
    "validate-stations": "loam.evaluation.insitu:validate_stations",
    "write-maps": "loam.products.maps:write_maps",
    "draw-maps": "loam.products.map_figures:draw_maps",
    "draw-scores": "loam.products.score_figures:draw_scores",
    "draw-stations": "loam.products.station_figure:draw_stations",
    "draw-series": "loam.products.series_figure:draw_series",
    "draw-scenes": "loam.products.scenes_figure:draw_scenes",
    "draw-moisture": "loam.products.moisture_figure:draw_moisture",
    "draw-sampling": "loam.products.sampling_figure:draw_sampling",
    "draw-covariates": "loam.products.covariates_figure:draw_covariates",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. A fault of the user's is one line on standard error and exit status 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m loam COMMAND --help\ncommands: {', '.join(COMMANDS)}", file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    module, _, name = COMMANDS[arguments[0]].partition(":")
    step = getattr(importlib.import_module(module), name)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("loam").setLevel(logging.INFO)
    values: dict[str, Any] = {}
    try:
        values = _parse(step, arguments)
        with _cores(values.get("threads", 1)):
            step(**values)
    except LoamError as error:
        print(f"loam {arguments[0]}: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from loam.damage import explain

        if reason := explain(error, values):
            print(f"loam {arguments[0]}: {reason}", file=sys.stderr)
            return 1
        raise
    return 0


def _cores(threads: int) -> AbstractContextManager[Any]:
    """Let dask use the cores that the job was given, and no more: it would take all that the node has, and memory for each."""
    import dask

    return dask.config.set(num_workers=threads)


def _parse(step: Callable[..., None], arguments: list[str]) -> dict[str, Any]:
    """Turn the command line into the step's arguments, by its annotations.

    A `Path` is an option with one file, `Path | None` one that may be empty, `list[Path]` one with many; `threads` and
    `member` are numbers. Everything else comes as JSON through `--params`, keyed by argument, and is checked by pydantic.
    """
    hints = {name: hint for name, hint in typing.get_type_hints(step).items() if name != "return"}
    parser = argparse.ArgumentParser(prog=f"loam {arguments[0]}", description=inspect.getdoc(step))
    settings = {name for name, hint in hints.items() if _add_option(parser, name, hint) is False}
    if settings:
        text = f"JSON object with: {', '.join(sorted(settings))}; given more than once, they are joined"
        parser.add_argument("--params", type=json.loads, action="append", required=True, help=text)
    values = {name: _folder_of_zarr(value) for name, value in vars(parser.parse_args(arguments[1:])).items()}
    given = {key: value for part in values.pop("params", []) for key, value in part.items()}
    return values | {name: _validated(name, hints[name], given) for name in settings}


def _folder_of_zarr(value: Any) -> Any:
    """A Zarr may be named by the metadata of its group, as the workflow names the stack: it stands for its folder."""
    return value.parent if isinstance(value, Path) and value.name == "zarr.json" else value


def _add_option(parser: argparse.ArgumentParser, name: str, hint: Any) -> bool:
    flag = "--" + name.replace("_", "-")
    if hint is Path:
        parser.add_argument(flag, type=Path, required=True)
    elif hint == list[Path]:
        parser.add_argument(flag, type=Path, nargs="*", default=[])
    elif typing.get_origin(hint) is types.UnionType and Path in typing.get_args(hint):
        parser.add_argument(flag, type=Path, nargs="?", default=None)
    elif name in {"threads", "member"}:
        parser.add_argument(flag, type=int, default=1)
    else:
        return False
    return True


def _validated(name: str, hint: Any, given: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    if name not in given:
        msg = f"--params: '{name}' is missing; give it as a key of the JSON object"
        raise LoamError(msg)
    try:
        return TypeAdapter(hint).validate_json(json.dumps(given[name]))
    except ValidationError as error:
        fault = error.errors()[0]
        msg = f"--params: {name}.{'.'.join(map(str, fault['loc']))} = {fault['input']!r}: {fault['msg']}"
        raise LoamError(msg) from None


if __name__ == "__main__":
    sys.exit(main())
