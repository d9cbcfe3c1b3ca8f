"""The whole machine: images through all layers, tile by tile, as the macro computes them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.golden.converter import check_adc
from nngen.golden.crossbar import column_sums, convert_sums, read_neurons
from nngen.golden.digital import accumulate, requantise
from nngen.golden.mvm import input_planes
from nngen.golden.nonidealities import IDEAL, Nonidealities
from nngen.golden.tiles import check_biases, check_tiles, column_groups, cut_tiles, row_bits
from nngen.ir import AdcParameters, QuantisedLayer, QuantisedNetwork, Tile

Readout = Literal["adc", "neuron"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TileResult:
    """What one crossbar shows at its pins.

    Attributes:
        tile: the crossbar.
        planes: its inputs, uint8, shape (images, planes, rows): bit-planes, or one plane of whole inputs.
        codes: signed ADC codes, or the neurons' decisions 0 and 1, int16,
            shape (images, planes, columns), least significant plane first.
    """

    tile: Tile
    planes: NDArray[np.uint8]
    codes: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """One layer of the network.

    Attributes:
        tiles: its crossbars, in the order given.
        accumulators: int64, shape (images, outputs); with neurons, their decisions.
        activations: uint8, shape (images, outputs), the next layer's inputs; None
            after a layer without activation.
    """

    tiles: tuple[TileResult, ...]
    accumulators: NDArray[np.int64]
    activations: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """All layers, and the class of each image, int64, shape (images,)."""

    layers: tuple[LayerResult, ...]
    classes: NDArray[np.int64]

    def tile(self, name: str) -> TileResult:
        """Return the crossbar named `name`.

        Raises:
            InputError: there is none.
        """
        for layer in self.layers:
            for result in layer.tiles:
                if result.tile.name == name:
                    return result
        msg = f"no crossbar is named '{name}'."
        raise InputError(msg)


class FirstLayerSums:
    """What runs of the same images through the same crossbars share, whatever the converters: the first fills it."""

    def __init__(self) -> None:
        self._given: tuple[object, ...] = ()
        self._found: dict[Tile, tuple[NDArray[np.uint8], NDArray[np.floating]]] = {}

    def known(self, *given: object) -> bool:
        """Whether an earlier run was given the same objects.

        Raises:
            InputError: it was given others.
        """
        same = len(given) == len(self._given) and all(map(operator.is_, given, self._given))
        if self._given and not same:
            msg = "the sums of a first layer hold for one network, its images, crossbars, input steps and conditions."
            raise InputError(msg)
        before, self._given = bool(self._given), given
        return before

    def of(
        self, tile: Tile, make: Callable[[], tuple[NDArray[np.uint8], NDArray[np.floating]]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
        """Return the inputs of a crossbar of the first layer and its column sums."""
        if tile not in self._found:
            self._found[tile] = make()
        return self._found[tile]


def run_network(
    network: QuantisedNetwork,
    adc: AdcParameters,
    images: NDArray[np.integer],
    nonidealities: Nonidealities = IDEAL,
    *,
    tiles: Sequence[Tile] | None = None,
    readout: Readout = "adc",
    shared: FirstLayerSums | None = None,
) -> NetworkResult:
    """Run images through the network as the macro does.

    Args:
        network: the layers.
        adc: the converters; ignored with neurons.
        images: unsigned activations of `network.activation_bits`, shape (n, inputs).
        nonidealities: what differs from the ideal machine.
        tiles: the crossbars; None gives each layer one crossbar of its own size.
        readout: `adc`, or `neuron` for binary activations: a neuron fires when
            S + bias >= 0, where bias rows add the bias.
        shared: of runs that differ in resolution and full scale of their converters only.

    Returns:
        Codes of each tile, plane and column, accumulators, activations and classes.
        Classes are the largest accumulator's index, the lowest of equal ones.

    Raises:
        InputError: shapes, tiles, activations, converter or readout do not fit.
    """
    _check_images(network, images, readout)
    check_adc(adc)
    parts = tuple(tiles) if tiles is not None else cut_tiles(network, bias_limit=_bias_limit(readout))
    if shared is None or not shared.known(network, images, nonidealities, adc.input_steps, *parts):
        check_tiles(network, parts)
    index_of = {id(tile): index for index, tile in enumerate(parts)}
    activations: NDArray[np.integer] = images
    layers: list[LayerResult] = []
    steps = 1 if readout == "neuron" else adc.input_steps
    for index, layer in enumerate(network.layers):
        planes = input_planes(activations, network.activation_bits, steps)
        groups = column_groups(parts, index)
        if readout == "neuron":
            check_biases(network, [tile for group in groups if len(group) == 1 for tile in group])
            result = _neuron_layer(layer, planes, groups, nonidealities, index_of)
        else:
            result = _adc_layer(
                layer, planes, groups, adc, nonidealities, index_of, network.activation_bits,
                shared if index == 0 else None,
            )  # fmt: skip
        layers.append(result)
        if result.activations is not None:
            activations = result.activations
    classes = np.argmax(layers[-1].accumulators, axis=1)
    return NetworkResult(layers=tuple(layers), classes=classes)


def _bias_limit(readout: Readout) -> int | None:
    """Return what a bias row of a crossbar of any size holds; None where biases are added digitally."""
    return int(np.iinfo(np.int8).max) if readout == "neuron" else None


def _check_images(network: QuantisedNetwork, images: NDArray[np.integer], readout: Readout) -> None:
    """Refuse images, layers and readouts that do not fit each other."""
    if not network.layers:
        msg = f"network '{network.name}' has no layers."
        raise InputError(msg)
    inputs = network.layers[0].weights.shape[0]
    if images.ndim != 2 or images.shape[1] != inputs:
        msg = f"images have shape {images.shape}; network '{network.name}' takes (n, {inputs})."
        raise InputError(msg)
    if not np.issubdtype(images.dtype, np.integer):
        msg = f"images have dtype {images.dtype}; round them to whole numbers first."
        raise InputError(msg)
    if readout == "neuron" and network.activation_bits != 1:
        msg = (
            f"readout 'neuron' makes binary activations; network '{network.name}' has "
            f"activation_bits {network.activation_bits}. Train it with 1."
        )
        raise InputError(msg)
    for before, after in itertools.pairwise(network.layers):
        if before.activation == "none" or before.weights.shape[1] != after.weights.shape[0]:
            msg = (
                f"layer '{after.name}' takes {after.weights.shape[0]} activations; layer "
                f"'{before.name}' gives {before.weights.shape[1]} with activation "
                f"'{before.activation}'."
            )
            raise InputError(msg)


def _result_of(tile: Tile, planes: NDArray[np.uint8], codes: NDArray[np.int16]) -> TileResult:
    """Turn planes-first arrays into images-first ones."""
    return TileResult(tile=tile, planes=planes.swapaxes(0, 1), codes=codes.swapaxes(0, 1))


def _adc_layer(
    layer: QuantisedLayer,
    planes: NDArray[np.uint8],
    groups: Sequence[Sequence[Tile]],
    adc: AdcParameters,
    nonidealities: Nonidealities,
    index_of: dict[int, int],
    bits: int,
    shared: FirstLayerSums | None,
) -> LayerResult:
    """Convert, shift and add, and requantise one layer."""
    accumulators = np.empty((planes.shape[1], layer.weights.shape[1]), dtype=np.int64)
    results: list[TileResult] = []
    for group in groups:
        codes: list[NDArray[np.int16]] = []
        for tile in group:
            place = index_of[id(tile)]
            make = partial(_summed, planes, tile, nonidealities, place)
            rows, sums = shared.of(tile, make) if shared else make()
            codes.append(convert_sums(sums, adc, nonidealities, place))
            results.append(_result_of(tile, rows, codes[-1]))
        columns = slice(group[0].col_start, group[0].col_start + group[0].columns)
        shifts = [tile.weight_shift for tile in group]
        accumulators[:, columns] = accumulate(codes, adc, layer.bias[columns], shifts)
    activations = None
    if layer.activation == "relu":
        activations = requantise(accumulators, multiplier=layer.multiplier, shift=layer.shift, bits=bits)
    return LayerResult(tiles=tuple(results), accumulators=accumulators, activations=activations)


def _summed(
    planes: NDArray[np.uint8], tile: Tile, nonidealities: Nonidealities, index: int
) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """Return the inputs of a crossbar and its column sums."""
    rows = row_bits(planes, tile)
    return rows, column_sums(rows, tile, nonidealities, index)


def _neuron_layer(
    layer: QuantisedLayer,
    planes: NDArray[np.uint8],
    groups: Sequence[Sequence[Tile]],
    nonidealities: Nonidealities,
    index_of: dict[int, int],
) -> LayerResult:
    """Let the comparator neurons of one layer decide."""
    decisions = np.empty((planes.shape[1], layer.weights.shape[1]), dtype=np.uint8)
    results: list[TileResult] = []
    for group in groups:
        if len(group) > 1:
            msg = (
                f"layer '{layer.name}' is split over {len(group)} row tiles; a neuron decides on "
                "its whole column. Give the crossbar more rows, or use readout 'adc'."
            )
            raise InputError(msg)
        tile = group[0]
        rows = row_bits(planes, tile)
        fired = read_neurons(rows[0], tile, nonidealities, index_of[id(tile)])
        decisions[:, tile.col_start : tile.col_start + tile.columns] = fired
        results.append(_result_of(tile, rows, fired[None].astype(np.int16)))
    return LayerResult(tiles=tuple(results), accumulators=decisions.astype(np.int64), activations=decisions)
