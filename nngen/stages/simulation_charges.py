"""What the supplies of a crossbar give in a conversion, put together from jobs of some columns each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SEQUENCER_SUPPLY = "vdd_seq"
ROW_SOURCES = frozenset({"vdd_rows", "rampp", "rampn"})
"""What drives rows: their supply, and the ramps of pulse-width inputs."""
PREFIX = "charge_"


class Charges:
    """Charges of the jobs of one crossbar."""

    def __init__(self, jobs: int) -> None:
        """Begin without any.

        Args:
            jobs: simulations that share all columns of a conversion.
        """
        self._jobs = jobs
        self._found: dict[str, list[float]] = {}
        self._rows_alone: dict[str, list[float]] = {}

    def take(self, values: Mapping[str, float], loads_c: Mapping[str, float], *, columns: bool) -> None:
        """Keep what a job drew; of rows less what its loads drew.

        Args:
            values: measurements of the job, of which `charge_<supply>` count; what is drawn is negative.
            loads_c: what each source gives there to loads in place of columns.
            columns: whether the job has columns, or its rows alone.
        """
        for key, value in values.items():
            if not key.startswith(PREFIX):
                continue
            source = key.removeprefix(PREFIX)
            drawn_c = -value - loads_c.get(source, 0.0)
            if columns:
                self._found.setdefault(source, []).append(drawn_c)
            elif source in ROW_SOURCES:
                self._rows_alone.setdefault(source, []).append(drawn_c)

    def mean_c(self) -> dict[str, float]:
        """Return the mean charge of a conversion by supply, in coulomb; one that is not known is missing.

        Columns draw in one job each, and the sequencer draws the same in all. Rows draw for a job's columns and
        for themselves: Q = jobs * mean(Q_job) - (jobs - 1) * Q_alone.
        """
        charges = {}
        for key, found in sorted(self._found.items()):
            mean_c = float(np.mean(found))
            if key == SEQUENCER_SUPPLY:
                charges[key] = mean_c
            elif key not in ROW_SOURCES or self._jobs == 1:
                charges[key] = self._jobs * mean_c
            elif key in self._rows_alone:
                charges[key] = self._jobs * mean_c - (self._jobs - 1) * float(np.mean(self._rows_alone[key]))
        return charges
