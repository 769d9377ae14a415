#!/usr/bin/env bash
# Ends a run of `make check` or `make demo`: stops what it started and removes
# its directory.
#
#   watchdog.sh sweep RUN PID        do it now; PID, the caller, is spared
#   watchdog.sh watch RUN PID...     do it as soon as one of the PIDs is gone,
#                                    or a make among them was interrupted
#
# A process belongs to the run if it has TASKCHAT_RUN=RUN in its environment,
# or is a postmaster with its data directory under RUN (PostgreSQL writes over
# the environment that it was started with).
set -u

mode=$1
run=$2
shift 2

case "$run" in
  */taskchat.??????) ;;
  *) echo "watchdog: not a run's directory: $run" >&2; exit 2 ;;
esac

members() {
  local file pid
  for file in $(grep -lszxF "TASKCHAT_RUN=$run" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    pid=${pid%/environ}
    case " $$ $BASHPID $spared " in
      *" $pid "*) ;;
      *) [ ! -d "/proc/$pid" ] || echo "$pid" ;;
    esac
  done
}

postmasters() {
  local file pid
  find "$run" -name postmaster.pid 2>/dev/null | while read -r file; do
    read -r pid <"$file"
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ]; then
      echo "$pid"
    fi
  done
}

# True once nothing of the run is left; gives it the seconds to end.
stop_all() {
  local signal=$1 until=$((SECONDS + $2)) pids
  pids=$(members)
  [ -z "$pids" ] || kill -"$signal" $pids 2>/dev/null
  while pids=$(members) && [ -n "$pids" ]; do
    ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

sweep() {
  local pid
  for pid in $(postmasters); do
    kill -QUIT "$pid" 2>/dev/null
  done
  stop_all TERM 5 || stop_all KILL 5
  # A process may have written a last file meanwhile.
  rm -rf "$run" 2>/dev/null || { sleep 0.5; rm -rf "$run"; }
}

# The start time tells a process from a later one with the same number.
born() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- ${stat##*) }
  echo "${20}"
}

# make hands SIGTERM on to what it runs, but not SIGINT, which it takes to have
# come from a terminal to all: then it waits, with SIGINT no longer caught.
catches_interrupt() {
  local name mask
  while read -r name mask; do
    if [ "$name" = SigCgt: ]; then
      (((0x$mask >> 1) & 1))
      return
    fi
  done 2>/dev/null <"/proc/$1/status"
}

same() {
  [ "$(born "$1")" = "${births[$1]}" ] || return
  [ -z "${interruptible[$1]}" ] || catches_interrupt "$1"
}

# The script may have outlived the make that called it: let it end by itself.
end_launcher() {
  local i
  same "$1" && kill -TERM "$1" 2>/dev/null
  for ((i = 0; i < 100; i++)); do
    same "$1" || return
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null
}

declare -A births interruptible
spared=
case "$mode" in
  sweep)
    spared=$1
    sweep
    ;;
  watch)
    cd /
    for pid in "$@"; do
      births[$pid]=$(born "$pid")
      interruptible[$pid]=
    done
    # The script itself, which comes first, ends by its own trap.
    for pid in "${@:2}"; do
      ! catches_interrupt "$pid" || interruptible[$pid]=yes
    done
    while sleep 0.5; do
      for pid in "$@"; do
        if ! same "$pid"; then
          end_launcher "$1"
          sweep
          exit 0
        fi
      done
    done
    ;;
esac
