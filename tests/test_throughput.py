"""scripts/throughput.py on tiny sizes: what it measures, compares and writes."""

import csv
import itertools
import json
import re
from dataclasses import replace

import pytest
import throughput
import throughput_backbones as backbones
import throughput_parts as parts
import throughput_scaling as scaling
import torch
from timing import programs, ratios, roofline

from memagents.memories import make_memory

TINY = ["--memories", "gru", "--repeats", "2", "--rollouts", "1", "--n-envs", "2", "--n-steps", "16"]
TINY += ["--batch-size", "16", "--n-epochs", "2", "--hidden-size", "4", "--head-size", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("throughput")
    throughput.main([*TINY, "--folder", str(folder)])
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    with (folder / "measurements.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_programs_take_turns_and_the_first_round_does_not_count(rows):
    turn = [(name, env) for name in ("MemoryPPO gru", "RecurrentPPO", "PPO") for env in ("popgym", "batched")]
    assert [(row["program"], row["env"]) for row in rows] == turn * 3
    assert [row["round"] for row in rows] == [number for number in "012" for _ in turn]
    assert [row["counted"] for row in rows] == ["False"] * 6 + ["True"] * 12


def test_speeds_are_steps_and_samples_over_the_time_they_took(rows):
    for row in rows:
        steps, samples = 2 * 16, 2 * 16 * 2
        assert (int(row["steps"]), int(row["samples"])) == (steps, samples)
        assert float(row["steps_per_second"]) == pytest.approx(steps / float(row["learn_seconds"]), rel=1e-2)
        assert float(row["samples_per_second"]) == pytest.approx(samples / float(row["train_seconds"]), rel=1e-2)
        assert 0 < float(row["train_seconds"]) < float(row["learn_seconds"])


def test_the_summary_states_every_ratio_in_three_pairings_and_that_no_update_looped_over_time(folder):
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["memory_step_calls_in_updates"] == {"MemoryPPO gru": 0}
    assert len(summary["speeds"]) == 6
    assert len({(ratio["pairing"], ratio["peer"]) for ratio in summary["ratios"]}) == len(summary["ratios"]) == 3 * 2
    for ratio in summary["ratios"]:
        assert ratio["steps"]["min"] <= ratio["steps"]["median"] <= ratio["steps"]["max"]


def test_the_page_says_what_was_run_and_what_it_does_not_show(folder):
    page = (folder / "README.md").read_text(encoding="utf-8")
    for said in ("command:", "commit:", "hardware:", "versions:", "MemoryPPO(", "MemoryPPO gru 0", "not show"):
        assert said in page
    assert "'shared_lstm': True, 'enable_critic_lstm': False" in page


def fake(number, program, env, seconds):
    return programs.Measurement(number, program, env, 100, 400, seconds, seconds, seconds / 2, None)


def test_ratios_are_taken_round_by_round_in_the_environment_that_suits_each():
    pair = [replace(program, name=name) for program, name in two_programs()]
    seconds = {("ours", "batched"): (1.0, 4.0, 1.0), ("ours", "popgym"): (9.0, 9.0, 9.0)}
    seconds |= {("peer", "batched"): (3.0, 16.0, 3.0), ("peer", "popgym"): (2.0, 12.0, 2.0)}
    rounds = [fake(0, *key, 1e9) for key in seconds]
    rounds += [fake(i + 1, *key, times[i]) for i in range(3) for key, times in seconds.items()]
    by_pairing = {ratio.pairing: ratio for ratio in ratios.make_ratios(pair, ratios.make_speeds(rounds))}

    best = by_pairing["each with its fastest environment"]
    assert (best.ours_env, best.peer_env) == ("batched", "popgym")
    assert best.steps == best.samples == (2.0, 2.0, 3.0)
    assert by_pairing["as their users run them"].steps == (2.0, 2.0, 3.0)
    assert by_pairing["all batched"].steps == (3.0, 3.0, 4.0)


def two_programs():
    config = programs.ThroughputConfig(memories=("lstm",))
    return zip((programs.our_program(config, "lstm"), programs.recurrent_ppo(config)), ("ours", "peer"), strict=True)


def test_calls_of_step_are_counted_in_updates_and_not_while_acting():
    config = programs.ThroughputConfig(n_envs=2, n_steps=16, batch_size=16, n_epochs=2, rollouts=1, hidden_size=4)
    runner = programs.Runner(programs.our_program(config, "rnn"), "batched", config)
    memory = runner.model.policy.memory
    # The plain loop over `step`, and acting by `step`, as a memory has them that knows nothing faster.
    memory.forward, memory.fast_step = memory.loop, memory.step
    assert runner.run(0).step_calls == 2 * 2 * 16  # epochs x minibatches x steps


def test_a_memory_without_a_size_is_measured_too():
    config = programs.ThroughputConfig(memories=("none",))
    assert programs.our_program(config, "none").arguments["memory_kwargs"] == {}


def test_no_rounds_at_all_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        programs.ThroughputConfig(repeats=0)


def test_backbones_are_ranked_by_their_speed_beside_the_lstm_round_by_round():
    config = programs.ThroughputConfig(n_envs=2, n_steps=16, batch_size=16, n_epochs=2, rollouts=1, hidden_size=4)
    runners = {name: programs.Runner(programs.our_program(config, name), "batched", config) for name in ("lstm", "rnn")}
    seconds = {"lstm": (2.0, 20.0, 3.0), "rnn": (1.0, 5.0, 2.0)}
    rounds = [
        replace(fake(i, f"MemoryPPO {name}", "batched", times[i]), step_calls=i)
        for name, times in seconds.items()
        for i in range(3)
    ]
    _, _, first, second = backbones.memory_table(runners, rounds, {"lstm": 12.4, "rnn": 7.6}).splitlines()
    assert first.startswith("| rnn | 40 |"), "4 * 4 recurrent, 4 * 4 input weights and 2 * 4 biases"
    assert first.endswith("| 2.75 (1.50 to 4.00) | 3 | 16 | 8 |"), "the state is 4 numbers of 4 bytes"
    assert second.startswith("| lstm | 160 |")
    assert "| 1.00 (1.00 to 1.00) |" in second


def test_the_work_of_a_product_is_two_operations_for_each_pair_of_numbers_and_all_bytes():
    left, right = torch.rand(2, 3), torch.rand(3, 5)
    with roofline.Work() as work:
        left @ right
        left.t()  # another view of the same numbers is no work
    assert work.flops == 2 * 2 * 3 * 5
    assert work.bytes == 4 * (2 * 3 + 3 * 5 + 2 * 5)


def test_an_expanded_array_is_as_large_as_what_it_is_expanded_from():
    assert roofline.size(torch.rand(1, 3).expand(100, 3)) == 4 * 3


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_work_of_a_recurrent_memory_is_that_of_its_products_forward_and_back(name, gates):
    inputs_size, hidden_size, num_steps, num_rows = 3, 8, 6, 2
    memory = make_memory(name, input_size=inputs_size, hidden_size=hidden_size)
    inputs, starts = torch.rand(num_steps, num_rows, inputs_size), torch.zeros(num_steps, num_rows, dtype=torch.bool)
    state = memory.initial_state(num_rows)
    with roofline.Work() as work:
        outputs, _ = memory(inputs, starts, state)
        outputs.sum().backward()
    from_input, from_hidden = gates * hidden_size * inputs_size, gates * hidden_size * hidden_size
    biases = gates * hidden_size
    # Forward, the gradients of the weights and, as those of one more input, of biases, and that of the hidden vector.
    assert work.flops == 2 * num_steps * num_rows * (2 * (from_input + from_hidden) + biases + from_hidden)


def test_the_roofline_names_the_shares_of_what_the_machine_can_do(tmp_path):
    throughput.main([*TINY, "--roofline", "--folder", str(tmp_path)])
    with (tmp_path / "roofline.csv").open(encoding="utf-8", newline="") as file:
        rounds = [{name: float(x) for name, x in row.items() if name != "program"} for row in csv.DictReader(file)]
    assert [done["round"] for done in rounds] == [1, 2]
    assert len({(done["flops_per_sample"], done["bytes_per_sample"]) for done in rounds}) == 1
    told = roofline.Round("MemoryPPO gru", **rounds[0])
    seconds = told.flops_per_sample / 1e9 / told.gigaflops, told.bytes_per_sample / 1e9 / told.gigabytes
    assert (told.multiplying, told.copying) == pytest.approx([each / told.seconds_per_sample for each in seconds])
    assert not (tmp_path / "README.md").exists()
    assert "| MemoryPPO gru |" in (tmp_path / "roofline.md").read_text(encoding="utf-8")


def test_scaling_changes_one_size_at_a_time_and_says_whose_samples_cost_more_in_longer_sequences(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "AXES", {"n_envs": (8, 16), "n_steps": (8, 16, 32), "hidden_size": (4, 8)})
    monkeypatch.setattr(scaling, "MIDDLE", {"n_envs": 8, "n_steps": 8, "hidden_size": 4})
    monkeypatch.setattr("sys.argv", ["scaling", "--memories", "gru", "--repeats", "1", "--folder", str(tmp_path)])
    scaling.main()
    with (tmp_path / "scaling.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["changed"], row["value"]) for row in rows] == [
        (axis, str(value)) for axis, values in scaling.AXES.items() for value in values
    ]
    costs = [float(row["update_microseconds_per_sample"]) for row in rows if row["changed"] == "n_steps"]
    page = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    # The page rounds what was measured, and the file another time: they agree to half of the last digit.
    shown = re.search(r"^\| gru \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [
        [float(number) for number in re.findall(r"[\d.]+", cell)] for cell in shown[1].replace(",", "").split("|")
    ] == [pytest.approx([cost, cost, cost], abs=0.055) for cost in costs]
    assert float(shown[2]) == pytest.approx(costs[-1] / costs[0], abs=0.0055)
    assert f"gru: {shown[2]} times, from 8\nto 32 steps" in page
    runner = scaling.Case("gru", "n_envs", 16).runner()
    assert (runner.model.n_envs, runner.model.n_steps, runner.model.batch_size) == (16, 8, 32)
    assert runner.model.policy.memory.output_size == 4


def test_time_in_a_part_inside_another_counts_for_the_inner_one_alone(monkeypatch):
    clock = iter([0, 1, 3, 6, 10, 15])
    monkeypatch.setattr(parts, "perf_counter", lambda: next(clock))
    watch = parts.Stopwatch()
    with watch.part("outer"):  # from 0
        with watch.part("inner"):  # from 1
            watch.turn_to("turned")  # at 3, to 6
        with watch.part("inner"):  # from 10 to 15
            pass
        clock = iter([21])  # and the end
    assert watch.seconds == {"outer": 1 + 4 + 6, "inner": 2 + 5, "turned": 3}


def test_the_parts_are_all_of_the_time_that_learning_takes(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(parts, "perf_counter", lambda: next(ticks))
    config = programs.ThroughputConfig(n_envs=2, n_steps=16, batch_size=16, n_epochs=2, rollouts=1)
    done = parts.Timed("gru", config).run()
    assert set(done) == set(parts.PARTS)
    assert min(done.values()) > 0
    assert parts.seconds(done) == next(ticks) - 1


def test_the_page_of_parts_shows_shares_of_the_whole(tmp_path):
    sizes = {"n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 1}
    parts.main(["--memories", "lstm", "--repeats", "1", "--folder", str(tmp_path)], **sizes)
    with (tmp_path / "parts.csv").open(encoding="utf-8", newline="") as file:
        done = {row["part"]: float(row["seconds"]) for row in csv.DictReader(file)}
    assert list(done) == list(parts.PARTS)
    page = (tmp_path / "parts.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| ([^|]+) \| (?:collection|update|the whole)[^|]* \| ([\d.]+) ", page, re.MULTILINE))
    whole = parts.seconds(done)
    for part, seconds in done.items():
        assert float(shown[part]) == pytest.approx(100 * seconds / whole, abs=0.06)
    collected = sum(done[part] for part in list(done)[:4])
    assert float(shown["collection"]) == pytest.approx(100 * collected / whole, abs=0.06)
