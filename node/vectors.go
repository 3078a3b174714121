package node

import (
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
