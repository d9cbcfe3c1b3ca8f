"""The published spiking chip beside this macro: figure by figure, with what makes ours better or worse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nngen.key_figures import Kpi
from nngen.report.tables import quantity

CHIP = "the chip of Valentian et al., IEDM 2019"
NOT_PUBLISHED = "not in the public abstract"
NOT_RUN = "not run"
TEXT = (
    "Theirs is a chip in 130 nm CMOS, measured; this is a layout, open PDK, and its simulation. Theirs includes what "
    "makes spikes and phases, and pads; ours ends at the macro's pins, and its reference levels are ideal sources."
)


def published_section(
    kpis: Mapping[str, Kpi], size: Mapping[str, Any], recipe_accuracy: float | None
) -> dict[str, Any]:
    """Return the comparison.

    Args:
        kpis: figures of this build.
        size: section `size` of the report.
        recipe_accuracy: simulated accuracy of the transistor-level images, None if they are too few.
    """

    def ours(name: str) -> str:
        found = kpis.get(name)
        return NOT_RUN if found is None else quantity(found["value"], found["unit"])

    accuracy = kpis["accuracy"]["value"]
    simulated = "" if recipe_accuracy is None else f"; {recipe_accuracy:.1%} of the images at transistor level"
    rows = (
        ("synapses x neurons", f"{size['synapses']:,} x {size['neurons']}", "1,440 x 10", "the same network"),
        ("memory elements", f"{size['memory_elements']:,}", "11.5 K", "four for each sign of a weight in both"),
        ("accuracy", f"{accuracy:.1%} golden{simulated}", "88 % simulated, 84 % measured",
         "other selection of images and other training; ours has met no silicon"),
        ("energy per spike, synapses and neurons", ours("energy_per_spike"), "3.6 pJ",
         "worse where ours is larger: ten neurons are biased and clocked in all slots, with input or without"),
        ("energy per spike, in all", ours("energy_per_spike_in_all"), "180 pJ",
         "ours has only the wordline drivers besides; theirs a whole chip"),
        ("energy per synapse that meets a spike", ours("energy_per_synaptic_event"), NOT_PUBLISHED,
         "a spike meets ten synapses; most of it is the neurons' bias"),
        ("spikes per image", ours("spikes_per_image"), "136",
         "worse: up to four spikes a pixel and a threshold of ten units"),
        ("energy per image", ours("energy_per_image"), "24.5 nJ", "see energy per spike"),
        ("area of the array", ours("array_area"), NOT_PUBLISHED,
         "the access transistor's length, 0.5 um, and one contact for each cell"),
        ("synapse density", ours("synapse_density"), NOT_PUBLISHED,
         "two multilevel cells would give 2.7 times as much, at the accuracy of their curve"),
        ("area of a neuron", ours("neuron_area"), NOT_PUBLISHED,
         "unit capacitors of the membrane and two clamps a column; they are as wide as a synapse"),
    )  # fmt: skip
    figures = [
        {"figure": figure, "here": here, "published": there, "note": note} for figure, here, there, note in rows
    ]
    return {"name": CHIP, "text": TEXT, "figures": figures}
