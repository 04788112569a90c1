"""Stages on their own: the steps of flows/ over documents that a benchmark or a test makes up, without Prefect."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.engines import inline
from flows.run import Progress, Run
from flows.stages.clean import FACTS, UNPUBLISHED, write_facts, write_paragraphs, write_signatures
from flows.stages.read import write_piece
from flows.stages.templates import count_templates
from flows.state import State, at_of, merge
from flows.step import Done, Step, Work, run_step
from flows.store import STAGING, Ref, Store
from flows.tables import ALL, read_table, write_rows
from transforms.config import Config
from transforms.dedup.exact import sign_documents
from transforms.schema import with_columns

# ----------------------------------------------------------------------------------------------------------- templates


def index(store: Store, documents: pa.Table, config: Config, name: str = "piece") -> Mapping[str, Ref]:
    """Prepared documents as `read_piece` leaves them; the files by name."""
    work = Work(store, f"{STAGING}/{name}")
    write_piece(work, documents, config, 0)
    return work.outputs


def count(store: Store, lines: Sequence[Ref], config: Config, state: State | None = None, batch: int = 1) -> Done:
    """The templates of indexed documents, all of them new, on top of what the state has."""
    state = state or {"counts": [], "groups": []}
    inputs = {"lines": lines, "new": [], "counts": state["counts"], "groups": state["groups"]}
    pieces = [-1] * len(lines)
    settings = {"pieces": pieces, "low": ALL[0], "high": ALL[1], "config": config, "batch": batch}
    return run_step(Step(count_templates, inputs, settings), store)


# ---------------------------------------------------------------------------------------------------------- comparison


def sign(store: Store, name: str, documents: pa.Table, batch: int = 1, is_published: bool = False) -> Done:
    """A piece of documents (`id`, `text`, and `repaired` where stripping changed them) as `clean_piece` leaves it,
    each under a key of its own. With `is_published` it has what comes after the comparison, too: its rows, of which
    these documents have the other columns, and its paragraphs."""
    size = len(documents)
    nothing = pa.nulls(size, pa.string())
    if "repaired" not in documents.column_names:
        documents = documents.append_column("repaired", documents["text"])
    documents = with_columns(
        documents,
        **dict.fromkeys(("reject_reason", "reject_stage", "reject_detail"), nothing),
        char_count=pc.utf8_length(documents["text"]),
        template_share=[0.0] * size,
    )
    documents = sign_documents(documents)
    at = at_of(documents["id"])
    known = {
        **{name: documents[name] for name in ("id", "chars", "content_hash", "repaired_hash")},
        **dict.fromkeys(("at", "key", "text_hash"), at),
        "row": np.arange(size, dtype=np.int32),
        "is_keyed": np.zeros(size, np.bool_),
        "batch": np.full(size, batch, np.int32),
        "time": np.zeros(size, np.int64),
        "is_fresh": np.ones(size, np.bool_),
    }
    facts = pa.table([known.get(field.name, pa.nulls(size, field.type)) for field in FACTS], schema=FACTS)
    facts = facts.append_column("name", pa.array(at)).append_column("said", pa.nulls(size, pa.uint64()))
    for column in ("source_path", "source_record"):
        facts = facts.append_column(column, nothing)
    work = Work(store, f"{STAGING}/{name}")
    write_signatures(work, documents)
    write_facts(work, facts)
    if is_published:
        write_paragraphs(work, documents, facts)
        with work.put("cleaned.arrow") as path:
            write_rows(path, documents.select([name for name in documents.column_names if name not in UNPUBLISHED]))
    keys = len(documents) * documents["bands"].type.list_size
    text = pc.sum(pc.binary_length(documents["text"])).as_py() or 0
    return Done(work.outputs, {"documents": size, "keys": keys, "text": text}, 0.0, 0.0)


def compare(
    store: Store,
    pieces: Sequence[Done],
    config: Config | None = None,
    said: Callable[[str], None] = lambda stage: None,
    version: str = "1-0",
) -> Run:
    """A run over signed pieces, past its comparison with all that is published in the store; what it would know of
    RAW is nothing. `said` is called as each step ends."""

    def listen(progress: Progress) -> None:
        if progress.done:
            said(progress.stage)

    run = Run(store, inline, config or Config(), [listen])
    run.version, run.time, run.known = version, 0, Counter()
    run.mended, run.seen, run.templates, run.unfinished = [], [], [], set()
    run.cleaned = list(pieces)
    run.facts = [piece["facts.parquet"] for piece in pieces]
    run.compare()
    return run


def verdicts(run: Run) -> pa.Table:
    """What a run's comparison says of its documents, none of one that is simply kept."""
    return read_table(run.store, run.settled["verdicts.parquet"])


def write_index(run: Run) -> None:
    """The segments of the dedup index that a first version writes."""
    for kind, refs in (
        ("contents", [run.matched["contents.parquet"]]),
        ("keys", [one["keys.parquet"] for one in run.joined]),
        ("edges", run.edges),
    ):
        settings = {"kind": kind} | ({"bases": [0] * len(refs)} if kind == "keys" else {})
        run_step(Step(merge, {"files": refs}, settings), run.store)
