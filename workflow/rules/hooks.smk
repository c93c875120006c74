# What Loam does around Snakemake's own work: before the first job, after the last one, and with the outputs of its own jobs.
# It comes last: it acts on the rules that stand above, never on those of a workflow that uses Loam as a module.
from snakemake.jobs import Job

RULES = str(workflow.current_basedir)

# Earlier products stay until new ones take their place. Snakemake removes the outputs of a job before it starts, and again after
# it fails; the steps write beside the target and rename at the end, so neither is needed. Record 0075 says why no flag of
# Snakemake's does this. The three methods are those of the version in requirements.lock; tests/test_kills.py sees it if they change.
if not {"remove_existing_output", "cleanup", "postprocess"} <= vars(Job).keys():
    stop(
        "this Snakemake is not the one of requirements.lock: it would remove results before they are made again; run make setup"
    )


def is_ours(rule):
    """Whether a rule was written in this folder, under whatever name a workflow uses it."""
    return str(rule.snakefile).startswith(RULES)


def before_the_first_job(log):
    """End what killed runs have left, enter this run, and look into the inputs."""
    if not any(is_ours(job.rule) for job in workflow.dag.needrun_jobs()):
        return
    try:
        run_registry.enter()
    except LoamError as error:
        sys.exit(f"loam: {error}")
    check_inputs()


def after_the_last_job(log):
    run_registry.leave()


def add_handler(event, ours):
    """Call a handler besides the caller's, whether that was declared before or comes later: a module's own is ignored."""
    kept = f"_{event}"
    register, earlier = getattr(workflow, event), getattr(workflow, kept)

    def both(theirs):
        def handle(log):
            ours(log)
            theirs(log)

        setattr(workflow, kept, handle)

    def declared_later(theirs):
        register(theirs)
        if getattr(workflow, kept) is theirs:  # Snakemake took it: it is the main workflow's
            both(theirs)

    both(earlier)
    setattr(workflow, event, declared_later)


async def remove_logs(job):
    """Before a job: its old log goes, its old products stay."""
    if not is_ours(job.rule):
        return await theirs_remove(job)
    for file in job.log:
        await file.remove(remove_non_empty_dir=False)


async def keep_products(job, skip_outputs):
    """After a failure: nothing is removed."""
    if not is_ours(job.rule):
        return await theirs_cleanup(job, skip_outputs)


async def mark_if_failed(job, *arguments, error=False, **named):
    """After a failure, with --keep-incomplete too: what is there is marked as not finished, so that the same command makes it."""
    if not is_ours(job.rule):
        return await theirs_postprocess(job, *arguments, error=error, **named)
    failed = True
    try:
        await theirs_postprocess(job, *arguments, error=error, **named)
        failed = error
    finally:
        if failed:
            job.dag.workflow.persistence.started(job)


# `use rule … from` reads a module once each time.
if not hasattr(workflow, "has_hooks_of_loam"):
    workflow.has_hooks_of_loam = True
    theirs_remove, theirs_cleanup, theirs_postprocess = (
        Job.remove_existing_output,
        Job.cleanup,
        Job.postprocess,
    )
    Job.remove_existing_output = remove_logs
    Job.cleanup = keep_products
    Job.postprocess = mark_if_failed
    add_handler("onstart", before_the_first_job)
    add_handler("onsuccess", after_the_last_job)
    add_handler("onerror", after_the_last_job)
