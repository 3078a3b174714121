package baseline

import (
	"fmt"
	"slices"
	"time"

	"weir/scale"
)

// AzureMonitor is a rule set as Azure documents it for managed online
// endpoints: every minute, mean GPU utilisation over 5 minutes; two more above
// High; one less below 30 % unless the rest would be above High (its check
// against flapping); 5 minutes of cooldown after each.
type AzureMonitor struct {
	Bounds
	High float64 // the knob; 0: 0.7
}

const (
	azureTick     = time.Minute
	azureWindow   = 5 * time.Minute
	azureCooldown = 5 * time.Minute
	azureLow      = 0.3
)

// Decider returns the policy.
func (b AzureMonitor) Decider() scale.Decider {
	b.High = orDefault(b.High, 0.7)
	sample := 15 * time.Second
	return b.decider(sample, func(m *scale.Memory, o *scale.Observation, c census) (int, string) {
		if o.GPUUtilisation < 0 || c.ready == 0 {
			return c.have, "utilisation is not known"
		}
		m.Level(o.Now, o.GPUUtilisation, azureWindow)
		mean := m.Mean(o.Now, azureWindow)
		why := fmt.Sprintf("utilisation %.0f %% over 5 min, in below %.0f %%, out above %.0f %%", 100*mean, 100*azureLow, 100*b.High)
		if o.Now < m.Until || o.Now.Sub(m.Levels[0].At) < azureWindow-sample {
			return c.have, why
		}
		n := c.have
		switch {
		case mean > b.High:
			n += 2
		case mean < azureLow && n > 1 && mean*float64(n)/float64(n-1) < b.High:
			n--
		default:
			m.Until = o.Now.Add(azureTick)
			return n, why
		}
		m.Until = o.Now.Add(azureCooldown)
		return n, why
	})
}

// Yesterday plans for yesterday's load in the next five minutes of the day,
// plus today's smoothed difference.
type Yesterday struct {
	Bounds
	Use      float64 // the knob: share of the capacity to plan for; 0: 0.8
	Capacity scale.Capacity
}

const (
	yesterdaySlot  = 5 * time.Minute
	yesterdaySlots = int(24 * time.Hour / yesterdaySlot)
	yesterdayGain  = 0.3
)

// Decider returns the policy.
func (b Yesterday) Decider() scale.Decider {
	b.Use = orDefault(b.Use, 0.8)
	return b.decider(15*time.Second, func(m *scale.Memory, o *scale.Observation, c census) (int, string) {
		load, over, ok := m.Load(b.Capacity, o)
		if !ok || over == 0 {
			m.Count(o)
			return c.have, "no rate is known yet"
		}
		if over >= time.Minute {
			m.Count(o)
		}
		if len(m.Days) != yesterdaySlots {
			m.Days = slices.Repeat([]float32{-1}, yesterdaySlots)
		}
		slot := int(int64(o.Now)/int64(yesterdaySlot)) % yesterdaySlots
		was, will := float64(m.Days[slot]), float64(m.Days[(slot+1)%yesterdaySlots])
		if was < 0 || will < 0 {
			was, will = 0, 0 // the first day: the present load, smoothed
		}
		m.Value += yesterdayGain * (load - was - m.Value)
		if next := int(int64(o.Now.Add(15*time.Second))/int64(yesterdaySlot)) % yesterdaySlots; next != slot {
			m.Days = slices.Clone(m.Days)
			m.Days[slot] = float32(load)
		}
		expected := max(will+m.Value, 0)
		return max(scale.Whole(expected/b.Use), 1), fmt.Sprintf("load of %.3g replicas, %.3g expected", load, expected)
	})
}
