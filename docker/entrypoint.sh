#!/bin/sh
# Becomes consignd. Waits for nothing: the daemon itself says what it cannot reach and goes out, and is restarted.
set -eu

# The database's password from a file, as other images take it; PostgreSQL clients read PGPASSWORD.
if [ -n "${PGPASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$PGPASSWORD_FILE")
    export PGPASSWORD
    unset PGPASSWORD_FILE
fi

exec consignd "$@"
