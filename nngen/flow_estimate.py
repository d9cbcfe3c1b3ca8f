"""Selection and estimate without layout, apart from the flow whose imports take longer than they do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nngen.errors import InputError
from nngen.project import Project, load_project
from nngen.spec import SpikingReadout
from nngen.stages.mapping import mapping_options
from nngen.stages.selection import Selection, select


def selected(project: Project, corrections: Mapping[str, float] | None = None) -> Selection:
    """Map the network and choose cells; `corrections` are factors on estimated figures."""
    options = mapping_options(
        project.network, project.spec, project.library, project.workload.calibration_images
    )
    return select(
        project.spec, project.pdk, project.library, project.network, project.workload, options,
        corrections=corrections,
    )  # fmt: skip


def estimate(spec_path: Path, *, pdk_paths: tuple[Path, ...] = ()) -> dict[str, dict[str, Any]]:
    """Return the figures that selection expects, by name; no layout is made.

    Raises:
        InputError: the spec or what it names is wrong.
        InfeasibleError: nothing meets the requirements.
    """
    project = load_project(spec_path, pdk_paths)
    if isinstance(project.spec.readout, SpikingReadout):
        msg = f"{spec_path}: readout 'spiking' has no estimate without layout; run 'nngen build'."
        raise InputError(msg)
    return selected(project).estimate.kpis()
