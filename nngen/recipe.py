"""Verification recipes: which checks and which simulations, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from nngen import resources
from nngen.errors import SpecError
from nngen.validation import Items, StrictModel, suggestion, validate
from nngen.yaml_source import load_yaml

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"


class SimulationStep(StrictModel):
    """One transistor-level simulation of the workload."""

    name: str = Field(pattern=NAME_PATTERN, description="the step's name", examples=["nominal"])
    corner: str | None = Field(default=None, description="the process corner; the spec's by default")
    temperature_degc: float | None = Field(default=None, description="the temperature; the spec's by default")
    supply_scale: float = Field(default=1.0, ge=0.8, le=1.2, description="supply relative to nominal")
    images: int | None = Field(default=None, ge=1, description="images; the spec's number by default")
    columns: int | None = Field(
        default=None, ge=1, description="columns of each crossbar, spread over it; all by default"
    )
    netlist: Literal["extracted", "schematic"] = Field(
        default="extracted", description="the netlist to simulate"
    )
    mismatch_runs: int = Field(default=0, ge=0, le=1000, description="Monte Carlo runs with device mismatch")


class Recipe(StrictModel):
    """Contents of flows/recipes/<name>.yaml."""

    name: str = Field(pattern=NAME_PATTERN, description="the recipe's name", examples=["signoff"])
    description: str = Field(default="", description="what it proves")
    drc: bool = Field(default=True, description="whether design rules are checked")
    public_deck: Literal["if_installed", "required", "off"] = Field(
        default="if_installed", description="whether the PDK's public deck runs as well"
    )
    lvs: bool = Field(default=True, description="whether layout and schematic are compared")
    extraction: bool = Field(default=True, description="whether wires are extracted")
    simulations: Items[SimulationStep] = Field(default=(), description="the simulations")


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes."""
    folder = resources.shipped_folder("flows") / "recipes"
    return tuple(sorted(file.stem for file in folder.glob("*.yaml")))


def load_recipe(name_or_path: str) -> Recipe:
    """Load a recipe by name or from a YAML file.

    Raises:
        SpecError: no such recipe, or all that is wrong with it.
    """
    path = resources.shipped_folder("flows") / "recipes" / f"{name_or_path}.yaml"
    shown_as = f"recipes/{name_or_path}.yaml"
    if name_or_path not in recipe_names():
        path, shown_as = Path(name_or_path), name_or_path
        if not path.is_file():
            near = suggestion(name_or_path, recipe_names())
            hint = f"Did you mean '{near}'?" if near else "Choose one of them, or give a YAML file."
            msg = f"recipe is '{name_or_path}'; recipes found: {', '.join(recipe_names())}. {hint}"
            raise SpecError(msg)
    recipe, problems = validate(Recipe, load_yaml(path, SpecError, shown_as))
    if recipe is None:
        raise SpecError(problems)
    return recipe
