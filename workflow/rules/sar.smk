# Sentinel-1 products to one stack. Passes of a track and quarter share a job: starting one costs as much as a scene.
wildcard_constraints:
    track=r"[AD]\d{3}",
    quarter=r"\d{4}q[1-4]",


if cfg.sources.backscatter.kind == "scenes":

    checkpoint find_scenes:
        input:
            scenes=source("backscatter"),
            orbits=theirs(cfg.sources.backscatter.orbits),
        output:
            scenes="<resources>/scenes.csv",
            rejected="<resources>/rejected.csv",
        log:
            "<logs>/find_scenes.log",
        benchmark:
            "<benchmarks>/find_scenes.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["find_scenes"].threads
        resources:
            **asked("find_scenes"),
        params:
            **step(
                "find_scenes",
                "sar.scenes",
                reads=["backscatter", cfg.sources.backscatter.orbits],
                suffixes=contents.SCENES,
                source="sources.backscatter",
                thermal_noise="sar.flatten.thermal_noise",
                grid="grid",
                period="period",
            ),
        shell:
            "python -m loam find-scenes --folder {input.scenes:q} --orbits {input.orbits:q} --scenes {output.scenes:q}"
            " --rejected {output.rejected:q} --threads {threads} --params {params.cfg:q} 2> {log:q}"

    rule prepare_heights:
        input:
            dem=source("dem"),
            geoid=theirs(cfg.sources.dem.geoid_path),
        output:
            "<resources>/gamma0/heights.tif",
        log:
            "<logs>/prepare_heights.log",
        benchmark:
            "<benchmarks>/prepare_heights.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["prepare_heights"].threads
        resources:
            **asked("prepare_heights"),
        params:
            **step(
                "prepare_heights",
                reads=["dem", cfg.sources.dem.geoid_path],
                heights="sar.heights",
                source="sources.dem",
                grid="grid",
            ),
        shell:
            "python -m loam prepare-heights --dem {input.dem:q} --geoid {input.geoid:q} --out {output:q}"
            " --params {params.cfg:q} 2> {log:q}"

    rule flatten_scenes:
        input:
            products=of_batch("products", "|"),
            orbits=of_batch("orbit_file", "|"),
            heights="<resources>/gamma0/heights.tif",
        output:
            directory("<resources>/gamma0/{track}_{quarter}"),
        log:
            "<logs>/flatten_scenes/{track}_{quarter}.log",
        benchmark:
            "<benchmarks>/flatten_scenes/{track}_{quarter}.tsv"
        conda:
            "../../envs/snap.yaml" if cfg.sar.backend == "snap" else "../../envs/loam.yaml"
        threads: NEEDS["flatten_scenes"].threads
        resources:
            **asked("flatten_scenes"),
        params:
            **step(
                "flatten_scenes",
                "sar.flatten",
                reads=products_and_orbits,
                suffixes=contents.SCENES,
                backend="sar.backend",
                snap="sar.snap",
                polarisations="sources.backscatter.polarisations",
                grid="grid",
            ),
        shell:
            "python -m loam flatten-scenes --products {input.products:q} --orbits {input.orbits:q} --heights {input.heights:q}"
            " --out {output:q} --threads {threads} --params {params.cfg:q} 2> {log:q}"

    rule stack_scenes:
        input:
            batches,
        output:
            # Of the group only: Snakemake compares the content of so small a file, and what reads the stack runs again when that changes.
            STACK,
        log:
            "<logs>/stack_scenes.log",
        benchmark:
            "<benchmarks>/stack_scenes.tsv"
        conda:
            "../../envs/loam.yaml"
        threads: NEEDS["stack_scenes"].threads
        resources:
            **asked("stack_scenes"),
        params:
            **step("stack_scenes", values={"code": fingerprint("stack_scenes")}, grid="grid"),
        shell:
            "python -m loam stack-scenes --folders {input:q} --out {output:q} --threads {threads}"
            " --params {params.cfg:q} 2> {log:q}"


rule filter_speckle:
    input:
        stack=STACK,
        splits="<results>/samples/splits.json" if cfg.sar.speckle.images == "split" else [],
    output:
        directory("<results>/gamma0/filtered.zarr"),
    log:
        "<logs>/filter_speckle.log",
    benchmark:
        "<benchmarks>/filter_speckle.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["filter_speckle"].threads
    resources:
        **asked("filter_speckle"),
    params:
        **step("filter_speckle", "sar.speckle"),
    shell:
        "python -m loam filter-speckle --stack {input.stack:q} --splits {input.splits:q} --out {output:q}"
        " --threads {threads} --params {params.cfg:q} 2> {log:q}"
