"""The viewer: ``python -m bench.report RUN...`` writes a folder with one page to look at generations in."""
