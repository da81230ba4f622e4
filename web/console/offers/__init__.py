"""Pages on what is offered: stock, prices and rates, what stands over all of it."""
