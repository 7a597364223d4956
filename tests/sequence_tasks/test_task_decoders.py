"""Every target follows from the inputs before it: independent decoders, in plain Python, find all of them.

A decoder goes through the inputs of one sequence, step by step, and yields the answer at every step, or None where
nothing is asked. Each is written from the description of its task. (Stories have a file of their own, and one-shot
classification asks for what nobody can know at first.)
"""

import math

import pytest

from memagents.sequence_tasks import make_task


def one_hot(values, default=None):
    """The place of the 1, or `default` where there is none."""
    return values.index(1.0) if 1.0 in values else default


def copy(steps, task):
    vectors, to_say = [], 0
    for *bits, delimiter in steps:
        yield vectors[-to_say] if to_say else None
        if to_say:
            to_say -= 1
            vectors = vectors if to_say else []
        elif delimiter:
            to_say = len(vectors)
        else:
            vectors.append(bits)


def repeat_copy(steps, task):
    vectors, to_say = [], None
    spread = math.sqrt(sum((r - 5.5) ** 2 for r in range(1, 11)) / 10)
    for *bits, delimiter, repeats in steps:
        if to_say is None:
            yield None
        elif to_say:
            yield [*to_say.pop(0), 0.0]
        else:
            yield [0.0] * len(bits) + [1.0]
            return
        if delimiter:
            to_say = vectors * round(repeats * spread + 5.5)
        else:
            vectors.append(bits)


def associative_recall(steps, task):
    items, queries, marks, to_say = [], [], 0, []
    for *bits, delimiter, mark in steps:
        yield to_say.pop(0) if to_say else None
        if delimiter:
            items.append([])
        elif mark:
            marks += 1
            if marks == 2:
                to_say = items[items.index(queries) + 1][:]
        elif marks == 0:
            items[-1].append(bits)
        elif marks == 1:
            queries.append(bits)


def priority_sort(steps, task):
    shown = []
    for *bits, priority in steps:
        if len(shown) < task.num_vectors:
            shown.append((-priority, bits))
            to_say = [vector for _, vector in sorted(shown)][: task.num_sorted]
            yield None
        else:
            yield to_say.pop(0)


def graph_traversal(steps, task):
    graph, start, labels, answered = {}, None, [], 0
    for step in steps:
        source, label = step[: task.num_nodes], step[task.num_nodes :][: task.num_labels]
        destination, (query, answer) = step[task.num_nodes + task.num_labels : -2], step[-2:]
        if answer:
            start = graph[start, labels[answered]]
            answered += 1
            yield start
            continue
        yield None
        if query:
            start = one_hot(source, start)
            labels.append(one_hot(label))
        elif any(source):
            graph[one_hot(source), one_hot(label)] = one_hot(destination)


def adding(steps, task):
    for number, _ in enumerate(steps):
        last = number == len(steps) - 1
        yield [sum(value for value, mark in steps if mark)] if last else None


def copy_memory(steps, task):
    digits, markers = [], 0
    for (symbol,) in steps:
        markers += symbol == 9
        if len(digits) < task.num_digits:
            digits.append(int(symbol))
        yield digits[markers - 2] if markers > 1 else 0


def parity(steps, task):
    steps = [step for step in steps if any(step)]
    for number, _ in enumerate(steps, start=1):
        yield sum(one_hot(step) for step in steps) % 2 if number == len(steps) else None


def induction_heads(steps, task):
    tokens = [one_hot(step) for step in steps]
    for time, token in enumerate(tokens):
        again = token == task.vocabulary_size - 1 and token in tokens[:time]
        yield tokens[tokens.index(token) + 1] if again else None


def selective_copying(steps, task):
    kept = []
    for step in steps:
        token = one_hot(step)
        if token == task.vocabulary_size - 1:
            yield kept.pop(0)
        else:
            yield None
            kept += [token] if token < task.vocabulary_size - 2 else []


