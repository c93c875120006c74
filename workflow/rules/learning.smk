rule make_splits:
    input:
        STACK,
    output:
        "<results>/learning/splits.json",
    log:
        "<logs>/make_splits.log",
    benchmark:
        "<benchmarks>/make_splits.tsv"
    conda:
        "../../envs/loam.yaml"
    resources:
        mem_mb=lambda wc, attempt: 1000 * attempt,
        runtime=10,
    params:
        **step("make_splits", "learning.splits"),
    shell:
        "python -m loam make-splits --stack {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule sample_patches:
    input:
        ssm="<results>/moisture/ssm.zarr",
        splits="<results>/learning/splits.json",
    output:
        "<results>/learning/patches.parquet",
    log:
        "<logs>/sample_patches.log",
    benchmark:
        "<benchmarks>/sample_patches.tsv"
    conda:
        "../../envs/loam.yaml"
    resources:
        mem_mb=lambda wc, attempt: 4000 * attempt,
        runtime=30,
    params:
        **step("sample_patches", "learning.patches"),
    shell:
        "python -m loam sample-patches --ssm {input.ssm:q} --splits {input.splits:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"


rule train:
    input:
        ssm="<results>/moisture/ssm.zarr",
        patches="<results>/learning/patches.parquet",
        static="<results>/covariates/static.zarr",
        weather="<results>/covariates/weather.zarr",
        ndvi=used("ndvi", "<results>/covariates/ndvi.zarr"),
    output:
        checkpoint="<results>/learning/{experiment}/{member}.ckpt",
        history="<results>/learning/{experiment}/{member}.csv",
    log:
        "<logs>/train/{experiment}_{member}.log",
    benchmark:
        "<benchmarks>/train/{experiment}_{member}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: 4
    resources:
        mem_mb=lambda wc, attempt: 6000 * attempt,
        runtime=240,
    params:
        **step(
            "train",
            "learning.train",
            model="learning.networks.{experiment}",
            experiment="learning.experiments.{experiment}",
            size_px="learning.patches.size_px",
        ),
    shell:
        "python -m loam train --ssm {input.ssm:q} --patches {input.patches:q} --static {input.static:q}"
        " --weather {input.weather:q} --ndvi {input.ndvi:q} --out {output.checkpoint:q} --history {output.history:q}"
        " --member {wildcards.member} --threads {threads} --params {params.cfg:q} 2> {log:q}"


rule predict:
    input:
        checkpoint="<results>/learning/{experiment}/{member}.ckpt",
        ssm="<results>/moisture/ssm.zarr",
        static="<results>/covariates/static.zarr",
        weather="<results>/covariates/weather.zarr",
        ndvi=used("ndvi", "<results>/covariates/ndvi.zarr"),
    output:
        directory("<results>/learning/{experiment}/{member}.zarr"),
    log:
        "<logs>/predict/{experiment}_{member}.log",
    benchmark:
        "<benchmarks>/predict/{experiment}_{member}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: 4
    resources:
        mem_mb=lambda wc, attempt: 6000 * attempt,
        runtime=120,
    params:
        **step("predict", days="map_days"),
    shell:
        "python -m loam predict --checkpoint {input.checkpoint:q} --ssm {input.ssm:q} --static {input.static:q}"
        " --weather {input.weather:q} --ndvi {input.ndvi:q} --out {output:q} --threads {threads}"
        " --params {params.cfg:q} 2> {log:q}"
