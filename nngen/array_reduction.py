"""Leaves out the inside of large regular arrays before a check of local rules.

A rule sees no farther than its reach. An array element that lies farther than the reach from the
array's border, with nothing but the array around it, sees what its neighbours see. So a frame is
kept that is wide enough to hold one such element farther than the reach from the hole, and marks
within the reach of the hole, which the cut itself can cause, are dropped: every true fault near
the hole has its equal in the frame. Arrays with anything else over them stay whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import klayout.db as kdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Elements left out of one array: the box they covered, in the coordinates of the top cell."""

    box: kdb.Box
    elements: int


@dataclass(frozen=True, slots=True)
class _Tree:
    """The hierarchy under check and the layers that matter in it."""

    layout: kdb.Layout
    top: kdb.Cell
    layers: tuple[int, ...]


def reduce_arrays(layout: kdb.Layout, top: kdb.Cell, reach: int, layers: Sequence[int]) -> list[Hole]:
    """Cut the inside out of every array below `top` that allows it.

    Args:
        layout: changed in place.
        top: cell to check.
        reach: farthest distance a rule looks, in database units.
        layers: indices of the layers that the rules look at; shapes on others do not matter.

    Returns:
        One hole for each place of each reduced array.
    """
    holes: list[Hole] = []
    called = {top.cell_index(), *top.called_cells()}
    for index in sorted(called):
        parent = layout.cell(index)
        _group_single_instances(parent)
        for instance in list(parent.each_inst()):
            holes.extend(_reduce(_Tree(layout, top, tuple(layers)), parent, instance, reach))
    return holes


def _group_single_instances(parent: kdb.Cell) -> None:
    """Make single instances of one cell that fill a regular grid into one array.

    Layouts written for tools that take no arrays hold each element by itself.
    """
    groups: dict[tuple[int, str], list[kdb.Instance]] = {}
    for instance in parent.each_inst():
        if instance.cell_inst.size() == 1 and not instance.is_complex():
            turn = kdb.Trans(instance.trans.angle, instance.trans.is_mirror(), 0, 0)
            groups.setdefault((instance.cell_index, str(turn)), []).append(instance)
    for instances in groups.values():
        xs = sorted({instance.trans.disp.x for instance in instances})
        ys = sorted({instance.trans.disp.y for instance in instances})
        places = {(instance.trans.disp.x, instance.trans.disp.y) for instance in instances}
        if len(instances) < 2 or not len(instances) == len(places) == len(xs) * len(ys):
            continue
        pitches = [{high - low for low, high in pairwise(axis)} or {0} for axis in (xs, ys)]
        if any(len(pitch) > 1 for pitch in pitches):
            continue
        (pitch_x,), (pitch_y,) = pitches
        first = instances[0].trans
        origin = kdb.Trans(first.angle, first.is_mirror(), xs[0], ys[0])
        array = kdb.CellInstArray(
            instances[0].cell_index, origin,
            kdb.Vector(pitch_x, 0), kdb.Vector(0, pitch_y), len(xs), len(ys),
        )  # fmt: skip
        for instance in list(instances):
            instance.delete()
        parent.insert(array)


def _reduce(tree: _Tree, parent: kdb.Cell, instance: kdb.Instance, reach: int) -> list[Hole]:
    """Reduce one array if it is large, right-angled and alone in its place."""
    array = instance.cell_inst
    if array.a.x == 0 and array.b.y == 0:
        # GDS files may list rows first.
        array = kdb.CellInstArray(array.cell_index, array.trans, array.b, array.a, array.nb, array.na)
    if array.is_complex() or array.a.y or array.b.x or array.a.x <= 0 or array.b.y <= 0:
        return []
    child = tree.layout.cell(array.cell_index).bbox().transformed(array.trans)
    # One element more than the argument needs, for marks that lie across a seam.
    over_x, over_y = max(0, child.width() - array.a.x), max(0, child.height() - array.b.y)
    keep_x = 2 * -(-(reach + over_x) // array.a.x) + 2
    keep_y = 2 * -(-(reach + over_y) // array.b.y) + 2
    inner_x, inner_y = array.na - 2 * keep_x, array.nb - 2 * keep_y
    if inner_x < 1 or inner_y < 1:
        return []
    if child.width() > 2 * array.a.x or child.height() > 2 * array.b.y:
        return []
    low = child.moved(keep_x * array.a.x, keep_y * array.b.y)
    high = low.moved((inner_x - 1) * array.a.x, (inner_y - 1) * array.b.y)
    box = low + high
    # Neighbours of a removed element must be elements too, as far as the rules reach.
    watched = box.enlarged(reach, reach)
    places = list(_places(tree, parent, watched, instance))
    if any(place is None for place in places):
        return []
    for start_x, start_y, count_x, count_y in (
        (0, 0, array.na, keep_y),
        (0, array.nb - keep_y, array.na, keep_y),
        (0, keep_y, keep_x, inner_y),
        (array.na - keep_x, keep_y, keep_x, inner_y),
    ):
        shift = kdb.Vector(start_x * array.a.x, start_y * array.b.y)
        trans = kdb.Trans(shift) * array.trans
        parent.insert(kdb.CellInstArray(array.cell_index, trans, array.a, array.b, count_x, count_y))
    instance.delete()
    elements = inner_x * inner_y
    return [Hole(box=box.transformed(place), elements=elements) for place in places if place is not None]


def _places(tree: _Tree, cell: kdb.Cell, box: kdb.Box, own: kdb.Instance) -> Iterator[kdb.ICplxTrans | None]:
    """Yield each transformation of `cell` into `top`, None where something else lies in `box`."""
    if _occupied(tree, cell, box, own):
        yield None
        return
    if cell.cell_index() == tree.top.cell_index():
        yield kdb.ICplxTrans()
        return
    called = set(tree.top.called_cells())
    for backward in cell.each_parent_inst():
        caller = tree.layout.cell(backward.parent_cell_index())
        if caller.cell_index() != tree.top.cell_index() and caller.cell_index() not in called:
            continue
        instance = backward.child_inst()
        inside = instance.cell_inst
        if inside.size() != 1:
            yield None
            return
        moved = box.transformed(inside.cplx_trans)
        for place in _places(tree, caller, moved, instance):
            if place is None:
                yield None
                return
            yield place * inside.cplx_trans


def _occupied(tree: _Tree, cell: kdb.Cell, box: kdb.Box, own: kdb.Instance) -> bool:
    """Tell whether `cell` has a shape or an instance other than `own` that touches `box`."""
    for index in tree.layers:
        if next(cell.shapes(index).each_touching(box), None) is not None:
            return True
    return any(instance != own for instance in cell.each_touching_inst(box))
