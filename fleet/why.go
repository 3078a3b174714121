package fleet

// Words for why a replica does not come, or why a place gives no more of them.
// They are the same in weir.Replica.Why, errors, logs and metrics, and stay the
// same from one release to the next; the text beside a word is for people.
const (
	WhyScheduling    = "scheduling"    // no node has been looked for yet
	WhyUnschedulable = "unschedulable" // no node that is there has room for it
	WhyNodeComing    = "node_coming"   // a node for it is being started
	WhyNoNode        = "no_node"       // no node has room and none will be started: stock, the pool's maximum
	WhyGated         = "gated"         // another program holds it back (a scheduling gate)
	WhyProvisioning  = "provisioning"  // its ProvisioningRequest has not been granted
	WhyQuota         = "quota"         // the quota of the namespace or the subscription is used up
	WhyStock         = "stock"         // the provider has no machine of that size left in the region
	WhyProvider      = "provider"      // the provider failed, for a reason of its own
	WhyDenied        = "denied"        // the cluster does not let it be created, for another reason
	WhyMaxReplicas   = "max_replicas"  // its own limit
	WhyPulling       = "pulling"       // its containers are not running yet: image, volumes
	WhyLoading       = "loading"       // it runs and is not ready
	WhyImage         = "image"         // its image cannot be had
	WhySetup         = "setup"         // its containers cannot be created as they are described
	WhyCrash         = "crash"         // it ends before it is ready
	WhyMemory        = "out_of_memory" // it used more memory than its limit
	WhySlowStart     = "slow_start"    // it was not ready in the time a start may take
	WhyUnreachable   = "unreachable"   // it is ready, and Weir has no address for it
	WhyEvicted       = "evicted"       // its node took it away
	WhyEnded         = "ended"         // its containers have ended
)

// Shortage is an error of Scale that says why a place cannot give that many
// replicas now. It is ErrNoCapacity.
type Shortage struct {
	Why string // a word
	Err error  // the whole message; it wraps ErrNoCapacity
}

func (s *Shortage) Error() string { return s.Err.Error() }
func (s *Shortage) Unwrap() error { return s.Err }
