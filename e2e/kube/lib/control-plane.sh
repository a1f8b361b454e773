# The control plane: etcd, the API server, the controllers and the scheduler in a
# space named control, whose bridge joins the nodes. A kube-proxy of its own lets
# what runs there reach Services whichever node is down. Needs $dir.

# The control plane's address on the bridge.
control_ip=10.99.0.1

# control COMMAND...: runs it in the control plane's network, as the cluster's
# administrator, with kubectl and helm at hand.
control() {
    local pid
    pid=$(holder control) || { echo "no cluster is up in $dir" >&2; return 1; }
    nsenter --target "$pid" --net -- env \
        KUBECONFIG="$dir/config/admin.kubeconfig" PATH="$dir/bin:$PATH" \
        KUBECACHEDIR="$dir/kubectl" HELM_CACHE_HOME="$dir/helm/cache" \
        HELM_CONFIG_HOME="$dir/helm/config" HELM_DATA_HOME="$dir/helm/data" "$@"
}

# control_space NODE...: the space, the bridge, and the ways to the nodes' pods.
control_space() {
    local node
    hold control
    inside control ip link add br0 type bridge
    inside control ip addr add "$control_ip/24" dev br0
    inside control ip link set br0 up
    inside control sysctl -qw net.ipv4.ip_forward=1
    # kube-proxy turns these addresses into those of pods, once there is a way out.
    inside control ip route add 10.96.0.0/16 dev br0
    for node in "$@"; do
        inside control ip route add "$(pods "$node")" via "$(address "$node")"
    done
}

# control_up: starts the programs, and waits until they work.
control_up() {
    local pki=$dir/pki etcd=http://127.0.0.1:2379 config=$dir/config
    cp "$here/config/audit.yaml" "$config/"
    sed "s#@KUBECONFIG@#$config/kube-proxy.kubeconfig#" "$here/config/kube-proxy.yaml" \
        >"$config/kube-proxy.yaml"
    # The data is thrown away with the folder.
    daemon control etcd "$dir/bin/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync \
        --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --log-level warn
    daemon control kube-apiserver "$dir/bin/kube-apiserver" --etcd-servers="$etcd" \
        --advertise-address="$control_ip" --secure-port=6443 \
        --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
        --client-ca-file="$pki/ca.crt" \
        --kubelet-client-certificate="$pki/apiserver-kubelet.crt" \
        --kubelet-client-key="$pki/apiserver-kubelet.key" \
        --kubelet-certificate-authority="$pki/ca.crt" \
        --kubelet-preferred-address-types=InternalIP \
        --service-account-key-file="$pki/accounts.pub" \
        --service-account-signing-key-file="$pki/accounts.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --requestheader-client-ca-file="$pki/front-ca.crt" \
        --requestheader-allowed-names=front-proxy \
        --requestheader-username-headers=X-Remote-User \
        --requestheader-group-headers=X-Remote-Group \
        --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file="$pki/front-proxy.crt" \
        --proxy-client-key-file="$pki/front-proxy.key" --enable-aggregator-routing=true \
        --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC \
        --enable-admission-plugins=NodeRestriction --allow-privileged=true \
        --default-not-ready-toleration-seconds=30 \
        --default-unreachable-toleration-seconds=30 \
        --audit-policy-file="$config/audit.yaml" --audit-log-path="$dir/logs/audit.log" \
        --audit-log-maxsize=1000
    wait_for 120 "the API server, see $dir/logs/kube-apiserver.log" \
        control kubectl get --raw /readyz
    daemon control kube-controller-manager "$dir/bin/kube-controller-manager" \
        --kubeconfig="$config/controller-manager.kubeconfig" \
        --authentication-kubeconfig="$config/controller-manager.kubeconfig" \
        --authorization-kubeconfig="$config/controller-manager.kubeconfig" \
        --service-account-private-key-file="$pki/accounts.key" \
        --root-ca-file="$pki/ca.crt" --use-service-account-credentials=true \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
        --service-cluster-ip-range=10.96.0.0/16 --bind-address=127.0.0.1 \
        --node-monitor-grace-period=20s --leader-elect=false
    daemon control kube-scheduler "$dir/bin/kube-scheduler" \
        --kubeconfig="$config/scheduler.kubeconfig" \
        --authentication-kubeconfig="$config/scheduler.kubeconfig" \
        --authorization-kubeconfig="$config/scheduler.kubeconfig" \
        --bind-address=127.0.0.1 --leader-elect=false
}

# control_proxy NODE: kube-proxy for the control plane's own calls. It passes for
# a node, as it wants to be one; only NodePorts would tell the difference.
control_proxy() {
    daemon control kube-proxy "$dir/bin/kube-proxy" \
        --config="$dir/config/kube-proxy.yaml" --hostname-override="$1"
}
