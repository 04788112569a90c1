"""The `tamis` command.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a check, 130 interrupted, 143 terminated.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from flows import can_write
from flows.parameters import help_of
from flows.processes import early_template, without_pandas
from flows.server import (
    KEPT,
    Terminated,
    check_interrupted,
    handle_signals,
    in_thread,
    leave,
    leave_signals,
    named_api,
    needed_api,
)
from flows.show.progress import Watch, log_json
from transforms.config import Config, from_toml
from transforms.errors import ConfigError, CurationError, RefusedError

if TYPE_CHECKING:
    from rich.table import Table

    from flows.parameters import Options
    from flows.run import Progress

# pandas, pyarrow and Prefect are imported in the commands that use them: `tamis --help` answers at once.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Raw web text in; a curated, versioned Parquet dataset out.",
)
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False)

INTERRUPTED = f"interrupted; {KEPT}"
_log_format = "text"

# click's UsageError, which typer carries along without a public name.
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]

Curated = Annotated[Path, typer.Option("--curated", metavar="DIR", help="The dataset.")]


Raw = Annotated[Path, typer.Argument(help=help_of("raw"))]
Dataset = Annotated[Path, typer.Argument(help=help_of("curated"))]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE.toml", help="Configuration.")]
Workers = Annotated[int, typer.Option(min=0, help=help_of("workers"))]
Limit = Annotated[int, typer.Option(min=0, help=help_of("limit"))]
Checksum = Annotated[bool, typer.Option("--checksum", help=help_of("checksum"))]
AllowFailed = Annotated[bool, typer.Option("--allow-failed-shards", help=help_of("allow_failed_shards"))]


class LogFormat(StrEnum):
    """How progress and errors are written to standard error."""

    text = "text"
    json = "json"


@app.command()
def run(
    raw: Raw = Path("raw"),
    curated: Dataset = Path("curated"),
    config: ConfigFile = None,
    engine: Annotated[str, typer.Option(help=help_of("engine"))] = "local",
    workers: Workers = 0,
    limit: Limit = 0,
    rebuild: Annotated[bool, typer.Option("--rebuild", help=help_of("rebuild"))] = False,
    checksum: Checksum = False,
    force: Annotated[bool, typer.Option("--force", help=help_of("force"))] = False,
    resume: Annotated[bool, typer.Option("--resume", help=help_of("resume"))] = False,
    allow_failed_shards: AllowFailed = False,
    log_format: Annotated[
        LogFormat, typer.Option(help="Progress and errors on standard error: text, or a JSON object a line.")
    ] = LogFormat.text,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read what is new in RAW and publish the next version of CURATED."""
    global _log_format
    from flows.inputs import check_roots
    from flows.parameters import parse

    _log_format = log_format
    settings = _config(config)
    given = {
        "raw": str(raw),
        "curated": str(curated),
        "engine": engine,
        "workers": workers,
        "limit": limit,
        "rebuild": rebuild,
        "checksum": checksum,
        "force": force,
        "resume": resume,
        "allow_failed_shards": allow_failed_shards,
    }
    options, _ = parse(given)
    check_roots(raw, curated)
    _check_curated(curated)
    if engine == "inline":
        early: AbstractContextManager[None] = nullcontext()
    else:
        # What workers need, too. Then nothing else is to run BLAS threads, which a fork would lose.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        in_thread(lambda: import_module("flows.run"))
        early = early_template()
    with early, Watch(err, quiet=as_json, as_json=log_format == LogFormat.json) as watch:
        summary = in_thread(lambda: _curate(options, settings, watch))
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        _print_summary(summary)


def _check_curated(curated: Path) -> None:
    if os.path.lexists(curated) and not os.path.isdir(curated):
        raise ConfigError(f"CURATED {curated} is not a folder")
    if not can_write(curated):
        raise ConfigError(f"CURATED {curated} can't be written to by this user")


def _curate(options: "Options", config: Config, watch: Watch) -> dict[str, Any]:
    """A run: within Prefect where a server is named, else by itself; in the thread that does the work."""

    def tell(said: "Progress") -> None:
        if said.done < said.steps:  # what is done is done: a published version is no interrupted run
            check_interrupted()
        watch.tell(said)

    if options.engine == "inline" or named_api() is None:
        from flows.run import curate_dataset

        return curate_dataset(options, config, [tell])
    # Errors are ours to say, in one line; the server is told all the same.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    from dataclasses import asdict

    from flows.curate import curate, listeners
    from flows.parameters import flatten

    listeners.append(tell)
    try:
        summary: dict[str, Any] = curate(**asdict(options), **flatten(config))
    finally:
        listeners.remove(tell)
    return summary


