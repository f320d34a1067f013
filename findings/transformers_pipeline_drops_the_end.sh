#!/usr/bin/env bash
# Transformers' NER pipeline drops the end of a long text without a word.
#
# `pipeline("token-classification", ...)` cuts a text at the positions of the model and
# returns the entities of its beginning. Nothing says that the rest was not read, not
# even a warning. With `stride=`, which needs an `aggregation_strategy`, the same
# pipeline reads the whole text in overlapping windows.
#
# The model here calls every word an entity, so the end of the last one shows how far the
# text was read.
#
# Versions: transformers 5.24.0, torch 2.13.0 (CPU), Python 3.11. Date: 2026-11-29.
# Seen, for a text of 879 characters and 32 positions:
#   default:   read up to character 131
#   stride=8:  read up to character 879
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.24.0
cd "$folder"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' liver cancer is seen . > vocab.txt
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from transformers import BertConfig, BertForTokenClassification, BertTokenizer, pipeline

POSITIONS = 32
config = BertConfig(
    vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=32, max_position_embeddings=POSITIONS,
    id2label={0: "O", 1: "B-Disease"}, label2id={"O": 0, "B-Disease": 1},
)
model = BertForTokenClassification(config)
with torch.no_grad():
    model.classifier.bias.copy_(torch.tensor([-100.0, 100.0]))
tokenizer = BertTokenizer("vocab.txt", model_max_length=POSITIONS)
text = "liver cancer is seen. " * 40
seen = {}
for name, how in {
    "default": {},
    "stride=8": {"stride": 8, "aggregation_strategy": "first"},
}.items():
    ner = pipeline("token-classification", model=model, tokenizer=tokenizer, **how)
    seen[name] = max(entity["end"] for entity in ner(text))
    print(f"{name}: read up to character {seen[name]} of {len(text.rstrip())}")
assert seen["default"] < 200, "Transformers changed: the whole text is read"
assert seen["stride=8"] == len(text.rstrip())
PYTHON
