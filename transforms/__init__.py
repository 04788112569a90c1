"""What is done to a document: pure functions and shard-wide stages. No disk, no Prefect."""
