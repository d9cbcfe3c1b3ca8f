"""The report's contract: which keys it must have, and what its checks amount to.

A check whose tool is missing is "not run", never "passed", and a check in which nothing was
checked has failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Report: TypeAlias = Mapping[str, Any]
State: TypeAlias = Literal["pass", "fail", "not run"]

NOT_RUN = "not_run"
"""Key under which a section says why it has no figures."""

TEXT_KEYS = ("design", "pdk", "library", "nngen_version")
SECTION_KEYS: dict[str, tuple[str, ...]] = {
    "size": ("synapses", "arrays", "neurons", "adcs", "transistors"),
    "area": ("macro_um2", "cells_um2", "overhead"),
    "drc": ("engine", "rules_run", "violations"),
    "lvs": ("match", "devices_compared", "nets_compared", "mismatches"),
    "workload": (
        "fidelity", "vectors", "outputs_compared", "max_error_lsb", "mismatches", "accuracy_golden",
        "accuracy_spice",
    ),
}  # fmt: skip
KPI_KEYS = ("value", "unit", "source", "formula")
KPI_SOURCES = ("estimate", "extraction", "simulation")
_MAY_BE_NULL = {"workload.accuracy_spice"}
"""Too few images for an accuracy is a legitimate answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check amounts to: its name, state, and one line with the numbers or the reason."""

    name: str
    state: State
    text: str


def not_run(section: str, reason: str) -> dict[str, Any]:
    """Return a section of the contract with every key present, without values, and the reason.

    Raises:
        KeyError: the contract has no such section.
    """
    return {**dict.fromkeys(SECTION_KEYS[section]), NOT_RUN: reason}


def check_report(report: Report) -> tuple[str, ...]:
    """Return what the contract demands and the report lacks, as `key: what is wrong`.

    A section that was not run keeps its keys with null values and gives its reason in `not_run`;
    null values without a reason are reported.
    """
    problems = [f"{key}: missing" for key in TEXT_KEYS if not isinstance(report.get(key), str)]
    problems += _check_named(report, "stages", ("seconds",))
    for section, keys in SECTION_KEYS.items():
        problems += _check_section(report.get(section), section, keys)
    problems += _check_named(report, "kpi", KPI_KEYS)
    kpis = report.get("kpi")
    for name, kpi in kpis.items() if isinstance(kpis, Mapping) else ():
        if isinstance(kpi, Mapping) and kpi.get("source") not in (*KPI_SOURCES, None):
            wanted = ", ".join(KPI_SOURCES)
            problems.append(f"kpi.{name}.source: {kpi['source']!r} is not one of {wanted}")
    return tuple(problems)


def _check_named(report: Report, name: str, keys: tuple[str, ...]) -> list[str]:
    """Check a mapping of named entries that all have the same keys."""
    entries = report.get(name)
    if not isinstance(entries, Mapping) or not entries:
        return [f"{name}: missing"]
    return [
        problem
        for entry, value in entries.items()
        for problem in _check_section(value, f"{name}.{entry}", keys)
    ]


def _check_section(section: object, name: str, keys: tuple[str, ...]) -> list[str]:
    """Check one section; null is allowed only with a reason."""
    if not isinstance(section, Mapping):
        return [f"{name}: missing"]
    problems = []
    for key in keys:
        if key not in section:
            problems.append(f"{name}.{key}: missing")
        elif section[key] is None and not section.get(NOT_RUN) and f"{name}.{key}" not in _MAY_BE_NULL:
            problems.append(f"{name}.{key}: null without a reason in {name}.{NOT_RUN}")
    return problems


def reason_not_run(section: object) -> str | None:
    """Return why a section has no figures, None when it has."""
    if not isinstance(section, Mapping) or not section:
        return "no result was handed over"
    reason = section.get(NOT_RUN)
    return str(reason) if reason else None


def verdicts(report: Report) -> tuple[Verdict, ...]:
    """Judge DRC, the public deck when it is mentioned, LVS and the comparison with golden."""
    drc = report.get("drc")
    judged = [_judge("DRC", drc, _judge_drc)]
    if isinstance(drc, Mapping) and "deck" in drc:
        judged.append(_judge("Public DRC deck", drc["deck"], _judge_deck))
    judged.append(_judge("LVS", report.get("lvs"), _judge_lvs))
    judged.append(_judge("Simulation against golden", report.get("workload"), _judge_workload))
    return tuple(judged)


def _judge(name: str, section: object, judge: Any) -> Verdict:  # noqa: ANN401
    """Return "not run" with its reason, or what `judge` makes of the section."""
    reason = reason_not_run(section)
    if reason is not None:
        # What a tool said last stands with the checks.
        return Verdict(name=name, state="not run", text=reason.partition("\n")[0])
    passed, text = judge(section)
    return Verdict(name=name, state="pass" if passed else "fail", text=text)


def _judge_drc(section: Report) -> tuple[bool, str]:
    """Zero violations, and at least one rule run."""
    rules, violations = count(section.get("rules_run")), section.get("violations")
    if rules == 0:
        return False, "no rule was run"
    return violations == 0, f"{_number(violations)} violations, {rules} rules ({section.get('engine')})"


def _judge_deck(section: Report) -> tuple[bool, str]:
    """Zero violations; the deck does not say how many rules it has."""
    violations = section.get("violations")
    return violations == 0, f"{_number(violations)} violations ({section.get('engine', 'deck')})"


def _judge_lvs(section: Report) -> tuple[bool, str]:
    """A match of at least one device."""
    devices, nets = section.get("devices_compared") or 0, section.get("nets_compared") or 0
    if devices == 0:
        return False, "no device was compared"
    text = f"{_number(devices)} devices and {_number(nets)} nets compared"
    wrong = count(section.get("mismatches"))
    if wrong or section.get("match") is not True:
        return False, f"{text}, {_number(wrong)} mismatches"
    return True, f"{text}, all match"


def _judge_workload(section: Report) -> tuple[bool, str]:
    """No mismatch among at least one output."""
    outputs = section.get("outputs_compared") or 0
    if outputs == 0:
        return False, "no output was compared"
    wrong = count(section.get("mismatches"))
    what = section.get("outputs") or "codes"
    images = images_text(section.get("vectors"))
    text = (
        f"{_number(outputs)} {what} of {images} at {section.get('fidelity')} "
        f"level, largest error {_number(section.get('max_error_lsb'))} {'LSB' if what == 'codes' else 'spikes'}"
    )
    columns, simulated = section.get("columns"), section.get("columns_simulated")
    if simulated != columns:
        text += f"; {_number(simulated)} of {_number(columns)} columns simulated, golden's codes taken for the others"
    is_known = section.get("mismatches") is not None
    return is_known and wrong == 0, text if wrong == 0 else f"{text}, {_number(wrong)} mismatches"


def images_text(number: object) -> str:
    """Return a number of images with the noun, `1 image` or `4 images`."""
    return "1 image" if number == 1 else f"{_number(number)} images"


def count(value: object) -> int:
    """Return a number of things given as the number or as the list of them."""
    if isinstance(value, (list, tuple, set)):
        return len(value)
    return int(value) if isinstance(value, (int, float)) else 0


def _number(value: object) -> str:
    """Return a count with thousands separators, `unknown` for None."""
    return f"{value:,}" if isinstance(value, (int, float)) else "unknown" if value is None else str(value)
