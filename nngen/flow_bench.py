"""From the macro and its parasitics to the simulation's benches: which cells, which loads.

A column is simulated alone with its converter, its row drivers and the sequencer. What hangs on
its lines besides, other columns, other converters, wires of the levels above, are loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nngen.errors import LibraryError
from nngen.estimate.electrical import GATE_F_M, row_load
from nngen.estimate.ramps import MIDDLE_OF_LINE
from nngen.ir import AdcParameters, Instance, Netlist, Subcircuit, Tile
from nngen.library import Library
from nngen.pdk import Pdk
from nngen.stages.deck import ColumnBench, Loads, Operation, solver_options
from nngen.synapse_lines import ramp_lines
from nngen.tools.flat_netlist import CellText
from nngen.tools.models import mim_factor

if TYPE_CHECKING:
    from nngen.stages.extraction import Extraction
    from nngen.stages.macro import MacroCrossbar

ROW_LINES = ("xp", "xn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Where a simulation takes place: corner, temperature, supply, clock, and how far `vth` is trimmed.

    The trim is what it is at the nominal supply; like `vcm` the reference follows the supply.
    """

    corner: str
    temperature_degc: float
    supply_scale: float
    clock_hz: float
    vth_shift_v: float = 0.0

    @property
    def text(self) -> str:
        """Return the condition in words."""
        trim = f", vth {1e3 * self.vth_shift_v * self.supply_scale:+.2f} mV" if self.vth_shift_v else ""
        return f"{self.corner}, {self.temperature_degc:g} degC, supply x {self.supply_scale:g}{trim}"


