package limits

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Notes are what one gateway writes for all to ask for by name: whose an answer
// is. They are kept until many more were written; those not asked for longest go
// first. One that is written while Redis is away is lost to the others.

const (
	maxNotes     = 500_000             // kept at least, and half of how many at most: 100 bytes each, or so
	notesKept    = 30 * 24 * time.Hour // when none is written
	notesPending = 1024                // said here and not written yet
)

type note struct{ name, text string }

// writeNoteLua and readNoteLua have KEYS present, former.
var (
	writeNoteLua = rueidis.NewLuaScript(`
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  redis.call('UNLINK', KEYS[2])
  redis.call('RENAME', KEYS[1], KEYS[2])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1`)
	readNoteLua = rueidis.NewLuaScript(`
return redis.call('HGET', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1]) or ''`)
)

// Note has a text kept for all gateways under a name. It never blocks.
func (s *Shared) Note(name, text string) {
	select {
	case s.notes <- note{name, text}:
	default:
	}
}

// Noted returns the text a gateway has kept under a name, "" if none has, and
// has it kept for longer.
func (s *Shared) Noted(ctx context.Context, name string) (string, error) {
	c, err := s.connected()
	if err != nil {
		return "", err
	}
	text, err := readNoteLua.Exec(ctx, c, s.noteKeys(), []string{name}).ToString()
	if err == nil && text != "" {
		s.Note(name, text)
	}
	return text, err
}

func (s *Shared) noteKeys() []string {
	return []string{"{" + s.o.Prefix + ":notes}:present", "{" + s.o.Prefix + ":notes}:former"}
}

// writeNotes writes what Note was given until ctx ends.
func (s *Shared) writeNotes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-s.notes:
			s.writeNote(ctx, n)
		}
	}
}

// writeNote writes one note, once more if the connection broke.
func (s *Shared) writeNote(ctx context.Context, n note) {
	args := []string{n.name, n.text, strconv.Itoa(maxNotes), strconv.Itoa(int(notesKept / time.Second))}
	for range 2 {
		c, err := s.connected()
		if err != nil {
			return
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		err = writeNoteLua.Exec(limited, c, s.noteKeys(), args).Error()
		cancel()
		var refusal *rueidis.RedisError
		if err == nil || errors.As(err, &refusal) {
			for _, key := range s.noteKeys() {
				s.heal(ctx, c, key, "hash", err)
			}
			return
		}
	}
}
