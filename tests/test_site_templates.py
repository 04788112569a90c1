"""The templates of a site, as a person is shown them."""

import pytest

from flows.show import templates
from tests.conftest import article, curated_by, write_jsonl
from transforms.errors import ConfigError

FOOTER = "Printed on Tuesdays by the brothers at the old gasworks"
NOTICE = "Seit 1907 gibt es hier Brot fÃ¼r alle"  # counted, and shown, as repaired


def pages(numbers, site="e.example.org", footers=(FOOTER,)):
    return [{"url": f"https://{site}/{n}", "text": "\n".join(["Harbour news", article(n), *footers])} for n in numbers]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two versions: the footer is a template with the first, the notice with the second."""
    folder = tmp_path_factory.mktemp("templates")
    versions = []
    for day, records in enumerate(
        [
            [*pages(range(4)), *pages(range(10, 12), footers=(FOOTER, NOTICE))],
            [*pages([12], footers=(FOOTER, NOTICE)), *pages(range(20, 22), "other.example.net")],
        ]
    ):
        write_jsonl(folder / f"raw/{day}.jsonl", records)
        versions.append(curated_by(folder / "raw", folder / "curated")["version"])
    return folder / "curated", versions


def test_lines_are_shown_with_the_evidence(dataset):
    curated, (first, second) = dataset
    found = templates.site_lines(curated, "example.org")
    assert [line[:-1] for line in found] == [
        ("Harbour news", True, 7, 7, first),
        (FOOTER, False, 7, 7, first),
        ("Seit 1907 gibt es hier Brot für alle", False, 3, 7, second),
    ]
    shown = [templates.render(line).plain for line in found]
    assert f"3 of 7  since {second}  Seit 1907" in shown[2]
    assert "(as a title)" in shown[0]


def test_sites_are_listed(dataset):
    assert templates.sites(dataset[0]) == [("example.org", 3, 7)]


@pytest.mark.parametrize("site", ["example.net", "nowhere.org", ""])
def test_a_site_without_templates_is_an_error_that_names_it(dataset, site):
    with pytest.raises(ConfigError, match=f"no template of a site '{site}'"):
        templates.site_lines(dataset[0], site)
