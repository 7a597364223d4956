"""What can happen to any file, and what can be done to a zip file: a part of `fuzz.py`.

A damage takes the bytes of a file and a random generator, and gives the damaged bytes and what was done. Those of
`RAW` are what disks, networks and careless hands do; those of `ZIP` need somebody with a purpose.
"""

import struct
import zipfile
import zlib
from functools import partial
from random import Random

from fuzzing.parts import PATHS, PICKLE, PICKLES, Damage, Damaged, listed, parts_of, torch_saved, zipped

from memagents.agents.archives import MANIFEST

CENTRAL = b"PK\x01\x02"
"""Begins an entry of a zip file's table of contents."""


# What can happen to any file.


def flipped(whole: bytes, random: Random) -> Damaged:
    contents, places = bytearray(whole), [random.randrange(len(whole)) for _ in range(random.choice((1, 1, 2, 20)))]
    for place in places:
        contents[place] ^= 1 << random.randrange(8)
    return bytes(contents), f"bits at {places} flipped"


def flipped_in_table(whole: bytes, random: Random) -> Damaged:
    """Bits flipped where they decide most: in the zip file's own words."""
    start = whole.index(CENTRAL)
    place, bit = random.randrange(start, len(whole)), random.randrange(8)
    return whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :], f"bit {bit} at {place} flipped"


def truncated(whole: bytes, random: Random) -> Damaged:
    length = random.choice((0, 1, 3, 4, random.randrange(len(whole)), len(whole) - random.randrange(1, 40)))
    return whole[:length], f"cut to {length} bytes"


def beheaded(whole: bytes, random: Random) -> Damaged:
    start = random.randrange(1, 200)
    return whole[start:], f"the first {start} bytes removed"


def doubled(whole: bytes, random: Random) -> Damaged:
    return whole + whole, "the whole file twice"


def piece_doubled(whole: bytes, random: Random) -> Damaged:
    start, end = sorted(random.randrange(len(whole)) for _ in range(2))
    return whole[:end] + whole[start:end] + whole[end:], f"bytes {start} to {end} twice"


def piece_removed(whole: bytes, random: Random) -> Damaged:
    start, end = sorted(random.randrange(len(whole)) for _ in range(2))
    return whole[:start] + whole[end:], f"bytes {start} to {end} removed"


def zeroed(whole: bytes, random: Random) -> Damaged:
    start, size = random.randrange(len(whole)), random.choice((1, 16, 512, 4096))
    return whole[:start] + bytes(len(whole[start : start + size])) + whole[start + size :], f"{size} zeros at {start}"


def surrounded(whole: bytes, random: Random) -> Damaged:
    before, after = (random.randbytes(random.choice((0, 1, 100))) for _ in range(2))
    return before + whole + after, f"{len(before)} bytes put before it and {len(after)} after"


def replaced(whole: bytes, random: Random) -> Damaged:
    others = {
        "noise": random.randbytes(500),
        "noise after a zip file's first bytes": whole[:4] + random.randbytes(500),
        "text": b"a text",
        "pickle": PICKLE,
        "torch.save": torch_saved(),
        "empty zip file": zipped({}),
    }
    name = random.choice(list(others))
    return others[name], f"{name} in its place"


RAW: dict[str, Damage] = {
    "bits flipped": flipped,
    "bits of the table flipped": flipped_in_table,
    "truncated": truncated,
    "beheaded": beheaded,
    "doubled": doubled,
    "piece doubled": piece_doubled,
    "piece removed": piece_removed,
    "zeroed": zeroed,
    "surrounded": surrounded,
    "replaced": replaced,
}


# What can be done to a zip file.


