"""The synapse array as a hierarchy: rows of synapses, tiles of rows, the array of tiles.

Every level names its row lines and column lines as ports and draws nothing itself, as synapses meet
by abutment. A flat array costs nine pins a synapse in netlist, comparison and extraction; here only
the tiles' borders count, and equal rows and tiles are one cell.

A supply that no line of the synapse leads upwards is a line of every row: only the array's edge joins
the rows, so each has a port of its own, and no level has one port in several pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nngen.cells.leaf import LeafCell
from nngen.errors import LibraryError
from nngen.ir import CellLayout, Instance, Pin, Placement, Subcircuit

TILE = 64  # rows and columns of a tile at most
GROUND = "vss"  # rows share their outer rails, so it is one net everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Cells of an array, children first, the array itself last; netlists and layouts side by side."""

    netlists: tuple[Subcircuit, ...]
    layouts: tuple[CellLayout, ...]

    @property
    def netlist(self) -> Subcircuit:
        """The array's own netlist."""
        return self.netlists[-1]


def row_lines(synapse: LeafCell) -> tuple[str, ...]:
    """Return the ports that run along a row, in port order; supplies among them that only rows join."""
    return tuple(
        net for net in synapse.netlist.ports
        if net != GROUND and ((net, "row") in synapse.positions or _is_row_supply(net, synapse))
    )  # fmt: skip


def _is_row_supply(net: str, synapse: LeafCell) -> bool:
    return net == "vdd" and (net, "column") not in synapse.positions


def column_lines(synapse: LeafCell) -> tuple[str, ...]:
    """Return the other lines, which run along a column, in port order."""
    return tuple(net for net in synapse.netlist.ports if net not in (*row_lines(synapse), GROUND, "vdd"))


def _common(synapse: LeafCell) -> tuple[str, ...]:
    """Return the supplies that are one net over the whole array."""
    return (GROUND,) if _is_row_supply("vdd", synapse) else ("vdd", GROUND)


def array_supplies(synapse: LeafCell, rows: int) -> tuple[str, ...]:
    """Return the ports of an array of `rows` rows that belong to vdd."""
    return tuple(f"vdd_{r}" for r in range(rows)) if _is_row_supply("vdd", synapse) else ("vdd",)


def array_ports(synapse: LeafCell, rows: int, columns: int) -> tuple[str, ...]:
    """Return the ports of a block of synapses: lines row by row, then column by column, common supplies."""
    return (
        *(f"{net}_{r}" for r in range(rows) for net in row_lines(synapse)),
        *(f"{net}_{c}" for c in range(columns) for net in column_lines(synapse)),
        *_common(synapse),
    )


def build_array(synapse: LeafCell, rows: int, columns: int) -> Array:
    """Return the cells of `rows` x `columns` synapses.

    Raises:
        LibraryError: there is no synapse, or it has a port twice.
    """
    if rows < 1 or columns < 1 or len(set(synapse.netlist.ports)) != len(synapse.netlist.ports):
        msg = f"an array of {rows} x {columns} cells '{synapse.netlist.name}' cannot be built"
        raise LibraryError(msg)
    return _Builder(synapse).build(rows, columns)


