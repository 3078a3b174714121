package emulate

import (
	"net/http"
	"sync"
)

// maxKept is how many answers of the Responses API a server keeps; the oldest
// go first.
const maxKept = 1000

// kept are the answers that can be continued, read and deleted. The zero value
// is empty.
type kept struct {
	mu    sync.Mutex
	byID  map[string]keptAnswer
	order []string
}

// keptAnswer is an answer and its input.
type keptAnswer struct {
	response fields
	input    any
}

func (k *kept) put(id string, a keptAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = map[string]keptAnswer{}
	}
	k.byID[id] = a
	k.order = append(k.order, id)
	if len(k.order) > maxKept {
		delete(k.byID, k.order[0])
		k.order = k.order[1:]
	}
}

func (k *kept) get(id string) (keptAnswer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.byID[id]
	return a, ok
}

// goesOn refuses to continue an answer that is not kept here.
func (k *kept) goesOn(previous string) *problem {
	if _, ok := k.get(previous); ok || previous == "" {
		return nil
	}
	return &problem{http.StatusBadRequest, "invalid_request_error", "previous_response_id", "previous_response_not_found", "Previous response with id '" + previous + "' not found."}
}

// serve answers requests for a kept answer.
func (k *kept) serve(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	a, ok := k.get(id)
	if !ok {
		openAIErrors.write(w, problem{http.StatusNotFound, "invalid_request_error", "", "", "Response with id '" + id + "' not found."})
		return
	}
	switch {
	case r.Method == http.MethodDelete:
		k.mu.Lock()
		delete(k.byID, id)
		k.mu.Unlock()
		writeJSON(w, http.StatusOK, fields{"id": id, "object": "response", "deleted": true})
	case r.PathValue("what") == "input_items":
		writeJSON(w, http.StatusOK, fields{"object": "list", "data": a.input, "first_id": "msg_in", "last_id": "msg_in", "has_more": false})
	case r.PathValue("what") == "cancel":
		openAIErrors.write(w, *bad("", "Cannot cancel a synchronous response."))
	default:
		writeJSON(w, http.StatusOK, a.response)
	}
}

// count answers with the number of a request's tokens.
func (s *Server) count(shape *errorShape, parse parser, object string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, p := parse(w, r, s)
		if p != nil {
			shape.write(w, *p)
			return
		}
		a := fields{"input_tokens": c.prompt.tokens}
		if object != "" {
			a["object"] = object
		}
		writeJSON(w, http.StatusOK, a)
	}
}
