"""The trim of the converters' reference: what deviation is found, with how many conversions, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from nngen import flow_transfer
from nngen.errors import ToolFailedError
from nngen.flow_transfer import TransferBench
from nngen.flow_vth_trim import VthDeviation, VthTrim, measure_vth_trim, vth_trim_kpi, vth_trim_section
from nngen.ir import AdcParameters
from nngen.stages.deck import ColumnBench, Loads, Operation
from nngen.tools.ngspice import Job, JobResult

VDD_V, UNIT_V = 1.8, 0.8e-3
COLUMNS = 8
Run = Callable[[Sequence[Job], Callable[[int, int], None]], list[JobResult]]


def bench(adc: AdcParameters, crossbar: str = "xb0") -> TransferBench:
    column = ColumnBench(
        cells={}, models={}, synapse="s", row_driver="d", column_io="io", adc="adc", sequencer="seq", bits=adc.bits,
        loads=Loads(), operation=Operation(vdd_v=VDD_V, vcm_v=0.9, vth_v=0.9),
    )  # fmt: skip
    return TransferBench(crossbar=crossbar, bench=column, rows=8, adc=adc, columns=COLUMNS)


@pytest.fixture(autouse=True)
def plain_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_transfer, "transfer_deck", lambda _bench, _rows, sums: tuple(sums))
    monkeypatch.setattr(
        flow_transfer, "transfer_job",
        lambda name, deck, _cards: Job(name=name, circuit=" ".join(map(str, deck)), commands=()),
    )  # fmt: skip


def converters(adc: AdcParameters, places: Callable[[str, float], float], jobs_run: list[Job]) -> Run:
    """Return a `run` whose converters have the transition of each ideal place where `places` says, weight units."""

    def run(jobs: Sequence[Job], count: Callable[[int, int], None]) -> list[JobResult]:
        results = []
        for number, job in enumerate(jobs, 1):
            jobs_run.append(job)
            crossbar = job.name.split()[2].rstrip(",")
            transitions = [places(crossbar, place) for place in flow_transfer.nominal_transitions(adc).tolist()]
            values: dict[str, float] = {}
            for place, total in enumerate(float(word) for word in job.circuit.split()):
                code = int(np.searchsorted(np.sort(transitions), total, side="right"))
                values |= {f"d{bit}_{place}": VDD_V * (code >> bit & 1) for bit in range(adc.bits)}
                values[f"level_{place}"] = 0.9 + total * UNIT_V
            results.append(JobResult(name=job.name, status="ok", values=values, cpu_seconds=2.0))
            count(number, len(jobs))
        return results

    return run


@pytest.mark.parametrize("lsb_units", [1, 2, 7])
@pytest.mark.parametrize("off_lsb", [-3.3, -0.9, -0.3, 0.0, 0.07, 0.4, 2.0])
def test_the_deviation_is_found_to_a_twentieth_of_a_code(lsb_units: int, off_lsb: float) -> None:
    adc = AdcParameters(bits=6, lsb_units=lsb_units)
    jobs: list[Job] = []
    run = converters(adc, lambda _crossbar, ideal: ideal + off_lsb * lsb_units, jobs)
    told: list[tuple[int, int]] = []
    trim = measure_vth_trim([(bench(adc), 4)], lambda _deck: "", run, lambda *step: told.append(step))
    (found,) = trim.crossbars
    assert found.deviation_lsb == pytest.approx(off_lsb, abs=0.05)
    assert abs(found.deviation_lsb - off_lsb) <= found.uncertainty_lsb + 1e-9
    assert found.uncertainty_lsb <= 0.05 + 1e-9
    assert found.lsb_v == pytest.approx(lsb_units * UNIT_V)
    assert len(jobs) == (2 if abs(off_lsb) < 0.8 else 3)
    assert told[-1][0] == found.conversions == sum(len(job.circuit.split()) for job in jobs) <= COLUMNS * len(jobs)
    assert all(done <= total for done, total in told)
    assert trim.needed is (abs(off_lsb) > 0.25)
    assert trim.shift_v == pytest.approx(-off_lsb * lsb_units * UNIT_V * trim.needed, abs=0.05 * lsb_units * UNIT_V)


def test_both_transitions_count_alike() -> None:
    """The one to code 0 lies 0.2 LSB low, as the largest capacitor's error makes it, that to code 1 0.6 LSB."""
    adc = AdcParameters(bits=6, lsb_units=2)
    run = converters(adc, lambda _crossbar, ideal: ideal - (0.4 if ideal < 0 else 1.2), [])
    trim = measure_vth_trim([(bench(adc), 4)], lambda _deck: "", run, lambda *_step: None)
    assert trim.deviation_lsb == pytest.approx(-0.4, abs=0.05)


