"""The spec: what to build, from which network, with which PDK and cells, and how good.

`spec_loading` is the border: what it returns has been checked against itself, against the
files beside it and against the cell library. Weights are read later, by `nngen.network`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from nngen.synapse_lines import DRIVER_ROLE, PULSE_ROLE
from nngen.units import parse_quantity, quantity_range
from nngen.validation import Items, StrictModel, complaint, one_or_several, shown, whole_or
from nngen.yaml_source import YamlPath, YamlSource

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
_MAX_WIDTH = 65_536
FIGURES_TO_MINIMISE = ("area", "energy", "latency")
CLOCK_HZ = (1e3, 1e10)
"""Slowest and fastest clock: below, charge on the columns leaks away; above, no transistor follows."""
TEMPERATURE_DEGC = (-55.0, 175.0)
"""Coldest and hottest macro: the widest range that is usual for circuits on silicon."""


def _quantity(
    unit: str, example: str, *, positive: bool = True, limits: tuple[float, float] | None = None
) -> BeforeValidator:
    """Return the validator that turns a text such as `10 us` into an SI float.

    Args:
        unit: unit for `nngen.units.parse_quantity`.
        example: text shown in messages.
        positive: refuse zero and negative values.
        limits: smallest and largest value, in SI units.
    """
    names = {"m2": "um2 or mm2"}.get(unit, unit)

    def convert(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise complaint(f"a number with a unit is expected. Write for example '{example}'.")
        try:
            number = parse_quantity(value, unit)
        except ValueError as exc:
            text = f"a number with a unit ({names}) is expected. Write for example '{example}'."
            raise complaint(text) from exc
        if positive and number <= 0:
            raise complaint(f"it must be above 0. Write for example '{example}'.")
        if limits and not limits[0] <= number <= limits[1]:
            raise complaint(f"allowed: {quantity_range(limits, unit)}. Choose a value in this range.")
        return number

    return BeforeValidator(convert)


def _quantity_schema(example: str) -> WithJsonSchema:
    """Return the JSON Schema of a quantity: text with a number and a unit."""
    pattern = r"^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*\S+\s*$"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Time = Annotated[float, _quantity("s", "10 us"), _quantity_schema("10 us")]
Frequency = Annotated[float, _quantity("Hz", "50 MHz", limits=CLOCK_HZ), _quantity_schema("50 MHz")]
Power = Annotated[float, _quantity("W", "5 mW"), _quantity_schema("5 mW")]
Area = Annotated[float, _quantity("m2", "0.5 mm2"), _quantity_schema("0.5 mm2")]
Noise = Annotated[float, _quantity("LSB", "0.3 LSB"), _quantity_schema("0.3 LSB")]
Percent = Annotated[float, _quantity("%", "1 %", positive=False), _quantity_schema("1 %")]
Choice = int | Literal["auto"] | tuple[int, ...]
"""A fixed number, numbers among which selection chooses, or all that the library offers."""


def _objective(value: object) -> object:
    """Accept the name of a figure, or weights of several."""
    names = list(FIGURES_TO_MINIMISE)
    if not isinstance(value, dict):
        if value in names:
            return value
        raise complaint(f"allowed: {', '.join(names)}. Choose one of them.")
    for name, weight in value.items():
        if name not in names:
            raise complaint(f"its key {shown(name)} is unknown; allowed: {', '.join(names)}. Remove it.")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1000:
            text = f"its weight of {name} is {shown(weight)}; allowed: above 0, to 1000"
            raise complaint(f"{text}. Write for example 'optimise: {{area: 1, energy: 2}}'.")
    if not value:
        raise complaint("at least one weight is needed. Write for example 'optimise: {area: 1, energy: 2}'.")
    return {str(name): float(weight) for name, weight in value.items()}


Temperature = Annotated[
    float,
    _quantity("degC", "27 degC", positive=False, limits=TEMPERATURE_DEGC),
    _quantity_schema("27 degC"),
]


def _sides(value: object) -> object:
    """Turn the sides of unit capacitors into nanometres."""
    example = "Write for example 'unit_capacitor: 1.5 um'."
    if value in ("pdk", "auto"):
        return value
    sides = []
    for item in value if isinstance(value, list) else [value]:
        try:
            sides.append(round(parse_quantity(item if isinstance(item, str) else "", "m") * 1e9))
        except ValueError as exc:
            raise complaint(f"a side with its unit, a list of them, pdk or auto is expected. {example}") from exc
    if not sides or len(set(sides)) != len(sides):
        raise complaint(f"each side must be listed once, and at least one. {example}")
    return tuple(sides)


UnitCapacitor = Annotated[
    Literal["pdk", "auto"] | tuple[int, ...],
    BeforeValidator(_sides),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["pdk", "auto"]},
                {"type": "string", "examples": ["1.5 um"]},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
"""Sides of unit capacitors in nm, the PDK's own, or several times that."""


