"""The reader of foundry model libraries: expressions, sections, subcircuits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nngen.errors import PdkError
from nngen.tools.model_text import Evaluator, assignments, read_library

LIBRARY = """* a library
.lib fast
.param skew = {2.0+corner*0.5} + mc*AGAUSS(0,1,1)
.param corner=1 mc=0
.include Devices.spice
.endl fast
.lib slow
.param skew = 9
.endl slow
"""
DEVICES = """.option scale=1.0u
.param base = {skew*10}
.subckt dev d g s b mult=1
+ w=1 l=1
.param shift = {base/w} ; comment
Mdev d g s b core l = {l} w = {w}
* + ignored = 1
+ delvto = {shift}
.model core.1 nmos
+ lmin = 1.5E-7 lmax=2e-7
+ vth0 = {0.5-shift} u0 = 0.03
.ends dev
"""


@pytest.fixture
def library_file(tmp_path: Path) -> Path:
    (tmp_path / "Devices.spice").write_text(DEVICES)
    path = tmp_path / "lib.spice"
    path.write_text(LIBRARY)
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7.0), ("2**3", 8.0), ("-4", -4.0), ("1.5e-7", 1.5e-7), ("2u", 2e-6), ("1meg", 1e6),
        ("max(1,w)", 4.0), ("sqrt(w)", 2.0), ("agauss(3,1,1)", 3.0), ("as+1", 6.0), ("chain", 12.0),
    ],
)  # fmt: skip
def test_expression_has_the_value(text: str, value: float) -> None:
    evaluator = Evaluator({"w": 4.0}, {"as": "5", "chain": "(w*link)", "link": "3"})
    assert evaluator.value(text) == pytest.approx(value)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(PdkError, match=r"^model parameter 'nowhere' is not defined$"):
        Evaluator({}).value("nowhere*2")


def test_circular_definition_is_refused() -> None:
    with pytest.raises(PdkError, match=r"^model parameter 'a' is defined by itself: a -> b -> a$"):
        Evaluator({"a": "b+1", "b": "a+1"}).value("a")


@pytest.mark.parametrize("text", ["__import__('os')", "w.real", "[1]", "1 if w else 2", "w(", "1/0"])
def test_anything_but_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(PdkError, match=rf"^model expression '{re.escape(text)}' cannot be evaluated: "):
        Evaluator({"w": 1.0}).value(text)


def test_assignments_keep_terms_that_follow_a_brace() -> None:
    assert assignments("a = {1+x} + b*c(0,1) d=2 e = '3*y'") == {"a": "(1+x) + b*c(0,1)", "d": "2", "e": "3*y"}


def test_section_includes_and_parameters_are_read(library_file: Path) -> None:
    library = read_library(library_file, "fast")
    assert library.scale_m == pytest.approx(1e-6)
    assert Evaluator(library.parameters).value("base") == pytest.approx(25.0)
    assert [path.name for path in library.files] == ["lib.spice", "Devices.spice"]


def test_subcircuit_is_split_into_its_parts(library_file: Path) -> None:
    cell = read_library(library_file, "fast").subcircuit("DEV")
    assert cell.ports == ("d", "g", "s", "b")
    assert cell.parameters == {"mult": "1", "w": "1", "l": "1", "shift": "(base/w)"}
    assert assignments(cell.elements[0]) == {"l": "(l)", "w": "(w)", "delvto": "(shift)"}
    assert cell.cards[0].name == "core.1"
    assert cell.cards[0].parameters["vth0"] == "(0.5-shift)"


def test_missing_section_and_file_are_named(library_file: Path) -> None:
    with pytest.raises(PdkError, match=r"lib\.spice: no section 'typical'; check models\.sections in pdk\.yaml$"):
        read_library(library_file, "typical")
    (library_file.parent / "Devices.spice").unlink()
    with pytest.raises(PdkError, match=r"evices\.spice: model file is missing; run 'nngen pdk install' again$"):
        read_library(library_file, "fast")


def test_missing_subcircuit_is_named(library_file: Path) -> None:
    with pytest.raises(PdkError, match=r"no subcircuit 'other'; check devices in pdk\.yaml$"):
        read_library(library_file, "fast").subcircuit("other")
