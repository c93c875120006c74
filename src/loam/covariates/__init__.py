"""What moisture depends on: terrain, soil, weather and vegetation, each on the grid it comes on."""
