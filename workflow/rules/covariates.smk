# The grid reaches these rules as settings, not through the stack, so that a new acquisition reruns none of them.
rule prepare_static:
    input:
        dem=source("dem"),
        soil=prepared("soil"),
    output:
        directory("<results>/covariates/static.zarr"),
    log:
        "<logs>/prepare_static.log",
    benchmark:
        "<benchmarks>/prepare_static.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["prepare_static"].threads
    resources:
        **asked("prepare_static"),
    params:
        **step(
            "prepare_static",
            "covariates.static",
            reads=("dem", "soil"),
            grid="grid",
            cube="sources.backscatter.cube",
            properties="sources.soil",
        ),
    shell:
        "python -m loam prepare-static --dem {input.dem:q} --soil {input.soil:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"


rule prepare_weather:
    input:
        weather="<resources>/weather/daily.zarr",
        dem=source("dem"),
    output:
        directory("<results>/covariates/weather.zarr"),
    log:
        "<logs>/prepare_weather.log",
    benchmark:
        "<benchmarks>/prepare_weather.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["prepare_weather"].threads
    resources:
        **asked("prepare_weather"),
    params:
        **step("prepare_weather", "covariates.weather", reads=("dem",), grid="grid", cube="sources.backscatter.cube"),
    shell:
        "python -m loam prepare-weather --weather {input.weather:q} --dem {input.dem:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"


rule prepare_ndvi:
    input:
        prepared("ndvi"),
    output:
        directory("<results>/covariates/ndvi.zarr"),
    log:
        "<logs>/prepare_ndvi.log",
    benchmark:
        "<benchmarks>/prepare_ndvi.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["prepare_ndvi"].threads
    resources:
        **asked("prepare_ndvi"),
    params:
        **step(
            "prepare_ndvi",
            "covariates.ndvi",
            reads=("ndvi",),
            source="sources.ndvi",
            grid="grid",
            cube="sources.backscatter.cube",
        ),
    shell:
        "python -m loam prepare-ndvi --ndvi {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule report_covariates:
    input:
        COVARIATES,
    output:
        "<results>/covariates/covariates_report.json",
    log:
        "<logs>/report_covariates.log",
    benchmark:
        "<benchmarks>/report_covariates.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["report_covariates"].threads
    resources:
        **asked("report_covariates"),
    params:
        **step("report_covariates"),
    shell:
        "python -m loam report-covariates --covariates {input:q} --out {output:q} 2> {log:q}"
