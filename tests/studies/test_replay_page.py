"""The page of a replay: one small file that is well-formed, fetches nothing, and tells what was traced."""

import base64
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from replays import made_up, replay_of

from memagents import list_memories
from memagents.studies.replay_page import page, write_replay
from memagents.studies.replay_page.panels import by_step, components, of_memory
from memagents.studies.replay_page.quantities import COUNTERS, KNOWN
from memagents.studies.replay_page.summary import summary

HOSTILE = """<script>alert("x")</script>&amp;' ${title} ]]> \u202e\x00"""
LIMIT = 5e6
"""Bytes of a page."""


def parse(text: str) -> ElementTree.Element:
    bare = re.sub(r"(<(script|style)[^>]*>).*?(</\2>)", r"\1\3", text.removeprefix("<!doctype html>"), flags=re.DOTALL)
    return ElementTree.fromstring(bare)


def text_of(node: ElementTree.Element) -> str:
    return " ".join("".join(node.itertext()).split())


def values_of(text: str) -> list[dict]:
    (values,) = re.findall(r'<script type="application/json" id="values">(.*?)</script>', text)
    return json.loads(values)


@pytest.mark.parametrize("memory", list_memories())
def test_every_quantity_of_every_memory_is_explained_drawn_and_said_in_words(memory, make_run):
    replay = replay_of(make_run, memory)
    text = page(replay)
    root = parse(text)
    for shown, episode in zip(values_of(text), replay.episodes, strict=True):
        traced = {name for name, values in episode.memory.items() if values.size} - COUNTERS
        assert traced <= KNOWN.get(memory, {}).keys()
        assert traced <= shown["panels"].keys()
        for name in traced:
            panel = shown["panels"][name]
            assert panel["shape"][0] == shown["steps"] == len(episode.actions)
            read = np.frombuffer(base64.b64decode(panel["data"]), "<u2") / 65535 * (panel["high"] - panel["low"])
            wanted = next(p for p in of_memory(replay, episode) if p.name == name).values.ravel()
            np.testing.assert_allclose(read + panel["low"], wanted, atol=(panel["high"] - panel["low"]) / 65535)
    assert ("holds nothing" in text) == (memory == "none")
    canvases = list(root.iter("canvas"))
    assert len(canvases) == sum(len(shown["panels"]) for shown in values_of(text))
    assert all(canvas.get("role") == "img" and "step" in canvas.get("aria-label") for canvas in canvases)
    assert len(text.encode()) < LIMIT


def test_nothing_is_fetched_and_every_id_is_there_once(make_run):
    text = page(replay_of(make_run, "dnc"))
    assert "://" not in text
    assert "default-src 'none'" in text
    root = parse(text)
    references = [node.get(name) for node in root.iter() for name in ("href", "src") if node.get(name)]
    assert all(reference.startswith(("#", "data:")) for reference in references)
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    assert "player" in ids


def test_the_environment_is_shown_and_each_picture_is_there_once(make_run):
    replay = replay_of(make_run, "gru", episodes=1)
    (shown,) = values_of(page(replay))
    assert len(shown["scenes"]["at"]) == shown["steps"]
    assert len(shown["scenes"]["each"]) == len({frame.tobytes() for frame in replay.episodes[0].frames})
    assert all(picture.startswith("data:image/png;base64,") for picture in shown["scenes"]["each"])


def slots(writes: list[int], reads: list[int], size: int = 4) -> dict[str, np.ndarray]:
    """Weights that are 0.75 on one slot, and nothing elsewhere."""
    return {"write_weights": 0.75 * np.eye(size)[writes], "read_weights": 0.5 * np.eye(size)[reads][:, None]}


def test_what_is_read_at_the_end_is_traced_to_the_step_that_wrote_it(make_run):
    replay = made_up(make_run(0.5, memory="dnc"), slots(writes=[2, 0, 1], reads=[0, 0, 2]))
    told = " ".join(summary(of_memory(replay, replay.episodes[0])))
    assert told == (
        "At step 0 it writes to slot 2 most (0.75). At step 2, the last, it reads slot 2 most (0.50, where an even "
        "share would be 0.25), which was written most at step 0 (0.75)."
    )
    text = page(replay)
    assert told.partition(".")[0] in text
    words = {canvas.get("aria-label") for canvas in parse(text).iter("canvas")}
    assert "Write weights: largest at step 0 is slot 2 (0.75); at step 2, the last, slot 1 (0.75)." in words
    assert "It gets: 0 at every step." in words


