"""Hand-drawn design-rule faults for rules whose geometry is their own."""

from __future__ import annotations

from collections.abc import Callable

from drc_scenes import (
    GRID,
    Scene,
    around,
    bar,
    box,
    capacitor,
    cut_on,
    diffusion,
    memory,
    poly_contact,
    tap,
    transistor,
)

from nngen.pdk_rules import Rule

Draw = Callable[[Rule, bool], Scene]


def gap(rule: Rule, bad: bool) -> int:
    """Return the limit, or a grid less."""
    return rule.value - GRID * bad


def well_with_tap(contacted: bool) -> Scene:
    """Return an n-well, with a contacted tap or with none."""
    return [box("nwell", -1000, -1000, 3000, 3000), *(tap(implant="nsdm") if contacted else [])]


def abutted(shared: int) -> Scene:
    """Return n diffusion with a p tap on its right side, sharing an edge `shared` long."""
    cut = box("licon1", 1200, 60, 170, 170)
    return [
        box("diff", 0, 0, 1000, shared),
        box("tap", 1000, 0, 700, shared),
        cut,
        around("li1", cut, 150),
        box("nsdm", -200, -200, 1200, 1200),
        box("psdm", 1000, -200, 900, 1200),
    ]


def well_beside(rule: Rule, bad: bool) -> Scene:
    """Return an n-well beside n diffusion or a p tap."""
    shapes = diffusion() if rule.layers[1] == "ndiff" else tap()
    return [*shapes, box("nwell", shapes[0][3] + gap(rule, bad), 0, 2000, 2000)]  # type: ignore[misc]


def latch_up(rule: Rule, bad: bool) -> Scene:
    """Return diffusion whose far edge lies at the limit from the nearest tap."""
    n_side = rule.layers[0] == "ndiff"
    shapes = tap(implant="psdm" if n_side else "nsdm")
    far = shapes[0][3] + rule.value + GRID * bad - 400 * (not bad)  # type: ignore[misc]
    active = diffusion(far - 800, 0, implant="nsdm" if n_side else "psdm")
    ground = [] if n_side else [box("nwell", -1000, -1000, far + 3000, 4000)]
    return [*shapes, *active, *ground]


def field_poly_beside_diffusion(rule: Rule, bad: bool) -> Scene:
    """Return a poly bar along diffusion."""
    return [*diffusion(), box("poly", 800 + gap(rule, bad), -500, 300, 2000)]


def field_poly_beside_tap(rule: Rule, bad: bool) -> Scene:
    """Return a poly bar along a tap."""
    shapes = tap()
    return [*shapes, box("poly", shapes[0][3] + gap(rule, bad), -500, 300, 2000)]  # type: ignore[misc]


def gate_beside_abutting_tap(rule: Rule, bad: bool) -> Scene:
    """Return abutted diffusion and tap with a gate at the limit from the tap."""
    right = 1000 - gap(rule, bad)
    return [*abutted(800), box("poly", right - 300, -200, 300, 1200)]


def over_corner(rule: Rule, bad: bool) -> Scene:
    """Return a gate on L-shaped diffusion, over or beside the inner corner."""
    edge = 1000 if bad else 600
    return [
        box("diff", 0, 0, 2000, 600),
        box("diff", 0, 0, 1000, 1400),
        box("nsdm", -200, -200, 2400, 1800),
        box("poly", edge - 75, -200, 150, 1800),
    ]


def bent_gate(rule: Rule, bad: bool) -> Scene:
    """Return a gate that turns a corner over diffusion."""
    arm = [box("poly", 1000, 1000, 1600, 300)] if bad else []
    return [*diffusion(0, 0, 2300, 2300), box("poly", 1000, -300, 300, 2900), *arm]


def marker_beside_gate(rule: Rule, bad: bool) -> Scene:
    """Return a contact marker arm pointing at a gate end."""
    # The contact hangs on the gate's own poly, far above the diffusion.
    return [
        *transistor(endcap=1500),
        *poly_contact(0, 1500),
        ("npc", 0, 600 + gap(rule, bad), 300, 1500),
    ]


def opposite_implant(rule: Rule, bad: bool) -> Scene:
    """Return an implant beside diffusion of the other kind."""
    other = rule.layers[0]
    own = "psdm" if other == "nsdm" else "nsdm"
    active = box("diff", 0, 0, 800, 800)
    ground = [around("nwell", active, 600)] if own == "psdm" else []
    return [active, around(own, active, 200), box(other, 800 + gap(rule, bad), 0, 900, 900), *ground]


