"""Gao et al., IEEE TIP 2025, "Approximately Invertible Neural Network for Learned Image Compression" (A-INN)."""
