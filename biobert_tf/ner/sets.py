# SPDX-License-Identifier: Apache-2.0
"""The paper's sets whose labels have no types, and what their entities are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# The groups of Table 3 of Lee et al. 2020 (doi 10.1093/bioinformatics/btz682) under
# the names that PubTator uses, by the folders of dmis-lab/biobert's NERdata.
_TYPES: Final[Mapping[str, str]] = {
    "ncbidisease": "Disease",
    "bc5cdrdisease": "Disease",
    "bc5cdrchem": "Chemical",
    "bc4chemd": "Chemical",
    "bc2gm": "Gene",
    "jnlpba": "Gene",
    "linnaeus": "Species",
    "s800": "Species",
}


def type_of(data_dir: Path) -> str | None:
    """Returns the type of the entities of a known set, which its folder's name tells.

    Case and punctuation of the name are ignored.
    """
    name = re.sub(r"[\W_]", "", data_dir.resolve().name)
    return _TYPES.get(name.casefold())
