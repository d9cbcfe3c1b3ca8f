"""Cut layers into crossbar tiles, and check that given tiles hold a network exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nngen.errors import InputError
from nngen.ir import QuantisedNetwork, Tile


def cut_tiles(
    network: QuantisedNetwork, *, rows: int | None = None, columns: int | None = None, splits: int = 1
) -> tuple[Tile, ...]:
    """Cut every layer into tiles of at most `rows` x `columns`; None leaves it whole.

    Args:
        network: the network.
        rows: rows of a crossbar.
        columns: columns of a crossbar.
        splits: spread the inputs of each layer over so many crossbars at least, as far as there are
            inputs.

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
        row_step, column_step = min(rows or inputs, -(-inputs // splits)), columns or outputs
        for row in range(0, inputs, row_step):
            for column in range(0, outputs, column_step):
                part = layer.weights[row : row + row_step, column : column + column_step]
                tiles.append(
                    Tile(
                        name=f"xb{len(tiles)}",
                        layer=index,
                        row_start=row,
                        col_start=column,
                        weights=part,
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
            slice(tile.row_start, tile.row_start + tile.rows),
            slice(tile.col_start, tile.col_start + tile.columns),
        )
        part = network.layers[tile.layer].weights[span]
        if part.shape != tile.weights.shape or not np.array_equal(part, tile.weights):
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
