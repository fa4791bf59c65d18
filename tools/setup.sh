#!/bin/sh
# setup.sh [--demo | --test] - install what is missing, and nothing else.
#
#   --demo  what the library and the command need (the default)
#   --test  that, and what tools/test.sh needs
#
# Looks for the tools and libraries themselves, not for packages: where all are
# there it ends at once, on any system. Where some are missing it installs them
# on systems with apt (as root, or by sudo); elsewhere it prints the list and
# exits 1.
set -eu

# Each line: how to look for it, its name, and Debian's package.
#
# Of redis-server the program is wanted, not the service: Debian starts one on
# port 6379 where there is an init system. Tests start servers of their own, on
# ports and in folders of their own, and leave that one alone.
build_needs='
cc         cc          gcc
header     stdio.h     libc6-dev
command    meson       meson
command    ninja       ninja-build
command    pkg-config  pkg-config
command    python3     python3
library    sqlite3     libsqlite3-dev
library    jansson     libjansson-dev
library    hiredis     libhiredis-dev
library    openssl     libssl-dev
'
test_needs='
command    g++         g++
command    clang       clang
sanitizer  clang       libclang-rt-dev
command    valgrind    valgrind
command    setarch     util-linux
command    sqlite3     sqlite3
library    check       check
command    redis-server redis-server
command    redis-cli   redis-tools
'

usage() {
    echo "usage: tools/setup.sh [--demo | --test]" >&2
    exit 2
}

case "${1---demo}" in
--demo) needs=$build_needs ;;
--test) needs="$build_needs$test_needs" ;;
*) usage ;;
esac
[ $# -le 1 ] || usage

there() {
    case $1 in
    cc) command -v "${CC:-cc}" || command -v gcc ;;
    command) command -v "$2" ;;
    header) echo "#include <$2>" | ${CC:-cc} -fsyntax-only -x c - ;;
    library) pkg-config --exists "$2" ;;
    sanitizer) echo 'int main(void) { return 0; }' |
        "$2" -fsanitize=address,undefined -x c - -o /dev/null ;;
    esac >/dev/null 2>&1
}

# Sets $names and $packages to what is missing.
look() {
    names='' packages=''
    while read -r how what package; do
        [ -n "$how" ] || continue
        there "$how" "$what" && continue
        names="$names $what"
        packages="$packages $package"
    done <<EOF
$needs
EOF
}

look
[ -n "$packages" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        root=sudo
    else
        root=none
    fi
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$root" = none ]; then
    echo "pawl needs what this system does not have:$names" >&2
    echo "Install it and run this again. On Debian the packages are:" >&2
    echo "    apt-get install$packages" >&2
    exit 1
fi

echo "Installing:$packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # both are lists
install() {
    $root apt-get install -y -q --no-install-recommends $packages
}
# A fresh machine has no package lists, an old one stale ones.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $root apt-get update -q && install; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "Could not install$packages" >&2
    exit 1
fi

look
if [ -n "$packages" ]; then
    echo "Installed, but still missing:$names" >&2
    exit 1
fi
