package cache

import (
	"testing"

	"pgregory.net/rapid"
)

// However callers come, leave and fail: at most one leads; one that leaves ends nothing
// while another wants the answer; the last one cancels; every caller that has not left
// leads or ends with a leader; and none waits for more than MaxFailures leaders.
func TestOneCallerOfAFlightLeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f Flight
		waits, reads, gone := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
		leader, last, cancelled, stopped, failed := uint64(0), uint64(0), false, false, 0
		end := func(whole, asked bool) {
			next := uint64(0)
			if asked {
				next = f.Ended(leader, whole)
			} else {
				next = f.Resign(leader)
			}
			reads, cancelled = map[uint64]bool{}, false
			if !stopped && asked {
				failed++
			}
			stopped = false
			if whole || failed == MaxFailures {
				waits, failed = map[uint64]bool{}, 0
			}
			if len(waits) == 0 && next == 0 {
				failed = 0
			}
			if (next != 0) != (len(waits) > 0) || next != 0 && !waits[next] {
				t.Fatalf("%d leads next of %v", next, waits)
			}
			delete(waits, next)
			leader = next
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "does") {
			case 0, 1:
				last++
				leads, ok := f.Join(last)
				if leads != (leader == 0) || !ok {
					t.Fatalf("%d leads: %v, and the leader is %d", last, leads, leader)
				}
				if leads {
					leader = last
				} else {
					waits[last], cancelled = true, false
				}
			case 2:
				id := rapid.Uint64Range(1, last+1).Draw(t, "reads")
				if f.Begin(id); waits[id] {
					delete(waits, id)
					reads[id] = true
				}
			case 3:
				id := rapid.Uint64Range(1, max(last, 1)).Draw(t, "leaves")
				if last == 0 {
					continue
				}
				cancel := f.Leave(id)
				gone[id] = true
				delete(waits, id)
				delete(reads, id)
				if want := leader != 0 && gone[leader] && len(waits)+len(reads) == 0; cancel != want {
					t.Fatalf("cancel: %v, want %v", cancel, want)
				}
				cancelled, stopped = cancelled || cancel, stopped || cancel
			case 4:
				if leader != 0 {
					end(false, true)
				}
			case 5:
				if leader != 0 && !cancelled {
					end(true, true)
				}
			case 6:
				if leader != 0 && !gone[leader] && len(reads) == 0 {
					end(false, false)
				}
			}
			if f.Leader() != leader || f.Followers() != len(waits)+len(reads) {
				t.Fatalf("the leader is %d of %d followers, want %d of %d", f.Leader(), f.Followers(), leader, len(waits)+len(reads))
			}
		}
		for leader != 0 {
			end(false, true)
		}
		if f.Followers() != 0 {
			t.Fatalf("%d are left without a leader", f.Followers())
		}
	})
}

func TestTheFollowersOfAFlightAreBounded(t *testing.T) {
	var f Flight
	f.Join(1)
	for id := uint64(2); id < MaxFollowers+2; id++ {
		f.Join(id)
	}
	if leads, ok := f.Join(MaxFollowers + 2); leads || ok {
		t.Error("one more follows")
	}
}
