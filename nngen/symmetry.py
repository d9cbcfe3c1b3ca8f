"""Symmetric cells: which transistor, and with it which net, is the mirror image of which.

A cell that is declared symmetric consists of two equal halves. Every transistor has a partner of
equal kind and size, and the partners' terminals give each net its image; a net that both halves
share (a clock, a supply, the tail of a differential pair) is its own image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nngen.errors import LibraryError


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorDevice:
    """What must agree between two partners: kind and sizes; and the terminals in order."""

    size: tuple[str | int, ...]
    nets: tuple[str, ...]


def mirrored_nets(devices: Mapping[str, MirrorDevice], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the image of every net.

    Args:
        devices: all transistors of the cell by name.
        pairs: partners by name.

    Raises:
        LibraryError: a name is unknown, used twice or left out, partners differ, or a net has two
            images. The message is the part after `symmetry`.
    """
    used: set[str] = set()
    for name in (name for pair in pairs for name in pair):
        if name not in devices:
            raise LibraryError(f"names '{name}'; the netlist has no such transistor. Correct the name.")
        if name in used:
            raise LibraryError(f"names '{name}' twice; a transistor has one partner. Remove one.")
        used.add(name)
    for name in devices:
        if name not in used:
            msg = (
                f"lacks '{name}'; every transistor of a symmetric cell has a partner. Pair it; one that "
                "both halves share is written as two of half the width."
            )
            raise LibraryError(msg)
    images: dict[str, str] = {}
    for one, two in pairs:
        if devices[one].size != devices[two].size:
            raise LibraryError(f"pairs '{one}' and '{two}'; they differ in kind or size. Make them equal.")
        for here, there in zip(devices[one].nets, devices[two].nets, strict=True):
            for net, image in ((here, there), (there, here)):
                if images.setdefault(net, image) != image:
                    msg = (
                        f"pairs '{one}' and '{two}'; net '{net}' would be the image of '{image}' and of "
                        f"'{images[net]}'. Correct the pairs, or the order of drain and source."
                    )
                    raise LibraryError(msg)
    return images
