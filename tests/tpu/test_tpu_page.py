"""docs/tpu_check.md shows what its JSON holds.

`python tests/tpu/test_tpu_page.py` rewrites its table.
"""

import json
import re
from pathlib import Path

from biobert_tf.tpu import report
from biobert_tf.tpu.settings import CHIPS

PAGE = Path(__file__).parents[2] / "docs" / "tpu_check.md"
TABLE = re.compile(
    r"(?<=<!-- table of tpu-check -->\n).*(?=<!-- end of table -->)", re.S
)


def page():
    """The page with the table of its JSON."""
    results = json.loads(PAGE.with_suffix(".json").read_text("utf-8"))
    text = PAGE.read_text("utf-8")
    return TABLE.sub(lambda _: report.table(results), text)


def test_the_page_shows_its_json():
    text = PAGE.read_text("utf-8")
    assert page() == text
    for chip in CHIPS:
        assert len(re.findall(rf"^\| .* \| {chip} \|", text, re.M)) == 12


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
