"""The two rules of others that the benchmark holds Tamis against do what their descriptions say."""

import pytest

from benchmarks.site_rules import by_site, strip_lines, strip_runs


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ("All about boats", True),
        ("  All about boats ", True),  # white space around a line is none of it
        ("A", False),
        ("{ }", True),
        ("{}", False),
        ("# Boats", False),
        ("\\begin{document}", False),
        ("<div>", False),
        ("<div>Boats</div>", True),
    ],
)
def test_lines_of_more_documents_go(line, goes):
    texts = [f"{line}\nOf the {number}th" for number in range(7)]
    kept = [f"Of the {number}th" for number in range(7)] if goes else texts
    assert strip_lines(texts) == kept
    assert strip_lines(texts[:6]) == texts[:6]


RUN = "one two three four five six seven eight nine ten eleven twelve"


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        ([f"Mine. {RUN}!", f"{RUN.upper()}, and yours"], ["Mine. !", ", and yours"]),
        ([f"Mine {RUN} thirteen", f"{RUN} thirteen"], ["Mine ", ""]),
        ([RUN[4:], RUN[4:]], [RUN[4:], RUN[4:]]),  # eleven
        ([RUN], [RUN]),
        ([RUN, RUN, "a", "b"], ["", "", "a", "b"]),
        ([RUN, RUN, "a", "b", "c"], [RUN, RUN, "a", "b", "c"]),  # two of five
    ],
)
def test_runs_of_half_of_the_documents_go(texts, kept):
    assert strip_runs(texts) == kept


def test_a_site_is_no_evidence_for_another():
    texts = [f"Boats\n{number}" for number in range(12)]
    assert by_site(strip_lines, texts, ["a", "b"] * 6) == texts
    assert by_site(strip_lines, texts, ["a"] * 12) == [str(number) for number in range(12)]
