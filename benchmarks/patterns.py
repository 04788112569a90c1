"""Texts of one pattern with other facts, and edited copies of one text, through Tamis's comparison.

    python benchmarks/patterns.py [--seed N]

Reads tests/data/patterns and tests/data/copies (their README says what is in them). Prints a line a pattern: the share
of adjacent documents that came together where all documents are compared in one run, the share of documents dropped
there, and the share of pairs that came together where a run has no other document of the pattern; all are errors. So
are, harder, pairs in which one fact alone differs. Then the recall of edited copies, each compared with its original
alone, by kind and by length; and the error on what a reader would call another text.
"""

import argparse
import sys
import tempfile
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve()
DATA = HERE.parent.parent / "tests" / "data"


# ------------------------------------------------------------------------------------------------------------ patterns


@dataclass(frozen=True)
class Pattern:
    """A text with `{slots}`. `facts` names the slots each of which makes it another document by itself. A slot has a
    list of values, a range of numbers, or `other`: a value of that slot, but not the same. A name of several words is
    slots that belong together, with rows of as many values."""

    name: str
    language: str
    subject: str
    length: str
    facts: tuple[str, ...]
    text: str
    slots: Mapping[str, Any]


@dataclass(frozen=True)
class Document:
    pattern: Pattern
    number: int
    text: str
    values: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        return f"{self.pattern.name}-{self.number:03}"


def read_patterns(folder: Path = DATA / "patterns") -> list[Pattern]:
    return [
        Pattern(
            name=name,
            language=path.stem,
            subject=table["subject"],
            length=table["length"],
            facts=tuple(table["facts"]),
            text=table["text"].strip(),
            slots=table["slots"],
        )
        for path in sorted(folder.glob("*.toml"))
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items()
    ]


def number_of(value: int, places: int = 0, point: str = ".", group: str = "") -> str:
    """
    >>> number_of(8135, places=2, point=",")
    '81,35'
    >>> number_of(234500, group=" ")
    '234 500'
    """
    sign, digits = "-" * (value < 0), str(abs(value)).zfill(places + 1)
    whole, rest = (digits[:-places], point + digits[-places:]) if places else (digits, "")
    return sign + f"{int(whole):,}".replace(",", group) + rest


def drawn(slots: Mapping[str, Any], name: str, chosen: Random) -> tuple[str, ...]:
    """A value of each of the slots that the name has."""
    values = slots[name]
    if isinstance(values, list):
        value = chosen.choice(values)
        return (value,) if isinstance(value, str) else tuple(value)
    if "other" in values:
        return drawn(slots, values["other"], chosen)
    steps = (values["to"] - values["from"]) // values.get("step", 1)
    number = values["from"] + chosen.randint(0, steps) * values.get("step", 1)
    return (number_of(number, **{key: values[key] for key in ("places", "point", "group") if key in values}),)


def filled(pattern: Pattern, values: Mapping[str, tuple[str, ...]]) -> str:
    return pattern.text.format(
        **{slot: value for name, row in values.items() for slot, value in zip(name.split(), row, strict=True)}
    )


def documents(
    patterns: Iterable[Pattern], count: int = 50, seed: int = 11, redrawn: float = 0.7
) -> tuple[list[Document], list[tuple[Document, Document]]]:
    """`count` documents a pattern, and their adjacent pairs. From one document to the next a slot is drawn anew with
    this probability, as pages of one day or one town share more than their frame, until the facts are no earlier
    document's.

    Raises: ValueError where the values of the facts are too few.
    """
    made: list[Document] = []
    pairs = []
    for pattern in patterns:
        chosen = Random(f"{seed}-{pattern.name}")
        values: dict[str, tuple[str, ...]] = {}
        known: set[tuple[tuple[str, ...], ...]] = set()
        others = [
            (slot, way["other"]) for slot, way in pattern.slots.items() if isinstance(way, dict) and "other" in way
        ]
        tries = 0
        while len(known) < count:
            if (tries := tries + 1) > 100 * count:
                raise ValueError(f"{pattern.name}: too few values of {', '.join(pattern.facts)} for {count} documents")
            tried = {
                name: drawn(pattern.slots, name, chosen) if not values or chosen.random() < redrawn else values[name]
                for name in pattern.slots
            }
            facts = tuple(tried[name] for name in pattern.facts)
            if facts in known or any(tried[slot] == tried[of] for slot, of in others):
                continue
            document = Document(pattern, len(known), filled(pattern, tried), tried)
            if known:
                pairs.append((made[-1], document))
            known.add(facts)
            values = tried
            made.append(document)
    return made, pairs


