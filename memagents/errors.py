"""What can go wrong at the edges of a run, as one family of errors.

Every message says what was got, what was expected and what to do. What a user would look for as a ValueError is one.
"""


class MemagentsError(Exception):
    """The family of all errors below."""


class BoundaryError(MemagentsError):
    """What came from an environment, or was about to go to one, cannot be used.

    Attributes:
        environment: index of the environment, where it is known.
        step: how many steps each environment had taken, this one included; 0 is the first observation of all.
    """

    def __init__(self, message: str, *, environment: int | None = None, step: int | None = None) -> None:
        super().__init__(message)
        self.environment, self.step = environment, step


class NonFiniteObservation(BoundaryError, ValueError):
    """An observation holds NaN or infinity; it has not entered a memory."""


class NonFiniteReward(BoundaryError, ValueError):
    """A reward is NaN or infinite; it has not entered a rollout."""


class NonFiniteAction(BoundaryError, ValueError):
    """The agent chose an action that is NaN or infinite; no environment has seen it."""


class ObservationOutsideSpace(BoundaryError, ValueError):
    """An observation has another shape than its space, or a category that the space does not have."""


class EnvironmentFailed(BoundaryError):
    """An environment raised an error, which is the `__cause__` of this one."""


class EnvironmentTimeout(BoundaryError):
    """An environment did not answer in time; its process has been ended."""


class EnvironmentWorkerDied(BoundaryError):
    """The process of an environment ended by itself, or was ended from outside.

    Attributes:
        exit_code: of the process; -9 is the signal 9, SIGKILL. None where it is not known.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, **where: int | None) -> None:
        super().__init__(message, **where)
        self.exit_code = exit_code


class NonFiniteUpdate(MemagentsError, ValueError):
    """A gradient or a parameter is NaN or infinite; no optimizer has taken it, and no file holds it."""
