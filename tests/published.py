"""What tests of consumers share: a dataset with all that a reader may stumble over, and one with empty tables."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.conftest import article, curated_by, write_jsonl

URL = "https://e.example.org/"
# What ftfy and our own rules repair, in a sentence: the ledger has spans of every kind, also beyond U+FFFF.
BROKEN = "The cafÃ© on the 🏔 hill isn&#39;t open; the nai\u0308ve visitor\u0000 came 𝒂gain in the rain, for tea.\r\n"
GERMAN = (
    "Der Hafen war still, und die Möwen saßen auf den Dächern der Schuppen. Am Morgen kam der Fährmann mit zwei Säcken "
    "Mehl und einem Brief, den niemand öffnen wollte. Erst als die Sonne über den Kran stieg, las ihn die Wirtin vor."
)
CHINESE = (
    "清晨的港口很安静，海鸥停在仓库的屋顶上。摆渡人带着两袋面粉和一封信来了，谁也不想拆开。"
    "直到太阳升到吊车上方，女店主才把信念给大家听，院子里的人都笑了起来。"
)


def make_dataset(folder: Path) -> Path:
    """Three versions: texts in three languages and scripts, dates of 1891, nulls, lists, damage, copies, a page whose
    text changed, a record that can't be read."""
    raw, curated = folder / "raw", folder / "curated"
    pages: list[dict[str, Any]] = [
        {
            "url": f"{URL}{n}",
            "text": article(n) + (BROKEN if n % 2 else ""),
            "fetched_at": f"2024-03-0{n + 1}T10:00:00Z",
        }
        for n in range(6)
    ]
    pages[0] |= {"authors": ["Anna Alt", "Bo Neu"], "tags": ["a", "b"], "license": "CC-BY-4.0", "section": {"n": [1]}}
    pages[4] |= {
        "authors": ["Cy Grün"],
        "tags": ["c"],
        "text": article(4) + "\nShare on Facebook\n\nAll rights reserved.\n",
    }
    pages[1] |= {"published_at": "1891-03-05", "title": "A quotation: “tea” | <pipe>"}
    pages += [{"id": "de", "text": GERMAN}, {"id": "zh", "text": CHINESE, "published_at": "1891-12-31T23:30:00Z"}]
    path = write_jsonl(raw / "1.jsonl", pages)
    path.write_text(path.read_text(encoding="utf-8") + "{bad\n", encoding="utf-8")
    run(raw, curated)
    later = [
        {"url": f"{URL}0", "text": article(100), "fetched_at": "2024-04-01T10:00:00Z"},
        {"url": f"{URL}copy", "text": article(2)},
        {"url": f"{URL}near", "text": article(3).replace("harbour", "pier", 1)},
    ]
    write_jsonl(raw / "2.jsonl", later)
    run(raw, curated)
    (raw / "shop.example").mkdir()
    (raw / "shop.example/page.txt").write_text(article(7), encoding="utf-8")
    run(raw, curated)
    return curated


def make_empty(folder: Path) -> Path:
    """A dataset in which nothing was rejected, and nothing removed."""
    write_jsonl(folder / "raw/1.jsonl", [{"url": f"{URL}1", "text": article(1)}])
    run(folder / "raw", folder / "curated")
    return folder / "curated"


def run(raw: Path, curated: Path, **parameters: Any) -> dict[str, Any]:
    return curated_by(raw, curated, **parameters)


def plain(value: Any) -> Any:
    """A value as Python has it, whichever tool it came from."""
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):  # numpy's
        value = value.tolist()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, datetime):
        if type(value) is not datetime:  # pandas'
            return None if value != value else value.to_pydatetime().astimezone(UTC)  # type: ignore[attr-defined]
        return value.astimezone(UTC)
    return value
