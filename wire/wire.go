// Package wire turns a configuration (package config) into the options of each
// package: the gateway, the scaling policy, the places of replicas, the engine
// that times a replica. It alone knows both sides, and it decides nothing:
// values the file omits come from the catalogue, or are the option's own zero.
package wire
