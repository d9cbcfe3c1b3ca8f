"""The spec model: what a good file becomes, its defaults, its schema, and its messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nngen.errors import SpecError
from nngen.library_loading import load_library
from nngen.recipe import load_recipe, recipe_names
from nngen.spec import SarReadout, Spec
from nngen.spec_loading import load_spec
from nngen.starter import write_starter
from nngen.validation import suggestion
from nngen.yaml_source import dotted, load_yaml

FLOW = Path(__file__).resolve().parents[2] / "flows" / "digits_mlp"
MINIMAL = """\
design: tiny
pdk: sky130
library: sram_charge
network: {weights: weights.npz, layers: [{name: a, inputs: 8, outputs: 4, activation: none}]}
crossbar: {rows: 8, columns: 4}
workload: {inputs: test_inputs.npz}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    write_starter(folder)
    return folder


def load_text(folder: Path, text: str) -> Spec:
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return load_spec(folder / "spec.yaml")


def test_the_digits_flow_loads() -> None:
    spec = load_spec(FLOW)
    assert [(layer.inputs, layer.outputs) for layer in spec.network.layers] == [(64, 16), (16, 10)]
    assert spec.clock_hz == pytest.approx(50e6)
    assert spec.requirements.latency_s == pytest.approx(10e-6)
    assert spec.requirements.accuracy_drop == pytest.approx(0.01)
    assert spec.weights_path == FLOW / "weights.npz"


def test_defaults(project: Path) -> None:
    spec = load_text(project, MINIMAL)
    assert spec.readout == SarReadout(type="sar_adc", bits=6, lsb_units="auto", full_scale="auto")
    assert (spec.activation_bits, spec.clock_hz, spec.corner, spec.temperature_degc) == (4, 50e6, "tt", 27.0)
    assert (spec.optimise, spec.seed, spec.workload.images, spec.workload.golden_images) == (
        "area",
        1,
        4,
        "all",
    )
    assert spec.crossbar.columns_per_adc == 1
    assert spec.crossbar.differential is False
    assert spec.requirements.area_m2 is None


@pytest.mark.parametrize(
    ("line", "read", "value"),
    [
        ("requirements: {area: 200000 um2}", lambda s: s.requirements.area_m2, 2e-7),
        ("requirements: {area: 0.2 mm2}", lambda s: s.requirements.area_m2, 2e-7),
        ("requirements: {power: 3mW}", lambda s: s.requirements.power_w, 3e-3),
        ("requirements: {accuracy_drop: 0 %}", lambda s: s.requirements.accuracy_drop, 0.0),
        ("clock: 0.1 GHz", lambda s: s.clock_hz, 1e8),
        ("temperature: -40 degC", lambda s: s.temperature_degc, -40.0),
    ],
)
def test_quantities_become_si(project: Path, line: str, read, value: float) -> None:  # noqa: ANN001
    assert read(load_text(project, MINIMAL + line + "\n")) == pytest.approx(value)


def test_a_spec_cannot_be_changed(project: Path) -> None:
    spec = load_text(project, MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        spec.seed = 2  # type: ignore[misc]


def test_a_later_stage_can_point_at_a_line(project: Path) -> None:
    spec = load_text(project, MINIMAL)
    assert spec.problem(("crossbar", "rows"), "is 8; too few.") == (
        f"{project / 'spec.yaml'}:5: crossbar.rows is 8; too few."
    )
    # `seed` is not written down: the nearest parent is the file's first line.
    assert spec.problem(("seed",), "is 1.").endswith("spec.yaml:1: seed is 1.")


def test_problems_come_in_file_order(project: Path) -> None:
    text = MINIMAL.replace("rows: 8", "rows: 0").replace("inputs: 8", "inputs: x") + "seed: -1\n"
    with pytest.raises(SpecError) as caught:
        load_text(project, text)
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["4", "5", "7"]


def test_a_link_that_leaves_the_folder_is_refused(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.npz"
    (project / "weights.npz").rename(outside)
    (project / "weights.npz").symlink_to(outside)
    with pytest.raises(SpecError, match=r"is 'weights.npz'; it lies outside the spec's folder\."):
        load_text(project, MINIMAL)


def test_schema_describes_every_key() -> None:
    schema = Spec.model_json_schema()
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["clock"]["type"] == "string"
    assert set(schema["required"]) == {"design", "pdk", "library", "network", "crossbar", "workload"}
    for section in [schema, *schema["$defs"].values()]:
        for key, entry in section["properties"].items():
            assert "description" in entry or key == "type", key


@given(rows=st.integers(-10, 5000), columns=st.integers(-10, 5000))
def test_any_size_is_taken_or_refused_with_its_limits(
    rows: int, columns: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sizes") / "tiny"
    write_starter(folder)
    text = MINIMAL.replace("rows: 8", f"rows: {rows}").replace("columns: 4", f"columns: {columns}")
    bad = [
        f"crossbar.{key} is {value}"
        for key, value in (("rows", rows), ("columns", columns))
        if not 1 <= value <= 4096
    ]
    if not bad:
        assert (load_text(folder, text).crossbar.rows, load_text(folder, text).crossbar.columns) == (
            rows,
            columns,
        )
        return
    with pytest.raises(SpecError) as caught:
        load_text(folder, text)
    assert [problem.split(": ", 1)[1].split(";")[0] for problem in caught.value.problems] == bad


def test_every_recipe_loads() -> None:
    assert set(recipe_names()) == {"signoff", "corners", "monte_carlo", "layout", "sample"}
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_an_unknown_recipe_names_the_known() -> None:
    with pytest.raises(SpecError, match=r"^recipe is 'signof'; recipes found: .* Did you mean 'signoff'\?$"):
        load_recipe("signof")


def test_the_library_answers_by_role() -> None:
    library = load_library("sram_charge")
    assert [cell.strength for cell in library.candidates("row_driver")] == [1, 2, 4, 8]
    assert library.weights.limit == 7
    assert library.readout_names == ("sar_adc", "neuron")
    assert library.netlist_path("synapse").is_file()


def test_suggestions_are_near_or_none() -> None:
    assert suggestion("row", ["rows", "columns"]) == "rows"
    assert suggestion("sar", ["sar_adc", "neuron"]) == "sar_adc"
    assert suggestion("zebra", ["rows", "columns"]) is None


def test_lines_of_nested_keys(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a:\n  b:\n    - c: 1\n    - d: 2\n", encoding="utf-8")
    source = load_yaml(file, SpecError)
    assert source.line(("a", "b", 1, "d")) == 4
    assert source.line(("a", "b", 7)) == 2
    assert dotted(("a", "b", 1, "d")) == "a.b[1].d"


def test_merge_keys_are_no_duplicates(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("base: &base {rows: 8, columns: 4}\nown:\n  <<: *base\n  rows: 16\n", encoding="utf-8")
    source = load_yaml(file, SpecError)
    assert source.data["own"] == {"rows": 16, "columns": 4}
    assert source.line(("own", "rows")) == 4
    assert source.line(("own", "columns")) == 2
