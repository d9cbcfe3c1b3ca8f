"""`nngen lib characterize`: what cells measure, drawn and simulated, into the library's figures."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nngen.cells.cell_store import CellStore, default_store
from nngen.cells.leaf import LeafCell
from nngen.cells.library_cells import (
    block_style,
    driver_style,
    generate_leaves,
    readout_columns,
    synapse_style,
)
from nngen.cells.macro_cells import supplied_driver
from nngen.cells.technology import cell_technology
from nngen.errors import InputError
from nngen.estimate.energy import behind_ports, row_ports
from nngen.flow_spiking_lines import drawn_spiking_figures
from nngen.ir import Netlist
from nngen.library import Library
from nngen.library_figures import PREFIX, Figure, write_measured
from nngen.pdk import Pdk
from nngen.spec import TEMPERATURE_DEGC
from nngen.spice import read_library_cell, write_spice
from nngen.stages.characterisation import Condition, Measured, characterise, figures_of
from nngen.stages.characterisation_liberty import write_cells_liberty
from nngen.stages.characterisation_noise import noise_figures
from nngen.stages.characterisation_offset import SAMPLES, comparators, offset_figures
from nngen.stages.characterisation_ramps import ramp_figures
from nngen.stages.extraction import Extraction, extract_parasitics
from nngen.stages.layout import write_gds
from nngen.synapse_lines import DRIVER_ROLE, PULSE_ROLE, ramp_lines
from nngen.tools.kept_jobs import FILE_NAME, KeptJobs, kept_count
from nngen.tools.ngspice import NgspicePool, find_ngspice
from nngen.units import quantity_range

_DRAWN = "extracted from the generated layout of the cell alone"


def characterize(
    library: Library,
    pdk: Pdk,
    conditions: Sequence[Condition],
    target: Path,
    *,
    cells: Sequence[str] = (),
    jobs: int = 1,
    store: CellStore | None = None,
    step: Callable[[str, int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Measure a library, and write its figures and one Liberty file a condition.

    Args:
        library: the cells.
        pdk: the process.
        conditions: corners and temperatures.
        target: folder to write to; the library's own makes the figures its own.
        cells: which of the library's own cells are simulated; by default all, and lines are then drawn
            and extracted too. Cells that another library shares are measured there.
        jobs: simulators side by side.
        store: generated cells of earlier builds; the user's own by default.
        step: called with what is done, steps done, steps in all.

    Returns:
        The files written.

    Raises:
        InputError: a corner is none of the PDK's, a temperature is out of range, or there is no such cell.
        ToolNotFoundError: ngspice is missing.
        ToolFailedError: a simulation failed.
    """
    _check(library, pdk, conditions, cells)
    ngspice = find_ngspice()
    # Made before the simulations: a folder that cannot be written is told at once.
    target.mkdir(parents=True, exist_ok=True)
    simulations = target / f".{PREFIX}{pdk.name}.{FILE_NAME}"
    with _left_when_failing(simulations) as kept, tempfile.TemporaryDirectory(prefix=".nngen-", dir=target) as scratch:
        tell = step or (lambda _stage, _done, _total: None)
        drawn: dict[str, tuple[Figure, ...]] = {}
        if not cells:
            stored = store or default_store()
            drawn = drawn_figures(library, pdk, store=stored, say=lambda name: tell(f"draw {name}", 1, 1))
            drawn = {name: found for name, found in drawn.items() if name in library.own_cells}
        with NgspicePool(ngspice, workers=jobs, kept=kept) as pool:
            measured, simulated = _simulated(library, pdk, pool, conditions, cells or library.own_cells, tell)
        figures = figures_of(measured, library, pdk)
        for name, found in (*drawn.items(), *simulated):
            figures[name] = (*figures.get(name, ()), *found)
        path = Path(scratch) / f"{PREFIX}{pdk.name}.json"
        files = [write_measured(library.folder, pdk.name, figures, path, pdk.wires_hash)]
        for condition in conditions:
            place = f"{condition.corner}_{condition.temperature_degc:g}C".replace("-", "m")
            files.append(Path(scratch) / f"{library.name}_{pdk.name}_{place}.lib")
            write_cells_liberty(library, measured, condition, pdk.supplies.vdd_v, files[-1])
        return tuple(file.replace(target / file.name) for file in files)


