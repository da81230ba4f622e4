"""Moves what prices are made of: stored facts in, decided prices, holds and changes out; `price` decides."""
