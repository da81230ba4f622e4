"""Decides how buyers buy together: who joins which group, and when it is complete or has failed."""
