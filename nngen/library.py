"""Cell libraries: which cells exist, what role each plays, and what is known about them.

A library is a folder with `library.yaml` and, per cell, `<cell>.yaml` and `<cell>.sp`.
The schematic is data (the .sp file), the layout is code (`generator:`) or a drawn file
(`gds:`). No code is ever loaded from a library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from nngen import resources
from nngen.errors import LibraryError
from nngen.library_figures import Figure, read_measured
from nngen.pdk import Pdk
from nngen.symmetry import MirrorDevice, mirrored_nets
from nngen.validation import Items, StrictModel, complaint, suggestion, validate
from nngen.yaml_source import YamlPath, YamlSource, load_yaml

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
COMMON_ROLES = ("synapse", "row_driver", "column_switch", "column_io", "decap")
GATE_ROLES = ("inverter", "nand2", "nor2", "flip_flop")
SAR_ROLES = ("comparator", "sar_bit", *GATE_ROLES)
NEURON_ROLES = ("neuron", *GATE_ROLES)
SPIKING_ROLES = (
    "synapse", "row_driver", "bitline_switch", "clamp_input", "clamp_output", "membrane", "bias",
    "comparator", "spike_path", "transmission_gate", "inverter", "nand2", "flip_flop",
)  # fmt: skip


def _names(value: object) -> object:
    """Accept one cell name or a list of candidates."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(value)
    raise complaint("a cell name or a list of cell names is expected.")


def _pair(value: object) -> object:
    """Accept two names."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise complaint("two transistors are expected. Write for example '[Mninp, Mninn]'.")


Pair = Annotated[tuple[str, str], BeforeValidator(_pair)]
CellNames = Annotated[tuple[str, ...], BeforeValidator(_names)]


class BitRange(StrictModel):
    """A range of bits, both ends included."""

    min: int = Field(ge=1, le=16, description="the fewest bits", examples=[1])
    max: int = Field(ge=1, le=16, description="the most bits", examples=[3])


class WeightStore(StrictModel):
    """What one synapse stores."""

    magnitude_bits: BitRange = Field(description="the bits of the weight's magnitude")
    signed: bool = Field(description="whether a sign is stored beside the magnitude", examples=["true"])
    largest: int | None = Field(
        default=None, ge=1, description="the largest magnitude, where it is less than the bits hold", examples=[4]
    )

    @property
    def limit(self) -> int:
        """Return the largest magnitude, e.g. 7 for 3 bits."""
        return self.largest or int(2**self.magnitude_bits.max) - 1


class SarOffer(StrictModel):
    """SAR ADCs that the library's cells can be composed into."""

    bits: BitRange = Field(description="the ADC resolutions")
    columns_per_adc: Items[int] = Field(min_length=1, description="how many columns can share an ADC")


class NeuronOffer(StrictModel):
    """Comparator neurons with binary activations."""

    activation_bits: Literal[1] = Field(default=1, description="the bits of an activation")


class SpikingEnergies(StrictModel):
    """Energies for estimates, as simulated."""

    slot_j: float = Field(gt=0, description="one neuron over one slot without input", examples=[8.8e-13])
    cell_j: float = Field(gt=0, description="one conducting cell over one spike, neuron included", examples=[6e-14])
    input_spike_j: float = Field(gt=0, description="one input spike's driver and wordline", examples=[1.5e-13])
    source: str = Field(description="where the figures come from", examples=["ngspice, tt, 27 degC"])


class SpikingOffer(StrictModel):
    """Signed integrate-and-fire neurons that send spikes."""

    cells_per_sign: int = Field(ge=1, le=8, description="the memory cells of each sign of a weight", examples=[4])
    read_level: float = Field(gt=0, description="the wordline's level while reading, in volts", examples=[0.75])
    energies: SpikingEnergies | None = Field(default=None, description="energies for estimates")
    levels_for: Items[str] = Field(
        default=(), description="the PDKs on which the neuron's levels were found; others are not simulated"
    )
    cells: Items[Literal["binary", "multilevel"]] = Field(
        default=("binary",), min_length=1, description="how a weight can be kept; macros are drawn with some of them"
    )
    drawn_cells: Items[Literal["binary", "multilevel"]] = Field(
        default=("binary",), description="those of them with which macros are drawn; others are estimated"
    )


class Readouts(StrictModel):
    """Readouts on offer."""

    sar_adc: SarOffer | None = Field(default=None, description="the SAR ADC")
    neuron: NeuronOffer | None = Field(default=None, description="the comparator neuron")
    spiking: SpikingOffer | None = Field(default=None, description="the integrate-and-fire neuron")


class UnitCapacitor(StrictModel):
    """The capacitor that everything on a column is a multiple of; the PDK gives its size."""

    device: Literal["mimcap"] = Field(
        description="the generic device name in the netlists", examples=["mimcap"]
    )
    synapse_units: int = Field(ge=0, le=255, description="the unit capacitors of one synapse", examples=[7])


class LibraryFile(StrictModel):
    """Contents of library.yaml."""

    name: str = Field(pattern=NAME_PATTERN, description="the library's name", examples=["sram_charge"])
    description: str = Field(default="", description="what the library is for")
    weights: WeightStore = Field(description="what a synapse stores")
    unit_capacitor: UnitCapacitor = Field(description="the unit capacitor")
    differential: Items[bool] = Field(default=(False,), min_length=1, description="column styles on offer")
    readouts: Readouts = Field(description="the readouts on offer")
    roles: dict[str, CellNames] = Field(description="the cell, or the candidate cells, of each role")
    transistor_units_nm: dict[str, int] = Field(
        default={}, description="by PDK, the width that w=1 means in this library's netlists; else the PDK's own"
    )


