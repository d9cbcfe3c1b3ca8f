"""Layers onto crossbars, and the converters' full scale.

A layer larger than the crossbar is cut into row and column tiles; a tile is only as large as
what it holds. All converters of a macro are equal.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import SpecError
from nngen.golden import bias_weights, cut_tiles
from nngen.ir import AdcParameters, Mapping, MappingOption, QuantisedNetwork, Tile
from nngen.library import Library
from nngen.network import choose_adc, conversion_sums
from nngen.spec import NeuronReadout, SarReadout, Spec, fixed_choices


def map_network(
    network: QuantisedNetwork,
    spec: Spec,
    library: Library,
    calibration_images: NDArray[np.integer],
    *,
    bits: int | None = None,
    columns_per_adc: int | None = None,
    column_splits: int | None = None,
    weight_slices: int | None = None,
) -> Mapping:
    """Map a network onto crossbars of at most `crossbar.rows` x `crossbar.columns`.

    Args:
        network: quantised layers, weights of shape (inputs, outputs).
        spec: crossbar size and readout.
        library: what a synapse stores.
        calibration_images: uint8, shape (n, inputs); used when the spec leaves the full scale to nngen.
        bits: the ADC's resolution; by default the first that the spec allows.
        columns_per_adc: columns that share an ADC, likewise.
        column_splits: crossbars over which a layer's inputs are spread at least, likewise.
        weight_slices: crossbars over which the bits of a weight are spread at most, likewise.

    Returns:
        Tiles `xb0`, `xb1`, ... by layer, row split, column split, slice, and the ADC. With comparator
        neurons the ADC is one of 1 bit and 1 weight unit, and rows below the inputs hold the biases.

    Raises:
        SpecError: weights beyond the stored range, or a neuron whose column would be split.
        NetworkError: the calibration images do not fit the network.
    """
    _check_weights(network, spec, library)
    cuts = _Cuts(network, spec, library, calibration_images)
    return _mapped(
        spec, library, cuts, bits=bits, columns_per_adc=columns_per_adc, column_splits=column_splits,
        weight_slices=weight_slices,
    )  # fmt: skip


class _Cuts:
    """The ways to cut the layers, and the sums of the calibration images on the crossbars, each once."""

    def __init__(
        self, network: QuantisedNetwork, spec: Spec, library: Library, images: NDArray[np.integer]
    ) -> None:
        self.network, self.spec, self.images = network, spec, images
        self.limit = library.weights.limit
        self._tiles: dict[object, tuple[Tile, ...]] = {}
        self._sums: dict[tuple[Tile, ...], dict[str, NDArray[np.int32]]] = {}

    def tiles(self, splits: int = 1, slices: int = 1) -> tuple[Tile, ...]:
        """Return the crossbars; the same ones where more splits or slices change nothing."""
        crossbar, neuron = self.spec.crossbar, isinstance(self.spec.readout, NeuronReadout)
        found = cut_tiles(
            self.network, rows=crossbar.rows, columns=crossbar.columns, splits=splits, slices=slices,
            bias_limit=self.limit if neuron else None,
        )  # fmt: skip
        return self._tiles.setdefault(_places(found), found)

    def sums(self, tiles: tuple[Tile, ...]) -> dict[str, NDArray[np.int32]]:
        """Return the sums on them."""
        if tiles not in self._sums:
            self._sums[tiles] = conversion_sums(self.network, self.images, tiles, self.spec.input_steps)
        return self._sums[tiles]


def _mapped(
    spec: Spec,
    library: Library,
    cuts: _Cuts,
    *,
    bits: int | None = None,
    columns_per_adc: int | None = None,
    column_splits: int | None = None,
    weight_slices: int | None = None,
) -> Mapping:
    """Map a network as `map_network` does."""
    space = design_space(spec, library)
    splits = column_splits or space.column_splits[0]
    if isinstance(spec.readout, NeuronReadout):
        check_neurons(cuts.network, spec, library.weights.limit)
        tiles = cuts.tiles()
        adc = AdcParameters(bits=1, lsb_units=1)
        return Mapping(tiles=tiles, adc=adc, columns_per_adc=1, dummies=spec.crossbar.dummies)
    slices = weight_slices or space.weight_slices[0]
    tiles = cuts.tiles(splits, slices)
    resolution = bits or space.bits[0]
    lsb_units = _lsb_units(spec, tiles, cuts, resolution)
    return Mapping(
        tiles=tiles,
        adc=AdcParameters(bits=resolution, lsb_units=lsb_units, input_steps=spec.input_steps),
        columns_per_adc=columns_per_adc or space.columns_per_adc[0],
        dummies=spec.crossbar.dummies,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignSpace:
    """What the spec leaves to selection, in the order of the spec; `auto` in ascending order.

    Attributes:
        bits: resolutions of the ADCs; empty with comparator neurons.
        columns_per_adc: columns that share an ADC.
        column_splits: crossbars over which a layer's inputs are spread at least.
        weight_slices: crossbars over which the bits of a weight are spread at most.
    """

    bits: tuple[int, ...]
    columns_per_adc: tuple[int, ...]
    column_splits: tuple[int, ...]
    weight_slices: tuple[int, ...] = (1,)


_SPLITS = (1, 2, 4)
"""What `column_splits: auto` tries."""
_SLICES = (1, 2, 3)
"""What `weight_slices: auto` tries."""


def design_space(spec: Spec, library: Library) -> DesignSpace:
    """Return the choices that the spec leaves open, within what the library offers."""
    if isinstance(spec.readout, NeuronReadout):
        return DesignSpace(bits=(), columns_per_adc=(1,), column_splits=(1,))
    offer = library.readouts.sar_adc
    bits = range(offer.bits.min, offer.bits.max + 1) if offer else range(4, 9)
    shared = sorted(offer.columns_per_adc) if offer else [1]
    dividing = tuple(n for n in shared if spec.crossbar.columns % n == 0)
    return DesignSpace(
        bits=fixed_choices(_converters(spec).bits) or tuple(bits),
        columns_per_adc=fixed_choices(spec.crossbar.columns_per_adc) or dividing,
        column_splits=fixed_choices(spec.crossbar.column_splits) or _SPLITS,
        weight_slices=fixed_choices(spec.crossbar.weight_slices) or _SLICES,
    )


def mapping_options(
    network: QuantisedNetwork,
    spec: Spec,
    library: Library,
    calibration_images: NDArray[np.integer],
    unit_sides_nm: tuple[int, ...] = (0,),
) -> tuple[MappingOption, ...]:
    """Return every mapping that the spec allows, then what one other ADC choice each would give.

    The others change the resolution or the sharing of the first one's ADCs, one at a time, within
    what the library offers. Selection lists them beside its choice; they are never built.

    Args:
        network: quantised layers.
        spec: crossbar size, readout, and what they leave open.
        library: what it offers.
        calibration_images: as `map_network`.
        unit_sides_nm: sides of the unit capacitors, 0 for the PDK's own.

    Raises:
        SpecError: as `map_network`.
        NetworkError: as `map_network`.
    """
    space = design_space(spec, library)
    if isinstance(spec.readout, NeuronReadout):
        mapping = map_network(network, spec, library, calibration_images)
        return tuple(
            MappingOption(mapping=replace(mapping, unit_side_nm=side_nm), allowed=True)
            for side_nm in unit_sides_nm
        )
    _check_weights(network, spec, library)
    options: list[MappingOption] = []
    cuts = _Cuts(network, spec, library, calibration_images)
    for splits, slices, bits in itertools.product(space.column_splits, space.weight_slices, space.bits):
        mapping = _mapped(spec, library, cuts, bits=bits, column_splits=splits, weight_slices=slices)
        options += [
            MappingOption(
                mapping=replace(mapping, columns_per_adc=n, unit_side_nm=side_nm), allowed=True,
                column_splits=splits, weight_slices=slices,
            )
            for n, side_nm in itertools.product(space.columns_per_adc, unit_sides_nm)
        ]
    # Spreading a layer over more crossbars than it fills changes nothing: keep one of equal ones.
    unique = {_key(option.mapping): option for option in reversed(options)}
    allowed = [option for option in options if unique[_key(option.mapping)] is option]
    return (*allowed, *_others(spec, library, cuts, allowed[0], space))


def _key(mapping: Mapping) -> tuple[object, ...]:
    """Return what tells mappings apart."""
    return (mapping.adc, mapping.columns_per_adc, mapping.unit_side_nm, mapping.tiles)


def _places(tiles: tuple[Tile, ...]) -> tuple[object, ...]:
    """Return what tells ways to cut the layers apart."""
    return tuple((tile.layer, tile.row_start, tile.col_start, tile.weight_shift) for tile in tiles)


def _others(
    spec: Spec,
    library: Library,
    cuts: _Cuts,
    asked: MappingOption,
    space: DesignSpace,
) -> list[MappingOption]:
    """Return what the library offers beside the spec's choices."""
    offer = library.readouts.sar_adc
    if offer is None:
        return []
    first = asked.mapping
    found = [
        replace(
            _mapped(
                spec, library, cuts, bits=bits, column_splits=asked.column_splits,
                weight_slices=asked.weight_slices,
            ),
            columns_per_adc=first.columns_per_adc, unit_side_nm=first.unit_side_nm,
        )
        for bits in range(offer.bits.min, offer.bits.max + 1)
        if bits not in space.bits
    ]
    found += [
        replace(first, columns_per_adc=shared)
        for shared in offer.columns_per_adc
        if shared not in space.columns_per_adc and spec.crossbar.columns % shared == 0
    ]
    return [
        MappingOption(
            mapping=mapping, allowed=False, column_splits=asked.column_splits, weight_slices=asked.weight_slices
        )
        for mapping in found
    ]


