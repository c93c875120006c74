"""What runs the stages: command line, fingerprints, resources, registry of runs."""