def test_attention_is_told_by_the_step_it_goes_to():
    """Of a window of 4, the oldest first: at step t the present is the last place, and step 0 is t places before."""
    attention = np.zeros((3, 1, 4))
    for t, to in enumerate([0, 0, 1]):
        attention[t, 0, 3 - (t - to)] = 1.0
    np.testing.assert_array_equal(by_step(attention, lag=0)[:, 0], np.eye(3)[[0, 0, 1]])
    np.testing.assert_array_equal(by_step(np.roll(attention, 1, -1)[:, 0], lag=1)[1:], np.eye(3)[[0, 1]] * [[1], [1]])


def test_a_transformer_that_looks_back_to_the_first_step_says_so(make_run):
    attention = np.zeros((3, 1, 2, 9))
    attention[..., -1] = 1.0  # itself
    attention[2, 0, 1, -3:] = 0.75, 0.0, 0.25
    replay = made_up(make_run(0.5, memory="gtrxl"), {"attention": attention})
    first, second = summary(of_memory(replay, replay.episodes[0]))
    assert first.startswith("At step 2, the last, layer 0, head 1 looks back to step 0 most (0.75, ")
    assert second == "All 2 taken together, step 0 gets 0.38 there."


def test_a_longer_episode_than_the_window_is_shown_by_place(make_run):
    replay = made_up(make_run(0.5, memory="gtrxl"), {"attention": np.full((20, 1, 1, 5), 0.2)})
    (panel,) = of_memory(replay, replay.episodes[0])
    assert (panel.rows, panel.values.shape) == ("place in the window", (20, 1, 5))
    assert summary([panel]) == []


def test_what_a_strange_memory_traces_is_shown_under_its_own_name(make_run):
    replay = made_up(make_run(0.5, memory="gru"), {"strange_thing": np.ones((3, 2)), "great": np.ones((3, 2, 40, 40))})
    panels = {panel.title: panel for panel in of_memory(replay, replay.episodes[0])}
    assert panels["Strange thing"].values.shape == (3, 1, 2)
    assert panels["Great"].across == "axis 2"


def test_long_episodes_of_a_large_memory_stay_below_five_megabytes_and_say_what_is_left_out(make_run):
    rng = np.random.default_rng(0)
    memory = {
        name: rng.random((1000, *shape))
        for name, shape in {"write_weights": (64,), "memory": (64, 32), "links": (64, 64), "hidden": (100,)}.items()
    }
    frames = [rng.integers(0, 256, (210, 160, 3)).astype(np.uint8) for _ in range(1000)]
    replay = made_up(make_run(0.5, memory="dnc"), memory, frames=frames, length=5000)
    text = page(replay)
    assert len(text.encode()) < LIMIT
    shown = values_of(text)[0]
    assert {"write_weights", "hidden"} <= shown["panels"].keys()
    assert "Left out to keep the page small: Contents and Links." in text
    assert "Only the first 1,000 of 5,000 steps are shown." in text
    assert shown["scenes"]["stride"] > 1
    assert len(shown["scenes"]["at"]) == 1000


def test_observations_are_told_by_component_unless_they_are_images():
    names, values = components({"a": np.ones((2, 2)), "b": np.zeros(2, np.int64), "image": np.zeros((2, 8, 8, 3))})
    assert names == ("a 0", "a 1", "b")
    np.testing.assert_array_equal(values, [[1, 1, 0], [1, 1, 0]])
    assert components(np.zeros((2, 8, 8, 3), np.uint8)) == ((), None)


def test_names_from_data_are_text_and_nothing_else(make_run):
    replay = replay_of(make_run, "gru", episodes=1)
    object.__setattr__(replay, "action_names", (HOSTILE,) * 4)
    object.__setattr__(replay.result.config, "env", f"A/{HOSTILE.replace('/', '')}-v0")
    object.__setattr__(replay.episodes[0], "memory", {HOSTILE: np.ones((len(replay.episodes[0].actions), 2))})
    object.__setattr__(replay.episodes[0], "frames", [HOSTILE] * len(replay.episodes[0].actions))
    text = page(replay)
    assert len(list(parse(text).iter("script"))) == text.count("<script") == 2
    assert values_of(text)[0]["does"][0] == HOSTILE


def test_it_is_written_where_it_was_asked_for(make_run, tmp_path):
    path = write_replay(replay_of(make_run, "none"), tmp_path / "new" / "folder")
    assert path == Path(tmp_path / "new" / "folder" / "replay.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
