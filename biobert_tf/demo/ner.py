# SPDX-License-Identifier: Apache-2.0
"""Makes the small entity corpus that the demo trains on.

Nothing here comes from a released data set: a grammar, written for this project,
is expanded at random into English sentences about diseases and chemicals. They
read like abstracts but are meaningless. Three properties make the task hard enough:

* the same word is an entity in one place but not in another (`gold`, `stroke`,
  `MS`), or changes its type (`RA`), so that a list of words is not enough;
* words without a label occur where entities occur and have endings like theirs
  (`placebo`, `apoptosis`), so that neither position nor ending is enough;
* the development and the test file use words that are not in the training file,
  made of morphemes that are (`nephr|itis`, `clotrim|azole`).
"""

import collections
import itertools
import random
import string
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.demo import grammar
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text import tokenization

# Words and their labels, one label per word: B-Disease, I-Disease, B-Chemical, ...
Sentence = tuple[tuple[str, ...], tuple[str, ...]]

NUM_SENTENCES: Final = {"train": 1200, "devel": 150, "test": 250}
# The seed of the corpus from which vocab/demo-vocab.txt was made.
SEED: Final = 12345
VOCAB_SIZE: Final = 800
# Number of pieces that are whole words, the most frequent ones. Small on purpose: if
# the training entities were whole pieces, the model would not see their morphemes.
NUM_WHOLE_WORDS: Final = 260

ENCODER: Final = EncoderConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=256,
    max_position_embeddings=128,
    initializer_range=0.1,  # With 0.02 so narrow a BERT learns nothing in a minute.
)

# Running text that is not in the corpus; some of its entities are not in training.
RAW_SENTENCE: Final = (
    "After two weeks of ramipril and β-carotene, a 54-year-old woman with chronic "
    "nephritis (stage 3) and diabetes developed severe hyperkalemia."
)

