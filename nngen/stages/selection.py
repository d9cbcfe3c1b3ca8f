"""Choose cells and converters from the requirements, before any layout exists.

The choices are the row driver, and what the spec leaves open of the converters' resolution and
sharing, of the unit capacitor and of how layers and weights are spread over crossbars. Every combination is
evaluated exactly: area, energy and timing by `nngen.estimate`, accuracy by the golden model; the
optimum and the Pareto front of that table come from `selection_solver`. All candidates are kept with
their figures and the reason why they won or lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InfeasibleError, SpecError
from nngen.estimate import Activity, Estimate, EstimatedFigure, estimate, read_netlists, read_readout
from nngen.golden import FirstLayerSums, requantise, run_network
from nngen.ir import AdcParameters, Mapping, MappingOption, QuantisedNetwork, Tile
from nngen.library import Library
from nngen.network import WorkloadImages, whole_product
from nngen.pdk import Pdk
from nngen.spec import FIGURES_TO_MINIMISE, NeuronReadout, Spec
from nngen.stages.selection_candidates import Candidate, Limit, shown
from nngen.stages.selection_reasons import decisions, infeasible_message, with_reasons
from nngen.stages.selection_solver import SMALL, Row, Solver, conflict, weighted
from nngen.units import format_si

__all__ = ["Candidate", "Limit", "Selection", "select"]

ACCURACY_IMAGES = 500
"""Images at most for the accuracy of a candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is built, and why.

    Attributes:
        cells: by role, the chosen cell or cells; several where blocks use several strengths.
        row_driver: the chosen row driver.
        mapping: the chosen crossbars and converter.
        candidates: every candidate, the chosen one first.
        reasons: one sentence for each decision.
        estimate: all figures of the chosen one, accuracy included.
    """

    cells: dict[str, tuple[str, ...]]
    row_driver: str
    mapping: Mapping
    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    estimate: Estimate

    @property
    def adc(self) -> AdcParameters:
        """Return the converter."""
        return self.mapping.adc

    @property
    def key(self) -> str:
        """Return what tells this choice from others of one project, for keys of kept results."""
        best = self.candidates[0]
        more = f" {best.weight_slices} {best.unit_side_nm}" if best.weight_slices > 1 or best.unit_side_nm else ""
        return f"{best.row_driver} {best.adc} {best.columns_per_adc} {best.column_splits}{more}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return a header and one row a candidate, with units, for the report."""
        header = (
            "candidate",
            "row settling",
            "latency",
            "accuracy drop",
            "area",
            "energy",
            "power",
            "reason",
        )
        rows = [
            (
                c.name, format_si(c.row_settling_s, "s"), format_si(c.latency_s, "s"),
                shown(c.accuracy_drop, "%"), shown(c.area_m2, "m2"), format_si(c.energy_j, "J"),
                format_si(c.power_w, "W"), c.reason,
            )
            for c in self.candidates
        ]  # fmt: skip
        return (header, *rows)


def select(
    spec: Spec,
    pdk: Pdk,
    library: Library,
    network: QuantisedNetwork,
    workload: WorkloadImages,
    options: Sequence[MappingOption],
    *,
    corrections: Dictionary[str, float] | None = None,
    compared: int = SMALL,
) -> Selection:
    """Choose the row driver and mapping that the spec's `optimise` likes best.

    Args:
        spec: requirements, clock, objective.
        pdk: the process.
        library: the candidates of each role.
        network: quantised layers.
        workload: labelled images for the accuracy.
        options: the mappings among which to choose, then others that are only listed.
        corrections: by figure, what was measured over what was estimated of an earlier build.
        compared: up to so many candidates are compared one by one, more by CP-SAT; the choice is the same.

    Returns:
        The choice with every candidate. The order of preference within the requirements is the
        objective, then area, then energy, then the weaker driver.

    Raises:
        InfeasibleError: no candidate meets all requirements; names the binding ones with the
            nearest feasible values, and those that contradict each other.
        SpecError: a requirement limits a figure that is not known.
    """
    judged = _judged(spec, pdk, library, network, workload, options, corrections or {})
    rows = [_row(entry.candidate, entry.choices) for entry in judged]
    scores = weighted(rows, spec.objective_weights)
    order = sorted(range(len(judged)), key=lambda i: _order(judged[i], scores[i]))
    requirements = frozenset(limit.name for entry in judged for limit in entry.candidate.limits)
    best = _optimum(spec, rows, requirements | {NOT_ALLOWED}, compared)
    if best is None:
        ranked = [judged[i].candidate for i in order]
        names = [limit.name for limit in ranked[0].limits]
        allowed = [row for row in rows if NOT_ALLOWED not in row.missed]
        raise InfeasibleError(infeasible_message(spec, ranked, conflict(allowed, names)))
    order.remove(best)
    order.insert(0, best)
    figures = [{name: 1.0} for name in FIGURES_TO_MINIMISE]
    front = Solver(rows, figures, compared=compared).front(requirements | {NOT_ALLOWED})
    chosen, scored = judged[best], [scores[i] for i in order]
    found = [replace(judged[i].candidate, pareto=i in front) for i in order]
    listed = with_reasons(spec, found, scored)
    return Selection(
        cells=_cells(library, chosen.candidate.row_driver),
        row_driver=chosen.candidate.row_driver,
        mapping=chosen.mapping,
        candidates=listed,
        reasons=decisions(spec, listed, chosen.accuracy_text),
        estimate=chosen.figures,
    )


