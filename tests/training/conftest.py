"""Fixtures of the training's tests."""

from training_data import named_folder, picture_folder, render_folder  # noqa: F401