# In the notation of `grammar`.
_GRAMMAR: Final = """
sentence: $opening $treated | $opening $treated | $clinical | $clinical | $adverse
  | $adverse | $adverse | $cohort | $cohort | $laboratory | $laboratory | $negative
  | $negative | $nothing | $nothing | $ambiguous | $ambiguous | $title | $report

opening: In this $trial , | In a $trial of ## centres , | During follow-up , | Overall ,
  | After ## $times , | At $place , | In ##-year-old $people , | To date ,
treated: $who with $ill were given $drug ( $dose ) for ## $times .
  | $drug $improved $ill compared with $care ( P < 0.0# ) .
  | $drugs were more effective than $care in $who with $ill .
  | $drug was stopped because of $ill in # of ## $people .
  | the addition of $drug to $care had no effect on $ill .
clinical: $Who with $ill had higher $gene levels than $who without $ill .
  | $Who who developed $ill after $care were switched to $drug .
  | $ill was found in ## of ### $people ( ##.# % ) after $care .
  | $ills are common in $who who receive $drug at high doses .
  | The $practice of $ill in $who remains difficult despite $care .
  | $Who undergoing $care for $ill received $drug ( $dose ) every # $times .
adverse: $C - induced $D was $reported in $who with $ill .
  | $C - induced $D and its prevention by $drug in $who .
  | $drugs can cause $ills , in particular in $who .
  | $ill $followed the administration of $drug ( $dose ) in $who .
  | Two $people died of $ill after an overdose of $drug .
  | Fatal $C [Disease toxicity] was $reported in $who treated for $ill .
  | The risk of $ill with $C / $C was ##.# % , against #.# % with $care .
cohort: Of ### $people with $ill , ## were treated with $drug and ## with $care .
  | $Gene was a predictor of $ill in ### $people with $ill .
  | We studied ## families with $ill in a $trial of $gene and $gene .
  | The $trial enrolled $who with newly $found $ill , $ill or both .
  | ( ii ) $Who with $ills ; ( iii ) $who with $device .
laboratory: $drug $lowered $gene - mediated $process in $cells .
  | $gene-induced $process was $blocked by $drug in $tissue from $who with $ill .
  | $Tissue levels of $drugs were measured by $assay in $who .
  | $gene expression in $tissue was $changed by $drug but not by $care .
  | Treatment with $drug ( $dose ) $lowered $gene-induced $process and $ill .
negative: No $D was seen in $who who received $drug .
  | There was no evidence of $ills in the ## $people given $drug .
  | None of the $who had a history of $ill or took $drug .
  | $drug did not $block $process , nor did it $change $gene levels .
  | $Who without $ill were excluded , as were those on $drug .
nothing: The $gene gene was sequenced in ## $people from $place .
  | $Gene and $gene were measured by $assay in $tissue from $who .
  | $Care was well tolerated , and ## of ## $people completed the $trial .
  | We describe the $process of $cells during $care in $who .
  | $Who with $device underwent $care at $place in 19## .
  | Further studies of $gene-induced $process in $cells are needed .
  | The $trial was approved by the ethics committee of $place .
ambiguous: Occupational exposure to [Chemical $metal] was $reported in $who with $ill .
  | [Chemical $metal] was $found in $tissue from $who with $ill .
  | These findings may lead to new markers of $ill in $who .
  | $Care remains the gold standard for the $practice of $ill .
  | Blood pressure fell by ## mm of mercury after $drug ( $dose ) .
  | Proteins were shown by silver staining and identified by MS in $tissue .
  | A lead compound was selected for its effect on $gene in $cells .
  | [Disease $shared] was the main outcome of the $trial in $who .
  | $Who with [Disease $shared] or $ill received $drug within ## $times .
  | Cardiac output and stroke volume fell after $drug in $who .
  | ST-segment depression on exercise was $reported in ## of ## $people .
  | $ill was treated with shock wave lithotripsy and cold saline in $who .
  | [Disease RA] and [Disease MS] were $reported more often in $people on $drug .
  | [Chemical RA] ( $dose ) and $drug $lowered $process in $cells .
  | $gene-dependent growth arrest in $cells was $blocked by $drug .
  | The $trial was funded by the National Cancer Institute and $place .
title: $C for the treatment of $D in $who
  | $C - induced $D : a report of # cases and review
  | Role of $gene in $ill
  | Effects of $drug on $gene-induced $process in $who with $D
  | $process and $gene levels in $who with $D and $D
report: A ##-year-old $person with $ill developed $ill after ## $times of $drug .
  | A ##-year-old $person presented with $ill , and $device were $found .
  | We report a $person with $ill who recovered when $drug was withdrawn .

ill: $D | $D | $D | $D | $D | $D | $severe $D | $Dshort
ills: $D and $D | $D or $D | $D , $D and $D | $D , $D , $D and $D | $severe $D and $D
drug: $C | $C | $C | $C | $C | $C | $given $C | $Cshort
drugs: $C and $C | $C or $C | $C , $C and $C | $C plus $C | $C , $C , and $C
D: [Disease $disease]
C: [Chemical $chemical]
disease: $illness | $illness | $illness | $illness | $stage $illness
  | $organ $failure | $site $growth | $named | $initials
chemical: $substance | $substance | $substance | $substance | $substance
  | $metal $salt | $acid acid | $compound
Dshort: [Disease chronic kidney disease] ( [Disease CKD] )
  | [Disease ulcerative colitis] ( [Disease UC] )
  | [Disease multiple sclerosis] ( [Disease MS] )
  | [Disease rheumatoid arthritis] ( [Disease RA] )
  | [Disease Alzheimer 's disease] ( [Disease AD] )
  | [Disease cystic fibrosis] ( [Disease CF] )
  | [Disease pulmonary embolism] ( [Disease PE] )
Cshort: [Chemical retinoic acid] ( [Chemical RA] )
  | [Chemical 5-fluorouracil] ( [Chemical 5-FU] )
  | [Chemical nitric oxide] ( [Chemical NO] )
  | [Chemical valproic acid] ( [Chemical VPA] )
  | [Chemical carbon monoxide] ( [Chemical CO] )
initials = CKD UC AD CF PE COPD AIDS
named: Parkinson 's disease | Crohn 's disease | type 2 diabetes | heart block
  | common cold | Guillain-Barré syndrome | Sjögren syndrome | cardiac arrest
  | non-Hodgkin lymphoma | myocardial infarction | diabetes mellitus
  | septic shock | major depression | iron deficiency
stage = acute chronic recurrent congenital
organ = renal hepatic cardiac pulmonary respiratory
failure = failure injury dysfunction insufficiency
site = breast lung liver gastric prostate
growth = cancer tumor carcinoma metastasis
shared = stroke shock depression cancer
metal = lead gold silver mercury lithium calcium zinc potassium
salt = chloride sulfate carbonate acetate
acid = retinoic valproic folic ascorbic γ-linolenic
compound: β-carotene | α-tocopherol | nitric oxide | hydrogen peroxide
  | 5-fluorouracil | vitamin D | carbon tetrachloride
illness = hepatitis gastritis arthritis dermatitis pancreatitis colitis meningitis
  bronchitis cystitis myocarditis encephalitis nephropathy neuropathy cardiomyopathy
  retinopathy encephalopathy melanoma lymphoma glioma hepatoma carcinoma sarcoma
  adenoma neuroblastoma osteosarcoma anemia leukemia hyperglycemia hypokalemia
  bacteremia hyperlipidemia hypercalcemia neutropenia thrombocytopenia osteopenia
  fibrosis cirrhosis thrombosis tuberculosis sarcoidosis osteoporosis neuralgia
  myalgia proteinuria hematuria hypertension hypotension tachycardia arrhythmia
  epilepsy dementia schizophrenia asthma pneumonia sepsis obesity diabetes cancer
  stroke depression nausea vomiting headache nephrotoxicity hepatotoxicity
  cardiotoxicity neurotoxicity dystonia dyskinesia ataxia amnesia psoriasis
substance = fluconazole itraconazole ketoconazole omeprazole metronidazole
  erythromycin vancomycin streptomycin clindamycin amoxicillin ampicillin penicillin
  propranolol atenolol metoprolol captopril enalapril lisinopril losartan valsartan
  simvastatin atorvastatin lovastatin ciprofloxacin levofloxacin furosemide
  cyclophosphamide thalidomide dexamethasone prednisone prednisolone morphine
  caffeine nicotine cocaine clozapine olanzapine carbamazepine lidocaine bupivacaine
  diazepam lorazepam phenytoin cisplatin carboplatin doxorubicin daunorubicin
  paclitaxel tamoxifen methotrexate haloperidol levodopa dopamine ketamine
  amphetamine ibuprofen aspirin acetaminophen indomethacin glucose cholesterol
  ethanol warfarin metformin rifampicin isoniazid estradiol progesterone
  testosterone tacrolimus sirolimus

who: patients | patients | women | men | children | adults | elderly patients | mice
  | male Wistar rats | pregnant women | healthy volunteers
Who = Patients Patients Women Men Children Adults Mice Rats Volunteers
people = patients patients women men children adults subjects
person = man woman patient
times = hours days weeks months
dose: ## mg/kg | #.# mg/kg | ### mg | # μg/ml | ## ± # mg | # g/day
trial: trial | randomised trial | double-blind study | case-control study | cohort
  | placebo-controlled trial | prospective study
place: our hospital | the Cancer Center of Lyon | the university | # hospitals
care: surgery | radiotherapy | placebo | dialysis | vaccination | transfusion
  | acute treatment | chronic exercise | catheterisation | coronary bypass
Care = Surgery Radiotherapy Dialysis Vaccination Psychotherapy
process = apoptosis angiogenesis proliferation phagocytosis autophagy secretion mitosis
practice = diagnosis prognosis prevention management
device = pacemakers implants stents twins transplants
tissue = liver kidney lung heart skin serum plasma muscle
cells: renal cells | cardiac tissue | hepatic cells | hippocampal neurons | tumor cells
  | breast tissue | gastric mucosa | lung cells
Tissue = Serum Plasma Liver Kidney
assay: MS | HPLC | ELISA | Western blotting | PCR | immunohistochemistry
gene = IL-2 IL-6 TNF-α IFN-γ p53 BRCA1 CYP3A4 TGF-β1 NF-κB VEGF insulin albumin
  thrombin collagen caspase-3 hemoglobin
Gene = IL-2 IL-6 TNF-α IFN-γ BRCA1 VEGF Insulin Albumin Collagen Hemoglobin
gene-induced = IL-2-induced TNF-α-induced IFN-γ-induced VEGF-induced stress-induced
gene-dependent = p53-dependent dose-dependent caspase-3-dependent
improved = improved reduced prevented delayed
lowered = lowered reduced increased inhibited
changed = changed increased reduced
change = change affect reduce
blocked = blocked abolished prevented inhibited
block = block prevent inhibit
followed: followed | occurred after | improved after | resolved after
reported = reported observed described
found = found diagnosed detected
severe = severe mild fatal persistent
given = oral intravenous high-dose intraperitoneal
"""  # noqa: RUF001  Greek letters are meant.

