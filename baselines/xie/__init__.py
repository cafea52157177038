"""Xie et al. 2021, "Enhanced Invertible Encoding for Learned Image Compression": single rate, the baseline of IAT."""
