"""Symmetric cells: the image of every net, and what cannot be mirrored."""

from __future__ import annotations

import re

import pytest

from nngen.errors import LibraryError
from nngen.symmetry import MirrorDevice, mirrored_nets


def device(*nets: str, size: tuple[str, ...] = ("nfet", "w=1")) -> MirrorDevice:
    return MirrorDevice(size=size, nets=nets)


LATCH = {
    "Ma": device("oa", "ob", "tail", "vss"),
    "Mb": device("ob", "oa", "tail", "vss"),
    "Mc": device("tail", "clk", "vss", "vss"),
    "Md": device("tail", "clk", "vss", "vss"),
}


def test_nets_have_images_in_the_order_of_the_pairs() -> None:
    images = mirrored_nets(LATCH, [("Ma", "Mb"), ("Mc", "Md")])
    assert list(images.items()) == [
        ("oa", "ob"), ("ob", "oa"), ("tail", "tail"), ("vss", "vss"), ("clk", "clk"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "pairs", "message"),
    [
        (LATCH, [("Ma", "Me")], "names 'Me'; the netlist has no such transistor. Correct the name."),
        (
            LATCH, [("Ma", "Mb"), ("Ma", "Mc")],
            "names 'Ma' twice; a transistor has one partner. Remove one.",
        ),
        (
            LATCH, [("Ma", "Mb")],
            "lacks 'Mc'; every transistor of a symmetric cell has a partner. Pair it; one that both halves "
            "share is written as two of half the width.",
        ),
        (
            LATCH | {"Mb": device("ob", "oa", "tail", "vss", size=("nfet", "w=2"))}, [("Ma", "Mb"), ("Mc", "Md")],
            "pairs 'Ma' and 'Mb'; they differ in kind or size. Make them equal.",
        ),
        (
            LATCH, [("Ma", "Mc"), ("Mb", "Md")],
            "pairs 'Ma' and 'Mc'; net 'tail' would be the image of 'vss' and of 'oa'. Correct the pairs, or the "
            "order of drain and source.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_mirrored(
    devices: dict[str, MirrorDevice], pairs: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(LibraryError, match=f"^{re.escape(message)}$"):
        mirrored_nets(devices, pairs)
