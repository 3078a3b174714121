package limits

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Notes are texts that one gateway stores for all under a name: the owner of an
// answer. They are kept until many more were written; those unread for longest
// go first. A note written while Redis is away is lost to the others.

const (
	maxNotes     = 500_000             // kept at least; at most twice as many: about 100 bytes each
	notesKept    = 30 * 24 * time.Hour // after the last write
	notesPending = 1024                // waiting to be written
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

// Note stores a text for all gateways under a name. It never blocks.
func (s *Shared) Note(name, text string) {
	select {
	case s.notes <- note{name, text}:
	default:
	}
}

// Noted returns the text stored under a name, "" if there is none, and renews
// its lifetime.
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

// writeNotes writes the notes until ctx ends.
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

// writeNote writes one note, and tries once more if the connection broke.
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
