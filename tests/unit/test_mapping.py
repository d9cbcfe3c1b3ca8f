from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nngen.errors import SpecError
from nngen.project import Project, load_project
from nngen.spec import NeuronReadout
from nngen.stages.mapping import map_network, mapping_options

FLOW = Path(__file__).resolve().parents[2] / "flows" / "digits_mlp"


def digits(folder: Path, *changes: tuple[str, str]) -> Project:
    """Load a copy of the digits flow with lines of its spec changed."""
    target = folder / "digits"
    shutil.copytree(FLOW, target)
    spec = target / "spec.yaml"
    text = spec.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text, encoding="utf-8")
    return load_project(spec)


def test_digits_need_two_crossbars_of_their_own_size(tmp_path: Path) -> None:
    project = digits(tmp_path)
    mapping = map_network(project.network, project.spec, project.library, project.workload.calibration_images)
    assert [(t.name, t.layer, t.rows, t.columns) for t in mapping.tiles] == [
        ("xb0", 0, 64, 16),
        ("xb1", 1, 16, 10),
    ]
    assert (mapping.adc.bits, mapping.adc.lsb_units, mapping.columns_per_adc) == (6, 1, 1)


def test_larger_layers_are_split(tmp_path: Path) -> None:
    project = digits(tmp_path, ("rows: 64", "rows: 40"), ("columns: 16", "columns: 9"))
    mapping = map_network(project.network, project.spec, project.library, project.workload.calibration_images)
    assert [(t.layer, t.row_start, t.col_start, t.rows, t.columns) for t in mapping.tiles] == [
        (0, 0, 0, 40, 9),
        (0, 0, 9, 40, 7),
        (0, 40, 0, 24, 9),
        (0, 40, 9, 24, 7),
        (1, 0, 0, 16, 9),
        (1, 0, 9, 16, 1),
    ]


def test_a_given_lsb_is_kept(tmp_path: Path) -> None:
    project = digits(tmp_path, ("lsb_units: auto ", "lsb_units: 3 "))
    mapping = map_network(project.network, project.spec, project.library, project.workload.calibration_images)
    assert mapping.adc.lsb_units == 3


def test_fewer_bits_get_coarser_codes_from_calibration(tmp_path: Path) -> None:
    project = digits(tmp_path, ("bits: 6", "bits: 5"))
    mapping = map_network(project.network, project.spec, project.library, project.workload.calibration_images)
    assert (mapping.adc.bits, mapping.adc.lsb_units) == (5, 2)


def test_options_start_with_what_the_spec_asks_for(tmp_path: Path) -> None:
    project = digits(tmp_path)
    options = mapping_options(
        project.network, project.spec, project.library, project.workload.calibration_images
    )
    found = [o.mapping for o in options]
    assert [(o.adc.bits, o.adc.lsb_units, o.columns_per_adc) for o in found] == [
        (6, 1, 1), (4, 3, 1), (5, 2, 1), (7, 1, 1), (8, 1, 1), (6, 1, 2), (6, 1, 4),
    ]  # fmt: skip
    assert [o.allowed for o in options] == [True] + 6 * [False]


def test_the_spec_may_leave_choices_open(tmp_path: Path) -> None:
    changes = (
        ("columns_per_adc: 1", "columns_per_adc: [2, 1]\n  column_splits: auto"), ("bits: 6", "bits: auto"),
    )  # fmt: skip
    project = digits(tmp_path, *changes)
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    options = mapping_options(*parts)
    allowed = [o for o in options if o.allowed]
    asked = itertools.product((1, 2, 4), range(4, 9), (2, 1))
    assert [(o.column_splits, o.mapping.adc.bits, o.mapping.columns_per_adc) for o in allowed] == list(asked)
    assert [o.mapping.columns_per_adc for o in options if not o.allowed] == [4]
    split = next(o.mapping for o in allowed if o.column_splits == 4)
    assert [(t.layer, t.row_start, t.rows) for t in split.tiles] == [
        (0, 0, 16), (0, 16, 16), (0, 32, 16), (0, 48, 16), (1, 0, 4), (1, 4, 4), (1, 8, 4), (1, 12, 4),
    ]  # fmt: skip
    assert map_network(*parts).columns_per_adc == 2
    whole = next(o.mapping for o in allowed if o.mapping.adc.bits == 4)
    assert split.adc.bits == 4
    assert split.adc.lsb_units < whole.adc.lsb_units, "shorter columns have smaller sums"


