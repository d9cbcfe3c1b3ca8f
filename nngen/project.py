"""Everything a build starts from, read and checked against each other: spec, PDK, library, network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nngen import resources
from nngen.cells.capacitors import fewest_columns
from nngen.cells.measures import SYNAPSE_ROWS
from nngen.cells.technology import cell_technology
from nngen.errors import InputError, LibraryError, NetworkError, PdkError, SpecError
from nngen.ir import QuantisedNetwork
from nngen.library import Library
from nngen.network import WorkloadImages, load_network, load_workload
from nngen.pdk import Pdk, load_pdk
from nngen.spec import Spec
from nngen.spec_loading import load_spec_and_library
from nngen.spice import read_library_cell
from nngen.unit_capacitor import auto_sides_nm, side_problem, with_unit_capacitor
from nngen.validation import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A spec with all that it names, loaded and consistent."""

    spec: Spec
    pdk: Pdk
    library: Library
    network: QuantisedNetwork
    workload: WorkloadImages


def load_project(spec_path: Path, pdk_paths: Sequence[Path] = ()) -> Project:
    """Load a spec and everything it names.

    Args:
        spec_path: the spec file, or the folder of a `spec.yaml`.
        pdk_paths: the user's PDK folders, searched first.

    Raises:
        InputError: everything that is wrong, one line each.
    """
    spec, library = load_spec_and_library(spec_path)
    problems: list[str] = []
    pdk = _load_pdk(spec, pdk_paths, problems)
    network = _load_network(spec, library, problems)
    workload = _load_workload(spec, problems)
    if pdk is not None:
        problems += _check_unit_capacitors(spec, library, library.fitted(pdk))
    if pdk is None or network is None or workload is None or problems:
        raise SpecError(problems)
    library = library.on(pdk)
    return Project(spec=spec, pdk=library.fitted(pdk), library=library, network=network, workload=workload)


def _check_unit_capacitors(spec: Spec, library: Library, pdk: Pdk) -> list[str]:
    """Check the sides of unit capacitors that the spec names."""
    sides = spec.crossbar.unit_capacitor
    texts = []
    for side_nm in () if isinstance(sides, str) else sides:
        text = side_problem(pdk, side_nm)
        if text is None and not _fits(library, pdk, side_nm):
            text = (
                f"is {side_nm / 1000:g} um; the synapse of library '{library.name}' does not hold capacitors of "
                f"that size on PDK '{pdk.name}'. Choose a smaller one."
            )
        texts.append(text)
    return [spec.problem(("crossbar", "unit_capacitor"), text) for text in texts if text]


def _fits(library: Library, pdk: Pdk, side_nm: int) -> bool:
    """Whether the synapse holds its capacitors with units of a side, however wide it is."""
    technology = cell_technology(with_unit_capacitor(pdk, side_nm))
    netlist = read_library_cell(library.netlist_path(library.candidates("synapse")[0].name), pdk)
    tracks = SYNAPSE_ROWS * technology.row.tracks
    try:
        return not netlist.capacitors or fewest_columns(netlist.capacitors, tracks, technology) > 0
    except LibraryError:
        return False


def unit_sides_nm(project: Project) -> tuple[int, ...]:
    """Return the sides of unit capacitors among which selection chooses, 0 for the PDK's own."""
    asked, own = project.spec.crossbar.unit_capacitor, project.pdk.devices.mimcap.unit_width_nm
    if asked == "pdk":
        return (0,)
    if not isinstance(asked, str):
        sides = asked
    else:
        sides = tuple(side for side in auto_sides_nm(project.pdk) if _fits(project.library, project.pdk, side))
    return tuple(0 if side_nm == own else side_nm for side_nm in sides)


def pdk_names(pdk_paths: Sequence[Path] = ()) -> tuple[str, ...]:
    """Return the names of all PDKs that can be found."""
    return tuple(sorted(resources.available("pdk_stubs", "pdk.yaml", pdk_paths)))


