"""What a person asks of a dataset: why a document is as it is, and what a site repeats."""