def test_splits_beyond_the_inputs_are_listed_once(tmp_path: Path) -> None:
    changes = (("rows: 64", "rows: 8\n  column_splits: [1, 2, 4, 8, 16]"),)
    project = digits(tmp_path, *changes)
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    assert [o.column_splits for o in mapping_options(*parts) if o.allowed] == [1, 4, 8, 16]


def test_weights_are_spread_over_slices_of_their_bits(tmp_path: Path) -> None:
    project = digits(tmp_path, ("columns_per_adc: 1", "weight_slices: auto"))
    parts = (project.network, project.spec, project.library, project.workload.calibration_images)
    options = [o for o in mapping_options(*parts) if o.allowed]
    assert [o.weight_slices for o in options] == [1, 2, 3]
    whole, halves, bits = (o.mapping for o in options)
    assert [len(m.tiles) for m in (whole, halves, bits)] == [2, 4, 6]
    assert [tile.weight_shift for tile in bits.tiles] == [0, 1, 2, 0, 1, 2]
    assert all(np.abs(tile.weights).max() == 1 for tile in bits.tiles)
    assert bits.adc.lsb_units <= halves.adc.lsb_units <= whole.adc.lsb_units
    listed = [o for o in mapping_options(*parts) if not o.allowed]
    assert {o.weight_slices for o in listed} == {1}, "what is only listed is a change of the first"


def test_a_neuron_must_see_its_whole_column(tmp_path: Path) -> None:
    project = digits(tmp_path, ("rows: 64", "rows: 40"))
    spec = project.spec.model_copy(update={"readout": NeuronReadout(type="neuron")})
    message = (
        "crossbar.rows is 40; layer 'hidden' has 64 inputs and 10 bias rows, and a neuron decides on its whole "
        "column. Write 'rows: 74' or more, or use readout 'sar_adc'."
    )
    with pytest.raises(SpecError) as caught:
        map_network(project.network, spec, project.library, project.workload.calibration_images)
    assert str(caught.value).endswith(message)


def test_neurons_take_no_adc_and_their_biases_stand_in_rows(tmp_path: Path) -> None:
    project = digits(tmp_path, ("rows: 64", "rows: 80"))
    spec = project.spec.model_copy(update={"readout": NeuronReadout(type="neuron")})
    mapping = map_network(project.network, spec, project.library, project.workload.calibration_images)
    assert (mapping.adc.bits, mapping.adc.lsb_units, mapping.columns_per_adc) == (1, 1, 1)
    first, last = mapping.tiles
    assert (first.inputs, first.bias_rows, last.inputs, last.bias_rows) == (64, 10, 16, 2)
    assert np.abs(first.weights[64:]).max() == 7
    assert last.weights[16:].sum(axis=0).tolist() == project.network.layers[1].bias.tolist()


def test_spiking_neurons_are_not_mapped(tmp_path: Path) -> None:
    project = digits(tmp_path)
    readout = load_project(FLOW.parent / "rram_snn" / "spec.yaml").spec.readout
    spec = project.spec.model_copy(update={"readout": readout})
    with pytest.raises(SpecError) as caught:
        map_network(project.network, spec, project.library, project.workload.calibration_images)
    text = "readout.type is 'spiking'; crossbars are mapped for 'sar_adc' and 'neuron' only."
    assert str(caught.value).endswith(text)


def test_weights_beyond_the_stored_range_are_refused(tmp_path: Path) -> None:
    project = digits(tmp_path)
    weights = project.network.layers[1].weights.copy()
    weights[3, 2] = -128
    layers = (project.network.layers[0], replace(project.network.layers[1], weights=weights))
    network = replace(project.network, layers=layers)
    with pytest.raises(SpecError) as caught:
        map_network(network, project.spec, project.library, project.workload.calibration_images)
    assert str(caught.value).endswith(
        "network.layers[1] has weights up to 128; library 'sram_charge' stores magnitudes up to 7. "
        "Quantise or clip before export."
    )
    assert np.abs(project.network.layers[1].weights).max() <= 7
