# A node: containerd, kubelet, kube-proxy and kube-router in a space of its own, joined to the
# control plane's bridge. node1 has the address 10.99.0.11 and the pods of
# 10.100.1.0/24. In its space $dir/nodes/NODE is /run/node. Needs $dir, $here.

# address NODE and pods NODE: its address, and those of its pods.
address() { echo "10.99.0.1${1#node}"; }
pods() { echo "10.100.${1#node}.0/24"; }

# nodes: the names of all that `up` made, whether they run or not.
nodes() { ls "$dir/nodes" 2>/dev/null || true; }

# node_space NODE: the space, its link, its volumes, containerd and the images that
# each pod needs. All that does not need the API server.
node_space() {
    local node=$1 home=$dir/nodes/$1 other
    mkdir -p "$home"/{containerd,kubelet,log,volumes,manifests,cni}
    cp "$dir/pki"/{"$node.crt","$node.key",ca.crt} "$dir/config/$node.kubeconfig" "$home/"
    for other in containerd.toml kubelet.yaml pods.conflist; do
        sed "s#@NODE@#$node#g; s#@ADDRESS@#$(address "$node")#g
            s#@PODS@#$(pods "$node")#g; s#@CGROUP@#$cgroup#g" \
            "$here/config/$other" >"$home/$other"
    done
    mv "$home/pods.conflist" "$home/cni/"
    : >"$home/resolv.conf"
    hold "$node"
    # The link of a node that has just ended may live a moment longer.
    wait_for 10 "the end of the old link of $node" link_gone "$node"
    ip link add "$node" netns "$(holder control)" type veth \
        peer name eth0 netns "$(holder "$node")"
    inside control ip link set "$node" master br0 up
    inside "$node" bash "$here/lib/node-inside" "$home" "$(address "$node")" "$control_ip"
    for other in $(nodes); do
        [ "$other" = "$node" ] || inside "$node" \
            ip route add "$(pods "$other")" via "$(address "$other")"
    done
    make_cgroups "$node"
    volumes_mount "$node"
    daemon "$node" "$node-containerd" containerd --config /run/node/containerd.toml
    wait_for 30 "containerd of $node" inside "$node" ctr version
}

# node_up NODE: kubelet, kube-proxy, and kube-router for the NetworkPolicies alone.
node_up() {
    daemon "$1" "$1-kubelet" "$dir/bin/kubelet" --config=/run/node/kubelet.yaml \
        --kubeconfig="/run/node/$1.kubeconfig" --root-dir=/run/node/kubelet \
        --cert-dir=/run/node/kubelet/pki --hostname-override="$1" \
        --node-ip="$(address "$1")"
    daemon "$1" "$1-kube-proxy" "$dir/bin/kube-proxy" \
        --config="$dir/config/kube-proxy.yaml" --hostname-override="$1"
    # It ends when there is no such node yet, and is started again as in a pod.
    daemon "$1" "$1-kube-router" bash -c 'until "$@"; do sleep 0.5; done' again \
        "$dir/bin/kube-router" --run-firewall=true --run-router=false \
        --run-service-proxy=false --metrics-port=0 --hostname-override="$1" \
        --kubeconfig="$dir/config/kube-router.kubeconfig" \
        --service-cluster-ip-range=10.96.0.0/16
}

# node_policed NODE: waits until NetworkPolicies are enforced there.
node_policed() {
    wait_for 60 "kube-router of $1, see $dir/logs" \
        inside "$1" iptables -S KUBE-ROUTER-FORWARD
}

# node_import NODE TAR...: has its containerd take images.
node_import() {
    local node=$1 tar
    shift
    for tar in "$@"; do
        # From stdin, as the node's own /run and /var/log hide those of the machine.
        inside "$node" ctr -n k8s.io images import - <"$tar" >/dev/null
    done
}

# node_root NODE: a path to the disks of a node that runs, as the node sees them.
node_root() {
    local pid
    pid=$(holder "$1") || { echo "$1 is not up" >&2; return 1; }
    echo "/proc/$pid/root/run/node/volumes"
}

# pod_network NODE UID COMMAND...: runs a command of this machine in the network of a pod.
pod_network() {
    local node=$1 found
    found=$(inside "$node" bash -c 'grep -ls "/pod$1/" /proc/[0-9]*/cgroup | head -1' find "$2")
    [ -n "$found" ] || { echo "no pod $2 runs on $node" >&2; return 1; }
    found=${found#/proc/}
    inside "$node" nsenter --target "${found%/cgroup}" --net -- "${@:3}"
}

link_gone() { ! inside control ip link show "$1"; }

# make_cgroups NODE: the groups below which kubelet puts the node's pods.
make_cgroups() {
    local root=/sys/fs/cgroup at top
    if [ -e $root/cgroup.controllers ]; then
        mkdir -p "$root/$cgroup/$1"
        for at in $root "$root/$cgroup"; do
            sed 's/[a-z_]\+/+&/g' "$at/cgroup.controllers" >"$at/cgroup.subtree_control"
        done
        return
    fi
    for top in $root/{cpu,cpuacct,cpuset,memory,devices,freezer,blkio,pids,systemd}; do
        mkdir -p "$top/$cgroup/$1"
    done
    # A new cpuset is empty, and nothing can run in it.
    for at in "$root/cpuset/$cgroup" "$root/cpuset/$cgroup/$1"; do
        cat $root/cpuset/cpuset.cpus >"$at/cpuset.cpus"
        cat $root/cpuset/cpuset.mems >"$at/cpuset.mems"
    done
}

# remove_cgroups [NODE]: those of a node, or all.
remove_cgroups() {
    local top
    for top in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ ! -d "$top/$cgroup/${1:-}" ] || wait_for 10 "empty cgroups" \
            find "$top/$cgroup/${1:-}" -depth -type d -exec rmdir {} +
    done
}
