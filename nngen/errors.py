"""Errors a user can meet: one message each, with an exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Sequence


class NngenError(Exception):
    """Base of everything the command line reports as one message.

    Attributes:
        exit_code: process exit code the command line ends with.
    """

    exit_code = 6


class InputError(NngenError):
    """Something the user gave is wrong (exit code 2)."""

    exit_code = 2


class SpecError(InputError):
    """One or more problems in a spec file, all listed in the message."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        """Keep every problem, one line each, already formatted `file:line: path: ...`."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class NetworkError(InputError):
    """A weights or test-input file cannot be used."""


class PdkError(InputError):
    """A PDK folder is missing, incomplete or contradictory."""


class LibraryError(InputError):
    """A cell library is missing, incomplete or does not fit the PDK."""


class InfeasibleError(NngenError):
    """No design meets the requirements; the message names the binding one (exit code 3)."""

    exit_code = 3


class CheckFailedError(NngenError):
    """A check (DRC, LVS, comparison with the golden model) found faults (exit code 4)."""

    exit_code = 4


class ToolNotFoundError(NngenError):
    """An external tool is missing; the message says how to install it (exit code 5)."""

    exit_code = 5


class ToolFailedError(NngenError):
    """An external tool failed: command, exit code and the last lines of its log (exit code 6)."""

    exit_code = 6
