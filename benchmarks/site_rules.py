"""Two rules others use against what a site repeats, written anew from their descriptions, for `boilerplate.py`.

* **datajuicer**: data-juicer's `document_line_deduplicator` (its docs/operators, defaults): a line that stands in more
  than six documents goes from all of them. Lines shorter than two characters, of brackets alone, Markdown headings,
  LaTeX environments and lines that are one tag are never counted. There the documents are the corpus, here a site's:
  a stricter company, as another site's lines are no evidence.
* **shingles**: runs of at least twelve tokens that are covered by 12-grams of half of the site's documents, and of two.

Both see the documents of one site together and know nothing else of them.

>>> strip_lines(["Menu\\nOne", "Menu\\nTwo", "Menu\\nThree"], most=2)
['One', 'Two', 'Three']
>>> strip_lines(["# Menu\\nOne", "# Menu\\nTwo"], most=1)
['# Menu\\nOne', '# Menu\\nTwo']
>>> strip_runs(["a b c. Mine", "a b c. Yours", "x y z"], tokens=3)
['. Mine', '. Yours', 'x y z']
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from transforms.scripts import UNSPACED_SET

# data-juicer's defaults: `frequency_threshold`, `min_line_length`, and the `skip_…` rules.
MOST_DOCUMENTS = 6
LINE_CHARS = 2
_SKIPPED = re.compile(r"[\[\]{}();]+|#.*|\\(?:begin|end)\{[^}]*\}|<[^<>]+>")
# The shingle-run rule. A token is a run of letters and digits; in scripts without spaces, a character.
_TOKEN = re.compile(f"[{UNSPACED_SET}]|[^\\W{UNSPACED_SET}]+")
RUN_TOKENS = 12
SITE_SHARE = 0.5
LEAST_DOCUMENTS = 2


def by_site(rule: Callable[[Sequence[str]], list[str]], texts: Sequence[str], sites: Sequence[str]) -> list[str]:
    """The texts after the rule has seen each site's together."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, site in enumerate(sites):
        rows[site].append(row)
    stripped = list(texts)
    for members in rows.values():
        for row, text in zip(members, rule([texts[row] for row in members]), strict=True):
            stripped[row] = text
    return stripped


def strip_lines(texts: Sequence[str], most: int = MOST_DOCUMENTS) -> list[str]:
    """data-juicer's rule over the documents of a site."""
    documents = [text.split("\n") for text in texts]
    frequency = Counter(line for lines in documents for line in {line.strip() for line in lines if _counts(line)})
    return ["\n".join(line for line in lines if frequency[line.strip()] <= most) for lines in documents]


def _counts(line: str) -> bool:
    line = line.strip()
    return len(line) >= LINE_CHARS and _SKIPPED.fullmatch(line) is None


def strip_runs(texts: Sequence[str], tokens: int = RUN_TOKENS) -> list[str]:
    """The shingle-run rule over the documents of a site."""
    if len(texts) < LEAST_DOCUMENTS:
        return list(texts)
    found = [list(_TOKEN.finditer(text)) for text in texts]
    shingles = [
        [hash(tuple(words[at : at + tokens])) for at in range(len(words) - tokens + 1)]
        for words in ([match[0].lower() for match in matches] for matches in found)
    ]
    frequency = Counter(shingle for document in shingles for shingle in set(document))
    least = max(LEAST_DOCUMENTS, SITE_SHARE * len(texts))
    stripped = []
    for text, matches, document in zip(texts, found, shingles, strict=True):
        kept, end, covered = [], 0, 0
        for at, shingle in enumerate(document):
            if frequency[shingle] < least:
                continue
            if at >= covered:  # a run begins; what was between it and the one before stays
                kept.append(text[end : matches[at].start()])
            covered = at + tokens
            end = matches[covered - 1].end()
        stripped.append("".join([*kept, text[end:]]))
    return stripped
