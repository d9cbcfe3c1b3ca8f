"""Read a cell library, and check its cells against their netlists and roles."""

from __future__ import annotations

from pathlib import Path

from nngen import resources
from nngen.errors import LibraryError
from nngen.library import Cell, Library, LibraryFile
from nngen.library_figures import read_measured
from nngen.symmetry import MirrorDevice, mirrored_nets
from nngen.synapse_lines import DRIVER_ROLE, PULSE_ROLE, RAMP_LINES, row_lines, wordlines, write_lines
from nngen.validation import suggestion, validate
from nngen.yaml_source import YamlPath, YamlSource, load_yaml

COMMON_ROLES = ("synapse", DRIVER_ROLE, "column_switch", "column_io", "decap")
GATE_ROLES = ("inverter", "nand2", "nor2", "flip_flop")
SAR_ROLES = ("comparator", "sar_bit", *GATE_ROLES)
NEURON_ROLES = ("neuron", *GATE_ROLES)
SPIKING_ROLES = (
    "synapse", DRIVER_ROLE, "bitline_switch", "clamp_input", "clamp_output", "membrane", "bias",
    "comparator", "spike_path", "transmission_gate", "inverter", "nand2", "flip_flop",
)  # fmt: skip


def library_names() -> tuple[str, ...]:
    """Return the names of the libraries that nngen ships."""
    return tuple(sorted(resources.available("cell_libraries", "library.yaml")))


def load_library(name_or_path: str, base: Path | None = None) -> Library:
    """Load a library by name, or from a folder given relative to `base`.

    Args:
        name_or_path: a shipped library's name, or a folder with a library.yaml.
        base: folder of the file that names the library; the working directory by default.

    Raises:
        LibraryError: no such library, or all that is wrong with it, one line each.
    """
    folder = _find(name_or_path, base or Path())
    source = load_yaml(folder / "library.yaml", LibraryError, f"{folder.name}/library.yaml")
    file, problems = validate(LibraryFile, source)
    if file is None:
        raise LibraryError("\n".join(problems))
    cells: dict[str, Cell] = {}
    giver, complaints = _giver(file, folder, source)
    found = [*problems, *complaints]
    for name in sorted({cell for names in file.roles.values() for cell in names}):
        cell, complaints = _load_cell(folder, name, source)
        found += complaints
        if cell:
            cells[name] = cell
    shared_cells: dict[str, Cell] = {}
    if file.shared and giver:
        taken = [role for role in file.shared.roles if role in giver.file.roles and role not in file.roles]
        shared = {role: giver.file.roles[role] for role in taken}
        twice = sorted({name for names in shared.values() for name in names} & set(cells))
        found += [source.problem(_role_path(source, name), _TWICE.format(name, giver.name)) for name in twice]
        shared_cells = {name: giver.cells[name] for names in shared.values() for name in names}
        file = file.model_copy(update={"roles": {**shared, **file.roles}})
        cells = {**shared_cells, **cells}
    found += _check_roles(file, cells, source)
    if not found:
        found += _check_synapse(file, cells, folder, source)
    if found:
        raise LibraryError("\n".join(found))
    measured = read_measured(folder)
    for name, figures in measured.figures.items():
        if name in cells and name not in shared_cells:
            cells[name] = cells[name].model_copy(update={"figures": (*cells[name].figures, *figures)})
    return Library(file=file, cells=cells).found_in(folder, measured, giver)


_TWICE = "names the cell '{}', which library '{}' shares under the same name. Rename one."


def _giver(file: LibraryFile, folder: Path, source: YamlSource) -> tuple[Library | None, list[str]]:
    """Return the library that shares cells, and what is wrong with what is taken from it."""
    if file.shared is None:
        return None, []
    shipped = resources.available("cell_libraries", "library.yaml")
    path, name = ("shared", "library"), file.shared.library
    if name not in shipped:
        near = suggestion(name, tuple(shipped))
        hint = f"Did you mean '{near}'?" if near else "Name one of them."
        return None, [source.problem(path, f"is '{name}'; nngen comes with {', '.join(sorted(shipped))}. {hint}")]
    inner = load_yaml(shipped[name] / "library.yaml", LibraryError, f"{name}/library.yaml")
    if shipped[name].resolve() == folder.resolve() or "shared" in inner.data:
        text = f"is '{name}', which has cells of another library itself. Name the library in which they lie."
        return None, [source.problem(path, text)]
    base = load_library(name)
    problems = []
    for index, role in enumerate(file.shared.roles):
        here = ("shared", "roles", index)
        if role in file.roles:
            problems.append(source.problem(here, f"is '{role}', which stands under 'roles' as well. Remove one."))
        elif role in file.shared.roles[:index]:
            problems.append(source.problem(here, f"is '{role}', listed before. Remove one."))
        elif role not in base.file.roles:
            near = suggestion(role, tuple(base.file.roles))
            hint = f"Did you mean '{near}'?" if near else "Remove it."
            problems.append(source.problem(here, f"is '{role}'; library '{name}' has no such role. {hint}"))
    return base, problems