class Wires:
    """Wire capacitances of lines through the hierarchy, from the extraction.

    Without an extraction every wire is ideal.
    """

    def __init__(self, netlist: Netlist, extraction: Extraction | None) -> None:
        """Index the netlist by parent."""
        self.cells = netlist.by_name()
        self.extraction = extraction
        self._parents: dict[str, list[tuple[Subcircuit, Instance]]] = {}
        self._hanging: dict[str, dict[str, list[tuple[str, str]]]] = {}  # cell -> net -> (child, port)
        self._below_f: dict[tuple[str, str], float] = {}
        for cell in netlist.subcircuits:
            for instance in cell.instances:
                self._parents.setdefault(instance.cell, []).append((cell, instance))

    def line_f(self, cell: str, net: str) -> float:
        """Return the capacitance of a net's wires in `cell` and in all cells above, the worst path."""
        found = self.extraction.nets.get((cell, net)) if self.extraction else None
        own_f = found.total_f if found else 0.0
        ports = self.cells[cell].ports
        if net not in ports:
            return own_f
        place = ports.index(net)
        above = {(parent.name, instance.nets[place]) for parent, instance in self._parents.get(cell, [])}
        return own_f + max((self.line_f(*outer) for outer in above), default=0.0)

    def below_f(self, cell: str, net: str) -> float:
        """Return the capacitance of a net's wires in `cell` and in all cells below; kept for the next call."""
        if (cell, net) not in self._below_f:
            if cell not in self._hanging:
                on = self._hanging.setdefault(cell, {})
                for instance in self.cells[cell].instances:
                    for port, outer in zip(self.cells[instance.cell].ports, instance.nets, strict=True):
                        on.setdefault(outer, []).append((instance.cell, port))
            own = self.extraction.nets.get((cell, net)) if self.extraction else None
            below_f = sum(self.below_f(*child) for child in self._hanging[cell].get(net, ()))
            self._below_f[cell, net] = (own.total_f if own else 0.0) + below_f
        return self._below_f[cell, net]

    def line_ohm(self, cell: str, net: str) -> float:
        """Return the end-to-end resistance of a net in `cell`, 0 where it has none."""
        found = self.extraction.nets.get((cell, net)) if self.extraction else None
        return max(found.resistance_ohm.values(), default=0.0) if found else 0.0

    def nets_on(self, parent: str, child: str, port: str) -> tuple[str, ...]:
        """Return the nets of `parent` that hang on `port` of the `child` cells below it, sorted."""
        if child not in self.cells or port not in self.cells[child].ports:
            return ()
        return tuple(sorted(self._nets_on(parent, child, port, {child: frozenset([port])})))

    def _nets_on(
        self, parent: str, child: str, port: str, known: dict[str, frozenset[str]]
    ) -> frozenset[str]:
        """Go down to `child` once for each cell in between; `known` keeps what was found."""
        if parent not in known:
            nets: set[str] = set()
            for instance in self.cells[parent].instances:
                inner = self._nets_on(instance.cell, child, port, known)
                if inner:
                    ports = self.cells[instance.cell].ports
                    nets.update(net for name, net in zip(ports, instance.nets, strict=True) if name in inner)
            known[parent] = frozenset(nets)
        return known[parent]

    def worst_f(self, parent: str, child: str, port: str) -> float:
        """Return the largest line capacitance of the nets on a port."""
        return max((self.line_f(parent, net) for net in self.nets_on(parent, child, port)), default=0.0)

    def outside_f(self, cell: str, port: str) -> float:
        """Return the wire capacitance that a port of `cell` sees outside of it, the worst instance."""
        return max((self.line_f(*one) for one in self._outer(cell, port)), default=0.0)

    def outside_ohm(self, cell: str, port: str) -> float:
        """Return the end-to-end resistance of the net that a port of `cell` hangs on, the worst instance."""
        return max((self.line_ohm(*one) for one in self._outer(cell, port)), default=0.0)

    def _outer(self, cell: str, port: str) -> set[tuple[str, str]]:
        place = self.cells[cell].ports.index(port)
        return {(parent.name, instance.nets[place]) for parent, instance in self._parents.get(cell, [])}

    def input_f(self, cell: str, port: str) -> float:
        """Return what a port of `cell` shows: gates by their width, and the wires below it."""
        return self._gates_m(cell, port) * GATE_F_M + self.below_f(cell, port)

    def _gates_m(self, cell: str, net: str) -> float:
        """Return the total width of the gates on a net, in metres."""
        found = self.cells[cell]
        total = sum(t.width_nm * t.fingers * 1e-9 for t in found.transistors if t.gate == net)
        for instance in found.instances:
            ports = self.cells[instance.cell].ports
            for port, connected in zip(ports, instance.nets, strict=True):
                if connected == net:
                    total += self._gates_m(instance.cell, port)
        return total

    def count(self, cell: str, child: str) -> int:
        """Return how many times `child` stands below `cell`, flat."""
        instances = self.cells[cell].instances
        return sum((i.cell == child) + self.count(i.cell, child) for i in instances)


def crossbar_loads(crossbar: MacroCrossbar, tile: Tile, wires: Wires, pdk: Pdk) -> Loads:
    """Return what hangs on the lines of a column of one crossbar.

    For columns that are not in the deck, rows carry synapses with every magnitude bit set; the
    column's resistance is that of its whole length. Both are the slow side.
    """
    array, synapse = crossbar.array_cell, crossbar.synapse_cell
    columns = wires.nets_on(array, synapse, "col")
    if not columns:
        msg = f"netlist: array '{array}' has no instance of '{synapse}' with a port 'col'."
        raise LibraryError(msg)
    unit_f = pdk.devices.mimcap.capacitance_f(next(iter(pdk.corners)))
    synapse_f = row_load(wires.cells[synapse], ROW_LINES, unit_f, pdk).farad
    synapse_f += max(_own_f(wires, synapse, line) for line in ROW_LINES)
    row_wire_f = max(wires.worst_f(array, synapse, line) for line in ROW_LINES)
    ports = set(wires.cells[crossbar.sequencer_cell].ports) & set(wires.cells[crossbar.adc_cell].ports)
    controls = sorted(ports - {"vdd", "vss"})
    driver = crossbar.row_driver_cell
    ramps = ramp_lines(wires.cells[driver].ports)
    return Loads(
        ramp_ohm=max((wires.outside_ohm(driver, net) for net in ramps), default=0.0) / MIDDLE_OF_LINE,
        ramp_f=max((wires.outside_f(driver, net) for net in ramps), default=0.0),
        column_ohm=max(wires.line_ohm(array, net) for net in columns),
        column_f=max(wires.line_f(array, net) for net in columns),
        row_f=row_wire_f,
        synapse_f=synapse_f,
        columns=tile.columns,
        bitline_f=max(wires.worst_f(array, synapse, line) for line in ("bl", "blb")),
        control_f={port: wires.outside_f(crossbar.sequencer_cell, port) for port in controls},
        converter_f={port: wires.input_f(crossbar.adc_cell, port) for port in controls},
        converters=_converters(wires.cells[crossbar.adc_cell], tile),
    )