def multi_query_recall(steps, task):
    pairs, last_key = {}, None
    for step in steps:
        key, value = one_hot(step[: task.num_keys]), one_hot(step[task.num_keys :])
        yield pairs.get(key)
        if value is not None:
            pairs[last_key] = value
        last_key = key


def chunked_recall(steps, task):
    chunks = {}
    for step in steps:
        tag, item = step[: task.num_tags], step[task.num_tags :][: task.num_items]
        place = step[task.num_tags + task.num_items :]
        if any(place):
            yield chunks[one_hot(tag)][one_hot(place)]
            continue
        yield None
        if any(tag):
            chunk = chunks.setdefault(one_hot(tag), [])
        else:
            chunk.append(one_hot(item))


def delayed_recall(steps, task):
    marked = None
    for *token, mark, question in steps:
        yield marked if question else None
        marked = one_hot(token) if mark else marked


DECODERS = [
    (copy, {}),
    (copy, {"num_sequences": 4, "max_length": 5}),
    (repeat_copy, {}),
    (associative_recall, {}),
    (priority_sort, {}),
    (graph_traversal, {}),
    (graph_traversal, {"num_nodes": 9, "num_edges": 3, "min_path": 3, "max_path": 6}),
    (adding, {"length": 20}),
    (copy_memory, {"delay": 30}),
    (parity, {}),
    (induction_heads, {"length": 30}),
    (selective_copying, {"length": 40}),
    (multi_query_recall, {}),
    (chunked_recall, {}),
    (delayed_recall, {}),
]


@pytest.mark.parametrize(("decoder", "options"), DECODERS, ids=lambda part: getattr(part, "__name__", None))
def test_an_independent_decoder_finds_every_target_in_the_inputs(decoder, options, generator):
    task = make_task(decoder.__name__, **options)
    batch = task.draw(64, generator)
    for row in range(64):
        steps, targets = batch.inputs[:, row].tolist(), batch.targets[:, row].tolist()
        answers = list(decoder(steps, task))
        answers += [None] * (len(steps) - len(answers))  # a shorter sequence ends before its batch
        assert [answer is not None for answer in answers] == batch.mask[:, row].tolist()
        for answer, target in zip(answers, targets, strict=True):
            if answer is not None:
                assert answer == pytest.approx(target, abs=1e-6)


@pytest.mark.parametrize(("low", "high", "expected"), [(1, 20, range(1, 21)), (7, 7, [7])])
def test_lengths_of_copies_fill_the_range(low, high, expected, generator):
    batch = make_task("copy", min_length=low, max_length=high).draw(1000, generator)
    assert set(batch.mask.sum(0).tolist()) == set(expected)


def test_a_series_of_copies_asks_for_fifty_vectors_through_the_memory_of_ten(generator):
    batch = make_task("copy", min_length=5, max_length=5, num_sequences=10).draw(3, generator)
    assert batch.mask.sum(0).tolist() == [50, 50, 50]
    assert len(batch.mask) == 10 * 11


def test_bais_copy_memory_has_as_many_steps_and_markers_as_published(generator):
    symbols = make_task("copy_memory", delay=1000).draw(1, generator).inputs.flatten().tolist()
    assert len(symbols) == 1020
    assert symbols[10:-11] == [0.0] * 999
    assert symbols[-11:] == [9.0] * 11
    assert set(symbols[:10]) <= set(range(1, 9))


def test_every_edge_of_a_graph_is_told_once_and_labels_at_a_node_differ(generator):
    task = make_task("graph_traversal", num_nodes=5, num_edges=3)
    for row in task.draw(50, generator).inputs[:15].unbind(1):
        edges = [(one_hot(s[:5]), one_hot(s[5:9]), one_hot(s[9:14])) for s in row.tolist()]
        assert len({(source, label) for source, label, _ in edges}) == 15
        assert len({(source, destination) for source, _, destination in edges}) == 15
        assert all(source != destination for source, _, destination in edges)
