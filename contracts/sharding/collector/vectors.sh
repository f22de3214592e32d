#!/bin/sh
# Writes ../vectors.json with the ring of the Collector's loadbalancing exporter, as it is published
# as a Go module: contracts/sharding/collector/vectors.sh [VERSION]
# Nothing of the exporter is kept here: its file is put beside main.go in a folder for the occasion.
set -eu
version=${1:-v0.160.0}
module=github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
go mod init ring >/dev/null 2>&1
folder=$(go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
# The static resolver sorts its list: without that line the vectors would say something else.
grep -q 'sort.Strings(endpointsCopy)' "$folder/resolver_static.go"
sed 's/^package loadbalancingexporter.*/package main/' "$folder/consistent_hashing.go" >ring.go
cp "$here/main.go" main.go
go run . "$version" >vectors.json
mv vectors.json "$here/../vectors.json"
