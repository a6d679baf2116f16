"""The conformance suite as pytest collects it; see `neurodeploy.testing.conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from neurodeploy.testing.conformance import Subject

NAMES = (
    "profile_is_well_formed",
    "options_are_checked",
    "refuses_by_finding",
    "accepts_what_it_claims",
    "never_mutates",
    "sources_lead_back",
    "says_what_it_changed",
    "addresses_are_complete",
    "resources_are_within_limits",
    "bytes_are_deterministic",
    "files_name_no_place_or_date",
    "artifact_survives_and_refuses_damage",
    "runners_equal_the_reference",
)


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Return the target that the command line names."""
    name = request.config.getoption("--target", default=None)
    if name is None:
        pytest.skip("no target was named: pytest --pyargs neurodeploy.testing --target NAME")
    from neurodeploy.testing.conformance import Subject

    given: list[str] = request.config.getoption("--target-option")
    options = dict(o.partition("=")[::2] for o in given)
    work: Path = tmp_path_factory.mktemp("conformance")
    return Subject(name, work, options, request.config.getoption("--target-cases"))


@pytest.mark.parametrize("promise", NAMES)
def test_target(promise: str, subject: Subject) -> None:
    """Check one promise."""
    from neurodeploy.testing.conformance import CHECKS

    reason = CHECKS[promise](subject)
    if reason is not None:
        pytest.skip(reason)
