# SPDX-License-Identifier: Apache-2.0
"""Code that TensorFlow has lowered, as JAX takes it. Needs jax, and no TensorFlow."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

STABLEHLO: Final = "1.8.0"
"""The version of StableHLO that carries the code; every JAX since 2025 reads it."""


class Typed(Protocol):
    """Anything with a shape and the name of a type in NumPy, `bfloat16` too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the length of every axis."""

    @property
    def dtype(self) -> str:
        """Returns the name of the type."""


@dataclasses.dataclass(frozen=True)
class Array:
    """The shape and the type of an argument or a result."""

    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Lowered:
    """A step in XLA's code, without its values.

    Attributes:
        arguments: Those of the code: the entries of a batch, then the variables.
        changed: The numbers of the arguments that the step changes.
        results: Those of the code: outputs, then the new values of `changed`.
    """

    arguments: tuple[Array, ...]
    changed: tuple[int, ...]
    results: tuple[Array, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Lowered":
        """Returns what `dataclasses.asdict` has made of it, read from JSON."""
        arrays = {
            name: tuple(Array(tuple(x["shape"]), x["dtype"]) for x in values[name])
            for name in ("arguments", "results")
        }
        return cls(changed=tuple(values["changed"]), **arrays)


def as_function(
    hlo: bytes, arguments: Sequence[Typed], results: Sequence[Typed], platform: str
) -> Callable[..., Any]:
    """Returns a JAX function that runs a serialized HLO module.

    A stand-in with the same arguments and results is exported; then its code is
    replaced. XLA refuses code whose arguments or results have other shapes.
    JAX must have been told `jax_enable_x64`: the number of a step is int64.
    """
    import jax
    import jax.export

    # Public in later versions only, as `jax.extend.mlir`; there too this is the same.
    from jaxlib import _jax

    def stand_in(*_: jax.Array) -> list[jax.Array]:
        return [jax.numpy.zeros(each.shape, each.dtype) for each in results]

    exported = jax.export.export(
        jax.jit(stand_in, keep_unused=True), platforms=[platform]
    )(*(jax.ShapeDtypeStruct(each.shape, each.dtype) for each in arguments))
    module = _jax.mlir.hlo_to_stablehlo(hlo)
    if platform == "tpu":
        module = with_own_generator(module)
    code = _jax.mlir.serialize_portable_artifact(module, STABLEHLO)
    return dataclasses.replace(exported, mlir_module_serialized=code).call


_ONE, _TWO, _THREE = (f"tensor<{number}xui64>" for number in (1, 2, 3))
_PHILOX: Final = re.compile(
    r"(?P<state>%\w+), (?P<bits>%\w+) = stablehlo.rng_bit_generator (?P<seed>%\w+), "
    rf"algorithm = +PHILOX : \({_THREE}\) -> \({_THREE}, (?P<type>.*)\)"
)


def with_own_generator(module: bytes) -> str:
    """Returns StableHLO in which the device's own generator draws, instead of Philox.

    TensorFlow leaves the choice of a generator to the device: Philox on a CPU, where we
    lower, and XLA's default on a TPU (`DefaultRngAlgForDeviceType` in tf2xla). The
    default has a seed of two numbers on a TPU, Philox one of three.
    """
    from jax._src.interpreters import mlir
    from jaxlib.mlir import ir

    numbers = itertools.count()

    def own(found: re.Match[str]) -> str:
        state, bits, seed, kind = found.group("state", "bits", "seed", "type")
        number = next(numbers)
        two, one, new = f"%two{number}", f"%one{number}", f"%new{number}"
        return "\n".join(
            (
                f"{two} = stablehlo.slice {seed} [0:2] : ({_THREE}) -> {_TWO}",
                f"{one} = stablehlo.slice {seed} [2:3] : ({_THREE}) -> {_ONE}",
                f"{new}, {bits} = stablehlo.rng_bit_generator {two}, "
                f"algorithm = DEFAULT : ({_TWO}) -> ({_TWO}, {kind})",
                f"{state} = stablehlo.concatenate {new}, {one}, dim = 0 : "
                f"({_TWO}, {_ONE}) -> {_THREE}",
            )
        )

    with mlir.make_ir_context():
        return _PHILOX.sub(own, str(ir.Module.parse(module)))
