"""Technology is data: the code knows no process by its name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.parent.name for path in (ROOT / "pdk_stubs").glob("*/pdk.yaml"))
# A family is one as well: `gf180` without its last letters, `sky130A`, `generic`.
STEMS = {match[0] for name in NAMES if (match := re.match(r"[a-z]+\d+", name))}


def mentions(text: str) -> list[str]:
    """Return the names of processes in a text, in any case."""
    return [found[0] for found in re.finditer("|".join(sorted(STEMS)), text, re.IGNORECASE)]


def test_there_are_names_to_look_for() -> None:
    assert {"sky130", "gf180"} <= STEMS
    assert mentions('if pdk.name == "SKY130A":') == ["SKY130"]
    assert mentions("layers of a 130 nm process") == []


def test_no_process_is_named_in_the_code() -> None:
    files = sorted(path for path in (ROOT / "nngen").rglob("*.py") if "data" not in path.parts)
    assert len(files) > 80
    found = {str(path.relative_to(ROOT)): mentions(path.read_text(encoding="utf-8")) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_process_is_named_in_a_cell_netlist() -> None:
    files = sorted((ROOT / "cell_libraries").rglob("*.sp"))
    assert len(files) > 20
    assert [path.name for path in files if mentions(path.read_text(encoding="utf-8"))] == []
