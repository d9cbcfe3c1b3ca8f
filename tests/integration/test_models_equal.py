"""Flattened cards against the foundry's own subcircuits: equal currents and gate charge."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nngen.pdk import load_pdk
from nngen.tools.models import Device, find_models, flatten
from nngen.tools.ngspice import Job, JobResult, Measurement, NgspicePool, find_ngspice

pytestmark = pytest.mark.ngspice

WIDTHS_NM = (420, 550, 630, 840, 1000, 1680, 5040)
LENGTHS_NM = (150, 180, 250, 500)
BULK_V = (0.0, 0.6)
# Below this, ngspice's own convergence tolerance (abstol 1 pA) decides the digits.
FLOOR_A = 1e-9


def circuit(lines: list[str], models: str) -> str:
    saved = " ".join(f"i(vs{i})" for i in range(sum(line.startswith("vs") for line in lines)))
    return "\n".join(["bias grid", "vd d 0 0", "vg g 0 0", "vb b 0 0", *lines, models, f".save {saved}", ".end", ""])


def sweep(name: str, text: str, sign: int, bulk_v: float, count: int) -> Job:
    limits = f"0 {sign * 1.8:g} {sign * 0.1:g}"
    return Job(
        name=name, circuit=text, axis="v-sweep",
        commands=(f"alter vb dc = {-sign * bulk_v:g}", f"dc vd {limits} vg {limits}"),
        waveforms=tuple(f"vs{i}#branch" for i in range(count)),
    )  # fmt: skip


def currents(result: JobResult) -> np.ndarray:
    assert result.status == "ok", result.log
    return np.array([result.waveforms[key] for key in sorted(result.waveforms)])


@pytest.mark.parametrize("corner", ["tt", "ss", "ff"])
@pytest.mark.parametrize("kind", ["nfet", "pfet"])
def test_currents_are_equal(corner: str, kind: str) -> None:
    pdk = load_pdk("sky130")
    source = find_models(pdk)
    assert not source.indicative, "install the models first: nngen pdk install sky130"
    name = pdk.devices.nfet.model if kind == "nfet" else pdk.devices.pfet.model
    sizes = list(product(WIDTHS_NM, LENGTHS_NM))
    meters = [f"vs{i} s{i} 0 0" for i in range(len(sizes))]
    wrapped = [f"x{i} d g s{i} b {name} w={w / 1000} l={ln / 1000}" for i, (w, ln) in enumerate(sizes)]
    plain = [f"m{i} d g s{i} b {name} w={w / 1000}u l={ln / 1000}u" for i, (w, ln) in enumerate(sizes)]
    devices = [Device(kind="nfet" if kind == "nfet" else "pfet", width_nm=w, length_nm=ln) for w, ln in sizes]
    original = circuit(meters + wrapped, f".lib {source.library} {pdk.models.sections[corner]}")
    flat = circuit(meters + plain, flatten(pdk, devices, corner))
    sign = 1 if kind == "nfet" else -1
    jobs = [sweep(f"{t[:3]} {b}", t, sign, b, len(sizes)) for t in (original, flat) for b in BULK_V]
    with NgspicePool(find_ngspice(), workers=1) as pool:
        results = [currents(result) for result in pool.run(jobs)]
    for reference, card in zip(results[:2], results[2:], strict=True):
        assert reference.shape == (len(sizes), 19 * 19)
        conducting = np.abs(reference) > FLOOR_A
        assert conducting.sum() > 0.4 * conducting.size
        assert np.max(np.abs(reference)) > 1e-4
        relative = np.abs(card - reference)[conducting] / np.abs(reference[conducting])
        assert relative.max() < 1e-3
        assert np.abs(card - reference)[~conducting].max() < 1e-3 * FLOOR_A


@pytest.mark.parametrize("kind", ["nfet", "pfet"])
def test_gate_charge_is_equal(kind: str) -> None:
    """Charge into the gate over a 1 ns ramp of the whole supply, within 0.1 %."""
    pdk = load_pdk("sky130")
    name = pdk.devices.nfet.model if kind == "nfet" else pdk.devices.pfet.model
    rail = 0.0 if kind == "nfet" else 1.8
    ramp = ["vr r 0 1.8", f"vd d 0 {rail}", "vg g 0 pwl(0 0 1n 1.8)"]
    def job(device: str, models: str) -> Job:
        bulk = "0" if kind == "nfet" else "r"
        text = "\n".join(["charge", *ramp, device.format(bulk=bulk), models, ".end", ""])
        charge = Measurement(name="q", vector="vg#branch", kind="integral", begin=0.0, end=1.2e-9)
        return Job(name=device[:1], circuit=text, commands=("tran 2p 1.2n",), measurements=(charge,), end=1.2e-9)

    device = Device(kind="nfet" if kind == "nfet" else "pfet", width_nm=840, length_nm=150)
    jobs = [
        job(f"x1 d g d {{bulk}} {name} w=0.84 l=0.15", f".lib {find_models(pdk).library} tt"),
        job(f"m1 d g d {{bulk}} {name} w=0.84u l=0.15u ad=0 as=0 pd=0 ps=0", flatten(pdk, [device], "tt")),
    ]
    with NgspicePool(find_ngspice(), workers=1) as pool:
        original, flat = pool.run(jobs)
    assert original.status == flat.status == "ok"
    assert abs(original.values["q"]) > 1e-16
    assert flat.values["q"] == pytest.approx(original.values["q"], rel=1e-3)
