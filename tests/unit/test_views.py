"""LEF, Liberty and Verilog: complete, readable, and refused where they would be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import klayout.db as kdb
import pytest

from nngen.errors import InputError
from nngen.ir import CellLayout, Pin, Rect
from nngen.pdk import load_pdk
from nngen.stages.views import LibertyFigures, MacroPort, write_lef, write_liberty, write_verilog

PDK = load_pdk("sky130")
PORTS = (
    MacroPort(name="clk", direction="input", signal="clock", text="rising edge"),
    MacroPort(name="x[0]", direction="input", signal="digital"),
    MacroPort(name="d0", direction="output", signal="digital"),
    MacroPort(name="vth", direction="inout", signal="reference"),
    MacroPort(name="vdd", direction="inout", signal="supply"),
    MacroPort(name="vss", direction="inout", signal="ground"),
)
RECTS = {
    "clk": [("met2", 1000, 0, 1280, 400)],
    "x[0]": [("met3", 0, 2000, 400, 2300)],
    "d0": [("met2", 5000, 0, 5280, 400)],
    "vth": [("met3", 0, 4000, 400, 4300)],
    "vdd": [("met4", 2000, 0, 3600, 12345), ("met4", 12000, 0, 13600, 12345)],
    "vss": [("met4", 6000, 0, 7600, 12345)],
}


def layout(rects: dict[str, list[tuple[str, int, int, int, int]]] = RECTS) -> CellLayout:
    pins = tuple(
        Pin(net=net, rect=Rect(layer=layer, x0=x0, y0=y0, x1=x1, y1=y1))
        for net, boxes in rects.items()
        for layer, x0, y0, x1, y1 in boxes
    )
    return CellLayout(name="macro", width_nm=20000, height_nm=12345, rects=(), pins=pins)


def read_lef(path: Path) -> tuple[kdb.Layout, kdb.Cell]:
    """Read a LEF file with KLayout; layers become `<name>.PIN`, `<name>.OBS`, `OUTLINE`."""
    tech = path.with_name("tech.lef")
    lines = ["VERSION 5.8 ;", "UNITS", "  DATABASE MICRONS 1000 ;", "END UNITS"]
    for metal in PDK.roles.metals:
        lines += [
            f"LAYER {metal}",
            "  TYPE ROUTING ;",
            "  DIRECTION HORIZONTAL ;",
            "  WIDTH 0.1 ;",
            f"END {metal}",
        ]
    tech.write_text("\n".join([*lines, "END LIBRARY", ""]), encoding="utf-8")
    options = kdb.LoadLayoutOptions()
    config = options.lefdef_config
    config.macro_resolution_mode = 1
    config.lef_files = [str(tech)]
    config.read_lef_with_def = False
    target = kdb.Layout()
    target.read(str(path), options)
    return target, target.cell("macro")


def shapes(target: kdb.Layout, cell: kdb.Cell, name: str) -> kdb.Region:
    for index in target.layer_indexes():
        if target.get_info(index).name == name:
            return kdb.Region(cell.begin_shapes_rec(index))
    return kdb.Region()


def test_klayout_reads_the_lef_back(tmp_path: Path) -> None:
    """Outline, every pin at its place with its name, obstructions."""
    path = tmp_path / "macro.lef"
    write_lef(layout(), PDK, path, ports=PORTS)
    target, cell = read_lef(path)
    assert cell is not None
    outline = shapes(target, cell, "OUTLINE").bbox()
    assert (outline.left, outline.bottom, outline.right, outline.top) == (0, 0, 20000, 12345)
    for metal in ("met2", "met3", "met4"):
        expected = kdb.Region(
            [kdb.Box(*box[1:]) for boxes in RECTS.values() for box in boxes if box[0] == metal]
        )
        assert (shapes(target, cell, f"{metal}.PIN") ^ expected).is_empty()
    names = {
        shape.text_string
        for index in target.layer_indexes()
        for shape in cell.shapes(index).each(kdb.Shapes.STexts)
    }
    assert names == set(RECTS)


def test_obstructions_keep_the_minimum_space_and_cover_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "macro.lef"
    write_lef(layout(), PDK, path, ports=PORTS)
    target, cell = read_lef(path)
    outline = kdb.Region(kdb.Box(0, 0, 20000, 12345))
    for metal in PDK.roles.metals:
        blocked = shapes(target, cell, f"{metal}.OBS")
        pins = shapes(target, cell, f"{metal}.PIN")
        space = PDK.space_nm(metal)
        assert blocked.separation_check(pins, space).count() == 0
        assert (blocked & pins).is_empty()
        assert (outline - blocked - pins.sized(space)).is_empty()
    write_lef(layout(), PDK, path, ports=PORTS, blocked=PDK.roles.metals[:-1])
    target, cell = read_lef(path)
    assert shapes(target, cell, f"{PDK.roles.metals[-1]}.OBS").is_empty()


def test_lef_says_direction_and_use(tmp_path: Path) -> None:
    path = tmp_path / "macro.lef"
    write_lef(layout(), PDK, path, ports=PORTS)
    found = re.findall(r"PIN (\S+)\n\s+DIRECTION (\w+) ;\n\s+USE (\w+) ;", path.read_text(encoding="utf-8"))
    assert found == [
        ("clk", "INPUT", "CLOCK"), ("x[0]", "INPUT", "SIGNAL"), ("d0", "OUTPUT", "SIGNAL"),
        ("vth", "INOUT", "ANALOG"), ("vdd", "INOUT", "POWER"), ("vss", "INOUT", "GROUND"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clk": []}, "macro 'macro': port 'clk' has no pin"),
        ({"clk": [("poly", 0, 0, 10, 10)]}, "macro 'macro': pin 'clk' is on poly, which is not a metal"),
        ({"clk": [("met2", -5, 0, 10, 10)]}, "macro 'macro': pin 'clk' leaves the outline"),
        ({"ghost": [("met2", 0, 0, 10, 10)]}, "macro 'macro': pin 'ghost' belongs to no port"),
    ],
)
def test_unusable_pins_are_refused(change: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_lef(layout(RECTS | change), PDK, tmp_path / "m.lef", ports=PORTS)
    assert not (tmp_path / "m.lef").exists()


FIGURES = LibertyFigures(
    area_um2=246.9,
    vdd_v=1.8,
    corner="tt",
    temperature_c=-40,
    clock="clk",
    input_capacitance_f={"clk": 2.5e-15, "x[0]": 1.1e-15},
    leakage_w=3e-9,
    clock_to_output_s={"d0": 1.25e-9},
    setup_s={"x[0]": 2e-10},
    hold_s={"x[0]": 5e-11},
)


def parse_liberty(text: str) -> dict:
    """Parse a Liberty file strictly: groups, complex and simple attributes."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    tokens = re.findall(r'"[^"]*"|[\w.+-]+|[(){}:;,]', text)
    assert "".join(tokens).replace(" ", "") == re.sub(r"\s", "", text)
    position = 0

    def body() -> dict:
        nonlocal position
        group: dict = {}
        while position < len(tokens) and tokens[position] != "}":
            name = tokens[position]
            if tokens[position + 1] == ":":
                group[name] = tokens[position + 2].strip('"')
                assert tokens[position + 3] == ";"
                position += 4
                continue
            close = tokens.index(")", position)
            arguments = tuple(t.strip('"') for t in tokens[position + 2 : close] if t != ",")
            position = close + 1
            if tokens[position] == "{":
                position += 1
                group.setdefault(name, {})[arguments, len(group.get(name, {}))] = body()
                assert tokens[position] == "}"
            else:
                assert tokens[position] == ";"
                group.setdefault(name, []).append(arguments)
            position += 1
        return group

    result = body()
    assert position == len(tokens)
    return result


def test_liberty_has_every_pin_with_its_figures(tmp_path: Path) -> None:
    write_liberty("macro", PORTS, FIGURES, tmp_path / "m.lib")
    (library,) = parse_liberty((tmp_path / "m.lib").read_text(encoding="utf-8"))["library"].values()
    assert library["default_operating_conditions"] == "tt_m40C_1p8V"
    assert library["voltage_map"] == [("vdd", "1.8"), ("vss", "0")]
    (cell,) = library["cell"].values()
    assert (cell["area"], cell["cell_leakage_power"]) == ("246.9", "3")
    pins = {arguments[0]: group for (arguments, _), group in cell["pin"].items()}
    assert {name: pin["direction"] for name, pin in pins.items()} == {
        "clk": "input", "x[0]": "input", "d0": "output", "vth": "inout",
    }  # fmt: skip
    assert (pins["clk"]["clock"], pins["clk"]["capacitance"]) == ("true", "0.0025")
    assert pins["vth"]["is_analog"] == "true"
    arcs = [arc for pin in ("d0", "x[0]") for arc in pins[pin]["timing"].values()]
    assert [(arc["related_pin"], arc["timing_type"]) for arc in arcs] == [
        ("clk", "rising_edge"), ("clk", "setup_rising"), ("clk", "hold_rising"),
    ]  # fmt: skip
    (rise,) = arcs[0]["cell_rise"].values()
    assert rise["values"] == [("1.25",)]
    supplies = {arguments[0]: group["pg_type"] for (arguments, _), group in cell["pg_pin"].items()}
    assert supplies == {"vdd": "primary_power", "vss": "primary_ground"}


def test_liberty_leaves_out_what_is_unknown(tmp_path: Path) -> None:
    bare = LibertyFigures(area_um2=1.0, vdd_v=1.8, corner="tt", temperature_c=27)
    write_liberty("macro", PORTS, bare, tmp_path / "m.lib")
    text = (tmp_path / "m.lib").read_text(encoding="utf-8")
    assert [
        word for word in ("cell_leakage_power", "capacitance :", "timing ()", "clock :") if word in text
    ] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock": ""}, "timing needs a clock; '' is no input port"),
        ({"clock": "d0"}, "timing needs a clock; 'd0' is no input port"),
        ({"clock_to_output_s": {"clk": 1e-9}}, "clock_to_output_s names 'clk', which is no output port"),
        ({"setup_s": {"nix": 1e-9}}, "setup_s names 'nix', which is no input port"),
        (
            {"input_capacitance_f": {"d0": 1e-15}},
            "input_capacitance_f names 'd0', which is no inout or input port",
        ),
    ],
)
def test_wrong_liberty_figures_are_refused(change: dict, message: str, tmp_path: Path) -> None:
    fields = {name: getattr(FIGURES, name) for name in FIGURES.__dataclass_fields__}
    with pytest.raises(InputError, match=f"^{re.escape(f'macro {chr(39)}macro{chr(39)}: {message}')}$"):
        write_liberty("macro", PORTS, LibertyFigures(**(fields | change)), tmp_path / "m.lib")


def test_verilog_black_box(tmp_path: Path) -> None:
    write_verilog("macro", PORTS, ["Protocol:", "", "start, then bits + 2 clocks"], tmp_path / "m.v")
    assert (tmp_path / "m.v").read_text(encoding="utf-8") == (
        "// Protocol:\n//\n// start, then bits + 2 clocks\n"
        "`default_nettype none\n(* blackbox *)\nmodule macro (\n"
        "`ifdef USE_POWER_PINS\n"
        "    inout  wire vdd, // supply\n"
        "    inout  wire vss, // ground\n"
        "`endif\n"
        "    input  wire clk, // clock rising edge\n"
        "    input  wire \\x[0] , // digital\n"
        "    output wire d0, // digital\n"
        "    inout  wire vth // reference\n"
        ");\nendmodule\n`default_nettype wire\n"
    )
