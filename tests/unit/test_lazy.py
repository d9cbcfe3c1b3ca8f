"""What an estimate loads: its time is mostly imports, so none that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nngen.lazy import lazy_module
from nngen.starter import write_starter

NOT_NEEDED = (
    "matplotlib", "klayout", "gdstk", "networkx", "ortools.sat.python.cp_model", "pandas", "nngen.flow",
    "nngen.stages.drc",
)  # fmt: skip


def test_estimate_loads_neither_pictures_nor_layout(tmp_path: Path) -> None:
    write_starter(tmp_path / "starter")
    program = (
        "import sys; from pathlib import Path; from nngen.cli import app\n"
        "from nngen.flow_estimate import estimate\n"
        f"assert estimate(Path({str(tmp_path / 'starter')!r}))\n"
        f"print([name for name in {NOT_NEEDED!r} if type(sys.modules.get(name)).__name__ == 'module'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_lazy_module_runs_when_it_is_used() -> None:
    assert lazy_module("json") is sys.modules["json"]
    with pytest.raises(ModuleNotFoundError, match=r"'nngen\.no_such_module'"):
        lazy_module("nngen.no_such_module")


def test_a_load_that_ctrl_c_ends_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "interrupted"
    (tmp_path / "slow_solver.py").write_text(
        f"from pathlib import Path\nif not Path({str(flag)!r}).exists():\n"
        f"    Path({str(flag)!r}).touch()\n    raise KeyboardInterrupt\nanswer = 42\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = lazy_module("slow_solver")
    with pytest.raises(KeyboardInterrupt):
        _ = module.answer
    assert module.answer == 42


def test_a_module_that_is_not_there_is_known_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_solver'$"):
        lazy_module("no_such_solver")
