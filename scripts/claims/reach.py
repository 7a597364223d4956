"""What is claimed of recurrence, convolution and attention: how far back they reach."""

from dataclasses import replace

from claims.marks import CHANCE_MARGIN, Experiment, Mark

from memagents.sequence_tasks import Curriculum, TrainingSettings, make_task
from memagents.sequence_tasks.training import Schedule

# Bai, Kolter, Koltun 2018, tables 1 and 2; a shorter receptive field than theirs is enough, and costs less.
ADDING = TrainingSettings(
    learning_rate=2e-3,
    clip_norm=1.0,
    batch_size=32,
    steps=6_000,
    evaluate_every=100,
    goal_loss=5e-4,
    minutes=40.0,
    curriculum=Curriculum("length", start=20, factor=1.5, below=0.005, every=25),
)
ADDING_GRU = Experiment(
    name="adding/gru",
    task="adding",
    memory="gru",
    memory_options={"hidden_size": 64},
    settings=ADDING,
    published="5.3e-5 at 600 steps (Bai et al. 2018, table 1)",
    marks=(Mark("loss", "<=", 1e-3),),
)
ADDING_TCN = replace(
    ADDING_GRU,
    name="adding/tcn",
    memory="tcn",
    memory_options={"hidden_size": 24, "num_layers": 6, "kernel_size": 7},
    published="5.8e-5 at 600 steps (Bai et al. 2018, table 1)",
    seeds=1,
)
ADDING_WAVENET = replace(
    ADDING_GRU,
    name="adding/wavenet",
    memory="wavenet",
    memory_options={"hidden_size": 24, "num_layers": 10},
    settings=replace(ADDING, schedule="linear"),
    published="none for this task; its receptive field of 1,024 steps covers it",
    seeds=1,
)

COPY_MEMORY = TrainingSettings(
    learning_rate=1e-3, clip_norm=1.0, batch_size=32, steps=6_000, evaluate_every=200, eval_sequences=128, minutes=30.0
)
COPY_MEMORY_TCN = Experiment(
    name="copy-memory/tcn",
    task="copy_memory",
    memory="tcn",
    memory_options={"hidden_size": 10, "num_layers": 7, "kernel_size": 8},
    settings=replace(COPY_MEMORY, goal_loss=5e-4),
    published="3.5e-5 at T = 1,000 (Bai et al. 2018, table 1)",
    marks=(Mark("loss", "<=", 1e-3),),
)
COPY_MEMORY_WAVENET = replace(
    COPY_MEMORY_TCN,
    name="copy-memory/wavenet",
    memory="wavenet",
    # As many taps as the TCN, like the gated TCN of the paper: with two, a single path of ten layers leads to a digit.
    memory_options={"hidden_size": 10, "num_layers": 8, "kernel_size": 8},
    settings=replace(COPY_MEMORY, learning_rate=2e-3, schedule="linear", steps=4_000, goal_loss=0.01),
    published="gated TCN 'converged to a worse result than TCN with ReLU (though still better than recurrent models)', "
    "of which the best is 0.0197 (Bai et al. 2018, appendix D and table 1)",
    marks=(Mark("loss", "<=", 0.0197),),
    seeds=1,
    tried="ten layers of two taps, 16 channels and a constant learning rate stay at chance as well, in three seeds.",
)


def copy_memory_at_chance(memory: str, hidden_size: int, published: float, seeds: int) -> Experiment:
    """A recurrent network that cannot hold ten digits for a thousand steps, about as large as the paper's."""
    return replace(
        COPY_MEMORY_TCN,
        name=f"copy-memory/{memory}",
        memory=memory,
        memory_options={"hidden_size": hidden_size},
        settings=replace(COPY_MEMORY, steps=2_000),
        published=f"{published}, which is chance, at T = 1,000 (Bai et al. 2018, table 1)",
        marks=(Mark("loss", ">=", CHANCE_MARGIN * COPY_MEMORY_TCN.make_task().chance.loss),),
        seeds=seeds,
    )


