"""How inner loops are compiled, and how the rows of an array are shared out to threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from numba import njit

# Division by zero gives inf or NaN, as in NumPy; a check in every step would keep loops from becoming vector instructions.
compiled = njit(cache=True, nogil=True, error_model="numpy")


def over_rows(work: Callable[[tuple[int, int]], Any], rows: int, threads: int) -> None:
    """Call a function that releases the lock with ranges of rows, as many at once as there are threads.

    Args:
        work: takes the first row and one past the last.
        rows: how many there are.
        threads: how many ranges.
    """
    edges = [rows * part // threads for part in range(threads + 1)]
    bands = [(first, last) for first, last in pairwise(edges) if last > first]
    if len(bands) == 1:
        work(bands[0])
        return
    with ThreadPoolExecutor(len(bands)) as pool:
        for _ in pool.map(work, bands):
            pass
