"""Tells what was measured: how SKUs sell, their usual stock, how late channels learn of sales."""
