"""What a memory's `trace` tells, in words: the title of each quantity, what it means, and what its axes count."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One quantity of a trace, `[T, ...]`.

    Attributes:
        title: its heading.
        meaning: what a reader sees in it, in a line.
        axes: what its axes after time count.
        over_time: whether all steps are shown side by side; else the present one alone, as a picture of the last two
            axes.
        lag: of attention, whose last axis counts steps of the past, the oldest first: how many steps before the present
            one the last of them is. None for other quantities.
        names: of the entries along the last axis.
    """

    title: str
    meaning: str
    axes: tuple[str, ...]
    over_time: bool = True
    lag: int | None = None
    names: tuple[str, ...] = ()


COUNTERS = frozenset({"time", "steps"})
"""Fields of states that count steps, which every figure does anyway."""


def of_controller(*names: str) -> dict[str, Quantity]:
    """What a controller holds itself."""
    known = {
        "hidden": Quantity("Controller: hidden vector", "What the network that works the memory computes.", ("unit",)),
        "cell": Quantity("Controller: cell", "What that network, an LSTM, holds itself, beside the memory.", ("unit",)),
    }
    return {name: known[name] for name in names}


WRITE_WEIGHTS = Quantity(
    "Write weights", "Where it writes: how much of what is written goes to each slot.", ("head", "slot")
)
READ_WEIGHTS = Quantity("Read weights", "Where it reads: how much of each slot is in what is read.", ("head", "slot"))
READS = Quantity("Words read", "What the memory hands to the agent at this step.", ("head", "feature"))
CONTENT = Quantity("Contents", "What every slot holds after this step.", ("slot", "feature"), over_time=False)
STRENGTH = "How sharply slots are told apart when they are looked up by content."
KEY = "What is looked for in the slots."

DNC = {
    "write_weights": Quantity(WRITE_WEIGHTS.title, WRITE_WEIGHTS.meaning, ("slot",)),
    "read_weights": READ_WEIGHTS,
    "write_gate": Quantity("Write gate", "Whether it writes at all: at 0 the memory stays as it is.", ("", "")),
    "usage": Quantity(
        "Usage", "How much each slot is in use, just before it writes; free ones are given out first.", ("slot",)
    ),
    "memory": CONTENT,
    "reads": READS,
    "allocation_gate": Quantity(
        "Allocation gate",
        "How a slot to write to is found: 1 takes a free one, 0 looks one up by content.",
        ("", ""),
    ),
    "free_gates": Quantity(
        "Free gates", "At 1, the slots that were read the step before become free again.", ("head", "")
    ),
    "read_modes": Quantity(
        "Read modes",
        "How a slot to read is found: by content, or as the one written before or after the slot read last.",
        ("head", "mode"),
        names=("backward", "content", "forward"),
    ),
    "allocation": Quantity("Allocation", "Which slot is the freest, and would be given out next.", ("slot",)),
    "precedence": Quantity("Precedence", "How far each slot is the one written last.", ("slot",)),
    "links": Quantity(
        "Links",
        "Which slot (down) was written right after which (across).",
        ("slot", "slot before"),
        over_time=False,
    ),
    "write_vector": Quantity("Write vector", "What is written.", ("", "feature")),
    "erase": Quantity("Erase vector", "What is erased of the slots that are written to.", ("", "feature")),
    "write_key": Quantity("Write key", KEY, ("", "feature")),
    "read_keys": Quantity("Read keys", KEY, ("head", "feature")),
    "write_strength": Quantity("Write strength", STRENGTH, ("", "")),
    "read_strengths": Quantity("Read strengths", STRENGTH, ("head", "")),
    "write_mask": Quantity("Write mask", "Which features a look-up compares.", ("", "feature")),
    "read_masks": Quantity("Read masks", "Which features a look-up compares.", ("head", "feature")),
    "sharpness": Quantity(
        "Sharpness", "The power that links are raised to.", ("head", "direction"), names=("backward", "forward")
    ),
    **of_controller("hidden", "cell"),
}

NTM = {
    "write_weights": WRITE_WEIGHTS,
    "read_weights": READ_WEIGHTS,
    "memory": CONTENT,
    "reads": READS,
    "gates": Quantity(
        "Interpolation gates",
        "At 1 a head looks its slot up by content, at 0 it sets out from where it was. First heads that read, then "
        "those that write.",
        ("head", ""),
    ),
    "shifts": Quantity("Shifts", "How far a head moves along the slots, from back to on.", ("head", "move")),
    "strengths": Quantity("Key strengths", STRENGTH, ("head", "")),
    "exponents": Quantity("Sharpening", "How far a head's weights are drawn to one slot.", ("head", "")),
    "add": Quantity("Add vectors", "What is written.", ("head", "feature")),
    "erase": Quantity("Erase vectors", "What is erased of the slots written to.", ("head", "feature")),
    "keys": Quantity("Keys", KEY, ("head", "feature")),
    **of_controller("hidden", "cell"),
}

