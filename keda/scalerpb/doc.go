// Package scalerpb holds the messages of KEDA's external scaler, generated from
// scaler.proto. It knows nothing of Weir.
package scalerpb