@contextmanager
def _left_when_failing(path: Path) -> Iterator[KeptJobs]:
    """Yield what keeps single simulations in a file: a failure leaves it for the next run, success removes it."""
    try:
        yield KeptJobs(path, [path])
    except BaseException as error:
        count = kept_count(path)
        if count:
            simulations = f"{count} single simulation{'s' if count > 1 else ''}"
            error.add_note(f"What was finished ({simulations}) is kept: run the same command to go on from there.")
        raise
    path.unlink(missing_ok=True)


def _check(library: Library, pdk: Pdk, conditions: Sequence[Condition], cells: Sequence[str]) -> None:
    """Refuse corners and cells that there are not, and temperatures out of range."""
    for condition in conditions:
        if condition.corner not in pdk.corners:
            msg = f"PDK '{pdk.name}' has no corner '{condition.corner}'; it has {', '.join(pdk.corners)}."
            raise InputError(msg)
        if not TEMPERATURE_DEGC[0] <= condition.temperature_degc <= TEMPERATURE_DEGC[1]:
            allowed = quantity_range(TEMPERATURE_DEGC, "degC")
            msg = f"--temperature is {condition.temperature_degc:g}; allowed: {allowed}. Choose a value in this range."
            raise InputError(msg)
    for name in cells:
        if name not in library.cells:
            msg = f"library '{library.name}' has no cell '{name}'; it has {', '.join(sorted(library.cells))}."
            raise InputError(msg)
        if name not in library.own_cells:
            shared = library.folder_of(name).name
            msg = f"cell '{name}' lies in library '{shared}'; characterise it there."
            raise InputError(msg)


def _simulated(
    library: Library,
    pdk: Pdk,
    pool: NgspicePool,
    conditions: Sequence[Condition],
    cells: Sequence[str],
    tell: Callable[[str, int, int], None],
) -> tuple[tuple[Measured, ...], list[tuple[str, tuple[Figure, ...]]]]:
    """Return what all cells measure, offsets and noise of comparators, and resistances to ramps by cell."""
    measured = characterise(
        library, pdk, pool, conditions, cells=cells,
        step=lambda done, total: tell("characterise", done, total),
    )  # fmt: skip
    sampled = itertools.count(1)
    total = SAMPLES * len(conditions) * len(comparators(library, pdk, cells))
    offsets = offset_figures(
        library, pdk, pool, conditions, cells=cells,
        count=lambda _result: tell("offset", min(next(sampled), total), total),
    )  # fmt: skip
    noise = noise_figures(
        library, pdk, pool, conditions, cells=cells, count=lambda result: tell(result.name, 1, 1)
    )
    ramps = ramp_figures(
        library, pdk, pool, conditions, cells=cells, count=lambda result: tell(result.name, 1, 1)
    )
    return tuple(measured), [*offsets.items(), *noise.items(), *ramps.items()]


def drawn_figures(
    library: Library, pdk: Pdk, *, store: CellStore | None = None, say: Callable[[str], None] | None = None
) -> dict[str, tuple[Figure, ...]]:
    """Draw synapse, row drivers and column multiplexer, and return size and wires of their lines.

    Args:
        library: the cells; those with a layout of their own are left out.
        pdk: the process.
        store: generated cells of earlier builds.
        say: called with each drawn cell's name.

    Returns:
        By cell, `drawn_width` and `drawn_height`, and `wire_capacitance_<port>` and
        `wire_resistance_<port>` (end to end) of each port that is no supply; of the synapse also
        `wire_capacitance_<net>` of the nets that a row drives through pass gates, less what lies between
        them; of outputs `drive_wire_resistance_<port>`, from the transistors to the cell's edge. Of the
        multiplexer, whose outline is that of its block, the wires of its column only, from its upper edge
        to their lower end.
    """
    if library.readouts.spiking is not None:
        return drawn_spiking_figures(library, pdk, store=store, say=say)
    technology = cell_technology(pdk)
    synapse = library.candidates("synapse")[0]
    if synapse.generator is None:
        return {}
    netlist = read_library_cell(library.netlist_path(synapse.name), pdk)
    style = synapse_style(netlist, technology, synapse.row_tracks.get(pdk.name))
    leaves = generate_leaves({synapse.name: (netlist, style)}, pdk, say, store)
    roles = [role for role in (DRIVER_ROLE, PULSE_ROLE) if role in library.file.roles]
    cells = [cell for role in roles for cell in library.candidates(role) if cell.generator is not None]
    drivers = {cell.name: read_library_cell(library.netlist_path(cell.name), pdk) for cell in cells}
    tasks = {
        name: (driver, driver_style(leaves[synapse.name], ramps=ramp_lines(driver.ports)))
        for name, driver in drivers.items()
    }
    leaves |= generate_leaves(tasks, pdk, say, store)
    leaves |= {name: supplied_driver(library, leaves, technology, name, store) for name in drivers}
    inner = {synapse.name: behind_ports(netlist, row_ports(library))}
    found = {
        name: leaf_figures(leaf, pdk, _outputs(library, name), inner=inner.get(name, ()))
        for name, leaf in leaves.items()
    }
    for cell in library.candidates(SWITCH_ROLE) if SWITCH_ROLE in library.file.roles else ():
        if cell.generator is not None:
            netlist = read_library_cell(library.netlist_path(cell.name), pdk)
            style = block_style(netlist, technology, readout_columns(technology), cell.mirrored)
            leaf = generate_leaves({cell.name: (netlist, style)}, pdk, say, store)[cell.name]
            found[cell.name] = _line_figures(leaf, pdk, SWITCH_PORT)
    return found


