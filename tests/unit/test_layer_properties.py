"""The layer-properties file loads in KLayout and names every layer."""

from __future__ import annotations

from pathlib import Path

import klayout.lay as klay

from nngen.pdk import load_pdk
from nngen.stages.layer_properties import write_lyp


def test_klayout_reads_every_layer(tmp_path: Path) -> None:
    """Each drawn, label and pin layer arrives with its numbers and colour."""
    pdk = load_pdk("sky130")
    path = tmp_path / "sky130.lyp"
    write_lyp(pdk, path)
    view = klay.LayoutView()
    view.load_layer_props(str(path))
    shown = {(node.source_layer, node.source_datatype): node for node in view.each_layer()}
    for layer in pdk.layers.values():
        for numbers in (layer.gds, layer.label, layer.pin):
            if numbers is not None:
                assert shown[numbers].fill_color & 0xFFFFFF == int(layer.color[1:], 16)
    assert shown[pdk.layers["met1"].gds].name == "met1 68/20"


def test_output_is_reproducible(tmp_path: Path) -> None:
    """Two writes give the same bytes."""
    pdk = load_pdk("sky130")
    write_lyp(pdk, tmp_path / "a.lyp")
    write_lyp(pdk, tmp_path / "b.lyp")
    assert (tmp_path / "a.lyp").read_bytes() == (tmp_path / "b.lyp").read_bytes()
