package fit

import (
	"errors"
	"fmt"
)

// layoutRules are the divisibility rules without which engines refuse to start:
// each error names the rule and the nearest allowed value.
func layoutRules(m *Model, s Setup) error {
	var faults []error
	if m.Heads > 0 && !tpAllowed(m, s.TP, s.EP) {
		faults = append(faults, fmt.Errorf("%w: tensor parallel %d: %s; nearest allowed: %s",
			ErrLayout, s.TP, tpRule(m, s.TP, s.EP), nearest(s.TP, func(n int) bool { return tpAllowed(m, n, s.EP) })))
	}
	if s.PP > m.Layers {
		faults = append(faults, fmt.Errorf("%w: pipeline parallel %d: the model has %d layers; nearest allowed: %d", ErrLayout, s.PP, m.Layers, m.Layers))
	}
	if s.EP && m.Experts == 0 {
		faults = append(faults, fmt.Errorf("%w: expert parallel: %s is not a mixture of experts; leave it out", ErrLayout, m.Name))
	}
	if m.MaxContext > 0 && s.Context > m.MaxContext && !m.LooseLimit {
		faults = append(faults, fmt.Errorf("%w: context %d is above the model's limit of %d tokens; ask for at most %d", ErrSetup, s.Context, m.MaxContext, m.MaxContext))
	}
	return errors.Join(faults...)
}

// paddedVocab is the vocabulary as engines store it (vLLM
// vocab_parallel_embedding.py pads to 64).
func paddedVocab(v int) int { return (v + 63) / 64 * 64 }

func tpAllowed(m *Model, tp int, ep bool) bool { return tpRule(m, tp, ep) == "" }

func tpRule(m *Model, tp int, ep bool) string {
	switch {
	case tp <= 1 || m.Heads == 0:
		return ""
	case m.Heads%tp != 0:
		return fmt.Sprintf("it must divide the %d attention heads", m.Heads)
	case paddedVocab(m.Vocab)%tp != 0:
		return fmt.Sprintf("it must divide the padded vocabulary of %d", paddedVocab(m.Vocab))
	case m.Attention != mla && m.KVHeads > 0 && m.KVHeads%tp != 0 && tp%m.KVHeads != 0:
		return fmt.Sprintf("it must divide the %d KV heads or be a multiple of them", m.KVHeads)
	case m.Intermediate > 0 && m.Intermediate%tp != 0:
		return fmt.Sprintf("it must divide the MLP width of %d", m.Intermediate)
	case !ep && m.Experts > 0 && m.MoEIntermediate > 0 && m.MoEIntermediate%tp != 0:
		return fmt.Sprintf("it must divide the expert width of %d, or use expert parallel", m.MoEIntermediate)
	case ep && m.Experts%tp != 0:
		return fmt.Sprintf("it must divide the %d experts to spread them whole", m.Experts)
	}
	return ""
}

// nearest lists the next allowed value below and above.
func nearest(n int, ok func(int) bool) string {
	below, above := 1, 0
	for i := n - 1; i > 1; i-- {
		if ok(i) {
			below = i
			break
		}
	}
	for i := n + 1; i <= 4*n; i++ {
		if ok(i) {
			above = i
			break
		}
	}
	if above == 0 {
		return fmt.Sprint(below)
	}
	return fmt.Sprintf("%d or %d", below, above)
}

// stageLayers divides layers among pipeline stages: what does not divide goes
// to the stages before the last, which holds the output layer (vLLM
// distributed/utils.py get_pp_indices).
func stageLayers(layers, pp int) []int {
	out := make([]int, pp)
	for i := range out {
		out[i] = layers / pp
	}
	for i := range layers % pp {
		at := pp - 2 - i
		if at < 0 {
			at += pp
		}
		out[at]++
	}
	return out
}
