"""Channels' statements: read, matched line by line to our entries, posted, and what differs settled."""
