"""A report of a reproduction with everything that can happen, made by hand."""

import copy

HOSTILE = "</script><script>document.title='hacked'</script>|`*_[x](javascript:1)\"'&"
LONG = "AVeryLongNameThatHasNoPlaceToBreak" * 6
PUBMED = "BioBERT v1.1 (+ PubMed)"
METRICS = ["precision", "recall", "f1"]
BMC = "BMC Bioinformatics 12859-020-03834-6, table 2"
PORT = "the authors' PyTorch port, README"


def published(*values, status="secondary source"):
    return {
        metric: {"value": value, "status": status, "source": None}
        for metric, value in zip(METRICS, values, strict=True)
    }


def run(seed, *scores, fold=None, folder="", curve=(), metrics=METRICS, **more):
    """A run that is done if it has scores."""
    made = {
        "name": f"seed-{seed}" if fold is None else f"seed-{seed}-fold-{fold}",
        "seed": seed,
        "fold": fold,
        "status": "done" if scores else "to do",
        "why": "",
        "folder": folder or f"runs/seed-{seed}-{fold or 0}",
        "command": f"python run_ner.py --data_dir=data --seed={seed}",
        "seconds": 3725.0 if scores else None,
        "device": "CPU" if scores else "",
        "started": "2026-11-30T12:00:00Z" if scores else "",
        "scores": dict(zip(metrics, scores, strict=True)) if scores else {},
        "interval_95": {
            metric: [score - 2.25, score + 2.0]
            for metric, score in (zip(metrics, scores, strict=True) if scores else ())
        },
        "curve": [list(point) for point in curve],
    }
    return made | more


def summary(metrics=METRICS, **values):
    """`f1=(mean, std, best, n)` for each metric."""
    names = ("mean", "std", "best", "n")
    assert set(values) <= set(metrics)
    return {key: dict(zip(names, one, strict=True)) for key, one in values.items()}


def verdict(against, metric, said, difference=None, tolerance=None, why=""):
    return {
        "against": against,
        "metric": metric,
        "difference": difference,
        "tolerance": tolerance,
        "verdict": said,
        "why": why,
    }


def ncbi():
    """Three models, one of them the paper's; runs failed, stopped and to do."""
    base = {
        "model": "biobert-v1.1",
        "column": PUBMED,
        "compat": "fixed",
        "settings": {"learning_rate": 5e-05, "num_train_epochs": 20.0},
        "grid": [
            run(1, 85.0, 86.0, 85.5, name=f"grid-{rate}", folder=f"grid/{rate}")
            for rate in ("1e-05", "5e-05")
        ],
        "runs": [
            run(1, 86.5, 89.25, 87.85, curve=[(100, 60.0), (200, 81.5), (300, 87.0)]),
            run(2, 87.5, 90.25, 88.85, curve=[(100, 62.0), (200, 83.5), (300, 88.0)]),
            run(3, status="failed", why="killed by signal 9: out of memory"),
            run(4, status="stopped", why="stopped by Ctrl-C"),
            run(5),
        ],
        "summary": summary(
            precision=(87.0, 0.7071, 87.5, 2),
            recall=(89.75, 0.7071, 90.25, 2),
            f1=(88.35, 0.7071, 88.85, 2),
        ),
        "verdicts": [
            verdict(BMC, "f1", "agrees", -0.28, 1.4184),
            verdict("paper", "f1", "differs", -1.36, 1.0),
            verdict("paper", "recall", "agrees", -1.5, 2.0),
        ],
    }
    mini = {
        "model": "minilm",
        "column": None,
        "compat": "fixed",
        "settings": {"learning_rate": 5e-05},
        "runs": [run(1, 80.0, 82.0, 80.99, curve=[(100, 40.0), (300, 79.0)])],
        "summary": summary(f1=(80.99, None, 80.99, 1)),
        "verdicts": [
            verdict(name, "f1", "not compared", why="the model is not the paper's")
            for name in ("paper", BMC, PORT)
        ],
    }
    master = copy.deepcopy(mini) | {"compat": "master", "runs": [run(1), run(2)]}
    master |= {"summary": {}, "verdicts": []}
    return {
        "dataset": "NCBI-disease",
        "problem": "ner",
        "status": "ran",
        "why": "2 files are read as one",
        "test_size": {"sentences": 940, "mentions": 960},
        "counts_agree": True,
        "card": [
            {
                "finding": "leak",
                "count": 1,
                "of": 940,
                "text": "sentences of test.tsv that are in train.tsv too",
            }
        ],
        "paper": {
            "BERT": published(84.12, 87.19, 85.63),
            "BioBERT v1.0 (+ PubMed)": published(
                86.76, 88.02, 87.38, status="unverified"
            ),
            PUBMED: published(88.22, 91.25, 89.71),
        },
        "anchors": [
            {
                "source": BMC,
                "values": {"f1": {"mean": 88.63, "std": 0.71, "n": 5}},
                "settings": {},
            },
            {
                "source": PORT,
                "values": {
                    metric: {"mean": mean, "std": None, "n": 1}
                    for metric, mean in zip(METRICS, (86.96, 89.68, 88.3), strict=True)
                },
                "settings": {"max_seq_length": 192, "num_train_epochs": 30},
            },
        ],
        "cells": [base, mini, master],
        "comparisons": [
            {
                "first": "biobert-v1.1/fixed",
                "second": "minilm/fixed",
                "metric": "f1",
                "difference": 7.36,
                "interval_95": [5.1, 9.6],
                "p_value": 0.0002,
                "seeds": 2,
            }
        ],
    }


