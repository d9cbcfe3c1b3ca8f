"""Read a spec, and check it against itself, the files beside it and the cell library it names."""

from __future__ import annotations

from pathlib import Path

from nngen.errors import LibraryError, SpecError
from nngen.library import Library
from nngen.library_loading import load_library
from nngen.spec import Choice, NeuronReadout, SarReadout, Spec, SpikingReadout, fixed_choices
from nngen.validation import shown, validate
from nngen.yaml_source import YamlPath, load_yaml

_Problems = list[tuple[YamlPath, str]]


def load_spec(path: Path) -> Spec:
    """Read and check a spec file; see `load_spec_and_library`."""
    return load_spec_and_library(path)[0]


def load_spec_and_library(path: Path) -> tuple[Spec, Library]:
    """Read a spec file and the library it names, and check one against the other.

    Args:
        path: the file, or a folder that holds a `spec.yaml`.

    Raises:
        SpecError: everything that is wrong, one line each, in file order.
        LibraryError: the library itself cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "spec.yaml").exists():
            msg = f"{path}: this folder holds no spec.yaml. Give the spec's folder, or its file."
            raise SpecError(msg)
        path = path / "spec.yaml"
    source = load_yaml(path, SpecError)
    spec, problems = validate(Spec, source)
    if spec is None:
        raise SpecError(problems)
    spec.place(source, path.parent)
    library, found = _library_of(spec)
    found += [*_check_files(spec), *_check_layers(spec), *_check_readout(spec)]
    found += _check_library(spec, library) if library else []
    if library is None or found:
        found.sort(key=lambda item: source.line(item[0]))
        raise SpecError([source.problem(where, text) for where, text in found])
    return spec, library


def _written(choice: Choice) -> str:
    """Return a choice as YAML has it."""
    return f"[{', '.join(map(str, choice))}]" if isinstance(choice, tuple) else str(choice)


def _check_files(spec: Spec) -> _Problems:
    """Check that data files exist and stay inside the spec's folder."""
    problems: _Problems = []
    for where, name in (
        (("network", "weights"), spec.network.weights),
        (("workload", "inputs"), spec.workload.inputs),
    ):
        target = (spec.folder / name).resolve()
        if not target.is_relative_to(spec.folder.resolve()):
            problems.append(
                (
                    where,
                    f"is {shown(name)}; it lies outside the spec's folder. Copy the file beside the spec.",
                )
            )
        elif not target.is_file():
            problems.append(
                (where, f"is {shown(name)}; there is no such file in the spec's folder. Correct the name.")
            )
        elif target.suffix != ".npz":
            problems.append(
                (where, f"is {shown(name)}; only .npz files are read. Save the arrays with numpy.savez.")
            )
    return problems


def _check_layers(spec: Spec) -> _Problems:
    """Check that the layers form a chain with unique names and one output layer."""
    problems: _Problems = []
    layers = spec.network.layers
    for index, layer in enumerate(layers):
        here = ("network", "layers", index)
        first = next(i for i, other in enumerate(layers) if other.name == layer.name)
        if first != index:
            problems.append(
                (
                    (*here, "name"),
                    f"is '{layer.name}', the name of layers[{first}]. Give each layer its own name.",
                )
            )
        if index and layer.inputs != layers[index - 1].outputs:
            text = (
                f"is {layer.inputs}; layers[{index - 1}] has {layers[index - 1].outputs} outputs. "
                "Make the two equal."
            )
            problems.append(((*here, "inputs"), text))
        if layer.activation == "none" and index < len(layers) - 1:
            text = "is 'none'; only the last layer may leave its sums as they are. Write 'relu'."
            problems.append(((*here, "activation"), text))
    return problems


def _check_readout(spec: Spec) -> _Problems:
    """Check the readout against itself and the activations."""
    problems: _Problems = []
    readout = spec.readout
    if isinstance(readout, NeuronReadout):
        if spec.activation_bits != 1:
            text = f"is {spec.activation_bits}; readout 'neuron' gives binary activations. Write 'activation_bits: 1'."
            problems.append((("activation_bits",), text))
        if spec.crossbar.columns_per_adc != 1:
            given = _written(spec.crossbar.columns_per_adc)
            text = f"is {given}; readout 'neuron' has no ADC to share. Write 'columns_per_adc: 1'."
            problems.append((("crossbar", "columns_per_adc"), text))
        return problems + _check_without_converter(spec)
    if isinstance(readout, SpikingReadout):
        if readout.spikes_per_pixel > min(readout.slots, 2**spec.activation_bits - 1):
            text = (
                f"is {readout.spikes_per_pixel}; there are {readout.slots} slots, and activation_bits holds at most "
                f"{2**spec.activation_bits - 1}. Lower it, or raise the other."
            )
            problems.append((("readout", "spikes_per_pixel"), text))
        if len(spec.network.layers) != 1:
            text = f"lists {len(spec.network.layers)} layers; readout 'spiking' builds one. Keep one layer."
            problems.append((("network", "layers"), text))
        if spec.crossbar.unit_capacitor != "pdk":
            text = f"is {_written_sides(spec)}; readout 'spiking' takes the PDK's own. Write 'unit_capacitor: pdk'."
            problems.append((("crossbar", "unit_capacitor"), text))
        return problems + _check_without_converter(spec)
    if spec.crossbar.inputs == "pulse_width" and spec.activation_bits == 1:
        text = "is 'pulse_width', and activation_bits is 1; a single bit has no width. Write 'inputs: bit_serial'."
        problems.append((("crossbar", "inputs"), text))
    if readout.lsb_units != "auto" and readout.full_scale != "auto":
        text = (
            f"is {readout.full_scale}, and lsb_units is {readout.lsb_units}; one fixes the other. Keep one."
        )
        problems.append((("readout", "full_scale"), text))
    for shared in fixed_choices(spec.crossbar.columns_per_adc):
        if spec.crossbar.columns % shared:
            text = (
                f"is {shared}; crossbar.columns is {spec.crossbar.columns}, which it does not divide. "
                "Change either."
            )
            problems.append((("crossbar", "columns_per_adc"), text))
    drop = spec.requirements.accuracy_drop
    if drop is not None and not 0 <= drop <= 1:
        text = f"is {drop * 100:g} %; allowed: 0 % to 100 %. Choose a value in this range."
        problems.append((("requirements", "accuracy_drop"), text))
    return problems


