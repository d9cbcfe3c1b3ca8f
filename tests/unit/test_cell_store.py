"""The store of generated cells: equal cells come back, nothing stale, nothing damaged, bounded."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from nngen.cells import cell_store, library_cells
from nngen.cells.block import block_key, generate_block
from nngen.cells.cell_store import CellStore, default_store, source_hash, sources
from nngen.cells.leaf import LeafCell, LeafStyle, generate_leaf, leaf_key
from nngen.cells.lines import Line
from nngen.cells.placed_block import BlockCell, BlockStyle
from nngen.cells.technology import CellTechnology, cell_technology
from nngen.errors import LibraryError
from nngen.ir import Subcircuit
from nngen.pdk import Pdk
from nngen.spice import parse_netlist
from nngen.stages.layout import write_gds

INVERTER = ".subckt inv a y vdd vss\nMn y a vss vss nfet w={} l=1\nMp y a vdd vdd pfet w=2 l=1\n.ends\n"
PAIR = ".subckt pair a y vdd vss\nX1 a b vdd vss inv\nX2 b y vdd vss inv\n.ends\n"
STYLE = LeafStyle()
# Whatever is not in the interface of the generators decides nothing and must not be in a key.
NOT_SOURCES = {"nngen.cli", "nngen.flow", "nngen.stages.macro", "nngen.cells.crossbar"}


def inverter(pdk: Pdk, width: float = 1.5) -> Subcircuit:
    return parse_netlist(INVERTER.format(width), pdk, "inv.sp")[-1]


def pair(pdk: Pdk) -> Subcircuit:
    return parse_netlist(PAIR, pdk, "pair.sp")[-1]


@pytest.fixture
def store(tmp_path: Path) -> CellStore:
    return CellStore(folder=tmp_path / "cells")


@pytest.fixture
def made(sky130: Pdk, grid: CellTechnology) -> LeafCell:
    return generate_leaf(inverter(sky130), grid, STYLE)


def never() -> LeafCell:
    pytest.fail("generated although the store holds it")


def entries(store: CellStore) -> list[Path]:
    return sorted(store.folder.iterdir())


def test_cells_come_back_equal_and_give_the_same_gds(
    store: CellStore, made: LeafCell, sky130: Pdk, grid: CellTechnology, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    style = BlockStyle(columns=40, rows=2, lines=(Line(net="a", side="left"),))
    leaves = {"inv": made}

    def gds(name: str) -> bytes:
        leaf = generate_leaf(inverter(sky130), grid, STYLE, store)
        block = generate_block(pair(sky130), leaves, grid, style, store)
        assert leaf == made
        write_gds([leaf.layout, *block.fillers, block.layout], sky130, tmp_path / name)
        return (tmp_path / name).read_bytes()

    cold = gds("cold.gds")
    assert len(entries(store)) == 2
    monkeypatch.setattr("nngen.cells.leaf._generated", never)
    monkeypatch.setattr("nngen.cells.block._generated", never)
    assert gds("warm.gds") == cold
    key = block_key(pair(sky130), leaves, grid, style)
    assert store.get(BlockCell, key) == generate_block(pair(sky130), leaves, grid, style, store)


def test_leaves_in_the_store_start_no_process(
    store: CellStore, made: LeafCell, sky130: Pdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = {"inv": (inverter(sky130), STYLE)}
    assert library_cells.generate_leaves(tasks, sky130, store=store) == {"inv": made}
    monkeypatch.setattr("nngen.cells.workers.process_pool", never)
    names: list[str] = []
    assert library_cells.generate_leaves(tasks, sky130, names.append, store) == {"inv": made}
    assert names == ["inv"]


def test_the_key_names_everything_that_counts(sky130: Pdk, grid: CellTechnology, made: LeafCell) -> None:
    tight = sky130.model_copy(update={"grid_nm": 10})
    rules = tuple(
        rule.model_copy(update={"value": rule.value + 10}) if rule.kind == "width" else rule
        for rule in sky130.rules
    )
    strict = sky130.model_copy(update={"rules": rules})
    keys = [
        leaf_key(inverter(sky130), grid, STYLE),
        leaf_key(inverter(sky130, 2.0), grid, STYLE),
        leaf_key(inverter(sky130), grid, LeafStyle(rows=2)),
        leaf_key(inverter(sky130), cell_technology(sky130, 200), STYLE),
        leaf_key(inverter(sky130), replace(grid, pdk=tight), STYLE),
        leaf_key(inverter(sky130), replace(grid, pdk=strict), STYLE),
    ]
    style = BlockStyle(columns=40)
    other = replace(made, columns=made.columns + 2)
    keys += [block_key(pair(sky130), {"inv": leaf}, grid, style) for leaf in (made, other)]
    assert len(set(keys)) == len(keys)
    assert leaf_key(inverter(sky130), grid, STYLE) == keys[0]
    unused = {"inv": made, "unused": other}
    assert block_key(pair(sky130), unused, grid, style) == keys[6]


def test_the_key_ignores_what_no_generator_reads(sky130: Pdk, grid: CellTechnology) -> None:
    moved = replace(grid, pdk=sky130.model_copy(update={"folder": Path("elsewhere"), "description": "x"}))
    assert leaf_key(inverter(sky130), moved, STYLE) == leaf_key(inverter(sky130), grid, STYLE)


def test_the_key_follows_the_source(
    sky130: Pdk, grid: CellTechnology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = sources("nngen.cells.leaf"), sources("nngen.cells.block")
    assert {"nngen.cells.leaf", "nngen.cells.grid_router", "nngen.cells.annealing", "nngen.ir"} <= near
    assert {"nngen.cells.block", "nngen.cells.row_annealing", "nngen.cells.filler"} <= far - near
    assert not far & NOT_SOURCES
    package = tmp_path / "nngen"
    for name in far:
        source = cell_store._file(name)
        copy = package / source.relative_to(cell_store._PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    before = leaf_key(inverter(sky130), grid, STYLE)
    monkeypatch.setattr(cell_store, "_PACKAGE", package)
    source_hash.cache_clear()
    try:
        assert leaf_key(inverter(sky130), grid, STYLE) == before
        with (package / "cells" / "lines.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        source_hash.cache_clear()
        assert leaf_key(inverter(sky130), grid, STYLE) != before
    finally:
        source_hash.cache_clear()


def test_the_key_follows_the_packages(
    sky130: Pdk, grid: CellTechnology, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = leaf_key(inverter(sky130), grid, STYLE)
    monkeypatch.setattr(cell_store, "_environment", lambda: "ortools 0")
    assert leaf_key(inverter(sky130), grid, STYLE) != before


def _truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _empty(_data: bytes) -> bytes:
    return b""


def _flip(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 4]) + data[201:]


def _other_shape(_data: bytes) -> bytes:
    return gzip.compress(json.dumps({"cell": [1, 2, 3]}).encode())


def _no_entry(_data: bytes) -> bytes:
    return gzip.compress(b"[]")


@pytest.mark.parametrize("damage", [_truncate, _empty, _flip, _other_shape, _no_entry])
def test_a_damaged_entry_is_thrown_away(
    store: CellStore, made: LeafCell, damage: Callable[[bytes], bytes]
) -> None:
    assert store.get_or_make(LeafCell, "k", lambda: made) == made
    (path,) = entries(store)
    path.write_bytes(damage(path.read_bytes()))
    assert store.get(LeafCell, "k") is None
    assert entries(store) == []
    assert store.get_or_make(LeafCell, "k", lambda: made) == made
    assert store.get_or_make(LeafCell, "k", never) == made


def test_that_a_cell_cannot_be_generated_is_kept(store: CellStore) -> None:
    def fails() -> LeafCell:
        raise LibraryError("cell 'x': no legal routing")

    for work in (fails, never):
        with pytest.raises(LibraryError, match=r"^cell 'x': no legal routing$"):
            store.get_or_make(LeafCell, "k", work)


def test_the_oldest_go_first(tmp_path: Path, made: LeafCell) -> None:
    store = CellStore(folder=tmp_path)
    for number, name in enumerate("abc"):
        store.get_or_make(LeafCell, name, lambda: made)
        os.utime(tmp_path / f"{name}.json.gz", (1000 + number, 1000 + number))
    assert store.get(LeafCell, "a") == made  # used now: b is the oldest
    size = (tmp_path / "a.json.gz").stat().st_size
    small = CellStore(folder=tmp_path, limit_bytes=3 * size)
    small.get_or_make(LeafCell, "d", lambda: made)
    assert [path.name[0] for path in entries(small)] == ["a", "c", "d"]


def test_leavings_of_killed_builds_go(store: CellStore, made: LeafCell) -> None:
    store.folder.mkdir()
    old, new = store.folder / "x.partial", store.folder / "y.partial"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    store.get_or_make(LeafCell, "k", lambda: made)
    assert entries(store) == [store.folder / "k.json.gz", new]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "denied")])
def test_a_full_disk_is_no_error(
    store: CellStore, made: LeafCell, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "replace", fails)
    assert store.get_or_make(LeafCell, "k", lambda: made) == made
    assert entries(store) == []


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, made: LeafCell) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    store = CellStore(folder=tmp_path / "file" / "cells")
    assert store.get_or_make(LeafCell, "k", lambda: made) == made


def test_two_builds_at_once(store: CellStore, made: LeafCell) -> None:
    def use(number: int) -> bool:
        key = f"k{number % 3}"
        if number % 5 == 0:
            (store.folder / f"{key}.json.gz").unlink(missing_ok=True)
        return store.get_or_make(LeafCell, key, lambda: made) == made

    store.folder.mkdir()
    with ThreadPoolExecutor(max_workers=8) as pool:
        assert all(pool.map(use, range(200)))
    assert not list(store.folder.glob("*.partial"))


def test_keys_are_equal_in_every_process(sky130: Pdk, grid: CellTechnology) -> None:
    code = (
        "from nngen.cells.leaf import LeafStyle, leaf_key\n"
        "from nngen.cells.technology import cell_technology\n"
        "from nngen.pdk import load_pdk\n"
        "from nngen.spice import parse_netlist\n"
        f"pdk = load_pdk('sky130'); cell = parse_netlist({INVERTER.format(1.5)!r}, pdk, 'inv.sp')[-1]\n"
        "print(leaf_key(cell, cell_technology(pdk), LeafStyle()))\n"
    )
    expected = leaf_key(inverter(sky130), grid, STYLE)
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True, text=True, timeout=1800,
        )  # fmt: skip
        assert done.stdout.strip() == expected


def test_the_users_store_lies_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store().folder == tmp_path / "nngen" / "cells"
