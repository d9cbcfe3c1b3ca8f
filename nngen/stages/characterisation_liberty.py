"""A Liberty file of measured cells: pins, capacitances, leakage, delays and slopes over the load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nngen.library import Cell, Library, Port
from nngen.stages.characterisation import Condition, Measured

_DIGITAL = {"digital", "wordline", "clock"}


def write_cells_liberty(
    library: Library, measured: Sequence[Measured], condition: Condition, vdd_v: float, path: Path
) -> None:
    """Write the Liberty file of one condition.

    Units: ns, pF, V, nW. Tables are over the load; the slope of the inputs was the same for all.

    Args:
        library: the cells, for their ports.
        measured: from `characterise`; other conditions are left out.
        condition: corner and temperature.
        vdd_v: supply.
        path: file to write.
    """
    here = [one for one in measured if one.condition == condition]
    name = f"{library.name}_{condition.corner}_{condition.temperature_degc:g}C".replace("-", "m")
    lines = [
        f"/* measured with ngspice, {condition.text}, schematic netlists, one input slope */",
        f"library ({name.replace('.', 'p')}) {{",
        "  delay_model : table_lookup;",
        '  time_unit : "1ns";', '  voltage_unit : "1V";', '  leakage_power_unit : "1nW";',
        "  capacitive_load_unit (1, pf);",
        f"  nom_voltage : {vdd_v:g};", f"  nom_temperature : {condition.temperature_degc:g};",
        "  slew_lower_threshold_pct_rise : 20;", "  slew_upper_threshold_pct_rise : 80;",
        "  slew_lower_threshold_pct_fall : 20;", "  slew_upper_threshold_pct_fall : 80;",
    ]  # fmt: skip
    lines += [
        "  lu_table_template (over_load) {", "    variable_1 : total_output_net_capacitance;",
        '    index_1 ("1, 2, 3");', "  }",
    ]  # fmt: skip
    for cell_name in sorted({one.cell for one in here}):
        found = [one for one in here if one.cell == cell_name]
        lines += _cell(library.cells[cell_name], found)
    path.write_text("\n".join([*lines, "}", ""]), encoding="utf-8")


def _cell(cell: Cell, measured: Sequence[Measured]) -> list[str]:
    """Return the group of one cell."""
    lines = [f"  cell ({cell.name}) {{"]
    rest = [one.leakage_w for one in measured if not one.sense]
    passing = any(
        p.direction == "inout" and p.signal in {"bitline", "analog", "reference"} for p in cell.ports
    )
    if rest:
        watts = min(rest) if passing else sum(rest) / len(rest)
        lines.append(f"    cell_leakage_power : {watts * 1e9:.6g};")
    for port in cell.ports:
        lines += _pin(port, [one for one in measured if one.sense])
    return [*lines, "  }"]


def _pin(port: Port, arcs: Sequence[Measured]) -> list[str]:
    """Return the group of one pin."""
    if port.signal in {"supply", "ground"}:
        kind = "power" if port.signal == "supply" else "ground"
        return [f"    pg_pin ({port.name}) {{", f"      pg_type : primary_{kind};", "    }"]
    lines = [f"    pin ({port.name}) {{", f"      direction : {port.direction};"]
    if port.signal not in _DIGITAL:
        lines.append("      is_analog : true;")
    if port.signal == "clock":
        lines.append("      clock : true;")
    inputs = [one.input_f for one in arcs if one.source == port.name]
    if inputs:
        lines.append(f"      capacitance : {max(inputs) * 1e12:.6g};")
    of_pin = [one for one in arcs if one.output == port.name]
    for source, sense in sorted({(one.source, one.sense) for one in of_pin}):
        # The same arc may appear with both levels of the other inputs: the slower one counts.
        chosen: dict[float, Measured] = {}
        for one in of_pin:
            if (one.source, one.sense) == (source, sense):
                known = chosen.get(one.load_f)
                if known is None or max(one.rise_s, one.fall_s) > max(known.rise_s, known.fall_s):
                    chosen[one.load_f] = one
        lines += _timing(source, sense, [chosen[load] for load in sorted(chosen)])
    return [*lines, "    }"]


def _timing(source: str, sense: str, points: Sequence[Measured]) -> list[str]:
    """Return one timing arc with tables over the load."""
    loads = ", ".join(f"{one.load_f * 1e12:.6g}" for one in points)
    kind = (
        ["        timing_type : rising_edge;"] if sense == "clocked" else [f"        timing_sense : {sense};"]
    )
    lines = ["      timing () {", f'        related_pin : "{source}";', *kind]
    for table, values in (
        ("cell_rise", [one.rise_s for one in points]),
        ("cell_fall", [one.fall_s for one in points]),
        ("rise_transition", [one.rise_slope_s for one in points]),
        ("fall_transition", [one.fall_slope_s for one in points]),
    ):
        numbers = ", ".join(f"{value * 1e9:.6g}" for value in values)
        lines += [
            f"        {table} (over_load) {{", f'          index_1 ("{loads}");',
            f'          values ("{numbers}");', "        }",
        ]  # fmt: skip
    return [*lines, "      }"]
