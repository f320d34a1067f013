"""A file that is not of tpu-check is not replaced."""

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.tpu import check


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mine": 1}'])
def test_another_file_stays(tmp_path, text):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"mine.json: not of tpu-check; give another"):
        check._known(path, {})
    assert path.read_text() == text
