"""Things taken together: few enough to stay in the processor's cache, and to bound memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """The items in order, of at most `most` together; what is larger stands alone.

    >>> list(batches(["a", "bcd", "e", "fg"], len, 3))
    [['a'], ['bcd'], ['e', 'fg']]
    """
    batch: list[T] = []
    held = 0
    for item in items:
        of_item = size(item)
        if batch and held + of_item > most:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += of_item
    if batch:
        yield batch
