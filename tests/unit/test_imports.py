"""Imports go one way, stages know nothing of each other, and technology is data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "nngen"

# From the bottom up; a module imports from lower levels only. Inside a level, modules of the
# border and modules of one package may import each other, without cycles.
LEVELS = (
    {"__init__"},
    {"errors", "units", "lazy", "processes", "key_figures"},
    {"ir"},
    {
        "yaml_source", "validation", "resources", "pdk_rules", "pdk_parts", "pdk", "spice", "spice_pdk",
        "layout_netlist", "library", "library_figures", "library_loading", "spec", "spec_loading", "recipe",
        "netlist_compare", "array_reduction", "drawn_cells", "run_records", "pdk_check", "edge_fringes", "facing_edges",
        "supply_network", "symmetry", "synapse_lines", "unit_capacitor", "wire_parasitics",
    },
    {"network", "golden", "cells", "tools"},
    {"estimate"},
    {"stages"},
    {"project", "starter"},
    {
        "flow", "flow_bench", "flow_characterise", "flow_checks", "flow_devices", "flow_estimate", "flow_events",
        "flow_evidence", "flow_figures", "flow_images", "flow_layout", "flow_matching", "flow_parasitics", "flow_pdk",
        "flow_published", "flow_recipe", "flow_rounds", "flow_run", "flow_simulation", "flow_spiking",
        "flow_spiking_design", "flow_spiking_lines", "flow_spiking_supply", "flow_stages", "flow_supply",
        "flow_transfer", "flow_trim", "flow_vth_trim", "report", "run_directory",
    },
    {"console"},
    {"cli_errors", "cli_libraries"},
    {"cli"},
    {"__main__"},
)  # fmt: skip
BORDER = LEVELS[3]
# What the golden model may know of nngen besides itself: anything more and it proves nothing.
GOLDEN_MAY_IMPORT = {"errors", "units", "ir", "golden"}


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py")) if "data" not in file.parts[:-1]}


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield what a file imports of nngen, as names below `nngen`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "nngen" or alias.name.startswith("nngen."):
                    yield alias.name.removeprefix("nngen").removeprefix(".") or "__init__"
        elif isinstance(node, ast.ImportFrom) and node.module == "nngen":
            for alias in node.names:
                yield alias.name if alias.name in FILES else "__init__"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nngen."):
            base = str(node.module).removeprefix("nngen.")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in FILES else base


def faults(name: str, source: str) -> list[str]:
    """Return every way in which the source of module `name` breaks the rules of imports."""
    found = []
    top, own_level = name.split(".")[0], level_of(name)
    for target in imported_modules(ast.parse(source)):
        other, other_level = target.split(".")[0], level_of(target)
        if other == "stages" and top == "stages" and stage_of(target) != stage_of(name):
            found.append(f"{name} imports {target}: stages never import each other")
        elif top == "golden" and other not in GOLDEN_MAY_IMPORT:
            found.append(f"{name} imports {target}: the golden model must stand alone")
        elif other_level > own_level:
            found.append(f"{name} imports {target}, which lies above it")
        elif (
            other_level == own_level
            and other != top
            and top not in BORDER | LEVELS[1] | LEVELS[7] | LEVELS[8]
        ):
            found.append(f"{name} imports {target}, which lies beside it")
    return found


def level_of(name: str) -> int:
    top = name.split(".")[0]
    for level, names in enumerate(LEVELS):
        if top in names:
            return level
    pytest.fail(f"nngen/{top} has no place in the order of imports; add it to LEVELS")


def stage_of(name: str) -> str:
    """Return the stage a module below `stages` belongs to: `drc` for `stages.drc_special`."""
    return name.split(".")[1].split("_")[0] if "." in name else ""


def technology_tests(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of comparisons with the name of a PDK."""
    for node in ast.walk(tree):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            sides = [node.subject]
        for side in sides:
            if isinstance(side, ast.Attribute) and side.attr == "name":
                owner = side.value
                owner_name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if owner_name.lower().endswith("pdk"):
                    yield side.lineno


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_go_one_way(name: str) -> None:
    assert faults(name, FILES[name].read_text(encoding="utf-8")) == []


def test_imports_have_no_cycle() -> None:
    graph = networkx.DiGraph()
    for name, file in FILES.items():
        # A package's __init__ names its own modules, which is no cycle of meaning.
        is_package = file.name == "__init__.py"
        for target in imported_modules(ast.parse(file.read_text(encoding="utf-8"))):
            if target != name and not is_package:
                graph.add_edge(name, target)
    assert list(networkx.simple_cycles(graph)) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_print_and_no_technology_by_name(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    printed = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printed == []
    assert list(technology_tests(tree)) == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("ir", "from nngen.spec import Spec", "ir imports spec, which lies above it"),
        (
            "golden.mvm",
            "from nngen.network import x",
            "golden.mvm imports network: the golden model must stand alone",
        ),
        (
            "stages.drc",
            "from nngen.stages import lvs",
            "stages.drc imports stages.lvs: stages never import each other",
        ),
        ("cells.leaf", "import nngen.stages.drc", "cells.leaf imports stages.drc, which lies above it"),
        ("cells.leaf", "import nngen.tools.models", "cells.leaf imports tools.models, which lies beside it"),
    ],
)
def test_the_rules_catch_a_fault(name: str, source: str, fault: str) -> None:
    assert faults(name, source) == [fault]


@pytest.mark.parametrize(
    "source",
    [
        "if pdk.name == 'x': pass",
        "y = 1 if self.pdk.name in NAMES else 2",
        "match pdk.name:\n    case _: ...",
    ],
)
def test_a_technology_test_is_caught(source: str) -> None:
    assert list(technology_tests(ast.parse(source))) == [1]
