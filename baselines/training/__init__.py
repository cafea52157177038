"""Data, losses, quality maps and the loop behind `python -m baselines.train`."""
