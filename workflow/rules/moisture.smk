rule fit_references:
    input:
        stack=BACKSCATTER,
        splits="<results>/learning/splits.json",
        weather="<results>/covariates/weather.zarr",
    output:
        directory("<results>/moisture/references.zarr"),
    log:
        "<logs>/fit_references.log",
    benchmark:
        "<benchmarks>/fit_references.tsv"
    conda:
        "../../envs/loam.yaml"
    resources:
        mem_mb=lambda wc, attempt: 4000 * attempt,
        runtime=60,
    params:
        **step("fit_references", "moisture.change"),
    shell:
        "python -m loam fit-references --stack {input.stack:q} --splits {input.splits:q} --weather {input.weather:q}"
        " --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule detect_change:
    input:
        stack=BACKSCATTER,
        references="<results>/moisture/references.zarr",
        weather="<results>/covariates/weather.zarr",
        landcover=source("landcover"),
    output:
        directory("<results>/moisture/ssm.zarr"),
    log:
        "<logs>/detect_change.log",
    benchmark:
        "<benchmarks>/detect_change.tsv"
    conda:
        "../../envs/loam.yaml"
    resources:
        mem_mb=lambda wc, attempt: 4000 * attempt,
        runtime=60,
    params:
        **step("detect_change", "moisture.change", classes="sources.landcover"),
    shell:
        "python -m loam detect-change --stack {input.stack:q} --references {input.references:q}"
        " --weather {input.weather:q} --landcover {input.landcover:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"
