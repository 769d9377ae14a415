#!/usr/bin/env bash
# Builds what `make demo`, `make check` or `make bench` runs, in the tree, as its owner:
# only what changed since the last time. Says what it fetches from npm first.
#
#   build.sh demo | check | bench
#
# What the steps print is shown only if one fails.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
purpose=$1
jobs=-j$(nproc)

# npm's cache and the log belong to this run alone.
scratch=$(mktemp -d)
exec 3>&1 >"$scratch/log" 2>&1
trap 'finish $?' EXIT
trap 'exit 143' TERM INT HUP
export npm_config_cache=$scratch/npm npm_config_update_notifier=false \
  npm_config_fund=false npm_config_audit=false

say() {
  echo "taskchat: $*" >&3
  echo "== $*"
}

finish() {
  if [ "$1" != 0 ]; then
    tail -n 60 "$scratch/log" >&3
    echo "taskchat: the build failed" >&3
  fi
  rm -rf "$scratch"
}

# npm's own build of Node.js trusts what the system trusts, as Debian's does.
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r /etc/ssl/certs/ca-certificates.crt ]; then
  export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
fi

# Vite 8 wants 20.19, so an older one counts as missing.
node_is_new() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

ensure_node() {
  local bin=$PWD/.build/node/node_modules/node/bin
  [ ! -x "$bin/node" ] || PATH=$bin:$PATH
  node_is_new && return
  say "fetching npm package node@20: the Node.js found is older than 20.19"
  mkdir -p .build/node
  npm install --prefix .build/node --no-save --no-package-lock node@20
  PATH=$bin:$PATH
  node_is_new
}

# npm ci, unless this very lock file was installed already.
npm_packages() {
  local dir=$1 stamp=$1/node_modules/.taskchat-lock
  if ! cmp -s "$dir/package-lock.json" "$stamp"; then
    say "npm ci in $dir"
    npm ci --prefix "$dir" --no-progress
    cp "$dir/package-lock.json" "$stamp"
  fi
}

# The package would start a server of the system's own, so only its files are
# taken, to a place of ours.
unpack_debian() {
  local dir=$1 name
  shift
  say "fetching Debian packages $* (unpacked in $dir, not installed)"
  mkdir -p "$dir"
  for name in "$@"; do
    (cd "$dir" && apt-get -q download "$name" && dpkg-deb -x "$name"_*.deb . && rm "$name"_*.deb)
  done
}

ensure_nginx() {
  local dir=test/e2e/.nginx
  [ -x /usr/sbin/nginx ] || [ -x $dir/usr/sbin/nginx ] || unpack_debian $dir nginx
}

# The module fits the nginx that it was built for, so both are Debian's.
ensure_nchan() {
  local dir=test/bench/.nginx
  [ -f $dir/usr/lib/nginx/modules/ngx_nchan_module.so ] || unpack_debian $dir nginx libnginx-mod-nchan
}

build_all() {
  say "building"
  make $jobs with_llvm=no PG_CONFIG="$PG_CONFIG" all
  ensure_node
  if [ "$purpose" = bench ]; then
    npm_packages test/bench
    ensure_nchan
    return
  fi
  npm_packages relay/web
  npm --prefix relay/web run build:demo
  if [ "$purpose" = check ]; then
    npm --prefix relay/web run build
    make -C relay $jobs SANITIZE=1 PG_CONFIG="$PG_CONFIG" all unit
    make -C relay $jobs FUZZ=1 PG_CONFIG="$PG_CONFIG" fuzz
    npm_packages test/e2e
    ensure_nginx
  fi
}

build_all
