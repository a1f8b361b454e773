# What the scripts of the cluster need of the machine: a cache folder, and
# programs of Debian packages, installed where that is allowed.
export PATH=$PATH:/usr/sbin:/sbin

# cache: prints the folder, outside of the checkout, for what takes long to build.
cache() {
    local base=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    if [ -z "$base" ]; then
        echo "neither XDG_CACHE_HOME nor HOME" >&2
        return 1
    fi
    mkdir -p "$base/dfs-e2e"
    echo "$base/dfs-e2e"
}

# need PROGRAM:PACKAGE...: has programs there, or says in one line which packages
# are missing and can't be installed. A PROGRAM may be a path.
need() {
    local pair list=
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || list+=" ${pair#*:}"
    done
    [ -n "$list" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing, install as root:$list" >&2
        return 1
    fi
    if ! command -v apt-get >/dev/null; then
        echo "missing, and no apt-get:$list" >&2
        return 1
    fi
    echo "installing$list" >&2
    # Debian would start containerd as a service; nodes run their own.
    if ! { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $list; } >/dev/null 2>&1; then
        echo "apt-get could not install:$list" >&2
        return 1
    fi
    for pair in "$@"; do
        if ! command -v "${pair%%:*}" >/dev/null; then
            echo "still missing: ${pair#*:}" >&2
            return 1
        fi
    done
}
