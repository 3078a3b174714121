package node

import (
	"context"
	"slices"

	"weir/gateway"
	"weir/store/vectors"
)

// openVectors opens the stored embeddings, if a model stores any.
func (n *Node) openVectors(s *Setup) (err error) {
	if slices.ContainsFunc(s.Gateway.Models, func(m gateway.Model) bool { return m.Vectors != nil }) {
		o := s.Vectors
		o.Log = n.log
		n.vectors, err = vectors.Open(o)
	}
	return err
}

// keptVectors is nil if no model stored embeddings at the start.
func (n *Node) keptVectors() gateway.Vectors {
	if n.vectors == nil {
		return nil
	}
	return n.vectors
}

// searches is nil if there are no vector stores.
func (n *Node) searches() gateway.Searches {
	if n.indexes == nil {
		return nil
	}
	return n.indexes.Search
}

// lookAtIndexes says at the start which vector stores cannot be searched: else the first
// caller would be told.
func (n *Node) lookAtIndexes(ctx context.Context) error {
	if n.indexes == nil {
		return nil
	}
	for name, err := range n.indexes.Look(ctx) {
		if ctx.Err() == nil {
			n.log.Warn("a vector store cannot be searched yet", "store", name, "error", err)
		}
	}
	return nil
}