class Port(StrictModel):
    """One port of a cell: where it leaves the outline and what kind of signal it carries.

    `horizontal` leaves on the left and the right, `vertical` at the bottom and the top.
    """

    name: str = Field(pattern=NAME_PATTERN, description="the port's name in the netlist", examples=["vdd"])
    side: Literal["left", "right", "top", "bottom", "horizontal", "vertical"] = Field(
        description="the side of the outline where its pin lies", examples=["horizontal"]
    )
    signal: Literal["supply", "ground", "reference", "analog", "digital", "clock", "wordline", "bitline"] = (
        Field(description="the signal class", examples=["digital"])
    )
    direction: Literal["input", "output", "inout"] = Field(default="inout", description="the direction")


class ParameterRange(StrictModel):
    """Range of a parameter of a generator, both ends included."""

    min: int = Field(description="the smallest value", examples=[1])
    max: int = Field(description="the largest value", examples=[8])


class Cell(StrictModel):
    """Contents of <cell>.yaml."""

    name: str = Field(
        pattern=NAME_PATTERN, description="the cell's name, as in its .sp file", examples=["inv_x1"]
    )
    role: str = Field(pattern=NAME_PATTERN, description="the role it plays", examples=["inverter"])
    description: str = Field(default="", description="what the cell does")
    ports: Items[Port] = Field(min_length=1, description="the ports in the order of the .sp file")
    generator: str | None = Field(default=None, description="the layout generator's key", examples=["leaf"])
    gds: str | None = Field(default=None, description="a drawn layout instead of a generator")
    strength: int = Field(default=1, ge=1, le=64, description="relative drive strength", examples=[1])
    symmetry: Items[Pair] = Field(
        default=(),
        description="each transistor of the cell and its mirror image, those of the nets that matter most first",
        examples=["[[Mninp, Mninn], [Mnla, Mnlb]]"],
    )
    parameters: dict[str, ParameterRange] = Field(default={}, description="the generator's parameters")
    figures: Items[Figure] = Field(default=(), description="behavioural figures")

    @property
    def mirrored(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of `symmetry` by the names that a parsed netlist uses, without the M."""
        return tuple((one[1:], two[1:]) for one, two in self.symmetry)

    def figure(self, name: str, pdk: str, corner: str) -> Figure | None:
        """Return a figure for a PDK and corner, or for its tt corner, or None.

        Of several temperatures the one nearest to 27 degC counts, of equal ones the first.
        """
        known = [f for f in self.figures if f.name == name and f.pdk == pdk]
        known.sort(key=lambda f: abs(f.temperature_degc - 27.0))
        found = {f.corner: f for f in reversed(known)}
        return found.get(corner) or found.get("tt")


class Library(StrictModel):
    """A library with all its cells.

    Attributes:
        folder: where library.yaml lies.
    """

    file: LibraryFile
    cells: dict[str, Cell]
    _folder: Path = PrivateAttr(default=Path())
    _stale: tuple[str, ...] = PrivateAttr(default=())

    @property
    def stale(self) -> tuple[str, ...]:
        """Return one line for each cell that was measured with another netlist."""
        return self._stale

    @property
    def folder(self) -> Path:
        """Return the library's folder."""
        return self._folder

    @property
    def name(self) -> str:
        """Return the library's name."""
        return self.file.name

    def fitted(self, pdk: Pdk) -> Pdk:
        """Return the PDK with the transistor width that this library's netlists count in."""
        unit = self.file.transistor_units_nm.get(pdk.name)
        if unit is None:
            return pdk
        kinds = {k: getattr(pdk.devices, k).model_copy(update={"unit_width_nm": unit}) for k in ("nfet", "pfet")}
        return pdk.model_copy(update={"devices": pdk.devices.model_copy(update=kinds)})

    @property
    def weights(self) -> WeightStore:
        """Return what a synapse stores."""
        return self.file.weights

    @property
    def differential(self) -> tuple[bool, ...]:
        """Return the column styles on offer."""
        return self.file.differential

    @property
    def readouts(self) -> Readouts:
        """Return the readouts on offer."""
        return self.file.readouts

    @property
    def readout_names(self) -> tuple[str, ...]:
        """Return the `type` names of the readouts on offer."""
        return tuple(name for name in ("sar_adc", "neuron", "spiking") if getattr(self.readouts, name) is not None)

    def candidates(self, role: str) -> tuple[Cell, ...]:
        """Return the cells that can play a role, weakest first.

        Raises:
            LibraryError: the library has no such role.
        """
        if role not in self.file.roles:
            msg = f"library '{self.name}' has no cell with the role '{role}'; add it under 'roles' in library.yaml."
            raise LibraryError(msg)
        return tuple(self.cells[name] for name in self.file.roles[role])

    def netlist_path(self, cell: str) -> Path:
        """Return the transistor netlist of a cell."""
        return self._folder / f"{cell}.sp"


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
    found = list(problems)
    for name in sorted({cell for names in file.roles.values() for cell in names}):
        cell, complaints = _load_cell(folder, name, source)
        found += complaints
        if cell:
            cells[name] = cell
    found += _check_roles(file, cells, source)
    if found:
        raise LibraryError("\n".join(found))
    measured, stale = read_measured(folder)
    for name, figures in measured.items():
        if name in cells:
            cells[name] = cells[name].model_copy(update={"figures": (*cells[name].figures, *figures)})
    library = Library(file=file, cells=cells)
    library._folder, library._stale = folder, stale
    return library


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