NOT_ALLOWED = "not allowed"
"""What a candidate misses that the spec does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A candidate with all that belongs to it."""

    candidate: Candidate
    choices: tuple[int, ...]
    figures: Estimate
    mapping: Mapping
    accuracy_text: str


def _judged(
    spec: Spec,
    pdk: Pdk,
    library: Library,
    network: QuantisedNetwork,
    workload: WorkloadImages,
    options: Sequence[MappingOption],
    corrections: Dictionary[str, float],
) -> list[_Judged]:
    """Evaluate every driver with every mapping; of mappings only listed keep the best driver."""
    sides = sorted({option.mapping.unit_side_nm for option in options})
    netlists_of = {side_nm: read_netlists(pdk, library, spec.corner, side_nm) for side_nm in sides}
    drivers = [cell.name for cell in library.candidates(spec.driver_role)]
    judged: list[_Judged] = []
    images, labels = _labelled(spec, workload)
    exact = _exact_classes(network, images)
    known: dict[tuple[AdcParameters, tuple[Tile, ...]], _Accuracy] = {}
    shared: defaultdict[tuple[Tile, ...], FirstLayerSums] = defaultdict(FirstLayerSums)
    for index, option in enumerate(options):
        mapping = option.mapping
        key = (mapping.adc, mapping.tiles)
        if key not in known:
            known[key] = _accuracy(spec, network, mapping, images, labels, exact, shared[mapping.tiles])
        accuracy = known[key]
        netlists = netlists_of[mapping.unit_side_nm]
        readout = read_readout(netlists, mapping, neuron=isinstance(spec.readout, NeuronReadout))
        found = []
        for strength, driver in enumerate(drivers):
            figures = estimate(
                spec, netlists, mapping, driver, row_activity=accuracy.row_activity,
                activities=accuracy.activities, readout=readout,
            )  # fmt: skip
            figures = Estimate(figures=(*figures.figures, *_accuracy_figures(accuracy)))
            figures = figures.corrected(corrections)
            found.append(
                _Judged(
                    candidate=_candidate(spec, option, driver, figures), choices=(strength, index),
                    figures=figures, mapping=mapping, accuracy_text=accuracy.text,
                )
            )  # fmt: skip
        if option.allowed:
            judged += found
        else:
            rows = [_row(entry.candidate, entry.choices) for entry in found]
            scores = weighted(rows, spec.objective_weights)
            judged.append(found[min(range(len(found)), key=lambda i: _order(found[i], scores[i]))])
    return sorted(judged, key=lambda entry: entry.choices)


def _row(candidate: Candidate, choices: tuple[int, ...]) -> Row:
    """Return a candidate as a row of the solver's table."""
    missed = {limit.name for limit in candidate.missed} | (set() if candidate.allowed else {NOT_ALLOWED})
    figures = {"area": candidate.area_m2, "energy": candidate.energy_j, "latency": candidate.latency_s}
    return Row(choices=choices, figures=figures, missed=frozenset(missed))


def _optimum(spec: Spec, rows: Sequence[Row], keep: frozenset[str], compared: int) -> int | None:
    """Return the best row that keeps all requirements, None when there is none."""
    goals = (spec.objective_weights, {"area": 1.0}, {"energy": 1.0})
    return Solver(rows, goals, compared=compared).best(keep)


# --------------------------------------------------------------------------- accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accuracy:
    """Accuracy with exact integers and with the converters, and how many rows were active."""

    exact: float
    converted: float
    images: int
    row_activity: float
    activities: dict[str, Activity]

    @property
    def drop(self) -> float:
        return self.exact - self.converted

    @property
    def text(self) -> str:
        return f"{self.converted * 100:.2f} % on {self.images} images, {self.exact * 100:.2f} % with exact integers"


