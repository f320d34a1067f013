# SPDX-License-Identifier: Apache-2.0
"""A traced function as a graph in which the present weights are constants.

TensorFlow's `convert_variables_to_constants_v2` does the same and optimises the graph,
which takes seconds.
"""

import numpy as np
import tensorflow as tf


def graph_def(
    function: tf.types.experimental.ConcreteFunction,
) -> tf.compat.v1.GraphDef:
    """Returns the graph of a function without variables.

    Its inputs and outputs have the names of `function.inputs` and `function.outputs`.
    The function must have no control flow and change no variable.
    """
    weights = {id(each.handle): each for each in function.graph.variables}
    values = {
        inner.op.name: weights[id(outer)].numpy()
        for outer, inner in function.graph.captures
        if id(outer) in weights
    }
    made = function.graph.as_graph_def()
    for node in made.node:
        if node.name in values:
            set_constant(node, values[node.name])
        elif node.op == "ReadVariableOp":
            node.op = "Identity"
            node.attr["T"].CopyFrom(node.attr.pop("dtype"))
        elif node.op == "ResourceGather":
            node.op = "Gather"
            node.attr["Tparams"].CopyFrom(node.attr.pop("dtype"))
            del node.attr["batch_dims"]
    return made


def set_constant(node: tf.compat.v1.NodeDef, value: np.ndarray) -> None:
    """Makes the node of a graph a constant."""
    node.op = "Const"
    node.attr.clear()
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
