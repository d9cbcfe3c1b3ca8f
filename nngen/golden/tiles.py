"""Cut layers into crossbar tiles, and check that given tiles hold a network exactly."""

from __future__ import annotations

from collections.abc import Sequence

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

    Returns:
        Tiles named `xb0`, `xb1`... by layer, then row split, then column split.

    Raises:
        InputError: `rows`, `columns` or `splits` is below 1.
    """
    for name, limit in (("rows", rows), ("columns", columns), ("splits", splits)):
        if limit is not None and limit < 1:
            msg = f"{name} is {limit}; a crossbar has at least 1."
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
                tiles.append(
                    Tile(
                        name=f"xb{len(tiles)}",
                        layer=index,
                        row_start=row,
                        col_start=column,
                        weights=np.concatenate([part, below[:, : part.shape[1]]]) if len(below) else part,
                        bias_rows=len(below),
                    )
                )
    return tuple(tiles)


def check_tiles(network: QuantisedNetwork, tiles: Sequence[Tile]) -> None:
    """Refuse tiles that do not hold each weight of the network exactly once.

    Within a layer, tiles that share a column must share all of them, so that their
    codes can be added column by column.

    Raises:
        InputError: a tile leaves its layer, holds other weights, overlaps or leaves a hole.
    """
    held = [np.zeros(layer.weights.shape, dtype=np.int64) for layer in network.layers]
    for tile in tiles:
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


def column_groups(tiles: Sequence[Tile], layer: int) -> list[tuple[Tile, ...]]:
    """Group one layer's tiles by their columns, in column order, row tiles in row order.

    Raises:
        InputError: tiles of one layer share some columns but not all.
    """
    groups: dict[int, list[Tile]] = {}
    for tile in sorted(tiles, key=lambda tile: (tile.col_start, tile.row_start)):
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
