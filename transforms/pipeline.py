"""The order of the stages: plain calls, one a line.

Between `prepare` and `clean` the lines of all shards are counted; between `clean` and `select_documents` all
documents are compared.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from transforms.batches import batches
from transforms.boilerplate.lines import index_lines
from transforms.boilerplate.strip import strip_boilerplate
from transforms.boilerplate.templates import Templates
from transforms.config import Config
from transforms.dates import date_documents
from transforms.dedup.exact import sign_documents
from transforms.encoding import repair_encoding
from transforms.identity import place_documents
from transforms.language import detect_language
from transforms.metadata import describe_documents
from transforms.signals import count_documents

# Text of which lines are remembered: the parts that are stripped and described at once.
PART_BYTES = 1 << 22


def prepare(documents: pa.Table, config: Config) -> pa.Table:
    """What can be done to a shard before anything is known of the others."""
    documents = place_documents(documents)
    documents = repair_encoding(documents, config)
    documents = index_lines(documents)
    return documents


def clean(documents: pa.Table, templates: Mapping[str, Templates], config: Config) -> pa.Table:
    """What can be done once the templates of the sites are known."""
    documents = _stripped(documents, templates, config)
    documents = detect_language(documents, config)
    documents = date_documents(documents)
    documents = sign_documents(documents)
    documents = count_documents(documents)
    return documents


def _stripped(documents: pa.Table, templates: Mapping[str, Templates], config: Config) -> pa.Table:
    """Stripped and described, part by part: what a line was for the one is at hand for the other."""
    sizes = pc.binary_length(documents["text"]).to_pylist()
    # One part of no documents, too: it has the columns.
    rows = list(batches(range(len(documents)), lambda row: sizes[row], PART_BYTES)) or [[0]]
    parts = (documents.slice(part[0], len(part)) for part in rows)
    found = [describe_documents(strip_boilerplate(part, templates, config)) for part in parts]
    return pa.concat_tables(found).combine_chunks()
