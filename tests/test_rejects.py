"""What was rejected, as a person or a script is told of it: where, why, what to do."""

import gzip
import json
import os
import re
import subprocess
import sys
from contextlib import chdir
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.readers import compression
from flows.show import rejects
from tests.conftest import article, curated_by, rows, write_jsonl
from transforms import schema
from transforms.config import Config, from_toml

ROOT = Path(__file__).parent.parent


def tamis(folder, *arguments):
    """`tamis rejects` in a folder: exit code, standard output, standard error."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    command = [sys.executable, "-m", "flows.cli", "rejects", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def listed(folder, *arguments):
    """What `tamis rejects` prints, without a process of its own."""
    with chdir(folder):
        done = CliRunner().invoke(app, ["rejects", *map(str, arguments)], catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rejects")
    raw = folder / "raw"
    text = article(1)
    write_jsonl(
        raw / "news/a.jsonl",
        [
            {"text": text},
            {"text": text},
            {"text": text.replace("nobody", "no one", 1)},
            {"story": article(2)},
            {"text": ""},
        ],
    )
    with open(raw / "news/a.jsonl", "ab") as file:
        file.write(b'{"text": "\x1b[31mred\n')
    write_jsonl(raw / "many.jsonl", [{"title": str(number)} for number in range(12)])
    (raw / "noise.txt").write_bytes(b"\xe2\x82\xac" * 60 + b"\xff" + b"\x80" * 900)
    pq.write_table(pa.table({"text": [article(3), None]}), raw / "rows.parquet")
    write_jsonl(raw / "old.jsonl", [{"url": "https://e.example.org/", "text": article(4), "fetched_at": "2024-01-01"}])
    curated_by(raw, folder / "curated")
    later = article(4) + "\nOn Monday the mayor of the town answered the letter of the three bakers.\n"
    write_jsonl(raw / "new.jsonl", [{"url": "https://e.example.org/", "text": later, "fetched_at": "2024-02-01"}])
    curated_by(raw, folder / "curated")
    return folder


def rejected_rows(folder):
    return rows(folder / "curated", "rejected")


def id_at(folder, path, record):
    found = [*rows(folder / "curated"), *rejected_rows(folder)]
    return next(row["id"] for row in found if (row["source_path"], row["source_record"]) == (path, record))


def test_every_reason_has_one_line_of_advice():
    assert tuple(rejects.ADVICE) == schema.REJECT_REASONS
    assert [reason for reason, advice in rejects.ADVICE.items() if "\n" in advice or not advice.endswith(".")] == []


def test_settings_that_are_advised_are_those_of_the_config():
    settings = asdict(Config())
    said = " ".join(rejects.ADVICE.values())
    named = re.findall(r"\b(fields|read|limits|language|dedup)\.(\w+)\b", said)
    assert [name for section, name in named if name not in settings[section]] == []
    assert {section for section, _ in named} == {"fields", "read", "limits", "language", "dedup"}
    lines = re.findall(r'\w+\.\w+ = "[^"]*"', said)
    assert lines == ['read.delimiter = ";"', 'read.encoding = "windows-1252"', 'fields.text = "story"']
    config = from_toml("\n".join(lines))
    assert (config.read.encoding, config.fields.text) == ("windows-1252", "story")


def test_all_are_counted_by_reason_and_few_are_shown_of_each(dataset):
    code, said, error = tamis(dataset)
    assert (code, error) == (0, "")
    lines = said.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "read.invalid_json  1 record in 1 file",
        "read.invalid_utf8  1 record in 1 file",
        "read.no_text  14 records in 3 files",
        "empty  1 record in 1 file",
        "duplicate.exact  1 record in 1 file",
        "duplicate.near  1 record in 1 file",
        "superseded  1 record in 1 file",
    ]
    at = lines.index("read.no_text  14 records in 3 files")
    assert lines[at + 1] == f"  {rejects.ADVICE['read.no_text']}"
    (detail,) = {row["reject_detail"] for row in rejected_rows(dataset) if row["source_path"] == "many.jsonl"}
    assert lines[at + 2 : at + 9] == [
        f"  many.jsonl:1  {detail}",
        '    {"title": "0"}',
        f"  many.jsonl:2  {detail}",
        '    {"title": "1"}',
        f"  many.jsonl:3  {detail}",
        '    {"title": "2"}',
        "  … and 11 more: tamis rejects --reason read.no_text",
    ]


def test_a_reason_or_a_file_shows_every_record_in_order(dataset):
    def places(*arguments):
        said = listed(dataset, *arguments)
        return [line.split()[0] for line in said.splitlines() if line.startswith("  ") and ".jsonl:" in line[:20]]

    assert places("--reason", "read.no_text") == [*(f"many.jsonl:{n}" for n in range(1, 13)), "news/a.jsonl:4"]
    assert places("--reason", "read.invalid_j") == ["news/a.jsonl:6"]
    of_news = [f"news/a.jsonl:{number}" for number in (6, 4, 5, 2, 3)]
    for name in ("news/a.jsonl", "news", "news/", "raw/news/a.jsonl", dataset / "raw/news"):
        assert places("--file", name) == of_news
    assert places("--file", "news", "--reason", "duplicate.") == ["news/a.jsonl:2", "news/a.jsonl:3"]


def test_what_stands_instead_is_named(dataset):
    said = listed(dataset, "--reason", "duplicate")
    first, second, third = (id_at(dataset, "news/a.jsonl", record) for record in "123")
    assert f"  news/a.jsonl:2  {second}  duplicate of news/a.jsonl:1  {first}" in said
    assert f"  news/a.jsonl:3  {third}  near-duplicate of news/a.jsonl:1  {first}  similarity 0." in said
    said = listed(dataset, "--reason", "superseded")
    old, new = id_at(dataset, "old.jsonl", "1"), id_at(dataset, "new.jsonl", "1")
    assert f"  old.jsonl:1  {old}  gave way to new.jsonl:1  {new}\n" in said


def test_what_was_found_is_shown_but_not_obeyed(dataset):
    _, said, _ = tamis(dataset, "--reason", "read.invalid")
    assert '    {"text": "\\x1b[31mred\n' in said
    # no character is cut in two: 53 of three bytes are what goes into 160
    assert f"    {'€' * 53}…\n" in said
    assert "\x1b" not in said


def test_json_is_an_object_a_line_of_every_record(dataset):
    code, said, error = tamis(dataset, "--json")
    found = [json.loads(line) for line in said.splitlines()]
    assert (code, error) == (0, "")
    assert sorted(row["id"] for row in found) == [row["id"] for row in rejected_rows(dataset)]
    assert all(row["advice"] == rejects.ADVICE[row["reject_reason"]] for row in found)
    (row,) = [row for row in found if row["reject_reason"] == "duplicate.exact"]
    first = id_at(dataset, "news/a.jsonl", "1")
    assert row["instead"] == {"id": first, "source_path": "news/a.jsonl", "source_record": "1"}
    assert (row["duplicate_of"], row["duplicate_similarity"], row["raw_head"]) == (first, 1.0, None)
    (row,) = [row for row in found if row["source_path"] == "rows.parquet"]
    assert (row["source_record"], row["reject_reason"], row["instead"]) == ("1", "read.no_text", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "bad"], "no reason is or begins with 'bad'; there are: read.corrupt, "),
        (["--file", "none.jsonl"], "no record of 'none.jsonl' in 2-"),
        (["--curated", "nowhere"], "no dataset in nowhere"),
    ],
)
def test_wrong_calls_are_one_clear_line_and_exit_2(dataset, arguments, said):
    code, out, error = tamis(dataset, *arguments)
    assert (code, out) == (2, "")
    assert said in error
    assert len(error.splitlines()) == 1


def test_nothing_rejected_is_said(dataset, tmp_path, run):
    for arguments, of in ((["--reason", "lang"], " as lang"), (["--file", "new.jsonl"], " of new.jsonl")):
        assert listed(dataset, *arguments).startswith(f"Nothing was rejected{of}: 2-")
        assert listed(dataset, *arguments, "--json") == ""
    write_jsonl(tmp_path / "raw/a.jsonl", [{"text": article(1)}])
    run(tmp_path / "raw", tmp_path / "curated")
    assert listed(tmp_path).startswith("Nothing was rejected: 1-")


# A record that is rejected, and the config that keeps it, as the advice says.
LONG = article(5) * 3
DEEP = "\nTom &amp;amp;amp;amp;amp;amp; Anna.\n"
MIXED = (
    article(5).split("\n\n")[1] + "\n\n" + "Der alte Müller stand jeden Morgen am Bach und sah dem Rad lange zu. " * 4
)
FOLLOWED = [
    ("read.no_text", [{"story": article(5)}], {}, {"fields": {"text": "story"}}, False),
    ("read.wrong_type", [{"text": ["a"], "story": article(5)}], {}, {"fields": {"text": "story"}}, False),
    ("limit.record_bytes", [{"text": LONG}], {"limits": {"record_bytes": 300}}, {}, False),
    ("limit.entity_depth", [{"text": LONG + DEEP}], {"limits": {"entity_depth": 2}}, {}, True),
    ("limit.document_chars", [{"text": LONG}], {"limits": {"document_chars": 300}}, {}, True),
    ("language.uncertain", [{"text": MIXED}], {"language": {"thresholds": {"en": 1.0, "de": 1.0}}}, {}, True),
    ("language.unwanted", [{"text": LONG}], {"languages": ["fr"]}, {"languages": ["fr", "en"]}, True),
    (
        "duplicate.near",
        [{"text": article(5)}, {"text": article(5).replace("nobody", "no one", 1)}],
        {},
        {"dedup": {"jaccard": 0.99, "sure_jaccard": 0.99, "containment": 1.0}},
        True,
    ),
]


def test_who_follows_the_advice_reads_the_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "EXPANSION_FLOOR", 1_000)
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "b.jsonl", [{"text": article(1)}])
    (raw / "a.txt").write_bytes("Szczęście i zażółć".encode("cp852") + b" \x81\x8d" * 9)
    (raw / "c.txt.gz").write_bytes(gzip.compress(article(2).encode() + b" " * 2_000_000))
    first = run(raw, curated)
    assert first["rejected_by_reason"] == {"read.invalid_utf8": 1, "limit.expansion": 1}
    run(raw, curated, config={"read": {"encoding": "cp852"}, "limits": {"expansion_ratio": 100_000}})
    assert sorted(row["source_path"] for row in rows(curated)) == ["a.txt", "b.jsonl", "c.txt.gz"]


@pytest.mark.parametrize(
    ("reason", "records", "before", "after", "rebuild"), FOLLOWED, ids=[row[0] for row in FOLLOWED]
)
def test_who_follows_the_advice_keeps_the_record(run, tmp_path, reason, records, before, after, rebuild):
    raw, curated = tmp_path / "raw", tmp_path / "curated"
    write_jsonl(raw / "a.jsonl", records)
    write_jsonl(
        raw / "b.jsonl",
        [{"text": "Le boulanger du village salue la meunière devant la vieille église, comme tous les matins."}],
    )
    first = run(raw, curated, config=before)
    assert first["rejected_by_reason"].get(reason) == 1
    assert ("--rebuild" in rejects.ADVICE[reason]) == rebuild
    run(raw, curated, config=after, rebuild=rebuild)
    kept = [row for row in rows(curated) if row["source_path"] == "a.jsonl"]
    assert len(kept) == len(records)
    if reason.startswith("read."):
        assert f"  a.jsonl:1  read since as a.jsonl:1  {kept[0]['id']}\n" in listed(tmp_path, "--reason", "superseded")
