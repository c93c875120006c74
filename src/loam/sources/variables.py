"""Loam's names of weather, their units and bounds, and what CF calls them."""

# Loam's name: (units, lowest, highest plausible value, standard names that mean it)
VARIABLES: dict[str, tuple[str, float, float, tuple[str, ...]]] = {
    "precipitation": (
        "mm",
        0,
        2000,
        (
            "lwe_precipitation_rate",
            "precipitation_flux",
            "precipitation_amount",
            "lwe_thickness_of_precipitation_amount",
            "rainfall_flux",
        ),
    ),
    "temperature": ("degC", -80, 60, ("air_temperature",)),
    "temperature_min": ("degC", -80, 60, ("air_temperature",)),
    "temperature_max": ("degC", -80, 65, ("air_temperature",)),
    "relative_humidity": ("%", 0, 110, ("relative_humidity",)),
    "relative_humidity_min": ("%", 0, 110, ("relative_humidity",)),
    "relative_humidity_max": ("%", 0, 110, ("relative_humidity",)),
    "dewpoint": ("degC", -90, 45, ("dew_point_temperature",)),
    "vapour_pressure": ("kPa", 0, 12, ("water_vapor_partial_pressure_in_air",)),
    "wind_speed": ("m/s", 0, 75, ("wind_speed",)),
    "solar_radiation": (
        "MJ/m^2",
        0,
        50,
        (
            "surface_downwelling_shortwave_flux_in_air",
            "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
        ),
    ),
    "evapotranspiration": (
        "mm",
        -5,
        40,
        ("water_potential_evaporation_amount", "water_potential_evaporation_flux"),
    ),
}
# What CF's cell_methods must say of a variable; the others may say neither.
EXTREMES = {
    "temperature_min": "minimum",
    "temperature_max": "maximum",
    "relative_humidity_min": "minimum",
    "relative_humidity_max": "maximum",
}
REDUCTIONS = {"minimum": "min", "maximum": "max"}
# Below zero by so much is rounding, of packing to 16 bits or of differences of totals.
ROUNDING = {"mm": 0.01, "MJ/m^2": 0.01, "%": 0.1, "kPa": 0.001, "m/s": 0.01}


def of_a_day(name: str, *, total: bool) -> str:
    """How several values of a day become the day's: sum, min, max or mean.

    Args:
        name: one of `VARIABLES`.
        total: the values are amounts of their time, no rates or states.
    """
    return "sum" if total else REDUCTIONS.get(EXTREMES.get(name, ""), "mean")
