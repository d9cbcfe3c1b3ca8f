"""The loop: measured ratios correct the estimate, cells are selected again, the macro is rebuilt.

A round is one build. When its layout, extraction or simulation shows that a requirement is missed,
every figure that was measured corrects the estimate by measured over estimated, and selection
chooses again. The loop ends when all requirements are met, when selection finds nothing else, or
after so many rounds; each round is logged with its reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from nngen.errors import InfeasibleError
from nngen.flow_checks import Task
from nngen.flow_estimate import selected
from nngen.flow_run import Flow
from nngen.stages.selection import Selection

_LOG = logging.getLogger(__name__)


def run_rounds(make: Callable[[Mapping[str, float]], Flow], tasks: dict[str, Task], rounds: int) -> Flow:
    """Build until all requirements are met.

    A requirement that the layout alone shows to be missed is acted on before checks and
    simulation run, unless there is nothing else to choose.

    Args:
        make: returns a flow that starts from corrections of the estimate, by figure.
        tasks: the checks.
        rounds: builds at most.

    Returns:
        The last flow, whose `rounds` has one record a round.
    """
    log: list[dict[str, Any]] = []
    corrections: Mapping[str, float] = {}
    for number in range(1, max(1, rounds) + 1):
        flow = make(corrections)
        flow.design()
        again = _again(flow) if flow.missed() and number < rounds else None
        if again is None:
            flow.prove(tasks)
            again = _again(flow) if flow.missed() and number < rounds else None
        log.append(_record(flow, number, again))
        _LOG.info("round %d: %s", number, log[-1]["reason"])
        if again is None:
            break
        corrections = again[0]
    flow.rounds = log
    return flow


def measured_corrections(flow: Flow) -> dict[str, float]:
    """Return what every measured figure says about its estimate, over earlier corrections."""
    corrections = dict(flow.corrections)
    for name, (value, _) in flow.measured().items():
        estimated = flow.selection.estimate.figure(name).value
        if estimated:
            corrections[name] = corrections.get(name, 1.0) * value / estimated
    return corrections


def _again(flow: Flow) -> tuple[dict[str, float], Selection] | None:
    """Return corrections and the other selection that they lead to, None when there is none."""
    corrections = measured_corrections(flow)
    try:
        other = selected(flow.asked or flow.project, corrections, compared=0)
    except InfeasibleError:
        return None
    return None if other.key == flow.selection.key else (corrections, other)


def _record(flow: Flow, number: int, again: tuple[dict[str, float], Selection] | None) -> dict[str, Any]:
    """Return the log of a round."""
    missed = flow.missed()
    if not missed:
        reason = "all requirements are met"
    elif again is None:
        reason = f"{'; '.join(missed)}: no other candidate to build, or no round left"
    else:
        ratios = ", ".join(
            f"{name} x {value:.4g}"
            for name, value in sorted(again[0].items())
            if value != flow.corrections.get(name)
        )
        reason = f"{'; '.join(missed)}: estimate corrected ({ratios}), next {again[1].candidates[0].name}"
    return {
        "round": number,
        "built": flow.selection.candidates[0].name,
        "missed": list(missed),
        "corrections": dict(flow.corrections),
        "reason": reason,
    }