def other(dataset, status, why="", **more):
    """A data set without runs."""
    return {
        "dataset": dataset,
        "problem": "ner",
        "status": status,
        "why": why,
        "test_size": {},
        "counts_agree": None,
        "card": [],
        "paper": {"BERT": published(84.04, 84.08, 84.06)},
        "anchors": [],
        "cells": [],
        "comparisons": [],
    } | more


def hostile():
    """A data set, model, folder and words that try to break out of the page."""
    cell = {
        "model": LONG,
        "column": None,
        "compat": "fixed",
        "settings": {HOSTILE: HOSTILE},
        "runs": [
            run(
                1,
                70.0,
                60.0,
                64.62,
                folder="javascript:alert(1)",
                command=f"biobert x ``` {HOSTILE}",
                device="\u202eUPC\x00\n",
            ),
            run(2, status="failed", why=f"=1+1 {HOSTILE}"),
        ],
        "summary": summary(f1=(64.62, None, 64.62, 1)),
        "verdicts": [verdict(HOSTILE, "f1", "not compared", why=HOSTILE)],
    }
    return other(
        HOSTILE,
        "ran",
        cells=[cell],
        counts_agree=False,
        card=[{"finding": "leak", "count": 2, "of": 3, "text": HOSTILE}],
    )


def folds():
    """Three folds of two seeds, a perfect precision among them."""
    cell = {
        "model": "minilm",
        "column": None,
        "compat": "fixed",
        "settings": {},
        "runs": [
            run(seed, 70.0 + fold, 80.0, 75.0 + fold + seed / 4, fold=fold)
            for seed in (1, 2)
            for fold in (1, 2, 3)
        ],
        "summary": summary(f1=(77.375, 0.1768, 77.5, 2)),
        "verdicts": [],
    }
    return other("GAD", "ran", cells=[cell], problem="re")


def report():
    """A new report; tests may change it."""
    return {
        "title": "The paper's tables, with a small model",
        "version": "0.1.0",
        "tensorflow": "2.20.0",
        "command": "biobert reproduce --table=all --seeds=5 --models=minilm",
        "machine": {"system": "Linux x86_64", "processors": 2, "devices": ["CPU"]},
        "started": "2026-11-30T12:00:00Z",
        "wall_seconds": 30000.0,
        "notes": ["The encoder is cut to 3 layers", HOSTILE],
        "squad": [run(1, status="done", name="squad", seconds=7260.0, attempts=2)],
        "tables": [
            {
                "number": 6,
                "title": "Named entity recognition",
                "metrics": METRICS,
                "main": "f1",
                "rows": [
                    ncbi(),
                    other("2010-i2b2", "missing data", "needs a registration"),
                    other("linnaeus", "not asked", "--datasets does not name it"),
                    hostile(),
                ],
            },
            {
                "number": 7,
                "title": "Relation extraction",
                "metrics": METRICS,
                "main": "f1",
                "rows": [folds()],
            },
        ],
        "pretraining_curve": [
            {"model": name, "steps": steps, "dataset": dataset, "score": score}
            for dataset, first in (("NCBI-disease", 80.0), ("BC2GM", 75.0))
            for name, steps, score in (
                ("early", 10_000, first),
                ("middle", 200_000, first + 6.5),
                ("last", 1_000_000, first + 8.25),
            )
        ],
    }


def empty():
    """A report of a plan of which nothing is done."""
    made = report() | {"notes": [], "pretraining_curve": [], "squad": []}
    made["tables"] = made["tables"][:1]
    rows = [ncbi(), other("BC2GM", "ran"), other("linnaeus", "not asked")]
    rows[0]["cells"] = rows[0]["cells"][2:]
    rows[0]["comparisons"] = []
    made["tables"][0]["rows"] = rows
    return made