def _find(name_or_path: str, base: Path) -> Path:
    """Return the folder of a library."""
    shipped = resources.available("cell_libraries", "library.yaml")
    if name_or_path in shipped:
        return shipped[name_or_path]
    folder = base / name_or_path
    if (folder / "library.yaml").is_file():
        return folder
    if folder.is_dir():
        msg = f"library is '{name_or_path}'; no library.yaml lies in that folder. Add one, or give another folder."
        raise LibraryError(msg)
    near = suggestion(name_or_path, library_names())
    hint = f"Did you mean '{near}'?" if near else "Choose one of them, or give the folder of your own."
    msg = (
        f"library is '{name_or_path}'; no library has this name, found: {', '.join(library_names())}. {hint}"
    )
    raise LibraryError(msg)


def _load_cell(folder: Path, name: str, library: YamlSource) -> tuple[Cell | None, list[str]]:
    """Load `<name>.yaml` and compare it with `<name>.sp`."""
    where = _role_path(library, name)
    if not (folder / f"{name}.yaml").is_file():
        text = f"names the cell '{name}'; there is no {name}.yaml beside library.yaml. Add it or correct the name."
        return None, [library.problem(where, text)]
    try:
        source = load_yaml(folder / f"{name}.yaml", LibraryError, f"{folder.name}/{name}.yaml")
    except LibraryError as exc:
        return None, str(exc).splitlines()
    cell, problems = validate(Cell, source)
    if cell is None:
        return None, list(problems)
    return cell, _check_cell(cell, name, folder, source)


def _role_path(library: YamlSource, cell: str) -> YamlPath:
    """Return where library.yaml names a cell first."""
    for role, names in library.data["roles"].items():
        if names == cell:
            return ("roles", role)
        if isinstance(names, list) and cell in names:
            return ("roles", role, names.index(cell))
    return ("roles",)


def _check_cell(cell: Cell, name: str, folder: Path, source: YamlSource) -> list[str]:
    """Return what does not fit between a cell's YAML and its files."""
    problems = []
    if cell.name != name:
        return [source.problem(("name",), f"is '{cell.name}'; the file is {name}.yaml. Make the two equal.")]
    if (cell.generator is None) == (cell.gds is None):
        state = "is missing, and so is 'gds'" if cell.gds is None else "stands beside 'gds'"
        text = f"{state}; a cell is either generated or drawn. Give exactly one of them."
        problems.append(source.problem(("generator",), text))
    if cell.gds is not None:
        drawn = (folder / cell.gds).resolve()
        if not drawn.is_relative_to(folder.resolve()):
            text = f"is '{cell.gds}'; it lies outside the library's folder. Copy the file into it."
            problems.append(source.problem(("gds",), text))
        elif not drawn.is_file():
            text = f"is '{cell.gds}'; there is no such file in the library's folder. Correct the name."
            problems.append(source.problem(("gds",), text))
    known = {port.name for port in cell.ports}
    for pdk, tracks in cell.row_tracks.items():
        for line in sorted(set(tracks) - known):
            text = f"is the track of '{line}'; the cell has no such port. Correct the name."
            problems.append(source.problem(("row_tracks", pdk, line), text))
    return problems + _check_ports(cell, folder / f"{name}.sp", source)


