#!/usr/bin/env bash
# Transformers 5 ignores `BertTokenizer(vocab_file=...)`: every word becomes [UNK].
#
# `vocab_file` was the name of the first argument up to version 4, and scripts that use
# Google's or BioBERT's vocab.txt write it. In version 5 the argument is called `vocab`;
# the old name falls into `**kwargs`, and the tokenizer is made with the five special
# tokens alone. There is no error and no warning, so a model is trained or asked on
# [UNK] only. By position, or as `vocab=`, the same file is read.
#
# Versions: transformers 5.24.0, tokenizers as it brings it, Python 3.11.
# Date: 2026-11-29.
# Seen:
#   vocab_file=: 5 tokens, ['[UNK]', '[UNK]']
#   vocab=:      7 tokens, ['liver', 'cancer']
#   by position: 7 tokens, ['liver', 'cancer']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.24.0
cd "$folder"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' liver cancer > vocab.txt
"$folder/venv/bin/python" - <<'PYTHON'
from transformers import BertTokenizer

made = {
    "vocab_file=": BertTokenizer(vocab_file="vocab.txt"),
    "vocab=": BertTokenizer(vocab="vocab.txt"),
    "by position": BertTokenizer("vocab.txt"),
}
seen = {name: (len(one), one.tokenize("liver cancer")) for name, one in made.items()}
for name, (size, pieces) in seen.items():
    print(f"{name}: {size} tokens, {pieces}")
assert seen["vocab_file="] == (5, ["[UNK]", "[UNK]"]), "Transformers changed"
assert seen["vocab="] == seen["by position"] == (7, ["liver", "cancer"])
PYTHON
