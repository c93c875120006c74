rule train:
    input:
        leaks="<results>/samples/leaks.json",
        labels="<results>/samples/labels/training",
        patches="<results>/samples/patches.parquet",
        covariates=COVARIATES,
    output:
        checkpoint="<results>/learning/{experiment}/{member}.ckpt",
        history="<results>/learning/{experiment}/{member}.csv",
    log:
        "<logs>/train/{experiment}_{member}.log",
    benchmark:
        "<benchmarks>/train/{experiment}_{member}.tsv"
    conda:
        "../../envs/gpu.yaml"
    threads: NEEDS["train"].threads
    resources:
        **asked("train"),
    params:
        **step(
            "train",
            "learning.train",
            model="learning.networks.{experiment}",
            experiment="learning.experiments.{experiment}",
            size_px="samples.patches.size_px",
            antecedent_days="learning.antecedent_days",
        ),
    shell:
        # Under Slurm a task for every process that trains; elsewhere Lightning starts them.
        launcher("train") + "python -m loam train --labels {input.labels:q} --patches {input.patches:q}"
        " --covariates {input.covariates:q} --out {output.checkpoint:q}"
        " --history {output.history:q} --member {wildcards.member} --threads {threads} --params {params.cfg:q} 2> {log:q}"


rule predict:
    input:
        checkpoint="<results>/learning/{experiment}/{member}.ckpt",
        labels="<results>/samples/labels/all",
        covariates=COVARIATES,
    output:
        directory("<results>/learning/{experiment}/{member}.zarr"),
    log:
        "<logs>/predict/{experiment}_{member}.log",
    benchmark:
        "<benchmarks>/predict/{experiment}_{member}.tsv"
    conda:
        "../../envs/gpu.yaml"
    threads: NEEDS["predict"].threads
    resources:
        **asked("predict"),
    params:
        **step(
            "predict",
            "learning.predict",
            accelerator="learning.train.accelerator",
        ),
    shell:
        "python -m loam predict --checkpoint {input.checkpoint:q} --labels {input.labels:q}"
        " --covariates {input.covariates:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} 2> {log:q}"


# A job per day that is mapped: one day more makes no other again. All members in a job, since starting one costs as much as a day.
rule predict_date:
    input:
        checkpoints=expand("<results>/learning/{{experiment}}/{member}.ckpt", member=MEMBERS),
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
        covariates=COVARIATES,
    output:
        directory(expand("<results>/learning/{{experiment}}/{{date}}/{member}.zarr", member=MEMBERS)),
    log:
        "<logs>/predict_date/{experiment}_{date}.log",
    benchmark:
        "<benchmarks>/predict_date/{experiment}_{date}.tsv"
    conda:
        "../../envs/gpu.yaml"
    threads: NEEDS["predict_date"].threads
    resources:
        **asked("predict_date"),
    params:
        **step(
            "predict_date",
            "learning.predict",
            accelerator="learning.train.accelerator",
        ),
    shell:
        "python -m loam predict-date --checkpoints {input.checkpoints:q} --ssm {input.ssm:q} --splits {input.splits:q}"
        " --covariates {input.covariates:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} 2> {log:q}"


rule calibrate:
    input:
        predictions=expand("<results>/learning/{{experiment}}/{member}.zarr", member=MEMBERS),
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
    output:
        "<results>/learning/{experiment}/calibration.json",
    log:
        "<logs>/calibrate/{experiment}.log",
    benchmark:
        "<benchmarks>/calibrate/{experiment}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["calibrate"].threads
    resources:
        **asked("calibrate"),
    params:
        **step("calibrate", "learning.calibration"),
    shell:
        "python -m loam calibrate --predictions {input.predictions:q} --ssm {input.ssm:q} --splits {input.splits:q}"
        " --out {output:q} --params {params.cfg:q} 2> {log:q}"
