"""Cut layers into crossbar tiles, and check that given tiles hold a network exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InputError
from nngen.ir import QuantisedLayer, QuantisedNetwork, Tile


def bias_weights(layer: QuantisedLayer, limit: int) -> NDArray[np.int8]:
    """Return rows that add a layer's biases to its columns' sums when their inputs are 1.

    A bias beyond what all inputs together can outweigh decides alone; it is cut back to the least that
    still does, which leaves every decision `S + bias >= 0` as it was.

    Args:
        layer: weights of shape (inputs, outputs), biases of shape (outputs,).
        limit: largest magnitude of a stored weight.

    Returns:
        int8, shape (rows, outputs), as few rows as the largest bias needs; none without biases.
    """
    weights = layer.weights.astype(np.int64)
    lowest, highest = np.minimum(weights, 0).sum(axis=0), np.maximum(weights, 0).sum(axis=0)
    rest = np.clip(layer.bias, -highest - 1, -lowest)
    count = -(-int(np.abs(rest).max(initial=0)) // limit)
    held = np.zeros((count, len(rest)), dtype=np.int8)
    for row in held:
        row[:] = np.clip(rest, -limit, limit)
        rest = rest - row
    return held


def row_bits(planes: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
    """Return the bits on a tile's rows: those of its layer inputs, and ones on its bias rows.

    Args:
        planes: zeros and ones of the whole layer, shape (..., layer inputs).
        tile: the crossbar.

    Returns:
        uint8, shape (..., rows).
    """
    inputs = planes[..., tile.row_start : tile.row_start + tile.inputs]
    if not tile.bias_rows:
        return inputs
    ones = np.ones((*inputs.shape[:-1], tile.bias_rows), dtype=np.uint8)
    return np.concatenate([inputs, ones], axis=-1)


def cut_tiles(
    network: QuantisedNetwork,
    *,
    rows: int | None = None,
    columns: int | None = None,
    splits: int = 1,
    bias_limit: int | None = None,
    slices: int = 1,
) -> tuple[Tile, ...]:
    """Cut every layer into tiles of at most `rows` x `columns`; None leaves it whole.

    Args:
        network: the network.
        rows: rows of a crossbar.
        columns: columns of a crossbar.
        splits: spread the inputs of each layer over so many crossbars at least, as far as there are
            inputs.
        bias_limit: largest magnitude of a stored weight; then the biases, as comparator neurons need
            them, stand in rows below each layer's last inputs, beyond `rows`. None leaves them to the
            digital part.
        slices: spread the bits of each layer's magnitudes over so many tiles, as far as there are bits.

    Returns:
        Tiles named `xb0`, `xb1`... by layer, then row split, then column split, then slice.

    Raises:
        InputError: `rows`, `columns`, `splits` or `slices` is below 1, or slices are asked for beside
            bias rows.
    """
    for name, limit in (("rows", rows), ("columns", columns), ("splits", splits), ("slices", slices)):
        if limit is not None and limit < 1:
            msg = f"{name} is {limit}; a crossbar has at least 1."
            raise InputError(msg)
    if bias_limit is not None and slices > 1:
        msg = f"slices is {slices}; comparator neurons have no codes that could be added."
        raise InputError(msg)
    tiles: list[Tile] = []
    for index, layer in enumerate(network.layers):
        inputs, outputs = layer.weights.shape
        biases = bias_weights(layer, bias_limit) if bias_limit else layer.weights[:0]
        row_step, column_step = min(rows or inputs, -(-inputs // splits)), columns or outputs
        for row in range(0, inputs, row_step):
            for column in range(0, outputs, column_step):
                part = layer.weights[row : row + row_step, column : column + column_step]
                below = biases[:, column : column + column_step] if row + row_step >= inputs else biases[:0]
                held = np.concatenate([part, below[:, : part.shape[1]]]) if len(below) else part
                tiles += [
                    Tile(
                        name=f"xb{len(tiles) + number}",
                        layer=index,
                        row_start=row,
                        col_start=column,
                        weights=weights,
                        bias_rows=len(below),
                        weight_shift=shift,
                    )
                    for number, (shift, weights) in enumerate(_sliced(held, layer.weights, slices))
                ]
    return tuple(tiles)


def _sliced(
    part: NDArray[np.int8], whole: NDArray[np.int8], slices: int
) -> list[tuple[int, NDArray[np.int8]]]:
    """Split weights by the bits of their magnitudes; the lower slices hold the more bits.

    Returns:
        Shift and weights of each slice: the sum of weights * 2**shift is `part`.
    """
    bits = max(1, int(np.abs(whole.astype(np.int64)).max()).bit_length())
    count = min(slices, bits)
    if count == 1:
        return [(0, part)]
    sign, magnitude = np.sign(part), np.abs(part)
    found = []
    shift = 0
    for number in range(count):
        width = -(-(bits - shift) // (count - number))
        field = magnitude >> shift & (1 << width) - 1
        found.append((shift, (sign * field).astype(np.int8)))
        shift += width
    return found


def check_tiles(network: QuantisedNetwork, tiles: Sequence[Tile]) -> None:
    """Refuse tiles that do not hold each weight of the network exactly once.

    Within a layer, tiles that share a column must share all of them, so that their
    codes can be added column by column. Slices of the same weights count as one tile.

    Raises:
        InputError: a tile leaves its layer, holds other weights, overlaps or leaves a hole.
    """
    held = [np.zeros(layer.weights.shape, dtype=np.int64) for layer in network.layers]
    for tile in _joined(tiles):
        if not 0 <= tile.layer < len(network.layers):
            msg = f"tile '{tile.name}' is for layer {tile.layer}; there are {len(network.layers)}."
            raise InputError(msg)
        span = (
            slice(tile.row_start, tile.row_start + tile.inputs),
            slice(tile.col_start, tile.col_start + tile.columns),
        )
        part = network.layers[tile.layer].weights[span]
        if not np.array_equal(part, tile.weights[: tile.inputs]):
            msg = (
                f"tile '{tile.name}' does not hold the weights of layer {tile.layer} "
                f"from row {tile.row_start} and column {tile.col_start}."
            )
            raise InputError(msg)
        held[tile.layer][span] += 1
    for index, counts in enumerate(held):
        if not np.all(counts == 1):
            row, column = (int(i) for i in np.argwhere(counts != 1)[0])
            msg = (
                f"layer {index}: weight [{row}, {column}] is on {counts[row, column]} tiles; "
                "each weight belongs on exactly one."
            )
            raise InputError(msg)


def check_biases(network: QuantisedNetwork, tiles: Sequence[Tile]) -> None:
    """Refuse tiles of comparator neurons whose bias rows do not add the biases.

    Raises:
        InputError: the bias rows of a tile add up to something else.
    """
    for tile in tiles:
        layer = network.layers[tile.layer]
        held = tile.weights[tile.inputs :].astype(np.int64).sum(axis=0)
        needed = bias_weights(layer, np.iinfo(np.int8).max).astype(np.int64).sum(axis=0)
        columns = slice(tile.col_start, tile.col_start + tile.columns)
        if not np.array_equal(held, needed[columns]):
            msg = (
                f"tile '{tile.name}': its {tile.bias_rows} bias rows do not add the biases of layer "
                f"'{layer.name}'; comparator neurons have no other bias. Cut the tiles with `bias_limit`."
            )
            raise InputError(msg)


def _joined(tiles: Sequence[Tile]) -> list[Tile]:
    """Return the tiles with slices of the same weights put together; equal slices stay apart."""
    groups: dict[tuple[int, ...], list[Tile]] = {}
    for tile in tiles:
        groups.setdefault((tile.layer, tile.row_start, tile.col_start, *tile.weights.shape), []).append(tile)
    found: list[Tile] = []
    for members in groups.values():
        shifts = {tile.weight_shift for tile in members}
        if len(shifts) < len(members) or shifts == {0}:
            found += members
            continue
        total = sum(tile.weights.astype(np.int64) << tile.weight_shift for tile in members)
        found.append(replace(members[0], weights=np.asarray(total), weight_shift=0))
    return found


def column_groups(tiles: Sequence[Tile], layer: int) -> list[tuple[Tile, ...]]:
    """Group one layer's tiles by their columns, in column order, row tiles in row order, then slices.

    Raises:
        InputError: tiles of one layer share some columns but not all.
    """
    groups: dict[int, list[Tile]] = {}
    for tile in sorted(tiles, key=lambda tile: (tile.col_start, tile.row_start, tile.weight_shift)):
        if tile.layer == layer:
            groups.setdefault(tile.col_start, []).append(tile)
    for members in groups.values():
        for tile in members:
            if tile.columns != members[0].columns:
                msg = (
                    f"tiles '{members[0].name}' and '{tile.name}' start at column "
                    f"{tile.col_start} but hold {members[0].columns} and {tile.columns} columns; "
                    "row tiles of a layer are cut at the same columns."
                )
                raise InputError(msg)
    return [tuple(members) for members in groups.values()]
