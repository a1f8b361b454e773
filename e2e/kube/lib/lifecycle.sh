# The cluster as a whole: up, down, images, and nodes that come and go.
# Needs $dir, $here, $cgroup and the other parts.

# The programs that run in it.
programs=(kubectl helm etcd kube-apiserver kube-controller-manager kube-scheduler
    kubelet kube-proxy kube-router coredns pause)

# Tells the folder of a cluster from one that must not be removed.
mark=.dfs-e2e-cluster

# install_all: has all programs there, and the images of pause and CoreDNS.
install_all() {
    local name path i=0
    need containerd:containerd runc:runc /usr/lib/cni/ptp:containernetworking-plugins \
        ip:iproute2 nft:nftables iptables:iptables ipset:ipset \
        conntrack:conntrack socat:socat openssl:openssl mkfs.ext4:e2fsprogs
    mkdir -p "$dir"/{bin,run,logs,images}
    touch "$dir/$mark"
    for name in "${programs[@]}"; do
        i=$((i + 1))
        path=$(DFS_PROGRESS="$i of ${#programs[@]}" "$here/program" "$name")
        ln -sf "$path" "$dir/bin/$name"
    done
    for name in pause coredns; do
        path=$(dirname "$(readlink "$dir/bin/$name")")/$name.tar
        [ -e "$path" ] || "$here/image" "$path" "localhost/$name:1" \
            "/usr/local/bin/$name" "$dir/bin/$name"
        ln -sf "$path" "$dir/images/$name.tar"
    done
    pause=$dir/bin/pause
}

# images FOLDER: has every node take the images of the programs that cargo left in
# FOLDER, under the names that the chart asks for, and a stand-in for that of curl.
images() {
    local name version tars=()
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml" | head -1)
    for name in manager operator node; do
        if [ ! -x "$1/$name" ]; then
            echo "missing: $1/$name; make it: cargo build --workspace --bins" >&2
            exit 1
        fi
        "$here/image" "$dir/run/$name.tar" "docker.io/distributed-file-server/$name:$version" \
            "/usr/local/bin/$name" "$1/$name"
        tars+=("$dir/run/$name.tar")
    done
    need curl:curl
    "$here/image" "$dir/run/curl.tar" docker.io/curlimages/curl:8.16.0 \
        /usr/local/bin/curl "$(command -v curl)"
    load "${tars[@]}" "$dir/run/curl.tar"
    rm -f "${tars[@]}" "$dir/run/curl.tar"
}

# all COMMAND...: runs it for each node at once, and fails if one fails.
all() {
    local node pid pids=()
    for node in $(nodes); do
        "$1" "$node" "${@:2}" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
}

prepare_node() {
    volumes_make "$1"
    node_space "$1"
    node_import "$1" "$dir/images"/*.tar
}

# up N: brings up a cluster of N nodes in place of what was there.
up() {
    local count=$1 start names node preparing
    case $count in [1-9]) ;; *) usage ;; esac
    down
    install_all
    start=$(date +%s%N)
    names=$(seq -f 'node%g' "$count")
    for node in $names; do mkdir -p "$dir/nodes/$node"; done
    certificates $names
    control_space $names
    # The nodes get ready while the API server starts.
    all prepare_node &
    preparing=$!
    control_up
    said "$start" "control plane up"
    {
        cat "$here/config/cluster.yaml"
        for node in $names; do volumes_manifest "$node"; done
    } >"$dir/config/cluster.yaml"
    wait_for 30 "the first objects" control kubectl apply -f "$dir/config/cluster.yaml"
    wait "$preparing"
    all node_up
    control_proxy node1
    wait_for 60 "the nodes, see $dir/logs" all_ready "$count"
    said "$start" "nodes ready"
    wait_for 60 CoreDNS control kubectl -n kube-system rollout status \
        daemonset/coredns --timeout=5s
    all node_policed
    wait_for 30 "the default account" control kubectl get serviceaccount default
    said "$start" "cluster up, with DNS and $((count * volumes_each)) volumes"
    control kubectl get nodes
}

# said START WHAT: a line of progress with the time since START.
said() {
    local ms=$((($(date +%s%N) - $1) / 1000000))
    printf '%3d.%d s  %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$2"
}

all_ready() {
    [ "$(control kubectl get nodes --no-headers | grep -cw Ready)" = "$1" ]
}

# down: ends all that runs, and removes all that was made. Also what is left of
# an `up` that failed or was killed.
down() {
    if [ -n "$(ls -A "$dir" 2>/dev/null)" ] && [ ! -e "$dir/$mark" ]; then
        echo "$dir has other things than a cluster" >&2
        return 1
    fi
    all release
    release control
    remove_cgroups
    if [ -d "$dir/nodes" ]; then
        # The kernel gives the devices back soon after the last mount has gone.
        wait_for 10 "loop devices" loops_gone || loops_free
    fi
    rm -rf --one-file-system "$dir"
}

loops_gone() {
    ! losetup --list --noheadings --output BACK-FILE | grep -qF "$dir/"
}

# load TAR...: has every node that runs take images.
load() {
    all load_node "$@"
}

load_node() {
    ! holder "$1" >/dev/null || node_import "$@"
}

# node_stop NODE: a power-off, which no program of the node hears of.
node_stop() {
    [ -d "$dir/nodes/$1" ] || { echo "no node $1" >&2; return 1; }
    release "$1"
    remove_cgroups "$1"
}

# node_start NODE: with the disks and images that it had.
node_start() {
    [ -d "$dir/nodes/$1" ] || { echo "no node $1" >&2; return 1; }
    ! holder "$1" >/dev/null || { echo "$1 runs" >&2; return 1; }
    pause=$dir/bin/pause
    node_space "$1"
    node_up "$1"
    node_policed "$1"
}
