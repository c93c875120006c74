MAP_DAYS = [str(day) for day in cfg.map_days]


rule maps:
    input:
        expand("<results>/maps/{date}.tif", date=MAP_DAYS),
        expand("<results>/figures/map_{date}.png", date=MAP_DAYS),


rule figures:
    input:
        "<results>/figures/scatter.png",
        "<results>/figures/bars.png",
        "<results>/figures/strata.png",
        "<results>/figures/intervals.png",
        "<results>/figures/probes.png",
        "<results>/figures/curves.png",
        "<results>/figures/scores.html",
        "<results>/figures/series.png",
        *(["<results>/figures/stations.png"] if STATIONS else []),
        "<results>/figures/moisture.png",
        "<results>/figures/sampling.png",
        "<results>/figures/scenes.png",
        "<results>/figures/covariates.png",


# Figures and scores, for `snakemake --report`.
rule report:
    input:
        rules.maps.input,
        rules.figures.input,
        "<results>/evaluation/scores.parquet",


rule write_maps:
    input:
        predictions=expand(
            "<results>/learning/{experiment}/{{date}}/{member}.zarr",
            experiment=cfg.products.maps.experiment,
            member=MEMBERS,
        ),
        calibration=f"<results>/learning/{cfg.products.maps.experiment}/calibration.json",
        ssm="<results>/moisture/ssm.zarr",
        weather="<results>/covariates/weather.zarr",
        style=local(os.path.relpath(shipped("resources/styles/ssm.qml"))),
    output:
        map="<results>/maps/{date}.tif",
        style="<results>/maps/{date}.qml",
    log:
        "<logs>/write_maps/{date}.log",
    benchmark:
        "<benchmarks>/write_maps/{date}.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["write_maps"].threads
    resources:
        **asked("write_maps"),
    params:
        **step("write_maps", signal="moisture.signal"),
    shell:
        "python -m loam write-maps --predictions {input.predictions:q} --calibration {input.calibration:q}"
        " --ssm {input.ssm:q} --weather {input.weather:q} --style {input.style:q} --out {output.map:q} --params {params.cfg:q} 2> {log:q}"


rule draw_maps:
    input:
        expand("<results>/maps/{date}.tif", date=MAP_DAYS),
    output:
        [
            report(
                f"<results>/figures/map_{day}.png",
                caption="../report/map.rst",
                category="1 Maps",
                labels={"day": day},
            )
            for day in MAP_DAYS
        ],
    log:
        "<logs>/draw_maps.log",
    benchmark:
        "<benchmarks>/draw_maps.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_maps"].threads
    resources:
        **asked("draw_maps"),
    params:
        **step("draw_maps"),
    shell:
        "python -m loam draw-maps --maps {input:q} --out {output:q} 2> {log:q}"


rule draw_scores:
    input:
        samples="<results>/evaluation/samples.parquet",
        scores="<results>/evaluation/scores.parquet",
        histories=expand("<results>/learning/{experiment}/{member}.csv", experiment=EXPERIMENTS, member=MEMBERS),
    output:
        scatter=report(
            "<results>/figures/scatter.png",
            caption="../report/scatter.rst",
            category="2 Scores",
            labels={"figure": "prediction against label"},
        ),
        bars=report(
            "<results>/figures/bars.png",
            caption="../report/bars.rst",
            category="2 Scores",
            labels={"figure": "R² of all models"},
        ),
        strata=report(
            "<results>/figures/strata.png",
            caption="../report/strata.rst",
            category="2 Scores",
            labels={"figure": "RMSE by land cover, slope, season and wetness"},
        ),
        intervals=report(
            "<results>/figures/intervals.png",
            caption="../report/intervals.rst",
            category="2 Scores",
            labels={"figure": "how often the intervals hold"},
        ),
        probes=report(
            "<results>/figures/probes.png",
            caption="../report/probes.rst",
            category="2 Scores",
            labels={"figure": "leak probes and importance of covariates"},
        ),
        curves=report(
            "<results>/figures/curves.png",
            caption="../report/curves.rst",
            category="3 Training",
            labels={"figure": "learning curves"},
        ),
        table=report(
            "<results>/figures/scores.html",
            caption="../report/table.rst",
            category="2 Scores",
            labels={"figure": "table of scores"},
        ),
    log:
        "<logs>/draw_scores.log",
    benchmark:
        "<benchmarks>/draw_scores.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_scores"].threads
    resources:
        **asked("draw_scores"),
    params:
        **step("draw_scores"),
    shell:
        "python -m loam draw-scores --samples {input.samples:q} --scores {input.scores:q}"
        " --histories {input.histories:q} --scatter {output.scatter:q} --bars {output.bars:q}"
        " --strata {output.strata:q} --intervals {output.intervals:q} --probes {output.probes:q}"
        " --curves {output.curves:q} --table {output.table:q} 2> {log:q}"


