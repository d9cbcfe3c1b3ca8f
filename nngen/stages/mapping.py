"""Layers onto crossbars, and the converters' full scale.

A layer larger than the crossbar is cut into row and column tiles; a tile is only as large as
what it holds. All converters of a macro are equal.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import SpecError
from nngen.golden import cut_tiles
from nngen.ir import AdcParameters, Mapping, QuantisedNetwork, Tile
from nngen.library import Library
from nngen.network import bit_plane_sums, choose_adc
from nngen.spec import NeuronReadout, SarReadout, Spec


def map_network(
    network: QuantisedNetwork,
    spec: Spec,
    library: Library,
    calibration_images: NDArray[np.integer],
    *,
    bits: int | None = None,
) -> Mapping:
    """Map a network onto crossbars of at most `crossbar.rows` x `crossbar.columns`.

    Args:
        network: quantised layers, weights of shape (inputs, outputs).
        spec: crossbar size and readout.
        library: what a synapse stores.
        calibration_images: uint8, shape (n, inputs); used when the spec leaves the full scale to nngen.
        bits: another ADC resolution than the spec's, for a candidate of selection.

    Returns:
        Tiles `xb0`, `xb1`, ... by layer, row split, column split, and the ADC. With comparator
        neurons the ADC is one of 1 bit and 1 weight unit.

    Raises:
        SpecError: weights beyond the stored range, or a neuron whose column would be split.
        NetworkError: the calibration images do not fit the network.
    """
    _check_weights(network, spec, library)
    tiles = cut_tiles(network, rows=spec.crossbar.rows, columns=spec.crossbar.columns)
    if isinstance(spec.readout, NeuronReadout):
        _check_neurons(network, spec)
        adc = AdcParameters(bits=1, lsb_units=1)
        return Mapping(tiles=tiles, adc=adc, columns_per_adc=1)
    resolution = bits or spec.readout.bits
    lsb_units = _lsb_units(network, spec.readout, tiles, calibration_images, resolution)
    return Mapping(
        tiles=tiles,
        adc=AdcParameters(bits=resolution, lsb_units=lsb_units),
        columns_per_adc=spec.crossbar.columns_per_adc,
    )


def mapping_options(
    network: QuantisedNetwork,
    spec: Spec,
    library: Library,
    calibration_images: NDArray[np.integer],
) -> tuple[Mapping, ...]:
    """Return the mapping that the spec asks for, then what one other ADC choice each would give.

    The others change the resolution or the sharing of the ADCs, one at a time, within what the
    library offers. Selection lists them beside its choice; only the first may be built.

    Raises:
        SpecError: as `map_network`.
        NetworkError: as `map_network`.
    """
    asked = map_network(network, spec, library, calibration_images)
    offer = library.readouts.sar_adc
    if isinstance(spec.readout, NeuronReadout) or offer is None:
        return (asked,)
    other_bits = [b for b in range(offer.bits.min, offer.bits.max + 1) if b != asked.adc.bits]
    others = [map_network(network, spec, library, calibration_images, bits=b) for b in other_bits]
    others += [
        replace(asked, columns_per_adc=shared)
        for shared in offer.columns_per_adc
        if shared != asked.columns_per_adc and spec.crossbar.columns % shared == 0
    ]
    return (asked, *others)


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


def _check_neurons(network: QuantisedNetwork, spec: Spec) -> None:
    """Refuse layers with more inputs than a column has rows: a neuron decides on its whole column."""
    widest = max(network.layers, key=lambda layer: layer.weights.shape[0])
    inputs = widest.weights.shape[0]
    if inputs > spec.crossbar.rows:
        text = (
            f"is {spec.crossbar.rows}; layer '{widest.name}' has {inputs} inputs, and a neuron decides on its "
            f"whole column. Write 'rows: {inputs}' or more, or use readout 'sar_adc'."
        )
        raise SpecError(spec.problem(("crossbar", "rows"), text))


def _lsb_units(
    network: QuantisedNetwork,
    readout: SarReadout,
    tiles: tuple[Tile, ...],
    images: NDArray[np.integer],
    bits: int,
) -> int:
    """Return the weight units per code: given, from the full scale, or from calibration images.

    A converter of B bits and L units reaches from -L * 2**(B-1) to L * 2**(B-1) - 1.
    """
    if isinstance(readout.lsb_units, int):
        return readout.lsb_units
    if isinstance(readout.full_scale, int):
        return int(-(-(readout.full_scale + 1) // 2 ** (bits - 1)))
    sums = bit_plane_sums(network, images, tiles)
    return choose_adc(sums, bits).chosen.adc.lsb_units
