# Earlier products stay until new ones take their place. Snakemake removes the outputs of a job before it starts, and again after
# it fails; the steps write beside the target and rename at the end, so neither is needed. Record 0075 says why no flag of
# Snakemake's does this. The three methods are those of the version in requirements.lock; tests/test_kills.py sees it if they change.
from snakemake.jobs import Job

if not {"remove_existing_output", "cleanup", "postprocess"} <= vars(Job).keys():
    sys.exit(
        "this Snakemake is not the one of requirements.lock: it would remove results before they are made again; run make setup"
    )


async def remove_logs(job):
    """Before a job: its old log goes, its old products stay."""
    for file in job.log:
        await file.remove(remove_non_empty_dir=False)


async def keep_products(job, skip_outputs):
    """After a failure: nothing is removed."""


async def mark_if_failed(job, *arguments, error=False, **named):
    """After a failure, with --keep-incomplete too: what is there is marked as not finished, so that the same command makes it."""
    failed = True
    try:
        await postprocess(job, *arguments, error=error, **named)
        failed = error
    finally:
        if failed:
            job.dag.workflow.persistence.started(job)


postprocess = Job.postprocess
Job.remove_existing_output = remove_logs
Job.cleanup = keep_products
Job.postprocess = mark_if_failed
