package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Finding is what is wrong with a deployment's workload, or doubtful.
type Finding struct {
	Deployment string
	Doubt      bool // replicas may come all the same
	Err        error
}

// ErrAway: the cluster does not answer now. What it would say is unknown.
var ErrAway = errors.New("the cluster does not answer")

// Valid says whether New and Configure would take the options. It reads no file
// and asks no cluster.
func Valid(o Options) error { return o.fill() }

// Check is Examine without the doubts: the reasons for which Weir could not
// scale a workload or route to its pods. It is ErrAway if there are none but that
// the cluster does not answer.
func Check(ctx context.Context, o Options) error {
	found, err := Examine(ctx, o)
	if err != nil {
		return err
	}
	return verdict(found)
}

// verdict is the faults without the doubts. What one workload is refused for is
// not lost where the cluster does not answer about another.
func verdict(found []Finding) error {
	var faults, unknown []error
	for _, f := range found {
		switch {
		case f.Doubt:
		case errors.Is(f.Err, ErrAway):
			unknown = append(unknown, f.Err)
		default:
			faults = append(faults, f.Err)
		}
	}
	if len(faults) == 0 {
		return errors.Join(unknown...)
	}
	return errors.Join(faults...)
}

// Examine asks the cluster what New cannot know: each workload exists and can be
// scaled, Weir's rights suffice, nothing else writes its replicas, and there are
// nodes and quota for them. The error is that there is no access at all.
func Examine(ctx context.Context, o Options) ([]Finding, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if len(o.Deployments) == 0 {
		return nil, nil
	}
	c, err := connect(o, -1, 0) // no limit: it asks one thing after the other
	if err != nil {
		return nil, err
	}
	c.granted = map[question]bool{}
	var found []Finding
	if o.Leads == nil && o.Lease != "" && slices.ContainsFunc(o.Deployments, func(d Deployment) bool { return !d.ScaledElsewhere }) {
		if err := c.leaseRights(ctx, o); err != nil {
			found = append(found, Finding{Err: err})
		}
	}
	for _, d := range o.Deployments {
		found = append(found, c.examine(ctx, d)...)
	}
	for i := range found {
		if away(found[i].Err) {
			found[i].Err = fmt.Errorf("%w: %w", ErrAway, found[i].Err)
		}
	}
	return found, nil
}

// away says whether an error is that the API server cannot be reached, or could
// answer later.
func away(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsInternalError(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err)
}

func (c *cluster) examine(ctx context.Context, d Deployment) []Finding {
	fault := func(err error) []Finding { return []Finding{{Deployment: d.Name, Err: err}} }
	t, err := c.find(ctx, d)
	if err != nil {
		return fault(err)
	}
	lacks, weaker, err := c.rights(ctx, t)
	if err != nil {
		return fault(err)
	}
	if lacks != "" {
		return fault(d.fault("Weir may not %s: grant it with a Role and a RoleBinding in namespace %s", lacks, d.Namespace))
	}
	var found []Finding
	doubt := func(format string, args ...any) {
		found = append(found, Finding{Deployment: d.Name, Doubt: true, Err: d.fault(format, args...)})
	}
	if weaker != "" {
		doubt("Weir may not %s: it learns later, or not at all, why replicas do not come and what else writes their number, or cannot say so in events", weaker)
	}
	s, err := t.read(ctx)
	if err != nil {
		return append(found, fault(err)...)
	}
	if s.Status.Selector == "" {
		return append(found, fault(d.fault("the scale of %s has no selector: its pods cannot be told from others", d.target()))...)
	}
	o, err := t.get(ctx)
	if err != nil {
		return append(found, fault(err)...)
	}
	if !d.ScaledElsewhere {
		who, err := c.writer(ctx, t, o)
		if err != nil {
			return append(found, fault(err)...)
		}
		if who != "" {
			return append(found, fault(d.fault("%w: %s", ErrHeld, who))...)
		}
	}
	for _, text := range c.tight(ctx, d, shapeOf(o.Object), int(s.Spec.Replicas)) {
		doubt("%s", text)
	}
	return found
}

// tight says where replicas would find no room now: no node has their devices,
// or a quota has no place for one more; and what Weir may not read to tell.
func (c *cluster) tight(ctx context.Context, d Deployment, sh shape, have int) (doubts []string) {
	if uncounted, err := c.missing(ctx, sh.rights(d.Namespace)); err == nil && uncounted != "" {
		doubts = append(doubts, fmt.Sprintf("Weir may not %s: devices that its pods claim are not counted, and it may ask for pods that find none", uncounted))
	}
	var list corev1.NodeList
	if err := c.core.Get().Resource("nodes").Do(ctx).Into(&list); err == nil {
		all := newNodes()
		all.listed = true
		for i := range list.Items {
			all.by[list.Items[i].Name] = &list.Items[i]
		}
		claimed, err := c.inventory(ctx, d.Namespace, sh, all.absent(sh), nil)
		if err != nil {
			claimed = nil // unknown
		}
		if most, _ := all.room(sh, nil, claimed, d.NodesMax); most == 0 {
			doubts = append(doubts, fmt.Sprintf("no node that is there and ready takes a pod of %s (%s): its node selector, tolerations and devices must match a node; a pool that starts nodes by itself needs max_nodes", d.target(), sh))
		}
	}
	var quotas corev1.ResourceQuotaList
	if err := c.core.Get().Namespace(d.Namespace).Resource("resourcequotas").Do(ctx).Into(&quotas); err == nil {
		if most, why := quotaRoom(quotas.Items, sh, have); most == have {
			doubts = append(doubts, fmt.Sprintf("there is no room for one more replica: %s", why))
		}
	}
	return doubts
}

// sentence writes "a, b and c".
func sentence(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
