package azure

import "testing"

func TestUsageOfStreamsIsAskedOfVersionsThatTellIt(t *testing.T) {
	for version, want := range map[string]bool{
		"": true, "2024-02-01": false, "2024-07-01-preview": false, "2024-08-01-preview": true, "2024-10-21": true, "preview": true,
	} {
		if StreamsUsage(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}
