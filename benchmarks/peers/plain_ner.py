# SPDX-License-Identifier: Apache-2.0
"""A plain script with Transformers: trains one epoch, predicts test.tsv, scores it.

python -m benchmarks.peers.plain_ner DATA MODEL OUTPUT

It is what one writes first: batches in random order, padded to their longest row.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from torch.utils.data import DataLoader

data, model_dir, output = map(Path, sys.argv[1:])
tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
collate = transformers.DataCollatorForTokenClassification(tokenizer)


def read(name: str) -> list[list[list[str]]]:
    """Returns the words of every sentence of a file, each with its label."""
    blocks = (data / name).read_text("utf-8").strip("\n").split("\n\n")
    return [[line.split("\t") for line in block.split("\n")] for block in blocks]


def encode(sentence: list[list[str]]) -> dict[str, list[int]]:
    """Returns the ids of a sentence and the labels of its words' first pieces."""
    words, labels = zip(*sentence, strict=True)
    row = tokenizer(
        list(words), is_split_into_words=True, truncation=True, max_length=128
    )
    ids, last = [], None
    for word in row.word_ids():
        ids.append(-100 if word in (None, last) else NAMES.index(labels[word]))
        last = word
    return {**row, "labels": ids}


def entities(labels: list[str]) -> set[tuple[int, int]]:
    """Returns the first word of every entity, and the first after it."""
    found: set[tuple[int, int]] = set()
    start = None
    for i, label in enumerate([*labels, "O"]):
        if start is not None and label != "I":
            found.add((start, i))
            start = None
        if label == "B" or (label == "I" and start is None):
            start = i
    return found


train, test = read("train.tsv"), read("test.tsv")
NAMES = ["O", "B", "I"]
model = transformers.AutoModelForTokenClassification.from_pretrained(
    model_dir, num_labels=3, ignore_mismatched_sizes=True
)
rows = DataLoader([encode(s) for s in train], 32, shuffle=True, collate_fn=collate)
adam = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
rates = transformers.get_linear_schedule_with_warmup(adam, len(rows) // 10, len(rows))
model.train()
for batch in rows:
    model(**batch).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    rates.step()
    adam.zero_grad()
model.eval()
right = num_found = num_gold = 0
with torch.inference_mode():
    for batch in DataLoader([encode(s) for s in test], 32, collate_fn=collate):
        gold = batch.pop("labels")
        for row, best in zip(gold, model(**batch).logits.argmax(-1), strict=True):
            words = row != -100
            wanted = entities([NAMES[i] for i in row[words]])
            got = entities([NAMES[i] for i in best[words]])
            right, num_found = right + len(wanted & got), num_found + len(got)
            num_gold += len(wanted)
f1 = 2 * right / max(1, num_found + num_gold)
results = {"test": {"scores": {"f1": f1}}}
(output / "results.json").write_text(json.dumps(results), "utf-8")
