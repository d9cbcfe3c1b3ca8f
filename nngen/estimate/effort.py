"""What a build will cost in processor time, from lines, devices and conversions.

The coefficients are those of builds of 1 to 16,384 synapses with 1 to 32 converters on two processes, cells taken
from the store, on one core of the machine of `benchmarks/README.md`; they meet these builds within a factor of 1.5.
Blocks that are not in the store yet take 5 to 35 s more each.
"""

from __future__ import annotations

from collections.abc import Sequence

from nngen.estimate.crossbar import CrossbarEstimate
from nngen.estimate.figures import EstimatedFigure
from nngen.ir import Mapping

FIXED_S = 7.0
"""Cells of the library: rules, extraction, pictures, whatever the macro's size."""
LINE_S = 0.12
"""Each row and column: its rules, its resistance and capacitance."""
DEVICE_S = 5e-6
CONVERSION_S = 1.3
"""One column's conversion with every transistor, rows merged."""
PULSE_S = 0.06
"""More for each step of the ramps that rows follow: 8 to 9 s a conversion with 127 steps, 3 s with 15."""


def effort(
    mapping: Mapping, crossbars: Sequence[CrossbarEstimate], *, planes: int, images: int, neuron: bool
) -> tuple[EstimatedFigure, ...]:
    """Return the processor times of layout with its checks, and of the simulation of the workload.

    Args:
        mapping: crossbars.
        crossbars: their estimates, for the number of devices.
        planes: conversions of an image and column.
        images: images to simulate.
        neuron: whether columns end in comparator neurons, which are not simulated.
    """
    lines = sum(tile.rows + tile.columns for tile in mapping.tiles)
    devices = sum(crossbar.shape.contents.devices for crossbar in crossbars)
    layout_s = FIXED_S + LINE_S * lines + DEVICE_S * devices
    found = [
        EstimatedFigure(
            name="build_cpu_time", value=layout_s, unit="s",
            formula=f"{FIXED_S:g} s + {LINE_S:g} s * {lines} rows and columns + {DEVICE_S * 1e6:g} us * {devices} "
            "devices: layout, own DRC, LVS, extraction on one core, cells from the store; measured on earlier builds",
        )
    ]  # fmt: skip
    if not neuron:
        conversions = (images * planes + 1) * sum(tile.columns for tile in mapping.tiles)
        steps = mapping.adc.input_steps if mapping.adc.input_steps > 1 else 0
        each_s = CONVERSION_S + PULSE_S * steps
        found.append(
            EstimatedFigure(
                name="simulation_cpu_time", value=each_s * conversions, unit="s",
                formula=f"{each_s:.3g} s * {conversions} conversions ({images} images, and all inputs 0), every "
                "transistor; measured on earlier builds",
            )
        )  # fmt: skip
    return tuple(found)
