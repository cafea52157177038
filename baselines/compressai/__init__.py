"""Models of CompressAI, and anyone's built like them, as codecs."""
