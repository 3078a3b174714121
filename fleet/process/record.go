package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"weir"
	"weir/fleet"
)

// record is the state folder's knowledge of one replica's process: enough to
// find it again after Weir died, and never to take another process for it.
type record struct {
	ID         string       `json:"replica"`
	Deployment string       `json:"deployment"`
	Hash       string       `json:"template"`
	PID        int          `json:"pid"`     // 0: was about to be started
	Birth      string       `json:"started"` // of pid
	Port       int          `json:"port"`
	GPUs       []string     `json:"gpus,omitempty"`
	Asked      weir.Instant `json:"asked"`
	Keep       bool         `json:"keep"`
}

const recordEnd = ".replica.json"

// lockDir takes the state folder, or returns fleet.ErrInUse. The kernel frees
// it when this process ends, in any way: a folder has one writer.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("process fleet: state folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("process fleet: state folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("process fleet: state folder %s: %w: stop that one, or name another folder: %w", dir, fleet.ErrInUse, err)
	}
	return lock, nil
}

// sequenceBlock is how many ids are reserved at once, since a file is written
// each time. A crash skips the unused ones.
const sequenceBlock = 100

func (f *Fleet) sequencePath() string { return filepath.Join(f.o.StateDir, "sequence") }

// saveSequence reserves the next ahead ids: an id names one replica for ever,
// also in journal and logs, across restarts of Weir.
func (f *Fleet) saveSequence(ahead int) error {
	if err := replaceFile(f.sequencePath(), []byte(strconv.Itoa(f.seq+ahead))); err != nil {
		return fmt.Errorf("process fleet: replica numbers: %w", err)
	}
	f.seqSaved = f.seq + ahead
	return nil
}

// returnSequence gives back the unused reserved ids.
func (f *Fleet) returnSequence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.saveSequence(0); err != nil {
		f.o.Log.Warn("replica numbers will skip some", "err", err)
	}
}

func (f *Fleet) loadSequence() error {
	b, err := os.ReadFile(f.sequencePath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process fleet: replica numbers: %w", err)
	}
	if f.seq, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil {
		return fmt.Errorf("process fleet: replica numbers: %s: %w: write a number above that of any replica there was", f.sequencePath(), err)
	}
	f.seqSaved = f.seq
	return nil
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// record describes a replica whose process is about to start. The lock is
// held.
func (f *Fleet) record(r *replica, port int) record {
	return record{
		ID: r.view.ID, Deployment: r.dep.Name, Hash: r.dep.hash, Port: port, GPUs: r.gpus, Asked: r.view.Asked, Keep: f.o.Keep,
	}
}

func (rec record) addr() string { return "http://" + hostPort(rec.Port) }

func (f *Fleet) recordPath(id string) string { return filepath.Join(f.o.StateDir, id+recordEnd) }

// mark is carried by a replica's processes in their environment.
func (f *Fleet) mark(id string) string { return f.o.StateDir + "#" + id }

func (f *Fleet) save(rec record) error {
	b, err := json.Marshal(rec)
	if err == nil {
		err = replaceFile(f.recordPath(rec.ID), b)
	}
	if err != nil {
		return fmt.Errorf("replica could not be recorded: %w", err)
	}
	return nil
}

func (f *Fleet) unsave(id string) { os.Remove(f.recordPath(id)) }

// forget drops a replica that is gone, with its GPUs and its files.
func (f *Fleet) forget(r *replica) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Log.Info("replica gone", "deployment", r.dep.Name, "replica", r.view.ID)
	f.room.freeGPUs(r.gpus)
	defer f.changed()
	f.replicas = slices.DeleteFunc(f.replicas, func(x *replica) bool { return x == r })
	for name := range f.deps { // a replacement may need its GPUs
		f.roll(name)
	}
	os.Remove(f.outputPath(r.view.ID))
	os.Remove(f.outputPath(r.view.ID) + ".1")
}

// recall reads the records of an earlier Weir and sorts them into replicas to
// adopt and leftovers to end.
func (f *Fleet) recall() error {
	if err := f.loadSequence(); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(escapeGlob(f.o.StateDir), "*"+recordEnd))
	if err != nil {
		return fmt.Errorf("process fleet: state folder: %w", err)
	}
	var recs []record
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("process fleet: state folder: %w", err)
		}
		var rec record
		if err := json.Unmarshal(b, &rec); err != nil || rec.ID+recordEnd != filepath.Base(path) {
			// Records are written whole or not at all, so this is not Weir's.
			f.o.Log.Warn("state file not understood, ignored", "path", path, "err", err)
			continue
		}
		recs = append(recs, rec)
	}
	slices.SortFunc(recs, func(a, b record) int { return int(a.number() - b.number()) })
	for _, rec := range recs {
		f.seq = max(f.seq, rec.number())
		if why := f.adopt(rec); why != nil {
			f.o.Log.Warn("replica of an earlier weir not adopted", "replica", rec.ID, "deployment", rec.Deployment, "pid", rec.PID, "err", why)
			f.leftovers = append(f.leftovers, rec)
		}
	}
	return nil
}

// adopt takes over a recorded replica if it is alive and its deployment still
// asks for it.
func (f *Fleet) adopt(rec record) error {
	d := f.deps[rec.Deployment]
	switch {
	case !f.o.Keep || !rec.Keep:
		return errors.New("replicas of this fleet end with Weir")
	case d == nil:
		return errors.New("its deployment is no longer configured")
	case d.hash != rec.Hash:
		return errors.New("its deployment is started differently now")
	}
	if now, err := birth(rec.PID); err != nil || now != rec.Birth {
		return errors.New("it has ended")
	}
	if f.room.usedPort[rec.Port] || !f.room.claimGPUs(rec.GPUs) {
		return errors.New("its port or GPUs no longer belong to this fleet")
	}
	f.room.usedPort[rec.Port] = true
	r := newReplica(d, weir.Replica{
		ID: rec.ID, Deployment: rec.Deployment, Addr: rec.addr(), State: weir.Starting,
		Since: weir.At(time.Now()), Asked: rec.Asked, Detail: fmt.Sprintf("pid %d, adopted, not checked yet", rec.PID),
	})
	r.gpus, r.port = rec.GPUs, rec.Port
	r.proc = &proc{pid: rec.PID, birth: rec.Birth, mark: f.mark(rec.ID), output: f.outputPath(rec.ID), limit: d.LogBytes}
	f.replicas = append(f.replicas, r)
	return nil
}

// endLeftovers ends the processes that were recorded and not adopted, all at
// once. Nothing may start before: they hold GPU memory.
func (f *Fleet) endLeftovers() {
	f.mu.Lock()
	recs, deps := f.leftovers, f.deps // Configure replaces the map, it does not change it
	f.leftovers = nil
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, rec := range recs {
		wg.Go(func() {
			grace := 10 * time.Second
			if d := deps[rec.Deployment]; d != nil {
				grace = d.StopGrace
			}
			p := &proc{pid: rec.PID, birth: rec.Birth, mark: f.mark(rec.ID)}
			if err := p.stop(grace); err != nil {
				f.o.Log.Error("leftover replica could not be ended", "replica", rec.ID, "err", err)
				return // its record stays, and the next start tries again
			}
			f.unsave(rec.ID)
			os.Remove(f.outputPath(rec.ID))
			os.Remove(f.outputPath(rec.ID) + ".1")
		})
	}
	wg.Wait()
}

// number is the counter at the end of a replica's id.
func (rec record) number() int {
	n, err := strconv.Atoi(rec.ID[strings.LastIndexByte(rec.ID, '-')+1:])
	if err != nil {
		return 0
	}
	return n
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
