"""One ngspice in one process: reads jobs from standard input, writes results to standard output.

Both are JSON, one object a line. ngspice is PySpice's shared library; what it prints is kept
for the result's log, and what it writes past PySpice to the process's own standard output goes
to standard error, so that the protocol stays clean. Run as `python -m nngen.tools.ngspice_worker`.

A circuit that equals the one of the job before is not loaded again: `alter` commands then
change it in place.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import sys
import time
import warnings
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

_LOG_LINES = 12
_END_TOLERANCE = 1e-6
_NOT_CONVERGED = (
    "timestep too small", "no convergence", "iteration limit", "singular matrix",
    "gmin stepping failed", "source stepping failed",
)  # fmt: skip


class Simulator:
    """PySpice's shared library with the circuit it holds."""

    def __init__(self) -> None:
        """Start the library; the environment names it (`NGSPICE_LIBRARY_PATH`)."""
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from PySpice.Spice.NgSpice.Shared import NgSpiceCommandError, NgSpiceShared

        self._command_error: type[Exception] = NgSpiceCommandError
        lines: list[str] = []

        class Recording(NgSpiceShared):  # type: ignore[misc]
            """Keeps every line that ngspice prints."""

            def send_char(self, message: str, ngspice_id: int) -> int:
                """Keep the line without the name of its stream."""
                lines.append(message.partition(" ")[2])
                return 0

        Recording.setup_platform()
        self.lines = lines
        self._ngspice = Recording.new_instance()
        self.start_lines = list(lines)
        self._circuit = ""
        self._tell("set num_threads=1")

    def describe(self) -> dict[str, object]:
        """Return version and solver, as ngspice itself states them."""
        self.lines.clear()
        self._tell("version -f")
        text = "\n".join(self.lines)
        return {
            "version": self._ngspice.ngspice_version or 0,
            "klu": "KLU" in text,
            "xspice": "XSPICE" in text,
            "log": self.start_lines[-_LOG_LINES:],
        }

    def run(self, job: dict[str, Any]) -> dict[str, object]:
        """Run one job and return its status, values and waveforms."""
        started, cpu_started = time.perf_counter(), time.process_time()
        _end_after(cpu_started + job["time_limit_s"])
        self.lines.clear()
        if job["circuit"] != self._circuit:
            self._load(job["circuit"])
        else:
            self._tell("destroy all")
        for command in job["commands"]:
            self._tell(command)
        vectors, problem = self._vectors(job)
        reply: dict[str, object] = {"name": job["name"], "status": "ok", "values": {}, "waveforms": {}}
        if problem:
            text = "\n".join(self.lines).lower()
            known = any(phrase in text for phrase in _NOT_CONVERGED)
            reply["status"] = "no_convergence" if known else "failed"
            self._circuit = ""
        else:
            reply["values"] = {m["name"]: _measure(m, vectors) for m in job["measurements"]}
            reply["waveforms"] = {name: vectors[name].tolist() for name in job["waveforms"]}
        reply["log"] = [problem, *self._log()] if problem else []
        reply["seconds"] = time.perf_counter() - started
        reply["cpu_seconds"] = time.process_time() - cpu_started
        return reply

    def _log(self) -> list[str]:
        kept = [line for line in self.lines if line.strip() and "%" not in line]
        return kept[-_LOG_LINES:]

    def _load(self, circuit: str) -> None:
        if self._circuit:
            self._tell("destroy all")
            self._tell("remcirc")
        self._circuit = circuit
        self._guarded(self._ngspice.load_circuit, circuit)

    def _tell(self, command: str) -> None:
        self._guarded(self._ngspice.exec_command, command)

    def _guarded(self, call: Any, text: str) -> None:  # noqa: ANN401
        # PySpice raises on any line of ngspice that holds "error" or goes to stderr, warnings of
        # model checks included. Whether the job worked is judged by the vectors that came back.
        try:
            call(text)
        except (self._command_error, NameError) as error:
            self.lines.append(f"{type(error).__name__}: {error}")

    def _vectors(self, job: dict[str, Any]) -> tuple[dict[str, NDArray[np.float64]], str]:
        """Return every vector the job asks for, or a word on what is missing."""
        wanted = {m["vector"] for m in job["measurements"]} | set(job["waveforms"]) | {job["axis"]}
        plot_name = self._ngspice.last_plot
        if plot_name == "const":
            return {}, "no analysis ran"
        plot = self._ngspice.plot(None, plot_name)
        missing = sorted(name for name in wanted if name not in plot)
        if missing:
            return {}, f"vectors missing in plot {plot_name}: {', '.join(missing)}"
        found = {name: np.real(np.asarray(plot[name]._data, dtype=complex)).copy() for name in wanted}
        axis = found[job["axis"]]
        end = job["end"]
        if not axis.size or (end is not None and axis[-1] < end * (1 - _END_TOLERANCE)):
            return {}, f"the analysis stopped at {axis[-1] if axis.size else 0:g}, {end:g} was asked for"
        broken = sorted(name for name, data in found.items() if not np.all(np.isfinite(data)))
        return found, f"vectors not finite: {', '.join(broken)}" if broken else ""


def _end_after(processor_s: float) -> None:
    """Let the system end this process (SIGXCPU) when it has used so much processor time in all."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(processor_s)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _measure(measurement: dict[str, Any], vectors: dict[str, NDArray[np.float64]]) -> float:
    """Return one figure of a waveform: its value at a time, its integral, maximum or minimum."""
    axis, data = vectors[measurement["axis"]], vectors[measurement["vector"]]
    kind, begin, end = measurement["kind"], measurement["begin"], measurement["end"]
    if kind == "at":
        return float(np.interp(begin, axis, data))
    inside = (axis > begin) & (axis < end)
    times = np.concatenate(([begin], axis[inside], [end]))
    values = np.interp(times, axis, data)
    if kind == "integral":
        return float(np.trapezoid(values, times))
    return float(values.max() if kind == "max" else values.min())


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer one line per request until the input ends."""
    simulator = Simulator()
    replies.write(json.dumps(simulator.describe()) + "\n")
    replies.flush()
    for line in requests:
        replies.write(json.dumps(simulator.run(json.loads(line))) + "\n")
        replies.flush()


def main() -> None:
    """Keep the protocol's stream for this module and send everything else to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
