"""The synthetic catchment: landscape, weather, water balance and radar, so that Loam can be tried where truth is known."""
