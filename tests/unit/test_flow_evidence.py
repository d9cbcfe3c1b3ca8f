"""Key figures of a simulated converter."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from nngen.flow_evidence import compared, energy_kpis, threshold_kpis, threshold_section, transfer_kpis
from nngen.flow_transfer import TransferRecord
from nngen.golden import cut_tiles
from nngen.ir import AdcParameters, Mapping, QuantisedLayer, QuantisedNetwork, Tile
from nngen.key_figures import Kpi
from nngen.project import Project
from nngen.spec import NeuronReadout, SarReadout
from nngen.stages.simulation import SimulatedTile, SimulationResult


def _section(inl: float, dnl: float) -> dict[str, object]:
    return {
        "enob": 6.0, "inl": np.array([0.0, inl]), "dnl": np.array([dnl, 0.0]), "offset_lsb": 0.1,
        "resolution_lsb": 0.05, "column_linearity": 5e-5,
    }  # fmt: skip


def test_nothing_below_the_resolution_of_the_search_is_claimed() -> None:
    kpis = transfer_kpis(_section(1e-14, -1e-14))
    assert kpis["adc_inl"]["value"] == pytest.approx(0.05)
    assert kpis["adc_dnl"]["value"] == pytest.approx(0.1)
    assert "+-0.05 LSB" in kpis["adc_inl"]["formula"]


def test_what_is_above_it_is_given_as_it_is() -> None:
    kpis = transfer_kpis(_section(-0.3, 0.2))
    assert kpis["adc_inl"]["value"] == pytest.approx(0.3)
    assert kpis["adc_dnl"]["value"] == pytest.approx(0.2)


@pytest.mark.parametrize(("readout", "limit"), [("neuron", 0), ("sar_adc", 1)])
def test_a_decision_has_no_neighbour_to_be_taken_for(readout: str, limit: int) -> None:
    """One decision in four is wrong: a mismatch with neurons, within a code with converters."""
    layer = QuantisedLayer(
        name="a", weights=np.ones((1, 4), dtype=np.int8), bias=np.zeros(4, dtype=np.int64), multiplier=1, shift=1,
        activation="none",
    )
    spec = SimpleNamespace(readout=NeuronReadout(type="neuron") if readout == "neuron" else SarReadout(type="sar_adc"))
    project = cast(Project, SimpleNamespace(
        spec=spec, network=QuantisedNetwork(name="n", layers=(layer,), activation_bits=1),
        workload=SimpleNamespace(images=np.ones((1, 1), dtype=np.uint8)),
    ))  # fmt: skip
    (tile,) = tiles = cut_tiles(project.network)
    adc = AdcParameters(bits=1, lsb_units=1)
    simulated = SimulatedTile(
        tile=tile, planes=np.ones((1, 1, 1), dtype=np.uint8), codes=np.array([[[0, 0, -1, 0]]], dtype=np.int16),
        offsets=np.zeros(4, dtype=np.int16), valid=np.ones((1, 1, 4), dtype=np.bool_), charges_c={},
        chosen=np.ones(4, dtype=np.bool_),
    )  # fmt: skip
    result = SimulationResult(
        tiles=(simulated,), accumulators=np.zeros((1, 4), dtype=np.int64), classes=np.zeros(1, dtype=np.int64),
        failures=(), conversions=4, seconds=0.0, cpu_seconds=0.0,
    )  # fmt: skip
    found = compared(project, Mapping(tiles=tiles, adc=adc, columns_per_adc=1), result)
    assert (found.limit_lsb, found.mismatches) == (limit, 1 - limit)


def _drawn(adc: AdcParameters, charges_c: dict[str, float], planes: int) -> dict[str, Kpi]:
    """Energies of a crossbar of 2 x 3 whose inputs are 3 and 0, of 2 bits, at 2 V; three columns share a converter."""
    weights = np.ones((2, 3), dtype=np.int8)
    inputs = np.array([[3, 0]] if planes == 1 else [[1, 0], [1, 0]], dtype=np.uint8)
    shape = (1, planes, 3)
    simulated = SimulatedTile(
        tile=Tile(name="xb0", layer=0, row_start=0, col_start=0, weights=weights), planes=inputs[None],
        codes=np.zeros(shape, dtype=np.int16), offsets=np.zeros(3, dtype=np.int16),
        valid=np.ones(shape, dtype=np.bool_), charges_c=charges_c, chosen=np.ones(3, dtype=np.bool_),
    )  # fmt: skip
    result = SimulationResult(
        tiles=(simulated,), accumulators=np.zeros((1, 3), dtype=np.int64), classes=np.zeros(1, dtype=np.int64),
        failures=(), conversions=3, seconds=0.0, cpu_seconds=0.0,
    )  # fmt: skip
    project = cast(Project, SimpleNamespace(spec=SimpleNamespace(activation_bits=2)))
    return energy_kpis(project, Mapping(tiles=(simulated.tile,), adc=adc, columns_per_adc=3), result, 2.0, 1e-6)


SUPPLIED_C = {"vdd": 1e-12, "vdd_adc": 2e-12, "vdd_rows": 10e-12, "vdd_seq": 20e-12}


def test_rows_and_sequencer_count_for_each_round_and_bit() -> None:
    found = _drawn(AdcParameters(bits=4, lsb_units=1), SUPPLIED_C, planes=2)
    assert found["energy_per_inference"]["value"] == pytest.approx(2.0 * 2 * (3 * 30e-12 + 3e-12))
    assert "ramp_capacitance" not in found


def test_pulses_draw_from_the_rising_ramp_too_and_once() -> None:
    """Rows follow by 3/3 and 0/3 of 2 V, 1 V in the mean: the mean of both ramps' 6 and 8 pC is 7 pF."""
    adc = AdcParameters(bits=4, lsb_units=1, input_steps=3)
    found = _drawn(adc, SUPPLIED_C | {"rampn": 6e-12, "rampp": -8e-12}, planes=1)
    assert found["energy_per_inference"]["value"] == pytest.approx(2.0 * (3 * 36e-12 + 3e-12))
    assert found["ramp_capacitance"]["value"] == pytest.approx(7e-12)


def test_the_energy_of_pulses_is_not_known_without_the_ramps() -> None:
    adc = AdcParameters(bits=4, lsb_units=1, input_steps=3)
    assert _drawn(adc, SUPPLIED_C, planes=1) == {}


def _sweep(inputs: list[float], decisions: list[int]) -> TransferRecord:
    return TransferRecord(
        crossbar="xb0", inputs=np.array(inputs), codes=np.array(decisions),
        levels_v=0.9 + 0.01 * np.array(inputs), failures=(),
    )  # fmt: skip


def test_a_neuron_fires_from_the_middle_of_its_bracket() -> None:
    adc = AdcParameters(bits=1, lsb_units=1)
    section = threshold_section(_sweep([-1.0, 0.0, -0.3, -0.2], [0, 1, 0, 1]), adc)
    assert section["threshold"] == pytest.approx(-0.25)
    assert section["resolution"] == pytest.approx(0.05)
    assert threshold_kpis(section)["neuron_offset"]["value"] == pytest.approx(0.25)


def test_a_neuron_that_never_fires_has_no_threshold() -> None:
    section = threshold_section(_sweep([-1.0, 0.0], [0, 0]), AdcParameters(bits=1, lsb_units=1))
    assert section["not_run"].startswith("no decision changed in 2 points")
    assert threshold_kpis(section) == {}


def test_a_sweep_that_did_not_run_has_no_figures() -> None:
    assert transfer_kpis({"not_run": "no point came back"}) == {}
