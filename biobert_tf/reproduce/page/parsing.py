# SPDX-License-Identifier: Apache-2.0
"""Makes frozen dataclasses of JSON values, as the types of their fields say.

A type is a dataclass, `tuple[T, ...]`, `tuple[T, T]`, `Mapping[str, T]`, a `Literal`,
`T | None`, `bool`, `int`, `float`, `str`, or `object` for a value that is only shown.
Members of an object that are no field are ignored: a later version may add some.
"""

import dataclasses
import json
import math
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from biobert_tf.common.errors import InputError

# Controls, characters that turn the direction of text, separators, half characters.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"  # some scripts are not readable without them
_NAMES: Final = {bool: "true or false", int: "a whole number", str: "a text"}


def parse(kind: Any, value: object, place: str) -> Any:
    """Returns the value of a type that a JSON value means.

    `place` is where the value stands, for messages: `tables[0].rows[2]`, or "".

    Raises:
        InputError: The value does not have the type; the message names the place.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, place)
    if origin is tuple:
        return _items(typing.get_args(kind), value, place)
    if origin is Mapping:
        return _members(typing.get_args(kind)[1], value, place)
    if origin is types.UnionType:
        return None if value is None else parse(typing.get_args(kind)[0], value, place)
    if origin is typing.Literal:
        return _choice(typing.get_args(kind), value, place)
    return _scalar(kind, value, place)


def one_line(text: str) -> str:
    """Returns text on one line, in which no character is invisible or turns others."""
    return "".join(map(_visible, " ".join(text.split())))


def _visible(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _INVISIBLE:
        return character
    return f"[U+{ord(character):04X}]"


def _record(kind: Any, value: object, place: str) -> Any:
    values = _object(value, place)
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        inner = f"{place}.{field.name}" if place else field.name
        if field.name in values:
            found[field.name] = parse(hints[field.name], values[field.name], inner)
        elif is_required(field):
            raise InputError(f"{inner} is missing")
    try:
        return kind(**found)
    except InputError as error:
        raise InputError(f"{place}: {error}" if place else str(error)) from None


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field of a dataclass has no default."""
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _items(kinds: tuple[Any, ...], value: object, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _unlike(place, value, "a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise _unlike(place, value, f"a list of {len(kinds)}")
    pairs = enumerate(zip(kinds, value, strict=True))
    return tuple(parse(kind, one, f"{place}[{i}]") for i, (kind, one) in pairs)


def _members(kind: Any, value: object, place: str) -> dict[str, Any]:
    return {
        one_line(key): parse(kind, one, f"{place}.{one_line(key)}")
        for key, one in _object(value, place).items()
    }


def _object(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _unlike(place, value, "an object")
    return value


def _choice(choices: tuple[str, ...], value: object, place: str) -> str:
    for choice in choices:
        if choice == value:
            return choice
    raise _unlike(place, value, f"one of {', '.join(choices)}")


def _scalar(kind: Any, value: object, place: str) -> object:
    if kind is object:
        return one_line(value if isinstance(value, str) else json.dumps(value))
    if kind is float and type(value) in (int, float):
        number = float(typing.cast(float, value))
        if math.isfinite(number):
            return number
    if kind is str and isinstance(value, str):
        return one_line(value)
    if type(value) is kind and kind is not float:
        return value
    raise _unlike(place, value, _NAMES.get(kind, "a finite number"))


def _unlike(place: str, value: object, wanted: str) -> InputError:
    shown = one_line(repr(value))
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return InputError(f"{place or 'the report'} is {shown}; it must be {wanted}")
