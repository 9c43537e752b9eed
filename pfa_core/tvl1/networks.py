"""Sorting networks: which values to compare, whatever the values are. `lo` and `hi` give the lesser and the greater."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Pick = Callable[[T, T], T]

_SORT_5 = ((0, 1), (3, 4), (2, 4), (2, 3), (1, 4), (0, 3), (0, 2), (1, 3), (1, 2))


def sort_five(values: Sequence[T], lo: Pick[T], hi: Pick[T]) -> list[T]:
    """Five values in ascending order, by nine exchanges. Source: Knuth, TAOCP 3, section 5.3.4."""
    out = list(values)
    for i, j in _SORT_5:
        out[i], out[j] = lo(out[i], out[j]), hi(out[i], out[j])
    return out


def merge(a: Sequence[T], b: Sequence[T], lo: Pick[T], hi: Pick[T]) -> list[T]:
    """Two ascending lists as one: Batcher's odd-even merge. Source: Knuth, TAOCP 3, section 5.3.4."""
    if not a or not b:
        return [*a, *b]
    if len(a) == len(b) == 1:
        return [lo(a[0], b[0]), hi(a[0], b[0])]
    even = merge(a[::2], b[::2], lo, hi)
    odd = merge(a[1::2], b[1::2], lo, hi)
    out = [even[0]]
    for i, value in enumerate(odd):
        if i + 1 < len(even):
            out += [lo(value, even[i + 1]), hi(value, even[i + 1])]
        else:
            out.append(value)
    return out + list(even[len(odd) + 1 :])


def median_25(first_ten: Sequence[T], second_ten: Sequence[T], five: Sequence[T], lo: Pick[T], hi: Pick[T]) -> T:
    """The median of 25 values that come as ascending lists of 10, 10 and 5.

    If i of the five are among the 13 smallest, the median is the greater of the last of those and of rank 12 - i of
    the twenty; the right i gives the least. Only ranks 7..12 of the twenty are used.
    """
    twenty = merge(first_ten, second_ten, lo, hi)
    median = twenty[12]
    for i in range(1, 6):
        median = lo(median, hi(twenty[12 - i], five[i - 1]))
    return median