@app.command()
def serve(
    cron: Annotated[str, typer.Option(metavar="CRON", help="When, as crontab has it: '0 3 * * *'.")],
    raw: Raw = Path("raw"),
    curated: Dataset = Path("curated"),
    timezone: Annotated[str, typer.Option(metavar="TZ", help="Of the schedule: Europe/Berlin.")] = "UTC",
    name: Annotated[str | None, typer.Option(help="Of the deployment.", show_default="the dataset's")] = None,
    config: ConfigFile = None,
    workers: Workers = 0,
    limit: Limit = 0,
    checksum: Checksum = False,
    allow_failed_shards: AllowFailed = False,
) -> None:
    """Run it on a schedule of your Prefect server's, one run at a time, until this command is ended."""
    from flows.inputs import check_roots

    settings = _config(config)
    check_roots(raw, curated)
    _check_curated(curated)
    needed_api()
    from flows.curate import serve_nightly
    from flows.parameters import Options

    options = Options(
        raw=os.path.abspath(raw),
        curated=os.path.abspath(curated),
        workers=workers,
        limit=limit,
        checksum=checksum,
        allow_failed_shards=allow_failed_shards,
    )
    leave_signals()  # which Prefect's runner handles
    serve_nightly(options, settings, cron, timezone, name)


@app.command()
def verify(
    curated: Annotated[Path, typer.Argument(metavar="[DIR]", help="The dataset.")] = Path("curated"),
) -> None:
    """Re-check hashes, schema, counts and every restoration."""
    from flows.store import Store
    from flows.versions import checks

    checked = checks.verify(Store(curated))
    unread = f"; {checked['unread']} records that could not be read have none" if checked["unread"] else ""
    out.print(
        f"{curated}: {checked['files']} files whole, {checked['documents']} originals restored and proven{unread}"
    )


@app.command()
def restore(
    document: Annotated[
        str, typer.Argument(metavar="ID", help="Its id or how that begins, its URL, or its path in RAW.")
    ],
    curated: Curated = Path("curated"),
) -> None:
    """Write a document's original to standard output, as it was, in UTF-8."""
    from flows.store import Store
    from flows.versions.find import find

    _, row, restored = find(Store(curated), document)
    if row.get("reject_stage") == "read" or row.get("raw_head") is not None:
        raise ConfigError(f"record {document} could not be read ({row['reject_reason']}): it has no original")
    sys.stdout.buffer.write(restored.original.encode())
    sys.stdout.buffer.flush()


@app.command()
def explain(
    what: Annotated[
        str, typer.Argument(metavar="FILE|ID|URL", help="A raw file; a document's id or how that begins, its URL.")
    ],
    curated: Curated = Path("curated"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Of a file, not what the dataset holds: what a new document would get.")
    ] = False,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Configuration, for a file.")] = None,
    why: Annotated[
        str | None, typer.Option(metavar="LINE", help="Show the evidence of lines that contain this.")
    ] = None,
) -> None:
    """Show a document with each removed span in place: reason, rule and confidence."""
    from flows.show import explain as explained

    if fresh and not os.path.exists(what):
        raise ConfigError(f"--fresh is for a raw file, and there is no {what}")
    if why is not None:
        for name, judged in explained.explain_lines(what, _config(config), curated, why, fresh):
            out.print(explained.render_line(name, judged), soft_wrap=True)
        return
    held = [] if fresh else explained.held(what, curated)
    documents = [explained.explain_held(found) for found in held]
    if held and os.path.exists(what) and explained.is_changed(held[0], Path(what), curated):
        err.print(
            f"{what} is another file by now than {held[0].row['source_path']} was when it was read.", markup=False
        )
    if not documents:
        if not fresh:
            err.print(f"{curated} holds nothing of {what}: this is what a new document would get.", markup=False)
        documents = explained.explain_file(Path(what), _config(config), curated)
    for document in documents:
        out.print(explained.render(document), soft_wrap=True)


