"""Area, timing, noise and energy of a macro before any layout exists, in well under a second.

Every figure carries its unit and formula. What is not known is said to be so, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dictionary

from nngen.cells.packing import Box
from nngen.cells.technology import CellTechnology
from nngen.estimate.crossbar import Activity, CrossbarEstimate, CrossbarShape, estimate_crossbar
from nngen.estimate.effort import effort
from nngen.estimate.energy import CONVERTER_ACTIVITY, SEQUENCER_ACTIVITY, SEQUENCER_CYCLES
from nngen.estimate.figures import NOT_KNOWN, Estimate, EstimatedFigure
from nngen.estimate.floorplan import macro_floorplan
from nngen.estimate.netlists import Netlists, Readout, read_netlists, read_readout
from nngen.estimate.weights import stored_bits_of
from nngen.ir import Mapping
from nngen.spec import NeuronReadout, Spec

__all__ = [
    "NOT_KNOWN",
    "Activity",
    "CrossbarEstimate",
    "Estimate",
    "EstimatedFigure",
    "Netlists",
    "Readout",
    "enob_with_noise",
    "estimate",
    "read_netlists",
    "read_readout",
]


def estimate(
    spec: Spec,
    netlists: Netlists,
    mapping: Mapping,
    row_driver: str,
    *,
    row_activity: float = 0.5,
    activities: Dictionary[str, Activity] | None = None,
    readout: Readout | None = None,
) -> Estimate:
    """Estimate a macro.

    Args:
        spec: clock, temperature, readout, activation bits.
        netlists: what `read_netlists` gives for the spec's PDK, library and corner.
        mapping: crossbars and converter.
        row_driver: name of the row driver cell.
        row_activity: share of rows that are active in a conversion; of pulses, their mean width.
        activities: what the images do in each crossbar, by name, where that is known.
        readout: what `read_readout` gives for the mapping, when several drivers share it.

    Returns:
        The figures; the worst of all crossbars where they differ.

    Raises:
        LibraryError: a netlist does not fit its block.
    """
    if readout is None:
        readout = read_readout(netlists, mapping, neuron=isinstance(spec.readout, NeuronReadout))
    floorplan = macro_floorplan(netlists, mapping, readout, row_driver)
    crossbars = tuple(
        estimate_crossbar(
            netlists, tile, readout, row_driver,
            temperature_degc=spec.temperature_degc, gap_nm=gap_nm,
            activity=(activities or {}).get(tile.name, Activity(rows=row_activity)),
        )
        for tile, gap_nm in zip(mapping.tiles, floorplan.gaps_nm, strict=True)
    )  # fmt: skip
    shapes = tuple(dict.fromkeys(crossbar.shape for crossbar in crossbars))
    timing = _timing(spec, mapping, readout, shapes)
    seconds = next(f.value for f in timing if f.name == "latency") or 0.0
    energy = _energy(spec, mapping, readout, crossbars, seconds, row_activity)
    column = _column(readout, shapes)
    lsb_v = next(f.value for f in column if f.name == "lsb")
    comparator = _comparator(spec, netlists, lsb_v)
    noise = _noise(spec, readout, column, comparator, _mismatch(netlists, mapping, readout, row_activity))
    cost = effort(
        mapping, crossbars, planes=mapping.adc.planes(spec.activation_bits), images=spec.workload.images,
        neuron=isinstance(spec.readout, NeuronReadout),
    )  # fmt: skip
    area = _area(crossbars, floorplan.box, netlists.technology)
    return Estimate(
        figures=(*area, *timing, *_ramps(crossbars), *column, *comparator, *noise, *energy, *cost)
    )


def _figure(name: str, value: float | None, unit: str, formula: str) -> EstimatedFigure:
    """Return a figure; NaN stands for what is not known because a coefficient is missing."""
    if value is not None and math.isnan(value):
        value, formula = None, f"{formula}; the PDK lacks a coefficient of a wire"
    return EstimatedFigure(name=name, value=value, unit=unit, formula=formula)


def _largest(values: Iterable[float]) -> float:
    """Return the largest value, NaN when one is not known."""
    found = list(values)
    return math.nan if any(math.isnan(value) for value in found) else max(found)


def _area(
    crossbars: Sequence[CrossbarEstimate], floorplan: Box, technology: CellTechnology
) -> tuple[EstimatedFigure, ...]:
    """Return area, width, height and overhead."""
    cells = sum(crossbar.shape.contents.drawn_m2 for crossbar in crossbars)
    width = floorplan.columns * technology.unit_x_nm * 1e-9
    height = floorplan.tracks * technology.unit_y_nm * 1e-9
    area = width * height
    return (
        _figure("area", area, "m2", "bounding box of the floorplan that the assembly would choose"),
        _figure(
            "cells_area", cells, "m2",
            "sum of cell outlines; cell width = grid unit * 1.2 * (2 * gates + 3 * diffusion trails), larger of n, p",
        ),
        _figure("overhead", (area - cells) / cells, "fraction", "(area - cells_area) / cells_area"),
        _figure("width", width, "m", "of the bounding box"),
        _figure("height", height, "m", "of the bounding box"),
    )  # fmt: skip


def _timing(
    spec: Spec, mapping: Mapping, readout: Readout, shapes: Sequence[CrossbarShape]
) -> tuple[EstimatedFigure, ...]:
    """Return settling, conversion time and latency."""
    layers = len({tile.layer for tile in mapping.tiles})
    ramp = mapping.adc.input_steps if mapping.adc.input_steps > 1 else 0  # clocks in which rows follow the ramps
    conversion_s = (ramp + readout.bits + 2) / spec.clock_hz
    rounds = layers * mapping.adc.planes(spec.activation_bits) * readout.columns_per_adc
    latency_s = rounds * (ramp + readout.bits + SEQUENCER_CYCLES) / spec.clock_hz
    ramps, of_ramp = ("conversions", f"{ramp} of the ramp + ") if ramp else ("bit-planes", "")
    settle_s = _largest(shape.row_settle_s for shape in shapes)
    return (
        _figure(
            "row_resistance", _largest(s.row_ohm for s in shapes), "ohm",
            "columns * figure of the drawn synapse + that of the driver from its transistors to its edge; "
            "else sheet resistance * length / width, and vias",
        ),
        _figure(
            "row_wire_capacitance", _largest(s.row_wire_f for s in shapes), "F",
            "columns * figure of the drawn synapse + driver; else a straight wire (area, fringe, sidewall)",
        ),
        _figure(
            "row_capacitance", _largest(s.row_f for s in shapes), "F",
            "row_wire_capacitance + columns * (all plates + diffusions behind the pass gates)",
        ),
        _figure(
            "row_settling", settle_s, "s",
            "1.3 (slow corner) * ((R_driver*C + R_wire*C/2 + tau_synapse) * bits * ln 2 + 4 gate delays), "
            "all weights at full magnitude",
        ),
        _figure("settling_window", 1 / spec.clock_hz, "s", "1 / clock: from en to the MSB's decision"),
        _figure("conversion_time", conversion_s, "s", f"({of_ramp}bits + 2) / clock: reset, evaluate, one cycle a bit"),
        _figure("latency", latency_s, "s", f"layers * {ramps} * columns_per_adc * ({of_ramp}bits + 3) / clock"),
    )  # fmt: skip


def _ramps(crossbars: Sequence[CrossbarEstimate]) -> tuple[EstimatedFigure, ...]:
    """Return the figures of the ramps of pulse-width drivers; none for others."""
    found = [crossbar.ramps for crossbar in crossbars if crossbar.ramps]
    if not found:
        return ()
    known = [ramps.settle_s for ramps in found if ramps.settle_s is not None]
    return (
        _figure(
            "ramp_capacitance", sum(ramps.farad for ramps in found), "F",
            "of each ramp while all rows follow: half of rows * both wires + synapses * (diffusions, wires behind "
            "the pass gates, plates of the bits that are set)",
        ),
        _figure(
            "ramp_resistance", _largest(ramps.ohm for ramps in found), "ohm",
            "sheet resistance * length / width of a ramp's straps over the drivers, from end to end",
        ),
        _figure(
            "ramp_settling", _largest(known) if len(known) == len(found) else None, "s",
            "clock that rows need to follow a step: 1.3 (slow corner) * ln 10 * (figure ramp_resistance of the driver "
            "* row_capacitance + ramp_resistance / 8 * ramp_capacitance of the crossbar) / 0.9",
        ),
    )  # fmt: skip


def _column(readout: Readout, shapes: Sequence[CrossbarShape]) -> tuple[EstimatedFigure, ...]:
    """Return what the columns do to the signal; the largest crossbar decides."""
    worst = min(shapes, key=lambda shape: shape.step_v)
    lsb_v = worst.step_v * readout.lsb_units
    entry = _figure(
        "column_entry_resistance", worst.entry_ohm, "ohm",
        "from the array down to the switch of a shared converter, which stands below its column: strip, vias, a "
        "wire past a row of cells, wires of the drawn switch",
    )  # fmt: skip
    below, way = "of array, of what lies below it and of converter plates", ""
    if readout.columns_per_adc > 1:
        below, way = "of the array", " + strip over the cells below it + way down and wires of the drawn switch"
    return (
        _figure(
            "column_resistance", worst.column_ohm, "ohm",
            f"heights {below} * figure of the drawn synapse; else sheet resistance * length / pitch",
        ),
        *((entry,) if readout.columns_per_adc > 1 else ()),
        _figure(
            "column_wire_capacitance", worst.column_wire_f, "F",
            f"heights {below} * figure of the drawn synapse{way}; else strip over plates and wires",
        ),
        _figure(
            "column_capacitance", worst.column_f, "F",
            "(rows * synapse units + DAC units) * Cu + column_wire_capacitance + junctions",
        ),
        _figure("column_attenuation", worst.attenuation, "", "drawn capacitors / column_capacitance"),
        _figure("lsb", lsb_v, "V", "VDD * lsb_units * Cu / column_capacitance"),
        _figure("column_noise", worst.noise_v, "V", "sqrt(k * T / column_capacitance)"),
        _figure("column_noise_lsb", worst.noise_v / lsb_v, "LSB", "column_noise / lsb"),
    )  # fmt: skip


def _comparator(spec: Spec, netlists: Netlists, lsb_v: float | None) -> tuple[EstimatedFigure, ...]:
    """Return noise and offset of the comparator, from the library's figures."""
    role = "neuron" if isinstance(spec.readout, NeuronReadout) else "comparator"
    if role not in netlists.library.file.roles:
        return ()
    cell = netlists.library.candidates(role)[0]
    found = []
    for name, key, what in (
        ("comparator_noise", "input_noise", "rms noise at the input"),
        ("comparator_offset", "offset_sigma", "standard deviation of the offset"),
    ):
        figure = cell.figure(key, netlists.pdk.name, netlists.corner)
        value = None if figure is None else figure.value
        text = f"figure {key} of cell '{cell.name}': {what}"
        found.append(_figure(name, value, "V", text))
        ratio = None if value is None or lsb_v is None else value / lsb_v
        found.append(_figure(f"{name}_lsb", ratio, "LSB", f"{name} / lsb"))
    return tuple(found)


