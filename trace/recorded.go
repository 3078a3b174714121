package trace

import (
	"bytes"
	_ "embed"
)

//go:embed testdata/azure23_conv_10min.csv.gz
var azureConversation []byte

// AzureConversation returns ten minutes of recorded traffic of an Azure
// conversation service, 2,867 requests: the demonstration's traffic. Source:
// github.com/Azure/AzurePublicDataset at b469a113, CC-BY-4.0.
func AzureConversation() (*Reader, error) { return NewReader(bytes.NewReader(azureConversation)) }
