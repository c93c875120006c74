rule make_twin:
    output:
        scenes=directory("<resources>/twin/scenes"),
        weather="<resources>/twin/weather.nc",
        ndvi="<resources>/twin/ndvi.nc",
        dem="<resources>/twin/dem.tif",
        landcover="<resources>/twin/landcover.tif",
        soil="<resources>/twin/soil.nc",
        truth=directory("<resources>/twin/truth.zarr"),
    log:
        "<logs>/make_twin.log",
    benchmark:
        "<benchmarks>/make_twin.tsv"
    conda:
        "../../envs/loam.yaml"
    threads: NEEDS["make_twin"].threads
    resources:
        **asked("make_twin"),
    params:
        **step("make_twin", twin="twin", grid="grid", period="period"),
    shell:
        "python -m loam make-twin --scenes {output.scenes:q} --weather {output.weather:q}"
        " --ndvi {output.ndvi:q} --dem {output.dem:q} --landcover {output.landcover:q} --soil {output.soil:q}"
        " --truth {output.truth:q} --threads {threads} --params {params.cfg:q} 2> {log:q}"
