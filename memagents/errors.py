"""What can go wrong, as one family of errors, beside ValueError for an argument.

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


class CheckpointError(MemagentsError):
    """A model file, a checkpoint or a file of a run cannot be read or written."""


class EmptyFileError(CheckpointError, ValueError):
    """The file has no contents: its writing never began, or the disk was full."""


class TruncatedFileError(CheckpointError, ValueError):
    """The file begins as a model file does, and breaks off."""


class NotAModelFileError(CheckpointError, ValueError):
    """The file is something else."""


class DamagedFileError(CheckpointError, ValueError):
    """The contents are not those that were written: a size or a hash differs, or they say what no file of ours says."""


class NewerSchemaError(CheckpointError, ValueError):
    """The file was written by a later version of this package."""


class MissingPartError(CheckpointError, ValueError):
    """A part that a file of this kind has is not in it, or a file that a run has is not in its folder."""


class UnsafePartError(CheckpointError, ValueError):
    """The file holds a part that no file of ours has: a path, or something that its table of contents leaves out."""


class PickleRefusedError(CheckpointError, ValueError):
    """The file holds a pickle, which can run any code when it is read."""


class OtherArchitectureError(CheckpointError, ValueError):
    """The parameters in the file belong to another algorithm or another network."""


class MissingObjectError(CheckpointError, ValueError):
    """The model was made with something that no file can hold, and it was not given to `load`."""


class CheckpointWriteError(CheckpointError):
    """A file could not be written; what was there before is still there."""


class RunInUseError(MemagentsError, ValueError):
    """Another process writes to this run folder."""


class MissingExtraError(MemagentsError, ImportError):
    """What was asked for needs a package that is not installed; the message has the command that installs it."""
