"""The whole way: from a spec to a checked and simulated macro in a run directory.

The stages are plain functions; this module runs them in order, keeps their results, times them,
judges what the checks measured, and writes the report. A failed check still leaves a complete
run directory, whose report says what failed; then the error is raised. A requirement that the
result misses leads to another selection and another build, see `flow_rounds`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nngen.errors import CheckFailedError, NngenError
from nngen.flow_checks import planned
from nngen.flow_estimate import estimate
from nngen.flow_figures import missed_requirements
from nngen.flow_layout import keep_inputs, kept_spec
from nngen.flow_rounds import run_rounds
from nngen.flow_run import BuildOptions, Flow
from nngen.flow_spiking import SpikingFlow, is_spiking
from nngen.flow_spiking_design import check_operation, check_recipe
from nngen.flow_stages import Progress, Stages, fingerprint
from nngen.project import load_project
from nngen.recipe import load_recipe
from nngen.report import verdicts
from nngen.run_directory import RunDirectory

__all__ = ["BuildOptions", "build", "estimate", "verify"]

DEFAULT_RECIPE = "signoff"


def build(
    spec_path: Path, run_dir: Path, options: BuildOptions, progress: Progress | None = None
) -> dict[str, Any]:
    """Build the macro of a spec into a run directory.

    Args:
        spec_path: the spec file, or its folder.
        run_dir: where the results go, all at once when they are complete.
        options: what to run.
        progress: called with stage, steps done, steps in all.

    Returns:
        The report.

    Raises:
        InputError: wrong input, or `run_dir` holds something else.
        InfeasibleError: nothing meets the requirements.
        CheckFailedError: a check failed; the results are in `run_dir` all the same.
        ToolNotFoundError: a tool that was asked for is missing; likewise.
        ToolFailedError: a tool failed.
    """
    project = load_project(spec_path, options.pdk_paths)
    recipe = options.recipe or load_recipe(DEFAULT_RECIPE)
    tasks = planned(recipe, project.pdk)
    if is_spiking(project):
        check_operation(project)
        check_recipe(recipe)
    with RunDirectory(run_dir, resume=options.resume, keep=True) as run:
        stages = Stages(run, fingerprint(project), progress)
        keep_inputs(project, spec_path, run.path)

        def make(corrections: Mapping[str, float]) -> Flow:
            start = {**options.corrections, **corrections}
            return Flow(project=project, options=options, recipe=recipe, stages=stages, corrections=start)

        if is_spiking(project):
            flow: Flow = SpikingFlow(project=project, options=options, recipe=recipe, stages=stages)
            flow.design()
            flow.prove(tasks)
        else:
            flow = run_rounds(make, tasks, options.rounds)
        report = flow.finished()
        run.publish()
    _judge(report, flow.errors)
    return report


def verify(run_dir: Path, options: BuildOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Run the checks of a recipe on the files of a run directory, and update its report.

    What the recipe leaves out keeps its earlier result.

    Raises:
        InputError: `run_dir` is no result of a build.
        CheckFailedError: as `build`.
        ToolNotFoundError: as `build`.
    """
    spec_path, pdks = kept_spec(run_dir)
    project = load_project(spec_path, (*options.pdk_paths, *pdks))
    recipe = options.recipe or load_recipe(DEFAULT_RECIPE)
    tasks = planned(recipe, project.pdk)
    if is_spiking(project):
        check_recipe(recipe)
    with RunDirectory(run_dir, resume=False) as run:
        shutil.copytree(run.target, run.path, dirs_exist_ok=True)
        stages = Stages(run, fingerprint(project), progress)
        kind = SpikingFlow if is_spiking(project) else Flow
        flow = kind(project=project, options=options, recipe=recipe, stages=stages)
        flow.load()
        flow.prove(tasks)
        report = flow.finished()
        run.publish()
    _judge(report, flow.errors)
    return report


def _judge(report: dict[str, Any], errors: list[NngenError]) -> None:
    """Raise when a check failed, then when one could not run."""
    failed = [f"{verdict.name}: {verdict.text}" for verdict in verdicts(report) if verdict.state == "fail"]
    failed += [f"simulation {s['name']}: {s['mismatches']} mismatches" for s in report.get("simulations", [])[1:]
               if not s["passed"]]  # fmt: skip
    failed += missed_requirements(report.get("requirements", ()))
    if failed:
        raise CheckFailedError("\n".join(failed))
    if errors:
        raise errors[0]