rule draw_series:
    input:
        predictions=PREDICTIONS,
        ssm="<results>/moisture/ssm.zarr",
        weather="<results>/covariates/weather.zarr",
        splits="<results>/samples/splits.json",
        truth=TRUTH,
    output:
        report(
            "<results>/figures/series.png",
            caption="../report/series.rst",
            category="2 Scores",
            labels={"figure": "time series of the area"},
        ),
    log:
        "<logs>/draw_series.log",
    benchmark:
        "<benchmarks>/draw_series.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_series"].threads
    resources:
        **asked("draw_series"),
    params:
        **step("draw_series", reads=TRUTH),
    shell:
        "python -m loam draw-series --predictions {input.predictions:q} --ssm {input.ssm:q}"
        " --weather {input.weather:q} --splits {input.splits:q} --truth {input.truth:q} --out {output:q} 2> {log:q}"


rule draw_stations:
    input:
        scores="<results>/evaluation/stations.parquet",
        series="<results>/evaluation/station_series.parquet",
    output:
        report(
            "<results>/figures/stations.png",
            caption="../report/stations.rst",
            category="2 Scores",
            labels={"figure": "stations in the ground"},
        ),
    log:
        "<logs>/draw_stations.log",
    benchmark:
        "<benchmarks>/draw_stations.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_stations"].threads
    resources:
        **asked("draw_stations"),
    params:
        **step("draw_stations"),
    shell:
        "python -m loam draw-stations --scores {input.scores:q} --series {input.series:q} --out {output:q} 2> {log:q}"


rule draw_moisture:
    input:
        references="<results>/moisture/references.zarr",
        ssm="<results>/moisture/ssm.zarr",
    output:
        report(
            "<results>/figures/moisture.png",
            caption="../report/moisture.rst",
            category="4 Labels",
            labels={"figure": "sensitivity, mean and use of the labels"},
        ),
    log:
        "<logs>/draw_moisture.log",
    benchmark:
        "<benchmarks>/draw_moisture.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_moisture"].threads
    resources:
        **asked("draw_moisture"),
    params:
        **step("draw_moisture"),
    shell:
        "python -m loam draw-moisture --references {input.references:q} --ssm {input.ssm:q} --out {output:q} 2> {log:q}"


rule draw_sampling:
    input:
        patches="<results>/samples/patches.parquet",
        ssm="<results>/moisture/ssm.zarr",
    output:
        report(
            "<results>/figures/sampling.png",
            caption="../report/sampling.rst",
            category="3 Training",
            labels={"figure": "labels before and after pass 2"},
        ),
    log:
        "<logs>/draw_sampling.log",
    benchmark:
        "<benchmarks>/draw_sampling.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_sampling"].threads
    resources:
        **asked("draw_sampling"),
    params:
        **step("draw_sampling", size_px="samples.patches.size_px", high_ssm="samples.patches.high_ssm"),
    shell:
        "python -m loam draw-sampling --patches {input.patches:q} --ssm {input.ssm:q} --out {output:q}"
        " --params {params.cfg:q} 2> {log:q}"


rule draw_scenes:
    input:
        BACKSCATTER,
    output:
        report(
            "<results>/figures/scenes.png",
            caption="../report/scenes.rst",
            category="4 Labels",
            labels={"figure": "backscatter"},
        ),
    log:
        "<logs>/draw_scenes.log",
    benchmark:
        "<benchmarks>/draw_scenes.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_scenes"].threads
    resources:
        **asked("draw_scenes"),
    params:
        **step("draw_scenes"),
    shell:
        "python -m loam draw-scenes --stack {input:q} --out {output:q} 2> {log:q}"


rule draw_covariates:
    input:
        quality="<results>/covariates/covariates_report.json",
        covariates=COVARIATES,
    output:
        report(
            "<results>/figures/covariates.png",
            caption="../report/covariates.rst",
            category="4 Labels",
            labels={"figure": "covariates"},
        ),
    log:
        "<logs>/draw_covariates.log",
    benchmark:
        "<benchmarks>/draw_covariates.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["draw_covariates"].threads
    resources:
        **asked("draw_covariates"),
    params:
        **step("draw_covariates"),
    shell:
        "python -m loam draw-covariates --quality {input.quality:q} --covariates {input.covariates:q} --out {output:q} 2> {log:q}"
