"""Measurements: `python -m zsad_core.benchmark`, the poster's table; `python -m zsad_core.benchmark.speed`."""
