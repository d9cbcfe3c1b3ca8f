"""Reading the generic dialect: sizes, names, and the exact message for every malformed line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nngen.errors import LibraryError
from nngen.ir import Capacitor, Instance, Transistor
from nngen.pdk import Pdk, load_pdk
from nngen.spice import parse_netlist, read_library_cell

LIBRARY = Path(__file__).parents[2] / "cell_libraries"


@pytest.fixture(scope="module")
def pdk() -> Pdk:
    return load_pdk("sky130")


def body(*lines: str) -> str:
    return "\n".join([".subckt c a y vdd vss", *lines, ".ends"])


GOOD = ("Mn y a vss vss nfet w=1 l=1", "Mp y a vdd vdd pfet w=2 l=1")


def test_sizes_and_names(pdk: Pdk) -> None:
    text = """* a comment
.subckt c a y vdd vss   ; trailing comment
Mn y a vss vss nfet w=1.5 l = 1 m=2 $ another
Mp y a vdd vdd pfet
+ w=2
* between continuation lines
+ l=2
C0 y vss mimcap m=4
.ends c
.end
"""
    (cell,) = parse_netlist(text, pdk, "c.sp")
    assert cell.name == "c"
    assert cell.ports == ("a", "y", "vdd", "vss")
    assert cell.transistors == (
        Transistor(
            name="n", kind="nfet", drain="y", gate="a", source="vss", bulk="vss",
            width_nm=630, length_nm=150, fingers=2,
        ),
        Transistor(
            name="p", kind="pfet", drain="y", gate="a", source="vdd", bulk="vdd",
            width_nm=840, length_nm=300,
        ),
    )  # fmt: skip
    assert cell.capacitors == (Capacitor(name="0", plate="y", top="vss", units=4),)


def test_widths_snap_to_the_grid(pdk: Pdk) -> None:
    text = body("Mn y a vss vss nfet w=1.11 l=1", GOOD[1])
    assert parse_netlist(text, pdk, "c.sp")[0].transistors[0].width_nm == 465


def test_instances(pdk: Pdk) -> None:
    text = body(*GOOD) + "\n.subckt top a y vdd vss\nXi1 a n vdd vss c\nXi2 n y vdd vss c\n.ends\n"
    cells = parse_netlist(text, pdk, "top.sp", {})
    assert cells[1].instances == (
        Instance(name="i1", cell="c", nets=("a", "n", "vdd", "vss")),
        Instance(name="i2", cell="c", nets=("n", "y", "vdd", "vss")),
    )
    library = {"c": cells[0]}
    alone = ".subckt top a y vdd vss\nXi1 a y vdd vss c\n.ends\n"
    assert parse_netlist(alone, pdk, "top.sp", library)[0].instances[0].cell == "c"


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*/*.sp")), ids=lambda path: path.stem)
def test_shipped_cells_are_read(path: Path, pdk: Pdk) -> None:
    cell = read_library_cell(path, pdk)
    assert cell.transistors or cell.capacitors
    assert not cell.instances


MALFORMED = {
    body("Mn y a vss vss nfet w=1", GOOD[1]):
        "c.sp:2: 'Mn' lacks l=: "
        "M<name> drain gate source bulk nfet|pfet w=<multiple> l=<multiple> [m=<fingers>]",
    body("Mn y a vss nfet w=1 l=1", GOOD[1]):
        "c.sp:2: 'Mn' has 4 words before its parameters, 5 are expected: "
        "M<name> drain gate source bulk nfet|pfet w=<multiple> l=<multiple> [m=<fingers>]",
    body("Mn y a vss vss nmos w=1 l=1", GOOD[1]):
        "c.sp:2: 'nmos' is not a transistor; use 'nfet' or 'pfet'.",
    body("Mn y a vss vss nfet w=1 l=1 nf=2", GOOD[1]):
        "c.sp:2: parameter 'nf' is not known; allowed: l, m, w.",
    body("Mn y a vss vss nfet w=1 w=2 l=1", GOOD[1]):
        "c.sp:2: parameter 'w' is given twice.",
    body("Mn y a vss vss nfet w=0.42u l=1", GOOD[1]):
        "c.sp:2: w=0.42u is not a positive number (sizes are plain multiples, without a unit).",
    body("Mn y a vss vss nfet w=-1 l=1", GOOD[1]):
        "c.sp:2: w=-1 is not a positive number (sizes are plain multiples, without a unit).",
    body("Mn y a vss vss nfet w=inf l=1", GOOD[1]):
        "c.sp:2: w=inf is not a positive number (sizes are plain multiples, without a unit).",
    body("Mn y a vss vss nfet w=1 l=1 m=1.5", GOOD[1]):
        "c.sp:2: m=1.5 is not a whole number.",
    body("Mn y a vss vss nfet w=0.5 l=1", GOOD[1]):
        "c.sp:2: w=0.5 gives 210 nm, the minimum is 420 nm.",
    body("Mn y a vss vss nfet w=1 l=0.9", GOOD[1]):
        "c.sp:2: l=0.9 gives 135 nm, the minimum is 150 nm.",
    body(GOOD[0], GOOD[0]):
        "c.sp:3: 'Mn' is already used in line 2 of 'c'.",
    body(GOOD[0], GOOD[1].replace("Mp", "mN")):
        "c.sp:3: 'mN' is already used in line 2 of 'c'.",
    body(*GOOD, "C0 y vss cap"):
        "c.sp:4: 'cap' is not a capacitor; use 'mimcap'.",
    body(*GOOD, "C0 y mimcap"):
        "c.sp:4: 'C0' has 2 words before its parameters, 3 are expected: "
        "C<name> plate top mimcap [m=<units>]",
    body(*GOOD, "C0 y vss mimcap c=1"):
        "c.sp:4: parameter 'c' is not known; allowed: m.",
    body(*GOOD, "R1 y vss 100"):
        "c.sp:4: 'R1' is not understood; cells hold M (transistor), C (capacitor) "
        "and X (instance) lines.",
    body(*GOOD, ".param x=1"):
        "c.sp:4: '.param' is not understood; cells hold M (transistor), C (capacitor) "
        "and X (instance) lines.",
    body(*GOOD, "M y a vss vss nfet w=1 l=1"):
        "c.sp:4: 'M' has no name after its letter 'M'.",
    body(*GOOD, "X1 c"):
        "c.sp:4: 'X1' is expected as: X<name> nets... cell",
    body(*GOOD, "X1 a y vss c"):
        "c.sp:4: 'X1' connects 3 nets, cell 'c' has 4 ports: a y vdd vss.",
    body(*GOOD, "X1 a y vss other"):
        "c.sp:4: cell 'other' of 'X1' is not defined.",
    body(*GOOD, "C0 y 0 mimcap"):
        "c.sp:4: net '0' is not a name: letters, digits and '_', but not '0'.",
    body(*GOOD, "C0 y n1 mimcap"):
        "c.sp:4: net 'n1' of 'c' has a single connection. Correct its name, or connect it.",
    body(*GOOD, "C0 y Y mimcap"):
        "c.sp:4: nets 'y' and 'Y' differ only in case, SPICE sees one net.",
    body("Mn y vss vss vss nfet w=1 l=1", "Mp y vdd vdd vdd pfet w=1 l=1"):
        "c.sp:1: port 'a' of 'c' is connected to nothing.",
    ".subckt c a A vss\n.ends": "c.sp:1: port 'A' of 'c' appears twice.",
    ".subckt c\n.ends": "c.sp:1: '.subckt' takes a name and at least one port.",
    ".subckt c 0\n.ends": "c.sp:1: '0' is not a name: letters, digits and '_', but not '0'.",
    body(*GOOD) + "\n" + body(*GOOD): "c.sp:5: subcircuit 'c' is defined twice.",
    body(*GOOD).replace(".ends", ".ends d"): "c.sp:4: '.ends d' closes 'c'.",
    body(*GOOD).replace(".ends", ""): "c.sp:1: subcircuit 'c' is not closed with '.ends'.",
    body(*GOOD, ".subckt d a"): "c.sp:4: '.subckt' inside 'c'. Close it with '.ends' first.",
    ".ends": "c.sp:1: '.ends' without a '.subckt'.",
    "+ w=1": "c.sp:1: continuation '+' without a line before it.",
    "Mn y a vss vss nfet w=1 l=1": "c.sp:1: 'Mn' stands outside of a '.subckt'.",
    "* nothing": "c.sp: holds no '.subckt'.",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MALFORMED.items(), ids=range(len(MALFORMED)))
def test_malformed_lines(text: str, message: str, pdk: Pdk) -> None:
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"):
        parse_netlist(text, pdk, "c.sp", {})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.sp", body(*GOOD), "subcircuit 'c' does not have the file's name. Rename it to 'd'."),
        (
            "c.sp",
            body(*GOOD) + "\n" + body(*GOOD).replace(".subckt c", ".subckt d"),
            "holds 2 subcircuits, a leaf cell's file holds exactly one.",
        ),
    ],
)
def test_leaf_files(name: str, text: str, message: str, pdk: Pdk, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(LibraryError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_library_cell(path, pdk)


def test_leaf_cells_hold_no_instances(pdk: Pdk, tmp_path: Path) -> None:
    path = tmp_path / "c.sp"
    path.write_text(body(*GOOD, "X1 a y vdd vss c"))
    message = f"{path}:4: 'X1' is an instance; leaf cells hold only M and C lines."
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"):
        read_library_cell(path, pdk)


def test_unreadable_file(pdk: Pdk, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"missing.sp: cannot be read: .* Give a SPICE text file.$"):
        read_library_cell(tmp_path / "missing.sp", pdk)
