"""What the HTML report shows, section by section, from the report's figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nngen.report.contract import (
    Report,
    Verdict,
    check_report,
    count,
    images_text,
    reason_not_run,
    verdicts,
)
from nngen.report.tables import Cell, Table, cell, heading, pairs, quantity, records

NETS_SHOWN = 60
CODES_SHOWN = 40
CANDIDATES_SHOWN = 40
CODES_TEXT = (
    "Each code is held against the golden code of the inputs that its crossbar really saw. "
    "1 LSB of difference is allowed."
)
SPIKING_PICTURES = ("spread", "memory")
STEP_KEYS = (
    "name", "condition", "runs", "runs_passed", "vectors", "outputs_compared", "outputs_equal", "max_error_lsb",
    "offset_sigma_lsb", "mismatches", "passed",
)  # fmt: skip
CODE_KEYS = ("layer", "column", "plane", "image", "simulated", "golden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a data address, with its caption."""

    name: str
    caption: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page; `reason` says why there is nothing in it."""

    key: str
    title: str
    text: str = ""
    reason: str = ""
    tables: tuple[tuple[str, Table], ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    title: str
    subtitle: str
    state: str
    verdicts: tuple[Verdict, ...]
    headlines: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]


def build_page(report: Report, pictures: Sequence[Picture]) -> Page:
    """Arrange a report.

    Args:
        report: plain values, as they stand in report.json.
        pictures: all pictures, shown in the section that their name belongs to.
    """
    judged = verdicts(report)
    states = {verdict.state for verdict in judged}
    overall = "fail" if "fail" in states else "not run" if "not run" in states else "pass"
    origin = (("PDK", "pdk"), ("library", "library"), ("nngen", "nngen_version"))
    return Page(
        title=str(report.get("design", "unnamed design")),
        subtitle=" · ".join(f"{label} {report.get(key, 'unknown')}" for label, key in origin),
        state=overall,
        verdicts=judged,
        headlines=_headlines(report),
        problems=check_report(report),
        warnings=tuple(str(line) for line in report.get("warnings") or ()),
        sections=_sections(report, {picture.name: picture for picture in pictures}),
    )


def _headlines(report: Report) -> tuple[tuple[str, str], ...]:
    """Return the figures of the strip below the verdicts, those that there are."""
    wanted = (
        ("synapses", "size", "synapses"), ("transistors", "size", "transistors"), ("ADCs", "size", "adcs"),
        ("macro area", "area", "macro_um2"), ("area overhead", "area", "overhead"),
        ("ADC ENOB", "adc_transfer", "enob_bits"),
        ("accuracy, golden", "workload", "accuracy_golden"),
        ("accuracy, SPICE", "workload", "accuracy_spice"),
    )  # fmt: skip
    shown = []
    for label, section, key in wanted:
        entry = report.get(section)
        value = entry.get(key) if isinstance(entry, Mapping) else None
        if key == "enob_bits" and value is None and isinstance(entry, Mapping):
            value = entry.get("enob")
        if value is not None:
            if key == "accuracy_spice" and isinstance(entry, Mapping) and entry.get("vectors"):
                label = f"{label}, {images_text(entry['vectors'])}"
            shown.append((label, cell(key, value).text))
    total_s = report.get("elapsed_s")
    if isinstance(total_s, (int, float)):
        shown.append(("run time", quantity(total_s, "s") if total_s < 120 else f"{total_s / 60:.1f} min"))
    return tuple(shown)


def _sections(report: Report, pictures: dict[str, Picture]) -> tuple[Section, ...]:
    """Return all sections in order; pictures that no section claims close the layout section."""
    claimed = {"codes", "adc", "area", "stages", "candidates", "supply", *SPIKING_PICTURES}
    layout = [name for name in pictures if name not in claimed]
    layout.sort(key=lambda name: (name != "layout", name != "floorplan", name))
    return (
        _kpi(report),
        _layout(report, [pictures[name] for name in (*layout, "area") if name in pictures]),
        _selection(report, [pictures["candidates"]] if "candidates" in pictures else []),
        _checks(report),
        _placement(report),
        _parasitics(report),
        *_supply(report, [pictures["supply"]] if "supply" in pictures else []),
        _simulation(report, [pictures["codes"]] if "codes" in pictures else []),
        *_spiking(report, [pictures[name] for name in SPIKING_PICTURES if name in pictures]),
        _adc(report, [pictures["adc"]] if "adc" in pictures else []),
        _stages(report, [pictures["stages"]] if "stages" in pictures else []),
    )


def _kpi(report: Report) -> Section:
    """Every figure with its unit, formula and source."""
    kpis: Any = report.get("kpi")
    tables = []
    rows = []
    for name, kpi in kpis.items() if isinstance(kpis, Mapping) else ():
        reason = reason_not_run(kpi)
        value = (
            quantity(kpi.get("value"), str(kpi.get("unit", ""))) if reason is None else f"not run: {reason}"
        )
        source = "" if reason else str((kpi or {}).get("source") or "")
        rows.append(
            (
                Cell(text=heading(name)),
                Cell(text=value, is_number=reason is None),
                Cell(text=source, state=source),
                Cell(text=str((kpi or {}).get("formula") or "")),
            )
        )
    if rows:
        columns = ("figure", "value", "source", "formula")
        tables.append(("Figures", Table(columns=columns, rows=tuple(rows))))
    requirements: Any = report.get("requirements")
    if requirements:
        tables.append(("Requirements", records(requirements, first=("name", "limit", "value", "met"))))
    rounds: Any = report.get("rounds")
    if rounds and len(rounds) > 1:
        tables.append(("Rounds of selection", records(rounds, first=("round", "built", "reason"))))
    reason_text = "" if rows else reason_not_run(kpis) or ""
    return Section(key="kpi", title="Key figures", reason=reason_text, tables=tuple(tables))


def _layout(report: Report, pictures: Sequence[Picture]) -> Section:
    """Pictures, sizes and areas."""
    tables = []
    for name, title in (("size", "Size"), ("area", "Area")):
        section: Any = report.get(name)
        reason = reason_not_run(section)
        if reason is not None:
            tables.append((title, _reason_table(reason)))
            continue
        scalars = {key: value for key, value in section.items() if not isinstance(value, (Mapping, list))}
        tables.append((title, pairs(scalars)))
    text = "Overhead = (macro area - area of all leaf cells) / area of all leaf cells, over the bounding box."
    return Section(key="layout", title="Layout", text=text, tables=tuple(tables), pictures=tuple(pictures))


def _reason_table(reason: str) -> Table:
    """Return a table that says why there is none."""
    return Table(columns=("",), rows=((Cell(text=f"not run: {reason}"),),))


def _selection(report: Report, pictures: Sequence[Picture]) -> Section:
    """Candidates with what each would have given, and why the chosen one won."""
    selection: Any = report.get("selection")
    reason = reason_not_run(selection)
    if reason is not None:
        return Section(key="selection", title="Cell selection", reason=reason)
    rows = []
    for candidate in selection.get("candidates") or ():
        row = {key: value for key, value in candidate.items() if key not in {"figures", "verdict", "reason"}}
        row |= candidate.get("figures") or {}
        rows.append({**row, "verdict": candidate.get("verdict"), "reason": candidate.get("reason")})
    table = records(rows, first=("role", "name"), limit=CANDIDATES_SHOWN, what="candidates")
    marked = tuple(
        tuple(
            Cell(
                text=item.text, is_number=item.is_number, state="chosen" if row["verdict"] == "chosen" else ""
            )
            for item in cells
        )
        for row, cells in zip(rows, table.rows, strict=False)
    )
    chosen = Table(columns=table.columns, rows=marked, note=table.note)
    text = str(
        selection.get("text", "Figures are estimated from the estimated area, before any layout exists.")
    )
    return Section(key="selection", title="Cell selection", text=text, tables=(("", chosen),), pictures=tuple(pictures))


def _checks(report: Report) -> Section:
    """Figures of DRC and LVS, and what they found."""
    tables: list[tuple[str, Table]] = []
    for name, title in (("drc", "DRC"), ("lvs", "LVS")):
        section: Any = report.get(name)
        reason = reason_not_run(section)
        if reason is not None:
            tables.append((title, _reason_table(reason)))
            continue
        figures = {
            key: count(value) if isinstance(value, (list, tuple)) else value
            for key, value in section.items()
            if key not in {"found", "deck"}
        }
        tables.append((title, pairs(figures)))
        if isinstance(section.get("mismatches"), (list, tuple)) and section["mismatches"]:
            lines = [{"mismatch": line} for line in section["mismatches"]]
            tables.append((f"{title} mismatches", records(lines, limit=CODES_SHOWN, what="mismatches")))
        if section.get("found"):
            tables.append((f"{title} violations", records(section["found"], limit=CODES_SHOWN, what="rules")))
        deck = section.get("deck")
        if deck is not None:
            deck_reason = reason_not_run(deck)
            table = pairs(deck) if deck_reason is None else _reason_table(deck_reason)
            tables.append(("Public DRC deck", table))
    text = "DRC, LVS and extraction read the GDS file on disk again."
    return Section(key="checks", title="Checks", text=text, tables=tuple(tables))


def _placement(report: Report) -> Section:
    """Cost, bound and optimality per block; wire length and vias."""
    placement: Any = report.get("placement")
    routing: Any = report.get("routing")
    reasons = [reason_not_run(placement), reason_not_run(routing)]
    if all(reasons):
        return Section(key="placement", title="Placement and routing", reason=str(reasons[0]))
    tables = []
    if reasons[0] is None:
        blocks = placement.get("blocks", placement)
        rows = [{"block": name, **block} for name, block in blocks.items() if isinstance(block, Mapping)]
        tables.append(("Placement (CP-SAT)", records(rows, first=("block", "cost", "bound", "optimal"))))
    else:
        tables.append(("Placement (CP-SAT)", _reason_table(reasons[0])))
    if reasons[1] is not None:
        tables.append(("Routing", _reason_table(reasons[1])))
    elif all(isinstance(value, Mapping) for value in routing.values()):
        rows = [{"block": name, **block} for name, block in routing.items()]
        tables.append(("Routing", records(rows, first=("block", "wire_um", "vias"))))
    else:
        tables.append(("Routing", pairs(routing)))
    return Section(key="placement", title="Placement and routing", tables=tuple(tables))


def _parasitics(report: Report) -> Section:
    """Estimate against extraction per net class, and the nets."""
    parasitics: Any = report.get("parasitics")
    reason = reason_not_run(
        {"nets": parasitics} if isinstance(parasitics, list) and parasitics else parasitics
    )
    if reason is not None:
        return Section(key="parasitics", title="Parasitics", reason=reason)
    groups = parasitics if isinstance(parasitics, Mapping) else {"nets": parasitics}
    titles = {
        "classes": "Estimate and extraction by net class",
        "figures": "Estimate, extraction and simulation by figure",
        "nets": "Nets",
    }
    tables = []
    for name in sorted(groups, key=lambda key: (key != "classes", key != "figures", key)):
        rows = groups[name]
        if isinstance(rows, Mapping):
            rows = [{"net": net, **values} for net, values in rows.items() if isinstance(values, Mapping)]
        if isinstance(rows, list) and rows:
            table = records(rows, first=("net", "net_class", "quantity"), limit=NETS_SHOWN, what="nets")
            tables.append((titles.get(name, heading(name)), table))
    return Section(key="parasitics", title="Parasitics", tables=tuple(tables))


def _supply(report: Report, pictures: Sequence[Picture]) -> tuple[Section, ...]:
    """Resistances and voltage drops of the supplies, with their heat map."""
    supply: Any = report.get("supply")
    if supply is None:
        return ()
    reason = reason_not_run(supply)
    if reason is not None:
        return (Section(key="supply", title="Supplies", reason=reason),)
    how = pairs(supply, ("pin", "average", "all_rows", "limit_v"))
    decoupling = supply.get("decoupling")
    between = (("Decoupling", pairs(decoupling, tuple(decoupling))),) if decoupling else ()
    tables = (("", records(supply["nets"])), *between, ("How", how))
    return (Section(key="supply", title="Supplies", tables=tables, pictures=tuple(pictures)),)


def code_records(report: Report) -> list[dict[str, Any]]:
    """Return the codes as records, whether they are kept as records or as lists by key."""
    codes: Any = report.get("codes")
    if isinstance(codes, list):
        return [dict(code) for code in codes if isinstance(code, Mapping)]
    if not isinstance(codes, Mapping) or reason_not_run(codes) is not None:
        return []
    columns = [codes[key] for key in CODE_KEYS if key in codes]
    keys = [key for key in CODE_KEYS if key in codes]
    return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


def _simulation(report: Report, pictures: Sequence[Picture]) -> Section:
    """Workload, codes by layer, and the codes that differ."""
    title = "Simulation against the golden model"
    workload: Any = report.get("workload")
    reason = reason_not_run(workload)
    if reason is not None:
        return Section(key="simulation", title=title, reason=reason)
    shown = {key: value for key, value in workload.items() if not isinstance(value, (Mapping, list))}
    if isinstance(workload.get("mismatches"), list):
        shown["mismatches"] = len(workload["mismatches"])
    tables = [("Workload", pairs(shown))]
    if workload.get("bias_rows"):
        title_rows = "Rows that hold biases, the last of a crossbar: hold their x pins high"
        tables.append((title_rows, pairs(workload["bias_rows"])))
    steps = [{key: step[key] for key in STEP_KEYS if key in step} for step in report.get("simulations") or ()]
    if len(steps) > 1 or any("runs" in step for step in steps):
        tables.append(("Simulations of the recipe", records(steps, first=STEP_KEYS)))
    codes = code_records(report)
    if codes:
        tables.append(("Codes by layer", _codes_by_layer(codes)))
        key = ("simulated", "golden")
        complete = [code for code in codes if None not in (code[key[0]], code[key[1]])]
        apart = [
            {**code, "error_lsb": code["simulated"] - code["golden"]}
            for code in complete
            if code["simulated"] != code["golden"]
        ]
        apart.sort(key=lambda code: -abs(code["error_lsb"]))
        if apart:
            table = records(apart, first=CODE_KEYS, limit=CODES_SHOWN, what="codes that differ")
            tables.append(("Codes that differ, largest first", table))
    text = str(workload.get("text") or CODES_TEXT)
    return Section(key="simulation", title=title, text=text, tables=tuple(tables), pictures=tuple(pictures))


def _codes_by_layer(codes: Sequence[Mapping[str, Any]]) -> Table:
    """Count the codes of each layer, equal and apart."""
    errors: dict[Any, list[int | None]] = defaultdict(list)
    for code in codes:
        pair = (code["simulated"], code["golden"])
        errors[code.get("layer", "all")].append(None if None in pair else abs(pair[0] - pair[1]))
    rows = []
    for layer, found in errors.items():
        known = [error for error in found if error is not None]
        rows.append(
            {
                "layer": str(layer),
                "codes": len(found),
                "equal": sum(error == 0 for error in known),
                "1_LSB_apart": sum(error == 1 for error in known),
                "more": sum(error > 1 for error in known),
                "missing": len(found) - len(known),
            }
        )
    return records(rows)


def _spiking(report: Report, pictures: Sequence[Picture]) -> tuple[Section, ...]:
    """Spiking arrays only: the published chip beside this macro, single events, trim, and what spread costs."""
    published: Any = report.get("published")
    if not isinstance(published, Mapping):
        return ()
    tables = [("", records(published.get("figures") or (), first=("figure", "here", "published")))]
    events: Any = report.get("events")
    if isinstance(events, Mapping):
        tables.append(("Single events", records(events.get("records") or ())))
    trim: Any = report.get("trim")
    if isinstance(trim, Mapping):
        tables.append(("Trim of thresholds and reset, by simulation", pairs(trim)))
    return (
        Section(
            key="published", title=f"Beside {published.get('name')}", text=str(published.get("text", "")),
            tables=tuple(tables), pictures=tuple(pictures),
        ),
    )  # fmt: skip


def _adc(report: Report, pictures: Sequence[Picture]) -> Section:
    """ENOB, INL and DNL, and the trim of the comparators' reference."""
    title = "ADC transfer"
    transfer: Any = report.get("adc_transfer")
    reason = reason_not_run(transfer)
    if reason is not None:
        return Section(key="adc", title=title, reason=reason)
    shown = {key: value for key, value in transfer.items() if not isinstance(value, (Mapping, list))}
    if "enob" in shown:
        shown["enob_bits"] = shown.pop("enob")
    for key in ("inl", "dnl"):
        known = [abs(value) for value in transfer.get(key) or () if value is not None]
        if known:
            shown[f"largest_{key.upper()}_lsb"] = max(known)
    if isinstance(transfer.get("codes"), list):
        shown["samples"] = len(transfer["codes"])
    text = (
        "INL and DNL against the line through the first and the last transition, ENOB from the "
        "transitions (IEEE Std 1241-2010)."
    )
    tables = [("", pairs(shown))]
    trim: Any = report.get("vth_trim")
    if isinstance(trim, Mapping):
        text = f"{text} {trim['text']}"
        tables.append(("Trim of the comparators' reference", records(trim.get("crossbars") or ())))
    return Section(key="adc", title=title, text=text, tables=tuple(tables), pictures=tuple(pictures))


def stage_times(report: Report) -> dict[str, float]:
    """Return the seconds of each stage that ran."""
    stages: Any = report.get("stages")
    if not isinstance(stages, Mapping):
        return {}
    return {
        name: float(stage["seconds"])
        for name, stage in stages.items()
        if isinstance(stage, Mapping) and isinstance(stage.get("seconds"), (int, float))
    }


def _stages(report: Report, pictures: Sequence[Picture]) -> Section:
    """Time of each stage; a stage without a time gives its reason."""
    stages: Any = report.get("stages")
    reason = reason_not_run(stages)
    if reason is not None:
        return Section(key="stages", title="Stages", reason=reason)
    absent = [
        {"stage": name, "not_run": reason_not_run(stage) or "no time was recorded"}
        for name, stage in stages.items()
        if name not in stage_times(report)
    ]
    tables = (("Stages that did not run", records(absent)),) if absent else ()
    return Section(key="stages", title="Stages", tables=tables, pictures=tuple(pictures))
