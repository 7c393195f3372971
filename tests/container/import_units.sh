#!/bin/sh
# Import the units of Debian packages and become asyncinit, which starts none of them by itself.
set -eu
folder=/etc/asyncinit/services.d
units=$(dpkg -L "$@" | grep -E '^(/usr)?/lib/systemd/system/[^/]+\.(service|socket|timer|target)$' | sort -u)
# A link is another name of a unit, or says that there shall be none; the init scripts' names are such.
for unit in $units; do [ -L "$unit" ] || echo "$unit"; done >/units
xargs -a /units asyncinit import systemd --json --output "$folder" >/report.json
cat >/etc/asyncinit/asyncinit.toml <<'EOF'
[init]
services = ["services.d"]
start = ["waiting"]
keep_running = true
[services.waiting]
type = "target"
EOF
exec asyncinit run --config /etc/asyncinit/asyncinit.toml
