//go:build tools

// The store of the Kubernetes API server that e2e runs.
package etcd

import (
	_ "go.etcd.io/etcd/server/v3"
)
