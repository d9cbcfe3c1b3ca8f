"""Small drawings for the seeded design-rule faults: one that breaks a rule, one that just obeys.

A scene is a list of shapes (layer, x0, y0, x1, y1) or (layer, points), in nm. Everything around
the feature under test has generous margins, so that only the rule in question is at its limit.
"""

from __future__ import annotations

from collections.abc import Callable

from nngen.pdk import Pdk
from nngen.pdk_rules import Rule

Shape = tuple[str, int, int, int, int] | tuple[str, tuple[tuple[int, int], ...]]
Scene = list[Shape]

GRID = 5
FAR = 100_000
CUT_STACK = {
    "mcon": ("li1", "met1"),
    "via": ("met1", "met2"),
    "via2": ("met2", "met3"),
    "via3": ("met3", "met4"),
    "via4": ("met4", "met5"),
}
CUT_SIDE = {"licon1": 170, "mcon": 170, "via": 150, "via2": 200, "via3": 200, "via4": 800}


def box(layer: str, x0: int, y0: int, width: int, height: int) -> Shape:
    """Return a rectangle given by its corner and size."""
    return (layer, x0, y0, x0 + width, y0 + height)


def above(layer: str, shape: Shape, margin: int, below: int) -> Shape:
    """Return a rectangle that surrounds another by `margin`, and by `below` at the bottom."""
    _, x0, y0, x1, y1 = shape  # type: ignore[misc]
    return (layer, x0 - margin, y0 - below, x1 + margin, y1 + margin)


def around(layer: str, shape: Shape, margin: int) -> Shape:
    """Return a rectangle that surrounds another by `margin`."""
    return above(layer, shape, margin, margin)


def poly_contact(x: int = 0, y: int = 0) -> Scene:
    """Return a contact on poly at (x, y)."""
    cut = box("licon1", x, y, 170, 170)
    return [cut, around("poly", cut, 200), around("npc", cut, 150), around("li1", cut, 150)]


def tap(x: int = 0, y: int = 0, implant: str = "psdm") -> Scene:
    """Return a contacted tap of 0.8 um whose contact lies at (x, y)."""
    cut = box("licon1", x, y, 170, 170)
    active = around("tap", cut, 315)
    return [active, cut, around("li1", cut, 150), around(implant, active, 150)]


def diffusion(x: int = 0, y: int = 0, width: int = 800, height: int = 800, implant: str = "nsdm") -> Scene:
    """Return a bare diffusion with its corner at (x, y)."""
    active = box("diff", x, y, width, height)
    return [active, around(implant, active, 200)]


def transistor(endcap: int = 200, drain: int = 400, width: int = 600) -> Scene:
    """Return an n transistor: gate from x = 0 to 150, diffusion from y = 0."""
    active = ("diff", -500, 0, 150 + drain, width)
    return [active, ("poly", 0, -200, 150, width + endcap), around("nsdm", active, 200)]


def cut_on(cut: str, x: int = 0, y: int = 0) -> Scene:
    """Return one cut with generous conductors on both sides."""
    if cut == "licon1":
        return poly_contact(x, y)
    side = CUT_SIDE[cut]
    shape = box(cut, x, y, side, side)
    return [shape, *(around(metal, shape, 650) for metal in CUT_STACK[cut])]


def capacitor(x: int = 0, y: int = 0, side: int = 2000) -> Scene:
    """Return a capacitor plate pair without its via."""
    top = box("cap2m", x, y, side, side)
    return [top, around("met4", top, 300)]


def memory(x: int = 0, y: int = 0, width: int = 320, height: int = 320) -> Scene:
    """Return a resistive memory element whose via is at (x + 85, y + 85)."""
    cell = box("reram", x, y, width, height)
    return [cell, box("via", x + 85, y + 85, 150, 150), around("met1", cell, 200), around("met2", cell, 200)]