class LayerSpec(StrictModel):
    """One fully connected layer, as the npz must hold it."""

    name: str = Field(pattern=NAME_PATTERN, description="the layer's name", examples=["hidden"])
    inputs: int = Field(ge=1, le=_MAX_WIDTH, description="the number of inputs of the layer", examples=[64])
    outputs: int = Field(ge=1, le=_MAX_WIDTH, description="the number of outputs of the layer", examples=[16])
    weight_bits: int = Field(
        default=3, ge=1, le=16, description="the magnitude bits of a weight, beside its sign", examples=[3]
    )
    activation: Literal["relu", "none"] = Field(
        default="relu", description="what follows the sums; 'none' for the last layer", examples=["relu"]
    )


class NetworkSpec(StrictModel):
    """The trained network: an npz file and the shape of each layer."""

    weights: str = Field(min_length=1, description="the npz file with the weights", examples=["weights.npz"])
    layers: Items[LayerSpec] = Field(
        min_length=1,
        description="the layers from input to output",
        examples=["[{name: output, inputs: 64, outputs: 10}]"],
    )


class CrossbarSpec(StrictModel):
    """Size of one crossbar; a larger layer is tiled over several."""

    rows: int = Field(ge=1, le=4096, description="the number of rows (inputs) of a crossbar", examples=[64])
    columns: int = Field(
        ge=1, le=4096, description="the number of columns (outputs) of a crossbar", examples=[16]
    )
    differential: bool = Field(
        default=False, description="whether a weight uses a pair of columns", examples=["false"]
    )
    columns_per_adc: Annotated[
        Choice, one_or_several((1, 2, 4), "1, 2, 4. Choose one of them.", "columns_per_adc: [1, 2]")
    ] = Field(default=1, description="how many columns share one ADC", examples=[1])
    column_splits: Annotated[
        Choice,
        one_or_several(range(1, 65), "1 to 64. Choose a value in this range.", "column_splits: [1, 2]"),
    ] = Field(
        default=1, description="over how many crossbars a layer's inputs are spread at least", examples=[1]
    )
    weight_slices: Annotated[
        Choice, one_or_several((1, 2, 3), "1, 2, 3. Choose one of them.", "weight_slices: [1, 2]")
    ] = Field(default=1, description="over how many crossbars the bits of a weight are spread", examples=[1])
    unit_capacitor: UnitCapacitor = Field(
        default="pdk",
        description="the side of a unit capacitor: the PDK's own, another, or several to choose from",
        examples=["pdk"],
    )
    inputs: Literal["bit_serial", "pulse_width"] = Field(
        default="bit_serial",
        description="how rows carry an input: bit by bit, or at once as the width of a pulse",
        examples=["bit_serial"],
    )
    dummies: int = Field(
        default=1, ge=0, le=1, description="columns of dummy capacitors at either side of an array", examples=[1]
    )


class SarReadout(StrictModel):
    """A SAR ADC on the column."""

    type: Literal["sar_adc"]
    bits: Annotated[
        Choice, one_or_several(range(4, 9), "4 to 8. Choose a value in this range.", "bits: 6")
    ] = Field(default=6, description="the ADC's resolution", examples=[6])
    lsb_units: Annotated[int | Literal["auto"], whole_or("auto", 1, 64)] = Field(
        default="auto",
        description="weight units per ADC code, or auto from calibration images",
        examples=["auto"],
    )
    full_scale: Annotated[int | Literal["auto"], whole_or("auto", 1, 8192)] = Field(
        default="auto",
        description="largest sum of a conversion, in weight units, that must not clip",
        examples=[26],
    )


class NeuronReadout(StrictModel):
    """A comparator per column, binary activations."""

    type: Literal["neuron"]


class SpikingReadout(StrictModel):
    """Signed integrate-and-fire neurons on resistive memory; inputs and outputs are spikes."""

    type: Literal["spiking"]
    threshold_units: int = Field(
        default=10, ge=1, le=64, description="weight units at which a neuron sends a spike", examples=[10]
    )
    membrane_units: int = Field(
        default=152, ge=32, le=512, description="the unit capacitors of a membrane", examples=[152]
    )
    slots: int = Field(default=64, ge=1, le=4096, description="slots with input spikes", examples=[64])
    drain_slots: int = Field(default=16, ge=0, le=4096, description="slots without input at the end", examples=[16])
    spikes_per_pixel: int = Field(
        default=4, ge=1, le=255, description="the input spikes of the brightest pixel", examples=[4]
    )
    cells: Literal["binary", "multilevel"] = Field(
        default="binary",
        description="how a weight is kept: in two-state cells, or in the multilevel cell of its sign",
        examples=["binary"],
    )
    slot_s: Time = Field(default=100e-9, alias="slot", description="the length of a slot")
    spike_width_s: Time = Field(default=15e-9, alias="spike_width", description="the length of an input spike")


