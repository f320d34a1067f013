# SPDX-License-Identifier: Apache-2.0
"""Prints the entities of a file with Transformers' pipeline.

python -m benchmarks.peers.plain_pipeline MODEL FILE
"""

import sys

import transformers

model, path = sys.argv[1:]
with open(path, encoding="utf-8") as stream:
    text = stream.read()
pipeline = transformers.pipeline(
    "token-classification", model=model, aggregation_strategy="simple"
)
print(pipeline(text))
