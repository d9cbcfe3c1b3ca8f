"""Comparisons of small figures can fail."""

from __future__ import annotations

import pytest


def test_numbers_below_a_picofarad_are_compared() -> None:
    assert pytest.approx(1e-15) != 1.00001e-15
    assert pytest.approx([1e-15], rel=0.1) != [1.2e-15]
    assert pytest.approx(1e-15, rel=0.1) == 1.05e-15