class Requirements(StrictModel):
    """Limits that selection must keep; each is optional."""

    latency_s: Time | None = Field(default=None, alias="latency", description="time for one input vector")
    accuracy_drop: Percent | None = Field(default=None, description="accuracy lost against exact integers")
    area_m2: Area | None = Field(default=None, alias="area", description="area of the macro")
    noise_lsb: Noise | None = Field(
        default=None, alias="noise", description="rms error of a conversion: noise and mismatch of capacitors"
    )
    power_w: Power | None = Field(default=None, alias="power", description="average power while computing")


class Workload(StrictModel):
    """The inputs that prove the macro."""

    inputs: str = Field(
        min_length=1, description="the npz file with images and labels", examples=["test_inputs.npz"]
    )
    images: int = Field(
        default=4, ge=1, le=10_000, description="images to simulate at transistor level", examples=[4]
    )
    golden_images: Annotated[int | Literal["all"], whole_or("all", 1, 1_000_000)] = Field(
        default="all", description="images for the golden model's accuracy", examples=["all"]
    )


class Spec(StrictModel):
    """A whole spec file.

    Attributes:
        folder: folder of the spec file; its data files lie in it.
    """

    design: str = Field(
        pattern=NAME_PATTERN, max_length=64, description="the name of the macro", examples=["digits_mlp"]
    )
    pdk: str = Field(min_length=1, description="the process: a PDK's name", examples=["my_130nm"])
    library: str = Field(
        min_length=1,
        description="the cell library: a name, or a folder relative to this file",
        examples=["sram_charge"],
    )
    network: NetworkSpec = Field(description="the trained network")
    activation_bits: int = Field(default=4, ge=1, le=8, description="bits of an activation", examples=[4])
    crossbar: CrossbarSpec = Field(description="the size of a crossbar")
    readout: Annotated[SarReadout | NeuronReadout | SpikingReadout, Field(discriminator="type")] = Field(
        default=SarReadout(type="sar_adc"), description="how columns are read"
    )
    clock_hz: Frequency = Field(default=50e6, alias="clock", description="the clock of the sequencer")
    requirements: Requirements = Field(default=Requirements(), description="limits to keep")
    optimise: Annotated[
        Literal["area", "energy", "latency"] | dict[str, float], BeforeValidator(_objective)
    ] = Field(
        default="area",
        description="what to minimise within the requirements, or weights of several such figures",
        examples=["area"],
    )
    corner: str = Field(default="tt", pattern=NAME_PATTERN, description="the process corner", examples=["tt"])
    temperature_degc: Temperature = Field(default=27.0, alias="temperature", description="the temperature")
    workload: Workload = Field(description="the inputs that prove the macro")
    seed: int = Field(
        default=1, ge=0, le=2**31 - 1, description="the seed of everything random", examples=[1]
    )

    _source: YamlSource | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default=Path())

    def place(self, source: YamlSource, folder: Path) -> None:
        """Note where the spec was read from: its lines, for messages, and its folder."""
        self._source, self._folder = source, folder

    @property
    def folder(self) -> Path:
        """Return the folder of the spec file."""
        return self._folder

    @property
    def objective_weights(self) -> dict[str, float]:
        """Return the weight of each figure to minimise, those above 0 only."""
        return {self.optimise: 1.0} if isinstance(self.optimise, str) else dict(self.optimise)

    @property
    def input_steps(self) -> int:
        """Return the largest input of one conversion: 1 bit by bit, 2**activation_bits - 1 as a pulse's width."""
        return 1 if self.crossbar.inputs == "bit_serial" else 2**self.activation_bits - 1

    @property
    def driver_role(self) -> str:
        """Return the library's role of the row drivers."""
        return DRIVER_ROLE if self.crossbar.inputs == "bit_serial" else PULSE_ROLE

    @property
    def weights_path(self) -> Path:
        """Return the path of the weights npz."""
        return self._folder / self.network.weights

    @property
    def inputs_path(self) -> Path:
        """Return the path of the workload npz."""
        return self._folder / self.workload.inputs

    def problem(self, path: YamlPath, text: str) -> str:
        """Return `file:line: path text` for a check that a later stage makes."""
        source = self._source or YamlSource(file="spec", data={}, lines={})
        return source.problem(path, text)


def fixed_choices(choice: Choice) -> tuple[int, ...]:
    """Return the numbers that a spec names; none for `auto`."""
    if isinstance(choice, int):
        return (choice,)
    return () if isinstance(choice, str) else choice
