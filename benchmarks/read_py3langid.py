#!/usr/bin/env python3
"""Write the table that transforms/py3langid_model.py reads, from the model that py3langid has.

    read_py3langid.py [--out transforms/py3langid.npz]

Needs py3langid. Its own file takes six times as long to read and has the automaton, which the features tell; of the
logarithms four in five are the least that their class has, and left out.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from transforms.py3langid_model import LOG_SCALE, TABLE


def features_of(model: LanguageIdentifier) -> list[bytes]:
    """The features, by their numbers: of those with which the automaton says so, the shortest."""
    rows = np.frombuffer(model.tk_nextmove, np.uint32).reshape(-1, 256)
    found: dict[int, bytes] = {}
    read, ahead = {0}, [(0, b"")]
    while ahead:
        following = []
        for state, text in ahead:
            found.setdefault(model.tk_output[state], text)
            for byte, to in enumerate(rows[model.tk_row[state]].tolist()):
                if to not in read:
                    read.add(to)
                    following.append((to, text + bytes([byte])))
        ahead = following
    return [found[feature] for feature in range(len(found) - 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    features = features_of(model)
    logs = np.rint(model.nb_ptc.astype(np.float32) * LOG_SCALE).astype(np.int16)
    least = logs.min(axis=0)
    np.savez_compressed(
        options.out,
        version=np.array(version("py3langid")),
        features=np.frombuffer(b"".join(features), np.uint8),
        lengths=np.array(list(map(len, features)), np.uint8),
        classes=np.array(model.nb_classes),
        prior=model.nb_pc,
        least=least,
        is_more=np.packbits(logs > least),
        more=logs[logs > least],
    )
    print(f"{options.out}: {len(features):,} features, {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
