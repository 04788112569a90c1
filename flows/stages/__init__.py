"""The stages of a run, one module each: a step's function, files in, files out."""
