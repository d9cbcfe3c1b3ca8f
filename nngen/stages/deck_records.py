"""What a simulation deck is made from, and what it is: loads, operation, bench, deck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nngen.synapse_lines import RAMP_LINES, wordlines
from nngen.tools.flat_netlist import CellText
from nngen.tools.models import Device

Merge = Literal["none", "rows", "slices"]

SUPPLIES = ("vdd", "vdd_rows", "vdd_adc", "vdd_seq")
RAMPS = RAMP_LINES
"""References that pulse-width drivers follow: the first falls from the supply to 0, the second rises."""
# KLU instead of Sparse; devices that do not change are not evaluated again (bypass). The operating
# point of SRAM and flip-flops always ends in gmin stepping, so it starts there (noopiter). xmu damps
# the ringing of the trapezoidal rule. Single-threaded model evaluation (set by the worker) is five
# times as fast as two threads. The step control does not see the comparator's nodes, of a few
# femtofarads, at ngspice's chgtol (1e-14); `decision_breaks` sets the steps where they matter.
SOLVER_OPTIONS = "klu noopiter bypass=1 abstol=1e-8 vntol=1e-5 xmu=0.49"
# Columns are known to ngspice's own reltol of 1e-3 times their level. With it codes of 1.7 mV at 0.9 V came out up to 2
# off; with 1e-4 they are those of a solver that bypasses no device, for 1.4 to 1.9 times the processor time.
RELTOL, FINE_RELTOL = 1e-3, 1e-4
# The comparators decide within this time after a falling clock edge, in all corners; the steps in it
# follow breakpoints. A slow corner needs its steps later, and not as fine.
_DECISION_S = (0.3e-9, 0.4e-9, 0.5e-9, 0.6e-9, 0.75e-9, 0.95e-9, 1.2e-9, 1.5e-9, 1.9e-9, 2.4e-9, 3e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """What hangs on the lines besides the devices in the deck, from extraction, SI units.

    Attributes:
        column_ohm: lumped resistance between the synapses and the converter.
        column_f: wire capacitance of the column to the supplies.
        row_f: wire capacitance of each of xp and xn of one row.
        synapse_f: what one synapse puts on each of them, for the columns that are not in the deck.
        columns: columns of the crossbar.
        bitline_f: wire capacitance of each bitline.
        ramp_ohm: from a ramp's pins to the drivers, lumped.
        ramp_f: wire capacitance of each ramp.
        control_f: wire capacitance on the sequencer's outputs by port name.
        converter_f: what one converter puts on them, for the converters that are not in the deck.
        converters: converters of the bank.
    """

    column_ohm: float = 0.0
    column_f: float = 0.0
    row_f: float = 0.0
    synapse_f: float = 0.0
    columns: int = 1
    bitline_f: float = 0.0
    ramp_ohm: float = 0.0
    ramp_f: float = 0.0
    control_f: dict[str, float] = field(default_factory=dict)
    converter_f: dict[str, float] = field(default_factory=dict)
    converters: int = 1

    def others_f(self, columns: int) -> float:
        """Return what stands on each of a row's lines for the synapses of the columns beside `columns`."""
        return max(self.columns - columns, 0) * self.synapse_f


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Supplies, clock and numerics of a simulation.

    Attributes:
        vdd_v: supply.
        vcm_v: column reset level.
        vth_v: comparator reference.
        clock_s: clock period.
        reset_cycles: clock edges that see `start` high; the column is reset as long.
        edge_s: rise and fall time of clock, start and row data.
        temperature_c: junction temperature.
        mim_factor: unit capacitor in this corner over its value in the netlist.
        options: ngspice options.
    """

    vdd_v: float
    vcm_v: float
    vth_v: float
    clock_s: float = 20e-9
    reset_cycles: int = 2
    edge_s: float = 0.2e-9
    temperature_c: float = 27.0
    mim_factor: float = 1.0
    options: str = SOLVER_OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBench:
    """Everything a deck is made of except weights and inputs.

    Attributes:
        cells: the extracted netlist, from `flat_netlist.read_cells`.
        models: kind of device by model name.
        synapse: cell name, and likewise `row_driver`, `column_io`, `adc`, `sequencer`. The
            converter may be a comparator neuron's column (port `act` instead of `d0`..).
        bits: bits of the converter, 1 for a neuron.
        input_steps: largest input of a conversion; above 1 rows carry pulses of 0 to so many clocks.
        loads: extracted loads.
        operation: supplies, clock, numerics.
    """

    cells: Mapping[str, CellText]
    models: Mapping[str, Literal["nfet", "pfet"]]
    synapse: str
    row_driver: str
    column_io: str
    adc: str
    sequencer: str
    bits: int
    loads: Loads
    operation: Operation
    input_steps: int = 1

    @property
    def supplies(self) -> tuple[str, ...]:
        """Return the sources whose charges count: supplies, and the ramps where there are any."""
        return SUPPLIES if self.input_steps == 1 else (*SUPPLIES, *RAMPS)

    @property
    def wordlines(self) -> tuple[str, ...]:
        """Return the synapse's word lines, one for each bit that it stores."""
        return wordlines(self.cells[self.synapse].ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """Netlist without model cards.

    Attributes:
        lines: title, elements, sources and options.
        devices: transistor sizes that need a card.
        end_s: when the outputs are read.
        begin_s: from when charges are counted.
        stop_s: up to when charges are counted: the stop time of the transient.
        step_s: its print step, which also bounds the time step.
        outputs: output nodes, column by column, of a code the least significant bit first.
        columns: columns in the deck.
        supplies: sources whose charges are counted.
        decision_s: when the comparators decide first.
    """

    lines: tuple[str, ...]
    devices: frozenset[Device]
    end_s: float
    begin_s: float
    stop_s: float
    step_s: float
    outputs: tuple[str, ...]
    columns: int = 1
    supplies: tuple[str, ...] = SUPPLIES
    decision_s: float = 0.0

    def text(self, cards: str) -> str:
        """Return the circuit with its model cards (`models.flatten` of `devices`)."""
        return "\n".join((*self.lines, cards.rstrip(), ".end", ""))

    @property
    def transient(self) -> str:
        """The analysis command."""
        return f"tran {self.step_s:g} {self.stop_s:.9g} 0 {self.step_s:g}"


def solver_options(code_v: float, level_v: float) -> str:
    """Return options with which the solver's tolerance is below a third of a code.

    Args:
        code_v: width of a code on the column.
        level_v: about where columns lie.
    """
    return SOLVER_OPTIONS if code_v > 3 * RELTOL * level_v else f"{SOLVER_OPTIONS} reltol={FINE_RELTOL:g}"


def decision_breaks(clock_falls_s: Sequence[float]) -> str:
    """Return a source that drives nothing: its corners make the solver step finely while comparators decide.

    Args:
        clock_falls_s: the clock edges after which the comparators decide, rising order.
    """
    times = [fall_s + after_s for fall_s in clock_falls_s for after_s in _DECISION_S]
    corners = " ".join(f"{time_s:.7g} {i % 2}" for i, time_s in enumerate(times))
    return f"vbreaks breaks 0 pwl(0 0 {corners})"
