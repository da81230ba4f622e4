"""Decides how buyers buy together: who joins which group, when it is complete, and what becomes of a failed one."""
