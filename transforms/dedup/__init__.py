"""Which documents are the same: exact, and which of them is kept."""
