"""Keeps the journal's books: seals what was written, sums it up, closes months, hands it to accountants."""