def both_implants(rule: Rule, bad: bool) -> Scene:
    """Return a tap with one or with both implants."""
    shapes = tap()
    return [*shapes, around("nsdm", shapes[0], 600)] if bad else shapes


def no_implant(rule: Rule, bad: bool) -> Scene:
    """Return diffusion without an implant."""
    return diffusion()[: 1 if bad else 2]


def tap_contact_beside_diffusion(rule: Rule, bad: bool) -> Scene:
    """Return an abutting tap whose contact lies at the limit from the diffusion."""
    x = 1000 + gap(rule, bad)
    cut = box("licon1", x, 300, 170, 170)
    shapes = [shape for shape in abutted(800) if shape[0] not in {"licon1", "li1"}]
    return [*shapes, cut, around("li1", cut, 150)]


def poly_contact_beside_implant(rule: Rule, bad: bool) -> Scene:
    """Return a poly contact beside psdm."""
    return [*poly_contact(), box("psdm", 170 + gap(rule, bad), 0, 900, 900)]


def diffusion_contact_beside_gate(rule: Rule, bad: bool) -> Scene:
    """Return a drain contact at the limit from the gate."""
    cut = box("licon1", 150 + gap(rule, bad), 200, 170, 170)
    return [*transistor(), cut, around("li1", cut, 150)]


def diffusion_contact_beside_marker(rule: Rule, bad: bool) -> Scene:
    """Return a diffusion contact beside the marker of a poly contact."""
    active = box("diff", 0, 0, 800, 800)
    cut = box("licon1", 570, 300, 170, 170)
    arm = 740 + gap(rule, bad)
    return [
        active, around("nsdm", active, 200), cut, around("li1", cut, 80),
        *poly_contact(1400, 300), ("npc", arm, 250, 1500, 550),
    ]  # fmt: skip


def poly_contact_beside_diffusion(rule: Rule, bad: bool) -> Scene:
    """Return a poly contact beside diffusion."""
    cut = box("licon1", 0, 0, 170, 170)
    return [
        cut, around("poly", cut, 90), around("npc", cut, 120), around("li1", cut, 150),
        *diffusion(170 + gap(rule, bad), -300),
    ]  # fmt: skip


def uncontacted_tap(rule: Rule, bad: bool) -> Scene:
    """Return a tap with or without its contact."""
    return [shape for shape in tap() if not bad or shape[0] not in {"licon1", "li1"}]


def contact_on_gate(rule: Rule, bad: bool) -> Scene:
    """Return a contact over a gate, or one beside it on the diffusion."""
    cut = box("licon1", 400 if not bad else 1100, 600, 170, 170)
    return [
        *diffusion(0, 0, 2500, 1400), box("poly", 1000, -300, 370, 2000), cut,
        around("li1", cut, 150), *([around("npc", cut, 100)] if bad else []),
    ]  # fmt: skip


def lone_marker(rule: Rule, bad: bool) -> Scene:
    """Return a contact marker with or without its contact."""
    return [shape for shape in poly_contact() if not bad or shape[0] == "npc"]


def unlanded(layer: str) -> Draw:
    """Return a drawing of a cut with, or without, one of its conductors."""

    def draw(rule: Rule, bad: bool) -> Scene:
        cut = rule.layers[0]
        return [shape for shape in cut_on(cut) if not bad or shape[0] != layer]

    return draw


def contact_off_diffusion(rule: Rule, bad: bool) -> Scene:
    """Return a contact on nothing but li1, or on poly."""
    kept = {"licon1", "li1"} if bad else {"licon1", "li1", "poly", "npc"}
    return [shape for shape in poly_contact() if shape[0] in kept]


def contact_across_tap(rule: Rule, bad: bool) -> Scene:
    """Return a contact that hangs over the edge of its tap."""
    shapes = tap()
    if not bad:
        return shapes
    cut = box("licon1", 400, 0, 170, 170)
    return [*shapes, cut, around("li1", cut, 150)]


def via_beside_capacitor(rule: Rule, bad: bool) -> Scene:
    """Return an unrelated via4 beside a capacitor, on the same met4 as its bottom plate."""
    cut = box("via4", 2000 + gap(rule, bad), 0, 800, 800)
    return [*capacitor(), cut, around("met4", cut, 300), around("met5", cut, 650)]


def lower_via_beside_capacitor(rule: Rule, bad: bool) -> Scene:
    """Return a via3 into the bottom plate beside the top plate."""
    return [*capacitor(), *cut_on("via3", 2000 + gap(rule, bad), 900)]


