#!/usr/bin/env bash
# Installs the Debian packages that are missing for the named purpose, having
# said which; with nothing missing it does and says nothing.
#
#   packages.sh demo | check | bench
#
# It runs as root or as a user who may sudo. The real work happens in one
# process of its own (packages.sh --install PACKAGE...), so that it finishes
# cleanly even if the caller is killed in the middle.
set -euo pipefail

build="gcc make pkg-config libc6-dev libwebsockets-dev libwebsockets-evlib-ev
  libev-dev libjson-c-dev libssl-dev libpq-dev uthash-dev"
server="postgresql-15 postgresql-server-dev-15"
testing="libcmocka-dev libipc-run-perl perl mandoc postgresql-15-plpgsql-check
  curl openssl libpcre2-8-0 clang libclang-rt-14-dev valgrind python3-websockets"
measuring="strace"

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing() {
  local name
  for name in "$@"; do
    installed "$name" || echo "$name"
  done
}

# Debian's Node.js 18 is enough to fetch a newer one from npm.
node_packages() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
}

browser_packages() {
  command -v chromium >/dev/null || echo chromium
}

conf=/etc/postgresql-common/createcluster.conf

# A new server package would make and start a cluster of its own. That is
# switched off while it is being installed, and put back as it was.
without_main_cluster() {
  installed postgresql-common || apt_install postgresql-common
  cp -p "$conf" "$conf.before-taskchat"
  trap 'mv -f "$conf.before-taskchat" "$conf"' EXIT
  trap '' INT HUP TERM
  echo 'create_main_cluster = false' >>"$conf"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"
}

if [ "$1" = --install ]; then
  shift
  apt-get -q update
  case " $* " in
    *" postgresql-15 "*) without_main_cluster ;;
  esac
  apt_install "$@"
  exit
fi

command -v dpkg-query >/dev/null || {
  echo "taskchat: this set-up knows Debian only; README.md lists what is needed" >&2
  exit 1
}
wanted="$build $server"
case "$1" in
  check) wanted="$wanted $testing" ;;
  bench) wanted="$wanted $measuring" ;;
esac
packages=$(missing $wanted; node_packages; [ "$1" != check ] || browser_packages)
[ -n "$packages" ] || exit 0

echo "taskchat: installing Debian packages:" $packages
root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "taskchat: this needs root, and there is no sudo: install them and start again" >&2
    exit 1
  }
  echo "taskchat: (with sudo)"
  root=sudo
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! $root "$(realpath "$0")" --install $packages >"$log" 2>&1 </dev/null; then
  tail -n 30 "$log" >&2
  echo "taskchat: apt-get failed" >&2
  exit 1
fi