def _load_pdk(spec: Spec, pdk_paths: Sequence[Path], problems: list[str]) -> Pdk | None:
    """Load the PDK that the spec names, and check its corner."""
    known = pdk_names(pdk_paths)
    try:
        resources.find("pdk_stubs", spec.pdk, "pdk.yaml", pdk_paths)
    except InputError:
        near = suggestion(spec.pdk, known)
        hint = (
            f"Did you mean '{near}'?" if near else "Choose one of them, or give its folder with --pdk-path."
        )
        text = f"is '{spec.pdk}'; PDKs found: {', '.join(known) or 'none'}. {hint}"
        problems.append(spec.problem(("pdk",), text))
        return None
    try:
        pdk = load_pdk(spec.pdk, pdk_paths)
    except PdkError as exc:
        problems += str(exc).splitlines()
        return None
    if spec.corner not in pdk.corners:
        text = f"is '{spec.corner}'; PDK '{pdk.name}' has {', '.join(pdk.corners)}. Choose one of them."
        problems.append(spec.problem(("corner",), text))
    return pdk


def _load_network(spec: Spec, library: Library, problems: list[str]) -> QuantisedNetwork | None:
    """Load the weights, check them against the spec's layers, and name the layers."""
    bits = library.weights.magnitude_bits.max
    try:
        network = load_network(spec.weights_path, name=spec.design, magnitude_bits=bits)
    except NetworkError as exc:
        problems += str(exc).splitlines()
        return None
    file = spec.network.weights
    if network.activation_bits != spec.activation_bits:
        text = f"is {spec.activation_bits}; {file} was trained for {network.activation_bits}. Make the two equal."
        problems.append(spec.problem(("activation_bits",), text))
    if len(network.layers) != len(spec.network.layers):
        text = f"lists {_layers(len(spec.network.layers))}; {file} holds {len(network.layers)}. Make the two equal."
        problems.append(spec.problem(("network", "layers"), text))
        return network
    named = []
    for index, layer in enumerate(network.layers):
        problems += _check_layer(spec, index, layer.weights.shape, int(np.abs(layer.weights).max()))
        wanted = spec.network.layers[index]
        if wanted.activation != layer.activation:
            text = f"is '{wanted.activation}'; in {file} it is '{layer.activation}'. Make the two equal."
            problems.append(spec.problem(("network", "layers", index, "activation"), text))
        named.append(replace(layer, name=wanted.name))
    return replace(network, layers=tuple(named))


def _layers(count: int) -> str:
    """Return `1 layer` or `2 layers`."""
    return f"{count} layer" if count == 1 else f"{count} layers"


def _check_layer(spec: Spec, index: int, shape: tuple[int, ...], largest: int) -> list[str]:
    """Check the shape and the largest weight of one layer against the spec."""
    layer, file = spec.network.layers[index], spec.network.weights
    problems = []
    for key, given, stored in (("inputs", layer.inputs, shape[0]), ("outputs", layer.outputs, shape[1])):
        if given != stored:
            text = f"is {given}; layer{index}_weights in {file} has {stored} {key}. Make the two equal."
            problems.append(spec.problem(("network", "layers", index, key), text))
    limit = 2**layer.weight_bits - 1
    if largest > limit:
        text = (
            f"is {layer.weight_bits}, which stores magnitudes up to {limit}; layer{index}_weights in {file} "
            f"reaches {largest}. Raise weight_bits, or train with fewer bits."
        )
        problems.append(spec.problem(("network", "layers", index, "weight_bits"), text))
    return problems


def _load_workload(spec: Spec, problems: list[str]) -> WorkloadImages | None:
    """Load the images and check how many the spec asks for."""
    layers = spec.network.layers
    try:
        workload = load_workload(
            spec.inputs_path,
            inputs=layers[0].inputs,
            classes=layers[-1].outputs,
            activation_bits=spec.activation_bits,
        )
    except NetworkError as exc:
        problems += str(exc).splitlines()
        return None
    held = len(workload.images)
    for key, wanted in (("images", spec.workload.images), ("golden_images", spec.workload.golden_images)):
        if wanted != "all" and not 1 <= wanted <= held:
            text = f"is {wanted}; {spec.workload.inputs} holds {held} images. Choose 1 to {held}."
            problems.append(spec.problem(("workload", key), text))
    return workload
