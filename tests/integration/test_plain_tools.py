"""What nngen writes loads in plain ngspice and in a plain KLayout script, without anything of nngen."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nngen.cells.leaf import LeafCell
from nngen.errors import ToolNotFoundError
from nngen.ir import Netlist
from nngen.pdk import Pdk
from nngen.spice import read_library_cell, write_spice
from nngen.stages.layout import write_gds
from nngen.tools.klayout import find_klayout
from nngen.tools.models import Device, flatten

HERE = Path(__file__).parent
LIBRARY = HERE.parents[1] / "cell_libraries" / "sram_charge"
SCRIPT = HERE / "plain_sky130.lvs"

DECK = """a comparator and a synapse, as a user would simulate them
.include synapse.models.spice
.include synapse.spice
vdd vdd 0 1.8
vxp xp 0 pulse(0 1.8 2n 0.1n 0.1n 10n 20n)
vxn xn 0 pulse(1.8 0 2n 0.1n 0.1n 10n 20n)
rcol col vcm 1e15
vcm vcm 0 0.9
.ic v(col)=0.9 v(x1.q0)=1.8 v(x1.qb0)=0 v(x1.q1)=0 v(x1.qb1)=1.8 v(x1.q2)=1.8 v(x1.qb2)=0
.ic v(x1.q3)=0 v(x1.qb3)=1.8
ccol col 0 74.487f
x1 xp xn 0 0 0 0 vdd vdd col vdd 0 synapse
.tran 10p 8n
.control
run
meas tran before find v(col) at=1.9n
meas tran after find v(col) at=7.9n
quit
.endc
.end
"""


def write_cards(cell: Netlist, pdk: Pdk, path: Path) -> None:
    devices = {
        Device(kind=t.kind, width_nm=t.width_nm, length_nm=t.length_nm) for t in cell.top.transistors
    }
    path.write_text(flatten(pdk, devices, "tt"), encoding="utf-8")


@pytest.mark.ngspice
@pytest.mark.skipif(shutil.which("ngspice") is None, reason="the ngspice program is not installed")
def test_plain_ngspice_takes_netlist_and_cards(sky130: Pdk, tmp_path: Path) -> None:
    """A synapse of weight 5 lifts a column of 100 fF by VDD * 5 Cu / Ctot, capacitors counted."""
    cell = Netlist(subcircuits=(read_library_cell(LIBRARY / "synapse.sp", sky130),))
    write_spice(cell, sky130, tmp_path / "synapse.spice")
    write_cards(cell, sky130, tmp_path / "synapse.models.spice")
    (tmp_path / "deck.cir").write_text(DECK, encoding="utf-8")
    done = subprocess.run(
        ["ngspice", "-b", "deck.cir"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1800
    )
    found = dict(re.findall(r"^(before|after)\s*=\s*(\S+)", done.stdout, re.MULTILINE))
    assert set(found) == {"before", "after"}, done.stdout[-2000:] + done.stderr[-2000:]
    lift_v = float(found["after"]) - float(found["before"])
    assert lift_v == pytest.approx(1.8 * 5 * 3.645 / (7 * 3.645 + 74.487), rel=0.01)


@pytest.mark.slow
@pytest.mark.klayout_app
@pytest.mark.parametrize("change", ["", "Mnt2 r q1 plate2", "c=14.58f"])
def test_plain_klayout_script_compares(
    leaf_cells: dict[str, LeafCell], sky130: Pdk, tmp_path: Path, change: str
) -> None:
    """The synapse matches; with another gate net, or a capacitor of another size, it does not."""
    try:
        klayout = find_klayout()
    except ToolNotFoundError as error:
        pytest.skip(str(error))
    leaf = leaf_cells["synapse"]
    write_gds([leaf.layout], sky130, tmp_path / "synapse.gds")
    spice = tmp_path / "synapse.spice"
    write_spice(Netlist(subcircuits=(leaf.netlist,)), sky130, spice)
    text = spice.read_text(encoding="utf-8")
    seeded = {
        "": text,
        "Mnt2 r q1 plate2": text.replace("Mnt2 r q2 plate2", change),
        "c=14.58f": text.replace("c=14.58f", "c=18.225f"),
    }[change]
    assert (seeded == text) == (change == "")
    spice.write_text(seeded, encoding="utf-8")
    given = {
        "layout": tmp_path / "synapse.gds", "top": "synapse", "schematic": spice,
        "report": tmp_path / "out.lvsdb",
    }  # fmt: skip
    options = [word for key, name in given.items() for word in ("-rd", f"{key}={name}")]
    done = subprocess.run(
        [klayout, "-b", "-r", SCRIPT, *options], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=1800,
    )  # fmt: skip
    assert ("layout and schematic differ" in done.stdout + done.stderr) == bool(change), done.stderr
    assert (done.returncode == 0) == (change == "")
