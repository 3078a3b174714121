package scale_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/internal/story"
	"weir/scale"
)

// TestStories plays every story of testdata. A story is a text file of
// commands, each followed by its result, indented; see testdata/README.md.
func TestStories(t *testing.T) { story.Play(t, "testdata/*.txt", 5, play) }

// teller plays one story.
type teller struct {
	policy scale.Policy
	place  mem.Deployment
	ready  int
	decide scale.Decider
	world  *world
	out    strings.Builder
}

// play runs the commands and returns the story with the results.
func play(t *testing.T, text string) string {
	s := &teller{policy: scale.Policy{Max: 10}, place: mem.Deployment{ColdStart: 60 * time.Second}, ready: 1}
	story.Lines(text, &s.out, func(line string, words []string) {
		fmt.Fprintln(&s.out, line)
		if err := s.command(words[0], words[1:]); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	})
	return s.out.String()
}

func (s *teller) command(name string, args []string) error {
	switch name {
	case "policy":
		return settings(args, s.policySetting)
	case "place":
		return settings(args, s.placeSetting)
	}
	if s.world == nil {
		if err := s.policy.Validate(); err != nil {
			return err
		}
		if s.decide == nil {
			s.decide = s.policy.Decider()
		}
		s.world = newWorld(s.decide, s.place, s.ready)
		s.world.prompt, s.world.output = 1000, 200
	}
	switch name {
	case "set":
		return settings(args, s.worldSetting)
	case "run":
		d, err := time.ParseDuration(args[0])
		if err == nil {
			s.run(d)
		}
		return err
	case "until":
		return s.until(args[0])
	case "lose":
		s.world.fleet.Fail("m", args[0], "lost by the story")
		return nil
	case "restart":
		s.world.state = scale.State{}
		return nil
	}
	return fmt.Errorf("no such command")
}

// run writes a line whenever the number changes or the chain has other rules.
func (s *teller) run(d time.Duration) {
	w := s.world
	last := ""
	for end := w.now.Add(d); w.now < end; {
		_, d := w.step()
		chain := ""
		for _, r := range d.Reasons {
			chain += string(r.Rule) + " "
		}
		if chain == last && d.Want == d.Have {
			continue
		}
		last = chain
		s.write(d)
	}
}

func (s *teller) write(d scale.Decision) {
	fmt.Fprintf(&s.out, "  %v: %d want %d", s.world.now.Sub(s.world.start), d.Have, d.Want)
	if len(d.Victims) > 0 {
		fmt.Fprintf(&s.out, ", without %s", strings.Join(d.Victims, " "))
	}
	fmt.Fprintln(&s.out)
	for _, r := range d.Reasons {
		fmt.Fprintf(&s.out, "    %s %d→%d: %s\n", r.Rule, r.From, r.To, r.Note)
	}
}

// until moves the clock to a time of Monday.
func (s *teller) until(clock string) error {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return err
	}
	w := s.world
	since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	w.run(epoch.Add(since).Sub(w.now))
	w.start = epoch
	return nil
}

func settings(args []string, set func(key, value string) error) error {
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok {
			return fmt.Errorf("%q is not key=value", a)
		}
		if err := set(key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (s *teller) policySetting(key, value string) (err error) {
	p := &s.policy
	duration := func(d *time.Duration) { *d, err = time.ParseDuration(value) }
	number := func(f *float64) { *f, err = strconv.ParseFloat(value, 64) }
	integer := func(n *int) { *n, err = strconv.Atoi(value) }
	dollars := func(m *weir.Money) {
		n := 0
		integer(&n)
		*m = weir.Money(n) * weir.Dollar
	}
	switch key {
	case "min":
		integer(&p.Min)
	case "max":
		integer(&p.Max)
	case "requests":
		number(&p.TargetRequests)
	case "concurrency":
		number(&p.TargetConcurrency)
	case "queue":
		number(&p.TargetQueue)
	case "gpu_high":
		number(&p.GPU.High)
	case "sustain":
		duration(&p.GPU.Sustain)
	case "prefill":
		number(&p.Capacity.Prefill)
	case "decode":
		number(&p.Capacity.Decode)
	case "admits":
		integer(&p.MaxConcurrency)
	case "ttft":
		duration(&p.SLO.TTFT)
	case "cold_start":
		duration(&p.ColdStart)
	case "scale_in_after":
		duration(&p.ScaleInAfter)
	case "zero_after":
		duration(&p.ZeroAfter)
	case "forecast":
		p.Forecast.Off = value == "off"
	case "price":
		dollars(&p.Price)
	case "budget":
		dollars(&p.BudgetPerHour)
	case "schedule":
		return s.schedule(value)
	default:
		return fmt.Errorf("no such setting")
	}
	return err
}

// schedule reads "mon-fri/8h/18h/min" or "*/8h/18h/min".
func (s *teller) schedule(value string) error {
	parts := strings.Split(value, "/")
	if len(parts) != 4 {
		return fmt.Errorf("%q is not days/from/to/min", value)
	}
	var line scale.Schedule
	if parts[0] == "mon-fri" {
		line.Days = []time.Weekday{1, 2, 3, 4, 5}
	}
	var err, err2, err3 error
	line.From, err = time.ParseDuration(parts[1])
	line.To, err2 = time.ParseDuration(parts[2])
	line.Min, err3 = strconv.Atoi(parts[3])
	s.policy.Schedules = append(s.policy.Schedules, line)
	return firstError(err, err2, err3)
}

func firstError(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

func (s *teller) placeSetting(key, value string) (err error) {
	switch key {
	case "cold_start":
		s.place.ColdStart, err = time.ParseDuration(value)
	case "quota":
		s.place.Quota, err = strconv.Atoi(value)
	case "one_address":
		s.place.OneAddress, err = strconv.ParseBool(value)
	case "ready":
		s.ready, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("no such setting")
	}
	return err
}

func (s *teller) worldSetting(key, value string) (err error) {
	w := s.world
	number := func(f *float64) { *f, err = strconv.ParseFloat(value, 64) }
	switch key {
	case "rate":
		number(&w.rate)
	case "each":
		number(&w.each)
	case "stay":
		number(&w.stay)
	case "gpu":
		number(&w.o.GPUUtilisation)
	case "kv":
		number(&w.o.KVUse)
	case "waiting":
		var n float64
		number(&n)
		w.waiting += n
		w.arrived += n
	case "quota":
		w.o.Quota, err = strconv.Atoi(value)
	case "signals":
		w.frozen = value == "lost"
	case "stock":
		w.fleet.SetStockOut("m", value == "out")
	case "tick":
		w.tick, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("no such setting")
	}
	return err
}