def test_one_voltage_is_the_mean_over_the_converters() -> None:
    adc = AdcParameters(bits=6, lsb_units=2)
    off = {"xb0": -1.0, "xb1": 0.2}
    jobs: list[Job] = []
    run = converters(adc, lambda crossbar, ideal: ideal + 2 * off[crossbar], jobs)
    trim = measure_vth_trim(
        [(bench(adc, "xb0"), 30), (bench(adc, "xb1"), 10)], lambda _deck: "", run, lambda *_step: None
    )
    assert [one.crossbar for one in trim.crossbars] == ["xb0", "xb1"]
    assert trim.deviation_lsb == pytest.approx((30 * -1.0 + 10 * 0.2) / 40, abs=0.05)
    assert trim.shift_v == pytest.approx(0.7 * 2 * UNIT_V, abs=0.05 * 2 * UNIT_V)
    # The second crossbar needs no third round.
    assert len(jobs) == 5


def test_codes_out_of_order_end_the_search_and_widen_what_is_unknown() -> None:
    adc = AdcParameters(bits=6, lsb_units=2)
    jobs: list[Job] = []
    clean = converters(adc, lambda _crossbar, ideal: ideal, jobs)

    def noisy(made: Sequence[Job], count: Callable[[int, int], None]) -> list[JobResult]:
        results = clean(made, count)
        for job, result in zip(made, results, strict=True):
            # Sums below -0.7 give code 0 although the transition lies at -0.5.
            for place, total in enumerate(float(word) for word in job.circuit.split()):
                if -0.8 < total < -0.7:
                    result.values.update({f"d{bit}_{place}": VDD_V * (32 >> bit & 1) for bit in range(6)})
        return results

    (found,) = measure_vth_trim([(bench(adc), 1)], lambda _deck: "", noisy, lambda *_step: None).crossbars
    assert len(jobs) <= 5
    assert abs(found.deviation_lsb) <= 0.15


def test_a_dead_converter_is_named() -> None:
    adc = AdcParameters(bits=4, lsb_units=2)
    run = converters(adc, lambda _crossbar, _ideal: 1e6, [])
    with pytest.raises(ToolFailedError, match=r"^vth_trim of xb0: no transition to code 0 was found \(sum .*: -8\)\.$"):
        measure_vth_trim([(bench(adc), 1)], lambda _deck: "", run, lambda *_step: None)


def test_a_failed_conversion_is_named() -> None:
    adc = AdcParameters(bits=4, lsb_units=2)

    def run(jobs: Sequence[Job], _count: Callable[[int, int], None]) -> list[JobResult]:
        return [JobResult(name=job.name, status="time limit", values={}) for job in jobs]

    message = r"^vth_trim of xb0: the conversion of sum -2\.125 gave no code: time limit$"
    with pytest.raises(ToolFailedError, match=message):
        measure_vth_trim([(bench(adc), 1)], lambda _deck: "", run, lambda *_step: None)


def test_what_the_report_says() -> None:
    one = VthDeviation(
        crossbar="xb0", converters=8, deviation_lsb=-0.75, uncertainty_lsb=0.025, lsb_v=1.6e-3, conversions=16,
        cpu_seconds=9.0,
    )  # fmt: skip
    trim = VthTrim(crossbars=(one,))
    section = vth_trim_section(trim, 0.9)
    assert section["vth_v"] == pytest.approx(0.9012)
    assert section["text"] == (
        "The transitions around code 0 lie -0.75 LSB from the ideal ones. Put 901.20 mV on 'vth', +1.20 mV from vcm, "
        "in proportion to the supply: all simulations of extracted netlists have it, at every corner and temperature."
    )
    assert vth_trim_kpi(trim) == {
        "value": pytest.approx(1.2e-3), "unit": "V", "source": "simulation",
        "formula": "vth - vcm = -(mean deviation of the transitions around code 0, -0.75 +-0.025 LSB) * LSB",
    }  # fmt: skip
    small = VthTrim(crossbars=(replace(one, deviation_lsb=-0.22),))
    assert vth_trim_section(small, 0.9)["text"].endswith("so 'vth' needs no trim and stays at vcm, 0.9 V.")
    assert vth_trim_kpi(small)["value"] == 0.0
