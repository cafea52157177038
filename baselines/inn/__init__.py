"""Invertible blocks shared by Xie, IAT and A-INN."""
