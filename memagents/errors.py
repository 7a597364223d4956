"""What can go wrong, by kind: every error the package raises of its own accord, beside ValueError for an argument."""


class MemagentsError(Exception):
    """Any error of this package that is not a plain ValueError."""


class CheckpointError(MemagentsError):
    """A model file or checkpoint cannot be read or written."""


class EmptyFileError(CheckpointError, ValueError):
    """The file has no contents: its writing never began, or the disk was full."""


class TruncatedFileError(CheckpointError, ValueError):
    """The file begins as a model file does, and breaks off."""


class NotAModelFileError(CheckpointError, ValueError):
    """The file is something else."""


class DamagedFileError(CheckpointError, ValueError):
    """The contents are not those that were written: a size or a hash differs."""


class NewerSchemaError(CheckpointError, ValueError):
    """The file was written by a later version of this package."""


class MissingPartError(CheckpointError, ValueError):
    """A part that a file of this kind has is not in it."""


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
