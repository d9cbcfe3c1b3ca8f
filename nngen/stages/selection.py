"""Choose cells and converters from the requirements, before any layout exists.

The space is small (row drivers times converters), so every candidate is evaluated exactly:
area, energy and timing by `nngen.estimate`, accuracy by the golden model. All candidates are
kept with their figures and the reason why they won or lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nngen.errors import InfeasibleError
from nngen.estimate import Estimate, EstimatedFigure, estimate, read_netlists, read_readout
from nngen.golden import requantise, run_network
from nngen.ir import AdcParameters, Mapping, QuantisedNetwork
from nngen.library import Library
from nngen.network import WorkloadImages
from nngen.pdk import Pdk
from nngen.spec import NeuronReadout, Spec
from nngen.stages.selection_candidates import Candidate, Limit, objective, shown
from nngen.stages.selection_reasons import decisions, infeasible_message, with_reasons
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
    options: Sequence[Mapping],
) -> Selection:
    """Choose the row driver and converter that the spec's `optimise` likes best.

    Args:
        spec: requirements, clock, objective.
        pdk: the process.
        library: the candidates of each role.
        network: quantised layers.
        workload: labelled images for the accuracy.
        options: the mapping to build, then others that are only listed.

    Returns:
        The choice with every candidate. The order of preference within the requirements is the
        objective, then area, then energy, then the weaker driver.

    Raises:
        InfeasibleError: no candidate meets all requirements; names the binding ones with the
            nearest feasible values.
    """
    netlists = read_netlists(pdk, library, spec.corner)
    drivers = [cell.name for cell in library.candidates("row_driver")]
    judged: list[tuple[Candidate, Estimate, Mapping]] = []
    known: dict[AdcParameters, _Accuracy] = {}
    for mapping in options:
        accuracy = known.get(mapping.adc) or _accuracy(spec, network, workload, mapping)
        known[mapping.adc] = accuracy
        readout = read_readout(netlists, mapping, neuron=isinstance(spec.readout, NeuronReadout))
        found = []
        for driver in drivers:
            figures = estimate(
                spec, netlists, mapping, driver, row_activity=accuracy.row_activity, readout=readout
            )
            figures = Estimate(figures=(*figures.figures, *_accuracy_figures(accuracy)))
            allowed = mapping is options[0]
            found.append((_candidate(spec, mapping, driver, figures, allowed=allowed), figures, mapping))
        judged += found if mapping is options[0] else [min(found, key=lambda f: _order(spec, f[0], drivers))]
    judged.sort(key=lambda item: _order(spec, item[0], drivers))
    best, figures, mapping = judged[0]
    if best.missed or not best.allowed:
        raise InfeasibleError(infeasible_message(spec, [candidate for candidate, _, _ in judged]))
    listed = with_reasons(spec, [candidate for candidate, _, _ in judged], options[0])
    return Selection(
        cells=_cells(library, best.row_driver),
        row_driver=best.row_driver,
        mapping=mapping,
        candidates=listed,
        reasons=decisions(spec, listed, len(drivers), known[mapping.adc].text),
        estimate=figures,
    )


# --------------------------------------------------------------------------- accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accuracy:
    """Accuracy with exact integers and with the converters, and how many rows were active."""

    exact: float
    converted: float
    images: int
    row_activity: float

    @property
    def drop(self) -> float:
        return self.exact - self.converted

    @property
    def text(self) -> str:
        return f"{self.converted * 100:.2f} % on {self.images} images, {self.exact * 100:.2f} % with exact integers"


def _accuracy(spec: Spec, network: QuantisedNetwork, workload: WorkloadImages, mapping: Mapping) -> _Accuracy:
    """Run the golden model, without non-idealities, on labelled images."""
    wanted = spec.workload.golden_images
    count = min(ACCURACY_IMAGES, len(workload.images) if wanted == "all" else wanted)
    images, labels = workload.images[:count], workload.labels[:count]
    neuron = isinstance(spec.readout, NeuronReadout)
    result = run_network(
        network, mapping.adc, images, tiles=mapping.tiles, readout="neuron" if neuron else "adc"
    )
    # A comparator decides on the exact sum: it loses nothing.
    exact = result.classes if neuron else _exact_classes(network, images)
    tiles = [tile for layer in result.layers for tile in layer.tiles]
    activity = sum(float(t.planes.mean()) * t.tile.weights.size for t in tiles)
    return _Accuracy(
        exact=float(np.mean(exact == labels)),
        converted=float(np.mean(result.classes == labels)),
        images=len(images),
        row_activity=activity / sum(t.tile.weights.size for t in tiles),
    )


def _exact_classes(network: QuantisedNetwork, images: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the classes that exact integers give, shape (n,)."""
    activations: NDArray[np.int64] = images.astype(np.int64)
    for layer in network.layers:
        activations = activations @ layer.weights.astype(np.int64) + layer.bias
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
    return tuple(EstimatedFigure(name=name, value=value, unit="", formula=text) for name, value, text in rows)


# --------------------------------------------------------------------------- candidates


def _candidate(spec: Spec, mapping: Mapping, driver: str, figures: Estimate, *, allowed: bool) -> Candidate:
    """Collect what one combination gives and which limits it keeps."""
    required = spec.requirements
    settling_s = figures.value("row_settling")
    limits = [
        Limit(name="clock", path=("clock",), value=settling_s, limit=1 / spec.clock_hz, unit="Hz"),
    ]
    for name, key, limit, unit in (
        ("latency", "latency", required.latency_s, "s"),
        ("accuracy_drop", "accuracy_drop", required.accuracy_drop, "%"),
        ("area", "area", required.area_m2, "m2"),
        ("power", "power", required.power_w, "W"),
    ):
        if limit is not None:
            value = figures.value(key)
            path = ("requirements", name)
            limits.append(Limit(name=name, path=path, value=value, limit=limit, unit=unit))
    return Candidate(
        row_driver=driver,
        adc=None if isinstance(spec.readout, NeuronReadout) else mapping.adc,
        columns_per_adc=mapping.columns_per_adc,
        allowed=allowed,
        latency_s=figures.value("latency"),
        accuracy_drop=figures.value("accuracy_drop"),
        area_m2=figures.value("area"),
        energy_j=figures.value("energy_per_inference"),
        power_w=figures.value("power"),
        row_settling_s=settling_s,
        limits=tuple(limits),
    )


def _order(spec: Spec, candidate: Candidate, drivers: Sequence[str]) -> tuple[float, ...]:
    """Return the sort key: buildable first, then limits kept, then the objective, ties resolved."""
    missed = candidate.missed
    return (
        not candidate.allowed,
        len(missed),
        sum(limit.excess for limit in missed),
        objective(spec, candidate),
        candidate.area_m2,
        candidate.energy_j,
        drivers.index(candidate.row_driver),
    )


def _cells(library: Library, row_driver: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of each role; only the row driver is a choice."""
    cells = {role: tuple(names) for role, names in sorted(library.file.roles.items())}
    return {**cells, "row_driver": (row_driver,)}
