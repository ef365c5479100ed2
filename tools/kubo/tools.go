//go:build tools

// Package kubo pins the Kubo release that is built when none is installed.
package kubo

import _ "github.com/ipfs/kubo/cmd/ipfs"
