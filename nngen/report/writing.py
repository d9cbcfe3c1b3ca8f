"""Writes `report.json` and `report.html`, and draws the charts that the figures allow."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from nngen.report.contract import Report, reason_not_run
from nngen.report.page import Picture, build_page, code_records, stage_times
from nngen.stages.pictures_candidates import CandidatePoint, candidates_png
from nngen.stages.pictures_charts import adc_png, bars_png, codes_png

PICTURE_FOLDER = "pictures"
CAPTIONS = {
    "layout": "Layout, drawn from the GDS file",
    "floorplan": "Floorplan",
    "area": "Area by part",
    "codes": "Codes of the transistor-level simulation against the golden model",
    "adc": "Transfer, INL and DNL of the ADC",
    "stages": "Time by stage",
    "supply": "Distance of the supplies' lines from the pin's voltage",
    "spread": "Golden accuracy against the spread of the memory elements",
    "memory": "Memory element: current against voltage, SET, RESET and what reading reaches",
    "candidates": "Candidates of selection and their Pareto front in area, energy and latency",
}


def write_report(report: Report, folder: Path) -> None:
    """Write `report.json` and a self-contained `report.html` into `folder`.

    Charts of codes, ADC transfer, areas and stage times are drawn into `folder/pictures` from the
    report's own figures, unless `report["pictures"]` already names one. The JSON is sorted, and
    numbers that are not finite become null.

    Args:
        report: figures with the keys of the contract; may hold numpy values, paths and dataclasses.
        folder: an existing folder.

    Raises:
        TypeError: a value has no form in JSON.
        OSError: a picture that the report names cannot be read, or a file cannot be written.
    """
    plain = plain_values(report)
    paths = {name: Path(path) for name, path in (report.get("pictures") or {}).items()}
    paths |= {name: path for name, path in _draw_charts(plain, folder).items() if name not in paths}
    plain["pictures"] = {name: _shown_path(path, folder) for name, path in paths.items()}
    text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render(plain, paths), encoding="utf-8")


def render(report: Report, pictures: Mapping[str, Path]) -> str:
    """Return the HTML page with the pictures inside it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nngen", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = [
        Picture(name=name, caption=CAPTIONS.get(name, name.replace("_", " ")), address=_data_address(path))
        for name, path in pictures.items()
    ]
    return environment.get_template("page.html.j2").render(page=build_page(report, shown))


def _data_address(path: Path) -> str:
    """Return a PNG as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _shown_path(path: Path, folder: Path) -> str:
    """Return the path relative to the folder where it lies inside it, else its name alone."""
    resolved, root = path.resolve(), folder.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path.name


def plain_values(value: Any) -> Any:  # noqa: ANN401
    """Return what JSON can hold: numpy as lists, dataclasses as mappings, NaN and infinity as None.

    Raises:
        TypeError: a value has no form in JSON.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return plain_values(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return plain_values(value.tolist())
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain_values(getattr(value, field.name)) for field in fields}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain_values(item) for item in value)
    msg = f"a report cannot hold a {type(value).__name__}: {value!r}"
    raise TypeError(msg)


def _draw_charts(report: Report, folder: Path) -> dict[str, Path]:
    """Draw the charts whose figures are there; return their paths by name."""
    target = folder / PICTURE_FOLDER
    target.mkdir(exist_ok=True)
    drawn: dict[str, Path] = {}

    def path(name: str) -> Path:
        drawn[name] = target / f"{name}.png"
        return drawn[name]

    codes = [code for code in code_records(report) if None not in (code["simulated"], code["golden"])]
    if codes:
        simulated, golden = ([code[key] for code in codes] for key in ("simulated", "golden"))
        codes_png(simulated, golden, [code.get("layer", 0) for code in codes], path("codes"))
    transfer = report.get("adc_transfer")
    if isinstance(transfer, Mapping) and reason_not_run(transfer) is None and transfer.get("codes"):
        inputs, levels, inl, dnl = (_floats(transfer.get(key)) for key in ("inputs", "codes", "inl", "dnl"))
        unit = str(transfer.get("input_unit", "weight units"))
        adc_png(inputs, levels, inl, dnl, path("adc"), enob_bits=transfer.get("enob"), input_unit=unit)
    points = _candidate_points(report.get("selection"))
    if any(point.feasible and math.isfinite(point.area_um2 + point.energy_j) for point in points):
        candidates_png(points, path("candidates"))
    area = report.get("area")
    parts = area.get("breakdown") if isinstance(area, Mapping) else None
    known = {name: value for name, value in (parts or {}).items() if value is not None}
    if known:
        bars_png(known, path("area"), title="Area", unit="µm²")
    times = stage_times(report)
    if times:
        bars_png(times, path("stages"), title="Stage times", unit="s")
    return drawn


def _candidate_points(selection: object) -> list[CandidatePoint]:
    """Return the candidates; NaN where a figure is not known."""
    found = selection.get("candidates") if isinstance(selection, Mapping) else None
    points = []
    for candidate in found or ():
        figures = candidate.get("figures") or {}
        keys = ("area_um2", "energy_j", "latency_s")
        values = [math.nan if figures.get(key) is None else float(figures[key]) for key in keys]
        points.append(
            CandidatePoint(
                area_um2=values[0], energy_j=values[1], latency_s=values[2],
                feasible=bool(candidate.get("feasible")), pareto=bool(candidate.get("pareto")),
                chosen=candidate.get("verdict") == "chosen",
            )
        )  # fmt: skip
    return points


def _floats(values: list[float | None] | None) -> list[float]:
    """Return a list with NaN where a value is missing."""
    return [math.nan if value is None else value for value in values or []]
