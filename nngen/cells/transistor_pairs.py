"""Column pairs: which n and p transistors stand in the same columns of a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nngen.ir import Subcircuit, Transistor
from nngen.lazy import lazy_module

if TYPE_CHECKING:
    import networkx as nx
else:
    nx = lazy_module("networkx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Transistors standing in the same columns; `span` is their width in gates."""

    nfet: Transistor | None
    pfet: Transistor | None

    @property
    def span(self) -> int:
        """Gates from the first to the last."""
        return max(t.fingers for t in (self.nfet, self.pfet) if t is not None)

    def device(self, kind: str) -> Transistor | None:
        """Return the transistor of a kind."""
        return self.nfet if kind == "nfet" else self.pfet


def column_pairs(
    cell: Subcircuit, partners: Mapping[str, str], alone: Collection[str] = ()
) -> list[Item]:
    """Pair n and p transistors into columns.

    Args:
        cell: folded cell.
        partners: in a cell of two equal halves, the name of the image of each transistor of the first half.
            The images of a pair are a pair; they follow the first half in the same order.
        alone: transistors that get no partner of the other kind.
    """
    images = set(partners.values())
    nfets = [t for t in cell.transistors if t.kind == "nfet" and t.name not in images]
    pfets = [t for t in cell.transistors if t.kind == "pfet" and t.name not in images]
    graph = nx.Graph()
    for i, one in enumerate(nfets):
        for j, two in enumerate(pfets):
            if one.name in alone or two.name in alone:
                continue
            ends = {one.drain, one.source} & {two.drain, two.source}
            weight = 12 * (one.gate == two.gate) + 4 * len(ends) + 1
            weight -= 3 * abs(one.fingers - two.fingers)
            if one.gate == two.gate or len(ends) == 2:
                graph.add_edge(("n", i), ("p", j), weight=weight)
    partner: dict[int, int] = {}
    for a, b in sorted(tuple(sorted(edge)) for edge in nx.max_weight_matching(graph)):
        partner[a[1]] = b[1]
    items = [
        Item(nfet=one, pfet=pfets[partner[i]] if i in partner else None)
        for i, one in enumerate(nfets)
    ]
    used = set(partner.values())
    items += [Item(nfet=None, pfet=two) for j, two in enumerate(pfets) if j not in used]
    if not partners:
        return items
    named = {transistor.name: transistor for transistor in cell.transistors}

    def image(transistor: Transistor | None) -> Transistor | None:
        return None if transistor is None else named[partners[transistor.name]]

    return items + [Item(nfet=image(item.nfet), pfet=image(item.pfet)) for item in items]
