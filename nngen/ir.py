"""Frozen records handed from stage to stage. No input or output here.

Geometry is integer nanometres, electrical values are SI floats, arrays are numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# --------------------------------------------------------------------------- network


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedLayer:
    """One fully connected layer with integer weights.

    Attributes:
        name: layer name, unique in the network.
        weights: int8, shape (inputs, outputs), sign and magnitude within the stored range.
        bias: int64, shape (outputs,), in units of weight times activation.
        multiplier: requantisation factor, y = clip((acc*multiplier + 2**(shift-1)) >> shift, 0, 2**bits-1).
        shift: requantisation shift, >= 1.
        activation: `relu` requantises, `none` leaves the accumulator (last layer, argmax).
    """

    name: str
    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    multiplier: int
    shift: int
    activation: Literal["relu", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedNetwork:
    """A chain of quantised layers; `activation_bits` unsigned bits between them."""

    name: str
    layers: tuple[QuantisedLayer, ...]
    activation_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcParameters:
    """SAR ADC on the column, and what it converts.

    Attributes:
        bits: resolution.
        lsb_units: weight units per code, an integer >= 1. A weight unit is one unit capacitor driven by the supply.
        input_steps: largest input of one conversion: 1 where rows carry one bit after the other, 2**b - 1 where the
            width of a pulse gives an input of b bits. A row is driven by the supply * input / input_steps.
    """

    bits: int
    lsb_units: int
    input_steps: int = 1

    def planes(self, activation_bits: int) -> int:
        """Return the conversions that an input of so many bits takes."""
        return activation_bits if self.input_steps == 1 else 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One crossbar with the part of a layer that it holds; equal only to itself.

    Attributes:
        name: instance name of the crossbar in the macro, e.g. `xb0`.
        layer: index of the layer in the network.
        row_start: first layer input on row 0.
        col_start: first layer output on column 0.
        weights: int8, shape (rows used, columns used).
        bias_rows: the last rows of it, whose inputs are always 1: they hold the biases of comparator
            neurons.
        weight_shift: a weight here counts 2**weight_shift times: a slice of the magnitudes' bits.
    """

    name: str
    layer: int
    row_start: int
    col_start: int
    weights: NDArray[np.int8]
    bias_rows: int = 0
    weight_shift: int = 0

    @property
    def inputs(self) -> int:
        """Layer inputs on its rows."""
        return self.rows - self.bias_rows

    @property
    def rows(self) -> int:
        """Rows in use."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """Columns in use."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """All tiles of a network and the ADC full scale chosen for them.

    Attributes:
        tiles: one per crossbar.
        adc: the converter.
        columns_per_adc: columns that share one.
        dummies: columns of dummy capacitors at either side of every array.
        unit_side_nm: side of a unit capacitor; 0 for the PDK's own.
    """

    tiles: tuple[Tile, ...]
    adc: AdcParameters
    columns_per_adc: int
    dummies: int = 0
    unit_side_nm: int = 0

    @property
    def largest_bank(self) -> int:
        """Converters, or neurons, under the widest crossbar."""
        return max(-(-tile.columns // self.columns_per_adc) for tile in self.tiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingOption:
    """A mapping that selection weighs.

    Attributes:
        mapping: crossbars and converter.
        allowed: the spec allows it; others are listed for comparison only.
        column_splits: over how many crossbars the inputs of a layer are spread at least.
        weight_slices: over how many crossbars the bits of a weight are spread at most.
    """

    mapping: Mapping
    allowed: bool
    column_splits: int = 1
    weight_slices: int = 1


# --------------------------------------------------------------------------- netlist


@dataclass(frozen=True, slots=True, kw_only=True)
class Transistor:
    """A MOS transistor of a leaf cell; `width_nm` is the width of one of `fingers` equal fingers."""

    name: str
    kind: Literal["nfet", "pfet"]
    drain: str
    gate: str
    source: str
    bulk: str
    width_nm: int
    length_nm: int
    fingers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacitor:
    """`units` equal unit MIM capacitors from `plate` (bottom) to `top`."""

    name: str
    plate: str
    top: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryElement:
    """A two-terminal resistive memory between two metals, `top` and `bottom` electrode."""

    name: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A subcircuit instance; `nets` follow the port order of `cell`."""

    name: str
    cell: str
    nets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcircuit:
    """A cell's netlist: ports in order, then its devices and instances."""

    name: str
    ports: tuple[str, ...]
    transistors: tuple[Transistor, ...] = ()
    capacitors: tuple[Capacitor, ...] = ()
    instances: tuple[Instance, ...] = ()
    memories: tuple[MemoryElement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Netlist:
    """Subcircuits bottom-up; the last one is the top."""

    subcircuits: tuple[Subcircuit, ...]

    @property
    def top(self) -> Subcircuit:
        """The macro's own subcircuit."""
        return self.subcircuits[-1]

    def by_name(self) -> dict[str, Subcircuit]:
        """Return the subcircuits keyed by name."""
        return {cell.name: cell for cell in self.subcircuits}


# --------------------------------------------------------------------------- layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """An axis-parallel rectangle on a PDK layer, in nanometres."""

    layer: str
    x0: int
    y0: int
    x1: int
    y1: int

    def moved(self, dx_nm: int, dy_nm: int) -> Rect:
        """Return the rectangle moved by (dx_nm, dy_nm)."""
        return Rect(
            layer=self.layer,
            x0=self.x0 + dx_nm, y0=self.y0 + dy_nm, x1=self.x1 + dx_nm, y1=self.y1 + dy_nm,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Geometry where a port can be contacted: the net's name and one rectangle on a metal."""

    net: str
    rect: Rect


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A placed child: cell name, instance name, origin, mirroring, optional regular array.

    `columns` x `rows` copies at `pitch_x_nm`, `pitch_y_nm`; `mirror` flips y and `turned` flips x
    before the move.
    """

    cell: str
    name: str
    x_nm: int
    y_nm: int
    mirror: bool = False
    turned: bool = False
    columns: int = 1
    rows: int = 1
    pitch_x_nm: int = 0
    pitch_y_nm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLayout:
    """A drawn cell: outline (0, 0) to (width, height), own shapes, pins, children.

    Attributes:
        name: cell name, equal to the subcircuit's.
        width_nm: outline width.
        height_nm: outline height.
        rects: shapes drawn in this cell.
        pins: port geometry, at least one for every port.
        placements: children.
        notes: figures for the report (placement cost, bound, wire length, vias...).
    """

    name: str
    width_nm: int
    height_nm: int
    rects: tuple[Rect, ...]
    pins: tuple[Pin, ...]
    placements: tuple[Placement, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)


# --------------------------------------------------------------------------- checks


@dataclass(frozen=True, slots=True, kw_only=True)
class DrcViolation:
    """One violated rule in one cell: marker boxes in nm (x0, y0, x1, y1), at most a few kept."""

    rule: str
    text: str
    cell: str
    count: int
    boxes_nm: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrcReport:
    """Result of a design-rule check: what ran and what it found."""

    engine: str
    rules_run: tuple[str, ...]
    violations: tuple[DrcViolation, ...]

    @property
    def count(self) -> int:
        """Total number of violations."""
        return sum(violation.count for violation in self.violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class LvsReport:
    """Result of layout against schematic.

    Attributes:
        match: every device, net and pin found its partner.
        devices_compared: transistors and capacitors matched, counted flat.
        nets_compared: nets matched, summed over the circuits.
        mismatches: one line each, with cell and net or device name.
    """

    match: bool
    devices_compared: int
    nets_compared: int
    mismatches: tuple[str, ...]
