"""Ways in which files of text are damaged, or written by programs that do as they like."""

from collections.abc import Callable

from hypothesis import strategies as st

#: What gets into texts: quotes, separators, line ends that are none, what is not seen, half a
#: character, other spellings of numbers and of nothing, and the beginnings of formulas.
SCRAPS = (
    *('"', "'", '""', ",", ";", "\t", "\\", "\n", "\r", "\r\n", "\n\n", " ", "\\n", '\\"'),
    *("\u2028", "\x85", "\x0c", "\x0b", "\x00", "\ufeff", "\u200b", "\u00a0", "\u3000", "\u202e"),
    *("\\ud800", "\\u0000", "NaN", "nan", "Infinity", "-Infinity", "1e999", "-0", "0.5", "1.0"),
    *("null", "None", "true", "True", "1", '"1"', "-1", "9" * 5000, "[", "]", "{", "}", "{}", "[]"),
    *("[" * 1200, '{"a":' * 1200, ":", "=1+1", "@x", "&a", "*a", "!!int", "<<: ", "- ", "# ", "|"),
    *("2024-13-45", "12:30", "0x1f", "1_000", "é", "e\u0301", "中", "🙂", "\u0661", "²", "%", "?"),
)

#: A way, a place and a choice, both as numbers that wrap round.
Mutation = tuple[str, int, int]


def _flipped(data: bytes, place: int, choice: int) -> bytes:
    return data[:place] + bytes([data[place] ^ (1 << choice % 8)]) + data[place + 1 :]


def _inserted(data: bytes, place: int, choice: int) -> bytes:
    return data[:place] + SCRAPS[choice % len(SCRAPS)].encode() + data[place:]


def _replaced(data: bytes, place: int, choice: int) -> bytes:
    return data[:place] + SCRAPS[choice % len(SCRAPS)].encode() + data[place + 1 + choice % 7 :]


def _of_lines(change: Callable[[list[bytes], int, int], None]) -> Callable[..., bytes]:
    def changed(data: bytes, place: int, choice: int) -> bytes:
        lines = data.splitlines(keepends=True)
        change(lines, place % len(lines), choice % len(lines))
        return b"".join(lines)

    return changed


def _doubled(lines: list[bytes], one: int, other: int) -> None:
    lines.insert(other, lines[one])


def _swapped(lines: list[bytes], one: int, other: int) -> None:
    lines[one], lines[other] = lines[other], lines[one]


def _merged(lines: list[bytes], one: int, _: int) -> None:
    lines[one] = lines[one].rstrip(b"\r\n")


def _without(lines: list[bytes], one: int, _: int) -> None:
    del lines[one]


def _padded(lines: list[bytes], one: int, _: int) -> None:
    lines[one] = lines[one].replace(b",", b" , ")


def _recoded(data: bytes, _: int, choice: int) -> bytes:
    text = data.decode("utf-8", "replace")
    names = ("utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32", "cp1252", "shift_jis")
    return text.encode(names[choice % len(names)], "replace")


def _copied(data: bytes, place: int, choice: int) -> bytes:
    """A piece again: a key, a column or a cell given twice."""
    return data[: place + choice % 40] + data[place:]


#: Each way: new bytes of old ones that are not empty.
WAYS: dict[str, Callable[[bytes, int, int], bytes]] = {
    "bit flipped": _flipped,
    "scrap inserted": _inserted,
    "replaced by a scrap": _replaced,
    "truncated": lambda data, place, _: data[:place],
    "begins later": lambda data, place, _: data[place:],
    "piece copied": _copied,
    "line doubled": _of_lines(_doubled),
    "lines swapped": _of_lines(_swapped),
    "lines merged": _of_lines(_merged),
    "line left out": _of_lines(_without),
    "spaces at separators": _of_lines(_padded),
    "other separator": lambda data, _, choice: data.replace(b",", b";\t|"[choice % 3 :][:1]),
    "other quotes": lambda data, *_: data.replace(b'"', b"'"),
    "line ends of Windows": lambda data, *_: data.replace(b"\n", b"\r\n"),
    "line ends of old Macs": lambda data, *_: data.replace(b"\n", b"\r"),
    "other encoding": _recoded,
    "byte": lambda data, place, choice: data[:place] + bytes([choice % 256]) + data[place:],
}


def mutated(data: bytes, mutations: list[Mutation]) -> bytes:
    """A file's bytes after each mutation in turn."""
    for way, place, choice in mutations:
        if data:
            data = WAYS[way](data, place % len(data), choice)
    return data


#: Up to three mutations; none is a file as it should be.
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(sorted(WAYS)), st.integers(0, 2**20), st.integers(0, 2**20)),
    max_size=3,
)
#: Bits, bytes and cuts, for files that are no text.
OF_BYTES = st.lists(
    st.tuples(
        st.sampled_from(("bit flipped", "truncated", "byte", "piece copied")),
        st.integers(0, 2**20),
        st.integers(0, 2**20),
    ),
    max_size=2,
)
