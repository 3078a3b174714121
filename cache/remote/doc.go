// Package remote keeps stored answers in one Redis or Valkey for several gateways, and says
// which of them asks the model when all want the same answer.
//
// It owns the form of the values, the purges' numbers, and the leases by which one gateway
// asks. It refuses to know whose an answer is and whether it is fresh: package cache decides
// that. No request depends on it. One lookup waits for Budget at most; after a few that had
// no answer in time none is made, until Redis answers the store's own probes again. Writes
// wait in a bounded queue and are dropped when it is full. What Redis holds is not trusted:
// a value that is not this key's entry, whole and of this release, is no entry.
package remote
