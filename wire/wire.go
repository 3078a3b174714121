// Package wire turns a configuration (package config) into the options of each
// package: the gateway's, the scaling policy, what runs replicas, the engine a
// replica is timed as. It alone knows both sides, and it decides nothing: what
// the file leaves out comes from the catalogue, or is the option's own zero.
package wire
