# Spaces: network, mount, host name and process namespaces that one process
# holds. Its end ends all that runs in them and unmounts what was mounted there,
# as a power-off does, so nothing else has to be searched for and stopped.
# Needs $dir, the folder of the cluster, and $pause, the process that holds.

# hold SPACE: makes one.
hold() {
    local file=$dir/run/$1.pid
    rm -f "$file" "$dir/run/$1.ready"
    # The process names itself before it makes anything, and the time of its start
    # tells it from a later one of the same number.
    setsid bash -c '
        echo "$$ $(cut -d" " -f22 /proc/$$/stat)" >"$1"
        exec unshare --mount --net --uts --pid --fork --kill-child=KILL --mount-proc \
            --propagation private bash -ec "mount --make-rshared /; hostname \"\$1\"
                ip link set lo up; touch \"\$2\"; exec \"\$3\"" hold "$2" "$3" "$4"
    ' hold "$file" "$1" "$dir/run/$1.ready" "$pause" \
        </dev/null >"$dir/logs/$1.log" 2>&1 &
    wait_for 30 "the namespaces of $1" test -e "$dir/run/$1.ready"
}

# holder SPACE: the pid of the process that holds it, or a failure.
holder() {
    local pid since
    read -r pid since 2>/dev/null <"$dir/run/$1.pid" || return 1
    [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$since" ] && echo "$pid"
}

# into SPACE: sets the array `into` to a command that runs its arguments there.
into() {
    local pid
    pid=$(holder "$1") || { echo "$1 is not up" >&2; return 1; }
    into=(nsenter --target "$pid" --mount --net --uts
        --pid="/proc/$pid/ns/pid_for_children" --)
}

# inside SPACE COMMAND...: runs it there.
inside() {
    local into
    into "$1" || return
    shift
    "${into[@]}" "$@"
}

# daemon SPACE NAME COMMAND...: leaves it running there, with a log of its own.
daemon() {
    local into log=$dir/logs/$2.log
    into "$1" || return
    shift 2
    setsid "${into[@]}" "$@" </dev/null >>"$log" 2>&1 &
}

# release SPACE: ends all that runs in it, and waits until it has ended.
release() {
    local pid child
    if pid=$(holder "$1"); then
        child=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
        kill -9 "$pid" 2>/dev/null || true
        # Process 1 of the space ends when all others of it have.
        for child in $child $pid; do
            wait_for 20 "the end of $1" test ! -e "/proc/$child"
        done
    fi
    rm -f "$dir/run/$1.pid" "$dir/run/$1.ready"
}

# wait_for SECONDS WHAT COMMAND...: until it succeeds.
wait_for() {
    local limit=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$limit" ]; then
            echo "waited in vain for $what" >&2
            return 1
        fi
        sleep 0.1
    done
}
