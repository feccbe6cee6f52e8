#!/bin/sh
# Installs what the tests need of the system and is not there yet: Debian packages, where this is root on a machine with
# apt. It never fails the run: a test whose program is missing says so itself (a skip, or a failure under CI=true).
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
  missing="$missing $package"
}

# Debian keeps a server's programs off PATH, in a folder for each version.
need initdb postgresql /usr/lib/postgresql/*/bin

# The browser that looks at the page.
need chromium chromium

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests that need these Debian packages are left out, since only root can install them here:$missing" >&2
  exit 0
fi
echo "Installing what the tests need of the system (once):$missing ..." >&2
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# A package that starts a server of its own, as postgresql does, must not do that because of our tests.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
  trap 'exit 0' INT TERM
fi
# shellcheck disable=SC2086 # several packages, several words
if ! { apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20 update && apt-get install --yes --no-install-recommends $missing; } >"$log" 2>&1; then
  echo "That failed; the tests that need it will say so. The end of what apt-get said:" >&2
  tail -n 5 "$log" >&2
fi
rm -f "$log"
exit 0
