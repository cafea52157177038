"""The systems measured: classical codecs and learned ones, one folder a system."""
