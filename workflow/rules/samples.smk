# What may be seen by whom: splits, patches, and the check that nothing of a test has reached training.
rule make_splits:
    input:
        STACK,
    output:
        "<results>/samples/splits.json",
    log:
        "<logs>/make_splits.log",
    benchmark:
        "<benchmarks>/make_splits.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["make_splits"].threads
    resources:
        **asked("make_splits"),
    params:
        **step("make_splits", "samples.splits", signal="moisture.signal", speckle="sar.speckle"),
    shell:
        "python -m loam make-splits --stack {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule sample_patches:
    input:
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
    output:
        "<results>/samples/patches.parquet",
    log:
        "<logs>/sample_patches.log",
    benchmark:
        "<benchmarks>/sample_patches.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["sample_patches"].threads
    resources:
        **asked("sample_patches"),
    params:
        **step("sample_patches", "samples.patches"),
    shell:
        "python -m loam sample-patches --ssm {input.ssm:q} --splits {input.splits:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"


# Once for all that trains, predicts and probes. Training's folder holds no label of a test. Kept, not temporary: Snakemake would
# run every reader again when one needs what is gone, and training costs hours.
rule unpack_labels:
    input:
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
    output:
        training=directory("<results>/samples/labels/training"),
        everything=directory("<results>/samples/labels/all"),
    log:
        "<logs>/unpack_labels.log",
    benchmark:
        "<benchmarks>/unpack_labels.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["unpack_labels"].threads
    resources:
        **asked("unpack_labels"),
    params:
        **step("unpack_labels"),
    shell:
        "python -m loam unpack-labels --ssm {input.ssm:q} --splits {input.splits:q} --training {output.training:q}"
        " --everything {output.everything:q} 2> {log:q}"


# Nothing is trained or scored before this has passed.
rule check_splits:
    input:
        stack=BACKSCATTER,
        splits="<results>/samples/splits.json",
        references="<results>/moisture/references.zarr",
        ssm="<results>/moisture/ssm.zarr",
        patches="<results>/samples/patches.parquet",
    output:
        "<results>/samples/leaks.json",
    log:
        "<logs>/check_splits.log",
    benchmark:
        "<benchmarks>/check_splits.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["check_splits"].threads
    resources:
        **asked("check_splits"),
    params:
        **step(
            "check_splits",
            "samples.splits",
            sampling="samples.patches",
            signal="moisture.signal",
            speckle="sar.speckle",
        ),
    shell:
        "python -m loam check-splits --stack {input.stack:q} --splits {input.splits:q} --references {input.references:q}"
        " --ssm {input.ssm:q} --patches {input.patches:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"
