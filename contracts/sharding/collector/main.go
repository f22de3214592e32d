// Writes test vectors by the hash ring of the OpenTelemetry Collector's loadbalancing exporter.
// vectors.sh puts this file beside consistent_hashing.go of the exporter and runs both.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
)

type owned struct {
	Key   string `json:"key"`
	Owner string `json:"owner"`
}

type ring struct {
	Endpoints []string `json:"endpoints"`
	Traces    []owned  `json:"traces"`
	Services  []owned  `json:"services"`
}

type document struct {
	Made  string `json:"made_by"`
	About string `json:"about"`
	Rings []ring `json:"rings"`
}

// traceID is the number-th id: the same on every machine.
func traceID(number uint64) []byte {
	var text [8]byte
	binary.BigEndian.PutUint64(text[:], number)
	sum := sha256.Sum256(text[:])
	return sum[:16]
}

// contested lists ids whose owner would be another if a point that finds its place taken were left
// out, instead of taking the next free place.
func contested(sorted []string, wanted int) [][]byte {
	right := newHashRing(sorted)
	wrong := &hashRing{items: positionsForEndpointsWithOptions(sorted, defaultWeight, maxPositions, 1)}
	var found [][]byte
	for number := uint64(1000); number < 2_000_000 && len(found) < wanted; number++ {
		id := traceID(number)
		if right.endpointFor(id) != wrong.endpointFor(id) {
			found = append(found, id)
		}
	}
	return found
}

func vectors(endpoints []string) ring {
	// What the static resolver does with its list before the ring is made of it.
	sorted := slices.Clone(endpoints)
	sort.Strings(sorted)
	made := newHashRing(sorted)
	told := ring{Endpoints: endpoints, Traces: []owned{}, Services: []owned{}}
	ids := [][]byte{make([]byte, 16), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")}
	for number := uint64(1); number <= 60; number++ {
		ids = append(ids, traceID(number))
	}
	for _, id := range append(ids, contested(sorted, 10)...) {
		told.Traces = append(told.Traces, owned{hex.EncodeToString(id), made.endpointFor(id)})
	}
	for _, name := range []string{"", "a", "checkout", "payments", "größe", "shop-frontend"} {
		told.Services = append(told.Services, owned{name, made.endpointFor([]byte(name))})
	}
	return told
}

func main() {
	many := []string{}
	for number := range 24 {
		many = append(many, fmt.Sprintf("clew-%d.clew.svc:4317", number))
	}
	told := document{
		Made:  "contracts/sharding/collector/vectors.sh " + os.Args[1],
		About: "Which endpoint the loadbalancing exporter " + os.Args[1] + " of the OpenTelemetry Collector chooses, by its own code: trace ids are hashed as 16 bytes, names of services as UTF-8. The last traces of a ring are those whose owner hangs on where a point goes that finds its place taken.",
	}
	for _, endpoints := range [][]string{
		{"a:4317"},
		{"a:4317", "b:4317"},
		{"b:4317", "a:4317", "c:4317"},
		{"127.0.0.1:14317", "127.0.0.1:24317", "127.0.0.1:34317"},
		{"shard-1", "shard-0"},
		{"[fd00::2]:4317", "[fd00::1]:4317", "telemetry.example:4317", "10.0.0.9:4317"},
		many,
	} {
		told.Rings = append(told.Rings, vectors(endpoints))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(told); err != nil {
		panic(err)
	}
}
