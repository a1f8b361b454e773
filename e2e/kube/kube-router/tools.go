//go:build tools

// What enforces NetworkPolicies on the nodes of e2e's cluster.
package kuberouter

import (
	_ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
)