INDUCTION_TRANSFORMER = Experiment(
    name="induction-heads/transformer",
    task="induction_heads",
    memory="transformer",
    memory_options={"hidden_size": 64, "num_layers": 2, "num_heads": 4, "window": 256},
    settings=TrainingSettings(
        learning_rate=1e-3,
        clip_norm=1.0,
        batch_size=16,
        steps=8_000,
        evaluate_every=200,
        goal_error=0.004,
        minutes=40.0,
        curriculum=Curriculum("length", start=8, factor=1.3, below=0.1),
    ),
    published="99.6 to 100 % right at the trained length of 256 (Gu and Dao 2023, table 11)",
    marks=(Mark("error", "<=", 0.01),),
)


def windows(
    memory: str, num_layers: int, window: int, published: str, schedule: Schedule = "constant", tried: str = ""
) -> Experiment:
    """A transformer whose layers each look `window` steps back, so that recall ends exactly at their sum."""
    reach = num_layers * window
    tests = {
        f"at distances 1 to {window}": {"min_distance": 1, "max_distance": window},
        f"at {window + 1} to {reach}": {"min_distance": window + 1, "max_distance": reach},
        f"at {reach + 1} to {2 * reach}": {"min_distance": reach + 1, "max_distance": 2 * reach},
    }
    if num_layers == 1:
        del tests[f"at {window + 1} to {reach}"]
    *inside, beyond = tests
    return Experiment(
        name=f"delayed-recall-{num_layers}x{window}/{memory}",
        task="delayed_recall",
        task_options={"max_distance": reach},
        memory=memory,
        memory_options={"hidden_size": 32, "num_layers": num_layers, "num_heads": 2, "window": window},
        settings=TrainingSettings(
            learning_rate=2e-3,
            schedule=schedule,
            clip_norm=1.0,
            batch_size=64,
            steps=8_000,
            evaluate_every=200,
            goal_error=0.002,
            minutes=20.0,
            curriculum=Curriculum("max_distance", start=4, factor=1.3, below=0.1),
        ),
        tests=tests,
        published=published,
        marks=(
            *(Mark("error", "<=", 0.01, test=test) for test in inside),
            Mark("error", ">=", CHANCE_MARGIN * make_task("delayed_recall").chance.error, test=beyond),
        ),
        tried=tried,
    )


REACH = "the longest dependency grows with layers times window"
WINDOWS = (
    windows("transformer", 1, 32, "by construction: all of a window is in sight, and nothing beyond"),
    windows("transformer_xl", 3, 16, f"{REACH} (Dai et al. 2019, section 3.2)"),
    windows(
        "gtrxl",
        3,
        16,
        f"{REACH} (Dai et al. 2019, section 3.2; Parisotto et al. 2020)",
        "linear",
        tried="the third seed is wrong in 1.7 % beyond its window after all of its updates, and was so, at 1.8 %, when "
        "a clock had cut them short: it is not time that is missing.",
    ),
)

CHUNKS = TrainingSettings(learning_rate=2e-3, clip_norm=1.0, batch_size=32, steps=2_000, goal_error=0.005, minutes=30.0)
CHUNKED_HAN = Experiment(
    name="chunked-recall/han",
    task="chunked_recall",
    memory="han",
    memory_options={"hidden_size": 72, "chunk_size": 8},
    settings=CHUNKS,
    published="none for this task; attention over chunks, then inside them, finds what recurrence forgets (Lampinen et "
    "al. 2021, on tasks of this kind)",
    marks=(Mark("error", "<=", 0.01),),
    beats="chunked-recall/gru",
)
CHUNKED_GRU = replace(
    CHUNKED_HAN,
    name="chunked-recall/gru",
    memory="gru",
    memory_options={"hidden_size": 150},
    published="for comparison, with as many parameters",
    marks=(),
    beats=None,
)

REACHING_BACK = (
    ADDING_GRU,
    ADDING_TCN,
    ADDING_WAVENET,
    COPY_MEMORY_TCN,
    COPY_MEMORY_WAVENET,
    copy_memory_at_chance("rnn", 80, 0.0202, seeds=3),
    copy_memory_at_chance("lstm", 60, 0.0204, seeds=1),
    INDUCTION_TRANSFORMER,
    *WINDOWS,
    CHUNKED_HAN,
    CHUNKED_GRU,
)
