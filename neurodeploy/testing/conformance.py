"""The conformance suite: what every target promises, checked on graphs inside its capabilities.

Run it by ``pytest --pyargs neurodeploy.testing --target NAME``, or call `run_suite`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from neurodeploy.targets.base import OptionValue
from neurodeploy.testing.check_files import (
    addresses_are_complete,
    artifact_survives_and_refuses_damage,
    bytes_are_deterministic,
    files_name_no_place_or_date,
    resources_are_within_limits,
)
from neurodeploy.testing.check_lowering import (
    accepts_what_it_claims,
    never_mutates,
    says_what_it_changed,
    sources_lead_back,
)
from neurodeploy.testing.check_profile import (
    options_are_checked,
    profile_is_well_formed,
    refuses_by_finding,
)
from neurodeploy.testing.check_results import runners_equal_the_reference
from neurodeploy.testing.subject import Subject

__all__ = ["CHECKS", "Check", "Subject", "run_suite"]

# gives the reason why it had nothing to check, or None
Check = Callable[[Subject], str | None]

CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        profile_is_well_formed,
        options_are_checked,
        refuses_by_finding,
        accepts_what_it_claims,
        never_mutates,
        sources_lead_back,
        says_what_it_changed,
        addresses_are_complete,
        resources_are_within_limits,
        bytes_are_deterministic,
        files_name_no_place_or_date,
        artifact_survives_and_refuses_damage,
        runners_equal_the_reference,
    )
}


def run_suite(
    target: str,
    work: Path,
    *,
    options: Mapping[str, OptionValue] | None = None,
    cases: int = 100,
    runners: tuple[str, ...] | None = None,
) -> dict[str, str]:
    """Run every check and give, for each that fails, its name and what was found.

    Args:
        target: Name of the target profile.
        work: An empty folder for files.
        options: Options to compile with.
        cases: How many random graphs to draw.
        runners: Runners to compare with the reference; all by default.
    """
    subject = Subject(target, work, options or {}, cases, runners)
    failed: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            check(subject)
        except Exception as error:  # whatever a target raises is its failure
            failed[name] = f"{type(error).__name__}: {error}"
    return failed
