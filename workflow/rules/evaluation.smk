PREDICTIONS = expand("<results>/learning/{experiment}/{member}.zarr", experiment=EXPERIMENTS, member=MEMBERS)


rule collect_samples:
    input:
        predictions=PREDICTIONS,
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/learning/splits.json",
        static="<results>/covariates/static.zarr",
        weather="<results>/covariates/weather.zarr",
        ndvi=used("ndvi", "<results>/covariates/ndvi.zarr"),
        truth=cfg.evaluation.truth or [],
    output:
        "<results>/evaluation/samples.parquet",
    log:
        "<logs>/collect_samples.log",
    benchmark:
        "<benchmarks>/collect_samples.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: needs.NEEDS["collect_samples"].threads
    resources:
        **asked("collect_samples"),
    params:
        **step("collect_samples", "evaluation", days="learning.longest_window"),
    shell:
        "python -m loam collect-samples --predictions {input.predictions:q} --ssm {input.ssm:q}"
        " --splits {input.splits:q} --static {input.static:q} --weather {input.weather:q} --ndvi {input.ndvi:q}"
        " --truth {input.truth:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule score:
    input:
        "<results>/evaluation/samples.parquet",
    output:
        "<results>/evaluation/scores.parquet",
    log:
        "<logs>/score.log",
    benchmark:
        "<benchmarks>/score.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: needs.NEEDS["score"].threads
    resources:
        **asked("score"),
    params:
        **step("score"),
    shell:
        "python -m loam score --samples {input:q} --out {output:q} 2> {log:q}"
