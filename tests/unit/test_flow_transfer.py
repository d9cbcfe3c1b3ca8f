"""The sweep of a converter: transitions found, progress told with every job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from nngen import flow_transfer
from nngen.flow_transfer import TransferBench, nominal_transitions, sweep
from nngen.ir import AdcParameters
from nngen.stages.deck import ColumnBench, Loads, Operation
from nngen.tools.ngspice import Job, JobResult

ADC = AdcParameters(bits=4, lsb_units=3)
VDD_V, SHIFT = 1.8, 0.4
BENCH = ColumnBench(
    cells={}, models={}, synapse="s", row_driver="d", column_io="io", adc="adc", sequencer="seq", bits=4,
    loads=Loads(), operation=Operation(vdd_v=VDD_V, vcm_v=0.9, vth_v=0.9),
)  # fmt: skip


def test_transitions_are_found_and_progress_comes_with_every_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The converter's transitions lie 0.4 weight units above their nominal places."""
    monkeypatch.setattr(flow_transfer, "transfer_deck", lambda _bench, _rows, sums: tuple(sums))
    monkeypatch.setattr(
        flow_transfer, "transfer_job",
        lambda name, deck, _cards: Job(name=name, circuit=" ".join(map(str, deck)), commands=()),
    )  # fmt: skip
    sizes: list[int] = []

    def run(jobs: Sequence[Job], count: Callable[[int, int], None]) -> list[JobResult]:
        results = []
        for number, job in enumerate(jobs, 1):
            values: dict[str, float] = {}
            sums = [float(word) for word in job.circuit.split()]
            sizes.append(len(sums))
            for place, total in enumerate(sums):
                code = int(np.searchsorted(nominal_transitions(ADC) + SHIFT, total, side="right"))
                values |= {f"d{bit}_{place}": VDD_V * (code >> bit & 1) for bit in range(ADC.bits)}
                values[f"level_{place}"] = 0.9 + total * 1e-3
            results.append(JobResult(name=job.name, status="ok", values=values))
            count(number, len(jobs))
        return results

    told: list[tuple[int, int]] = []
    bench = TransferBench(crossbar="xb0", bench=BENCH, rows=8, adc=ADC, columns=4)
    record = sweep(bench, lambda _deck: "", run, lambda done, total: told.append((done, total)))
    assert record.failures == ()
    assert [done for done, _ in told] == np.cumsum(sizes).tolist()
    assert all(done <= total for done, total in told)
    order = np.argsort(record.inputs)
    inputs, codes = record.inputs[order], record.codes[order]
    for code, nominal in enumerate(nominal_transitions(ADC)):
        below, above = inputs[codes <= code].max(), inputs[codes > code].min()
        assert below <= nominal + SHIFT <= above
        assert above - below <= flow_transfer.RESOLUTION_LSB * ADC.lsb_units * 1.0001
