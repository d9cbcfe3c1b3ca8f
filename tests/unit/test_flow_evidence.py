"""Key figures of a simulated converter."""

import numpy as np
import pytest

from nngen.flow_evidence import threshold_kpis, threshold_section, transfer_kpis
from nngen.flow_transfer import TransferRecord
from nngen.ir import AdcParameters


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
