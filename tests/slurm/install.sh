#!/usr/bin/env bash
# Install Debian's SLURM for `make slurm-test`. With --check only say, in one line and by the exit
# status, whether this machine can run that test.
set -euo pipefail
cannot() { echo "make slurm-test cannot run here: $1"; exit 1; }
[ "$(id -u)" = 0 ] || cannot "it needs root, to start SLURM's daemons."
command -v slurmctld >/dev/null || command -v apt-get >/dev/null ||
  cannot "it needs SLURM, or Debian's apt-get to install it."
[ ! -e /etc/slurm/slurm.conf ] || cannot "/etc/slurm has a cluster's configuration, left alone."
if [ "${1:-}" = --check ]; then exit 0; fi
if command -v slurmctld >/dev/null && command -v munged >/dev/null; then exit 0; fi
echo "Installing SLURM (apt-get install slurm-wlm munge) …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
