"""Shipped folders are found in a checkout and in an installed wheel, user folders first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nngen import resources
from nngen.errors import InputError


def entry(folder: Path, name: str) -> Path:
    """Create an entry of a user's PDK folder."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "pdk.yaml").write_text("name: x\n")
    return path


def fake_package(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package lies in `root/nngen`."""
    package = root / "nngen"
    package.mkdir()
    monkeypatch.setattr(resources.resources, "files", lambda _name: package)
    return package


@pytest.mark.parametrize("kind", resources.KINDS)
def test_checkout_has_every_kind(kind: str) -> None:
    """The checkout's folders are found beside the package."""
    assert resources.shipped_folder(kind).name == kind


def test_installed_wheel_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside an installation the data lies in `nngen/data`."""
    package = fake_package(tmp_path, monkeypatch)
    (tmp_path / "pdk_stubs").mkdir()
    assert resources.shipped_folder("pdk_stubs") == tmp_path / "pdk_stubs"
    (package / "data" / "pdk_stubs").mkdir(parents=True)
    assert resources.shipped_folder("pdk_stubs") == package / "data" / "pdk_stubs"


def test_broken_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data at all is an error that names the folder."""
    package = fake_package(tmp_path, monkeypatch)
    message = f"this installation of nngen has no 'flows' folder beside {package}; reinstall nngen"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        resources.shipped_folder("flows")


def test_user_folder_hides_shipped_entry(tmp_path: Path) -> None:
    """An entry of the user wins over a shipped one of the same name."""
    own = entry(tmp_path, "sky130")
    found = resources.available("pdk_stubs", "pdk.yaml", [tmp_path])
    assert found["sky130"] == own
    assert resources.find("pdk_stubs", "sky130", "pdk.yaml", [tmp_path]) == own
    assert resources.find("pdk_stubs", "sky130", "pdk.yaml") != own


def test_user_path_may_be_the_entry_itself(tmp_path: Path) -> None:
    """A path to one PDK works as well as a path to a folder of PDKs."""
    own = entry(tmp_path, "lab")
    assert resources.find("pdk_stubs", "lab", "pdk.yaml", [own]) == own


def test_missing_user_folder_is_ignored_until_needed(tmp_path: Path) -> None:
    """A folder that does not exist holds nothing; the lookup then names what there is."""
    with pytest.raises(InputError, match=r"^'lab' is neither a folder with pdk\.yaml nor a known entry"):
        resources.find("pdk_stubs", "lab", "pdk.yaml", [tmp_path / "absent"])