def sample(layer: str) -> Scene:
    """Return a legal drawing whose first shape is on `layer`."""
    if layer in CUT_SIDE:
        return cut_on(layer)
    special: dict[str, Callable[[], Scene]] = {
        "diff": diffusion,
        "tap": tap,
        "difftap": diffusion,
        "cap2m": capacitor,
        "reram": memory,
        "npc": lambda: sorted(poly_contact(), key=lambda shape: shape[0] != "npc"),
    }
    if layer in special:
        return special[layer]()
    return [box(layer, 0, 0, 3000, 3000)]


def drawn(layer: str) -> str:
    """Return the drawn layer that stands for a derived one."""
    return {"difftap": "diff"}.get(layer, layer)


def bar(layer: str, x: int, y: int, width: int, height: int) -> Scene:
    """Return a rectangle on `layer` and what it needs to be legal."""
    layer = drawn(layer)
    shape = box(layer, x, y, width, height)
    if layer == "diff":
        return [shape, around("nsdm", shape, 200)]
    if layer == "cap2m":
        return [shape, around("met4", shape, 300)]
    return [shape]


# ------------------------------------------------------------- one function for each kind


def width(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a long bar at, or a grid below, the minimum width."""
    size = rule.value - GRID * bad
    layer = rule.layers[0]
    if layer == "npc":
        return [*poly_contact(), box("npc", 0, 0, 3000, size)]
    length = max(3 * size, 2 * pdk.area_nm2(drawn(layer)) // size // GRID * GRID)
    return bar(layer, 0, 0, size, length)


def space(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw two shapes at, or a grid below, the minimum space."""
    gap = rule.value - GRID * bad
    layer = rule.layers[0]
    if layer in CUT_SIDE:
        step = CUT_SIDE[layer] + gap
        one, two = cut_on(layer), cut_on(layer, step)
        return [*one, *two]
    if layer == "npc":
        return [*poly_contact(), *poly_contact(470 + gap), box("poly", -200, -200, 1300, 570)]
    side = 2900
    if layer == "cap2m":
        plate = box("met4", -300, -300, 2 * side + gap + 600, side + 600)
        return [plate, *(box(layer, x, 0, side, side) for x in (0, side + gap))]
    return [*bar(layer, 0, 0, side, side), *bar(layer, side + gap, 0, side, side)]


def isolation(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw two capacitors whose bottom plates are too close."""
    gap = rule.value - GRID * bad
    return [*capacitor(), *capacitor(2600 + gap)]


def area(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a bar of minimum width and just enough, or not enough, length."""
    layer = rule.layers[0]
    if layer == "tap":
        cut = box("licon1", 0, 0, 170, 170)
        active = ("tap", -120, 0, 290, 170 + GRID * (not bad))
        return [active, cut, around("li1", cut, 150), around("psdm", active, 150)]
    across = pdk.width_nm(layer)
    length = -(-rule.value // across // GRID) * GRID
    return [box(layer, 0, 0, across, length - GRID * bad)]


def hole_area(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a frame around a square hole."""
    layer = rule.layers[0]
    side = next(s for s in range(GRID, FAR, GRID) if s * s >= rule.value) - GRID * bad
    rim = 1000
    return [
        box(layer, 0, 0, 2 * rim + side, rim),
        box(layer, 0, rim + side, 2 * rim + side, rim),
        box(layer, 0, 0, rim, 2 * rim + side),
        box(layer, rim + side, 0, rim, 2 * rim + side),
    ]


def exact(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a cut of the right size, or one a grid longer."""
    first, *rest = cut_on(rule.layers[0])
    layer, x0, y0, x1, y1 = first  # type: ignore[misc]
    return [(layer, x0, y0, x1 + GRID * bad, y1), *rest]


def wide_space(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a wide shape beside a narrow one."""
    layer = rule.layers[0]
    gap = rule.value - GRID * bad
    return [box(layer, 0, 0, rule.width, 5000), box(layer, rule.width + gap, 0, 1000, 5000)]


def enclosure(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a tight margin below, generous ones on the other sides."""
    margin = rule.value - GRID * bad
    outer, inner = drawn(rule.layers[0]), rule.layers[1]
    inner = {"contact_diff": "licon1", "contact_poly": "licon1", "mim_via": "via4"}.get(inner, inner)
    if rule.layers[0].startswith(("nsdm", "psdm")):
        implant = rule.layers[0][:4]
        shapes = diffusion(implant=implant) if inner in {"ndiff", "pdiff"} else tap(implant=implant)
        rest = [shape for shape in shapes if shape[0] != implant]
        ground = [around("nwell", rest[0], 600)] if inner in {"pdiff", "ntap"} else []
        return [*rest, above(implant, rest[0], 300, margin), *ground]
    if outer == "nwell":
        shapes = diffusion(implant="psdm") if inner == "pdiff" else tap(implant="nsdm")
        return [*shapes, above("nwell", shapes[0], 600, margin)]
    if rule.layers[1] == "contact_diff":
        cut = box("licon1", 0, 0, 170, 170)
        active = above("diff", cut, 300, margin)
        return [cut, around("li1", cut, 150), active, around("nsdm", active, 200)]
    if inner == "cap2m":
        top = box("cap2m", 0, 0, 2000, 2000)
        return [top, above("met4", top, 400, margin)]
    if outer == "cap2m":
        cut = box("via4", 0, 0, 800, 800)
        top = above("cap2m", cut, 400, margin)
        return [cut, top, around("met4", top, 300), around("met5", cut, 600)]
    shapes = cut_on(inner)
    kept = [shape for shape in shapes if shape[0] != outer]
    return [*kept, above(outer, shapes[0], 800, margin)]


def enclosure_opposite(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Draw a margin that is tight on one side of each pair; good: a pair that fits."""
    outer = rule.layers[0]
    inner = rule.layers[1] if rule.layers[1] in CUT_SIDE else "licon1"
    plain = pdk.enclosure_nm(*rule.layers)
    if rule.layers[1] == "contact_tap":
        cut, extra = box("licon1", 0, 0, 170, 170), 600
    elif rule.layers[1] == "contact_diff":
        cut, extra = box("licon1", 0, 0, 170, 170), 300
    else:
        cut, extra = cut_on(inner)[0], 600
    _, x0, y0, x1, y1 = cut  # type: ignore[misc]
    short = rule.value - GRID
    if bad:
        cover: Shape = (outer, x0 - short, y0 - short, x1 + extra, y1 + extra)
    else:
        cover = (outer, x0 - rule.value, y0 - plain, x1 + rule.value, y1 + extra)
    if rule.layers[1] in {"contact_tap", "contact_diff"}:
        implant = "psdm" if outer == "tap" else "nsdm"
        return [cut, around("li1", cut, 150), cover, around(implant, cover, 200)]
    return [*(shape for shape in cut_on(inner) if shape[0] != outer), cover]


def grid(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Move one shape off the grid."""
    first, *rest = sample(rule.layers[0])
    layer, x0, y0, x1, y1 = first  # type: ignore[misc]
    off = 2 * bad
    return [(layer, x0 + off, y0 + off, x1 + off, y1 + off), *rest]


def angle(rule: Rule, pdk: Pdk, *, bad: bool) -> Scene:
    """Cut a corner: good at 45 degrees where that is allowed."""
    first, *rest = sample(rule.layers[0])
    layer, x0, y0, x1, y1 = first  # type: ignore[misc]
    run = (x1 - x0) // 4 // GRID * GRID
    rise = run // 2 // GRID * GRID if rule.value == 45 and bad else run
    if rule.value == 90 and not bad:
        return [first, *rest]
    return [(layer, ((x0, y0), (x0, y1), (x1 - run, y1), (x1, y1 - rise), (x1, y0))), *rest]


KINDS: dict[str, Callable[..., Scene]] = {
    "width": width,
    "space": space,
    "isolation": isolation,
    "area": area,
    "hole_area": hole_area,
    "exact": exact,
    "wide_space": wide_space,
    "enclosure": enclosure,
    "enclosure_opposite": enclosure_opposite,
    "grid": grid,
    "angle": angle,
}