@app.command()
def templates(
    site: Annotated[str | None, typer.Argument(help="A site, as in the column `site`.", show_default="all")] = None,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """Show the lines a site repeats: in how many groups of its articles, of how many, since which version."""
    from flows.show import templates as learned

    found: list[Any] = learned.sites(curated) if site is None else learned.site_lines(curated, site)
    if as_json:
        print(json.dumps([one._asdict() for one in found], ensure_ascii=False))
    for one in [] if as_json else found:
        out.print(learned.render(one), soft_wrap=True)


@app.command()
def rejects(
    reason: Annotated[
        str | None, typer.Option(metavar="R", help="A reason, or how several begin: read. or duplicate.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="F", help="A file or folder of RAW.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, of every record.")] = False,
    curated: Curated = Path("curated"),
) -> None:
    """List what was rejected: where, why, and what to do; with --reason or --file every record."""
    from flows.show import rejects as rejected

    most = rejected.EXAMPLES if reason is None and file is None and not as_json else None
    found = rejected.read_rejects(curated, reason, file, most)
    if as_json:
        for one in found.rows:
            print(json.dumps(one.as_json(), ensure_ascii=False))
        return
    for line in rejected.render(found):
        out.print(line, soft_wrap=True)
    if not found.counts:
        of = "".join(f" {word} {name}" for word, name in (("as", reason), ("of", file)) if name)
        out.print(f"Nothing was rejected{of}: {found.version} in {curated}", markup=False)


@app.command()
def versions(
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the versions that are there: when they were published, what came in, what they hold."""
    from flows.show import versions as shown
    from flows.store import Store
    from flows.versions import history

    store = Store(curated)
    found = [one.as_json(store) for one in history.versions(store)]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for line in shown.table(found):
        out.print(line, soft_wrap=True)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A version: its name or number.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    sample: Annotated[int, typer.Option(min=0, metavar="N", help="Documents to show of each kind of change.")] = 3,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what differs from version A to B: documents added, gone and why, changed and in what."""
    from flows.show import versions as shown
    from flows.store import Store
    from flows.versions import history
    from flows.versions.diff import compare

    store = Store(curated)
    found = history.versions(store)
    one, other = (history.version_of(found, name, store).manifest for name in (a, b))
    difference = compare(store, one, other, sample)
    if as_json:
        print(json.dumps(difference.as_json(), ensure_ascii=False))
        return
    for line in shown.lines(difference):
        out.print(line, soft_wrap=True)


@app.command()
def preview(
    raw: Annotated[
        Path | None, typer.Argument(metavar="[RAW]", help="What a rebuild would read besides; none: nothing.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="The new configuration.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only so many documents; default: all.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, metavar="N", help="Documents to show of each change.")] = 20,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a rebuild under another config, or today's code, would alter; nothing is published."""
    from flows import preview as previewed
    from flows.inputs import check_roots
    from flows.show import versions as shown
    from flows.store import Store

    settings = _config(config)
    if raw is not None:
        check_roots(raw, curated)
    with Watch(err, quiet=as_json) as watch:
        found = previewed.preview(Store(curated, raw), settings, sample, show, [watch.tell])
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
        return
    for line in shown.preview_lines(found.removed, found.difference):
        out.print(line, soft_wrap=True)


@app.command()
def rollback(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to go back to: its name or number.")],
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Make an earlier version the current one, and put runs on hold; nothing is removed."""
    from flows.store import Store
    from flows.versions import history

    done = history.rollback(Store(curated), version)
    if as_json:
        print(json.dumps(done))
        return
    hold = "runs are refused until `tamis run --resume`" if done["held"] else "the hold is lifted"
    out.print(f"{curated}: {done['version']} is current, with {done['documents']:,} documents; {hold}.")


@app.command()
def gc(
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep the last N versions.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Remove what ceased to be current so long ago: 30d, 12h.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Remove old versions, and the files that none of those kept lists."""
    from flows.store import Store
    from flows.versions import history

    age = None if older_than is None else history.age_of(older_than)
    removal = history.collect_garbage(Store(curated), keep, age, dry_run)
    if as_json:
        print(json.dumps({**removal._asdict(), "dry_run": dry_run}))
        return
    would = "would remove" if dry_run else "removed"
    out.print(
        f"{curated}: {would} {len(removal.versions):,} versions, {removal.files:,} files, {removal.bytes:,} bytes; "
        f"{len(removal.kept):,} versions stay, from {removal.kept[0]} on"
    )


@app.command()
def forget(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID|URL|PATH", help="Ids, or how they begin; URLs; paths in RAW.")
    ] = None,
    sites: Annotated[
        list[str] | None, typer.Option("--site", metavar="S", help="All of a site, as in the column `site`.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="A list of these, one a line.")] = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Remove all versions that hold what is forgotten, at once.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show what is forgotten; URLs and sites as hashes.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take names off the list: what comes back is read from RAW.")
    ] = False,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON; with --list an array.")] = False,
) -> None:
    """Take documents down, with their copies and earlier states; no later run reads them again."""
    from flows import forget as takedown
    from flows.store import Store

    store = Store(curated)
    if show:
        _print_forgotten(takedown.listed(store), curated, as_json)
        return
    asked = [takedown.name_from(name) for name in names or ()]
    asked += [takedown.Name("site", site) for site in sites or ()]
    asked += [] if file is None else takedown.names_in(_text(file, "list"))
    if undo:
        taken_off = takedown.undo(store, asked)
        if as_json:
            print(json.dumps(taken_off))
            return
        out.print(
            f"{curated}: {taken_off['names']:,} names are off the list. Nothing else brings back what was forgotten: "
            f"the next run reads {taken_off['files']:,} files again, where they are still in RAW."
        )
        return
    done = takedown.forget(store, asked, purge)
    if as_json:
        print(json.dumps(done))
        return
    out.print(
        f"{curated}: {done['version']} is current; {done['documents']:,} documents and {done['rejected']:,} rejected "
        f"rows are gone, {done['came_back']:,} came back that were duplicates only of them; {done['names']:,} names "
        f"are on the list, {done['known']:,} were before."
    )
    if purge:
        out.print(f"Removed {len(done['purged']):,} versions that held them; {takedown.UNTOUCHED}.")
    else:
        out.print(f"Earlier versions still hold them; `tamis forget --purge` removes these; {takedown.UNTOUCHED}.")


def _print_forgotten(found: list[dict[str, Any]], curated: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    for one in found:
        out.print(f"{one['kind']:4} {one['name']:32}  {one['version'] or '-'}  {one['texts']:,} texts", markup=False)
    if not found:
        out.print(f"Nothing is forgotten in {curated}", markup=False)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New, empty, or an earlier export, which is replaced.")],
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Only documents in this language (BCP-47); several times.")
    ] = None,
    columns: Annotated[str | None, typer.Option(metavar="A,B,…", help="Only these columns of documents.")] = None,
    shard_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Write files anew, of about so many bytes.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="tamis; or names and types of another dataset: fineweb (FineWeb2), dolma (JSON lines).")
    ] = "tamis",
    duplicate_count: Annotated[
        bool, typer.Option("--duplicate-count", help="With fineweb: FinePDFs' column as well.")
    ] = False,
    hub: Annotated[
        bool, typer.Option("--hub", help="Cut pages by content: what two exports share is uploaded to a hub once.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links: writing into one in place would damage the dataset.")
    ] = False,
    version: Annotated[
        str | None, typer.Option(metavar="V", help="A version: its name or number.", show_default="the current one")
    ] = None,
    curated: Curated = Path("curated"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Write a version as a plain folder that any tool opens by itself."""
    from flows.store import Store
    from flows.versions import export as exported

    names = tuple(name.strip() for name in columns.split(",")) if columns else ()
    wanted = exported.Wanted(tuple(language or ()), names, shard_bytes, profile, duplicate_count, hub, link)
    done = exported.export(Store(curated), folder, wanted, version)
    if link:
        err.print(
            f"{folder} has hard links to files of {curated}: writing into one in place would damage the dataset.",
            style="yellow",
            markup=False,
        )
    if as_json:
        print(json.dumps(done))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in done["rows"].items())
    out.print(
        f"{folder}: {rows} of {done['version']}, in {done['files']:,} files of {done['bytes']:,} bytes", markup=False
    )


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tamis {version('tamis')}")
        raise typer.Exit


@app.callback()
def tamis(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version of Tamis.")
    ] = False,
) -> None:
    """Raw web text in; a curated, versioned Parquet dataset out."""


def _config(path: Path | None) -> Config:
    if path is None:
        return Config()
    try:
        return from_toml(_text(path, "config"))
    except ConfigError as error:
        raise ConfigError(f"config {path}: {error}") from None


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path} can't be read: {error}") from None


def _print_summary(summary: dict[str, Any]) -> None:
    if not summary["published"]:
        out.print(f"Nothing new: {summary['version'] or 'no version'} in {summary['curated']} stands.")
    else:
        out.print(_summary_table(summary))
        read, kept, rejected = summary["records"], summary["documents"], summary["rejected"]
        known = f", {summary['known']:,} known" if summary["known"] else ""
        known += f", {summary['forgotten']:,} forgotten" if summary["forgotten"] else ""
        left = f", {summary['remaining']:,} left for the next run" if summary["remaining"] else ""
        out.print(f"{read:,} records read = {kept:,} kept + {rejected:,} rejected{known}{left}")
        total = summary["total"]
        out.print(
            f"Version {summary['version']} in {summary['curated']}: {total['documents']:,} documents, "
            f"{total['rejected']:,} rejected ({_seconds():.1f} s)"
        )
    _print_fields(summary)
    if summary.get("drift"):
        from flows.versions.statistics import say

        out.print(f"What came in is unlike what was there: {say(summary['drift'])}", style="yellow", markup=False)
    for count, said in _NOTES:
        number = len(summary[count]) if count == "ignored" else summary.get(count, 0)
        if number:
            out.print(f"{number:,} {said}")


def _seconds() -> float:
    """Since this process began: what a person waited for."""
    import psutil

    return time.time() - psutil.Process().create_time()


def _print_fields(summary: dict[str, Any]) -> None:
    """What was read as what, where a name isn't the column's own; what could not be; files without texts."""
    from flows.readers.fields import ways_out

    read_as = [
        f"{column} from {', '.join(f'{name} ({count:,})' for name, count in names.items())}"
        for column, names in summary["fields"].items()
        if set(names) != {column}
    ]
    if read_as:
        out.print(f"Read: {'; '.join(read_as)}", markup=False)
    if summary["unread_values"]:
        unread = ", ".join(f"{column} {count:,}" for column, count in summary["unread_values"].items())
        out.print(f"Values that could not be read: {unread}", markup=False)
    if summary["extra_cut"]:
        out.print(f"{summary['extra_cut']:,} fields had no room in `extra` (`[limits] extra_bytes`).", markup=False)
    if summary["passed_over"]:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in summary["passed_over"].items())
        out.print(f"Passed over in archives, as no pages or texts: {kinds}", markup=False)
    for way in ways_out(summary["without_text"]):
        out.print(way, style="yellow", markup=False)


# What a summary counts besides, where there are any.
_NOTES = (
    ("superseded", "documents gave way to a later state of their page."),
    ("not_successor", "texts under a known key take nobody's place (`not_successor`): error pages, consent pages."),
    ("forgotten", "records are on the list of `tamis forget`, and were passed over."),
    (
        "failed_shards",
        "pieces of input failed, and stand as `read.shard_failed`: the next run tries them again.",
    ),
    ("implausible", "`fetched_at` were before 1990 or in the future, and count as missing."),
    ("said_otherwise", "known texts came with another title, author, date or licence; the first ones stay."),
    ("ignored", "names in RAW were passed over: hidden, or what tools leave behind."),
    (
        "earlier_documents",
        "earlier documents were made under other code or config, and stay as they are; `tamis run --rebuild` makes "
        "them anew.",
    ),
)


def _summary_table(summary: dict[str, Any]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("records", justify="right")
    table.add_column("characters", justify="right")
    kept = f"{summary['characters']:,}"
    table.add_row("[bold]in", f"{summary['records']:,}", "")
    if summary["known"]:
        table.add_row("known already", f"{summary['known']:,}", "")
    table.add_row("[bold]kept", f"{summary['documents']:,}", kept)
    for language, count in summary["languages"].items():
        table.add_row(f"  {language}", f"{count:,}", "")
    table.add_row("[bold]rejected", f"{summary['rejected']:,}", "")
    for reason, count in summary["rejected_by_reason"].items():
        table.add_row(f"  {reason}", f"{count:,}", "")
    removed = summary["removed_by_reason"]
    table.add_row("[bold]changed or removed", "[dim]spans", f"{sum(r['characters'] for r in removed.values()):,}")
    for reason, found in removed.items():
        table.add_row(f"  {reason}", f"{found['spans']:,}", f"{found['characters']:,}")
    return table


def main() -> None:
    """Run the command; errors are one clear line and an exit code."""
    without_pandas()
    handle_signals()
    leave(_exit_code(lambda: app(standalone_mode=False)))


def _exit_code(command: Callable[[], Any]) -> int:
    try:
        code = command()
        if code == 130:  # typer's word for Ctrl-C
            return _say(INTERRUPTED, 130)
        return code if isinstance(code, int) else 0
    except ConfigError as error:
        return _say(error, 2)
    except RefusedError as error:
        return _say(error, 3)
    except CurationError as error:
        return _say(error, 1)
    except USAGE_ERROR as error:
        error.show()
        return 2
    except (KeyboardInterrupt, typer.Abort):
        return _say(INTERRUPTED, 130)
    except Terminated:
        return _say(INTERRUPTED, 143)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _say(f"{type(error).__name__}: {error}", 1)


def _say(error: object, code: int) -> int:
    if _log_format == LogFormat.json:
        log_json("error", str(error), exit_code=code)
        return code
    err.print(f"tamis: {error}", style="red" if code not in (130, 143) else None, markup=False, soft_wrap=True)
    return code


if __name__ == "__main__":
    main()
