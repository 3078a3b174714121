package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"weir"
)

// Kinds of log entries. The values are part of the log's sum.
const (
	loggedArrival uint64 = iota + 1
	loggedGrant
	loggedFirstToken
	loggedCompletion
	loggedRefusal
	loggedFailure
	loggedReplicas
	loggedDecision
)

// eventLog is a hash of all events. Two runs can be compared without keeping
// either.
type eventLog struct {
	hash hash.Hash
	buf  []byte
}

func newEventLog() eventLog { return eventLog{hash: sha256.New(), buf: make([]byte, 0, 4096)} }

func (l *eventLog) add(at weir.Instant, what, who, detail uint64) {
	if len(l.buf)+32 > cap(l.buf) {
		l.flush()
	}
	for _, v := range [4]uint64{uint64(at), what, who, detail} {
		l.buf = binary.LittleEndian.AppendUint64(l.buf, v)
	}
}

func (l *eventLog) flush() {
	l.hash.Write(l.buf) // never fails, by its contract
	l.buf = l.buf[:0]
}

func (l *eventLog) sum() string {
	l.flush()
	return hex.EncodeToString(l.hash.Sum(nil))
}
