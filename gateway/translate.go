package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

// Errors of other packages, translated into the table of answers.

// ofBody translates an error from scanning a body.
func ofBody(err error) *problem {
	var f *fieldError
	if errors.As(err, &f) {
		return &problem{is: errField, message: f.Error(), param: f.field}
	}
	return &problem{is: errSyntax, message: "the request body is " + err.Error()}
}

// ofRefusal translates a reached limit.
func ofRefusal(r *meter.Refusal) *problem {
	p := &problem{is: errTokenLimit, message: r.Error(), after: r.RetryAfter, hasAfter: true}
	switch {
	case r.TooLarge:
		p.is, p.hasAfter = errBeyondLimit, false
	case r.Kind == meter.Requests:
		p.is = errRequestLimit
	case r.Kind == meter.Concurrent:
		p.is = errConcurrentLimit
	case r.Kind == meter.TokensDay, r.Kind == meter.TokensMonth, r.Kind == meter.MoneyDay, r.Kind == meter.MoneyMonth:
		p.is = errBudget
	}
	return p
}

// kindErrors maps the upstream client's errors to what callers see.
var kindErrors = map[upstream.ErrorKind]error{
	upstream.KindConnect:       errUnreachable,
	upstream.KindTLS:           errUnreachable,
	upstream.KindCredential:    errCredential,
	upstream.KindHeaderTimeout: errSilent,
	upstream.KindStall:         errStalled,
	upstream.KindTotal:         errTookTooLong,
	upstream.KindCut:           errCut,
	upstream.KindProtocol:      errGarbled,
	upstream.KindCall:          errInternal,
	upstream.KindCanceled:      errClientGone,
}

// ofUpstream judges an error of the upstream client. The upstream's type, address and
// internal failure go to the log, not to callers.
func ofUpstream(err error) *failure {
	f := &failure{problem: &problem{is: errInternal}, result: dispatch.Unhealthy, retry: true, cause: err}
	var e *upstream.Error
	if !errors.As(err, &e) {
		return f
	}
	if is, ok := kindErrors[e.Kind]; ok {
		f.problem.is = is
	}
	switch e.Kind {
	case upstream.KindTotal: // a retry has no time left either
		f.retry = false
	case upstream.KindConnect, upstream.KindTLS:
		f.result = dispatch.Unreachable
	case upstream.KindCredential, upstream.KindCall:
		f.result = dispatch.Rejected // says nothing about the replica's health
	}
	return f
}

// throttledUnsaid is how long a throttled replica is avoided if it gave no time.
const throttledUnsaid = time.Second

// exhaustedFor is how long a deployment is skipped if its provider's account has no
// quota or credit left.
const exhaustedFor = 5 * time.Minute

// askedFor adds that a provider asks for more time than Weir grants it.
func askedFor(u *upstream.Failure) string {
	if u.Asked == 0 {
		return ""
	}
	return fmt.Sprintf(" and asks for %s, of which %s are believed", u.Asked, u.RetryAfter)
}

// ofFailure judges an error that an upstream reported.
func ofFailure(u *upstream.Failure) *failure {
	p := &problem{is: errUpstream, message: reported(u)}
	f := &failure{problem: p, result: dispatch.Unhealthy, retry: u.Retryable}
	switch {
	case u.Lacks != upstream.NoFeature:
		return ofLack(u)
	case u.NoModel:
		p.message = "the inference server does not know the model name that Weir sends: check model of its deployment in weir.yaml" + inBrackets(u)
		f.result = dispatch.Incapable
	case u.Fault == weir.CallerFault:
		*p = problem{is: errUpstreamSays, message: u.Message, status: u.Status, code: u.Code}
		if u.Status >= 500 { // some servers report an unreadable request this way
			p.status, p.code = 0, ""
		}
		f.result, f.retry = dispatch.Rejected, false
	case u.Exhausted:
		p.is, p.message = errExhausted, ""
		f.result, f.after = dispatch.Throttled, exhaustedFor
	case u.Throttled:
		p.is, p.message = errThrottled, "the model's provider is throttling"+askedFor(u)+": retry after the time given"
		f.result, f.after = dispatch.Throttled, throttledUnsaid
		switch {
		case u.HasRetryAfter:
			f.after = u.RetryAfter
		case u.Full: // another takes this request; the next one may find room here
			f.result = dispatch.Rejected
		}
		p.after, p.hasAfter = f.after, true
	case u.Status == 503:
		f.result = dispatch.Unavailable
	case u.Status == 401 || u.Status == 403:
		p.is, p.message = errCredential, ""
		f.result = dispatch.Rejected
	}
	return f
}

// reported words an error from the upstream.
func reported(u *upstream.Failure) string {
	if u.Status == 0 { // inside a stream, or an answer that began as a success
		return "the inference server reported an error" + said(u)
	}
	return fmt.Sprintf("the inference server reported an error (status %d%s)", u.Status, said(u))
}

func said(u *upstream.Failure) string {
	if u.Message == "" {
		return ""
	}
	return ": " + shortened(u.Message)
}

// maxDetail bounds, in bytes, the detail shown about a server that does not start.
const maxDetail = 400

// boundedText shortens a text in the middle: a server's last words are at its end.
func boundedText(s string, most int) string {
	if len(s) > most {
		s = s[:most/2] + " ... " + s[len(s)-most/2:]
	}
	return strings.ToValidUTF8(s, "")
}

// reasonErrors are the core's refusals.
var reasonErrors = map[dispatch.Reason]error{
	dispatch.QueueFull:    errQueueFull,
	dispatch.QueueTimeout: errWaited,
	dispatch.ColdTimeout:  errCold,
	dispatch.AllThrottled: errThrottled,
	dispatch.AllUnhealthy: errUnhealthy,
	dispatch.NoReplica:    errNoReplica,
	dispatch.StartFails:   errStartFails,
	dispatch.NoCapacity:   errNoCapacity,
	dispatch.NoDeployment: errNoDeployment,
	dispatch.RequestFails: errRequestFails,
	dispatch.Unsupported:  errUnsupported,
	dispatch.AttemptsUsed: errUpstream, // the last attempt's failure is reported instead
}

// ofVerdict translates a refusal of the core.
func ofVerdict(v dispatch.Verdict) *problem {
	p := &problem{is: errInternal, after: v.RetryAfter, hasAfter: v.RetryAfter > 0 && v.Reason != dispatch.RequestFails && v.Reason != dispatch.Unsupported}
	if is, ok := reasonErrors[v.Reason]; ok {
		p.is = is
	}
	switch v.Reason {
	case dispatch.StartFails:
		p.message = fmt.Sprintf("%v: %s of %q: %s", errStartFails, v.Replica, v.Deployment, boundedText(v.Detail, maxDetail))
	case dispatch.NoCapacity:
		p.message = fmt.Sprintf("%v: %q: %s", errNoCapacity, v.Deployment, boundedText(v.Detail, maxDetail))
	case dispatch.QueueTimeout, dispatch.ColdTimeout:
		if v.Detail != "" {
			p.message = fmt.Sprintf("%v: %s", errCold, boundedText(v.Detail, maxDetail))
		}
		p.queued, p.ahead = true, v.Ahead
	case dispatch.QueueFull:
		p.queued, p.ahead = true, v.Ahead
		p.message = fmt.Sprintf("%d requests are already waiting for this model, which is the limit: retry after the time given", v.Ahead)
	}
	return p
}
