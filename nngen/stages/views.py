"""Abstract views of the macro for digital tools: LEF, Liberty and a Verilog black box."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import klayout.db as kdb

from nngen.errors import InputError
from nngen.ir import CellLayout, Pin
from nngen.pdk import Pdk

Direction: TypeAlias = Literal["input", "output", "inout"]
Signal: TypeAlias = Literal[
    "supply", "ground", "reference", "analog", "digital", "clock", "wordline", "bitline"
]

_LEF_USE = {"supply": "POWER", "ground": "GROUND", "clock": "CLOCK", "digital": "SIGNAL"}
_DIGITAL = {"digital", "clock", "wordline"}
_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class PortRecord(Protocol):
    """What the views need of a port; `library.Port` and `MacroPort` both fit."""

    @property
    def name(self) -> str:
        """Name of the net."""

    @property
    def direction(self) -> Direction:
        """Direction of the signal."""

    @property
    def signal(self) -> Signal:
        """Signal class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroPort:
    """A port of the macro: name, direction, signal class, and one line on what it does."""

    name: str
    direction: Direction
    signal: Signal
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibertyFigures:
    """What the Liberty file says beyond the pins; what is not known stays out of it.

    Attributes:
        area_um2: area of the macro.
        vdd_v: supply.
        corner: process corner the figures hold for.
        temperature_c: temperature.
        clock: name of the clock port that timing refers to, empty without timing.
        input_capacitance_f: by input port.
        leakage_w: static power, None when unknown.
        clock_to_output_s: delay from the clock's rising edge by output port.
        setup_s: by input port, before the clock's rising edge.
        hold_s: by input port, after it.
        source: where the figures come from, one line.
    """

    area_um2: float
    vdd_v: float
    corner: str
    temperature_c: float
    clock: str = ""
    input_capacitance_f: Mapping[str, float] = field(default_factory=dict)
    leakage_w: float | None = None
    clock_to_output_s: Mapping[str, float] = field(default_factory=dict)
    setup_s: Mapping[str, float] = field(default_factory=dict)
    hold_s: Mapping[str, float] = field(default_factory=dict)
    source: str = ""


# ------------------------------------------------------------------------------- LEF


