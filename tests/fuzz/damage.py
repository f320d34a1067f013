# SPDX-License-Identifier: Apache-2.0
"""Damages a sound file: as disks and editors do, as other programs write, as attackers.

`damaged` is a strategy of hypothesis, so that a file that fails is made small.
"""

import json
import re

from hypothesis import strategies as st

NUMBERS = [
    *(b"0", b"-1", b"1.5", b"1e400", b"-0", b"NaN", b"Infinity", b"-Infinity"),
    *(b"00000000000000000007", b"99999999999999999999", b"2147483648", b"0x10"),
    *(b"1_000", "\u0663".encode(), "\u00b2".encode(), b"9" * 5000, b"1" + b"0" * 400),
]
# What the formats are made of, where it does not belong.
TOKENS = [
    *(b"\0", b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b"\x1b[2J", b"\x7f", b"\xff"),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", "\u2028".encode(), "\x85".encode(), b" "),
    *(b'"', b"'", b"\\", b"\\ud83d", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":"),
    *(b"<", b">", b"&", b"&x;", b"&#0;", b"<!--", b"<![CDATA[", b"]]>", b"<?", b"</"),
    *(b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b'<!ENTITY e SYSTEM "file:///etc/passwd">'),
    *(b"|", b"|t|", b"T1", b"R1", b"#", b"-DOCSTART-", b"@GENE$", b"<< ", b" ]]"),
    *(b"..", b"../", b"/", b"~", b"--flagfile=x", b"--help", b"%s", b"{0}", b"$HOME"),
]
VALUES = [
    *(None, True, False, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\0"),
    *("\ud83d", [], {}, [None], [[]], [{}], {"": None}, {"id": 1}, [0, 1], ["x"]),
]
# Deeper than Python goes.
DEPTH = 3000


def _span(draw, data):
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.sampled_from([1, 2, 5, 20, 100])))


def _flip(draw, data):
    if not data:
        return data
    at, bit = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, 7))
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def _cut(draw, data):
    return data[: draw(st.integers(0, len(data)))]


def _drop(draw, data):
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _repeat(draw, data):
    start, end = _span(draw, data)
    return data[:start] + data[start:end] * draw(st.integers(2, 4)) + data[end:]


def _lines(draw, data):
    """Drops, doubles or moves a line, or joins it with the next."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        del lines[one]
    elif kind == 1:
        lines.insert(other, lines[one])
    elif kind == 2:
        lines.insert(other, lines.pop(one))
    else:
        lines[one] = lines[one].rstrip(b"\r\n")
    return b"".join(lines)


def _insert(draw, data):
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]


def _number(draw, data):
    found = [match.span() for match in re.finditer(rb"-?\d+(?:\.\d+)?", data)]
    if not found:
        return data
    start, end = draw(st.sampled_from(found))
    return data[:start] + draw(st.sampled_from(NUMBERS)) + data[end:]


def _long(draw, data):
    """Makes one line very long."""
    start, end = _span(draw, data)
    return data[:end] + (data[start:end] or b"x") * 3000 + data[end:]


def _nest(draw, data):
    at = draw(st.integers(0, len(data)))
    opening, closing = draw(
        st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b"<i>", b"</i>")])
    )
    inside = b"1" if opening != b"<i>" else b""
    closed = closing * draw(st.sampled_from([0, DEPTH]))
    return data[:at] + opening * DEPTH + inside + closed + data[at:]


def _places(value, path=()):
    """Yields the path of every value in a JSON value."""
    yield path
    items = value if isinstance(value, list) else []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(items):
        yield from _places(inner, (*path, key))


def _changed(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


def _json(draw, data):
    """Puts a value of another type into a JSON file, or into one of its lines."""
    try:
        whole, lines = [json.loads(data)], [data]
    except (ValueError, RecursionError):
        lines = data.splitlines()
        try:
            whole = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            return _insert(draw, data)
    if not whole:
        return data
    number = draw(st.integers(0, len(whole) - 1))
    path = draw(st.sampled_from([*_places(whole[number])]))
    if path and draw(st.booleans()):
        # The key is gone.
        holder = whole[number]
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        changed = whole[number]
    else:
        changed = _changed(whole[number], path, draw(st.sampled_from(VALUES)))
    lines[number] = json.dumps(changed).encode()
    return b"\n".join(lines)


_KINDS = [_flip, _cut, _drop, _repeat, _lines, _insert, _insert, _number, _number]
_RARE = [_long, _nest]


@st.composite
def damaged(draw, seed, is_json=False):
    """Draws files that are `seed` after one to three changes."""
    data = seed
    kinds = [*_KINDS, *_RARE, *([_json] * 6 if is_json else [])]
    for _ in range(draw(st.integers(1, 3))):
        data = draw(st.sampled_from(kinds))(draw, data)
        if len(data) > 100_000:
            break
    return data
