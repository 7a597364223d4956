"""An episode's memory in a sentence or two, as far as it has places that are written, read or looked back to."""

from collections.abc import Iterator, Sequence

import numpy as np

from memagents.studies.replay_page.panels import Panel


def summary(panels: Sequence[Panel]) -> list[str]:
    """What stands out in an episode's panels; nothing for a memory without places."""
    by_name = {panel.name: panel for panel in panels}
    if {"write_weights", "read_weights"} <= by_name.keys():
        return list(of_slots(by_name["write_weights"], by_name["read_weights"]))
    attention = by_name.get("word_attention") or by_name.get("attention")
    return list(of_attention(attention)) if attention is not None and attention.rows == "step" else []


def of_slots(writes: Panel, reads: Panel) -> Iterator[str]:
    """Where the first observation went, what the last step reads, and when that was written."""
    last = len(writes.values) - 1
    written = writes.values.max(axis=1)  # [T, N], over heads
    slot = int(written[0].argmax())
    yield f"At step 0 it writes to slot {slot} most ({written[0, slot]:.2f})."
    head, slot = np.unravel_index(reads.values[last].argmax(), reads.values[last].shape)
    share, when = reads.values[last, head, slot], int(written[:, slot].argmax())
    of_head = f"{reads.groups[head]}: " if len(reads.groups) > 1 else ""
    yield (
        f"At step {last}, the last, it reads slot {slot} most ({of_head}{share:.2f}, where an even share would be "
        f"{1 / written.shape[1]:.2f}), which was written most at step {when} ({written[when, slot]:.2f})."
    )


def of_attention(attention: Panel) -> Iterator[str]:
    """Which earlier step the last one looks back to, and which part of the network does."""
    last = len(attention.values) - 1
    if last < 1:
        return
    back = attention.values[last, :, :last]
    group, step = np.unravel_index(back.argmax(), back.shape)
    total = back[:, step].mean()
    who = attention.groups[group] or "it"
    yield (
        f"At step {last}, the last, {who} looks back to step {step} most ({back[group, step]:.2f}, where an even share "
        f"would be {1 / (last + 1):.2f})."
    )
    if len(attention.groups) > 1:
        yield f"All {len(attention.groups)} taken together, step {step} gets {total:.2f} there."
