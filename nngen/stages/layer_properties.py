"""Writes a KLayout layer-properties file (`.lyp`) with the PDK's colours."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from nngen.pdk import Pdk
from nngen.pdk_parts import GdsLayer, Layer

# KLayout's stipples: 0 solid, 1 hollow, 2 dotted, 5 and 9 hatched, 4 and 8 hatched the other way.
_STIPPLES = {
    "well": "I2", "active": "I5", "poly": "I9", "implant": "I1", "cut": "I0",
    "metal": "I5", "capacitor": "I9", "marker": "I1",
}  # fmt: skip
_ALTERNATE = "I4"
_HIDDEN_KINDS = {"implant", "marker"}


def write_lyp(pdk: Pdk, path: Path) -> None:
    """Write the layers of `pdk` bottom-up, each with its label and pin layers.

    Neighbouring metals are hatched in opposite directions so that crossings can be told apart.

    Args:
        pdk: technology; `Layer.color` and `Layer.kind` decide the look.
        path: file to write.
    """
    root = Xml.Element("layer-properties")
    for name, layer in pdk.layers.items():
        is_odd_metal = name in pdk.roles.metals and pdk.roles.metals.index(name) % 2 == 1
        stipple = _ALTERNATE if is_odd_metal else _STIPPLES[layer.kind]
        visible = layer.kind not in _HIDDEN_KINDS or name == pdk.roles.boundary
        _entry(root, f"{name} {_numbers(layer.gds)}", layer, layer.gds, stipple, visible=visible)
        for suffix, numbers in (("label", layer.label), ("pin", layer.pin)):
            if numbers is not None:
                text = f"{name}.{suffix} {_numbers(numbers)}"
                _entry(root, text, layer, numbers, "I1", visible=suffix == "label")
    Xml.indent(root)
    document = Xml.ElementTree(root)
    document.write(path, encoding="utf-8", xml_declaration=True)


def _numbers(gds: GdsLayer) -> str:
    """Return `layer/datatype`."""
    return f"{gds[0]}/{gds[1]}"


def _entry(
    root: Xml.Element, name: str, layer: Layer, numbers: GdsLayer, stipple: str, *, visible: bool
) -> None:
    """Append one layer to the list."""
    fields = {
        "frame-color": layer.color,
        "fill-color": layer.color,
        "frame-brightness": "0",
        "fill-brightness": "0",
        "dither-pattern": stipple,
        "valid": "true",
        "visible": "true" if visible else "false",
        "transparent": "false",
        "width": "1",
        "marked": "false",
        "animation": "0",
        "name": name,
        "source": f"{_numbers(numbers)}@1",
    }
    node = Xml.SubElement(root, "properties")
    for key, value in fields.items():
        Xml.SubElement(node, key).text = value
