#!/bin/sh
# Installs what the tests, the tools and the benchmarks need of the system and is not there yet: Debian packages, where
# this is root on a machine with apt. It never fails the run: a test whose program is missing says so itself (a skip, or
# a failure under CI=true). tests/test_installer.py finds a program that is called and not named here.
set -u

missing=""

# need PROGRAM PACKAGE: have PACKAGE installed where PROGRAM is found neither on PATH nor in the folders after it.
need() {
  program=$1 package=$2
  shift 2
  command -v "$program" >/dev/null 2>&1 && return
  for folder in "$@"; do
    [ -x "$folder/$program" ] && return
  done
  case " $missing " in
    *" $package "*) ;;
    *) missing="$missing $package" ;;
  esac
}

# Debian keeps a server's programs off PATH, in a folder for each version.
need initdb postgresql /usr/lib/postgresql/*/bin
need postgres postgresql /usr/lib/postgresql/*/bin

# The browser that looks at the page.
need chromium chromium

# Other people's clients: a person's, and those of npm's packages.
need curl curl
need nc netcat-openbsd
need node nodejs
need npm npm

# What the recipes of docs/recipes/ are made with.
need curl curl
need jq jq
need soffice libreoffice-calc-nogui

# What reads the prices of `stocktrack get --format ledger`.
need ledger ledger
need hledger hledger

# The reverse proxies that the page for operators shows how to configure.
need nginx nginx-light /usr/sbin
need haproxy haproxy /usr/sbin
need caddy caddy

# What bans addresses by our log, as the page for operators shows; and what bench/fanout.py compares with.
need fail2ban-regex fail2ban
need redis-server redis-server
need redis-cli redis-tools

# Two network namespaces in `make faults`, and the counting client of bench/web_fanout.py.
need ip iproute2
need gcc gcc
# The compiler alone has no headers.
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "What needs these Debian packages is left out, since only root on a machine with apt can install them:$missing" >&2
  exit 0
fi
echo "Installing what the tests need of the system (once):$missing ..." >&2
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# A package that starts a server of its own, as postgresql does, must not do that because of our tests.
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d} # a test of this script has a file of its own
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
  trap 'exit 0' INT TERM
fi
install() {
  # shellcheck disable=SC2086 # several packages, several words
  apt-get install --yes --no-install-recommends $1 >>"$log" 2>&1
}
failed=""
if ! apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20 update >"$log" 2>&1; then
  install "$missing" || failed=$missing
elif ! install "$missing"; then
  # One that this machine's Debian does not have must not keep the others away.
  for package in $missing; do
    install "$package" || failed="$failed $package"
  done
fi
if [ -n "$failed" ]; then
  why=$(grep '^E: ' "$log" | tail -n 1)
  echo "These could not be installed, and the tests that need them will say so:$failed (${why:-apt-get gave no reason})" >&2
fi
rm -f "$log"
exit 0