def _converters(spec: Spec) -> SarReadout:
    """Return the readout with ADCs, or refuse spiking neurons: their array is not cut into crossbars."""
    if isinstance(spec.readout, SarReadout):
        return spec.readout
    text = f"is '{spec.readout.type}'; crossbars are mapped for 'sar_adc' and 'neuron' only."
    raise SpecError(spec.problem(("readout", "type"), text))


def _check_weights(network: QuantisedNetwork, spec: Spec, library: Library) -> None:
    """Refuse weights that a synapse cannot store."""
    limit = library.weights.limit
    problems = []
    for index, layer in enumerate(network.layers):
        largest = int(np.abs(layer.weights.astype(np.int64)).max())
        if largest > limit:
            text = (
                f"has weights up to {largest}; library '{library.name}' stores magnitudes up to {limit}. "
                "Quantise or clip before export."
            )
            problems.append(spec.problem(("network", "layers", index), text))
    if problems:
        raise SpecError(problems)


def check_neurons(network: QuantisedNetwork, spec: Spec, limit: int) -> None:
    """Refuse layers that need more rows than a column has: a neuron decides on its whole column."""
    needed = {layer.name: (len(layer.weights), len(bias_weights(layer, limit))) for layer in network.layers}
    widest = max(needed, key=lambda name: sum(needed[name]))
    inputs, biases = needed[widest]
    if inputs + biases > spec.crossbar.rows:
        also = f" and {biases} bias rows" if biases else ""
        text = (
            f"is {spec.crossbar.rows}; layer '{widest}' has {inputs} inputs{also}, and a neuron decides on its "
            f"whole column. Write 'rows: {inputs + biases}' or more, or use readout 'sar_adc'."
        )
        raise SpecError(spec.problem(("crossbar", "rows"), text))


def _lsb_units(spec: Spec, tiles: tuple[Tile, ...], cuts: _Cuts, bits: int) -> int:
    """Return the weight units per code: given, from the full scale, or from calibration images.

    A converter of B bits and L units reaches from -L * 2**(B-1) to L * 2**(B-1) - 1.
    """
    readout = _converters(spec)
    if isinstance(readout.lsb_units, int):
        return readout.lsb_units
    if isinstance(readout.full_scale, int):
        return int(-(-(readout.full_scale + 1) // 2 ** (bits - 1)))
    return choose_adc(cuts.sums(tiles), bits, input_steps=spec.input_steps).chosen.adc.lsb_units