def _check_ports(cell: Cell, netlist: Path, source: YamlSource) -> list[str]:
    """Compare the ports of a cell with its .subckt line."""
    if not netlist.is_file():
        return [
            source.problem(
                ("name",), f"is '{cell.name}'; there is no {netlist.name} beside it. Add the netlist."
            )
        ]
    header = _subckt_header(netlist, cell.name)
    if header is None:
        return [
            source.problem(
                ("name",), f"is '{cell.name}'; {netlist.name} has no '.subckt {cell.name}'. Add it."
            )
        ]
    names = [port.name for port in cell.ports]
    problems = [
        source.problem(("ports",), f"lacks '{name}'; {netlist.name} has this port. Add it.")
        for name in header
        if name not in names
    ]
    for index, name in enumerate(names):
        path = ("ports", index, "name")
        if name not in header:
            near = suggestion(name, header)
            hint = f"Did you mean '{near}'?" if near else "Remove it."
            problems.append(source.problem(path, f"is '{name}'; {netlist.name} has no such port. {hint}"))
        elif names.index(name) != index:
            problems.append(source.problem(path, f"is '{name}', listed before. Remove one."))
    if not problems and tuple(names) != header:
        text = f"are in another order than in {netlist.name}. Write them as {' '.join(header)}."
        problems.append(source.problem(("ports",), text))
    return problems + _check_symmetry(cell, netlist, source)


def _check_symmetry(cell: Cell, netlist: Path, source: YamlSource) -> list[str]:
    """Return what is wrong with the pairs of a symmetric cell."""
    if not cell.symmetry:
        return []
    lines = [line.split() for line in _joined_lines(netlist) if line[:1] in ("M", "m")]
    devices = {w[0]: MirrorDevice(size=tuple(w[5:]), nets=tuple(w[1:5])) for w in lines}
    try:
        mirrored_nets(devices, cell.symmetry)
    except LibraryError as error:
        return [source.problem(("symmetry",), str(error))]
    return []


def _joined_lines(netlist: Path) -> list[str]:
    """Return the lines of a netlist, continuation lines joined."""
    return netlist.read_text(encoding="utf-8", errors="replace").replace("\n+", " ").splitlines()


def _subckt_header(netlist: Path, name: str) -> tuple[str, ...] | None:
    """Return the ports of `.subckt name ...`, continuation lines joined, or None."""
    for line in _joined_lines(netlist):
        words = line.split()
        if len(words) > 1 and words[0].lower() == ".subckt" and words[1] == name:
            return tuple(words[2:])
    return None


def _check_roles(file: LibraryFile, cells: dict[str, Cell], source: YamlSource) -> list[str]:
    """Return the roles that are missing, unknown or played by a cell of another role."""
    sar = file.readouts.sar_adc
    crossbar = sar or file.readouts.neuron or not file.readouts.spiking
    needed = [*(COMMON_ROLES if crossbar else ()), *(SAR_ROLES if sar else ())]
    needed += [*(NEURON_ROLES if file.readouts.neuron else ()), *(SPIKING_ROLES if file.readouts.spiking else ())]
    if sar and max(sar.columns_per_adc) > 1:
        needed += ["column_mux", "kickback_null"]
    problems = []
    for role in dict.fromkeys(needed):
        if role not in file.roles:
            text = f"lacks '{role}'; every library with these readouts needs a cell for it. Add '{role}: <cell>'."
            problems.append(source.problem(("roles",), text))
    for role, names in file.roles.items():
        for name in names:
            cell = cells.get(name)
            if cell is not None and cell.role != role:
                text = f"names '{name}', whose own role is '{cell.role}'. Make the two equal."
                problems.append(source.problem(_role_path(source, name), text))
    return problems


def _check_synapse(file: LibraryFile, cells: dict[str, Cell], folder: Path, source: YamlSource) -> list[str]:
    """Return what does not fit between weights, the synapse's bits and its drivers' lines."""
    if file.readouts.spiking:
        return []
    name = file.roles["synapse"][0]
    ports = [port.name for port in cells[name].ports]
    try:
        bits = len(wordlines(ports)) - 1
    except LibraryError as error:
        return [source.problem(_role_path(source, name), f"names '{name}': {error}")]
    problems = []
    if file.weights.magnitude_bits.max > bits:
        text = f"is {file.weights.magnitude_bits.max}; '{name}' has word lines for the sign and {bits}. Lower it."
        problems.append(source.problem(("weights", "magnitude_bits", "max"), text))
    lines = {*row_lines(ports), *write_lines(ports)}
    drivers = [(driver, lines) for driver in file.roles[DRIVER_ROLE]]
    drivers += [(driver, {*lines, *RAMP_LINES}) for driver in file.roles.get(PULSE_ROLE, ())]
    for driver, wanted in drivers:
        missing = sorted(wanted - {port.name for port in cells[driver].ports})
        if missing:
            text = f"names '{driver}', which has no port {', '.join(missing)} for '{name}'. Add it."
            problems.append(source.problem(_role_path(source, driver), text))
    return problems
