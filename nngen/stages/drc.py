"""Design-rule check: reads the GDS from disk and runs every rule of the PDK with KLayout's engine.

The rules are the records the generators asked for their distances, but the geometry comes from
the file alone, so a generator that misread a rule is caught.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import klayout.rdb as krdb

from nngen.array_reduction import find_holes
from nngen.errors import InputError
from nngen.ir import DrcReport, DrcViolation
from nngen.pdk import Pdk
from nngen.pdk_rules import Expression, Rule, parse_expression

ENGINE = "nngen"
BOXES_KEPT = 20

Marks = kdb.Region | kdb.EdgePairs | kdb.Edges


class Geometry:
    """Merged regions of one cell tree, flat, computed once for each layer or expression.

    Attributes:
        pdk: technology whose names the expressions use.
        per_nm: database units in a nanometre (1 for the usual 1 nm unit).
    """

    def __init__(
        self, layout: kdb.Layout, cell: kdb.Cell, pdk: Pdk, where: kdb.Region | None = None
    ) -> None:
        """Remember where to read from; nothing is read yet.

        Args:
            layout: holds the shapes.
            cell: cell with everything below it.
            pdk: technology.
            where: only shapes that touch this region are read, each as a whole; None reads all.
        """
        self.pdk = pdk
        self.per_nm = 0.001 / layout.dbu
        self._layout = layout
        self._cell = cell
        self._where = where
        self._regions: dict[Expression, kdb.Region] = {}

    def distance(self, value_nm: int) -> int:
        """Return nanometres in database units."""
        return round(value_nm * self.per_nm)

    def area(self, value_nm2: int) -> int:
        """Return nm2 in square database units."""
        return round(value_nm2 * self.per_nm**2)

    def region(self, text: str) -> kdb.Region:
        """Return the merged region of a layer, a derived layer or an expression."""
        return self._resolve(parse_expression(text))

    def _resolve(self, expression: Expression) -> kdb.Region:
        """Compute an expression once."""
        if isinstance(expression, str) and expression in self.pdk.expressions:
            return self._resolve(self.pdk.expressions[expression])
        if expression not in self._regions:
            self._regions[expression] = self._compute(expression)
        return self._regions[expression]

    def _compute(self, expression: Expression) -> kdb.Region:
        """Read a layer, or combine the operands' regions."""
        if isinstance(expression, str):
            index = self._layout.find_layer(*self.pdk.layers[expression].gds)
            if index is None:
                return kdb.Region()
            if self._where is None:
                return kdb.Region(self._cell.begin_shapes_rec(index)).merged()
            shapes = kdb.RecursiveShapeIterator(self._layout, self._cell, index, self._where, False)
            return kdb.Region(shapes).merged()
        if isinstance(expression, int):
            msg = f"a layer is expected, not the number {expression}"
            raise InputError(msg)
        operator, operands = expression
        first = self._resolve(operands[0])
        if operator == "holes":
            return first.holes().merged()
        if operator == "corners":
            return first.corners(-180.0, 180.0, self.distance(self.pdk.grid_nm)).merged()
        if operator == "sized":
            amount = operands[1]
            return first.sized(self.distance(amount if isinstance(amount, int) else 0)).merged()
        second = self._resolve(operands[1])
        combine: dict[str, Callable[[], kdb.Region]] = {
            "&": lambda: first & second,
            "|": lambda: first | second,
            "-": lambda: first - second,
            "^": lambda: first ^ second,
            "interacting": lambda: first.interacting(second),
            "not_interacting": lambda: first.not_interacting(second),
        }
        return combine[operator]().merged()