def _cuts(length: int) -> tuple[int, ...]:
    """Cut a length into parts of at most `TILE`, all equal but perhaps the last."""
    part = -(-length // -(-length // TILE))
    return (*(part for _ in range(length // part)), *((length % part,) if length % part else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Child:
    """A block inside a block: its cell, its first row and column, its size."""

    cell: str
    row: int
    column: int
    rows: int
    columns: int


class _Builder:
    def __init__(self, synapse: LeafCell) -> None:
        self.synapse = synapse
        self.row_lines, self.column_lines = row_lines(synapse), column_lines(synapse)
        self.netlists: dict[str, Subcircuit] = {}
        self.layouts: dict[str, CellLayout] = {}

    def build(self, rows: int, columns: int) -> Array:
        tiles, row = [], 0
        for high in _cuts(rows):
            column = 0
            for wide in _cuts(columns):
                cell = self._tile(high, wide)
                tiles.append(_Child(cell=cell, row=row, column=column, rows=high, columns=wide))
                column += wide
            row += high
        if len(tiles) > 1:
            self._block(_name(rows, columns), rows, columns, tiles)
        return Array(netlists=tuple(self.netlists.values()), layouts=tuple(self.layouts.values()))

    def _tile(self, rows: int, columns: int) -> str:
        """Add a tile made of equal rows, and the row."""
        row = f"row_{columns}"
        cell = self.synapse.netlist.name
        synapses = [_Child(cell=cell, row=0, column=c, rows=1, columns=1) for c in range(columns)]
        self._block(row, 1, columns, synapses)
        rows_of_it = [_Child(cell=row, row=r, column=0, rows=1, columns=columns) for r in range(rows)]
        return self._block(_name(rows, columns), rows, columns, rows_of_it)

    def _block(self, name: str, rows: int, columns: int, children: Sequence[_Child]) -> str:
        """Add a cell of children, once."""
        if name in self.netlists:
            return name
        instances = tuple(
            Instance(name=f"b_{child.row}_{child.column}", cell=child.cell, nets=self._nets(child))
            for child in children
        )  # fmt: skip
        ports = array_ports(self.synapse, rows, columns)
        self.netlists[name] = Subcircuit(name=name, ports=ports, instances=instances)
        wide, high = self.synapse.layout.width_nm, self.synapse.layout.height_nm
        self.layouts[name] = CellLayout(
            name=name, width_nm=columns * wide, height_nm=rows * high, rects=(),
            pins=self._pins(rows, columns), placements=self._placements(children),
        )  # fmt: skip
        return name

    def _nets(self, child: _Child) -> tuple[str, ...]:
        """Nets on a child's ports; a synapse has its ports in an order of its own."""
        if child.cell == self.synapse.netlist.name:
            names = {net: f"{net}_{child.row}" for net in self.row_lines}
            names |= {net: f"{net}_{child.column}" for net in self.column_lines}
            return tuple(names.get(net, net) for net in self.synapse.netlist.ports)
        rows = range(child.row, child.row + child.rows)
        columns = range(child.column, child.column + child.columns)
        return (
            *(f"{net}_{r}" for r in rows for net in self.row_lines),
            *(f"{net}_{c}" for c in columns for net in self.column_lines),
            *_common(self.synapse),
        )

    def _placements(self, children: Sequence[_Child]) -> tuple[Placement, ...]:
        """Equal children as one array, the others one by one."""
        wide, high = self.synapse.layout.width_nm, self.synapse.layout.height_nm
        groups: dict[str, list[_Child]] = {}
        for child in children:
            groups.setdefault(child.cell, []).append(child)
        return tuple(
            Placement(
                cell=cell, name=f"b_{group[0].row}_{group[0].column}",
                x_nm=group[0].column * wide, y_nm=group[0].row * high,
                columns=len({child.column for child in group}), rows=len({child.row for child in group}),
                pitch_x_nm=group[0].columns * wide, pitch_y_nm=group[0].rows * high,
            )
            for cell, group in groups.items()
        )  # fmt: skip

    def _pins(self, rows: int, columns: int) -> tuple[Pin, ...]:
        """Pins of the first synapse of every row and column, in all their pieces."""
        wide, high = self.synapse.layout.width_nm, self.synapse.layout.height_nm
        drawn = self.synapse.layout.pins
        along_row = [pin for pin in drawn if pin.net in self.row_lines]
        along_column = [pin for pin in drawn if pin.net in self.column_lines]
        supplies = [pin for pin in drawn if pin.net in _common(self.synapse)]
        found = [_moved(pin, f"{pin.net}_{r}", 0, r * high) for r in range(rows) for pin in along_row]
        found += [
            _moved(pin, f"{pin.net}_{c}", c * wide, 0) for c in range(columns) for pin in along_column
        ]
        found += [_moved(pin, pin.net, 0, r * high) for r in range(rows) for pin in supplies]
        return tuple(found)


def _name(rows: int, columns: int) -> str:
    return f"array_{rows}x{columns}"


def _moved(pin: Pin, net: str, x_nm: int, y_nm: int) -> Pin:
    return Pin(net=net, rect=pin.rect.moved(x_nm, y_nm))
