"""Key figures of a simulated converter."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from nngen.flow_evidence import compared, threshold_kpis, threshold_section, transfer_kpis
from nngen.flow_transfer import TransferRecord
from nngen.golden import cut_tiles
from nngen.ir import AdcParameters, Mapping, QuantisedLayer, QuantisedNetwork
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
