"""Where blocks are computed: threads of this machine, a running dask cluster, or Slurm jobs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from loam.config.moisture import Compute
from loam.core.errors import LoamError

# A worker that dies three times over one block has found a block that kills workers.
RETRIES = 2
# Wait for a scheduler to answer [s].
PATIENCE_S = 20


def workers_of(compute: Compute, threads: int) -> int:
    """How many blocks one process holds at once: a thread each on this machine, one in a worker of a cluster."""
    return threads if compute.scheduler == "threads" else 1


def for_each(
    work: Callable[[Any], Any], items: Sequence[Any], compute: Compute, threads: int, name: str
) -> list[Any]:
    """Call a function with every item, several at once, and show progress.

    Args:
        work: writes its own part of the result; it must be picklable for a cluster.
        items: what to call it with.
        compute: section `moisture.compute`.
        threads: of this machine.
        name: of the step, for the progress bar.

    Returns:
        What the calls returned, in the order of the items. The first fault ends the step.
    """
    if compute.scheduler == "threads":
        with ThreadPoolExecutor(threads) as pool:
            return _gathered([pool.submit(work, item) for item in items], name, as_completed)
    from distributed import as_completed as as_finished

    with _client(compute) as client:
        return _gathered(client.map(work, items, retries=RETRIES, pure=False), name, as_finished)


def _gathered(futures: list[Any], name: str, finished: Callable[[list[Any]], Any]) -> list[Any]:
    for future in tqdm(finished(futures), name, len(futures), unit="block", disable=None):
        _stop_at_fault(future, futures)
    return [future.result() for future in futures]


def _stop_at_fault(future: Future[Any], futures: list[Any]) -> None:
    try:
        future.result()
    except BaseException:
        for other in futures:
            other.cancel()
        raise


@contextmanager
def _client(compute: Compute) -> Iterator[Any]:
    from distributed import Client

    if compute.scheduler == "slurm":
        with slurm_cluster(compute) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(compute.address, timeout=PATIENCE_S)
    except (OSError, ValueError) as error:
        msg = f"moisture.compute.address = '{compute.address}': no dask scheduler answers there ({type(error).__name__}); start one"
        raise LoamError(msg) from None
    with client:
        yield client


def slurm_cluster(compute: Compute) -> Any:
    """Submit workers to Slurm: one thread each, with the memory and the time that the section says."""
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(
        queue=compute.partition,
        account=compute.account,
        walltime=compute.walltime,
        cores=1,
        processes=1,
        memory=f"{compute.memory_mb}MB",
        job_extra_directives=["--export=ALL"],
    )
    cluster.scale(jobs=compute.workers)
    return cluster