def _own_f(wires: Wires, cell: str, net: str) -> float:
    found = wires.extraction.nets.get((cell, net)) if wires.extraction else None
    return found.total_f if found else 0.0


def _converters(adc: Subcircuit, tile: Tile) -> int:
    """Return how many converters the columns of a crossbar have."""
    columns = sum(1 for port in adc.ports if port == "col" or (port[:3] == "col" and port[3:].isdigit()))
    return -(-tile.columns // max(columns, 1))


def operation(pdk: Pdk, condition: Condition, code_v: float) -> Operation:
    """Return supplies, clock, temperature and numerics of a condition, for codes of a width on the column."""
    vcm_v = pdk.supplies.vcm_v * condition.supply_scale
    return Operation(
        vdd_v=pdk.supplies.vdd_v * condition.supply_scale,
        vcm_v=vcm_v,
        vth_v=vcm_v + condition.vth_shift_v * condition.supply_scale,
        clock_s=1 / condition.clock_hz,
        temperature_c=condition.temperature_degc,
        mim_factor=mim_factor(pdk, condition.corner),
        options=solver_options(code_v * condition.supply_scale, vcm_v),
    )


def column_bench(
    crossbar: MacroCrossbar,
    adc: AdcParameters,
    loads: Loads,
    text: dict[str, CellText],
    pdk: Pdk,
    condition: Condition,
    code_v: float,
) -> ColumnBench:
    """Return the bench of one crossbar's columns, on which codes are `code_v` wide at the nominal supply."""
    return ColumnBench(
        cells=text,
        models={pdk.devices.nfet.model: "nfet", pdk.devices.pfet.model: "pfet"},
        synapse=crossbar.synapse_cell,
        row_driver=crossbar.row_driver_cell,
        column_io=crossbar.column_io_cell,
        adc=crossbar.adc_cell,
        sequencer=crossbar.sequencer_cell,
        bits=adc.bits,
        input_steps=adc.input_steps,
        loads=loads,
        operation=operation(pdk, condition, code_v),
    )


def drawn_units(tile: Tile, adc: AdcParameters, library: Library) -> int:
    """Return the unit capacitors on a column: synapses, converter, and the half-unit offset's."""
    synapses = tile.rows * library.file.unit_capacitor.synapse_units
    return synapses + adc.lsb_units * ((1 << adc.bits) - 1) + 1


def code_width_v(
    crossbar: MacroCrossbar, tile: Tile, adc: AdcParameters, wires: Wires, library: Library, pdk: Pdk, column_f: float
) -> float:
    """Return how wide a code is on a column at the nominal supply: VDD * lsb_units * Cu / Ctot, junctions left out.

    Args:
        crossbar: its cells.
        tile: its rows.
        adc: its converters.
        wires: from the extraction.
        library: the cells.
        pdk: the process.
        column_f: wires of the column outside of the synapses.
    """
    unit_f = pdk.devices.mimcap.capacitance_f(next(iter(pdk.corners)))
    wires_f = column_f + tile.rows * _own_f(wires, crossbar.synapse_cell, "col")
    total_f = drawn_units(tile, adc, library) * unit_f + wires_f
    return pdk.supplies.vdd_v * adc.lsb_units * unit_f / total_f
