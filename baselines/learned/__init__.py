"""What all learned codecs share: streams, checkpoints, the model's interface. Each system's folder adds its network."""