def _mismatch(
    netlists: Netlists, mapping: Mapping, readout: Readout, row_activity: float
) -> tuple[EstimatedFigure, ...]:
    """Return the mismatch of a unit capacitor, and what it does to a conversion.

    Area law (Pelgrom et al., IEEE JSSC 24(5), 1989). A sum of n of a converter's N units, whose full scale
    is what the sum is measured in, varies by sigma * sqrt(n * (N - n) / N), at most sigma * sqrt(N) / 2.
    """
    mim = netlists.pdk.devices.mimcap
    area_um2 = mim.unit_width_nm * mim.unit_length_nm / 1e6
    sigma = mim.mismatch_um / math.sqrt(area_um2) if mim.mismatch_um else None
    largest = max(stored_bits_of(tile).heaviest_units for tile in mapping.tiles)
    value = None
    if sigma is not None:
        value = sigma * math.sqrt(row_activity * largest + readout.dac_units / 4) / readout.lsb_units
    unknown = "" if mim.mismatch_um else "; the PDK gives no mismatch of its capacitor"
    return (
        _figure("unit_mismatch", sigma, "fraction", f"mismatch coefficient / sqrt(area of a unit capacitor){unknown}"),
        _figure(
            "mismatch_lsb", value, "LSB",
            "unit_mismatch * sqrt(active units of the heaviest column + DAC units / 4) / lsb_units" + unknown,
        ),
    )  # fmt: skip


