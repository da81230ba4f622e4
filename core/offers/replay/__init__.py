"""Lives through sales, restocks and lags again, in virtual time and under another policy."""