# Further alternatives, only in the development and the test file.
_HELD_OUT: Final = """
illness = nephritis neuritis pericarditis endocarditis osteoarthritis arthropathy
  myopathy hepatopathy retinoblastoma fibrosarcoma adenocarcinoma hypoglycemia
  hyperkalemia hypocalcemia hyponatremia leukopenia lymphopenia fibromyalgia
  arthralgia albuminuria nephrosis osteosclerosis bradycardia ototoxicity
substance = voriconazole pantoprazole clotrimazole azithromycin clarithromycin
  oxacillin nadolol bisoprolol ramipril quinapril candesartan irbesartan rosuvastatin
  pravastatin norfloxacin ifosfamide betamethasone codeine quetiapine ropivacaine
  clonazepam oxazepam oxaliplatin epirubicin ketoprofen everolimus methamphetamine
organ = pancreatic neural
acid = nicotinic
gene = IL-10 CYP2D6 IL-17 myosin
process = hematopoiesis endocytosis neurogenesis
care: acupuncture | hemodialysis
device = prostheses
"""


def sentences(
    num: int,
    rng: random.Random,
    held_out: bool,
    exclude: Collection[Sentence] = frozenset(),
) -> list[Sentence]:
    """Returns `num` different labelled sentences.

    Args:
        num: Number of sentences.
        rng: The only source of randomness; it is advanced.
        held_out: Whether to use also the words that the training file must not have.
        exclude: Sentences not to return.

    Returns:
        `(words, labels)` of every sentence, one label per word, in BIO.
    """
    rules = grammar.parse(_GRAMMAR)
    if held_out:
        for name, alternatives in grammar.parse(_HELD_OUT).items():
            # Twice, so that one entity in four is new.
            rules[name] += 2 * alternatives
    # A dict keeps the order of insertion; a set does not.
    found: dict[Sentence, None] = {}
    while len(found) < num:
        words, labels = zip(*grammar.expand("$sentence", rules, rng), strict=True)
        # ASCII letters only: a sentence may begin with `β-carotene`.
        if words[0][0] in string.ascii_lowercase:
            words = (words[0][0].upper() + words[0][1:], *words[1:])
        if (words, labels) not in exclude:
            found[words, labels] = None
    return list(found)