def _noise(
    spec: Spec,
    readout: Readout,
    column: Sequence[EstimatedFigure],
    comparator: Sequence[EstimatedFigure],
    mismatch: Sequence[EstimatedFigure],
) -> tuple[EstimatedFigure, ...]:
    """Return the mismatch, and the converter's error and effective bits with noise of column and comparator."""
    if isinstance(spec.readout, NeuronReadout):
        return tuple(mismatch[:1])
    known = {figure.name: figure.value for figure in (*column, *comparator)}
    column_lsb, own_lsb = known.get("column_noise_lsb"), known.get("comparator_noise_lsb")
    value = None
    if column_lsb is not None and own_lsb is not None:
        value = enob_with_noise(readout.bits, math.hypot(column_lsb, own_lsb))
    text = "bits - log2(sqrt(1 + 12 * (column_noise_lsb**2 + comparator_noise_lsb**2))): rms error over that of an "
    drawn_lsb = next(figure.value for figure in mismatch if figure.name == "mismatch_lsb")
    error = None
    if column_lsb is not None and own_lsb is not None and drawn_lsb is not None:
        error = math.sqrt(column_lsb**2 + own_lsb**2 + drawn_lsb**2)
    missing = "; one of them is not known" if error is None else ""
    return (
        *mismatch,
        _figure(
            "noise", error, "LSB",
            f"root of the sum of squares of column_noise_lsb, comparator_noise_lsb and mismatch_lsb{missing}",
        ),
        _figure("adc_enob_noise", value, "bit", text + "ideal converter (IEEE Std 1241-2010), no nonlinearity"),
    )  # fmt: skip


