"""Soil from surveys and maps: pedotransfer against its authors' tables, providers' files, and what a bad one says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401  (registers .rio)
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.core.errors import LoamError
from loam.core.pedotransfer import hydrologic_group, residual_water, saxton_rawls
from loam.core.shipped import shipped
from loam.sources.soil import TEXTURES, read_soil, soil_cover
from loam.sources.soil_layers import _told

# Saxton & Rawls (2006), table 3: sand, clay [%]; wilting point, field capacity, saturation [%]; ksat [mm/h]; density [g/cm3]
TABLE_3 = {
    "sandy loam": (65, 10, 8, 18, 45, 50.3, 1.46),
    "loam": (40, 20, 14, 28, 46, 15.5, 1.43),
    "silt loam": (20, 15, 11, 31, 48, 16.1, 1.38),
    "clay loam": (30, 35, 22, 36, 48, 4.3, 1.39),
    "silty clay": (10, 45, 27, 41, 52, 3.7, 1.26),
    "clay": (25, 50, 30, 42, 50, 1.1, 1.33),
    "sandy clay": (50, 40, 25, 36, 44, 1.4, 1.47),
}


@pytest.mark.parametrize("name", TABLE_3)
def test_properties_are_those_of_their_authors_table(name: str) -> None:
    sand, clay, wilting, capacity, saturated, ksat, density = TABLE_3[name]
    got = saxton_rawls(np.array(float(sand)), np.array(float(clay)), np.array(2.5))
    assert 100 * float(got["wilting_point"]) == pytest.approx(wilting, abs=1)
    assert 100 * float(got["field_capacity"]) == pytest.approx(capacity, abs=1)
    assert 100 * float(got["theta_s"]) == pytest.approx(saturated, abs=1)
    assert float(got["ksat"]) / 24 == pytest.approx(ksat, rel=0.1)
    assert float(got["bulk_density"]) == pytest.approx(density, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(st.floats(5, 85), st.floats(5, 55), st.floats(0, 8))
def test_water_contents_are_in_order(sand: float, clay: float, organic: float) -> None:
    if sand + clay > 97:
        return
    got = saxton_rawls(np.array(sand), np.array(clay), np.array(organic))
    residual = residual_water(np.array(sand), np.array(clay), got["theta_s"])
    assert 0 < residual < got["theta_s"] < 1
    assert got["wilting_point"] < got["field_capacity"] < got["theta_s"]


def test_groups_fall_with_conductivity() -> None:
    um_s = np.array([50, 7, 1, 0.1, np.nan])
    np.testing.assert_array_equal(hydrologic_group(um_s * 86.4), [1, 2, 3, 4, np.nan])


def test_the_table_of_textures_is_whole() -> None:
    table = pd.read_csv(shipped(TEXTURES), comment="#")
    for column in ("code_soilgrids", "code_esdac"):
        assert sorted(table[column]) == list(range(1, 13))
    assert (table["theta_r"] < table["theta_s"]).all()
    assert (table["sand"] + table["clay"] <= 100).all()
    assert "Carsel" in shipped(TEXTURES).read_text()


@pytest.fixture
def survey(tmp_path, box, layer):
    """SSURGO: three map units, of which one has two components and one no horizon."""
    keys = np.full(box.shape, 101, np.int32)
    keys[:, 8:] = 202
    keys[:2] = 303
    layer(keys).rio.to_raster(tmp_path / "mukey.tif")
    pd.DataFrame(
        {"mukey": [101, 101, 202, 303], "cokey": [1, 2, 3, 4], "comppct_r": [75, 25, 90, 100]}
    ).to_csv(tmp_path / "component.csv", index=False)
    pd.DataFrame(
        {
            "cokey": [1, 1, 2, 3],
            "hzdept_r": [0, 10, 0, 0],
            "hzdepb_r": [10, 50, 30, 40],
            "sandtotal_r": [60.0, 20.0, 40.0, 20.0],
            "claytotal_r": [10.0, 30.0, 20.0, 35.0],
            "om_r": [2.0, 1.0, np.nan, 3.0],
            "ksat_r": [9.0, 1.0, 9.0, np.nan],
            "dbthirdbar_r": [1.4, 1.5, 1.3, 1.35],
        }
    ).to_csv(tmp_path / "chorizon.csv", index=False)
    pd.DataFrame({"mukey": [101, 202, 303], "hydgrpdcd": ["B", "C/D", "A"]}).to_csv(
        tmp_path / "muaggatt.csv", index=False
    )
    return tmp_path


def test_ssurgo_is_weighted_by_thickness_and_component(survey, box, soil_source) -> None:
    got = read_soil([survey], soil_source(depth_cm=20), box)
    # Component 1: 10 cm of 60 % and 10 cm of 20 % sand: 40 %. Component 2: 40 %. Clay: 0.75 * 20 + 0.25 * 20 = 20 %.
    near, far = got.isel(y=6, x=4), got.isel(y=6, x=14)
    assert float(near["sand"]) == pytest.approx(40)
    assert float(near["clay"]) == pytest.approx(20)
    assert float(near["ksat"]) == pytest.approx((0.75 * 5 + 0.25 * 9) * 86.4, rel=1e-4)
    assert (float(near["hydrologic_group"]), float(far["hydrologic_group"])) == (2, 4)
    # A map unit without its own conductivity gets that of its texture, and this is told.
    assert 0 < float(far["ksat"]) < float(near["ksat"])
    assert got["ksat"].attrs["source"] == "ssurgo, gaps by Saxton & Rawls 2006"
    assert got["theta_s"].attrs["source"] == "Saxton & Rawls 2006, from ssurgo"
    assert got["bulk_density"].attrs["source"] == "ssurgo"


def test_uncovered_ground_is_told_with_its_share(
    survey, box, soil_source, caplog: pytest.LogCaptureFixture
) -> None:
    soil_cover(read_soil([survey], soil_source(), box), survey, box)
    assert "sand is missing on 16.7 % of the area of interest" in caplog.text  # two of twelve rows


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "component.csv").unlink(), "table component.csv is missing"),
        (
            lambda folder: (folder / "chorizon.csv").write_text("cokey,hzdept_r\n1,0\n"),
            "chorizon.csv has no column hzdepb_r",
        ),
        (lambda folder: (folder / "mukey.tif").unlink(), "holds no raster of map unit keys"),
        (
            lambda folder: (folder / "component.csv").write_text(
                "mukey,cokey,comppct_r\n9,1,75\n8,2,25\n"
            ),
            "none of the map unit keys of the area is in the tables",
        ),
    ],
)
def test_a_bad_survey_is_named(survey, box, soil_source, spoil, said: str) -> None:
    spoil(survey)
    with pytest.raises(LoamError, match=said):
        read_soil([survey], soil_source(), box)


def test_polaris_layers_are_averaged_and_logarithms_taken_back(
    tmp_path, box, layer, soil_source
) -> None:
    for name, top, value in (
        ("sand", 50.0, 40.0),
        ("clay", 10.0, 20.0),
        ("ksat", 0.0, 1.0),
        ("theta_r", 0.05, 0.07),
        ("theta_s", 0.45, 0.41),
    ):
        for depth, level in (("0_5", top), ("5_15", value)):
            folder = tmp_path / name / "mean" / depth
            folder.mkdir(parents=True)
            layer(np.full(box.shape, level, np.float32)).rio.to_raster(
                folder / "lat3839_lon-77-76.tif"
            )
    got = read_soil([tmp_path], soil_source(kind="polaris", depth_cm=10), box)
    assert float(got["sand"].mean()) == pytest.approx(45)
    assert float(got["theta_r"].mean()) == pytest.approx(0.06)
    assert float(got["theta_s"].mean()) == pytest.approx(0.43)
    assert float(got["ksat"].mean()) == pytest.approx(240 * 5.5, rel=1e-3)  # 1 and 10 cm/h
    assert got["ksat"].attrs["source"] == "polaris"


def test_soilgrids_whole_numbers_become_percent(tmp_path, box, layer, soil_source) -> None:
    for name, value in (("sand", 400), ("clay", 200), ("bdod", 140), ("soc", 145)):
        layer(np.full(box.shape, value, np.int16)).rio.to_raster(
            tmp_path / f"{name}_0-5cm_mean.tif"
        )
        layer(np.full(box.shape, 9 * value, np.int16)).rio.to_raster(
            tmp_path / f"{name}_0-5cm_Q0.95.tif".replace("Q0.95", "Q0_95")
        )
    # Below the topsoil.
    layer(np.full(box.shape, 999, np.int16)).rio.to_raster(tmp_path / "sand_60-100cm_mean.tif")
    got = read_soil([tmp_path], soil_source(kind="soilgrids", depth_cm=5), box)
    means = {
        name: round(float(got[name].mean()), 3) for name in ("sand", "silt", "clay", "bulk_density")
    }
    assert means == {"sand": 40, "silt": 40, "clay": 20, "bulk_density": 1.4}
    assert float(got["theta_s"].mean()) == pytest.approx(0.46, abs=0.01)


def test_texture_classes_stand_for_the_tables_properties(tmp_path, box, layer, soil_source) -> None:
    codes = np.full(box.shape, 7, np.uint8)
    codes[:, 8:] = 0
    layer(codes).rio.to_raster(tmp_path / "texture.tif")
    got = read_soil([tmp_path / "texture.tif"], soil_source(kind="texture_class"), box)
    assert float(got["theta_s"].isel(y=3, x=3)) == pytest.approx(0.43)  # loam
    assert np.isnan(got["sand"].isel(y=3, x=12))
    other = read_soil(
        [tmp_path / "texture.tif"], soil_source(kind="texture_class", texture_codes="esdac"), box
    )
    assert float(other["sand"].isel(y=3, x=3)) == 10  # there, 7 is silt
    with pytest.raises(
        LoamError, match=r"texture_codes = 'mars': resources/soil_texture.csv has soilgrids, esdac"
    ):
        read_soil(
            [tmp_path / "texture.tif"], soil_source(kind="texture_class", texture_codes="mars"), box
        )
    layer(np.full(box.shape, 99, np.uint8)).rio.to_raster(tmp_path / "other.tif")
    with pytest.raises(LoamError, match="no value is a texture class of 'soilgrids'"):
        read_soil([tmp_path / "other.tif"], soil_source(kind="texture_class"), box)


def test_absurd_soil_is_named(tmp_path, box, layer, soil_source) -> None:
    for name in ("sand", "clay"):
        layer(np.full(box.shape, 4000, np.int16)).rio.to_raster(tmp_path / f"{name}_0-5cm_mean.tif")
    with pytest.raises(LoamError, match=r"clay reaches from 400 to 400 %, outside 0 to 100"):
        read_soil([tmp_path], soil_source(kind="soilgrids"), box)
    for name in ("sand", "clay"):
        (tmp_path / f"{name}_0-5cm_mean.tif").rename(tmp_path / f"{name}.tif")
    with pytest.raises(LoamError, match="no file names a property"):
        read_soil([tmp_path], soil_source(kind="soilgrids"), box)


# --- Files as people have them ---


def write_tables(folder, key, cokey: str, sand: float, quoted: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    mukey = f'"{key:,}"' if quoted else key
    (folder / "component.csv").write_text(f"mukey,cokey,comppct_r\n{mukey},{cokey},100\n")
    (folder / "chorizon.csv").write_text(
        f"cokey,hzdept_r,hzdepb_r,sandtotal_r,claytotal_r,note\n{cokey},0,20,{sand},10,x\n"
    )


@pytest.fixture
def two_surveys(tmp_path, box, layer):
    """One raster of two map units, each in a survey area with tables of its own."""
    keys = np.full(box.shape, 100001, np.int32)
    keys[:, 8:] = 100002
    layer(keys).rio.to_raster(tmp_path / "mapunits.tif")
    for area, key, sand in (("MD031", 100002, 20), ("MD033", 100001, 60)):
        write_tables(tmp_path / area, key, f"{key}1", sand)
    return tmp_path


def sands(soil) -> list[float]:
    return np.unique(soil["sand"].values[np.isfinite(soil["sand"].values)]).tolist()


def test_tables_of_several_survey_areas_are_joined(two_surveys, box, soil_source) -> None:
    assert sands(read_soil([two_surveys], soil_source(), box)) == [20, 60]
    write_tables(two_surveys / "copy", 100001, "1000011", 60)  # the same once more
    assert sands(read_soil([two_surveys], soil_source(), box)) == [20, 60]
    write_tables(two_surveys / "older", 100001, "1000011", 30)
    with pytest.raises(
        LoamError, match=r"older/chorizon.csv: cokey 1000011 is told otherwise in .*copy|MD033"
    ):
        read_soil([two_surveys], soil_source(), box)


def test_keys_are_read_as_spreadsheets_write_them(two_surveys, box, soil_source) -> None:
    write_tables(two_surveys / "MD031", 100002, "MD031:7", 20, quoted=True)
    (two_surveys / "MD033/component.csv").write_text(
        "mukey,cokey,comppct_r\n100001.0,1000011.0,100\n"
    )
    assert sands(read_soil([two_surveys], soil_source(), box)) == [20, 60]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "component.csv",
            "mukey,cokey,comppct_r\nurban,1,100\n",
            "column mukey has 'urban' in line 2, which is no key of SSURGO",
        ),
        (
            "component.csv",
            "mukey,cokey,comppct_r\n100001,1000011,most\n",
            "column comppct_r has 'most' in line 2",
        ),
        (
            "chorizon.csv",
            "cokey,hzdept_r,hzdepb_r,sandtotal_r,claytotal_r\n1000011,0,20,sandy,10\n",
            "column sandtotal_r has 'sandy'",
        ),
        ("chorizon.csv", "", "chorizon.csv: is empty"),
        (
            "component.csv",
            "mukey,cokey,comppct_r\n100001,7,60\n100001,7,40\n",
            r"cokey 7 is there twice with different values \(line 3\)",
        ),
        (
            "muaggatt.csv",
            "mukey,hydgrpdcd\n100001,A\n100001,B\n",
            r"mukey 100001 is there twice with different values \(line 3\)",
        ),
        ("chorizon.csv", "\x00\x01\x02", "holds NUL bytes"),
    ],
)
def test_a_damaged_table_of_a_survey_is_named(
    two_surveys, box, soil_source, name: str, text: str, said: str
) -> None:
    (two_surveys / "MD033" / name).write_text(text)
    with pytest.raises(LoamError, match=said):
        read_soil([two_surveys], soil_source(), box)


def test_horizons_below_the_topsoil_and_strange_groups_are_told(
    two_surveys, box, soil_source, caplog: pytest.LogCaptureFixture
) -> None:
    (two_surveys / "MD033/muaggatt.csv").write_text("mukey,hydgrpdcd\n100001,X\n100002,\n")
    read_soil([two_surveys], soil_source(), box)
    assert "hydgrpdcd of muaggatt.csv has ['X']" in caplog.text
    for area in ("MD031", "MD033"):
        table = two_surveys / area / "chorizon.csv"
        table.write_text(table.read_text().replace(",0,20,", ",20,40,"))
    with pytest.raises(
        LoamError, match="no horizon of the area's map units lies within the upper 5 cm"
    ):
        read_soil([two_surveys], soil_source(), box)


def test_numbers_of_tiles_are_no_depths(tmp_path, box, layer, soil_source) -> None:
    """SoilGrids as files.isric.org has it, and places in names of POLARIS."""
    for name, levels in (("sand", (400, 800)), ("clay", (200, 100))):
        for depth, level in zip(("0-5cm", "5-15cm"), levels, strict=True):
            for tile in ("tileSG-004-034", "tileSG-005-015"):
                folder = tmp_path / name / f"{name}_{depth}_mean" / tile
                folder.mkdir(parents=True)
                on = box if tile.endswith("034") else box.translate_pix(16, 0)
                layer(np.full(box.shape, level, np.int16), on=on).rio.to_raster(
                    folder / f"{tile}_1-1.tif"
                )
    for depth_cm, sand in ((5, 40), (15, (40 + 2 * 80) / 3)):
        assert float(
            read_soil([tmp_path], soil_source(kind="soilgrids", depth_cm=depth_cm), box)[
                "sand"
            ].mean()
        ) == pytest.approx(sand, rel=1e-4)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sand/sand_0-5cm_mean/tileSG-004-034/tileSG-004-034_1-1.tif", ("sand", 0, 5)),
        ("clay_study/sand_5-15cm_mean.tif", ("sand", 5, 15)),
        ("ksat/mean/15_30/lat3839_lon-77-76.tif", ("ksat", 15, 30)),
        ("sand_0-30cm_mean.tif", ("sand", 0, 30)),
        ("sand_0-5cm_Q0.5.tif", None),
        ("sand_tile_4-34.tif", None),
        ("5-15.tif", None),
    ],
)
def test_names_tell_property_and_layer(path: str, expected) -> None:
    assert _told(Path("data") / path, ("sand", "clay", "ksat")) == expected


@pytest.mark.parametrize("name", ["sand_0-5cm_5-15cm_mean.tif", "sand_clay_0-5cm_mean.tif"])
def test_a_name_of_two_meanings_is_refused(name: str) -> None:
    with pytest.raises(LoamError, match="tells several properties or depths"):
        _told(Path(name), ("sand", "clay"))


def test_two_files_of_one_place_are_refused(
    tmp_path, box, layer, soil_source, caplog: pytest.LogCaptureFixture
) -> None:
    for folder, level in (("new", 400), ("old", 400), ("older", 300)):
        (tmp_path / folder).mkdir()
        for name in ("sand", "clay"):
            layer(np.full(box.shape, level, np.int16)).rio.to_raster(
                tmp_path / folder / f"{name}_0-5cm_mean.tif"
            )
    source = soil_source(kind="soilgrids")
    (tmp_path / "new/legend.tif").write_bytes(b"x")
    # Copies.
    assert float(read_soil([tmp_path / "new", tmp_path / "old"], source, box)["sand"].mean()) == 40
    assert (
        "1 of 5 rasters name no mean of a property and layer, and are passed over: legend.tif"
        in caplog.text
    )
    with pytest.raises(
        LoamError, match=r"older/clay_0-5cm_mean.tif: holds clay of 0 to 5 cm of the same place as"
    ):
        read_soil([tmp_path], source, box)


def test_another_raster_beside_a_map_of_keys_is_refused(
    two_surveys, box, layer, soil_source
) -> None:
    layer(np.zeros((box.shape[0], 14), np.int32), on=box[:, 2:]).rio.to_raster(
        two_surveys / "valu1.tif"
    )
    with pytest.raises(
        LoamError, match=r"valu1.tif: holds map unit keys of the same place as .*mapunits.tif"
    ):
        read_soil([two_surveys], soil_source(), box)


def test_shares_called_percent_and_zero_texture_are_no_soil(
    tmp_path, box, layer, soil_source, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("sand", "clay"):
        layer(np.full(box.shape, 0.4, np.float32)).rio.to_raster(
            tmp_path / f"{name}_0-5cm_mean.tif"
        )
    with pytest.raises(LoamError, match=r"clay never exceeds 0\.4 %: it is a share of 1"):
        read_soil([tmp_path], soil_source(kind="polaris"), box)
    values = np.full(box.shape, 400, np.int16)
    values[0] = 0  # as the web service fills
    for name in ("sand", "clay"):
        layer(values).rio.to_raster(tmp_path / f"{name}_0-5cm_mean.tif")
    got = read_soil([tmp_path], soil_source(kind="soilgrids"), box)
    assert bool(got["sand"].isel(y=0).isnull().all()) and bool(got["silt"].isel(y=0).isnull().all())
    assert "sand and clay are both 0" in caplog.text
