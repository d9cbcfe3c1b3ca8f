"""Key figures of a simulated converter."""

import numpy as np
import pytest

from nngen.flow_evidence import transfer_kpis


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


def test_a_sweep_that_did_not_run_has_no_figures() -> None:
    assert transfer_kpis({"not_run": "no point came back"}) == {}
