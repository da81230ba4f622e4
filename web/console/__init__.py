"""Shows operators their stock, orders, channels and money, live; server-rendered, from our own files only."""
