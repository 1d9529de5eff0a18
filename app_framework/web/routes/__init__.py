"""The routes that the framework itself brings; each parses, makes one call, and writes the answer."""