def check(gds_path: Path, pdk: Pdk, top: str | None = None, *, leaf: bool = False) -> DrcReport:
    """Run the PDK's rules on a GDS file.

    Args:
        gds_path: layout to read.
        pdk: technology.
        top: cell to check with everything below it; by default the only top cell.
        leaf: skip the rules that a lone leaf cell cannot obey (`context`: well taps, latch-up).

    Returns:
        The report; `rules_run` names a rule only if it was evaluated. Where the layout repeats
        itself a fault counts at the border of the regular part only (`nngen.array_reduction`).

    Raises:
        InputError: no such file, not a layout, no such cell, or a database unit off the grid.
    """
    layout, cell = _read(gds_path, top)
    geometry = Geometry(layout, cell, pdk)
    steps = pdk.grid_nm * geometry.per_nm
    if round(steps) < 1 or not math.isclose(steps, round(steps), rel_tol=1e-6):
        msg = f"{gds_path}: database unit {layout.dbu} um does not divide the grid of {pdk.grid_nm} nm"
        raise InputError(msg)
    rules = [rule for rule in pdk.rules if not (leaf and rule.context)]
    violations: list[DrcViolation] = []
    # Latch-up looks far, all else near: two reductions keep what is read small.
    for far in (False, True):
        group = [rule for rule in rules if (rule.kind == "max_distance") == far]
        reach = geometry.distance(max((_reach_nm(rule) for rule in group), default=0))
        holes = kdb.Region()
        for box in find_holes(layout, cell, reach, _checked_layers(layout, pdk)):
            holes.insert(box)
        holes.merge()
        blind = holes.sized(reach, 2).merged()
        where = None if holes.is_empty() else kdb.Region(cell.bbox().enlarged(1)) - holes
        near = Geometry(layout, cell, pdk, where)
        for rule in group:
            boxes = _seen(violated(rule, near), blind)
            if boxes:
                violations.append(_violation(rule, boxes, cell.name, near.per_nm))
    order = {rule.name: index for index, rule in enumerate(rules)}
    violations.sort(key=lambda violation: order[violation.rule])
    return DrcReport(
        engine=ENGINE,
        rules_run=tuple(rule.name for rule in rules),
        violations=tuple(violations),
    )


def _seen(boxes: list[kdb.Box], blind: kdb.Region) -> list[kdb.Box]:
    """Return the marks that do not lie wholly where the reduction itself may cause some."""
    if blind.is_empty():
        return boxes
    return [box for box in boxes if not (kdb.Region(box.enlarged(1)) - blind).is_empty()]


def _checked_layers(layout: kdb.Layout, pdk: Pdk) -> list[int]:
    """Return the layer indices that rules look at: all but the outline."""
    names = [name for name in pdk.layers if name != pdk.roles.boundary]
    found = [layout.find_layer(*pdk.layers[name].gds) for name in names]
    return [index for index in found if index is not None]


def _reach_nm(rule: Rule) -> int:
    """Return how far a rule looks; areas and shapes look as far as the shape itself reaches."""
    if rule.kind in {"area", "hole_area"}:
        return math.isqrt(rule.value) + 1
    if rule.kind in {"angle", "aspect"}:
        return 0
    return rule.value + rule.width


def _read(gds_path: Path, top: str | None) -> tuple[kdb.Layout, kdb.Cell]:
    """Read a layout and find the cell to check."""
    if not gds_path.is_file():
        msg = f"{gds_path}: no such layout file"
        raise InputError(msg)
    layout = kdb.Layout()
    try:
        layout.read(str(gds_path))
    except RuntimeError as error:
        msg = f"{gds_path}: not a layout KLayout can read: {error}"
        raise InputError(msg) from error
    if top is not None:
        cell = layout.cell(top)
        if cell is None:
            msg = f"{gds_path}: has no cell '{top}'"
            raise InputError(msg)
        return layout, cell
    tops = sorted(layout.top_cells(), key=lambda candidate: candidate.name)
    if len(tops) != 1:
        names = ", ".join(candidate.name for candidate in tops) or "none"
        msg = f"{gds_path}: one top cell is expected, found {names}; name the cell to check"
        raise InputError(msg)
    return layout, tops[0]


def violated(rule: Rule, geometry: Geometry) -> list[kdb.Box]:
    """Return one marker box for each violation of `rule`."""
    regions = [geometry.region(operand) for operand in rule.layers]
    if regions[0].is_empty():
        return []
    marks = _CHECKS[rule.kind](rule, geometry, *regions)
    boxes = [mark.bbox() for part in marks for mark in part.each()]
    return sorted(boxes, key=lambda box: (box.left, box.bottom, box.right, box.top))


