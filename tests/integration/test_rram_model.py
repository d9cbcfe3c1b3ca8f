"""The memory element in ngspice: resistances, thresholds, read disturb, and a write through a transistor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from nngen.pdk import load_pdk
from nngen.tools.models import Device, flatten
from nngen.tools.ngspice import Job, JobResult, Measurement, NgspicePool, find_ngspice
from nngen.tools.rram_model import Cell, instance, read_current_a, spread_cells, subcircuit, sweep_circuit

pytestmark = pytest.mark.ngspice

PDK = load_pdk("sky130")
assert PDK.devices.rram is not None
RRAM = PDK.devices.rram


@pytest.fixture(scope="module")
def pool() -> Iterator[NgspicePool]:
    with NgspicePool(find_ngspice(), workers=1) as running:
        yield running


def run(pool: NgspicePool, circuit: str, end_s: float, at: dict[str, tuple[str, float]]) -> JobResult:
    job = Job(
        name="cell", circuit=circuit, commands=(f"tran {end_s / 2000:g} {end_s:g}",), end=end_s,
        measurements=tuple(Measurement(name=n, vector=v, begin=t) for n, (v, t) in at.items()),
    )  # fmt: skip
    result = pool.run([job])[0]
    assert result.status == "ok", result.log
    return result


def test_a_sweep_sets_and_resets_at_the_thresholds(pool: NgspicePool) -> None:
    step = 10e-6
    circuit, end = sweep_circuit(RRAM, (2.6, 0.0, -1.6, 0.0, 0.1), step)
    times = {
        "fresh": 1.1 / 2.6 * step, "set": 2 * step, "before_reset": (2 + 1.0 / 1.6) * step, "reset": 4 * step,
    }  # fmt: skip
    values = run(pool, circuit, end, {n: ("xr.s", t) for n, t in times.items()}).values
    assert values["fresh"] == pytest.approx(0, abs=1e-6)
    assert values["set"] > 0.95
    assert values["before_reset"] == pytest.approx(values["set"], rel=1e-3)
    assert values["reset"] < 0.05


@pytest.mark.parametrize("state", [0.0, 1.0])
def test_both_states_have_their_published_resistance(pool: NgspicePool, state: float) -> None:
    circuit, end = sweep_circuit(RRAM, (0.1, 0.1), 1e-6, state=state)
    current = -run(pool, circuit, end, {"i": ("vte#branch", 1.5e-6)}).values["i"]
    ohm = RRAM.lrs_ohm if state else RRAM.hrs_ohm
    assert current == pytest.approx(0.43 / ohm * math.sinh(0.1 / 0.43), rel=1e-3)
    cell = Cell(state=state, lrs_ohm=RRAM.lrs_ohm, hrs_ohm=RRAM.hrs_ohm)
    assert current == pytest.approx(read_current_a(cell, RRAM, 0.1), rel=1e-3)


def test_reading_for_long_disturbs_nothing(pool: NgspicePool) -> None:
    circuit, end = sweep_circuit(RRAM, (1.0, 1.0), 1.0, state=0.5)
    assert run(pool, circuit, end, {"s": ("xr.s", 1.9)}).values["s"] == pytest.approx(0, abs=1e-9)


def test_a_cell_is_written_through_its_access_transistor(pool: NgspicePool) -> None:
    """SET with 2.4 V on the source line and 1.7 V on the wordline; RESET from the bitline, all at 3 V."""
    cards = flatten(PDK, [Device(kind="nfet", width_nm=840, length_nm=500)], "tt")
    lines = [
        "write",
        "vbl bl 0 pwl(0 0 2.1u 0 2.2u 3 4.2u 3 4.3u 0)",
        "vwl wl 0 pwl(0 0 0.1u 0 0.2u 1.7 1.9u 1.7 2u 3 4.2u 3 4.3u 0)",
        "vsl sl 0 pwl(0 0 0.1u 2.4 1.8u 2.4 1.9u 0)",
        f"m1 bl wl be 0 {PDK.devices.nfet.model} w=0.84u l=0.5u",
        instance("r", "sl", "be", Cell(state=0, lrs_ohm=RRAM.lrs_ohm, hrs_ohm=RRAM.hrs_ohm)),
        subcircuit(RRAM), cards, ".end", "",
    ]  # fmt: skip
    values = run(pool, "\n".join(lines), 4.5e-6, {"set": ("xr.s", 2.05e-6), "reset": ("xr.s", 4.4e-6)}).values
    assert values["set"] > 0.8
    assert values["reset"] < 0.25


def test_spread_is_log_normal_and_seeded() -> None:
    low = np.arange(4000) % 2 == 0
    cells = spread_cells(low, RRAM, seed=3)
    assert cells == spread_cells(low, RRAM, seed=3)
    logs = np.log([cell.lrs_ohm / RRAM.lrs_ohm for cell in cells])
    assert np.std(logs) == pytest.approx(RRAM.lrs_sigma, rel=0.05)
    assert np.mean(logs) == pytest.approx(0, abs=0.02)
    assert [cell.state for cell in cells[:3]] == [1, 0, 1]


def test_nothing_but_plain_spice_is_used() -> None:
    text = subcircuit(RRAM)
    assert {line[0] for line in text.splitlines() if line} == {".", "b", "c", "r"}
