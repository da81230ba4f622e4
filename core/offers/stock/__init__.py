"""Decides how many codes each listing shows: rules, buffers, and how the bound is shared out."""