def one_fact(made: Iterable[Document], each: int = 4, seed: int = 11) -> list[tuple[Document, Document, str]]:
    """For each fact of a pattern, so many of its documents beside one in which nothing but this fact is another."""
    pairs = []
    seen: Counter[str] = Counter()
    for document in made:
        pattern = document.pattern
        name = pattern.facts[seen[pattern.name] // each % len(pattern.facts)]
        seen[pattern.name] += 1
        if seen[pattern.name] > each * len(pattern.facts):
            continue
        chosen = Random(f"{seed}-{document.name}-{name}")
        values = dict(document.values)
        taken = [document.values[slot] for slot in document.values if slot in pattern.facts]
        while values[name] in taken:
            values[name] = drawn(pattern.slots, name, chosen)
        pairs.append((document, Document(pattern, document.number, filled(pattern, values), values), name))
    return pairs


def differing(one: Document, other: Document) -> int:
    """The number of slots in which two documents of a pattern differ."""
    return sum(one.values[name] != other.values[name] for name in one.values)


# -------------------------------------------------------------------------------------------------------------- copies


@dataclass(frozen=True)
class Copy:
    article: str
    language: str
    words: int
    kind: str
    is_copy: bool
    original: str
    text: str


def edited(text: str, copy: Mapping[str, Any]) -> str:
    """The text with the edits of a copy: `change` (each wherever it stands), `drop`, `plain` (no diacritics), `move` a
    paragraph to a place (both counted from 1, the title is the first), `keep` so many paragraphs, `before` and `after`;
    or `replace`, the whole text.

    Raises: ValueError where the text has not what is to be changed.
    """
    if "replace" in copy:
        return str(copy["replace"]).strip()
    for old, new in [*copy.get("change", []), *([old, ""] for old in copy.get("drop", []))]:
        if old not in text:
            raise ValueError(f"not in the text: {old!r}")
        text = text.replace(old, new)
    if copy.get("plain"):
        text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    paragraphs = text.strip().split("\n\n")
    if "move" in copy:
        start, end = copy["move"]
        paragraphs.insert(end - 1, paragraphs.pop(start - 1))
    paragraphs = paragraphs[: copy.get("keep")]
    around = [str(copy.get(side, "")).strip() for side in ("before", "after")]
    return "\n\n".join(filter(None, [around[0], *paragraphs, around[1]]))


def read_copies(folder: Path = DATA / "copies") -> list[Copy]:
    """The copies as they are labelled, then each two copies of an article in one: a copy of both kinds."""
    articles = [
        (path.stem, article)
        for path in sorted(folder.glob("*.toml"))
        for article in tomllib.loads(path.read_text(encoding="utf-8"))["article"]
    ]
    single = [(language, article, [copy]) for language, article in articles for copy in article["copy"]]
    double = [
        (language, article, [one, other])
        for language, article in articles
        for one, other in combinations([copy for copy in article["copy"] if copy["is_copy"]], 2)
        if "truncated" not in (one["kind"], other["kind"])
    ]
    copies = []
    for language, article, edits in (*single, *double):
        original = article["text"].strip()
        try:
            text = edited(original, edits[0])
            for more in edits[1:]:
                text = edited(text, more)
        except ValueError:
            if len(edits) == 1:
                raise
            continue  # both change the same words
        kind = edits[0]["kind"] if len(edits) == 1 else "two kinds"
        copies.append(Copy(article["name"], language, article["words"], kind, edits[0]["is_copy"], original, text))
    return copies


# ---------------------------------------------------------------------------------------------------------- comparison


def canonicals(texts: Sequence[str]) -> list[int]:
    """Which of these texts stands for each of them, after a run with no others: itself, where it is kept."""
    import pyarrow as pa

    sys.path.insert(0, str(HERE.parent.parent))
    stage = __import__("benchmarks.stage", fromlist=["compare"])
    store = __import__("flows.store", fromlist=["Store"]).Store
    names = [f"{place:016x}" for place in range(len(texts))]
    with tempfile.TemporaryDirectory() as folder:
        opened = store(Path(folder))
        signed = stage.sign(opened, "sign", pa.table({"id": names, "text": list(texts)}))
        verdicts = stage.verdicts(stage.compare(opened, [signed]))
    of = dict(zip(verdicts["id"].to_pylist(), verdicts["duplicate_of"].to_pylist(), strict=True))
    return [int(of.get(name) or name, 16) for name in names]


def pairs_alone(pairs: Sequence[tuple[str, str]], keys: Sequence[str]) -> list[bool]:
    """Whether the texts of each pair come together in a run that has no other pair of the same key."""
    rounds: list[list[int]] = []
    seen: Counter[str] = Counter()
    for place, key in enumerate(keys):
        if seen[key] == len(rounds):
            rounds.append([])
        rounds[seen[key]].append(place)
        seen[key] += 1
    together = [False] * len(pairs)
    for places in rounds:
        of = canonicals([text for place in places for text in pairs[place]])
        for number, place in enumerate(places):
            together[place] = of[2 * number] == of[2 * number + 1]
    return together


# --------------------------------------------------------------------------------------------------------------- print


def table(title: str, rows: Mapping[str, Sequence[bool]]) -> None:
    print(f"\n{title}")
    for name, hits in rows.items():
        print(f"  {name:24} {sum(hits):4} of {len(hits):4}  {sum(hits) / max(1, len(hits)):6.3f}")


def by(keys: Iterable[Any], hits: Iterable[bool]) -> dict[str, list[bool]]:
    groups: dict[Any, list[bool]] = {}
    for key, hit in zip(keys, hits, strict=True):
        groups.setdefault(key, []).append(hit)
    return {str(key): groups[key] for key in sorted(groups)}


def print_patterns(seed: int) -> None:
    patterns = read_patterns()
    made, pairs = documents(patterns, seed=seed)
    of = canonicals([document.text for document in made])
    place = {document.name: number for number, document in enumerate(made)}
    together = [of[place[one.name]] == of[place[other.name]] for one, other in pairs]
    alone = pairs_alone([(one.text, other.text) for one, other in pairs], [one.pattern.name for one, _ in pairs])
    dropped = by((document.pattern.name for document in made), (of[n] != n for n in range(len(made))))
    together_by, alone_by = (by((one.pattern.name for one, _ in pairs), hits) for hits in (together, alone))
    print(f"{'pattern':16} {'subject':38} {'length':7} {'together':>9} {'dropped':>9} {'two alone':>9}")
    for pattern in patterns:
        shares = [sum(hits) / len(hits) for hits in (group[pattern.name] for group in (together_by, dropped, alone_by))]
        print(f"{pattern.name:16} {pattern.subject:38} {pattern.length:7}", *[f"{share:9.3f}" for share in shares])
    everything = (together, [of[n] != n for n in range(len(made))], alone)
    print(f"{'all':63}", *[f"{sum(hits) / len(hits):9.3f}" for hits in everything])
    single = one_fact(made, seed=seed)
    hits = pairs_alone([(one.text, other.text) for one, other, _ in single], [one.pattern.name for one, _, _ in single])
    table("One fact alone differs, by length", by((one.pattern.length for one, _, _ in single), hits))
    slots = [differing(one, other) for one, other in pairs]
    table("Two alone, by the slots in which they differ", by((f"{min(n, 9)}{'+' * (n > 8)}" for n in slots), alone))
    table("Two alone, by length", by((one.pattern.length for one, _ in pairs), alone))
    table("Two alone, by language", by((one.pattern.language for one, _ in pairs), alone))


def print_copies() -> None:
    copies = read_copies()
    hits = pairs_alone([(copy.original, copy.text) for copy in copies], [copy.article for copy in copies])
    same = [(copy, hit) for copy, hit in zip(copies, hits, strict=True) if copy.is_copy]
    other = [(copy, hit) for copy, hit in zip(copies, hits, strict=True) if not copy.is_copy]
    for title, key in (
        ("kind", lambda c: c.kind),
        ("length", lambda c: f"{c.words:3}"),
        ("language", lambda c: c.language),
    ):
        table(f"Recall of copies, by {title}", by((key(copy) for copy, _ in same), (hit for _, hit in same)))
    table("Recall of copies", {"all": [hit for _, hit in same]})
    table("No copies, came together (error)", by((copy.kind for copy, _ in other), (hit for _, hit in other)))
    print("\nMissed:", *[f"  {copy.article}: {copy.kind}" for copy, hit in same if not hit], sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=11)
    print_patterns(parser.parse_args().seed)
    print_copies()


if __name__ == "__main__":
    main()
