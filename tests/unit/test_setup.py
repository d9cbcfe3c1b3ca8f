"""The set-up script on machines that this one is not: dry runs with a made-up apt and PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "sed", "awk", "grep", "head", "cat", "cksum", "dirname", "env", "tee", "printf")
DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\n'
UBUNTU = 'ID=ubuntu\nVERSION_ID="24.04"\n'
DEB822 = """\
Types: deb
URIs: https://mirror.example/security
Suites: bookworm-security
Components: main

Types: deb
# a comment
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@dataclass(slots=True, kw_only=True)
class Machine:
    """A machine as the script sees it."""

    folder: Path
    release: str = DEBIAN_12
    sources: dict[str, str] = field(default_factory=lambda: {"sources.list.d/debian.sources": DEB822})
    root: bool = True
    ngspice: str | None = None
    python: str = f'exec "{sys.executable}" "$@"'

    def dry_run(self) -> subprocess.CompletedProcess[str]:
        checkout, tools, apt = (self.folder / name for name in ("checkout", "bin", "apt"))
        (checkout / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup.sh", checkout / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, checkout)
        tools.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            if found:
                (tools / name).symlink_to(found)
        self._command("python3", self.python)
        self._command("id", "echo 0" if self.root else "echo 1000")
        self._command("apt-get", "exit 0")
        self._command("sudo", "exit 1")
        if self.ngspice:
            self._command("ngspice", f"echo '{self.ngspice}'")
            self._command("ldconfig", "echo '  libngspice.so.0 (libc6) => /lib/libngspice.so.0'")
        else:
            self._command("ldconfig", "exit 0")
        for name, text in self.sources.items():
            (apt / name).parent.mkdir(parents=True, exist_ok=True)
            (apt / name).write_text(text, encoding="ascii")
        (self.folder / "os-release").write_text(self.release, encoding="ascii")
        variables = {"PATH": str(tools), "APT_DIR": str(apt), "OS_RELEASE": str(self.folder / "os-release")}
        command = [str(tools / "sh"), "scripts/setup.sh", "--dry-run"]
        return subprocess.run(
            command, cwd=checkout, env=variables, capture_output=True, text=True, check=False
        )

    def _command(self, name: str, body: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
        file.chmod(0o755)


def test_debian_12_takes_ngspice_from_its_own_mirror(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path).dry_run()
    assert result.returncode == 0, result.stderr
    assert "https://mirror.example/debian bookworm-backports main" in result.stdout
    assert "apt-get install -qy --no-install-recommends -t bookworm-backports ngspice\n" in result.stdout
    assert "apt-get install -qy --no-install-recommends -t bookworm-backports libngspice0\n" in result.stdout
    assert "apt-get install -qy --no-install-recommends klayout\n" in result.stdout
    assert not (tmp_path / "checkout" / ".venv").exists()


@pytest.mark.parametrize(
    "line",
    [
        "deb https://mirror.example/debian bookworm main\n",
        "# deb https://old.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib\n",
    ],
)
def test_the_mirror_of_a_one_line_file(tmp_path: Path, line: str) -> None:
    result = Machine(folder=tmp_path, sources={"sources.list": line}).dry_run()
    assert "https://mirror.example/debian bookworm-backports main" in result.stdout
    assert "old.example" not in result.stdout


def test_backports_are_not_added_twice(tmp_path: Path) -> None:
    sources = {"sources.list": "deb https://mirror.example/debian bookworm-backports main\n"}
    result = Machine(folder=tmp_path, sources=sources).dry_run()
    assert "would write" not in result.stdout
    assert "-t bookworm-backports ngspice" in result.stdout


def test_without_a_mirror_the_distribution_is_taken(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, sources={"sources.list": "\n"}).dry_run()
    assert "no Debian mirror found" in result.stdout
    assert "install -qy --no-install-recommends ngspice" in result.stdout


def test_ubuntu_takes_its_own_ngspice(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, release=UBUNTU).dry_run()
    assert "backports" not in result.stdout
    assert "install -qy --no-install-recommends ngspice" in result.stdout


def test_an_old_ngspice_on_debian_12_is_replaced(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, ngspice="** ngspice-39 : Circuit level simulation program").dry_run()
    assert "-t bookworm-backports ngspice" in result.stdout
    assert "setup: ngspice 39, solver Sparse only (slow: no KLU)" in result.stdout


def test_without_root_it_names_the_packages(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, root=False).dry_run()
    assert result.returncode == 5
    assert (
        "ask an administrator for: apt-get install ngspice libngspice0 klayout (the first two from bookworm-backports)"
        in result.stderr
    )
    assert "would run" not in result.stdout


def test_without_root_on_ubuntu_it_names_the_packages(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, root=False, release=UBUNTU).dry_run()
    assert result.returncode == 5
    assert "apt-get install ngspice libngspice0 klayout; then run this again." in result.stderr


def test_without_root_but_with_ngspice_it_goes_on(tmp_path: Path) -> None:
    version = "** ngspice-46 : Circuit level simulation program\n** Compiled with KLU Direct Linear Solver"
    result = Machine(folder=tmp_path, root=False, ngspice=version).dry_run()
    assert result.returncode == 0, result.stderr
    assert "setup: ngspice 46, solver KLU (fast), shared library /lib/libngspice.so.0" in result.stdout
    assert "the public DRC deck will be 'not run'" in result.stdout


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    result = Machine(folder=tmp_path, ngspice="** ngspice-46 : x", python="exit 1").dry_run()
    assert result.returncode == 5
    assert "Python 3.11 or newer is needed" in result.stderr