def _violation(rule: Rule, boxes: list[kdb.Box], cell: str, per_nm: float) -> DrcViolation:
    """Pack marker boxes of one rule, in nm."""
    kept = tuple(
        (
            round(box.left / per_nm),
            round(box.bottom / per_nm),
            round(box.right / per_nm),
            round(box.top / per_nm),
        )
        for box in boxes[:BOXES_KEPT]
    )
    return DrcViolation(rule=rule.name, text=rule.text, cell=cell, count=len(boxes), boxes_nm=kept)


# ------------------------------------------------------------------------- kinds of rules


def _width(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.width_check(geometry.distance(rule.value), metrics=kdb.Metrics.Euclidian)]


def _space(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    """Space between shapes and in notches, edge by edge.

    A supply net is one polygon all over the layout; polygon by polygon each small shape would be
    measured against all of it.
    """
    return [region.edges().space_check(geometry.distance(rule.value), metrics=kdb.Metrics.Euclidian)]


def _isolation(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.isolated_check(geometry.distance(rule.value), metrics=kdb.Metrics.Euclidian)]


def _separation(rule: Rule, geometry: Geometry, one: kdb.Region, other: kdb.Region) -> list[Marks]:
    """Space between two layers; overlap is a violation unless the rule allows touching."""
    if other.is_empty():
        return []
    metrics = kdb.Metrics.Projection if rule.parallel else kdb.Metrics.Euclidian
    pairs = one.separation_check(other, geometry.distance(rule.value), metrics=metrics)
    if not (rule.touching or rule.parallel):
        return [pairs, one & other]
    apart = kdb.EdgePairs()
    for pair in pairs.each():
        if pair.distance() > 0:
            apart.insert(pair)
    return [apart]


def _enclosure(rule: Rule, geometry: Geometry, outer: kdb.Region, inner: kdb.Region) -> list[Marks]:
    """Margin on all sides; an inner shape outside the outer one is a violation as well."""
    pairs = inner.enclosed_check(outer, geometry.distance(rule.value), metrics=kdb.Metrics.Euclidian)
    return [pairs, inner - outer]


def _enclosure_opposite(rule: Rule, geometry: Geometry, outer: kdb.Region, inner: kdb.Region) -> list[Marks]:
    """Margin on two opposite sides of each cut that lies inside; others answer to their own rule.

    A cut stretched by the margin along x, or along y, must still lie inside. The margins are
    smaller than a cut and its space, so a stretched cut never covers a neighbour. What lies outside
    is subtracted first, as the outer shapes may be large polygons.
    """
    margin = geometry.distance(rule.value)
    suspects = inner.not_overlapping(inner - outer)
    for dx, dy in ((margin, 0), (0, margin)):
        if suspects.is_empty():
            return []
        stretched = suspects.sized(dx, dy, 2)
        stretched.merged_semantics = False
        suspects = suspects.inside(stretched.overlapping(stretched - outer))
    return [suspects]


def _extension(
    rule: Rule, geometry: Geometry, outer: kdb.Region, inner: kdb.Region, crossed: kdb.Region
) -> list[Marks]:
    """Run of `outer` beyond the edges at which `inner` ends because `crossed` ends there."""
    ends = inner.edges() & crossed.edges()
    beyond = ends.extended_out(geometry.distance(rule.value))
    return [beyond - outer]


def _area(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.with_area(0, geometry.area(rule.value), False)]


def _hole_area(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.holes().with_area(0, geometry.area(rule.value), False)]


def _exact(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    """Squares of one size, nothing else."""
    side = geometry.distance(rule.value)
    squares = region.rectangles()
    wrong_x = squares.with_bbox_width(side, True)
    wrong_y = squares.with_bbox_width(side, False).with_bbox_height(side, True)
    return [region.non_rectangles(), wrong_x, wrong_y]


def _wide_space(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    """Space of shapes at least `rule.width` wide, to each other and to narrower ones."""
    # Opening by one unit less keeps shapes that are exactly as wide as the limit.
    half = geometry.distance(rule.width) // 2 - 1
    big = region.with_bbox_min(2 * half, None, False)
    wide = big.sized(-half).sized(half) & big
    if wide.is_empty():
        return []
    limit = geometry.distance(rule.value)
    narrow = region - wide
    euclidian = kdb.Metrics.Euclidian
    return [
        wide.space_check(limit, metrics=euclidian),
        wide.separation_check(narrow, limit, metrics=euclidian),
    ]


def _max_distance(rule: Rule, geometry: Geometry, region: kdb.Region, near: kdb.Region) -> list[Marks]:
    """Parts farther than the limit from `near`.

    An octagon inside the circle clears nearly everything fast; only the rest is measured with a
    circle of 64 corners (0.1 % small, so the check is a little strict).
    """
    reach = geometry.distance(rule.value)
    suspects = region - near.sized(int(reach * math.cos(math.pi / 8)), 1)
    if suspects.is_empty():
        return []
    circle = kdb.Polygon.ellipse(kdb.Box(-reach, -reach, reach, reach), 64)
    return [suspects - near.minkowski_sum(circle).merged()]


def _no_overlap(rule: Rule, geometry: Geometry, one: kdb.Region, other: kdb.Region) -> list[Marks]:
    return [one & other]


def _covered(rule: Rule, geometry: Geometry, region: kdb.Region, cover: kdb.Region) -> list[Marks]:
    return [region - cover]


def _interacts(rule: Rule, geometry: Geometry, region: kdb.Region, other: kdb.Region) -> list[Marks]:
    return [region.not_interacting(other)]


def _angle(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    """Edges off the multiples of 90 or 45 degrees."""
    oblique = region.non_rectilinear()
    allowed = kdb.Edges.OrthoEdges if rule.value == 90 else kdb.Edges.OrthoDiagonalEdges
    return [oblique.edges().with_angle(allowed, True)]


def _grid(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    step = geometry.distance(rule.value)
    return [region.grid_check(step, step)]


def _rectangle(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.non_rectangles()]


def _aspect(rule: Rule, geometry: Geometry, region: kdb.Region) -> list[Marks]:
    return [region.with_bbox_aspect_ratio(float(rule.value), None, False, False, True)]


def _shared_edge(rule: Rule, geometry: Geometry, one: kdb.Region, other: kdb.Region) -> list[Marks]:
    """Length of the edges along which two layers abut."""
    shared = (one.edges() & other.edges()).merged()
    return [shared.with_length(0, geometry.distance(rule.value), False)]


_CHECKS: dict[str, Callable[..., list[Marks]]] = {
    "width": _width,
    "space": _space,
    "isolation": _isolation,
    "separation": _separation,
    "enclosure": _enclosure,
    "enclosure_opposite": _enclosure_opposite,
    "extension": _extension,
    "area": _area,
    "hole_area": _hole_area,
    "exact": _exact,
    "wide_space": _wide_space,
    "max_distance": _max_distance,
    "no_overlap": _no_overlap,
    "covered": _covered,
    "interacts": _interacts,
    "angle": _angle,
    "grid": _grid,
    "rectangle": _rectangle,
    "aspect": _aspect,
    "shared_edge": _shared_edge,
}


def write_lyrdb(report: DrcReport, path: Path) -> None:
    """Write a report as a KLayout marker database.

    Args:
        report: result of a check.
        path: file to write, usually `drc.lyrdb`.
    """
    database = krdb.ReportDatabase("nngen DRC")
    database.generator = f"nngen ({report.engine})"
    categories = {rule: database.create_category(rule) for rule in report.rules_run}
    for violation in report.violations:
        category = categories[violation.rule]
        category.description = f"{violation.text} ({violation.count} in all)"
        cell = database.cell_by_qname(violation.cell) or database.create_cell(violation.cell)
        for box in violation.boxes_nm:
            item = database.create_item(cell.rdb_id(), category.rdb_id())
            item.add_value(kdb.DBox(*(value / 1000 for value in box)))
    database.save(str(path))
