"""From a selection to the files of the macro: netlist and layout, then views and pictures."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import cast

from nngen.cells.cell_store import CellStore
from nngen.errors import InputError, PdkError
from nngen.flow_checks import CheckFiles
from nngen.flow_stages import Stages
from nngen.ir import AdcParameters
from nngen.project import Project
from nngen.resources import shipped_folder
from nngen.spec import NeuronReadout, Spec
from nngen.spice import write_spice
from nngen.spice_pdk import write_pdk_spice
from nngen.stages.layer_properties import write_lyp
from nngen.stages.layout import write_gds
from nngen.stages.macro import Macro, assemble
from nngen.stages.pictures import BlockKind, FloorplanBlock, floorplan_png, layout_png
from nngen.stages.selection import Selection
from nngen.stages.views import (
    LibertyFigures,
    MacroPort,
    Signal,
    write_lef,
    write_liberty,
    write_verilog,
)
from nngen.tools.models import Device, flatten

_LOG = logging.getLogger(__name__)
PICTURES = "pictures"
INPUTS = "stages/inputs"


def assembled(
    project: Project, selection: Selection, stages: Stages, store: CellStore | None, jobs: int
) -> Macro:
    """Generate, place and route the macro with `jobs` processes, or take the earlier result."""

    def work() -> Macro:
        return assemble(
            selection.mapping,
            project.library,
            project.pdk,
            readout="neuron" if isinstance(project.spec.readout, NeuronReadout) else "sar_adc",
            row_driver=selection.row_driver,
            design=project.spec.design,
            progress=lambda done, total, _what: stages.step("macro", done, total),
            store=store,
            jobs=jobs,
        )

    return stages.kept("macro", Macro, work, extra=selection.row_driver)


def drawn(project: Project, macro: Macro, stages: Stages) -> CheckFiles:
    """Write GDS and SPICE, or take the earlier files."""
    design, folder = project.spec.design, stages.folder
    names = (f"{design}.gds", f"{design}.spice", f"{design}.pdk.spice")
    gds, spice, pdk_spice = (folder / name for name in names)

    def work() -> bool:
        write_gds(macro.cells, project.pdk, gds)
        write_spice(macro.netlist, project.pdk, spice)
        write_pdk_spice(macro.netlist, project.pdk, pdk_spice)
        return True

    stages.kept("layout", bool, work, files=names)
    return CheckFiles(gds=gds, spice=spice, netlist=macro.netlist, pdk=project.pdk)


def write_models(project: Project, macro: Macro, folder: Path) -> None:
    """Write the model cards of the macro's devices at the spec's corner, if the models are installed."""
    devices = {
        Device(kind=transistor.kind, width_nm=transistor.width_nm, length_nm=transistor.length_nm)
        for cell in macro.netlist.subcircuits
        for transistor in cell.transistors
    }
    try:
        cards = flatten(project.pdk, devices, project.spec.corner)
    except PdkError as error:
        _LOG.info("no model cards written: %s", error)
        return
    head = (
        f"* Models of {project.spec.design}'s devices, PDK {project.pdk.name}, corner {project.spec.corner}\n"
    )
    (folder / f"{project.spec.design}.models.spice").write_text(head + cards, encoding="utf-8")


def macro_ports(macro: Macro) -> tuple[MacroPort, ...]:
    """Return the macro's ports as the views take them."""
    return tuple(
        MacroPort(name=port.name, direction=port.direction, signal=cast(Signal, port.signal))
        for port in macro.ports
    )


def write_views(project: Project, macro: Macro, selection: Selection, folder: Path) -> None:
    """Write LEF, Liberty, Verilog and layer properties."""
    spec, design, ports = project.spec, project.spec.design, macro_ports(macro)
    top = macro.cells[-1]
    write_lef(top, project.pdk, folder / f"{design}.lef", ports=ports)
    leakage = selection.estimate.figure("leakage").value
    figures = LibertyFigures(
        area_um2=top.width_nm * top.height_nm / 1e6,
        vdd_v=project.pdk.supplies.vdd_v,
        corner=spec.corner,
        temperature_c=spec.temperature_degc,
        leakage_w=leakage,
        source="area from the layout, leakage from the cell library's figures; no timing arcs",
    )
    write_liberty(design, ports, figures, folder / f"{design}.lib")
    write_verilog(design, ports, protocol(spec, selection), folder / f"{design}.v")
    write_lyp(project.pdk, folder / f"{design}.lyp")


