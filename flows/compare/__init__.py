"""The comparison: every document against all others, of this run and of every version before.

match ─► [join keys]ᵣ ─► pair up ─► [tokens]ₛ ─► [verify]ₚ ─► settle ─► [share paragraphs]ₚ

`match` knows what stands under one key or has one text, and numbers new contents in the order of canonicals. Keys are
joined one range r at a time, published texts read one file s at a time, pairs verified one part p at a time. What two
contents are to each other is kept (`edges`), so that `settle` can judge again without a text. Three steps hold
something of all documents at once, and bound a run: `match` some 300 bytes of each new one; `pair` 200 of each new one,
and 16 of each candidate pair whose digests don't tell that the two are unlike, several times over; `settle` about a
kilobyte of each document that is contested (by key, text or a verified pair), and of each verified pair.
"""
