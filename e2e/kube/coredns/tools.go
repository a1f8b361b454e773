//go:build tools

// The DNS server of e2e's cluster.
package coredns

import (
	_ "github.com/coredns/coredns"
)
