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
        threads: NEEDS["import_cube"].threads
        resources:
            **asked("import_cube"),
        params:
            **step(
                "import_cube", reads=("backscatter",), backscatter="sources.backscatter", grid="grid", period="period"
            ),
        shell:
            "python -m loam import-cube --cube {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


if len(inputs.source_files(cfg, "dem")) > 1:

    rule mosaic_dem:
        input:
            theirs(inputs.source_files(cfg, "dem")),
        output:
            "<resources>/dem/mosaic.tif",
        log:
            "<logs>/mosaic_dem.log",
        benchmark:
            "<benchmarks>/mosaic_dem.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["mosaic_dem"].threads
        resources:
            **asked("mosaic_dem"),
        params:
            **step(
                "mosaic_dem",
                reads=("dem",),
                grid="grid",
                cube="sources.backscatter.cube",
                margin_m="sar.heights.margin_m",
            ),
        shell:
            "python -m loam mosaic-dem --dem {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


if len(inputs.source_files(cfg, "landcover")) > 1:

    rule mosaic_landcover:
        input:
            theirs(inputs.source_files(cfg, "landcover")),
        output:
            "<resources>/landcover/mosaic.tif",
        log:
            "<logs>/mosaic_landcover.log",
        benchmark:
            "<benchmarks>/mosaic_landcover.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["mosaic_landcover"].threads
        resources:
            **asked("mosaic_landcover"),
        params:
            **step("mosaic_landcover", reads=("landcover",), grid="grid", cube="sources.backscatter.cube"),
        shell:
            "python -m loam mosaic-landcover --landcover {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


if inputs.is_imported(cfg, "soil"):

    rule import_soil:
        input:
            source("soil"),
        output:
            directory(MADE["soil"]),
        log:
            "<logs>/import_soil.log",
        benchmark:
            "<benchmarks>/import_soil.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["import_soil"].threads
        resources:
            **asked("import_soil"),
        params:
            **step("import_soil", reads=("soil",), source="sources.soil", grid="grid", cube="sources.backscatter.cube"),
        shell:
            "python -m loam import-soil --soil {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


if inputs.is_imported(cfg, "ndvi"):

    rule import_ndvi:
        input:
            source("ndvi"),
        output:
            directory(MADE["ndvi"]),
        log:
            "<logs>/import_ndvi.log",
        benchmark:
            "<benchmarks>/import_ndvi.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["import_ndvi"].threads
        resources:
            **asked("import_ndvi"),
        params:
            **step("import_ndvi", reads=("ndvi",), source="sources.ndvi", grid="grid", cube="sources.backscatter.cube"),
        shell:
            "python -m loam import-ndvi --ndvi {input:q} --out {output:q} --params {params.cfg:q} 2> {log:q}"


rule import_weather:
    input:
        weather=source("weather"),
        # Only stations whose temperature is corrected by height need heights.
        dem=source("dem") if cfg.sources.weather.stations.lapse_k_per_km is not None else [],
    output:
        directory("<resources>/weather/daily.zarr"),
    log:
        "<logs>/import_weather.log",
    benchmark:
        "<benchmarks>/import_weather.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["import_weather"].threads
    resources:
        **asked("import_weather"),
    params:
        **step(
            "import_weather",
            reads=("weather", "dem") if cfg.sources.weather.stations.lapse_k_per_km is not None else ("weather",),
            source="sources.weather",
            grid="grid",
            cube="sources.backscatter.cube",
            period="period",
        ),
    shell:
        "python -m loam import-weather --weather {input.weather:q} --dem {input.dem:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"
