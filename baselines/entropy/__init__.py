"""Hyperprior, context model and the stream coder of the learned codecs."""
