"""What the checkers of gymnasium and stable-baselines3 say."""

import warnings
from collections.abc import Callable

from gymnasium.utils.env_checker import check_env as check_as_gymnasium
from stable_baselines3.common.env_checker import check_env as check_as_sb3

from memagents.runs.doctor.findings import Finding, broken, first_line, ok, warning
from memagents.runs.doctor.playing import Subject

OF_NO_CONCERN = ("is different from the unwrapped version", "Not able to test alternative render modes")
"""Warnings about how the checker is called, not about the environment: an adapted one is meant to be wrapped."""


def gymnasiums_checker(subject: Subject) -> Finding:
    """Whether gymnasium's `check_env` passes."""
    return run(lambda: check_as_gymnasium(subject.make(), skip_render_check=True))


def sb3s_checker(subject: Subject) -> Finding:
    """Whether stable-baselines3's `check_env` passes."""
    return run(lambda: check_as_sb3(subject.make(), warn=True))


def run(check: Callable[[], None]) -> Finding:
    """What a checker says."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check()
        except Exception as error:
            return broken(f"{type(error).__name__}: {first_line(error)}", "as it says")
    said = [first_line(each.message) for each in caught]
    said = [line for line in dict.fromkeys(said) if not any(part in line for part in OF_NO_CONCERN)]
    if not said:
        return ok("passes")
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return warning(f"passes, and warns: {said[0]}{more}", "as it says, if it matters to you")
