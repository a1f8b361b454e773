# The cluster's keys and certificates, and a kubeconfig for each who calls the
# API server. Needs $dir.

# authority NAME COMMON-NAME: a certificate authority.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=$2" -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
        -keyout "$dir/pki/$1.key" -out "$dir/pki/$1.crt" 2>/dev/null
}

# certify NAME SUBJECT AUTHORITY [NAMES]: a certificate for a server and a client.
certify() {
    local at=$dir/pki/$1
    {
        echo keyUsage=critical,digitalSignature
        echo extendedKeyUsage=serverAuth,clientAuth
        [ -z "${4:-}" ] || echo "subjectAltName=$4"
    } >"$at.ext"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
        -keyout "$at.key" -out "$at.csr" 2>/dev/null
    openssl x509 -req -in "$at.csr" -CA "$dir/pki/$3.crt" -CAkey "$dir/pki/$3.key" \
        -set_serial "0x$(openssl rand -hex 8)" -days 3650 -extfile "$at.ext" \
        -out "$at.crt" 2>/dev/null
    rm -f "$at.csr" "$at.ext"
}

# kubeconfig NAME: for who has that certificate, with all of it inside.
kubeconfig() {
    local pki=$dir/pki
    cat >"$dir/config/$1.kubeconfig" <<K
apiVersion: v1
kind: Config
clusters:
- name: e2e
  cluster:
    server: https://$control_ip:6443
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$pki/$1.crt")
    client-key-data: $(base64 -w0 "$pki/$1.key")
contexts:
- name: e2e
  context: {cluster: e2e, user: $1}
current-context: e2e
K
}

# certificates NODE...: all of them.
certificates() {
    local node service=kubernetes.default
    mkdir -p "$dir/pki" "$dir/config"
    authority ca kubernetes
    authority front-ca front-proxy
    certify apiserver /CN=kube-apiserver ca "DNS:localhost,DNS:kubernetes,DNS:$service,DNS:$service.svc,DNS:$service.svc.cluster.local,IP:127.0.0.1,IP:$control_ip,IP:10.96.0.1"
    certify apiserver-kubelet /O=system:masters/CN=kube-apiserver ca
    certify front-proxy /CN=front-proxy front-ca
    certify admin /O=system:masters/CN=admin ca
    certify controller-manager /CN=system:kube-controller-manager ca
    certify scheduler /CN=system:kube-scheduler ca
    certify kube-proxy /CN=system:kube-proxy ca
    certify kube-router /CN=system:kube-router ca
    for node in "$@"; do
        certify "$node" "/O=system:nodes/CN=system:node:$node" ca \
            "DNS:$node,IP:$(address "$node")"
        kubeconfig "$node"
    done
    for node in admin controller-manager scheduler kube-proxy kube-router; do
        kubeconfig "$node"
    done
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/pki/accounts.key"
    openssl ec -in "$dir/pki/accounts.key" -pubout -out "$dir/pki/accounts.pub" 2>/dev/null
}
