"""Metadata from what goes and from the head lines that stay."""

import pytest

from transforms.metadata import describe

BODY = (
    "The ferry left the quay a little after seven, as it had done every morning since the war, and the cook leaned out."
)


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (f"Swans\n\n12 March 2020\n\n{BODY}\n", "12 March 2020"),
        (f"Swans\n\nA subtitle\n\nDienstag, 3. März 2020\n\n{BODY}\n", "Dienstag, 3. März 2020"),
        (f"Swans\n\n{BODY}\n\n12 March 2020\n", None),
        (f"12 March 2020\n\n{BODY}\n", None),
        ("One\nTwo\nThree\nFour\nFive\n12 March 2020\n", None),
        ("", None),
    ],
)
def test_a_date_that_stays_below_the_title(text, raw):
    assert describe(text, []).published_raw == raw
