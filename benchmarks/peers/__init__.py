# SPDX-License-Identifier: Apache-2.0
"""`make bench`: this package beside Transformers, OpenVINO, ONNX Runtime and others.

__main__    the command: makes the inputs, lets the sides take turns, writes the results
sides       what is compared: a table
inputs      the sentences and the model that all sides get
running     processes of both environments, and their turns
worker      the process of a side; rows: what sides share
ours, torch_sides, runtimes, tokenizers, conversion, plain_ner    the sides
machine     what the machine is
table       Markdown of the results
"""
