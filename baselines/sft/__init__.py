"""Song et al. 2021, "Variable-Rate Deep Image Compression through Spatially-Adaptive Feature Transform"."""