MANN = {
    "write_weights": WRITE_WEIGHTS,
    "read_weights": READ_WEIGHTS,
    "usage": Quantity("Usage", "How much, and how lately, each slot was read or written.", ("slot",)),
    "memory": CONTENT,
    "reads": READS,
    "gates": Quantity(
        "Write gates", "At 1 a head writes where it read last, at 0 to the slot least used.", ("head", "")
    ),
    "least_used": Quantity("Least used", "Where the next step may write.", ("slot",)),
    "keys": Quantity("Keys", "What is written, and looked for.", ("head", "feature")),
    **of_controller("hidden", "cell"),
}

HIDDEN = Quantity("Hidden vector", "All that is handed on to the next step, and to the agent.", ("layer", "unit"))

LSTM = {
    "cell": Quantity("Cell", "What it holds, guarded by the gates.", ("layer", "unit")),
    "forget_gates": Quantity("Forget gates", "At 1 a unit keeps what it holds, at 0 it forgets it.", ("layer", "unit")),
    "input_gates": Quantity("Input gates", "At 1 a unit takes in what is new.", ("layer", "unit")),
    "output_gates": Quantity("Output gates", "At 1 a unit shows what it holds.", ("layer", "unit")),
    "hidden": Quantity("Hidden vector", "What the cells show: to the agent, and to the next step.", ("layer", "unit")),
}

GRU = {
    "hidden": HIDDEN,
    "update_gates": Quantity(
        "Update gates", "At 1 a unit keeps what it holds, at 0 it takes what is new.", ("layer", "unit")
    ),
    "reset_gates": Quantity("Reset gates", "At 0 what is held has no say in what is new.", ("layer", "unit")),
}

TRANSFORMER = {
    "attention": Quantity(
        "Attention",
        "Which steps it looks back to: how much of each is in what a head reads. The diagonal is the step itself.",
        ("layer", "head", "step"),
        lag=0,
    ),
    "inputs": Quantity(
        "Kept inputs",
        "What each layer keeps of the steps before, the newest below.",
        ("layer", "place", "feature"),
        over_time=False,
    ),
}

MEMORY_NETWORK = {
    "attention": Quantity(
        "Attention",
        "Which earlier inputs it reads, in one hop after the other. What is missing to 1 goes to a blank slot.",
        ("hop", "step"),
        lag=1,
    ),
    "inputs": Quantity(
        "Kept inputs", "The inputs it can read, the newest below.", ("place", "feature"), over_time=False
    ),
}

HAN = {
    "word_attention": Quantity(
        "Attention to steps", "Which steps it reads, chunk by chunk.", ("chunk", "step of chunk")
    ),
    "attention": Quantity("Attention to chunks", "Which chunks of the episode it reads.", ("chunk",)),
    "pooling": Quantity("Pooling", "Which steps of the open chunk stand for it in its summary.", ("step of chunk",)),
    "sentences": Quantity("Chunks", "The summary of every chunk.", ("chunk", "feature"), over_time=False),
    "words": Quantity("Open chunk", "What it holds of the open chunk.", ("step", "feature"), over_time=False),
    "keys": Quantity("Keys", "What steps are found by.", ("chunk", "step", "feature"), over_time=False),
}

KEPT = "What it can still see of the past, the newest on the right."

KNOWN: dict[str, dict[str, Quantity]] = {
    "dnc": DNC,
    "ntm": NTM,
    "mann": MANN,
    "rnn": {"hidden": HIDDEN},
    "lstm": LSTM,
    "gru": GRU,
    **dict.fromkeys(("transformer", "transformer_xl", "gtrxl"), TRANSFORMER),
    **dict.fromkeys(("memn2n", "kvmemnn"), MEMORY_NETWORK),
    "han": HAN,
    "frame_stack": {
        "frames": Quantity("Frames", "The last inputs, the newest below.", ("place", "feature"), over_time=False)
    },
    "tcn": {
        "inputs": Quantity("Inputs of the first layer", KEPT, ("feature", "place"), over_time=False),
        "hidden": Quantity("Inputs of the other layers, side by side", KEPT, ("channel", "place"), over_time=False),
    },
    "wavenet": {
        "gates": Quantity("Gates", "At 1 a channel is passed on.", ("layer", "channel")),
        "queues": Quantity("Inputs of all layers, side by side", KEPT, ("channel", "place"), over_time=False),
    },
}
"""By the memory's registered name, what is the most telling first."""

SMALL = 512
"""Entries of one step that are still shown side by side with those of all others."""


def quantity(memory: str, name: str, shape: tuple[int, ...]) -> Quantity:
    """What is known of a quantity, or, of a memory that is not ours, what its shape says.

    Args:
        memory: registered name of the memory.
        name: of the quantity in the trace.
        shape: of one step.
    """
    known = KNOWN.get(memory, {}).get(name)
    if known is not None and len(known.axes) == len(shape):
        return known
    axes = tuple(f"axis {i}" for i in range(len(shape)))
    title = name.replace("_", " ").capitalize()
    size = 1
    for length in shape:
        size *= length
    return Quantity(title, f"`{name}`, as the memory traces it.", axes, over_time=len(shape) < 2 or size <= SMALL)
