// Holdfast is a regression agent for proofs, structural invariants and GPU throughput.
package main

import (
	"context"
	"os"

	"github.com/holdfast-ci/holdfast/agent"
)

func main() {
	os.Exit(agent.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
