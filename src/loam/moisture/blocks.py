"""An area cut into blocks that fit into memory, and how a file of results is written block by block."""

from dataclasses import dataclass

from loam.core.errors import LoamError

# Chunk edges of what is written; blocks are whole chunks, so that no two write to the same.
REFERENCE_CHUNK_PX = 128
SSM_CHUNK_PX = 256
# Python, its libraries and the compiled loops [MB].
PROGRAM_MB = 450


@dataclass(frozen=True)
class Block:
    """Rows and columns of a part of the area, with the halo that averaging needs around it."""

    rows: slice
    columns: slice
    outer_rows: slice
    outer_columns: slice

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the block itself."""
        return self.rows, self.columns

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the block lies in what was read with the halo."""
        top, left = (
            self.rows.start - self.outer_rows.start,
            self.columns.start - self.outer_columns.start,
        )
        return slice(top, top + self.rows.stop - self.rows.start), slice(
            left, left + self.columns.stop - self.columns.start
        )


def cut(shape: tuple[int, int], edge: int, halo: int) -> list[Block]:
    """Blocks of an area, row by row.

    Args:
        shape: rows and columns of the area.
        edge: of a block [pixel].
        halo: pixels around it, as far as the area reaches.
    """
    spans = [[(start, min(start + edge, size)) for start in range(0, size, edge)] for size in shape]
    return [
        Block(
            slice(*rows),
            slice(*columns),
            _widened(rows, halo, shape[0]),
            _widened(columns, halo, shape[1]),
        )
        for rows in spans[0]
        for columns in spans[1]
    ]


def _widened(span: tuple[int, int], halo: int, size: int) -> slice:
    return slice(max(0, span[0] - halo), min(size, span[1] + halo))


def block_edge(
    memory_mb: int, workers: int, pixel_bytes: float, shape: tuple[int, int], chunk: int
) -> int:
    """Edge of the largest blocks that as many workers can hold at once [pixel], a multiple of the chunks'.

    Args:
        memory_mb: most memory of the process [MB].
        workers: blocks held at once.
        pixel_bytes: memory that a pixel takes with all its dates [byte].
        shape: rows and columns of the area.
        chunk: edge of the chunks that are written [pixel].

    Raises:
        LoamError: not even one chunk a worker fits.
    """
    if block_mb(chunk, pixel_bytes, shape) * workers > memory_mb - PROGRAM_MB:
        least = int(PROGRAM_MB + workers * block_mb(chunk, pixel_bytes, shape)) + 1
        msg = f"moisture.compute.memory_mb = {memory_mb}: too little for {workers} blocks of {chunk} pixels; set at least {least}"
        raise LoamError(msg)
    edge, most = chunk, -(-max(shape) // chunk) * chunk
    while (
        edge < most
        and block_mb(edge + chunk, pixel_bytes, shape) * workers <= memory_mb - PROGRAM_MB
    ):
        edge += chunk
    return edge


def block_mb(edge: int, pixel_bytes: float, shape: tuple[int, int]) -> float:
    """Memory of a block, which is no larger than the area [MB]."""
    return min(edge, shape[0]) * min(edge, shape[1]) * pixel_bytes / 1e6


def slab_length(
    memory_mb: int,
    workers: int,
    date_bytes: float,
    shape: tuple[int, int],
    chunk: int,
    most: int,
    step: int,
) -> int:
    """Most acquisitions that blocks of one chunk can hold at once, at least one step.

    Args:
        memory_mb: most memory of the process [MB].
        workers: blocks held at once.
        date_bytes: memory that a pixel takes with one date [byte].
        shape: rows and columns of the area.
        chunk: edge of the chunks that are written [pixel].
        most: acquisitions wanted.
        step: acquisitions in a chunk that is written.
    """
    room = (memory_mb - PROGRAM_MB) / workers / block_mb(chunk, date_bytes, shape)
    return max(step, min(most, int(room) // step * step))
