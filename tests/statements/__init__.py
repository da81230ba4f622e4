"""Tests of channels' statements: reading, matching, posting, settling."""
