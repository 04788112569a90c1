"""The errors of Tamis, named by what the run does about them.

    CurationError
    ├── ConfigError      the configuration or the call is wrong: stop before the first shard      (exit 2)
    ├── RefusedError     a check refuses: nothing is published, what was published stays          (exit 3)
    ├── ShardError       this shard failed: the others go on, nothing is published                (exit 1)
    └── RecordError      this record goes to `rejected`, with its reason; the run goes on

A message says where, what was found, and what was expected.
"""

from typing import Any


class CurationError(Exception):
    """Anything Tamis raises on purpose."""


class ConfigError(CurationError):
    """The configuration or the call is wrong; nothing has been read yet."""


class RefusedError(CurationError):
    """A check refuses to go on: conservation, a damaged file, another run at work."""


class ShardError(CurationError):
    """A shard could not be finished; finished ones stay and are not done again."""


class RecordError(CurationError):
    """A record can't be read. `reason` is one of the closed list of rejections, `detail` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.reason, self.detail)
