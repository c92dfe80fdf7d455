"""Everything there is to look at, in the order in which one thing needs another."""

from collections.abc import Iterator

from hitpredict.diagnosis.finding import Finding
from hitpredict.diagnosis.machine import folder_findings, machine_findings, program_findings
from hitpredict.diagnosis.packages import package_findings
from hitpredict.diagnosis.trials import codec_findings, scoring_findings


def findings() -> Iterator[Finding]:
    """Look at this machine; each finding comes as soon as it is made."""
    yield from machine_findings()
    yield from package_findings()
    yield from folder_findings()
    yield from program_findings()
    yield from codec_findings()
    yield from scoring_findings()
