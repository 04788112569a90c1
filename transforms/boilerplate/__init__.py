"""Boilerplate stripping: what is cut from a page because the site put it there, and why."""
