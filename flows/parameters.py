"""What a run can be told: its options, and every setting of the configuration under one flat name.

`[dedup] jaccard` of the TOML file is the parameter `dedup_jaccard`. The command's help, the flow's signature, from
which Prefect makes its form, and the README's table are read from here; what each one is stands with its type.

>>> options, config = parse({"raw": "in", "dedup_jaccard": 0.6, "language_thresholds": ["de=0.5"]})
>>> options.raw, config.dedup.jaccard, config.language.thresholds
('in', 0.6, {'de': 0.5})
>>> flatten(config)
{'language_thresholds': ['de=0.5'], 'dedup_jaccard': 0.6}
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge
from typing_extensions import Doc

from transforms.config import Config, Setting, Settings, from_mapping, settings_of, validated
from transforms.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Options(Settings):
    """What a run is told besides its configuration."""

    raw: Annotated[str, Doc("Folder of raw files: text, JSONL, Parquet, HTML, WARC, archives; compressed too.")] = "raw"
    curated: Annotated[str, Doc("The dataset: made, or continued.")] = "curated"
    workers: Annotated[int, Ge(0), Doc("Worker processes; 0: one a core.")] = 0
    limit: Annotated[int, Ge(0), Doc("Take at most the next N new records; 0: all.")] = 0
    rebuild: Annotated[bool, Doc("Make earlier documents anew, too, under today's code, config, templates.")] = False
    checksum: Annotated[bool, Doc("Tell changed files by their bytes, not by size and times.")] = False
    force: Annotated[bool, Doc("Publish also where most documents would be lost, or what came in drifts.")] = False
    resume: Annotated[bool, Doc("Go on from a version that was rolled back to: lift the hold.")] = False
    allow_failed_shards: Annotated[
        bool, Doc("Publish without the input whose work failed: `read.shard_failed`, tried again by the next run.")
    ] = False
    engine: Annotated[
        Literal["local", "inline"], Doc("local: worker processes; inline: this process alone, without Prefect.")
    ] = "local"


class Parameter(NamedTuple):
    """A parameter of the flow: an option, or a setting of the configuration, at its top ("") or in a table."""

    name: str
    table: str | None
    setting: Setting

    @property
    def type(self) -> Any:
        """Its type as a form can show it: no union, no table of free keys."""
        return list[str] if _is_list(self.setting) else self.setting.type

    @property
    def default(self) -> Any:
        """Its default, as `type` has it."""
        return _flat(self.setting, self.setting.default)


def parameters() -> Iterator[Parameter]:
    """All of them, in the order of a form."""
    for option in settings_of(Options):
        yield Parameter(option.name, None, option)
    for setting in settings_of(Config):
        if is_dataclass(setting.type):
            for one in settings_of(setting.type):
                yield Parameter(f"{setting.name}_{one.name}", setting.name, one)
        else:
            yield Parameter(setting.name, "", setting)


def parse(given: Mapping[str, Any]) -> tuple[Options, Config]:
    """The options and the configuration that these parameters say. Raises: ConfigError, of the first wrong one."""
    known = {one.name: one for one in parameters()}
    options: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known, 3) or list(known)[:4]
            raise ConfigError(f"unknown parameter '{name}'; known are {', '.join(near)} … (README.md, Settings)")
        one = known[name]
        if one.table is None:
            options[name] = value
        else:
            at = tables.setdefault(one.table, {}) if one.table else tables
            at[one.setting.name] = _nested(one.setting, value, name)
    return validated(Options, options), from_mapping(tables)


def flatten(config: Config) -> dict[str, Any]:
    """What of a configuration isn't the default, as parameters."""
    said = asdict(config)
    found = {}
    for one in parameters():
        if one.table is not None:
            value = (said[one.table] if one.table else said)[one.setting.name]
            if value != one.setting.default:
                found[one.name] = _flat(one.setting, value)
    return found


# `[fields] extra` is a list of names in a form: this one is all of them.
_ALL = "*"


def _is_list(setting: Setting) -> bool:
    return isinstance(setting.default, tuple | dict) or setting.name == "extra"


def _flat(setting: Setting, value: Any) -> Any:
    if isinstance(value, dict):
        return [f"{key}={number}" for key, number in value.items()]
    if setting.name == "extra" and isinstance(value, bool):
        return [_ALL] if value else []
    return list(value) if isinstance(value, tuple | list) else value


def _nested(setting: Setting, value: Any, name: str) -> Any:
    if not _is_list(setting) or not isinstance(value, list | tuple):
        return value
    if setting.name == "extra":
        return True if list(value) == [_ALL] else list(value) or False
    if isinstance(setting.default, dict):
        return dict(_pair(one, name) for one in value)
    return list(value)


def _pair(said: Any, name: str) -> tuple[str, float]:
    key, is_there, number = str(said).partition("=")
    try:
        return key.strip(), float(number) if is_there else float("nan")
    except ValueError:
        raise ConfigError(f"'{name}' has {said!r}, expected a code and a number, as 'de=0.5'") from None


# What of a list a form can check; the rest is the configuration's to say.
_CODE = "[a-z]{2,3}(-[A-Z][a-z]{3})?"
_ITEMS = {"languages": f"^{_CODE}$", "thresholds": rf"^{_CODE}=(0|1|0?\.\d+|1\.0+)$"}


def signature() -> inspect.Signature:
    """The flow's signature: of each parameter its type with bounds, and its default."""
    return inspect.Signature(
        [
            inspect.Parameter(
                one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=one.default, annotation=_annotation(one)
            )
            for one in parameters()
        ],
        return_annotation=dict[str, Any],
    )


def _annotation(one: Parameter) -> Any:
    if one.setting.name in _ITEMS and _is_list(one.setting):
        from pydantic import StringConstraints

        return list[Annotated[str, StringConstraints(pattern=_ITEMS[one.setting.name])]]
    return one.type if _is_list(one.setting) else Annotated[(one.type, *one.setting.notes)]


def docstring(said: str) -> str:
    """The flow's docstring: what it does, and, as Prefect reads it for its form, what each parameter is."""
    lines = [f"    {one.name}: {one.setting.description}" for one in parameters()]
    return "\n".join([said, "", "Args:", *lines])


def help_of(option: str) -> str:
    """What an option is, for the command's help."""
    return next(one.description for one in settings_of(Options) if one.name == option)


def settings_table() -> str:
    """The README's table of settings, in Markdown."""
    lines = ["| key | default | |", "|---|---|---|"]
    for one in parameters():
        if one.table is not None:
            table = f"[{one.table}] " if one.table else ""
            lines.append(f"| {table}`{one.setting.name}` | {_toml(one.setting.default)} | {one.setting.description} |")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "[]" if value == () else str(value)


if __name__ == "__main__":
    print(settings_table())
