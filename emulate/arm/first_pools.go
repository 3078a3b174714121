package arm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxPools of a cluster ("Quotas and regional limits for AKS").
const maxPools = 100

// checkCluster: the pools of a new cluster follow the rules and the quota of any
// other pool.
func (c *Cloud) checkCluster(ch *change) *problem {
	if textAt(ch.body, "location") == "" {
		return refuse(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	}
	if len(c.children(ch.id, "agentPools")) > 0 {
		return nil
	}
	pools, p := c.firstPools(ch.id, ch.body)
	if p != nil {
		return p
	}
	return c.noQuota(nil, c.firstNeeds(place(textAt(ch.body, "location")), pools))
}

// firstPools are the pools that a cluster's agentPoolProfiles make with it.
func (c *Cloud) firstPools(cluster rid, body object) (pools []*change, p *problem) {
	profiles := arrayAt(body, "properties", "agentPoolProfiles")
	if len(profiles) > maxPools {
		return nil, refuse(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("agentPoolProfiles has %d pools: want at most %d.", len(profiles), maxPools))
	}
	seen := map[string]bool{}
	for i, v := range profiles {
		properties, _ := clone(v).(object)
		name := textAt(properties, "name")
		if seen[name] || properties == nil {
			return nil, refuse(http.StatusBadRequest, "InvalidParameter", fmt.Sprintf("agentPoolProfiles[%d]: want a pool with a name of its own.", i))
		}
		seen[name] = true
		delete(properties, "name")
		id := cluster
		id.typ, id.names, id.text = poolType, append(slices.Clone(id.names), name), id.text+"/agentPools/"+name
		ch := &change{method: http.MethodPut, id: id, kind: c.kinds[lower(poolType)], body: object{"properties": properties}}
		if p := c.checkPool(ch); p != nil {
			return nil, p
		}
		pools = append(pools, ch)
	}
	return pools, nil
}

// firstNeeds are what the pools of a new cluster need together.
func (c *Cloud) firstNeeds(location string, pools []*change) []need {
	sum := map[need]int{}
	for _, p := range pools {
		for _, n := range c.poolNeeds(p.id, nil, p.body) {
			sum[need{n.provider, location, n.name, 0}] += n.n
		}
	}
	var all []need
	for n, of := range sum {
		all = append(all, need{n.provider, n.location, n.name, of})
	}
	slices.SortFunc(all, func(a, b need) int { return strings.Compare(a.name, b.name) })
	return all
}
