if cfg.sources.backscatter.kind == "cube":

    rule import_cube:
        input:
            source("backscatter"),
        output:
            directory(STACK),
        log:
            "<logs>/import_cube.log",
        benchmark:
            "<benchmarks>/import_cube.tsv"
        conda:
            "../../envs/loam.yaml"
        resources:
            mem_mb=lambda wc, attempt: 4000 * attempt,
            runtime=60,
        params:
            **step("import_cube", backscatter="sources.backscatter", grid="grid", period="period"),
        shell:
            "python -m loam import-cube --cube {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule import_weather:
    input:
        source("weather"),
    output:
        directory("<resources>/weather/daily.zarr"),
    log:
        "<logs>/import_weather.log",
    benchmark:
        "<benchmarks>/import_weather.tsv"
    conda:
        "../../envs/loam.yaml"
    resources:
        mem_mb=lambda wc, attempt: 2000 * attempt,
        runtime=30,
    params:
        **step("import_weather", source="sources.weather"),
    shell:
        "python -m loam import-weather --weather {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"
