#!/bin/sh
# Runs details in Python where there is a working python3, else the same service in Node.
here=$(dirname "$0")
if python3 -c 'import http.server' >/dev/null 2>&1; then
  exec python3 "$here/server.py"
fi
echo 'details: no python3 here, so the Python program is skipped and server.mjs runs instead'
exec node "$here/server.mjs"