def _labelled(spec: Spec, workload: WorkloadImages) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the images that give the accuracy, and their labels."""
    wanted = spec.workload.golden_images
    count = min(ACCURACY_IMAGES, len(workload.images) if wanted == "all" else wanted)
    return workload.images[:count], workload.labels[:count]


def _accuracy(
    spec: Spec, network: QuantisedNetwork, mapping: Mapping, images: NDArray[np.integer],
    labels: NDArray[np.integer], exact_classes: NDArray[np.integer], shared: FirstLayerSums,
) -> _Accuracy:  # fmt: skip
    """Run the golden model, without non-idealities, on labelled images."""
    neuron = isinstance(spec.readout, NeuronReadout)
    result = run_network(
        network, mapping.adc, images, tiles=mapping.tiles, readout="neuron" if neuron else "adc", shared=shared,
    )  # fmt: skip
    # A comparator decides on the exact sum: it loses nothing.
    exact = result.classes if neuron else exact_classes
    tiles = [tile for layer in result.layers for tile in layer.tiles]
    activities = {t.tile.name: Activity.of(t.planes, t.codes, mapping.adc.input_steps) for t in tiles}
    return _Accuracy(
        exact=float(np.mean(exact == labels)),
        converted=float(np.mean(result.classes == labels)),
        images=len(images),
        row_activity=mean_activity(mapping, activities),
        activities=activities,
    )


def mean_activity(mapping: Mapping, activities: Dictionary[str, Activity]) -> float:
    """Return the share of active rows over all crossbars, weighted with their synapses."""
    sizes = {tile.name: tile.weights.size for tile in mapping.tiles}
    return sum(activities[name].rows * size for name, size in sizes.items()) / sum(sizes.values())


def _exact_classes(network: QuantisedNetwork, images: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the classes that exact integers give, shape (n,)."""
    activations: NDArray[np.int64] = images.astype(np.int64)
    for layer in network.layers:
        activations = whole_product(activations, layer.weights) + layer.bias
        if layer.activation == "relu":
            requantised = requantise(
                activations, multiplier=layer.multiplier, shift=layer.shift, bits=network.activation_bits
            )
            activations = requantised.astype(np.int64)
    classes: NDArray[np.integer] = np.argmax(activations, axis=1)
    return classes


def _accuracy_figures(accuracy: _Accuracy) -> tuple[EstimatedFigure, ...]:
    """Return the accuracy as figures."""
    where = f"golden model, {accuracy.images} labelled images"
    rows = (
        ("accuracy_exact", accuracy.exact, f"exact integers, {accuracy.images} labelled images"),
        ("accuracy", accuracy.converted, where),
        ("accuracy_drop", accuracy.drop, "accuracy_exact - accuracy"),
    )
    return tuple(EstimatedFigure(name=name, value=value, unit="fraction", formula=text) for name, value, text in rows)


# --------------------------------------------------------------------------- candidates


def _candidate(spec: Spec, option: MappingOption, driver: str, figures: Estimate) -> Candidate:
    """Collect what one combination gives and which limits it keeps.

    Raises:
        SpecError: a requirement limits a figure that is not known.
    """
    required = spec.requirements
    limits = []
    for path, key, limit, unit in (
        (("clock",), _slowest(figures), 1 / spec.clock_hz, "Hz"),
        (("requirements", "latency"), "latency", required.latency_s, "s"),
        (("requirements", "accuracy_drop"), "accuracy_drop", required.accuracy_drop, "%"),
        (("requirements", "noise"), "noise", required.noise_lsb, "LSB"),
        (("requirements", "area"), "area", required.area_m2, "m2"),
        (("requirements", "power"), "power", required.power_w, "W"),
    ):
        if limit is None:
            continue
        figure = figures.figure(key)
        if figure.value is None:
            if path == ("clock",):
                continue
            text = (
                f"is {shown(limit, unit)}; {key} is not known ({figure.formula}), so no candidate can be judged. "
                "Complete the PDK's coefficients, or remove the requirement."
            )
            raise SpecError(spec.problem(path, text))
        limits.append(Limit(name=path[-1], path=path, value=figure.value, limit=limit, unit=unit, figure=key))
    return Candidate(
        row_driver=driver,
        adc=None if isinstance(spec.readout, NeuronReadout) else option.mapping.adc,
        columns_per_adc=option.mapping.columns_per_adc,
        column_splits=option.column_splits,
        weight_slices=option.weight_slices,
        unit_side_nm=option.mapping.unit_side_nm,
        allowed=option.allowed,
        latency_s=figures.value("latency"),
        accuracy_drop=figures.value("accuracy_drop"),
        area_m2=figures.value("area"),
        energy_j=figures.value_or_nan("energy_per_inference"),
        power_w=figures.value_or_nan("power"),
        row_settling_s=figures.value_or_nan("row_settling"),
        limits=tuple(limits),
    )


def _slowest(figures: Estimate) -> str:
    """Return which figure of the rows binds the clock."""
    settling = {f.name: f.value for f in figures.figures if f.name in ("row_settling", "ramp_settling")}
    return max(settling, key=lambda name: settling[name] or 0.0)


def _order(entry: _Judged, score: int) -> tuple[float, ...]:
    """Return the sort key: buildable first, then limits kept, then the objective, ties resolved."""
    candidate = entry.candidate
    missed = candidate.missed
    return (
        not candidate.allowed,
        len(missed),
        sum(limit.excess for limit in missed),
        score,
        candidate.area_m2,
        candidate.energy_j,
        *entry.choices,
    )


def _cells(library: Library, row_driver: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of each role; only the row driver is a choice."""
    cells = {role: tuple(names) for role, names in sorted(library.file.roles.items())}
    return {**cells, "row_driver": (row_driver,)}
