"""Turns statements of settlements into papers: HTML, PDF, CSV, Excel."""