def corpus(seed: int) -> dict[str, list[Sentence]]:
    """Returns the sentences of `train`, `devel` and `test`; no two share one."""
    rng = random.Random(seed)
    splits: dict[str, list[Sentence]] = {}
    seen: set[Sentence] = set()
    for name, num in NUM_SENTENCES.items():
        splits[name] = sentences(num, rng, held_out=name != "train", exclude=seen)
        seen.update(splits[name])
    return splits


def write_corpus(directory: Path, seed: int) -> None:
    r"""Writes `train.tsv`, `devel.tsv` and `test.tsv` in the form of BioBERT's data.

    Each line is `word<TAB>label`; an empty line follows every sentence.

    Raises:
        InputError: The directory cannot be written.
    """
    for name, examples in corpus(seed).items():
        text = "".join(
            "".join(f"{word}\t{label}\n" for word, label in zip(*pair, strict=True))
            + "\n"
            for pair in examples
        )
        files.write_text(directory / f"{name}.tsv", text)


def build_vocab() -> list[str]:
    """Returns the `VOCAB_SIZE` pieces of `vocab/demo-vocab.txt`, in its order.

    These are BERT's special pieces; every character, and every letter or digit also as
    a continuation, so that no word is unknown; the `NUM_WHOLE_WORDS` most frequent
    words of the training file; then the pieces that byte-pair merging (Sennrich et al.
    2016) finds in the file's other words: `##itis`, `##azole`, `hyper`.
    """
    special = ["[PAD]", *(f"[unused{i}]" for i in range(1, 10))]
    special += ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    inside = sorted(
        {c for c in _GRAMMAR + _HELD_OUT if c.isalnum()}
        | set(string.ascii_letters + string.digits)
    )
    alone = [*string.punctuation, "±", *inside]
    tokenizer = tokenization.BasicTokenizer(do_lower_case=False)
    counts = collections.Counter(
        chunk
        for words, _ in corpus(SEED)["train"]
        for chunk in tokenizer.tokenize(" ".join(words))
        if len(chunk) > 1 and not chunk.isdigit()
    )
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    whole = ranked[:NUM_WHOLE_WORDS]
    pieces = [*special, *alone, *(f"##{c}" for c in inside), *whole]
    rare = {word: counts[word] for word in ranked[NUM_WHOLE_WORDS:]}
    return _merge(rare, pieces, size=VOCAB_SIZE)


def _merge(counts: Mapping[str, int], pieces: list[str], size: int) -> list[str]:
    """Returns `size` pieces: `pieces`, then merges of the most frequent neighbours."""
    splits = {word: [word[0], *(f"##{c}" for c in word[1:])] for word in counts}
    merged = dict.fromkeys(pieces)
    while len(merged) < size:
        pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        for word, split in splits.items():
            for pair in itertools.pairwise(split):
                pairs[pair] += counts[word]
        # Ties are broken by spelling: the order of the words must not matter.
        first, second = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = first + second.removeprefix("##")
        for split in splits.values():
            for i in range(len(split) - 2, -1, -1):
                if split[i : i + 2] == [first, second]:
                    split[i : i + 2] = [joined]
        merged[joined] = None
    return list(merged)


def vocab_file() -> Path:
    """Returns the demo vocabulary of the clone, else of the installed package.

    Raises:
        InputError: Neither exists.
    """
    package = Path(__file__).parents[1]
    places = [
        folder / "vocab" / "demo-vocab.txt" for folder in (package.parent, package)
    ]
    for place in places:
        if place.is_file():
            return place
    raise InputError.at(places[0], None, "no such file; install biobert_tf again")
