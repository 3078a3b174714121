package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// This file describes faults of numbers and keys in the user's terms: the text
// given, and the text to write in its place.

var (
	blankUnit = regexp.MustCompile(`^([0-9.]+)\s+([kM])$`)
	exponent  = regexp.MustCompile(`^[0-9.]+[eE][+-]?[0-9]+$`)
	separated = regexp.MustCompile(`^[0-9]+([_,' ][0-9]+)+[kM]?$`)
)

// numberProblem describes a text that is not a number of tokens, requests or
// the like.
func numberProblem(text string) string {
	unit := strings.TrimSpace(strings.TrimLeft(text, "0123456789."))
	switch {
	case blankUnit.MatchString(text):
		return "has a space before its unit: write " + blankUnit.ReplaceAllString(text, "$1$2")
	case strings.HasPrefix(text, "-"):
		return "is below zero"
	case exponent.MatchString(text):
		return "has an exponent: write all digits, or use k for thousands and M for millions"
	case separated.MatchString(text):
		return "has separators between its digits: write only digits, or use k for thousands and M for millions"
	case unit == text || unit == "":
		return "is not a number"
	case unit == "K" || unit == "m":
		return fmt.Sprintf("has the unknown unit %q: k is a thousand, M a million", unit)
	}
	return fmt.Sprintf("has the unknown unit %q: use k, M or none", unit)
}

// plainMoney is the problem of an amount that has more than digits.
const plainMoney = "is not a plain amount: write digits only, with cents after a point"

// decimalDigits are the digits of a whole number as people read it: YAML reads
// 0100 as 64, and 0x10 as 16.
var decimalDigits = regexp.MustCompile(`^[+-]?(0|[1-9][0-9_]*)$`)

// otherWords are the keys of other products and APIs, with Weir's words for
// them.
var otherWords = map[string][]string{
	"tpm": {"tokens", "tokens_per_minute"}, "tokens_per_minute": {"tokens"}, "max_tokens": {"tokens"},
	"rpm": {"requests", "requests_per_minute"}, "requests_per_minute": {"requests"},
	"max_concurrent": {"concurrent"}, "concurrency": {"concurrent"}, "parallel": {"concurrent"},
	"input": {"prompt"}, "output": {"completion"}, "cached_input": {"cached"},
	"key": {"api_key", "hash"}, "token": {"api_key"}, "auth": {"api_key"},
	"url": {"urls", "endpoint"}, "base_url": {"urls", "endpoint"}, "host": {"urls", "endpoint"}, "azure_endpoint": {"endpoint"}, "api_base": {"urls", "endpoint"}, "resource": {"endpoint"},
	"model_name": {"model", "name"}, "engine": {"deployment"}, "model": {"deployment"}, "azure_deployment": {"deployment"},
	"version": {"api_version"}, "azure": {"azureopenai"}, "azure_openai": {"azureopenai"}, "openai": {"external"}, "vllm": {"external"},
	"address": {"listen"}, "port": {"listen"}, "bind": {"listen"}, "context": {"max_context"}, "context_window": {"max_context"},
	"retries": {"attempts"}, "max_retries": {"attempts"}, "num_retries": {"attempts"},
	"priority": {"tier"}, "fallbacks": {"deployments"}, "replicas": {"min"}, "min_replicas": {"min"}, "max_replicas": {"max"},
}

// meant is the one of keys that key probably meant; "": none.
func meant(key string, keys []string) string {
	if near := nearest(key, keys); near != "" {
		return near
	}
	for _, known := range keys {
		if len(key) >= 4 && (fold(key)+"s" == known || fold(key)+"es" == known) {
			return known
		}
	}
	for _, known := range otherWords[fold(key)] {
		if contains(keys, known) {
			return known
		}
	}
	return ""
}

// unseen is the problem of a key with an invisible character; "": none.
func unseen(key string) string {
	for _, r := range key {
		if r > unicode.MaxASCII && unicode.In(r, unicode.Zs, unicode.Cf) {
			return fmt.Sprintf("contains the invisible character U+%04X", r)
		}
	}
	return ""
}
