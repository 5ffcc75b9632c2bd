#!/usr/bin/env bash
# Install Debian's SLURM for `make slurm-test`; where this machine can't run that test, say why in
# one line and fail.
set -euo pipefail
cannot() { echo "make slurm-test cannot run here: $1"; exit 1; }
[ "$(id -u)" = 0 ] || cannot "it needs root, to start SLURM's daemons."
[ ! -e /etc/slurm/slurm.conf ] && [ ! -L /etc/slurm/slurm.conf ] ||
  cannot "/etc/slurm has a cluster's configuration, left alone."
python3 -c "import socket as s; s.getaddrinfo(None, 1, s.AF_INET, flags=s.AI_PASSIVE | s.AI_ADDRCONFIG)" \
  2>/dev/null || cannot "SLURM needs a network address besides the loopback one."
if command -v slurmctld >/dev/null && command -v munged >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || cannot "it needs SLURM, or Debian's apt-get to install it."
echo "Installing SLURM (apt-get install slurm-wlm munge) …"
export DEBIAN_FRONTEND=noninteractive
install() { timeout 300 apt-get "$@" -qq -o Acquire::Retries=1 >/dev/null; }
install update && install install -y --no-install-recommends slurm-wlm munge ||
  cannot "apt-get can't install SLURM (slurm-wlm and munge); see above."
