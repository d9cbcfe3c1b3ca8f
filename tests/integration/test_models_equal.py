"""Flattened cards against the foundry's own subcircuits: equal currents and gate charge."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from nngen.pdk import Pdk, load_pdk
from nngen.tools.models import Device, find_models, flatten
from nngen.tools.ngspice import Job, JobResult, Measurement, NgspicePool, find_ngspice

pytestmark = pytest.mark.ngspice

BULK_V = (0.0, 0.6)
# Below this, ngspice's own convergence tolerance (abstol 1 pA) decides the digits.
FLOOR_A = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A PDK whose foundry models are installed, and sizes in several bins of them.

    `instance` is how its subcircuits take sizes, `edge_nm` a device for the charge.
    """

    name: str
    widths_nm: tuple[int, ...]
    lengths_nm: tuple[int, ...]
    instance: str
    edge_nm: tuple[int, int]

    def sized(self, width_nm: int, length_nm: int) -> str:
        return self.instance.format(w=width_nm / 1000, l=length_nm / 1000)

    def library(self, pdk: Pdk, corner: str) -> str:
        file = find_models(pdk).library
        preface = [f".include {file.parent / name}" for name in pdk.models.preface]
        return "\n".join([*preface, f".lib {file} {pdk.models.sections[corner]}"])


PROCESSES = (
    Process(
        name="sky130", widths_nm=(420, 550, 630, 840, 1000, 1680, 5040), lengths_nm=(150, 180, 250, 500),
        instance="w={w} l={l}", edge_nm=(840, 150),
    ),
    Process(
        name="gf180mcu", widths_nm=(220, 420, 560, 1400, 2800, 5600), lengths_nm=(280, 400, 600, 1300),
        instance="w={w}u l={l}u", edge_nm=(2800, 280),
    ),
)  # fmt: skip
GRIDS = [
    *((PROCESSES[0], corner) for corner in ("tt", "ss", "ff")),
    *((PROCESSES[1], corner) for corner in ("tt", "ss", "ff", "sf", "fs")),
]


def process_name(value: object) -> str:
    return value.name if isinstance(value, Process) else str(value)


def circuit(lines: list[str], models: str) -> str:
    saved = " ".join(f"i(vs{i})" for i in range(sum(line.startswith("vs") for line in lines)))
    return "\n".join(["bias grid", "vd d 0 0", "vg g 0 0", "vb b 0 0", *lines, models, f".save {saved}", ".end", ""])


def sweep(name: str, text: str, sign: int, bulk_v: float, count: int, vdd_v: float) -> Job:
    limits = f"0 {sign * vdd_v:g} {sign * vdd_v / 18:g}"
    return Job(
        name=name, circuit=text, axis="v-sweep",
        commands=(f"alter vb dc = {-sign * bulk_v:g}", f"dc vd {limits} vg {limits}"),
        waveforms=tuple(f"vs{i}#branch" for i in range(count)),
    )  # fmt: skip


def currents(result: JobResult) -> np.ndarray:
    assert result.status == "ok", result.log
    return np.array([result.waveforms[key] for key in sorted(result.waveforms)])


@pytest.mark.parametrize(("process", "corner"), GRIDS, ids=process_name)
@pytest.mark.parametrize("kind", ["nfet", "pfet"])
def test_currents_are_equal(process: Process, corner: str, kind: str) -> None:
    pdk = load_pdk(process.name)
    source = find_models(pdk)
    assert not source.indicative, f"install the models first: nngen pdk install {pdk.name}"
    name = pdk.devices.nfet.model if kind == "nfet" else pdk.devices.pfet.model
    sizes = list(product(process.widths_nm, process.lengths_nm))
    meters = [f"vs{i} s{i} 0 0" for i in range(len(sizes))]
    wrapped = [f"x{i} d g s{i} b {name} {process.sized(*size)}" for i, size in enumerate(sizes)]
    plain = [f"m{i} d g s{i} b {name} w={w / 1000}u l={ln / 1000}u" for i, (w, ln) in enumerate(sizes)]
    devices = [Device(kind="nfet" if kind == "nfet" else "pfet", width_nm=w, length_nm=ln) for w, ln in sizes]
    original = circuit(meters + wrapped, process.library(pdk, corner))
    flat = circuit(meters + plain, flatten(pdk, devices, corner))
    sign, vdd_v = 1 if kind == "nfet" else -1, pdk.supplies.vdd_v
    jobs = [sweep(f"{t[:3]} {b}", t, sign, b, len(sizes), vdd_v) for t in (original, flat) for b in BULK_V]
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


@pytest.mark.parametrize("process", PROCESSES, ids=process_name)
@pytest.mark.parametrize("kind", ["nfet", "pfet"])
def test_gate_charge_is_equal(process: Process, kind: str) -> None:
    """Charge into the gate over a 1 ns ramp of the whole supply, within 0.1 %."""
    pdk = load_pdk(process.name)
    name = pdk.devices.nfet.model if kind == "nfet" else pdk.devices.pfet.model
    vdd_v = pdk.supplies.vdd_v
    rail = 0.0 if kind == "nfet" else vdd_v
    ramp = [f"vr r 0 {vdd_v}", f"vd d 0 {rail}", f"vg g 0 pwl(0 0 1n {vdd_v})"]

    def job(device: str, models: str) -> Job:
        bulk = "0" if kind == "nfet" else "r"
        text = "\n".join(["charge", *ramp, device.format(bulk=bulk), models, ".end", ""])
        charge = Measurement(name="q", vector="vg#branch", kind="integral", begin=0.0, end=1.2e-9)
        return Job(name=device[:1], circuit=text, commands=("tran 2p 1.2n",), measurements=(charge,), end=1.2e-9)

    width_nm, length_nm = process.edge_nm
    device = Device(kind="nfet" if kind == "nfet" else "pfet", width_nm=width_nm, length_nm=length_nm)
    plain = f"w={width_nm / 1000}u l={length_nm / 1000}u ad=0 as=0 pd=0 ps=0"
    jobs = [
        job(f"x1 d g d {{bulk}} {name} {process.sized(width_nm, length_nm)}", process.library(pdk, "tt")),
        job(f"m1 d g d {{bulk}} {name} {plain}", flatten(pdk, [device], "tt")),
    ]
    with NgspicePool(find_ngspice(), workers=1) as pool:
        original, flat = pool.run(jobs)
    assert original.status == flat.status == "ok"
    assert abs(original.values["q"]) > 1e-16
    assert flat.values["q"] == pytest.approx(original.values["q"], rel=1e-3)
