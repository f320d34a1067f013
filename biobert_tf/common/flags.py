# SPDX-License-Identifier: Apache-2.0
"""Turns the command line into settings: one absl flag per field of a config class.

This is the only code that knows about flags. `--flagfile=FILE` reads flags from a
file, `--help` lists them by group; both work without TensorFlow.
"""

import dataclasses
import functools
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NoReturn

from absl import flags as absl_flags

from biobert_tf.common import settings
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ConfigT
from biobert_tf.common.version import __version__

Defaults = Mapping[str, object]


def parse(
    config_type: type[ConfigT], argv: Sequence[str], defaults: Defaults | None = None
) -> ConfigT:
    """Parses `--name=value` flags into a config.

    Booleans take `--do_train`, `--nodo_train` and `--do_train=false`. A field without
    a default is a required flag. A field that is itself a config class is a group; its
    fields are flags like all others.

    Args:
        config_type: A config class; see `common.settings`.
        argv: The program's name and its arguments.
        defaults: The script's defaults that differ from those of the class.

    Returns:
        The validated config.

    Raises:
        InputError: An unknown flag, a value that does not parse, a missing flag, or
            values that contradict each other.
        SystemExit: After `--help` or `--version`.
    """
    if set(argv[1:]) & {"--help", "-h", "-help"}:
        _print_help(config_type, argv[0], defaults or {})
    if "--version" in argv[1:]:
        print(__version__)
        sys.exit(0)
    values, rest = _read(config_type, argv, defaults or {})
    missing = [
        f"--{field.name}"
        for _, fields in settings.groups(config_type)
        for field in fields
        if field.default is dataclasses.MISSING and values[field.name].value is None
    ]
    if missing:
        raise InputError(f"{' and '.join(missing)} must be given; see --help")
    if rest:
        raise InputError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    config = _build(config_type, values)
    settings.check(config)
    return config


def to_argv(config: object) -> list[str]:
    """Returns the flags from which `parse` makes this config again.

    Every setting is named, so that the defaults of a script do not matter. A setting of
    None gets no flag, so it must not have another default.

    Args:
        config: An instance of a config class.

    Returns:
        `--name=value`, without the program's name that `parse` expects before them.
    """
    words = []
    for name, value in settings.to_dict(config).items():
        if value is not None:
            shown = str(value).lower() if isinstance(value, bool) else value
            words.append(f"--{name}={shown}")
    return words


def _read(
    config_type: type, argv: Sequence[str], defaults: Defaults
) -> tuple[absl_flags.FlagValues, list[str]]:
    """Returns the values of all flags, and the words that are not flags.

    The value of a required flag that is not given is None.
    """
    values = absl_flags.FlagValues()
    _define(config_type, defaults, values)
    absl_flags.DEFINE_string(
        "flagfile", None, "Insert flags from this file.", flag_values=values
    )
    try:
        _, *rest = values(list(argv))
    except absl_flags.Error as error:
        raise InputError(f"{error}; see --help") from None
    return values, rest


def _default(field: settings.Field, defaults: Defaults) -> object:
    """Returns the default of a flag, as a command line gives it; None without one."""
    if field.name in defaults:
        return defaults[field.name]
    if field.default is dataclasses.MISSING:
        return None
    is_text = isinstance(field.default, Path | settings.FlagValue)
    return str(field.default) if is_text else field.default


def _define(
    config_type: type, defaults: Defaults, values: absl_flags.FlagValues
) -> None:
    for group, fields in settings.groups(config_type):
        hints = typing.get_type_hints(group)
        for field in fields:
            _definer(hints[field.name])(
                name=field.name,
                default=_default(field, defaults),
                help=field.metadata["help"],
                flag_values=values,
            )


def _definer(hint: settings.Hint) -> Callable[..., object]:
    """Returns the absl function that defines a flag of a Python type."""
    if typing.get_origin(hint) is Literal:
        choices = list(typing.get_args(hint))
        return functools.partial(absl_flags.DEFINE_enum, enum_values=choices)
    by_type: dict[type, Callable[..., object]] = {
        bool: absl_flags.DEFINE_boolean,
        int: absl_flags.DEFINE_integer,
        float: absl_flags.DEFINE_float,
        str: absl_flags.DEFINE_string,
        Path: absl_flags.DEFINE_string,
    }
    kind = settings.without_none(hint)
    return by_type[str if settings.is_flag_value(kind) else kind]


def _build(config_type: type[ConfigT], values: absl_flags.FlagValues) -> ConfigT:
    hints = typing.get_type_hints(config_type)
    arguments: dict[str, object] = {}
    for field in settings.fields(config_type):
        hint = settings.without_none(hints[field.name])
        if settings.is_group(hint):
            arguments[field.name] = _build(hint, values)
            continue
        value = values[field.name].value
        if value is not None and hint is Path:
            value = Path(value).expanduser()
        elif value is not None and settings.is_flag_value(hint):
            value = hint.parse(value)
        arguments[field.name] = value
    return config_type(**arguments)


def _print_help(config_type: type, program: str, defaults: Defaults) -> NoReturn:
    print(f"usage: {Path(program).name} --name=value ...\n")
    for group, fields in settings.groups(config_type):
        if fields:
            print(f"{(group.__doc__ or '').splitlines()[0]}")
        for field in fields:
            default = _default(field, defaults)
            shown = "required" if field.default is dataclasses.MISSING else default
            print(f"  --{field.name}: {field.metadata['help']} [{_shown(shown)}]")
        print()
    print("  --flagfile: Read flags from this file, one per line.")
    print("  --version: Print the version.")
    sys.exit(0)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default is None or default == "" else str(default)