def _check_without_converter(spec: Spec) -> _Problems:
    """Refuse what only a converter can do."""
    problems: _Problems = []
    kind = spec.readout.type
    if spec.crossbar.inputs == "pulse_width":
        text = f"is 'pulse_width'; readout '{kind}' has no converter for their sums. Write 'inputs: bit_serial'."
        problems.append((("crossbar", "inputs"), text))
    if spec.crossbar.weight_slices != 1:
        given = _written(spec.crossbar.weight_slices)
        text = f"is {given}; readout '{kind}' has no codes to add. Write 'weight_slices: 1'."
        problems.append((("crossbar", "weight_slices"), text))
    if spec.requirements.noise_lsb is not None:
        text = f"is {spec.requirements.noise_lsb:g} LSB; readout '{kind}' has no converter. Remove it."
        problems.append((("requirements", "noise"), text))
    return problems


def _written_sides(spec: Spec) -> str:
    """Return the sides of unit capacitors as YAML has them."""
    sides = spec.crossbar.unit_capacitor
    if isinstance(sides, str):
        return sides
    texts = [f"{side_nm / 1000:g} um" for side_nm in sides]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _library_of(spec: Spec) -> tuple[Library | None, _Problems]:
    """Load the library that the spec names; an unknown name is the spec's problem."""
    try:
        return load_library(spec.library, base=spec.folder), []
    except LibraryError as exc:
        if "no library" not in str(exc):
            raise
        return None, [(("library",), str(exc).removeprefix("library "))]


def _check_library(spec: Spec, library: Library) -> _Problems:
    """Check the spec against what the library stores and reads out."""
    problems: _Problems = []
    same = next((name for name in library.cells if name.lower() == spec.design.lower()), None)
    if same:
        text = f"is '{spec.design}', and library '{library.name}' has a cell '{same}'. Choose another name."
        problems.append((("design",), text))
    low, high = library.weights.magnitude_bits.min, library.weights.magnitude_bits.max
    for index, layer in enumerate(spec.network.layers):
        if not low <= layer.weight_bits <= high:
            text = (
                f"is {layer.weight_bits}; library '{library.name}' stores {low} to {high}. "
                f"{'Lower' if layer.weight_bits > high else 'Raise'} weight_bits, or choose another library."
            )
            problems.append((("network", "layers", index, "weight_bits"), text))
    if spec.crossbar.differential not in library.differential:
        text = (
            f"is {shown(spec.crossbar.differential)}; library '{library.name}' supports only "
            f"{', '.join(shown(value) for value in library.differential)}. "
            "Change it, or choose another library."
        )
        problems.append((("crossbar", "differential"), text))
    if spec.driver_role not in library.file.roles:
        text = (
            f"is '{spec.crossbar.inputs}'; library '{library.name}' has no cell with the role '{spec.driver_role}'. "
            "Write 'inputs: bit_serial', or choose another library."
        )
        problems.append((("crossbar", "inputs"), text))
    if spec.readout.type not in library.readout_names:
        text = (
            f"is '{spec.readout.type}'; library '{library.name}' has {', '.join(library.readout_names)}. "
            "Change it, or choose another library."
        )
        problems.append((("readout", "type"), text))
    elif isinstance(spec.readout, SpikingReadout) and library.readouts.spiking:
        if spec.readout.cells not in library.readouts.spiking.cells:
            text = (
                f"is '{spec.readout.cells}'; library '{library.name}' has {', '.join(library.readouts.spiking.cells)}. "
                "Change it, or choose another library."
            )
            problems.append((("readout", "cells"), text))
    elif isinstance(spec.readout, SarReadout) and library.readouts.sar_adc:
        offer = library.readouts.sar_adc
        outside = [b for b in fixed_choices(spec.readout.bits) if not offer.bits.min <= b <= offer.bits.max]
        if outside:
            text = (
                f"is {outside[0]}; library '{library.name}' has ADCs of {offer.bits.min} to "
                f"{offer.bits.max} bits. Change it, or choose another library."
            )
            problems.append((("readout", "bits"), text))
        others = [n for n in fixed_choices(spec.crossbar.columns_per_adc) if n not in offer.columns_per_adc]
        if others:
            text = (
                f"is {others[0]}; library '{library.name}' shares an ADC among "
                f"{', '.join(map(str, offer.columns_per_adc))} columns. Change it, or choose another library."
            )
            problems.append((("crossbar", "columns_per_adc"), text))
    return problems