def part_renamed(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    old, new = random.choice(list(parts)), random.choice((*PATHS, *PICKLES, "x.json", *parts))
    renamed = {new if name == old else name: part for name, part in parts.items()}
    return zipped(renamed), f"{old} renamed {new!a}"


def part_removed(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    name = random.choice(list(parts))
    del parts[name]
    tidy = MANIFEST in parts and random.random() < 0.5
    return zipped(listed(parts) if tidy else parts), f"{name} removed{' from the manifest too' if tidy else ''}"


def part_added(whole: bytes, random: Random) -> Damaged:
    name, contents = random.choice((*PATHS, *PICKLES, "x.json")), random.choice((b"{}", PICKLE, torch_saved()))
    parts = parts_of(whole) | {name: contents}
    return zipped(listed(parts) if random.random() < 0.5 else parts), f"{name!a} added, {contents[:8]!r}..."


def part_doubled(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    name = random.choice(list(parts))
    twice = {zipfile.ZipInfo(other): part for other, part in [*parts.items(), (name, parts[name])]}
    return zipped(twice), f"{name} twice"


def part_is_pickle(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    name = random.choice([name for name in parts if name != MANIFEST])
    return zipped(listed(parts | {name: random.choice((PICKLE, torch_saved()))})), f"{name} is a pickle"


def part_is_link(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    chosen = random.choice([name for name in parts if name != MANIFEST])
    parts[chosen] = b"/etc/passwd"
    link = zipfile.ZipInfo(chosen)
    link.create_system, link.external_attr = 3, 0o120777 << 16
    entries = {link if name == chosen else name: part for name, part in listed(parts).items()}
    return zipped(entries), f"{chosen} is a symbolic link"


def compressed(whole: bytes, random: Random) -> Damaged:
    parts, method = parts_of(whole), random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    parts["model.json"] = bytes(50_000_000)
    return zipped(listed(parts), method), f"50 million zeros compressed by method {method}"


def field_changed(whole: bytes, random: Random, name: str, offset: int, size: int, values: tuple[int, ...]) -> Damaged:
    """Another number in the table of contents, at an offset in one of its entries."""
    starts = [place for place in range(len(whole)) if whole.startswith(CENTRAL, place)]
    place, value = random.choice(starts) + offset, random.choice(values)
    return whole[:place] + value.to_bytes(size, "little") + whole[place + size :], f"{name} at {place} becomes {value}"


def sizes_changed(whole: bytes, random: Random) -> Damaged:
    """A part that claims to be of another size, compressed and not."""
    start, size = whole.index(CENTRAL), random.choice((0, 1, 10**6, 2**31 - 1, 2**32 - 2))
    return whole[: start + 20] + struct.pack("<II", size, size) + whole[start + 28 :], f"manifest claims {size} bytes"


def overlapping(whole: bytes, random: Random) -> Damaged:
    """Parts that lie inside each other, so that a file is much larger inside than outside.

    David Fifield: A better zip bomb. WOOT 2019, with nothing compressed.
    """
    content, entries, names = bytes(2_000_000), [], [f"{'a' * count}.json" for count in range(1, 200)]
    nested: dict[str, bytes] = {}
    for name in names:
        nested[name] = content
        content = zip_entry(name, content) + content
        entries.append(len(content))
    manifest = listed(parts_of(whole) | nested)[MANIFEST]
    start = zip_entry(MANIFEST, manifest) + manifest
    table = zip_entry(MANIFEST, manifest, place=0)
    for name, length in zip(names, entries, strict=True):
        table += zip_entry(name, nested[name], place=len(start) + len(content) - length)
    size, count = len(start) + len(content), len(names) + 1
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(table), size, 0)
    return start + content + table + end, f"{len(names)} parts of 2 million bytes, inside each other"


def zip_entry(name: str, contents: bytes, place: int | None = None) -> bytes:
    """What stands before a part, or, if its place is given, for it in the table of contents."""
    facts = struct.pack("<4H3I2H", 0, 0, 0, 33, zlib.crc32(contents), len(contents), len(contents), len(name), 0)
    if place is None:
        return b"PK\3\4" + struct.pack("<H", 20) + facts + name.encode()
    return CENTRAL + struct.pack("<2H", 20, 20) + facts + struct.pack("<3H2I", 0, 0, 0, 0, place) + name.encode()


ZIP: dict[str, Damage] = {
    "part renamed": part_renamed,
    "part removed": part_removed,
    "part added": part_added,
    "part doubled": part_doubled,
    "part is a pickle": part_is_pickle,
    "part is a link": part_is_link,
    "compressed": compressed,
    "overlapping parts": overlapping,
    "false sizes": sizes_changed,
    "false CRC": partial(field_changed, name="CRC", offset=16, size=4, values=(0, 1, 2**32 - 1)),
    "false flags": partial(field_changed, name="flags", offset=8, size=2, values=(1, 8, 0x20, 0x40, 0x800, 0xFFFF)),
    "false method": partial(field_changed, name="method", offset=10, size=2, values=(1, 8, 12, 14, 93, 99)),
    "false size": partial(field_changed, name="size", offset=24, size=4, values=(0, 1, 2**31, 2**32 - 2, 2**32 - 1)),
    "false place": partial(field_changed, name="place", offset=42, size=4, values=(0, 1, 99, 2**31, 2**32 - 1)),
    "false name length": partial(field_changed, name="name length", offset=28, size=2, values=(0, 1, 500, 65535)),
}
