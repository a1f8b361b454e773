//go:build tools

// The Helm that installs the chart in e2e's cluster.
package helm

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