SWITCH_ROLE = "column_mux"
SWITCH_PORT = "col"


def _line_figures(leaf: LeafCell, pdk: Pdk, port: str) -> tuple[Figure, ...]:
    """Return capacitance and resistance of the wires of a port that a way from above leads to."""
    names = {f"wire_capacitance_{port}", f"wire_resistance_{port}"}
    return tuple(figure for figure in leaf_figures(leaf, pdk, entries=(port,)) if figure.name in names)


def _outputs(library: Library, cell: str) -> tuple[str, ...]:
    return tuple(port.name for port in library.cells[cell].ports if port.direction == "output")


def leaf_figures(
    leaf: LeafCell, pdk: Pdk, outputs: Sequence[str] = (), entries: Sequence[str] = (), inner: Sequence[str] = ()
) -> tuple[Figure, ...]:
    """Extract a leaf cell alone and return its size and the wires of its ports.

    Args:
        leaf: the drawn cell.
        pdk: the process.
        outputs: ports whose wires are also measured from the transistors that drive them.
        entries: ports that a way from above leads to, measured from the cell's upper edge.
        inner: nets inside of the cell that move together and whose capacitance, to all others, is also wanted.
    """
    name = leaf.netlist.name
    netlist = Netlist(subcircuits=(leaf.netlist,))
    with tempfile.TemporaryDirectory(prefix="nngen-drawn-") as folder:
        gds, spice = Path(folder) / f"{name}.gds", Path(folder) / f"{name}.spice"
        write_gds([leaf.layout], pdk, gds)
        write_spice(netlist, pdk, spice)
        extraction = extract_parasitics(gds, spice, netlist, pdk, entries=entries)
    values = [
        ("drawn_width", leaf.layout.width_nm * 1e-9, "m"),
        ("drawn_height", leaf.layout.height_nm * 1e-9, "m"),
    ]
    for port in leaf.netlist.ports:
        values += _line(extraction, name, port)
        if port in outputs:
            values += _driven(extraction, name, port)
    for net in inner:
        wires = extraction.nets[name, net]
        between_f = sum(farad for other, farad in wires.couplings.items() if other in inner)
        values.append((f"wire_capacitance_{net}", wires.total_f - between_f, "F"))
    corner = next(iter(pdk.corners))
    return tuple(
        Figure(
            name=figure, value=value, unit=unit, pdk=pdk.name, corner=corner, source="measured", method=_DRAWN
        )
        for figure, value, unit in values
    )


def _line(extraction: Extraction, cell: str, port: str) -> list[tuple[str, float, str]]:
    """Return capacitance and resistance of a port's wires; nothing for supplies."""
    found = extraction.nets.get((cell, port))
    if found is None or not found.resistance_ohm:
        return []
    ohm = max(found.resistance_ohm.values())
    return [(f"wire_capacitance_{port}", found.total_f, "F"), (f"wire_resistance_{port}", ohm, "ohm")]


def _driven(extraction: Extraction, cell: str, port: str) -> list[tuple[str, float, str]]:
    """Return the resistance from the transistors behind an output to the farthest edge that it reaches."""
    found = extraction.nets.get((cell, port))
    ohm = max(found.drive_ohm.values(), default=None) if found else None
    return [] if ohm is None else [(f"drive_wire_resistance_{port}", ohm, "ohm")]
