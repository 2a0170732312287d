"""Measurements: `python -m zsad_core.benchmark.speed`."""