def protocol(spec: Spec, selection: Selection) -> tuple[str, ...]:
    """Return how the macro is driven, as comment lines."""
    tiles = selection.mapping.tiles
    adc = selection.adc
    lines = [
        f"{spec.design}: {len(tiles)} crossbars ({', '.join(f'{t.name} {t.rows} x {t.columns}' for t in tiles)}).",
        "Write: put the bit on d, raise pcb and we, then sel of the row with wb of the bit.",
        *_inputs(adc),
        "One clock resets the columns, one evaluates the rows, then one bit a clock, MSB first.",
    ]
    if spec.readout.type == "sar_adc":
        lines.append(
            f"When done is high, d<bit> of a column is its code in offset binary: {adc.bits} bits, "
            f"{adc.lsb_units} weight units per code{'' if adc.input_steps == 1 else ', at whole pulses'}."
        )
        for shift in sorted({tile.weight_shift for tile in tiles} - {0}):
            names = ", ".join(tile.name for tile in tiles if tile.weight_shift == shift)
            lines.append(f"Codes of {names} count {1 << shift} times: they hold upper bits of the weights.")
        if selection.mapping.columns_per_adc > 1:
            lines.append(
                f"Each converter serves {selection.mapping.columns_per_adc} columns: mux<i> high, all others low, "
                "chooses its column i from before start until done."
            )
    else:
        lines.append("When done is high, act of a column is 1 where its sum is not negative.")
    return tuple(lines)


def _inputs(adc: AdcParameters) -> tuple[str, ...]:
    """Return how inputs come to the rows, up to the end of reset."""
    steps = adc.input_steps
    if steps == 1:
        return ("Compute: put one bit of every input on x, hold start over a rising edge of clk, then release it.",)
    return (
        "Compute: hold start over a rising edge of clk, then let clk rest low. Raise x of every input above 0 and lead "
        f"rampp from vdd to 0 and rampn from 0 to vdd in {steps} equal steps, a clock each.",
        "At the end of step k lower x of the inputs that are k. After the last step release start and go on with clk; "
        "bring the ramps back before x rises again.",
    )


def draw_pictures(project: Project, macro: Macro, folder: Path) -> dict[str, Path]:
    """Draw layout and floorplan; return their paths by name."""
    target = folder / PICTURES
    target.mkdir(exist_ok=True)
    paths = {name: target / f"{name}.png" for name in ("layout", "floorplan")}
    layout_png(folder / f"{project.spec.design}.gds", project.pdk, paths["layout"])
    blocks = [
        FloorplanBlock(
            name=block.name,
            kind=cast(BlockKind, block.kind),
            x_um=block.x_nm / 1000,
            y_um=block.y_nm / 1000,
            width_um=block.width_nm / 1000,
            height_um=block.height_nm / 1000,
        )
        for block in macro.blocks
    ]
    top = macro.cells[-1]
    floorplan_png(
        blocks, paths["floorplan"], outline_um=(top.width_nm / 1000, top.height_nm / 1000)
    )  # fmt: skip
    return paths


# --------------------------------------------------------------------------- inputs


def keep_inputs(project: Project, spec_path: Path, folder: Path) -> None:
    """Copy spec, weights, images, and a PDK or library of the user's own, for `nngen verify`.

    Places relative to the spec stay, so that the copied spec finds what it names.
    """
    target = folder / INPUTS
    spec_file = spec_path / "spec.yaml" if spec_path.is_dir() else spec_path
    base = spec_file.resolve().parent
    library = project.library.folder.resolve()
    names_folder = (base / project.spec.library / "library.yaml").is_file()
    is_own = names_folder and not Path(project.spec.library).is_absolute()
    common = base
    while is_own and not library.is_relative_to(common):
        common = common.parent
    home = target / "project" / base.relative_to(common)
    home.mkdir(parents=True)
    for source in (project.spec.weights_path, project.spec.inputs_path):
        copy = home / source.resolve().relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    shutil.copyfile(spec_file, home / "spec.yaml")
    if is_own:
        shutil.copytree(library, target / "project" / library.relative_to(common), dirs_exist_ok=True)
    if not project.pdk.folder.resolve().is_relative_to(shipped_folder("pdk_stubs").resolve()):
        shutil.copytree(project.pdk.folder, target / "pdk" / project.pdk.folder.name)
    (target / "home").write_text(f"{home.relative_to(target).as_posix()}\n", encoding="utf-8")


def kept_spec(run_dir: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the spec that a run directory keeps, and the folder of its PDK if it has one.

    Raises:
        InputError: the run directory has none.
    """
    target = run_dir / INPUTS
    try:
        home = target / (target / "home").read_text(encoding="utf-8").strip()
    except OSError as error:
        msg = f"{run_dir}: does not hold the inputs of its build; run 'nngen build' again."
        raise InputError(msg) from error
    pdks = target / "pdk"
    return home / "spec.yaml", ((pdks,) if pdks.is_dir() else ())
