"""The report of a build: `report.json` for programs and `report.html` for people."""

from nngen.report.contract import Verdict, check_report, not_run, verdicts
from nngen.report.writing import write_report

__all__ = ["Verdict", "check_report", "not_run", "verdicts", "write_report"]
