# Earlier products stay until new ones take their place. Snakemake removes the outputs of a job before it starts, and again after
# it fails; the steps write beside the target and rename at the end, so neither is needed. Record 0075 says why no flag of
# Snakemake's does this. The two methods are those of the version in requirements.lock; tests/test_kills.py sees it if they change.
from snakemake.jobs import Job

if not {"remove_existing_output", "cleanup"} <= vars(Job).keys():
    sys.exit(
        "this Snakemake is not the one of requirements.lock: it would remove results before they are made again; run make setup"
    )


async def remove_logs(job):
    """Before a job: its old log goes, its old products stay."""
    for file in job.log:
        await file.remove(remove_non_empty_dir=False)


async def mark_unfinished(job, skip_outputs):
    """After a failure: the earlier products stay, and are marked as not finished, so that the same command makes them."""
    job.dag.workflow.persistence.started(job)


Job.remove_existing_output = remove_logs
Job.cleanup = mark_unfinished
