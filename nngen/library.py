"""Cell libraries: which cells exist, what role each plays, and what is known about them.

A library is a folder with `library.yaml` and, per cell, `<cell>.yaml` and `<cell>.sp`.
The schematic is data (the .sp file), the layout is code (`generator:`) or a drawn file
(`gds:`). No code is ever loaded from a library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr

from nngen.errors import LibraryError
from nngen.library_figures import Figure, Measured
from nngen.pdk import Pdk
from nngen.validation import Items, StrictModel, complaint

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"


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
    converter_gap_nm: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={},
        description="by PDK, the least space between the tops on a plate of a converter, so that its units couple to "
        "the column as much as a synapse's",
    )


class SharedCells(StrictModel):
    """Roles that the cells of another library play."""

    library: str = Field(
        pattern=NAME_PATTERN, description="a library that comes with nngen", examples=["sram_charge"]
    )
    roles: Items[str] = Field(min_length=1, description="the roles taken from it", examples=["[column_io]"])


class LibraryFile(StrictModel):
    """Contents of library.yaml; `roles` of a loaded library include the shared ones."""

    name: str = Field(pattern=NAME_PATTERN, description="the library's name", examples=["sram_charge"])
    description: str = Field(default="", description="what the library is for")
    weights: WeightStore = Field(description="what a synapse stores")
    unit_capacitor: UnitCapacitor = Field(description="the unit capacitor")
    differential: Items[bool] = Field(default=(False,), min_length=1, description="column styles on offer")
    readouts: Readouts = Field(description="the readouts on offer")
    roles: dict[str, CellNames] = Field(description="the cell, or the candidate cells, of each role")
    shared: SharedCells | None = Field(default=None, description="cells that lie in another library")
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
    row_tracks: dict[str, dict[str, int]] = Field(
        default={}, description="by PDK, the tracks of lines along the row; the generator chooses the others"
    )
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
    _measured: Measured = PrivateAttr(default_factory=Measured)
    _base: Library | None = PrivateAttr(default=None)

    def found_in(self, folder: Path, measured: Measured, base: Library | None = None) -> Self:
        """Note the folder, which figures are measured, and the library that shares cells; return the library."""
        self._folder, self._measured, self._base = folder, measured, base
        return self

    def on(self, pdk: Pdk) -> Library:
        """Return the library for a PDK: without figures measured on another one of its name, with other wires."""
        base = self._base.on(pdk) if self._base else None
        known = self._measured.processes.get(pdk.name)
        if base is self._base and (known is None or known == pdk.wires_hash):
            return self
        cells = dict(self.cells)
        for name in self.own_cells if known not in (None, pdk.wires_hash) else ():
            foreign = self._measured.of(name, pdk.name)
            own = tuple(figure for figure in cells[name].figures if figure not in foreign)
            cells[name] = cells[name].model_copy(update={"figures": own})
        cells |= {name: base.cells[name] for name in self.shared_cells} if base else {}
        return Library(file=self.file, cells=cells).found_in(self._folder, self._measured, base)

    @property
    def stale(self) -> tuple[str, ...]:
        """Return one line for each cell that was measured with another netlist."""
        return (*self._measured.stale, *(self._base.stale if self._base else ()))

    @property
    def shared_cells(self) -> tuple[str, ...]:
        """Return the names of the cells that lie in another library."""
        roles = self.file.shared.roles if self.file.shared else ()
        return tuple(sorted({name for role in roles for name in self.file.roles[role]}))

    @property
    def own_cells(self) -> tuple[str, ...]:
        """Return the names of the cells that lie in the library's own folder."""
        return tuple(sorted(set(self.cells) - set(self.shared_cells)))

    @property
    def folder(self) -> Path:
        """Return the library's folder."""
        return self._folder

    @property
    def name(self) -> str:
        """Return the library's name."""
        return self.file.name

    def fitted(self, pdk: Pdk) -> Pdk:
        """Return the PDK with the transistor width that this library's netlists count in, and its converters' gap."""
        unit, gap = (
            by_pdk.get(pdk.name)
            for by_pdk in (self.file.transistor_units_nm, self.file.unit_capacitor.converter_gap_nm)
        )
        kinds = {} if unit is None else {
            k: getattr(pdk.devices, k).model_copy(update={"unit_width_nm": unit}) for k in ("nfet", "pfet")
        }  # fmt: skip
        if gap is not None:
            kinds["mimcap"] = pdk.devices.mimcap.model_copy(update={"converter_gap_nm": gap})
        return pdk.model_copy(update={"devices": pdk.devices.model_copy(update=kinds)}) if kinds else pdk

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
        return self.folder_of(cell) / f"{cell}.sp"

    def folder_of(self, cell: str) -> Path:
        """Return the folder in which a cell lies."""
        return self._base.folder_of(cell) if self._base and cell in self.shared_cells else self._folder
