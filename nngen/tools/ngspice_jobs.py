"""What a simulation is asked for and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Status = Literal["ok", "hang", "crash", "no_convergence", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A figure taken from one vector of the job's last analysis.

    Attributes:
        name: key in the result.
        vector: node name, or `<source>#branch` for the current into a voltage source.
        kind: `at` the time `begin`; or the `integral`, `max`, `min` between `begin` and `end`.
        begin: seconds (or the swept variable).
        end: the same; not used by `at`.
        axis: name of the abscissa's vector.
    """

    name: str
    vector: str
    kind: Literal["at", "integral", "max", "min"] = "at"
    begin: float = 0.0
    end: float = 0.0
    axis: str = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One simulation.

    Attributes:
        name: what the result and the messages call it.
        circuit: netlist text, title line first, with `.end`; without analysis commands.
        commands: ngspice commands, for example `alter vx dc = 1.8`, then `tran 1n 200n`.
        measurements: every one of them must come back, else the job has failed.
        waveforms: vectors returned whole.
        axis: abscissa of the analysis.
        end: value that the abscissa must reach, None to leave it unchecked.
        time_limit_s: after so much processor time, whatever else the machine does, the job counts as hanging.
    """

    name: str
    circuit: str
    commands: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    waveforms: tuple[str, ...] = ()
    axis: str = "time"
    end: float | None = None
    time_limit_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What became of a job; `values` and `waveforms` are complete when `status` is `ok`.

    `seconds` is wall time; `cpu_seconds` the worker's own, which other work does not lengthen.
    """

    name: str
    status: Status
    values: dict[str, float] = field(default_factory=dict)
    waveforms: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
