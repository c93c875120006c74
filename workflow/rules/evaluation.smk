PREDICTIONS = expand("<results>/learning/{experiment}/{member}.zarr", experiment=EXPERIMENTS, member=MEMBERS)
# Where soil moisture is measured in the ground; none by default.
STATIONS = theirs([station.path for station in cfg.evaluation.stations.sources])
# Where soil moisture is known everywhere: synthetic scenes alone.
TRUTH = theirs(cfg.evaluation.truth)


rule collect_samples:
    input:
        predictions=PREDICTIONS,
        leaks="<results>/samples/leaks.json",
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
        covariates=COVARIATES,
        landcover=source("landcover"),
        truth=TRUTH,
    output:
        "<results>/evaluation/samples.parquet",
    log:
        "<logs>/collect_samples.log",
    benchmark:
        "<benchmarks>/collect_samples.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["collect_samples"].threads
    resources:
        **asked("collect_samples"),
    params:
        **step(
            "collect_samples",
            "evaluation.samples",
            reads=["landcover", *TRUTH],
            boosting="evaluation.boosting",
            classes="sources.landcover",
            days="learning.longest_window",
            antecedent_days="learning.antecedent_days_shown",
        ),
    shell:
        "python -m loam collect-samples --predictions {input.predictions:q} --ssm {input.ssm:q}"
        " --splits {input.splits:q} --covariates {input.covariates:q}"
        " --landcover {input.landcover:q} --truth {input.truth:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule probe_model:
    input:
        checkpoint="<results>/learning/{experiment}/{member}.ckpt",
        labels="<results>/samples/labels/all",
        patches="<results>/samples/patches.parquet",
        covariates=COVARIATES,
    output:
        "<results>/evaluation/probes/{experiment}/{member}.parquet",
    log:
        "<logs>/probe_model/{experiment}_{member}.log",
    benchmark:
        "<benchmarks>/probe_model/{experiment}_{member}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["probe_model"].threads
    resources:
        **asked("probe_model"),
    params:
        **step(
            "probe_model",
            "evaluation.probes",
            size_px="samples.patches.size_px",
            accelerator="learning.train.accelerator",
        ),
    shell:
        "python -m loam probe-model --checkpoint {input.checkpoint:q} --labels {input.labels:q}"
        " --patches {input.patches:q} --covariates {input.covariates:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} 2> {log:q}"


rule score:
    input:
        samples="<results>/evaluation/samples.parquet",
        probes=expand(
            "<results>/evaluation/probes/{experiment}/{member}.parquet", experiment=EXPERIMENTS, member=MEMBERS
        ),
        calibrations=expand("<results>/learning/{experiment}/calibration.json", experiment=EXPERIMENTS),
    output:
        "<results>/evaluation/scores.parquet",
    log:
        "<logs>/score.log",
    benchmark:
        "<benchmarks>/score.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["score"].threads
    resources:
        **asked("score"),
    params:
        **step("score"),
    shell:
        "python -m loam score --samples {input.samples:q} --probes {input.probes:q}"
        " --calibrations {input.calibrations:q} --out {output:q} 2> {log:q}"


rule validate_stations:
    input:
        predictions=PREDICTIONS,
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/samples/splits.json",
        stations=STATIONS,
    output:
        scores="<results>/evaluation/stations.parquet",
        series="<results>/evaluation/station_series.parquet",
    log:
        "<logs>/validate_stations.log",
    benchmark:
        "<benchmarks>/validate_stations.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["validate_stations"].threads
    resources:
        **asked("validate_stations"),
    params:
        **step("validate_stations", "evaluation.stations", reads=STATIONS),
    shell:
        "python -m loam validate-stations --predictions {input.predictions:q} --ssm {input.ssm:q}"
        " --splits {input.splits:q} --stations {input.stations:q} --out {output.scores:q}"
        " --series {output.series:q} --params {params.cfg:q} 2> {log:q}"
