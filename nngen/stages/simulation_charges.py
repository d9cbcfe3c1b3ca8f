"""What the supplies of a crossbar give in a bit-plane, put together from jobs of some columns each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROWS_SUPPLY, SEQUENCER_SUPPLY = "vdd_rows", "vdd_seq"
PREFIX = "charge_"


class Charges:
    """Charges of the jobs of one crossbar."""

    def __init__(self, jobs: int) -> None:
        """Begin without any.

        Args:
            jobs: simulations that share all columns of a bit-plane.
        """
        self._jobs = jobs
        self._found: dict[str, list[float]] = {}
        self._rows_alone: list[float] = []

    def take(self, values: Mapping[str, float], load_c: float, *, columns: bool) -> None:
        """Keep what a job drew; of rows less what its loads drew.

        Args:
            values: measurements of the job, of which `charge_<supply>` count; what is drawn is negative.
            load_c: what rows give there to loads in place of columns.
            columns: whether the job has columns, or its rows alone.
        """
        drawn_c = {key.removeprefix(PREFIX): -value for key, value in values.items() if key.startswith(PREFIX)}
        if ROWS_SUPPLY in drawn_c:
            drawn_c[ROWS_SUPPLY] -= load_c
        if columns:
            for key, charge_c in drawn_c.items():
                self._found.setdefault(key, []).append(charge_c)
        elif ROWS_SUPPLY in drawn_c:
            self._rows_alone.append(drawn_c[ROWS_SUPPLY])

    def mean_c(self) -> dict[str, float]:
        """Return the mean charge of a bit-plane by supply, in coulomb; one that is not known is missing.

        Columns draw in one job each, and the sequencer draws the same in all. Rows draw for a job's columns and
        for themselves: Q = jobs * mean(Q_job) - (jobs - 1) * Q_alone.
        """
        charges = {}
        for key, found in sorted(self._found.items()):
            mean_c = float(np.mean(found))
            if key == SEQUENCER_SUPPLY:
                charges[key] = mean_c
            elif key != ROWS_SUPPLY or self._jobs == 1:
                charges[key] = self._jobs * mean_c
            elif self._rows_alone:
                charges[key] = self._jobs * mean_c - (self._jobs - 1) * float(np.mean(self._rows_alone))
        return charges
