# A checkout runs as it is; the workflow itself is workflow/Snakefile, which other workflows can use as a module.
include: "workflow/Snakefile"


workflow.default_target = "all"  # Snakemake forgets the target of an included file
