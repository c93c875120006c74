# An acquisition by the second of its start, UTC.
wildcard_constraints:
    acquisition=r"\d{8}T\d{6}",


# NDVI only where a treatment of vegetation reads it, so that new composites rerun nothing else.
MOISTURE_NDVI = (
    used("ndvi", "<results>/covariates/ndvi.zarr")
    if cfg.moisture.vegetation.mode in {"flag", "ndvi", "water_cloud"}
    else []
)

# Weather tells when the ground is frozen. Labels can be made without it.
MOISTURE_WEATHER = used("weather", "<results>/covariates/weather.zarr")
if not MOISTURE_WEATHER and workflow.is_main_process and not IS_MODULE:
    sys.stderr.write(
        "loam: sources.weather.path is not set: no label is flagged as frozen, and none is corrected for rain\n"
    )

# Where and in how much memory: changes no value, so it travels as a resource; one of the params would make a step run again.
COMPUTE = settings.as_json({"compute": cfg.moisture.compute})


rule fit_references:
    input:
        stack=BACKSCATTER,
        splits="<results>/samples/splits.json",
        weather=MOISTURE_WEATHER,
        ndvi=MOISTURE_NDVI,
        landcover=source("landcover") if cfg.moisture.references.beta_fallback == "landcover" else [],
    output:
        directory("<results>/moisture/references.zarr"),
    log:
        "<logs>/fit_references.log",
    benchmark:
        "<benchmarks>/fit_references.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["fit_references"].threads
    resources:
        **asked("fit_references"),
        compute=COMPUTE,
    params:
        **step(
            "fit_references",
            "moisture.references",
            reads=("landcover",) if cfg.moisture.references.beta_fallback == "landcover" else (),
            signal="moisture.signal",
            vegetation="moisture.vegetation",
        ),
    shell:
        "python -m loam fit-references --stack {input.stack:q} --splits {input.splits:q} --weather {input.weather:q}"
        " --ndvi {input.ndvi:q} --landcover {input.landcover:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} --params {resources.compute:q} 2> {log:q}"


rule detect_change:
    input:
        stack=BACKSCATTER,
        references="<results>/moisture/references.zarr",
        weather=MOISTURE_WEATHER,
        ndvi=MOISTURE_NDVI,
        landcover=source("landcover"),
    output:
        directory("<results>/moisture/ssm.zarr"),
    log:
        "<logs>/detect_change.log",
    benchmark:
        "<benchmarks>/detect_change.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["detect_change"].threads
    resources:
        **asked("detect_change"),
        compute=COMPUTE,
    params:
        **step(
            "detect_change",
            "moisture.change",
            reads=("landcover",),
            signal="moisture.signal",
            vegetation="moisture.vegetation",
            classes="sources.landcover",
        ),
    shell:
        "python -m loam detect-change --stack {input.stack:q} --references {input.references:q}"
        " --weather {input.weather:q} --ndvi {input.ndvi:q} --landcover {input.landcover:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} --params {resources.compute:q} 2> {log:q}"


# Near real time: one new acquisition with the references that are there. With --allowed-rules detect_acquisition nothing
# else is even considered, however much newer the stack is.
rule detect_acquisition:
    input:
        stack=BACKSCATTER,
        references=ancient("<results>/moisture/references.zarr"),
        weather=MOISTURE_WEATHER,
        ndvi=MOISTURE_NDVI,
        landcover=source("landcover"),
    output:
        directory("<results>/moisture/acquisitions/{acquisition}.zarr"),
    log:
        "<logs>/detect_acquisition/{acquisition}.log",
    benchmark:
        "<benchmarks>/detect_acquisition/{acquisition}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["detect_acquisition"].threads
    resources:
        **asked("detect_acquisition"),
        compute=COMPUTE,
    params:
        **step(
            "detect_acquisition",
            "moisture.change",
            reads=("landcover",),
            signal="moisture.signal",
            vegetation="moisture.vegetation",
            classes="sources.landcover",
        ),
    shell:
        "python -m loam detect-acquisition --stack {input.stack:q} --references {input.references:q}"
        " --weather {input.weather:q} --ndvi {input.ndvi:q} --landcover {input.landcover:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} --params {resources.compute:q} 2> {log:q}"


rule derived:
    input:
        ["<results>/moisture/volumetric.zarr"] if cfg.moisture.derived.volumetric else [],
        ["<results>/moisture/soil_water_index.zarr"] if cfg.moisture.derived.soil_water_index_days else [],


# Backscatter alone.
rule gamma0:
    input:
        BACKSCATTER,


# Labels of soil moisture, and what follows from them, without a model.
rule moisture:
    input:
        "<results>/moisture/references.zarr",
        "<results>/moisture/ssm.zarr",
        "<results>/figures/moisture.png",
        rules.derived.input,


rule volumetric_moisture:
    input:
        ssm="<results>/moisture/ssm.zarr",
        static="<results>/covariates/static.zarr",
    output:
        directory("<results>/moisture/volumetric.zarr"),
    log:
        "<logs>/volumetric_moisture.log",
    benchmark:
        "<benchmarks>/volumetric_moisture.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["volumetric_moisture"].threads
    resources:
        **asked("volumetric_moisture"),
        compute=COMPUTE,
    params:
        **step("volumetric_moisture"),
    shell:
        "python -m loam volumetric-moisture --ssm {input.ssm:q} --static {input.static:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} --params {resources.compute:q} 2> {log:q}"


rule soil_water_index:
    input:
        "<results>/moisture/ssm.zarr",
    output:
        directory("<results>/moisture/soil_water_index.zarr"),
    log:
        "<logs>/soil_water_index.log",
    benchmark:
        "<benchmarks>/soil_water_index.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["soil_water_index"].threads
    resources:
        **asked("soil_water_index"),
        compute=COMPUTE,
    params:
        **step("soil_water_index", "moisture.derived"),
    shell:
        "python -m loam soil-water-index --ssm {input:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} --params {resources.compute:q} 2> {log:q}"
