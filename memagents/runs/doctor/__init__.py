"""What ails an environment? `examine` plays it and says what an agent would trip over, and what to do about it.

    memagents doctor --env memagents_envs:MemAgents/TMaze-v0

Every check is a function that takes a `Subject` and returns findings. They are run one after the other, and one that
raises is a finding too.
"""

import warnings
from collections.abc import Callable, Iterable

from memagents.runs.config import DoctorConfig
from memagents.runs.doctor.checkers import gymnasiums_checker, sb3s_checker
from memagents.runs.doctor.findings import Finding, broken, first_line, print_findings
from memagents.runs.doctor.playing import Subject, UnplayableError
from memagents.runs.doctor.single import ends, numbers, observations, seeding, spaces_are_supported, togetherness
from memagents.runs.doctor.snapshots import snapshot
from memagents.runs.doctor.vectors import autoreset, rows_are_single_environments, speed
from memagents.runs.validation import check_env

__all__ = ["DoctorConfig", "Finding", "examine", "is_broken", "print_findings"]

CHECKS: dict[str, Callable[[Subject], Finding]] = {
    "spaces": spaces_are_supported,
    "observations": observations,
    "numbers": numbers,
    "episode ends": ends,
    "seeding": seeding,
    "side by side": togetherness,
    "snapshot": snapshot,
    "autoreset": autoreset,
    "batched": rows_are_single_environments,
    "gymnasium's checker": gymnasiums_checker,
    "SB3's checker": sb3s_checker,
    "speed": speed,
}
"""By the name that the table shows."""


def examine(config: DoctorConfig) -> dict[str, Finding]:
    """All findings, by the name of the check.

    An environment that cannot even be made, or raises while it is played, is not examined any further.

    Raises:
        ValueError: if there is no such environment, it has no argument of a given name, or a number is below 1.
    """
    subject = Subject(**vars(config))
    for name in ("steps", "n_envs"):
        if getattr(subject, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(subject, name)}")
    check_env(subject.env, subject.env_kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what checkers warn of becomes their finding
        try:
            subject.play(subject.make(), seed=subject.seed)
        except UnplayableError as error:
            return {"play": broken(str(error), "it must be made, reset and stepped without an error")}
        return {name: guarded(check, subject) for name, check in CHECKS.items()}


def guarded(check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    """What a check finds; if it raises, that is what it found."""
    try:
        return check(subject)
    except Exception as error:
        return broken(f"raised {type(error).__name__}: {first_line(error)}", "see the message")


def is_broken(findings: Iterable[Finding]) -> bool:
    """Whether anything must be mended before an agent is trained."""
    return any(finding.verdict == "broken" for finding in findings)
