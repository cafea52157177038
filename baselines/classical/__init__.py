"""Classical codecs: bindings of the everyday image formats, and programs run as subprocesses."""