def metal_beside_capacitor(rule: Rule, bad: bool) -> Scene:
    """Return unrelated met4 beside a capacitor."""
    return [*capacitor(), box("met4", 2000 + gap(rule, bad), 0, 2000, 2000)]


def long_capacitor(rule: Rule, bad: bool) -> Scene:
    """Return a capacitor at the limit of its aspect ratio."""
    return bar("cap2m", 0, 0, 1000, 1000 * rule.value + GRID * bad)


def notched_capacitor(rule: Rule, bad: bool) -> Scene:
    """Return an L-shaped or a rectangular capacitor."""
    arm = [box("cap2m", 0, 0, 4000, 1500)] if bad else []
    return [box("cap2m", 0, 0, 1500, 4000), *arm, box("met4", -300, -300, 4600, 4600)]


def overlapping_actives(rule: Rule, bad: bool) -> Scene:
    """Return a tap with or without diffusion over it."""
    shapes = tap()
    return [*shapes, ("diff", *shapes[0][1:])] if bad else shapes  # type: ignore[list-item]


def slim_memory(rule: Rule, bad: bool) -> Scene:
    """Return a memory cell with an arm at the limit of width."""
    cell = memory(width=gap(rule, bad)) if bad else memory()
    return [*cell, box("met1", -200, -200, 900, 900), box("met2", -200, -200, 900, 900)]


def notched_memory(rule: Rule, bad: bool) -> Scene:
    """Return an L-shaped or a square memory cell."""
    arm = [box("reram", 320, 0, 300, 240)] if bad else []
    return [*memory(), *arm, box("met1", -200, -200, 1200, 900), box("met2", -200, -200, 1200, 900)]


def memory_off_metal(metal: str) -> Draw:
    """Return a drawing of a memory cell that reaches out of a metal by a grid."""

    def draw(_rule: Rule, bad: bool) -> Scene:
        shapes = [shape for shape in memory() if shape[0] != metal]
        return [*shapes, box(metal, GRID * bad, -200, 720, 720)]

    return draw


SPECIAL: dict[str, Draw] = {
    "nwell.4": lambda rule, bad: well_with_tap(not bad),
    "difftap.2": lambda rule, bad: transistor(width=gap(rule, bad)),
    "difftap.4": lambda rule, bad: abutted(gap(rule, bad)),
    "difftap.9": well_beside,
    "difftap.11": well_beside,
    "difftap.x": overlapping_actives,
    "LU.2": latch_up,
    "LU.3": latch_up,
    "poly.4": field_poly_beside_diffusion,
    "poly.5": field_poly_beside_tap,
    "poly.6": gate_beside_abutting_tap,
    "poly.7": lambda rule, bad: transistor(drain=gap(rule, bad)),
    "poly.8": lambda rule, bad: transistor(endcap=gap(rule, bad)),
    "poly.10": over_corner,
    "poly.11": bent_gate,
    "poly.12": lambda rule, bad: [*tap(), box("poly", 320 if bad else 800, -900, 300, 2000)],
    "npc.4": marker_beside_gate,
    "nsd.7": opposite_implant,
    "psd.7": opposite_implant,
    "nsd.8": both_implants,
    "nsd.9": no_implant,
    "licon.4": contact_off_diffusion,
    "licon.4li": unlanded("li1"),
    "licon.5b": tap_contact_beside_diffusion,
    "licon.6": contact_across_tap,
    "licon.9": poly_contact_beside_implant,
    "licon.11": diffusion_contact_beside_gate,
    "licon.13": diffusion_contact_beside_marker,
    "licon.14": poly_contact_beside_diffusion,
    "licon.16": uncontacted_tap,
    "licon.17": contact_on_gate,
    "licon.18": lone_marker,
    "ct.4": unlanded("li1"),
    "reram.1": slim_memory,
    "reram.2": lambda rule, bad: [
        *memory(), *memory(320 + gap(rule, bad)), box("met1", -200, -200, 1300, 700),
        box("met2", -200, -200, 1300, 700),
    ],
    "reram.3": lambda rule, bad: memory(height=320 - GRID * bad),
    "reram.4": lambda rule, bad: [shape for shape in memory() if shape[0] != "via" or not bad],
    "reram.5": memory_off_metal("met1"),
    "reram.6": memory_off_metal("met2"),
    "reram.7": notched_memory,
    "cap2m.5": via_beside_capacitor,
    "cap2m.6": long_capacitor,
    "cap2m.7": notched_capacitor,
    "cap2m.8": lower_via_beside_capacitor,
    "cap2m.11": metal_beside_capacitor,
}
