#!/usr/bin/env bash
# Install Debian's Chromium and axe-core for `make browser-test`; where this machine can't run that
# test, say why in one line and fail.
set -euo pipefail
cd "$(dirname "$0")"
cannot() { echo "make browser-test cannot run here: $1"; exit 1; }
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
  command -v apt-get >/dev/null || cannot "it needs chromium and chromedriver, or Debian's apt-get."
  [ "$(id -u)" = 0 ] || cannot "it needs chromium and chromedriver, or root to install them."
  echo "Installing Chromium (apt-get install chromium chromium-driver) …"
  export DEBIAN_FRONTEND=noninteractive
  install() { timeout 300 apt-get "$@" -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 >/dev/null; }
  install update && install install -y --no-install-recommends chromium chromium-driver ||
    cannot "apt-get can't install Chromium (chromium and chromium-driver); see above."
fi
# package.json pins axe-core, which needs no other package.
pinned() { grep -om1 "\"$1\": \"[0-9.]*\"" "$2" 2>/dev/null | cut -d'"' -f4; }
if [ "$(pinned axe-core package.json)" != "$(pinned version node_modules/axe-core/package.json)" ]; then
  command -v npm >/dev/null || cannot "it needs npm, to fetch axe-core."
  timeout 120 npm install --silent --no-package-lock --no-audit --no-fund --ignore-scripts >/dev/null ||
    cannot "npm can't fetch axe-core."
fi
