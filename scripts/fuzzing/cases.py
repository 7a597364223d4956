"""One case of `fuzz.py`: what is damaged, where it is sent, and what may come of it."""

import io
import linecache
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from zlib import crc32

import memagents_envs
import numpy as np
from fuzzing.configs import BASES, CONFIG_DAMAGES, WORD_DAMAGES, damaged_config, damaged_words
from fuzzing.entries import FILE_ENTRIES, FOLDER_ENTRIES, FindingError, TooLargeError, Valid, command, train_as
from fuzzing.files import RAW, ZIP
from fuzzing.folders import FOLDER_DAMAGES
from fuzzing.parts import MANIFESTS, REHASHED
from fuzzing.watch import Watch

import memagents
from memagents.errors import MemagentsError

FILES = {**RAW, **ZIP, **MANIFESTS, **REHASHED}
DAMAGES = {
    "file": FILES,
    "run folder": FOLDER_DAMAGES,
    "configuration": CONFIG_DAMAGES,
    "command line": WORD_DAMAGES,
}
KINDS = sorted(
    ((area, damage) for area, damages in DAMAGES.items() for damage in damages),
    key=lambda kind: crc32("/".join(kind).encode()),
)
"""Every kind of damage. They take turns, seed by seed, in an order that is none: a few cases are of all areas."""

SECONDS, MIB = 15.0, 300.0
"""What a case may take in time and memory."""

PACKAGES = tuple(str(Path(package.__file__).parent) for package in (memagents, memagents_envs))


@dataclass(frozen=True)
class Case:
    """What came of one seed.

    Attributes:
        area: what is damaged.
        damage: the kind of damage.
        entry: the way in.
        told: what was done exactly.
        outcome: how it ended.
        finding: what is wrong with that, if anything is.
        seconds: how long it took.
        growth: MiB by which memory grew at most.
    """

    seed: int
    area: str
    damage: str
    entry: str
    told: str
    outcome: str
    finding: str
    seconds: float
    growth: float


@dataclass
class Fuzzer:
    """Tries cases, all of them in this process.

    Args:
        valid: what is damaged.
        scratch: a folder for what is damaged.
    """

    valid: Valid
    scratch: Path
    expected: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = Watch(self.scratch)
        tempfile.tempdir = str(self.scratch)
        for entry in FILE_ENTRIES:  # what torch imports late, and how, belongs to no case
            self.expect(entry, 0)

    def case(self, seed: int) -> Case:
        """Tries the case of a seed."""
        area, damage = KINDS[seed % len(KINDS)]
        self.clear()
        entry, told, send = self.prepared(area, damage, Random(seed))
        outcome, finding = self.outcome(send)
        if self.watch.seconds > SECONDS:
            finding += f"it took {self.watch.seconds:.0f} seconds\n"
        if self.watch.growth > MIB:
            finding += f"memory grew by {self.watch.growth:.0f} MiB\n"
        finding += "".join(f"{event}\n" for event in self.watch.forbidden)
        return Case(seed, area, damage, entry, told, outcome, finding, self.watch.seconds, self.watch.growth)

    def clear(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)

    def prepared(self, area: str, damage: str, random: Random) -> tuple[str, str, Callable[[], str]]:
        """The way in, what was done, and what sends it in."""
        if area == "configuration":
            config, told = damaged_config(random, CONFIG_DAMAGES[damage])
            return "train", told, partial(train_as, config, self.scratch)
        if area == "command line":
            runs = {name: str(self.scratch / name) for name in ("finished", "unfinished")}
            for name, folder in runs.items():
                shutil.copytree(getattr(self.valid, name)(0), folder)
            words, told = damaged_words(runs, random, WORD_DAMAGES[damage])
            return "main", told, partial(command, words)
        base = random.randrange(len(BASES))
        if area == "run folder":
            entry, (source, send) = random.choice(list(FOLDER_ENTRIES.items()))
            folder = shutil.copytree(source(self.valid, base), self.scratch / "run")
            return entry, FOLDER_DAMAGES[damage](folder, random), partial(send, folder)
        entry = random.choice(list(FILE_ENTRIES))
        contents, told = FILES[damage](self.valid.file(entry, base), random)
        told = f"{BASES[base].memory} {BASES[base].algo}, {told}"
        if damage not in REHASHED:
            self.expect(entry, base)
        return entry, told, partial(self.file, entry, base, contents, damage)

    def file(self, entry: str, base: int, contents: bytes, damage: str) -> str:
        """Sends a file in. Whatever hashes can see must not change what comes out."""
        parameters = FILE_ENTRIES[entry](self.valid, base, contents, self.scratch)
        expected = self.expected.get((entry, base))
        if damage not in REHASHED and not np.array_equal(parameters, expected):
            raise FindingError("the parameters are not those that were written")
        return "works"

    def expect(self, entry: str, base: int) -> None:
        """Finds out what comes of an undamaged file."""
        if (entry, base) not in self.expected:
            self.clear()
            with redirect_stderr(io.StringIO()):
                undamaged = self.valid.file(entry, base)
                self.expected[entry, base] = FILE_ENTRIES[entry](self.valid, base, undamaged, self.scratch)
            self.clear()

    def outcome(self, send: Callable[[], str]) -> tuple[str, str]:
        """How it ended, and what is wrong with that."""
        silence = io.StringIO()
        try:
            with (
                self.watch,
                chdir(self.scratch),
                warnings.catch_warnings(),
                redirect_stderr(silence),
                redirect_stdout(silence),
            ):
                warnings.simplefilter("ignore")
                return send(), ""
        except TooLargeError:
            return "accepted, too large", ""
        except Exception as error:
            return type(error).__name__, "" if is_documented(error) else explained(error)


def is_documented(error: Exception) -> bool:
    """Whether an error is of this package, with a text that can help."""
    if len(str(error)) < 20:
        return False
    if isinstance(error, MemagentsError):
        return True
    frame = traceback.extract_tb(error.__traceback__)[-1]
    raised = linecache.getline(frame.filename, frame.lineno or 0).lstrip().startswith("raise ")
    ours = frame.filename.startswith(PACKAGES) or frame.name == "check_for_correct_spaces"
    return isinstance(error, ValueError) and raised and ours


def explained(error: Exception) -> str:
    """The error, and the way to it through this package."""
    frames = traceback.extract_tb(error.__traceback__)
    way = [frame for frame in frames[:-1] if frame.filename.startswith(PACKAGES)][-3:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in [*way, frames[-1]]]
    return f"{type(error).__name__}: {str(error)[:300]}\n  at {' > '.join(places)}\n"
