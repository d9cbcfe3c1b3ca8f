"""Records of results: what is read equals what was written, and damage is noticed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nngen.ir import CellLayout, DrcReport, DrcViolation, LvsReport, Pin, Placement, Rect
from nngen.run_records import plain, read_record, reader, write_record
from nngen.stages.extraction import Diffusion, Extraction, NetParasitics


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    name: str
    kind: Literal["a", "b"]
    limit: float | None
    key: int | str
    codes: NDArray[np.int16]


INTEGERS = st.integers(-(10**9), 10**9)
RECTS = st.builds(Rect, layer=st.text(max_size=5), x0=INTEGERS, y0=INTEGERS, x1=INTEGERS, y1=INTEGERS)


@given(
    rects=st.lists(RECTS, max_size=5), notes=st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False))
)
def test_a_layout_survives(rects: list[Rect], notes: dict[str, float]) -> None:
    cell = CellLayout(
        name="c", width_nm=1, height_nm=2, rects=tuple(rects), notes=notes,
        pins=tuple(Pin(net="n", rect=rect) for rect in rects),
        placements=(Placement(cell="d", name="x", x_nm=1, y_nm=2, mirror=True),),
    )  # fmt: skip
    assert reader(CellLayout)(plain(cell)) == cell


REPORTS = [
    DrcReport(
        engine="e", rules_run=("a", "b"),
        violations=(DrcViolation(rule="a", text="t", cell="c", count=3, boxes_nm=((1, 2, 3, 4),)),),
    ),
    LvsReport(match=True, devices_compared=1, nets_compared=2, mismatches=()),
    Extraction(
        nets={("c", "n"): NetParasitics(
            cell="c", net="n", capacitance_f=1e-15, couplings={"m": 2e-15},
            resistance_ohm={("left", "right"): 3.25},
        )},
        diffusions={("c", "m1"): Diffusion(
            drain_area_m2=1e-13, source_area_m2=2e-13, drain_perimeter_m=1e-6, source_perimeter_m=2e-6
        )},
    ),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_reports_survive_the_file(report: Any, tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_record(report, path)
    assert read_record(type(report), path) == report
    first = path.read_bytes()
    write_record(report, path)
    assert path.read_bytes() == first


def test_arrays_and_unions_survive(tmp_path: Path) -> None:
    codes = np.arange(-6, 6, dtype=np.int16).reshape(2, 3, 2)[:, ::2]
    sample = Sample(name="x", kind="a", limit=None, key="k", codes=codes)
    write_record(sample, tmp_path / "record")
    back = read_record(Sample, tmp_path / "record")
    assert dataclasses.replace(back, codes=codes) == dataclasses.replace(sample, codes=codes)
    assert back.codes.dtype == np.int16
    assert np.array_equal(back.codes, codes)
    back.codes[0] = 1  # writable, as the original


def test_a_damaged_record_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "record"
    write_record(REPORTS[0], path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="no record of"):
        read_record(DrcReport, path)


def test_a_record_of_another_type_is_noticed(tmp_path: Path) -> None:
    write_record(REPORTS[0], tmp_path / "record")
    with pytest.raises(ValueError, match="no record of"):
        read_record(LvsReport, tmp_path / "record")


def test_what_has_no_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^a record cannot hold a object"):
        write_record(object(), tmp_path / "record")
    with pytest.raises(TypeError, match="no record of a union"):
        reader(Rect | Pin)