def enob_with_noise(bits: float, noise_lsb: float, nominal_bits: int | None = None) -> float:
    """Return effective bits when noise is added to a converter of `bits` effective ones.

    Args:
        bits: effective bits without noise.
        noise_lsb: standard deviation of the noise in LSB of the nominal resolution.
        nominal_bits: nominal resolution, `bits` by default.
    """
    quantisation = 4.0 ** ((nominal_bits or bits) - bits)  # mean square error over LSB**2 / 12
    return (nominal_bits or bits) - math.log2(quantisation + 12 * noise_lsb**2) / 2


def _energy(
    spec: Spec,
    mapping: Mapping,
    readout: Readout,
    crossbars: Sequence[CrossbarEstimate],
    latency_s: float,
    row_activity: float,
) -> tuple[EstimatedFigure, ...]:
    """Return energies and power."""
    planes = mapping.adc.planes(spec.activation_bits)
    rows_j = planes * readout.columns_per_adc * sum(crossbar.row_j for crossbar in crossbars)
    conversions = planes * sum(tile.columns for tile in mapping.tiles)
    conversion_j = _largest(crossbar.conversion_j for crossbar in crossbars)
    converted_j = planes * sum(
        tile.columns * crossbar.conversion_j for tile, crossbar in zip(mapping.tiles, crossbars, strict=True)
    )
    leaks_w = [crossbar.shape.contents.leakage_w for crossbar in crossbars]
    known_w = [watt for watt in leaks_w if watt is not None]
    leak_w = sum(known_w) if len(known_w) == len(leaks_w) else None
    active_w = (rows_j + converted_j) / latency_s
    known = leak_w is not None
    leak_text = " + leakage, while computing" if known else ", while computing; leakage not known, not included"
    return (
        _figure(
            "energy_per_conversion", conversion_j, "J",
            f"VDD^2 * (DAC plates that rise + (bits + 3) * ({CONVERTER_ACTIVITY:g} * ADC + {SEQUENCER_ACTIVITY:g} * "
            "share of the sequencer) + lines that the sequencer drives); gates and diffusions of all transistors",
        ),
        _figure(
            "energy_per_inference", rows_j + converted_j, "J",
            f"{planes} * rows + {conversions} conversions; share of active rows {row_activity:.2f}; "
            "without digital accumulation" + (", what the ramps give at VDD" if mapping.adc.input_steps > 1 else ""),
        ),
        _figure("leakage", leak_w, "W", "sum of the cells' leakage_power figures"),
        _figure("power", active_w + (leak_w or 0.0), "W", f"energy_per_inference / latency{leak_text}"),
    )  # fmt: skip
