# SPDX-License-Identifier: Apache-2.0
"""Turns the command line into settings: one absl flag per field of a config class.

This is the only code that knows about flags. `--flagfile=FILE` reads flags from a
file, `--help` lists them by group; both work without TensorFlow.
"""

import dataclasses
import functools
import logging
import os
import sys
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn

from absl import flags as absl_flags

from biobert_tf.common import files, other_programs, screen, settings
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ConfigT
from biobert_tf.common.version import __version__

_LOG = logging.getLogger(__name__)

Defaults = Mapping[str, object]
OfModel = Callable[[Mapping[str, object], Collection[str]], Defaults]
"""Takes the values of all flags and the names of those that the user has given.

Returns the values with which the model of the command line was trained.
"""

_LONGEST_NAME: Final = 100
VERBOSITY: Final = (
    f"What to log: {', '.join(screen.LEVELS)}, or absl's numbers 1, 0, -1, -2, -3; "
    "debug is also all that TensorFlow says."
)


def parse(
    config_type: type[ConfigT],
    argv: Sequence[str],
    defaults: Defaults | None = None,
    of_model: OfModel | None = None,
) -> ConfigT:
    """Parses `--name=value` flags into a config.

    Booleans take `--do_train`, `--nodo_train` and `--do_train=false`. A field without
    a default is a required flag. A field that is itself a config class is a group; its
    fields are flags like all others.

    `argv` begins with the program's name; `defaults` are those defaults of the script
    that differ from the class's. The values that `of_model` returns are the defaults of
    this command line; a flag that was given wins, and a difference is logged.

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
    values, given, rest = _read(config_type, argv, defaults or {})
    if of_model is not None:
        values = _with_model(values, given, of_model(values, given))
    missing = [
        f"--{field.name}"
        for field in settings.leaves(config_type)
        if field.default is dataclasses.MISSING and values[field.name] is None
    ]
    if missing:
        raise InputError(f"{' and '.join(missing)} must be given; see --help")
    if rest:
        raise InputError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    config = settings.build(config_type, values)
    settings.check(config)
    return config


def verbosity(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the value of `--verbosity`, and the command line without it.

    `--flagfile` is replaced by the flags of its file, as that may be a pipe.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        # The name of the program is no flag.
        words = absl_flags.FlagValues().read_flags_from_files(list(argv), True)
    except absl_flags.Error as error:
        raise InputError(f"{error}; see --help") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None
    value, rest = "info", []
    waiting = iter(words)
    for word in waiting:
        flag, equals, given = word.partition("=")
        if flag in ("--verbosity", "-verbosity"):
            value = given if equals else next(waiting, "")
        else:
            rest.append(word)
    return value, rest


def to_argv(config: object) -> list[str]:
    """Returns the flags from which `parse` makes this config again.

    The words are `--name=value`, without the program's name in front. Every setting is
    named, so that the defaults of a script do not matter. A setting of None gets no
    flag, so it must not have another default.
    """
    return [
        _word(name, value)
        for name, value in settings.to_dict(config).items()
        if value is not None
    ]


def _with_model(
    values: Mapping[str, object], given: Collection[str], trained: Defaults
) -> dict[str, object]:
    """Returns the values with those of a model where no flag was given; says which."""
    taken = {name: value for name, value in trained.items() if name not in given}
    if new := [_word(name, v) for name, v in taken.items() if v != values[name]]:
        _LOG.info("as the model has it: %s", " ".join(new))
    for name, value in trained.items():
        if name in given and value != values[name]:
            shown = _shown(value)
            _LOG.warning(
                "%s instead of the trained %s", _word(name, values[name]), shown
            )
    return {**values, **taken}


def _word(name: str, value: object) -> str:
    """Returns a flag as a command line has it."""
    return f"--{name}={str(value).lower() if isinstance(value, bool) else value}"


def _read(
    config_type: type, argv: Sequence[str], defaults: Defaults
) -> tuple[dict[str, object], frozenset[str], list[str]]:
    """Returns the values of all flags, those given, and the words that are no flags."""
    flags = absl_flags.FlagValues()
    for field in settings.leaves(config_type):
        _definer(field)(
            name=field.name,
            default=_default(field, defaults),
            help=field.metadata["help"],
            flag_values=flags,
        )
        if alias := field.metadata["alias"]:
            absl_flags.DEFINE_alias(alias, field.name, flag_values=flags)
    absl_flags.DEFINE_string(
        "flagfile", None, "Insert flags from this file.", flag_values=flags
    )
    try:
        words = [argv[0], *flags.read_flags_from_files(list(argv[1:]), False)]
        _require_short_names(words)
        _, *rest = flags(words)
    except absl_flags.UnrecognizedFlagError as error:
        raise InputError(_unknown(error, flags)) from None
    except absl_flags.Error as error:
        raise InputError(f"{error}; see --help") from None
    except UnicodeDecodeError as error:
        raise _not_utf8(error) from None
    given = frozenset(name for name in flags if flags[name].present)
    return flags.flag_values_dict(), given, rest


def _require_short_names(words: Sequence[str]) -> None:
    """Refuses a long name, which absl would compare with those of all flags.

    That takes time in proportion to its length times theirs, and ends in an error of
    Python's.
    """
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("-") and len(name) > _LONGEST_NAME:
            raise InputError(f"no flag {name[:_LONGEST_NAME]}...; see --help")


def _not_utf8(error: UnicodeDecodeError) -> InputError:
    return InputError(f"--flagfile: {files.not_utf8(error)}")


def _unknown(
    error: absl_flags.UnrecognizedFlagError, known: absl_flags.FlagValues
) -> str:
    """Returns what to do about a flag that a command does not have."""
    if advice := other_programs.advice(error.flagname, known):
        return f"no flag --{error.flagname} here: {advice}; see docs/migrating.md"
    return f"{error}; see --help, or docs/migrating.md for flags of other programs"


def _default(field: settings.Field, defaults: Defaults) -> object:
    """Returns the default of a flag, as a command line gives it; None without one."""
    default = defaults.get(field.name, field.default)
    return None if default is dataclasses.MISSING else settings.plain(default)


class _PathParser(absl_flags.ArgumentParser):
    """Understands `~`, which no shell expands behind a `=`."""

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


def _definer(field: settings.Field) -> Callable[..., object]:
    """Returns the absl function that defines a flag of a field's type."""
    kind = settings.kind_of(field)
    if typing.get_origin(kind) is Literal:
        return functools.partial(
            absl_flags.DEFINE_enum,
            enum_values=list(typing.get_args(kind)),
            case_sensitive=not field.metadata["any_case"],
        )
    by_type: dict[type, Callable[..., object]] = {
        bool: absl_flags.DEFINE_boolean,
        int: absl_flags.DEFINE_integer,
        float: absl_flags.DEFINE_float,
        Path: functools.partial(absl_flags.DEFINE, _PathParser()),
    }
    return by_type.get(kind, absl_flags.DEFINE_string)


def _print_help(config_type: type, program: str, defaults: Defaults) -> NoReturn:
    print(f"usage: {Path(program).name} --name=value ...\n")
    for group, fields in settings.groups(config_type):
        if fields:
            print(f"{(group.__doc__ or '').splitlines()[0]}")
        for field in fields:
            is_required = field.default is dataclasses.MISSING
            shown = "required" if is_required else _shown(_default(field, defaults))
            print(f"  --{field.name}: {field.metadata['help']} [{shown}]")
        print()
    print("  --flagfile: Read flags from this file, one per line.")
    print(f"  --verbosity: {VERBOSITY} [info]")
    print("  --version: Print the version.")
    sys.exit(0)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default is None or default == "" else str(default)
