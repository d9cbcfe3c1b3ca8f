"""What a simulation needs beside a circuit: the simulator, and the models of the process."""

from __future__ import annotations

from nngen.pdk import Pdk
from nngen.tools.models import ModelSource, find_models
from nngen.tools.ngspice import Ngspice, find_ngspice


def find_simulator(pdk: Pdk) -> tuple[Ngspice, ModelSource]:
    """Find ngspice and the models of a PDK.

    Raises:
        ToolNotFoundError: ngspice is not installed; the message names the packages.
        ToolFailedError: it does not start, or its code models are of another version.
        PdkError: there are no models; the message says how to get them.
    """
    return find_ngspice(), find_models(pdk)
