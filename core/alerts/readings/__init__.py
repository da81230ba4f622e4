"""What alerts measure, by subject."""
