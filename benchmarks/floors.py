"""Floors of whole runs, and the exact counts of what came out of them, in `floors.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent / "floors.toml"
# Shares of which less is better.
CEILINGS = ("articles_gone_share", "article_lost_share", "around_left_share")


# Of fewer bytes starting is most of the cost, and no floor on speed is asked.
SPEED_BYTES = 20_000_000
# Of fewer bytes one paragraph is more than may be lost of all.
LOST_BYTES = 5_000_000


def shares(counts: Mapping[str, Any]) -> dict[str, float]:
    """What a run made of planted copies, articles and the lines around them; nothing of other documents."""
    if "exact" not in counts:
        return {}
    pairs = {
        "exact_found": "exact",
        "near_found": "near",
        "articles_gone": "articles",
        "language_right": "kept",
    }
    found = {f"{name}_share": counts[name] / max(1, counts[of]) for name, of in pairs.items()}
    for name, of in (("article_lost", "article"), ("around_left", "around")):
        found[f"{name}_share"] = counts[name] / max(1, counts[of])
    return found


def measures(result: Mapping[str, Any]) -> dict[str, float]:
    """What a floor may be set on."""
    tools = result["tools"]
    if "tamis" not in tools:
        return {}
    found = shares(tools["tamis"]["counts"])
    if result["bytes"] < LOST_BYTES:
        found.pop("article_lost_share", None)
    if result["bytes"] >= SPEED_BYTES:
        own = tools["tamis"]["mb_a_cpu_second"]
        found["mb_a_cpu_second"] = own
        found |= {f"against_{name}": own / tool["mb_a_cpu_second"] for name, tool in tools.items() if name != "tamis"}
    return found


def unmet(name: str, result: Mapping[str, Any], file: Path = FILE) -> list[str]:
    """What is below its floor, above its ceiling, or another count than was recorded of the same documents."""
    said = tomllib.loads(file.read_text("utf-8"))
    found = measures(result)
    wrong = []
    for measure, floor in said["floors"].get(name, {}).items():
        value = found.get(measure)
        if value is not None and (value > floor if measure in CEILINGS else value < floor):
            kind = "ceiling" if measure in CEILINGS else "floor"
            wrong.append(f"{name}: {measure} is {value:.4f}, its {kind} {floor}")
    counts = said.get("counts", {}).get(_key(name, result))
    if counts is None or not found:
        return wrong
    if counts["digest"] != result["digest"]:
        return [*wrong, f"{name}: recorded of other documents ({counts['digest']}): record them anew"]
    now = result["tools"]["tamis"]["counts"]
    wrong += [
        f"{name}: {count} is {now.get(count)}, recorded was {value}"
        for count, value in counts.items()
        if count != "digest" and now.get(count) != value
    ]
    return wrong


def record(name: str, result: Mapping[str, Any], file: Path = FILE) -> None:
    """Write what Tamis made of these documents, in place of what it made of them before; floors stay as they are."""
    if "tamis" not in result["tools"]:
        return
    text = file.read_text("utf-8")
    counts = tomllib.loads(text).get("counts", {})
    counts[_key(name, result)] = {"digest": result["digest"], **result["tools"]["tamis"]["counts"]}
    kept = text.split("\n[counts.")[0].rstrip("\n")
    tables = [
        f'[counts."{key}"]\n' + "".join(f"{count} = {_toml(value)}\n" for count, value in one.items())
        for key, one in sorted(counts.items())
    ]
    file.write_text("\n\n".join([kept, *(table.rstrip("\n") for table in tables)]) + "\n", "utf-8")


def _key(name: str, result: Mapping[str, Any]) -> str:
    return f"{name} {result['records']}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + " }" if value else "{}"
    return f'"{value}"' if isinstance(value, str) else str(value)