def write_lef(
    layout: CellLayout,
    pdk: Pdk,
    path: Path,
    *,
    ports: Sequence[PortRecord],
    blocked: Sequence[str] | None = None,
) -> None:
    """Write the macro's LEF abstract: outline, pins with their metal, obstructions.

    Obstructions cover the whole outline on each blocked metal, cut back by the layer's
    minimum space around the pins, so that no wire is led through and every pin can be reached.

    Args:
        layout: the macro; its pins must lie on the PDK's metals.
        pdk: metals, grid and spaces.
        path: file to write.
        ports: ports in order.
        blocked: metals not free for routing over the macro, by default all.

    Raises:
        InputError: a port has no pin geometry, or a pin is off the metals or the outline.
    """
    metals = pdk.roles.metals if blocked is None else tuple(blocked)
    pins = _pins_by_net(layout, pdk, ports)
    lines = [
        "VERSION 5.8 ;",
        'BUSBITCHARS "[]" ;',
        'DIVIDERCHAR "/" ;',
        "",
        f"MACRO {layout.name}",
        "  CLASS BLOCK ;",
        f"  FOREIGN {layout.name} 0 0 ;",
        "  ORIGIN 0 0 ;",
        f"  SIZE {_um(layout.width_nm)} BY {_um(layout.height_nm)} ;",
        "  SYMMETRY X Y R90 ;",
    ]
    for port in ports:
        lines += _lef_pin(port, pins[port.name])
    lines.append("  OBS")
    for metal in metals:
        rects = _obstruction(layout, metal, pdk.space_nm(metal))
        if rects:
            lines.append(f"    LAYER {metal} ;")
            lines += [f"      RECT {' '.join(_um(value) for value in rect)} ;" for rect in rects]
    lines += ["  END", f"END {layout.name}", "", "END LIBRARY", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _pins_by_net(layout: CellLayout, pdk: Pdk, ports: Sequence[PortRecord]) -> dict[str, list[Pin]]:
    """Return the pins of each port; refuse what a router could not use."""
    pins: dict[str, list[Pin]] = {port.name: [] for port in ports}
    problems = []
    for pin in layout.pins:
        rect = pin.rect
        if pin.net not in pins:
            problems.append(f"pin '{pin.net}' belongs to no port")
            continue
        if rect.layer not in pdk.roles.metals:
            problems.append(f"pin '{pin.net}' is on {rect.layer}, which is not a metal")
        if rect.x0 < 0 or rect.y0 < 0 or rect.x1 > layout.width_nm or rect.y1 > layout.height_nm:
            problems.append(f"pin '{pin.net}' leaves the outline")
        pins[pin.net].append(pin)
    problems += [f"port '{name}' has no pin" for name, found in pins.items() if not found]
    if problems:
        raise InputError("\n".join(f"macro '{layout.name}': {problem}" for problem in problems))
    return pins


def _lef_pin(port: PortRecord, pins: Sequence[Pin]) -> list[str]:
    """Return the PIN section of one port."""
    use = _LEF_USE.get(port.signal, "SIGNAL" if port.signal in _DIGITAL else "ANALOG")
    lines = [f"  PIN {port.name}", f"    DIRECTION {port.direction.upper()} ;", f"    USE {use} ;"]
    for pin in pins:
        rect = pin.rect
        corners = " ".join(_um(value) for value in (rect.x0, rect.y0, rect.x1, rect.y1))
        lines += ["    PORT", f"      LAYER {rect.layer} ;", f"        RECT {corners} ;", "    END"]
    lines.append(f"  END {port.name}")
    return lines


def _obstruction(layout: CellLayout, metal: str, space_nm: int) -> list[tuple[int, int, int, int]]:
    """Return the outline without the pins of `metal` and their surroundings, as rectangles."""
    outline = kdb.Region(kdb.Box(0, 0, layout.width_nm, layout.height_nm))
    keep_clear = kdb.Region()
    for pin in layout.pins:
        if pin.rect.layer == metal:
            rect = pin.rect
            keep_clear.insert(kdb.Box(rect.x0, rect.y0, rect.x1, rect.y1).enlarged(space_nm, space_nm))
    pieces = (outline - keep_clear).decompose_trapezoids_to_region()
    boxes = (polygon.bbox() for polygon in pieces.each())
    return sorted((box.left, box.bottom, box.right, box.top) for box in boxes)


def _um(value_nm: int) -> str:
    """Return nanometres as micrometres without trailing zeros."""
    return f"{value_nm / 1000:.3f}".rstrip("0").rstrip(".")


# --------------------------------------------------------------------------- Liberty


def write_liberty(name: str, ports: Sequence[PortRecord], figures: LibertyFigures, path: Path) -> None:
    """Write a Liberty library with the macro as its one cell.

    Units: ns, pF, V, mA, nW. Delays are scalars: measured with the macro's own load, not over
    slopes and loads.

    Args:
        name: the macro.
        ports: ports in order.
        figures: area, conditions and what is known of the pins.
        path: file to write.

    Raises:
        InputError: a figure names a port that does not exist or has the wrong direction, or there
            is timing without a clock.
    """
    _check_figures(name, ports, figures)
    condition = f"{figures.corner}_{figures.temperature_c:g}C_{figures.vdd_v:g}V".replace(".", "p")
    condition = condition.replace("-", "m")
    supplies = [port.name for port in ports if port.signal == "supply"]
    grounds = [port.name for port in ports if port.signal == "ground"]
    lines = [f"/* {figures.source} */"] if figures.source else []
    lines += [
        f"library ({name}_{condition}) {{",
        "  technology (cmos);",
        "  delay_model : table_lookup;",
        '  time_unit : "1ns";',
        '  voltage_unit : "1V";',
        '  current_unit : "1mA";',
        '  leakage_power_unit : "1nW";',
        '  pulling_resistance_unit : "1kohm";',
        "  capacitive_load_unit (1, pf);",
        "  nom_process : 1;",
        f"  nom_voltage : {figures.vdd_v:g};",
        f"  nom_temperature : {figures.temperature_c:g};",
        *(f"  voltage_map ({supply}, {figures.vdd_v:g});" for supply in supplies),
        *(f"  voltage_map ({ground}, 0);" for ground in grounds),
        f"  operating_conditions ({condition}) {{",
        "    process : 1;",
        f"    voltage : {figures.vdd_v:g};",
        f"    temperature : {figures.temperature_c:g};",
        "  }",
        f"  default_operating_conditions : {condition};",
        f"  cell ({name}) {{",
        f"    area : {figures.area_um2:.6g};",
        "    is_macro_cell : true;",
        "    dont_touch : true;",
        "    dont_use : true;",
        "    interface_timing : true;",
    ]
    if figures.leakage_w is not None:
        lines.append(f"    cell_leakage_power : {figures.leakage_w * 1e9:.6g};")
    for port in ports:
        lines += _liberty_pin(port, figures, supplies, grounds)
    path.write_text("\n".join([*lines, "  }", "}", ""]), encoding="utf-8")


def _check_figures(name: str, ports: Sequence[PortRecord], figures: LibertyFigures) -> None:
    """Refuse figures of ports that do not exist or cannot have them."""
    directions = {port.name: port.direction for port in ports}
    problems = []
    tables = (
        ("input_capacitance_f", figures.input_capacitance_f, {"input", "inout"}),
        ("clock_to_output_s", figures.clock_to_output_s, {"output"}),
        ("setup_s", figures.setup_s, {"input"}),
        ("hold_s", figures.hold_s, {"input"}),
    )
    for title, table, allowed in tables:
        kinds = " or ".join(sorted(allowed))
        problems += [
            f"{title} names '{port}', which is no {kinds} port"
            for port in sorted(table)
            if directions.get(port) not in allowed
        ]
    timed = figures.clock_to_output_s or figures.setup_s or figures.hold_s
    if (timed or figures.clock) and directions.get(figures.clock) != "input":
        problems.append(f"timing needs a clock; '{figures.clock}' is no input port")
    if problems:
        raise InputError("\n".join(f"macro '{name}': {problem}" for problem in problems))


def _liberty_pin(
    port: PortRecord, figures: LibertyFigures, supplies: Sequence[str], grounds: Sequence[str]
) -> list[str]:
    """Return the group of one port."""
    if port.signal in {"supply", "ground"}:
        kind = "power" if port.signal == "supply" else "ground"
        return [
            f'    pg_pin ("{port.name}") {{',
            f"      pg_type : primary_{kind};",
            f'      voltage_name : "{port.name}";',
            "    }",
        ]
    lines = [f'    pin ("{port.name}") {{', f"      direction : {port.direction};"]
    if port.signal not in _DIGITAL:
        lines.append("      is_analog : true;")
    if port.name == figures.clock:
        lines.append("      clock : true;")
    if port.name in figures.input_capacitance_f:
        lines.append(f"      capacitance : {figures.input_capacitance_f[port.name] * 1e12:.6g};")
    for attribute, names in (("power", supplies), ("ground", grounds)):
        if names:
            lines.append(f'      related_{attribute}_pin : "{names[0]}";')
    arcs = (
        ("setup_rising", ("rise_constraint", "fall_constraint"), figures.setup_s),
        ("hold_rising", ("rise_constraint", "fall_constraint"), figures.hold_s),
        ("rising_edge", ("cell_rise", "cell_fall"), figures.clock_to_output_s),
    )
    for timing_type, tables, values in arcs:
        if port.name in values:
            lines += _timing(timing_type, tables, figures.clock, values[port.name])
    lines.append("    }")
    return lines


def _timing(timing_type: str, tables: Sequence[str], clock: str, value_s: float) -> list[str]:
    """Return one timing arc with scalar tables."""
    lines = [
        "      timing () {",
        f'        related_pin : "{clock}";',
        f"        timing_type : {timing_type};",
    ]
    for table in tables:
        lines += [f"        {table} (scalar) {{", f'          values ("{value_s * 1e9:.6g}");', "        }"]
    lines.append("      }")
    return lines


# --------------------------------------------------------------------------- Verilog


def write_verilog(name: str, ports: Sequence[PortRecord], protocol: Sequence[str], path: Path) -> None:
    """Write a Verilog black box with the protocol as a comment.

    Supplies stand behind `USE_POWER_PINS`, as in the public standard-cell libraries. Names that
    Verilog would not take are written as escaped identifiers.

    Args:
        name: the macro.
        ports: ports in order; a `text` attribute becomes a comment beside the port.
        protocol: lines that say how to drive the macro.
        path: file to write.
    """
    power = [port for port in ports if port.signal in {"supply", "ground"}]
    signals = [port for port in ports if port.signal not in {"supply", "ground"}]
    lines = [f"// {line}".rstrip() for line in protocol]
    lines += ["`default_nettype none", "(* blackbox *)", f"module {_verilog_name(name)} ("]
    if power:
        lines += ["`ifdef USE_POWER_PINS"]
        lines += [_verilog_port(port, last=not signals and port is power[-1]) for port in power]
        lines += ["`endif"]
    lines += [_verilog_port(port, last=port is signals[-1]) for port in signals]
    lines += [");", "endmodule", "`default_nettype wire", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _verilog_port(port: PortRecord, *, last: bool) -> str:
    """Return the declaration of one port, with its class and text as a comment."""
    comment = " ".join(part for part in (port.signal, getattr(port, "text", "")) if part)
    comma = "" if last else ","
    return f"    {port.direction:<6} wire {_verilog_name(port.name)}{comma} // {comment}"


def _verilog_name(name: str) -> str:
    """Return the name, escaped when it is no plain identifier; the space ends the escape."""
    return name if _IDENTIFIER.match(name) else f"\\{name} "
