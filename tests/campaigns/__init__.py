"""Tests of campaigns: decided by hand, by chance, on a database, by command and over the API."""
