# SPDX-License-Identifier: Apache-2.0
"""Lowers functions of TensorFlow to XLA's code, which JAX or a TPU's compiler takes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from biobert_tf.tpu.lowered import Array, Lowered


@dataclasses.dataclass(frozen=True)
class Traced:
    """A function of a batch, traced.

    Attributes:
        compiled: The function; its arguments are the entries of a batch, by name.
        specs: Those of the entries.
        variables: What the function reads, in the order of the code's arguments.
        is_changed: Whether the function assigns each of them.
        outputs: What it returns.
    """

    compiled: tf.types.experimental.GenericFunction
    specs: list[tf.TensorSpec]
    variables: list[tf.Variable]
    is_changed: list[bool]
    outputs: tuple[Array, ...]

    @property
    def lowered(self) -> Lowered:
        """Returns the arguments and results of the code."""
        variables = [_array(each) for each in self.variables]
        arguments = [*map(_array, self.specs), *variables]
        first = len(self.specs)
        changed = [i for i, found in enumerate(self.is_changed, first) if found]
        results = [*self.outputs, *(arguments[number] for number in changed)]
        return Lowered(tuple(arguments), tuple(changed), tuple(results))

    def hlo(self) -> bytes:
        """Returns the code as a serialized HloModuleProto."""
        lower = self.compiled.experimental_get_compiler_ir(*self.specs)
        return without_copies(lower(stage="hlo_serialized"))


def trace(
    function: Callable[[Mapping[str, tf.Tensor]], object],
    specs: Mapping[str, tf.TensorSpec],
) -> Traced:
    """Traces a function of a batch whose entries have static shapes."""
    names = sorted(specs)

    def step(*values: tf.Tensor) -> object:
        return function(dict(zip(names, values, strict=True)))

    compiled = tf.function(step, autograph=False, jit_compile=True)
    ordered = [specs[name] for name in names]
    graph = compiled.get_concrete_function(*ordered)
    by_handle = {id(each.handle): each for each in graph.graph.variables}
    return Traced(
        compiled,
        ordered,
        [by_handle[id(each)] for each in graph.captured_inputs],
        _changed(graph, len(names)),
        tuple(map(_array, graph.outputs)),
    )


def _array(value: Any) -> Array:
    return Array(tuple(value.shape), value.dtype.name)


def _changed(graph: Any, num_arguments: int) -> list[bool]:
    """Returns whether a concrete function assigns each variable that it captures."""
    assigned = {
        operation.inputs[0].name
        for operation in graph.graph.get_operations()
        if operation.type.startswith("Assign")
    }
    # A function's inputs are its arguments, then what it captures.
    return [each.name in assigned for each in graph.inputs[num_arguments:]]


def without_copies(hlo: bytes) -> bytes:
    """Removes the copies, which StableHLO does not have, and where the code stands."""
    from tensorflow.compiler.xla.service import hlo_pb2

    module = hlo_pb2.HloModuleProto.FromString(hlo)
    module.ClearField("stack_frame_index")
    for computation in module.computations:
        kept = []
        instead: dict[int, int] = {}
        for instruction in computation.instructions:
            instruction.ClearField("metadata")
            # Operands stand before what uses them.
            operands = [instead.get(each, each) for each in instruction.operand_ids]
            instruction.operand_ids[:] = operands
            if instruction.opcode == "copy":
                instead[instruction.id] = operands[0]
            else:
                kept.append(instruction)
        computation.root_id = instead.get(computation.root_id, computation.root_id)
        del computation.instructions[:]
        computation.instructions.extend(kept)
    return module.SerializeToString(deterministic=True)
