"""Versions: a manifest that names every file, a pointer replaced last, and the checks before and after."""
