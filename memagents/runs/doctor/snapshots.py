"""Whether an environment can be stopped in the middle of an episode and go on exactly."""

import copy
import pickle
from typing import Any

from memagents.runs.doctor.findings import Finding, broken, ok, warning
from memagents.runs.doctor.playing import Env, Subject, first_difference, go_on, moments


def snapshot(subject: Subject) -> Finding:
    """How a run that resumes gets its environments back: "protocol", "exact" or "restarts episodes".

    Both ways are tried out: half of the steps are played, the state is taken, and the other half is played twice.
    """
    env = subject.make()
    inner = env.unwrapped
    if hasattr(inner, "get_state") and hasattr(inner, "set_state"):
        return protocol(subject, inner)
    for how, clone in (("copy.deepcopy", copy.deepcopy), ("pickle", through_pickle)):
        if continues(subject, subject.make(), clone):
            return ok(f"exact: {how} of it goes on alike")
    return warning(
        "restarts episodes: neither a copy nor a pickle of it goes on alike",
        "give it get_state() and set_state(state), with random generators, if runs must resume exactly",
    )


def protocol(subject: Subject, env: Any) -> Finding:
    """Tries `get_state` and `set_state`."""
    first, second = halves(subject, env)
    list(moments(env, first, subject.seed))
    state = env.get_state()
    expected = list(go_on(env, second))
    env.set_state(state)
    step = first_difference(expected, list(go_on(env, second)))
    if step is None:
        return ok("protocol: after set_state(get_state()) it goes on alike")
    return broken(
        f"protocol: after set_state(get_state()) it differs at step {step}",
        "the state must hold all that decides what comes next, random generators too, copied",
    )


def continues(subject: Subject, env: Env, clone: Any) -> bool:
    """Whether a clone, made in the middle, goes on as the original does."""
    first, second = halves(subject, env)
    list(moments(env, first, subject.seed))
    try:
        twin = clone(env)
        return first_difference(list(go_on(env, second)), list(go_on(twin, second))) is None
    except Exception:  # whatever keeps a clone from being made or played, it is no way to resume
        return False


def halves(subject: Subject, env: Env) -> tuple[list[Any], list[Any]]:
    """The actions before and after."""
    actions = subject.actions(env)
    return actions[: len(actions) // 2], actions[len(actions) // 2 :]


def through_pickle(env: Env) -> Any:
    """A copy that went through bytes."""
    return pickle.loads(pickle.dumps(env))
