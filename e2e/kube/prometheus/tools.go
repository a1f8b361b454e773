//go:build tools

// The Prometheus that reads the metrics of a service, and the tool that judges its rules.
package prometheus

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
