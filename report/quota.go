package report

import (
	"fmt"
	"io"
	"strings"

	"weir/quota"
)

// QuotaNeed is what a deployment needs at its most.
type QuotaNeed struct {
	Deployment, Most, Said string
	OK                     bool
}

// Quotas writes the quotas of a subscription: those in use, and those of machines with a limit; what the
// deployments need, and what could not be read. With all it leaves nothing out.
func Quotas(out io.Writer, b *quota.Book, needs []QuotaNeed, faults []string, all bool) error {
	w := columns(out)
	hidden := 0
	for i, u := range b.Usages {
		if i == 0 {
			fmt.Fprintln(w, "WHERE\tQUOTA\tUSED\tLIMIT\tFREE\tUNIT")
		}
		if u.Used == 0 && (u.Limit <= 0 || u.Service == quota.OpenAI) && !all {
			hidden++
			continue
		}
		limit, free := "none", ""
		if u.Bounded() {
			limit, free = fmt.Sprint(u.Limit), fmt.Sprint(u.Free())
		}
		where := u.Location
		if u.Workspace != "" {
			where += ", workspace " + u.Workspace
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", where, u.Name, u.Used, limit, free, u.Unit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(out, "%d more are not in use: see them with --all\n", hidden)
	}
	for i, c := range b.Capacities {
		if i == 0 {
			fmt.Fprintln(out, "\nIn stock for more units")
		}
		fmt.Fprintf(w, "  %s\t%s %s\t%s\t%d\n", c.Location, c.Model, c.Version, c.SKU, c.Available)
	}
	for i, n := range needs {
		if i == 0 {
			fmt.Fprintln(w, "\nWhat the deployments need at their most")
		}
		verdict := "ok"
		if !n.OK {
			verdict = "SHORT"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", verdict, n.Deployment, n.Most, n.Said)
	}
	if len(faults) > 0 {
		fmt.Fprintln(w, "\nNot read:\n  "+strings.Join(faults, "\n  "))
	}
	return w.Flush()
}
