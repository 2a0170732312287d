"""The page: one file a view, over `zsad_core`; `app.py` puts them together."""
